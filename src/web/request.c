#include "web/request.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/addr.h"
#include "web/options.h"

#define HOST_MOST 64

/* "" or ":" and digits. */
static bool is_port(const char *text)
{
	size_t length = strlen(text);

	if (length == 0)
		return true;
	return text[0] == ':' && length >= 2 && length <= 6 &&
	       strspn(text + 1, "0123456789") == length - 1;
}

bool request_host_is_ours(const char *host)
{
	char name[HOST_MOST];
	bool brackets;
	size_t length;
	struct addr a;

	if (host == NULL || strlen(host) >= sizeof name)
		return false;
	brackets = *host == '[';
	length = strcspn(host, brackets ? "]" : ":");
	if ((brackets && host[length] != ']') || !is_port(host + length + (brackets ? 1 : 0)))
		return false;
	memcpy(name, host + (brackets ? 1 : 0), length - (brackets ? 1 : 0));
	name[length - (brackets ? 1 : 0)] = '\0';
	if (!brackets && strcasecmp(name, "localhost") == 0)
		return true;
	return brackets == (strchr(name, ':') != NULL) && addr_parse(&a, name) &&
	       place_is_loopback(&a);
}

static const struct page_file *find_page(const char *path)
{
	for (const struct page_file *f = page_files; f->path != NULL; f++)
		if (strcmp(path, f->path) == 0)
			return f;
	return NULL;
}

enum request_kind request_kind_of(
    const char *method, const char *host, const char *path, const struct page_file **file)
{
	if (!request_host_is_ours(host))
		return REQUEST_HOST;
	*file = find_page(strcmp(path, "/") == 0 ? "/index.html" : path);
	if (*file == NULL && strcmp(path, "/data.json") != 0 && strcmp(path, "/metrics") != 0)
		return REQUEST_UNKNOWN;
	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
		return REQUEST_METHOD;
	if (*file != NULL)
		return REQUEST_PAGE;
	return strcmp(path, "/metrics") == 0 ? REQUEST_METRICS : REQUEST_DATA;
}

static int digit(char c)
{
	const char *digits = "0123456789abcdef", *at = strchr(digits, tolower((unsigned char)c));

	return c != '\0' && at != NULL ? (int)(at - digits) : -1;
}

void request_filter(char out[static FILTER_BYTES], const char *text)
{
	size_t used = 0;

	for (; text != NULL && *text != '\0' && used < FILTER_BYTES - 1; text++) {
		int c = *text == '+' ? ' ' : (unsigned char)*text;

		if (*text == '%') {
			int high = digit(text[1]), low = high < 0 ? -1 : digit(text[2]);

			c = low < 0 ? 0 : high * 16 + low;
			text += 2;
		}
		if (c == 0) {
			used = 0;
			break;
		}
		out[used++] = (char)(c < 0x80 ? tolower(c) : c);
	}
	out[used] = '\0';
}

bool request_matches(const char *filter, const char *text)
{
	return strcasestr(text, filter) != NULL;
}
