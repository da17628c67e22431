#include "files/secret_text.h"

#include <errno.h>
#include <string.h>
#include <sys/param.h>

#include "base/secret.h"
#include "conf/file.h"

#define FIRST_BYTES 65536

static bool grow(struct secret_text *text, size_t needed)
{
	size_t room = MAX(text->room * 2, FIRST_BYTES);
	char *more;

	while (room < needed)
		room *= 2;
	more = needed > FILE_MOST ? NULL : secret_alloc(room);
	if (more == NULL)
		return false;
	if (text->size > 0)
		memcpy(more, text->data, text->size);
	secret_free(text->data);
	text->data = more;
	text->room = room;
	return true;
}

static ssize_t take(void *cookie, const char *from, size_t size)
{
	struct secret_text *text = cookie;

	if (size > text->room - text->size && !grow(text, text->size + size)) {
		errno = EFBIG;
		return 0;
	}
	memcpy(text->data + text->size, from, size);
	text->size += size;
	return (ssize_t)size;
}

FILE *secret_text_open(struct secret_text *text)
{
	FILE *file;

	*text = (struct secret_text){NULL, 0, 0};
	file = fopencookie(text, "w", (cookie_io_functions_t){.write = take});
	if (file != NULL)
		setvbuf(file, NULL, _IONBF, 0);
	return file;
}

void secret_text_free(struct secret_text *text)
{
	secret_free(text->data);
	*text = (struct secret_text){NULL, 0, 0};
}
