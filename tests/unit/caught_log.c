#include "caught_log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

static int said, screen;

void caught_log_begin(enum log_level level)
{
	log_open("test", level, LOG_FORMAT_TEXT);
	fflush(stderr);
	said = memfd_create("log", MFD_CLOEXEC);
	screen = dup(STDERR_FILENO);
	assert_true(said >= 0 && screen >= 0);
	dup2(said, STDERR_FILENO);
}

const char *caught_log_end(void)
{
	static char text[16384];
	ssize_t size;

	log_open("test", LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
	fflush(stderr);
	dup2(screen, STDERR_FILENO);
	close(screen);
	size = pread(said, text, sizeof text - 1, 0);
	close(said);
	assert_true(size >= 0);
	text[size] = '\0';
	return text;
}
