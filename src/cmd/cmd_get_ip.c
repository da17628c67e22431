#include <stdio.h>

#include "cmd/cmd.h"
#include "cmd/json.h"
#include "cmd/option.h"
#include "cmd/own_address.h"
#include "files/ospa.h"

static const struct option_syntax syntax = {
    .usage = "get-ip [OPTION...]",
    .help = "Tells which address this host sends from, which one it is seen to come from, and\n"
            "whether that makes it look to be behind NAT. Asks an Echo-IP service.\n"
            "\n"
            "      --echo-ipv4-server URL  instead of " OWN_ADDRESS_ECHO_IPV4 "\n"
            "      --echo-ipv6-server URL  instead of " OWN_ADDRESS_ECHO_IPV6 "\n"
            "      --timeout D             how long to wait for each (5s)\n"
            "      --public                print the address it is seen to come from, no more\n"
            "  -v, --verbose-split         the original's: they change nothing here\n"
            "  -4, --ipv4, -6, --ipv6      only this family\n"
            "\n"
            "Examples:\n"
            "  postern get-ip\n"
            "  postern get-ip -4 --json --echo-ipv4-server https://ip.example.org\n",
};

/* The options, for IPv4 and IPv6. */
struct wanted {
	char urls[2][OSPA_URL_BYTES];
	int only; /* AF_INET, AF_INET6, or AF_UNSPEC */
	int64_t timeout_ns;
	bool public_only;
};

static const char *const names[] = {"IPv4", "IPv6"};
static const int families[] = {AF_INET, AF_INET6};

static bool is_wanted(const struct wanted *wanted, int i)
{
	return wanted->only == AF_UNSPEC || wanted->only == families[i];
}

/* Line for line what the original prints. */
static void print_family(const char *name, const struct own_address *own)
{
	char text[ADDR_TEXT_BYTES];

	if (!own->has_outbound && !own->has_public) {
		printf("No %s connectivity\n", name);
		return;
	}
	printf("Outbound %s: %s\n", name,
	    own->has_outbound ? addr_text(&own->outbound, text) : "FAILED TO RESOLVE");
	printf("Public %s: %s\n", name,
	    own->has_public ? addr_text(&own->public.address, text) : "FAILED TO RESOLVE");
	printf("Last public proxy %s: %s\n", name,
	    own->public.proxied ? addr_text(&own->public.proxy, text) : "");
	if (own->has_outbound && own->has_public)
		printf("Client behind %s NAT: %s\n", name, own->behind_nat ? "true" : "false");
	else
		printf("Client behind %s NAT: SKIPPING\n", name);
}

static void print_public(const struct wanted *wanted, const struct own_address own[static 2])
{
	char text[ADDR_TEXT_BYTES];

	for (int i = 0; i < 2; i++) {
		if (is_wanted(wanted, i) && own[i].has_public)
			puts(addr_text(&own[i].public.address, text));
	}
}

static void json_family(struct json *j, const char *key, const struct own_address *own)
{
	char text[ADDR_TEXT_BYTES];

	json_open(j, key, '{');
	json_string(j, "outbound", own->has_outbound ? addr_text(&own->outbound, text) : NULL);
	json_string(j, "public", own->has_public ? addr_text(&own->public.address, text) : NULL);
	json_string(j, "proxy", own->public.proxied ? addr_text(&own->public.proxy, text) : NULL);
	if (own->has_outbound && own->has_public)
		json_bool(j, "behind_nat", own->behind_nat);
	else
		json_string(j, "behind_nat", NULL);
	if (!own->has_public)
		json_string(j, "error", own->why);
	json_close(j, '}');
}

static void print_all(
    const struct cli *cli, const struct wanted *wanted, const struct own_address own[static 2])
{
	struct json j = {.to = stdout};

	if (!cli->json && wanted->public_only) {
		print_public(wanted, own);
		return;
	}
	if (!cli->json) {
		if (is_wanted(wanted, 0))
			print_family(names[0], &own[0]);
		if (wanted->only == AF_UNSPEC)
			puts("-----------------------------");
		if (is_wanted(wanted, 1))
			print_family(names[1], &own[1]);
		return;
	}
	json_open(&j, NULL, '{');
	if (is_wanted(wanted, 0))
		json_family(&j, "ipv4", &own[0]);
	if (is_wanted(wanted, 1))
		json_family(&j, "ipv6", &own[1]);
	json_close(&j, '}');
}

enum cli_exit cmd_get_ip(struct cli *cli, int argc, char **argv)
{
	struct wanted wanted = {
	    .urls = {OWN_ADDRESS_ECHO_IPV4, OWN_ADDRESS_ECHO_IPV6},
	    .timeout_ns = OWN_ADDRESS_TIMEOUT_NS,
	};
	struct own_address own[2] = {0};
	bool unused = false;
	const struct option_row options[] = {
	    {"echo-ipv4-server", .take = own_address_take_url, .place = wanted.urls[0]},
	    {"echo-ipv6-server", .take = own_address_take_url, .place = wanted.urls[1]},
	    {"timeout", .take = option_duration, .place = &wanted.timeout_ns, .least = 1,
	        .most = INT64_MAX},
	    {"verbose", 'v', .flag = &cli->verbose},
	    {"verbose-split", .flag = &unused},
	    {"public", .flag = &wanted.public_only},
	    {"ipv4", '4', .choice = &wanted.only, .number = AF_INET},
	    {"ipv6", '6', .choice = &wanted.only, .number = AF_INET6},
	    {0},
	};
	bool found = false;

	if (!option_read(cli, &syntax, options, argc, argv))
		return cli->status;
	for (int i = 0; i < 2; i++) {
		struct echo_question question = {
		    .url = wanted.urls[i], .ipv6 = i == 1, .timeout_ns = wanted.timeout_ns};

		if (!is_wanted(&wanted, i))
			continue;
		own_address_look(&own[i], &question);
		if (!own[i].has_public)
			cli_detail(cli, "%s: %s", wanted.urls[i], own[i].why);
		found = found || own[i].has_public;
	}
	print_all(cli, &wanted, own);
	if (found)
		return CLI_DONE;
	return cli_fail(cli, CLI_FAILED, "no Echo-IP service told of an address; see --verbose");
}
