/* A text as a QR code. */
#ifndef CMD_QR_H
#define CMD_QR_H

#include <stdbool.h>
#include <stdio.h>

#include <qrencode.h>

/* Error correction M. NULL with errno: ERANGE when no code holds so much. */
QRcode *qr_encode(const char *text);
/* Wipes it: whoever sees the code has the text. Safe on NULL. */
void qr_free(QRcode *qr);

/* Draws it for a terminal or a text file: with half blocks in UTF-8, else with ##. With `colour`
 * it is black on white whatever the terminal's colours are. */
void qr_draw(const QRcode *qr, FILE *to, bool utf8, bool colour);
/* A PNG, eight pixels a module. */
bool qr_write_png(const QRcode *qr, FILE *to);

#endif
