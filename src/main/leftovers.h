/* Rules that an original server has left in the firewall: after a crash or kill -9 its chains stay,
 * and what it had opened stays open. They are named, and never touched. */
#ifndef MAIN_LEFTOVERS_H
#define MAIN_LEFTOVERS_H

#include "conf/conf.h"

/* Tells each kind of them that is found, with the command that removes it. Nothing is said where
 * the firewall cannot be read. `conf`: whose own scripts may use the original's chains. */
void leftovers_find(const struct conf *conf, void (*tell)(const char *text));

#endif
