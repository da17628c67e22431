/* A text that grows in locked memory while it is printed. */
#ifndef FILES_SECRET_TEXT_H
#define FILES_SECRET_TEXT_H

#include <stddef.h>
#include <stdio.h>

struct secret_text {
	char *data; /* no zero behind it */
	size_t size;
	size_t room;
};

/* To print to, unbuffered: stdio keeps no copy. What does not fit into memory, or becomes larger
 * than FILE_MOST, is an error of it. NULL with errno. */
FILE *secret_text_open(struct secret_text *text);
/* Wipes. Safe on a zeroed one; close the file before. */
void secret_text_free(struct secret_text *text);

#endif
