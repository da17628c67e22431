#include "cmd/qr.h"

#include <errno.h>
#include <malloc.h>
#include <png.h>
#include <qrencode.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"

#define QUIET_ZONE    4 /* light modules around, as ISO 18004 asks */
#define MODULE_PIXELS 8

struct qr {
	QRcode *code;
};

struct qr *qr_encode(const char *text)
{
	struct qr *qr = calloc(1, sizeof *qr);

	if (qr == NULL)
		return NULL;
	/* libqrencode and libpng free copies as they are: have the allocator overwrite them. */
	mallopt(M_PERTURB, 0xff);
	qr->code = QRcode_encodeString8bit(text, 0, QR_ECLEVEL_M);
	if (qr->code == NULL) {
		int saved = errno;

		free(qr);
		errno = saved;
		return NULL;
	}
	return qr;
}

void qr_free(struct qr *qr)
{
	if (qr == NULL)
		return;
	secret_wipe(qr->code->data, (size_t)qr->code->width * (size_t)qr->code->width);
	QRcode_free(qr->code);
	free(qr);
}

/* Coordinates count from the corner of the quiet zone. */
static bool is_dark(const struct qr *qr, int row, int column)
{
	int width = qr->code->width;

	row -= QUIET_ZONE;
	column -= QUIET_ZONE;
	if (row < 0 || column < 0 || row >= width || column >= width)
		return false;
	return qr->code->data[row * width + column] & 1;
}

static void draw_half_blocks(const struct qr *qr, FILE *to, int row, int size)
{
	static const char *const blocks[2][2] = {{" ", "\u2584"}, {"\u2580", "\u2588"}};

	for (int column = 0; column < size; column++)
		fputs(blocks[is_dark(qr, row, column)][is_dark(qr, row + 1, column)], to);
}

/* Solid in colour, for the shape of # has gaps. */
static void draw_hashes(const struct qr *qr, FILE *to, int row, int size, bool colour)
{
	static const char *const plain[] = {"  ", "##"};
	static const char *const solid[] = {"\033[48;5;231m  ", "\033[48;5;16m  "};

	for (int column = 0; column < size; column++)
		fputs((colour ? solid : plain)[is_dark(qr, row, column)], to);
}

void qr_draw(const struct qr *qr, FILE *to, bool utf8, bool colour)
{
	int size = qr->code->width + 2 * QUIET_ZONE;

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

static void paint(const struct qr *qr, uint8_t *pixels, int side)
{
	for (int y = 0; y < side; y++) {
		for (int x = 0; x < side; x++)
			pixels[y * side + x] =
			    is_dark(qr, y / MODULE_PIXELS, x / MODULE_PIXELS) ? 0 : 255;
	}
}

bool qr_write_png(const struct qr *qr, FILE *to)
{
	int side = (qr->code->width + 2 * QUIET_ZONE) * MODULE_PIXELS;
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
