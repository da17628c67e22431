#include "cmd/qr.h"

#include <malloc.h>
#include <png.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/secret.h"

#define QUIET_ZONE    4 /* light modules around, as ISO 18004 asks */
#define QUIET_LEAST   2
#define MODULE_PIXELS 8

QRcode *qr_encode(const char *text)
{
	QRcode *qr, *better;

	/* libqrencode and libpng free copies as they are: have the allocator overwrite them.
	 * musl's does not. */
#ifdef M_PERTURB
	mallopt(M_PERTURB, 0xff);
#endif
	qr = QRcode_encodeString8bit(text, 0, QR_ECLEVEL_L);
	for (QRecLevel level = QR_ECLEVEL_M; qr != NULL && level <= QR_ECLEVEL_H; level++) {
		better = QRcode_encodeString8bit(text, qr->version, level);
		if (better == NULL || better->version > qr->version) {
			qr_free(better);
			return qr;
		}
		qr_free(qr);
		qr = better;
	}
	return qr;
}

void qr_free(QRcode *qr)
{
	if (qr == NULL)
		return;
	secret_wipe(qr->data, (size_t)qr->width * (size_t)qr->width);
	QRcode_free(qr);
}

/* Coordinates count from the corner of the light edge. */
static bool is_dark(const QRcode *qr, int edge, int row, int column)
{
	int width = qr->width;

	row -= edge;
	column -= edge;
	if (row < 0 || column < 0 || row >= width || column >= width)
		return false;
	return qr->data[row * width + column] & 1;
}

static int rows_of(const QRcode *qr, const struct qr_style *style, int edge)
{
	int size = qr->width + 2 * edge;

	return style->utf8 ? (size + 1) / 2 : size;
}

/* Less than what the standard asks for, which phones read all the same, where that makes it fit. */
static int edge_of(const QRcode *qr, const struct qr_style *style)
{
	for (int edge = QUIET_ZONE; edge > QUIET_LEAST; edge--)
		if (style->rows == 0 || rows_of(qr, style, edge) <= style->rows)
			return edge;
	return rows_of(qr, style, QUIET_LEAST) <= style->rows ? QUIET_LEAST : QUIET_ZONE;
}

void qr_measure(const QRcode *qr, const struct qr_style *style, int *rows, int *columns)
{
	int edge = edge_of(qr, style), size = qr->width + 2 * edge;

	*rows = rows_of(qr, style, edge);
	*columns = style->utf8 ? size : 2 * size;
}

static void draw_half_blocks(const QRcode *qr, FILE *to, int edge, int row)
{
	static const char *const blocks[2][2] = {{" ", "\u2584"}, {"\u2580", "\u2588"}};

	for (int column = 0; column < qr->width + 2 * edge; column++)
		fputs(
		    blocks[is_dark(qr, edge, row, column)][is_dark(qr, edge, row + 1, column)], to);
}

/* Solid in colour, for the shape of # has gaps. */
static void draw_hashes(const QRcode *qr, FILE *to, int edge, int row, bool colour)
{
	static const char *const plain[] = {"  ", "##"};
	static const char *const solid[] = {"\033[48;5;231m  ", "\033[48;5;16m  "};

	for (int column = 0; column < qr->width + 2 * edge; column++)
		fputs((colour ? solid : plain)[is_dark(qr, edge, row, column)], to);
}

void qr_draw(const QRcode *qr, FILE *to, const struct qr_style *style)
{
	int edge = edge_of(qr, style);

	for (int row = 0; row < qr->width + 2 * edge; row += style->utf8 ? 2 : 1) {
		/* Black and white of the fixed 256-colour cube, which no theme changes. */
		if (style->colour)
			fputs("\033[38;5;16;48;5;231m", to);
		if (style->utf8)
			draw_half_blocks(qr, to, edge, row);
		else
			draw_hashes(qr, to, edge, row, style->colour);
		fputs(style->colour ? "\033[0m\n" : "\n", to);
	}
	fflush(to);
}

static void paint(const QRcode *qr, uint8_t *pixels, int side)
{
	for (int y = 0; y < side; y++) {
		for (int x = 0; x < side; x++)
			pixels[y * side + x] =
			    is_dark(qr, QUIET_ZONE, y / MODULE_PIXELS, x / MODULE_PIXELS) ? 0 : 255;
	}
}

bool qr_write_png(const QRcode *qr, FILE *to)
{
	int side = (qr->width + 2 * QUIET_ZONE) * MODULE_PIXELS;
	size_t size = (size_t)side * (size_t)side;
	png_image image = {.version = PNG_IMAGE_VERSION,
	    .width = (png_uint_32)side,
	    .height = (png_uint_32)side,
	    .format = PNG_FORMAT_GRAY};
	uint8_t *pixels = malloc(size);
	bool written;

	if (pixels == NULL)
		return false;
	paint(qr, pixels, side);
	written = png_image_write_to_stdio(&image, to, 0, pixels, 0, NULL) != 0;
	secret_wipe(pixels, size);
	free(pixels);
	return written;
}
