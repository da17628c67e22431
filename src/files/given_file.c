#include "files/given_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/secret.h"
#include "conf/error.h"

#define FIRST_BYTES 16384

int given_descriptor(const char *path)
{
	static const char *const before[] = {"fd:", "/dev/fd/", "/proc/self/fd/"};

	if (strcmp(path, "-") == 0 || strcmp(path, "/dev/stdin") == 0)
		return STDIN_FILENO;
	for (size_t i = 0; i < sizeof before / sizeof *before; i++) {
		size_t length = strlen(before[i]);
		const char *digits = path + length;

		if (strncmp(path, before[i], length) != 0 || *digits == '\0' ||
		    digits[strspn(digits, "0123456789")] != '\0' || strlen(digits) > 7)
			continue;
		return (int)strtol(digits, NULL, 10);
	}
	return -1;
}

const char *given_name(const char *path)
{
	return given_descriptor(path) == STDIN_FILENO ? "standard input" : path;
}

/* Twice the room; what was read moves there. */
static bool grow(struct file_text *text, size_t *room)
{
	char *more = *room < FILE_MOST ? secret_alloc(*room * 2 + 1) : NULL;

	if (more == NULL)
		return false;
	memcpy(more, text->data, text->size);
	secret_free(text->data);
	text->data = more;
	*room *= 2;
	return true;
}

static bool read_to_end(struct file_text *text, int fd)
{
	size_t room = FIRST_BYTES;
	ssize_t got = 1;

	text->data = secret_alloc(room + 1);
	if (text->data == NULL)
		return false;
	while (got > 0) {
		got = fd_read(fd, text->data + text->size, room - text->size);
		text->size += got > 0 ? (size_t)got : 0;
		if (text->size == room && !grow(text, &room)) {
			errno = EFBIG;
			return false;
		}
	}
	return got == 0;
}

bool given_read(
    struct file_text *out, const char *path, enum file_secrecy secrecy, struct conf_error *error)
{
	int fd = given_descriptor(path);

	if (fd < 0)
		return file_read(out, path, secrecy, error);
	*out = (struct file_text){.data = NULL};
	if (fd > STDERR_FILENO)
		fcntl(fd, F_SETFD, FD_CLOEXEC); /* not for post_knock */
	if (!read_to_end(out, fd)) {
		conf_fail_system(error, given_name(path), "read it");
		file_text_free(out);
		return false;
	}
	out->data[out->size] = '\0';
	return true;
}
