/* Any text as a QR code, drawn in each of the ways there are. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cmd/qr.h"
#include "fuzz.h"

#define BYTES_MOST 2953 /* of version 40 with error correction L */
#define PNG_MOST   64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size), *drawn = NULL;
	size_t length = 0;
	QRcode *qr = qr_encode(text);
	FILE *to = open_memstream(&drawn, &length);

	must(to != NULL);
	must((qr != NULL) == (strlen(text) > 0 && strlen(text) <= BYTES_MOST));
	for (int way = 0; qr != NULL && way < 4; way++)
		qr_draw(
		    qr, to, &(struct qr_style){.utf8 = (way & 1) != 0, .colour = (way & 2) != 0});
	if (qr != NULL && size <= PNG_MOST) /* a picture takes a while */
		must(qr_write_png(qr, to));
	fclose(to);
	free(drawn);
	qr_free(qr);
	free(text);
	return 0;
}
