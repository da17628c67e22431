#!/bin/sh
echo 180
