/* A text as a QR code. */
#ifndef CMD_QR_H
#define CMD_QR_H

#include <stdbool.h>
#include <stdio.h>

#include <qrencode.h>

/* The smallest code that holds it, with as much error correction as that has room for. NULL with
 * errno: ERANGE when no code holds so much. */
QRcode *qr_encode(const char *text);
/* Wipes it: whoever sees the code has the text. Safe on NULL. */
void qr_free(QRcode *qr);

/* How a drawing is to be. */
struct qr_style {
	bool utf8;   /* half blocks; else ##, twice as high and as wide */
	bool colour; /* black on white whatever the terminal's colours are */
	int rows;    /* that it should fit: the light edge gets narrower where that helps; 0: any */
};

/* Draws it for a terminal or a text file. */
void qr_draw(const QRcode *qr, FILE *to, const struct qr_style *style);
/* In how many rows and columns, which may be more than there are. */
void qr_measure(const QRcode *qr, const struct qr_style *style, int *rows, int *columns);
/* A PNG, eight pixels a module. */
bool qr_write_png(const QRcode *qr, FILE *to);

#endif
