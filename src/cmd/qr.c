#include "cmd/qr.h"

#include <malloc.h>
#include <png.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/secret.h"

#define QUIET_ZONE    4 /* light modules around, as ISO 18004 asks */
#define MODULE_PIXELS 8

QRcode *qr_encode(const char *text)
{
	/* libqrencode and libpng free copies as they are: have the allocator overwrite them. */
	mallopt(M_PERTURB, 0xff);
	return QRcode_encodeString8bit(text, 0, QR_ECLEVEL_M);
}

void qr_free(QRcode *qr)
{
	if (qr == NULL)
		return;
	secret_wipe(qr->data, (size_t)qr->width * (size_t)qr->width);
	QRcode_free(qr);
}

/* Coordinates count from the corner of the quiet zone. */
static bool is_dark(const QRcode *qr, int row, int column)
{
	int width = qr->width;

	row -= QUIET_ZONE;
	column -= QUIET_ZONE;
	if (row < 0 || column < 0 || row >= width || column >= width)
		return false;
	return qr->data[row * width + column] & 1;
}

static void draw_half_blocks(const QRcode *qr, FILE *to, int row, int size)
{
	static const char *const blocks[2][2] = {{" ", "\u2584"}, {"\u2580", "\u2588"}};

	for (int column = 0; column < size; column++)
		fputs(blocks[is_dark(qr, row, column)][is_dark(qr, row + 1, column)], to);
}

/* Solid in colour, for the shape of # has gaps. */
static void draw_hashes(const QRcode *qr, FILE *to, int row, int size, bool colour)
{
	static const char *const plain[] = {"  ", "##"};
	static const char *const solid[] = {"\033[48;5;231m  ", "\033[48;5;16m  "};

	for (int column = 0; column < size; column++)
		fputs((colour ? solid : plain)[is_dark(qr, row, column)], to);
}

void qr_draw(const QRcode *qr, FILE *to, bool utf8, bool colour)
{
	int size = qr->width + 2 * QUIET_ZONE;

	for (int row = 0; row < size; row += utf8 ? 2 : 1) {
		/* Black and white of the fixed 256-colour cube, which no theme changes. */
		if (colour)
			fputs("\033[38;5;16;48;5;231m", to);
		if (utf8)
			draw_half_blocks(qr, to, row, size);
		else
			draw_hashes(qr, to, row, size, colour);
		fputs(colour ? "\033[0m\n" : "\n", to);
	}
	fflush(to);
}

static void paint(const QRcode *qr, uint8_t *pixels, int side)
{
	for (int y = 0; y < side; y++) {
		for (int x = 0; x < side; x++)
			pixels[y * side + x] =
			    is_dark(qr, y / MODULE_PIXELS, x / MODULE_PIXELS) ? 0 : 255;
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
