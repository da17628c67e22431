/* Kinds of values that only OpenSPA has. */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "conf/values.h"

#define UUID_TEXT_LENGTH (UUID_TEXT_BYTES - 1)

static const struct {
	const char *word;
	int protocol;
} protocols[] = {{"any", 0}, {"icmp", IPPROTO_ICMP}, {"ipv4", IPPROTO_IPIP}, {"tcp", IPPROTO_TCP},
    {"udp", IPPROTO_UDP}, {"icmpv6", IPPROTO_ICMPV6}};

static bool rule_what(struct rule_spec *out, const char *what)
{
	const char *ignored = NULL;

	for (size_t i = 0; i < sizeof protocols / sizeof *protocols; i++) {
		if (strcmp(protocols[i].word, what) == 0) {
			out->protocol = protocols[i].protocol;
			return true;
		}
	}
	out->protocol = -1;
	return value_port_spec(&out->ports, what, &ignored);
}

static bool rule_duration(struct rule_spec *out, const char *text)
{
	const char *ignored = NULL;
	int64_t ns;

	if (!value_duration(&ns, text, &ignored) || ns % NS_PER_SECOND != 0 || ns < NS_PER_SECOND ||
	    ns > UINT16_MAX * NS_PER_SECOND)
		return false;
	out->duration_s = (uint16_t)(ns / NS_PER_SECOND);
	return true;
}

bool value_rule(struct rule_spec *out, const char *text, const char **expected)
{
	size_t length = strcspn(text, " ");
	const char *rest = text + length + strspn(text + length, " ");
	char what[32];

	*expected = "a rule such as 22/tcp, 8000-8010/tcp 30s, icmp or any 1m: a protocol or "
	            "ports, and whole seconds from 1s to 65535s if wanted";
	memset(out, 0, sizeof *out);
	if (length == 0 || length >= sizeof what)
		return false;
	memcpy(what, text, length);
	what[length] = '\0';
	return rule_what(out, what) && (*rest == '\0' || rule_duration(out, rest));
}

bool value_url(const char *text, const char **expected)
{
	size_t scheme = strncmp(text, "https://", 8) == 0  ? 8
	                : strncmp(text, "http://", 7) == 0 ? 7
	                                                   : 0;

	*expected = "a URL such as https://ip.example.org, of at most 255 bytes";
	for (const char *c = text; *c != '\0'; c++) {
		if (*c <= ' ' || *c >= 0x7f || strchr("\"\'\\<>`", *c) != NULL)
			return false;
	}
	return scheme > 0 && text[scheme] != '\0' && strlen(text) <= 255;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_dash(size_t at)
{
	return at == 8 || at == 13 || at == 18 || at == 23;
}

bool value_uuid(uint8_t out[static 16], const char *text, const char **expected)
{
	size_t digits = 0;

	*expected = "a UUID in lower case, such as 01234567-89ab-cdef-0123-456789abcdef";
	memset(out, 0, 16);
	if (strlen(text) != UUID_TEXT_LENGTH)
		return false;
	for (size_t at = 0; at < UUID_TEXT_LENGTH; at++) {
		int digit = hex_digit(text[at]);

		if (is_dash(at) ? text[at] != '-' : digit < 0)
			return false;
		if (is_dash(at))
			continue;
		out[digits / 2] = (uint8_t)(out[digits / 2] << 4 | digit);
		digits++;
	}
	return true;
}

const char *value_uuid_text(char out[static UUID_TEXT_BYTES], const uint8_t uuid[static 16])
{
	static const char hex[] = "0123456789abcdef";
	size_t digits = 0;

	for (size_t at = 0; at < UUID_TEXT_LENGTH; at++) {
		if (is_dash(at)) {
			out[at] = '-';
			continue;
		}
		out[at] = hex[digits % 2 == 0 ? uuid[digits / 2] >> 4 : uuid[digits / 2] & 15];
		digits++;
	}
	out[UUID_TEXT_LENGTH] = '\0';
	return out;
}
