/* Durations and points in time. */
#include "conf/values.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/line.h"

#define DIGITS       "0123456789"
#define MINUTE_NS    (60 * (uint64_t)NS_PER_SECOND)
#define MOST_SECONDS (INT64_MAX / NS_PER_SECOND)

static const struct {
	const char *name;
	uint64_t ns;
} units[] = {
    {"ns", 1},
    {"us", 1000},
    {"\xc2\xb5s", 1000}, /* micro sign */
    {"\xce\xbcs", 1000}, /* Greek mu */
    {"ms", NS_PER_MS},
    {"s", NS_PER_SECOND},
    {"m", MINUTE_NS},
    {"h", 60 * MINUTE_NS},
};

static uint64_t unit_ns(const char *name, size_t length)
{
	for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
		if (strlen(units[i].name) == length && memcmp(units[i].name, name, length) == 0)
			return units[i].ns;
	}
	return 0;
}

/* `whole` and `fraction` (digits after the point) of a unit, added to *sum. */
static bool add_part(uint64_t *sum, const char *whole, size_t whole_length, const char *fraction,
    size_t fraction_length, uint64_t unit)
{
	uint64_t value = 0, below = 1;

	for (size_t i = 0; i < whole_length; i++) {
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(whole[i] - '0'), &value))
			return false;
	}
	if (__builtin_mul_overflow(value, unit, &value))
		return false;
	/* 10^13 is more than the largest unit has nanoseconds: further digits add nothing. */
	for (size_t i = 0; i < fraction_length && i < 13; i++) {
		below *= 10;
		value += unit * (uint64_t)(fraction[i] - '0') / below;
	}
	return !__builtin_add_overflow(*sum, value, sum) && *sum <= INT64_MAX;
}

/* A number with its unit. */
static bool take_part(uint64_t *sum, const char **text)
{
	const char *whole = *text, *fraction, *name;
	size_t whole_length = strspn(whole, DIGITS), fraction_length = 0, name_length;
	uint64_t unit;

	fraction = whole + whole_length;
	if (*fraction == '.') {
		fraction++;
		fraction_length = strspn(fraction, DIGITS);
	}
	name = fraction + fraction_length;
	name_length = strcspn(name, DIGITS ".");
	unit = unit_ns(name, name_length);
	*text = name + name_length;
	return whole_length + fraction_length > 0 && unit > 0 &&
	       add_part(sum, whole, whole_length, fraction, fraction_length, unit);
}

bool value_duration(int64_t *out, const char *text, const char **expected)
{
	uint64_t sum = 0;

	*expected = "a duration such as 30s, 1m30s or 1.5h";
	if (*text != '\0' && text[strspn(text, DIGITS)] == '\0' && strcmp(text, "0") != 0) {
		*expected = "a duration with its unit, such as 30s or 5m";
		return false;
	}
	if (*text == '+')
		text++;
	if (*text == '\0')
		return false;
	if (strcmp(text, "0") != 0) {
		while (*text != '\0') {
			if (!take_part(&sum, &text))
				return false;
		}
	}
	*out = (int64_t)sum;
	return true;
}

/* A point in time, taken apart. */
struct when {
	int year, month, day, hour, minute, second;
	int64_t nanosecond;
	int offset_seconds;
};

static bool take_number(const char **text, size_t least, size_t most, int *out)
{
	size_t length = strspn(*text, DIGITS);

	if (length < least || length > most)
		return false;
	*out = 0;
	for (size_t i = 0; i < length; i++)
		*out = *out * 10 + ((*text)[i] - '0');
	*text += length;
	return true;
}

static bool take_char(const char **text, char c)
{
	if (**text != c)
		return false;
	(*text)++;
	return true;
}

static bool take_date(const char **text, struct when *w)
{
	static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap;

	if (!take_number(text, 4, 4, &w->year) || !take_char(text, '-') ||
	    !take_number(text, 1, 2, &w->month) || !take_char(text, '-') ||
	    !take_number(text, 1, 2, &w->day) || w->year < 1 || w->month < 1 || w->month > 12)
		return false;
	leap = (w->year % 4 == 0 && w->year % 100 != 0) || w->year % 400 == 0;
	return w->day >= 1 && w->day <= lengths[w->month - 1] + (leap && w->month == 2);
}

static bool take_clock(const char **text, struct when *w)
{
	if (!take_number(text, 1, 2, &w->hour) || !take_char(text, ':') ||
	    !take_number(text, 1, 2, &w->minute) || !take_char(text, ':') ||
	    !take_number(text, 1, 2, &w->second))
		return false;
	if (take_char(text, '.') || take_char(text, ',')) {
		size_t length = strspn(*text, DIGITS);
		int64_t worth = NS_PER_SECOND;

		if (length == 0)
			return false;
		for (size_t i = 0; i < length && i < 9; i++) {
			worth /= 10;
			w->nanosecond += worth * ((*text)[i] - '0');
		}
		*text += length;
	}
	return w->hour < 24 && w->minute < 60 && w->second < 60;
}

static bool take_offset(const char **text, struct when *w)
{
	int sign = **text == '-' ? -1 : 1, hours, minutes;

	if (take_char(text, 'Z') || take_char(text, 'z'))
		return true;
	if (!take_char(text, '+') && !take_char(text, '-'))
		return false;
	if (!take_number(text, 2, 2, &hours) || !take_char(text, ':') ||
	    !take_number(text, 2, 2, &minutes) || hours > 23 || minutes > 59)
		return false;
	w->offset_seconds = sign * (hours * 3600 + minutes * 60);
	return true;
}

static int64_t nanoseconds_of(const struct when *w)
{
	struct tm tm = {.tm_year = w->year - 1900,
	    .tm_mon = w->month - 1,
	    .tm_mday = w->day,
	    .tm_hour = w->hour,
	    .tm_min = w->minute,
	    .tm_sec = w->second};
	int64_t seconds = timegm(&tm) - w->offset_seconds;

	if (seconds >= MOST_SECONDS)
		return INT64_MAX;
	if (seconds <= -MOST_SECONDS)
		return INT64_MIN;
	return seconds * NS_PER_SECOND + w->nanosecond;
}

static bool take_when(const char *text, struct when *w)
{
	if (!take_date(&text, w))
		return false;
	if (*text == '\0')
		return true;
	if (take_char(&text, ' '))
		return take_clock(&text, w) && (*text == '\0' || take_offset(&text, w)) &&
		       *text == '\0';
	return (take_char(&text, 'T') || take_char(&text, 't')) && take_clock(&text, w) &&
	       take_offset(&text, w) && *text == '\0';
}

bool value_time(int64_t *out, const char *text, const char **expected)
{
	struct when w = {0};

	*expected = "a time such as 2026-12-31T23:59:59Z, 2026-12-31T23:59:59+01:00 or 2026-12-31";
	if (!take_when(text, &w))
		return false;
	*out = nanoseconds_of(&w);
	return true;
}

bool value_lacks_zone(const char *text, size_t size, char *zoned)
{
	struct line l = {.text = zoned, .size = size};
	struct when w = {0};

	if (!take_date(&text, &w) ||
	    !(take_char(&text, ' ') || take_char(&text, 'T') || take_char(&text, 't')) ||
	    !take_clock(&text, &w) || *text != '\0')
		return false;
	line_add(&l, "%04d-%02d-%02dT%02d:%02d:%02d", w.year, w.month, w.day, w.hour, w.minute,
	    w.second);
	if (w.nanosecond != 0)
		line_add(&l, ".%09" PRId64, w.nanosecond);
	line_add(&l, "Z");
	return true;
}

void duration_text(int64_t ns, char *out, size_t size)
{
	int64_t seconds = ns / NS_PER_SECOND, fraction = ns % NS_PER_SECOND;
	int64_t hours = seconds / 3600, minutes = seconds / 60 % 60;
	struct line l = {.text = out, .size = size};

	if (hours > 0)
		line_add(&l, "%" PRId64 "h", hours);
	if (minutes > 0)
		line_add(&l, "%" PRId64 "m", minutes);
	seconds %= 60;
	if (fraction != 0)
		line_add(&l, "%" PRId64 ".%09" PRId64 "s", seconds, fraction);
	else if (seconds > 0 || l.used == 0)
		line_add(&l, "%" PRId64 "s", seconds);
}
