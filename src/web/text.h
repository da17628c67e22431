/* Texts in what the page is told. */
#ifndef WEB_TEXT_H
#define WEB_TEXT_H

#include <stdio.h>

/* A string of JSON; bytes that are not printable ASCII as \u00NN. */
void text_print(FILE *to, const char *text);

#endif
