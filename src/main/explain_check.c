#include "main/explain.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/secret.h"
#include "base/uuid.h"

void explain_time(int64_t ns)
{
	char text[CLOCK_TEXT_BYTES];

	fputs(ns == NEVER_NS ? "never" : clock_text(ns, text), stdout);
}

void explain_seconds(double seconds)
{
	printf("%.*f s", seconds < 10 ? 3 : 0, seconds);
}

static void print_ports(const struct ports *p)
{
	static const char *const names[UINT8_MAX + 1] = {[IPPROTO_ICMP] = "icmp",
	    [IPPROTO_IPIP] = "ipv4",
	    [IPPROTO_TCP] = "tcp",
	    [IPPROTO_UDP] = "udp",
	    [IPPROTO_ICMPV6] = "icmpv6"};
	const char *name = names[p->protocol] == NULL ? "?" : names[p->protocol];

	if (!ports_numbered(p))
		fputs(name, stdout);
	else if (p->first == p->last)
		printf("%u/%s", p->first, name);
	else
		printf("%u-%u/%s", p->first, p->last, name);
}

void explain_ports(const struct snapshot *s, const struct knock *k)
{
	const struct asked *asked = &k->packet.asked;
	struct span span;

	if (k->packet.record.protocol == RECORD_OPENSPA) {
		print_ports(&asked->ports);
		return;
	}
	span = s->policies[s->clients[k->holder].policy].ports;
	for (uint32_t i = 0; i < span.count; i++) {
		fputs(i == 0 ? "" : ", ", stdout);
		print_ports(&snapshot_ports(s, span)[i]);
	}
	if (span.count == 0)
		fputs("none", stdout);
}

static void print_stamp(const struct explanation *x, const struct knock *k, bool openspa)
{
	const struct settings *s = x->config->settings;
	int64_t window = openspa ? s->openspa.window_ns : s->replay_window_ns;
	double ahead = ((double)k->packet.asked.timestamp_ns - (double)x->now_ns) / 1e9;

	explain_time(k->packet.asked.timestamp_ns);
	fputs(", ", stdout);
	explain_seconds(ahead < 0 ? -ahead : ahead);
	printf(" %s; the window is ", ahead < 0 ? "behind" : "ahead");
	explain_seconds((double)window / 1e9);
}

static void print_device(const struct explanation *x, const struct knock *k)
{
	char uuid[UUID_TEXT_BYTES];
	int64_t row = snapshot_find_device(x->config, k->packet.asked.device);

	fputs(uuid_text(uuid, k->packet.asked.device), stdout);
	if (row >= 0)
		printf(", %s", x->config->devices[row].name);
}

static void print_signature(const struct explanation *x, const struct knock *k, bool openspa)
{
	if (k->verified)
		printf("of %s", snapshot_holder_name(x->config, k->holder));
	else if (openspa)
		fputs("not made with that device's key", stdout);
	else
		printf("of none of the %u clients", x->config->client_count);
}

static void print_target(const struct knock *k, bool passed)
{
	char asked[ADDR_TEXT_BYTES], source[ADDR_TEXT_BYTES];
	bool open = addr_is_wildcard(&k->packet.asked.target);

	addr_text(&k->packet.asked.target, asked);
	addr_text(&k->packet.record.source, source);
	if (open)
		printf("left open: %s, where it came from", source);
	else
		printf("%s%s%s", asked, passed ? "" : ", asked for from ", passed ? "" : source);
}

static void print_tag(const char *key, bool passed)
{
	if (key != NULL)
		printf("of %s", key);
	else
		printf("none of ours%s", passed ? ", so that others go first" : "");
}

static void print_seal(const struct explanation *x, bool passed, bool openspa)
{
	char key[SECRET_BASE64_BYTES(OPENME_PUBLIC_BYTES)];

	fputs(passed ? "opens with our private key" : "does not open: made for another key than ",
	    stdout);
	if (passed)
		return;
	secret_to_base64(key, sizeof key, x->config->settings->public_key,
	    sizeof x->config->settings->public_key);
	printf("%s, or damaged", openspa ? "ours" : key);
}

static void print_server(const struct addr *server)
{
	char text[ADDR_TEXT_BYTES];

	printf("meant for %s", addr_text(server, text));
}

static int64_t expiry_of(const struct snapshot *s, const struct knock *k)
{
	if (k->holder < s->client_count)
		return s->clients[k->holder].expires_ns;
	return k->holder < snapshot_holders(s) ? s->devices[k->holder - s->client_count].expires_ns
	                                       : NEVER_NS;
}

static void print_quota(const struct settings *s)
{
	printf("at most %u at once; the running daemon knows what is open", s->client_quota);
}

static void print_value(
    const struct explanation *x, enum check check, bool passed, const struct knock *k)
{
	const struct record *r = &k->packet.record;
	bool openspa = r->protocol == RECORD_OPENSPA;

	switch (check) {
	case CHECK_SIZE:
		printf("%zu bytes", x->packet->size);
		break;
	case CHECK_VERSION:
		printf(openspa ? "header %02x %02x" : "%u", r->bytes[0], r->bytes[1]);
		break;
	case CHECK_FORM:
		printf("of key and signature: %s", passed ? "in range" : "out of range");
		break;
	case CHECK_KEY:
		fputs(passed ? "made" : "none to be had: its half is of small order", stdout);
		break;
	case CHECK_SEAL:
		print_seal(x, passed, openspa);
		break;
	case CHECK_DEVICE:
		print_device(x, k);
		break;
	case CHECK_SIGNATURE:
		print_signature(x, k, openspa);
		break;
	case CHECK_TIME:
		print_stamp(x, k, openspa);
		break;
	case CHECK_REPLAY:
		fputs("the running daemon knows what it has seen", stdout);
		break;
	case CHECK_SERVER:
		print_server(&k->packet.asked.server);
		break;
	case CHECK_REVOKED:
		fputs(passed ? "no" : "yes", stdout);
		break;
	case CHECK_EXPIRY:
		explain_time(expiry_of(x->config, k));
		break;
	case CHECK_CONTENTS:
	case CHECK_PORTS:
	case CHECK_FAMILY:
	case CHECK_AUTHORIZED:
		explain_ports(x->config, k);
		break;
	case CHECK_TARGET:
		print_target(k, passed);
		break;
	case CHECK_QUOTA:
		print_quota(x->config->settings);
		break;
	case CHECK_TAG:
	case CHECK_COUNT:
		break;
	}
}

void explain_check(void *context, enum check check, bool passed, const struct knock *k)
{
	static const char *const names[CHECK_COUNT] = {
#define X(id, name) name,
	    CHECKS(X)
#undef X
	};
	struct explanation *x = context;
	bool unknown = check == CHECK_REPLAY || check == CHECK_QUOTA;

	/* OpenSPA has nothing to look at there. */
	if (passed && (x->shown[check] ||
	                  (check == CHECK_FORM && k->packet.record.protocol == RECORD_OPENSPA)))
		return;
	x->shown[check] = true;
	printf("%-9s%-12s", unknown ? "unknown" : passed ? "passed" : "FAILED", names[check]);
	if (check == CHECK_TAG)
		print_tag(x->tag_key, passed);
	else
		print_value(x, check, passed, k);
	putchar('\n');
}
