/* What the fuzz targets share. Each is run on whatever bytes libFuzzer thinks of; it ends badly
 * when the parser steps out of bounds, or when what must hold does not. */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void must(bool holds)
{
	if (!holds)
		abort();
}

/* The bytes as a text with a closing zero, on the heap so that a step beyond its end is seen. */
char *fuzz_text(const uint8_t *data, size_t size);
/* The bytes as a file that is its owner's alone, at its beginning. */
int fuzz_file(const void *data, size_t size);
/* The path of an open file. */
#define FUZZ_PATH_BYTES 32
const char *fuzz_path(char path[static FUZZ_PATH_BYTES], int fd);

#endif
