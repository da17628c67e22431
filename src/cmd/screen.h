/* A terminal that is drawn on again and again: on its other screen, calmly, which is only what has
 * changed. However the program ends, but for SIGKILL, the terminal is as it was. */
#ifndef CMD_SCREEN_H
#define CMD_SCREEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct screen {
	int rows, columns;
	char **lines; /* as they stand there */
	size_t count;
	FILE *next; /* what is to stand there; NULL: nothing is being drawn */
	char *text;
	size_t size;
};

/* Whether standard output is a terminal that can do this. */
bool screen_is_possible(void);
/* Takes the terminal; there can be one. Ctrl-C and SIGTERM end the program with status 0 from now
 * on. False with errno. */
bool screen_open(struct screen *s);
void screen_close(struct screen *s);

/* Where to write lines, each of them no wider than s->columns, which is up to date then, as is
 * s->rows. NULL with errno. */
FILE *screen_begin(struct screen *s);
/* Shows what was written there, of that no more than there are rows. False with errno: the terminal
 * is gone, or memory is short. */
bool screen_show(struct screen *s);
/* Waits until then (CLOCK_BOOTTIME), or until the terminal has another size or has to be drawn
 * anew. False: the person wants it to end (q), or is gone. */
bool screen_wait(int64_t until_ns);

#endif
