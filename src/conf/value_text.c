/* Words for people: quoting what was found, guessing what was meant. */
#include "conf/values.h"

#include <string.h>
#include <sys/param.h>

#define WORD_MOST 64

const char *value_quoted(char *out, size_t size, const char *text, size_t most)
{
	static const char cut_off[] = "...\"";
	struct line l = {.text = out, .size = size - sizeof cut_off};

	line_add(&l, "\"");
	value_escape(&l, text, most, LINE_QUOTED);
	l.size = size;
	line_add(&l, "%s", l.cut || strnlen(text, most + 1) > most ? cut_off : "\"");
	return out;
}

static char lower(char c)
{
	return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

/* Insertions, deletions, changes and swaps of neighbours that make one word of the other; both at
 * most WORD_MOST long. */
static size_t distance(const char *a, const char *b)
{
	size_t a_length = strlen(a), b_length = strlen(b);
	size_t rows[3][WORD_MOST + 1];

	for (size_t j = 0; j <= b_length; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= a_length; i++) {
		size_t *now = rows[i % 3], *before = rows[(i + 2) % 3],
		       *earlier = rows[(i + 1) % 3];

		now[0] = i;
		for (size_t j = 1; j <= b_length; j++) {
			bool same = lower(a[i - 1]) == lower(b[j - 1]);

			now[j] = MIN(before[j - 1] + !same, MIN(before[j], now[j - 1]) + 1);
			if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
			    lower(a[i - 2]) == lower(b[j - 1]))
				now[j] = MIN(now[j], earlier[j - 2] + 1);
		}
	}
	return rows[a_length % 3][b_length];
}

void value_consider(struct value_guess *guess, const char *candidate)
{
	size_t length = strnlen(guess->text, WORD_MOST + 1);
	size_t most = guess->best != NULL ? guess->distance : 2 + length / 4;
	size_t d;

	if (length > WORD_MOST || strnlen(candidate, WORD_MOST + 1) > WORD_MOST)
		return;
	d = distance(guess->text, candidate);
	if (d < most && d < strlen(candidate)) {
		guess->distance = d;
		guess->best = candidate;
	}
}

const char *value_nearest(const char *text, const char *const *candidates, size_t count)
{
	struct value_guess guess = {.text = text};

	for (size_t i = 0; i < count; i++)
		value_consider(&guess, candidates[i]);
	return guess.best;
}
