#include "conf/tree_texts.h"

#include <string.h>

#include "base/secret.h"

#define TEXTS_BYTES 8176 /* two pages, with what secret_alloc adds */

struct tree_texts {
	struct tree_texts *before;
	size_t used;
	size_t size;
	char bytes[];
};

const char *tree_texts_add(struct tree_texts **texts, const char *text, size_t length)
{
	struct tree_texts *t = *texts;
	char *to;

	if (t == NULL || length >= t->size - t->used) {
		size_t size = TEXTS_BYTES - sizeof *t;

		/* It ends where a guard page begins, so its size says how it is aligned. */
		if (size <= length)
			size = (length / sizeof *t + 1) * sizeof *t;
		t = secret_alloc(sizeof *t + size);
		if (t == NULL)
			return NULL;
		t->before = *texts;
		t->size = size;
		*texts = t;
	}
	to = t->bytes + t->used;
	memcpy(to, text, length);
	to[length] = '\0';
	t->used += length + 1;
	return to;
}

static void drop_last(struct tree_texts **texts)
{
	struct tree_texts *last = *texts;

	*texts = last->before;
	secret_free(last);
}

static bool holds(const struct tree_texts *t, const char *text)
{
	return text == NULL ? t->before == NULL : text >= t->bytes && text < t->bytes + t->used;
}

void tree_texts_cut(struct tree_texts **texts, const char *text)
{
	while (*texts != NULL && !holds(*texts, text))
		drop_last(texts);
	if (*texts != NULL)
		(*texts)->used = text == NULL ? 0 : (size_t)(text - (*texts)->bytes);
}

void tree_texts_free(struct tree_texts **texts)
{
	while (*texts != NULL)
		drop_last(texts);
}
