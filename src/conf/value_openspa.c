/* Kinds of values that only OpenSPA has. */
#include <netinet/in.h>
#include <string.h>

#include "base/clock.h"
#include "conf/values.h"

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

bool value_uuid(uint8_t out[static UUID_BYTES], const char *text, const char **expected)
{
	*expected = "a UUID in lower case, such as 01234567-89ab-cdef-0123-456789abcdef";
	return uuid_parse(out, text);
}
