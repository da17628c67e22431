#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/uuid.h"
#include "cmd/cmd.h"
#include "cmd/json.h"
#include "cmd/openspa_name.h"
#include "cmd/option.h"
#include "cmd/spa_request.h"
#include "cmd/text.h"
#include "proto/rsa_wipe.h"

#define TRIES_DEFAULT      3
#define TIMEOUT_DEFAULT_NS (10 * NS_PER_SECOND)

static const struct option_syntax syntax = {
    .usage = "request [OPTION...] [OSPA-FILE]",
    .help =
        "Asks an OpenSPA server to open ports for this host, and waits for its signed answer.\n"
        "A server that refuses is silent: exit code 4 stands for both. What an option says wins\n"
        "over the file.\n"
        "\n"
        "      --protocol NAME         tcp (default), udp, icmp, icmpv6 or ipv4\n"
        "  -p, --port N                the port, or the first of several; means nothing for\n"
        "                              protocols without ports\n"
        "      --end-port N            the last of several\n"
        "  -s, --server-ip HOST        address or name of the server; also --server\n"
        "      --server-port N         its UDP port (22211)\n"
        "  -c, --client-ip ADDR        open for ADDR; by default for the address of this host that\n"
        "                              Echo-IP sees; source: that the server sees (Postern\n"
        "                              alone)\n"
        "  -n, --nat                   say that this host is behind NAT; with --client-ip\n"
        "      --echo-ipv4-server URL  ask this Echo-IP service, in any case\n"
        "      --echo-ipv6-server URL  the same for IPv6\n"
        "  -r, --retry-count N         requests at most, -1 without end (3)\n"
        "      --timeout D             how long to wait for the answer to each (10s)\n"
        "  -a, --auto-mode             ask again whenever half of the time granted is over\n"
        "  -4, --ipv4, -6, --ipv6      which address of the server's name to use\n"
        "      --client-device-id UUID, --private-key FILE, --public-key FILE,\n"
        "      --server-public-key FILE\n"
        "                              instead of the OSPA file, or of what is in it\n"
        "  -v, --verbose               say what is sent and what comes back; --verbose-split\n"
        "                              changes nothing, for errors never go to standard output\n"
        "      --passphrase-fd N       read the private key's passphrase from descriptor N\n"
        "\n"
        "Examples:\n"
        "  postern request client.ospa --port 22 && ssh me@server.example.com\n"
        "  postern request client.ospa --protocol icmp\n"
        "  pass show gate | postern request - --port 22\n"
        "  postern request client.ospa -p 8000 --end-port 8010 --auto-mode --quiet &\n",
    .operands = 1,
};

static const struct protocol {
	const char *name;
	uint8_t number;
	bool ports;
} protocols[] = {
    {"TCP", OPENSPA_TCP, true},
    {"UDP", OPENSPA_UDP, true},
    {"ICMP", OPENSPA_ICMP, false},
    {"ICMPv6", OPENSPA_ICMPV6, false},
    {"IPv4", OPENSPA_IPV4, false},
};
#define PROTOCOLS (sizeof protocols / sizeof *protocols)

/* The command line. */
struct asked {
	struct spa_words words;
	const struct protocol *protocol;
	struct ports ports; /* last 0: the first is the last */
	int tries;
	int64_t timeout_ns;
	bool auto_mode;
};

static bool take_protocol(struct cli *cli, const struct option_row *row, char *text)
{
	const struct protocol **protocol = row->place;

	for (size_t i = 0; i < PROTOCOLS; i++) {
		if (strcasecmp(text, protocols[i].name) == 0) {
			*protocol = &protocols[i];
			return true;
		}
	}
	return option_refuse(cli, row, text, "tcp, udp, icmp, icmpv6 or ipv4");
}

static bool take_tries(struct cli *cli, const struct option_row *row, char *text)
{
	int64_t tries = 0;

	if (!option_number(cli, &tries, row, text))
		return false;
	*(int *)row->place = tries < 0 ? EXCHANGE_WITHOUT_END : (int)tries;
	return tries != 0 ||
	       cli_stop(cli, cli_misuse(cli, "--retry-count 0: then nothing would be sent"));
}

static bool take_client(struct cli *cli, const struct option_row *row, char *text)
{
	struct addr *client = row->place;

	if (strcmp(text, "source") == 0)
		*client = (struct addr){.bytes = {0}};
	else if (!addr_parse(client, text) || addr_is_wildcard(client))
		return option_refuse(cli, row, text, "an address, or source");
	return true;
}

static bool check_ports(struct cli *cli, struct asked *asked)
{
	const char *name = asked->protocol->name;

	if (asked->ports.last == 0)
		asked->ports.last = asked->ports.first;
	asked->ports.protocol = asked->protocol->number;
	if (ports_fit(&asked->ports))
		return true;
	if (asked->protocol->ports && asked->ports.first == 0)
		return cli_stop(cli, cli_misuse(cli, "%s needs a --port", name));
	return cli_stop(cli, cli_misuse(cli, "--port %u is behind --end-port %u",
	                         asked->ports.first, asked->ports.last));
}

static const char *ports_text(const struct asked *asked, char text[static 32])
{
	*text = '\0';
	if (asked->protocol->ports && asked->ports.first == asked->ports.last)
		snprintf(text, 32, " port %u", asked->ports.first);
	else if (asked->protocol->ports)
		snprintf(text, 32, " ports %u-%u", asked->ports.first, asked->ports.last);
	return text;
}

static void print_granted(
    const struct cli *cli, const struct asked *asked, const struct exchange *x)
{
	const struct addr *asked_for = &x->ask.client_address;
	char ports[32], client[ADDR_TEXT_BYTES], duration[TEXT_DURATION_BYTES];

	if (cli->quiet)
		return;
	printf("%s%s%s granted to %s for %s.%s\n", cli_colour(CLI_GREEN), asked->protocol->name,
	    ports_text(asked, ports),
	    addr_is_wildcard(asked_for) ? "this host" : addr_text(asked_for, client),
	    text_duration(x->granted.duration_s * NS_PER_SECOND, duration), cli_colour(CLI_PLAIN));
}

static void print_request_json(const struct asked *asked, const struct exchange *x, bool granted)
{
	char server[ADDR_TEXT_BYTES], client[ADDR_TEXT_BYTES], device[UUID_TEXT_BYTES];
	int64_t now_ns = clock_real_ns();
	struct json j = {.to = stdout};

	json_open(&j, NULL, '{');
	json_time(&j, "time", now_ns);
	json_string(&j, "server", addr_text(&x->server, server));
	json_number(&j, "server_port", x->port);
	json_string(&j, "device", uuid_text(device, x->ask.device));
	json_string(&j, "client",
	    addr_is_wildcard(&x->ask.client_address) ? "source"
	                                             : addr_text(&x->ask.client_address, client));
	json_bool(&j, "behind_nat", x->ask.behind_nat);
	json_string(&j, "protocol", asked->protocol->name);
	json_number(&j, "first_port", asked->ports.first);
	json_number(&j, "last_port", asked->ports.last);
	json_number(&j, "requests", (int64_t)x->sent);
	json_bool(&j, "granted", granted);
	if (granted) {
		json_number(&j, "duration_s", x->granted.duration_s);
		json_time(&j, "until", now_ns + x->granted.duration_s * NS_PER_SECOND);
	}
	json_close(&j, '}');
}

static enum cli_exit ask_once(
    struct cli *cli, const struct asked *asked, struct spa_request *request)
{
	struct exchange *x = &request->exchange;
	enum cli_exit status;

	if (!spa_request_locate(cli, request, &asked->words))
		return cli->status;
	openspa_name_step(cli, OPENSPA_STEP_EXCHANGE);
	status = exchange_run(cli, x);
	if (cli->json)
		print_request_json(asked, x, status == CLI_DONE);
	else if (status == CLI_DONE)
		print_granted(cli, asked, x);
	return cli_flush(cli, status);
}

/* Until a round fails; each begins when half of what the last one brought is over. */
static enum cli_exit ask_on(struct cli *cli, const struct asked *asked, struct spa_request *request)
{
	enum cli_exit status;

	cli_end_when_interrupted();
	while ((status = ask_once(cli, asked, request)) == CLI_DONE)
		cli_sleep_until(
		    clock_boot_ns() + request->exchange.granted.duration_s * (NS_PER_SECOND / 2));
	return status;
}

static enum cli_exit run(struct cli *cli, struct asked *asked)
{
	struct spa_request request = {.key = NULL};
	struct exchange *x = &request.exchange;

	if (asked->words.behind_nat && !asked->words.client_given) {
		cli_warn(cli, "--nat says nothing without --client-ip");
		asked->words.behind_nat = false;
	}
	if (!check_ports(cli, asked))
		return cli->status;
	if (!rsa_wipe_init())
		return cli_fail(cli, CLI_FAILED, "libcrypto cannot be set up");
	if (spa_request_prepare(cli, &request, &asked->words)) {
		x->ask.ports = asked->ports;
		x->tries = asked->tries;
		x->timeout_ns = asked->timeout_ns;
		cli->status = asked->auto_mode ? ask_on(cli, asked, &request)
		                               : ask_once(cli, asked, &request);
	}
	spa_request_free(&request);
	return cli->status;
}

enum cli_exit cmd_request(struct cli *cli, int argc, char **argv)
{
	struct asked asked = {
	    .words = {.passphrase = {.fd = -1}},
	    .protocol = &protocols[0],
	    .tries = TRIES_DEFAULT,
	    .timeout_ns = TIMEOUT_DEFAULT_NS,
	};
	struct spa_words *words = &asked.words;
	bool unused = false;
	const struct option_row options[] = {
	    {"client-device-id", .take = option_text, .place = &words->device},
	    {"protocol", .take = take_protocol, .place = &asked.protocol},
	    {"port", 'p', .take = option_port, .place = &asked.ports.first},
	    {"end-port", .take = option_port, .place = &asked.ports.last},
	    {"server-ip", 's', .take = option_text, .place = &words->server},
	    {"server", .take = option_text, .place = &words->server},
	    {"server-port", .take = option_port, .place = &words->server_port},
	    {"client-ip", 'c', .take = take_client, .place = &words->client,
	        .flag = &words->client_given},
	    {"nat", 'n', .flag = &words->behind_nat},
	    {"private-key", .take = option_text, .place = &words->private_key},
	    {"public-key", .take = option_text, .place = &words->public_key},
	    {"server-public-key", .take = option_text, .place = &words->server_public_key},
	    {"retry-count", 'r', .take = take_tries, .place = &asked.tries, .least = -1,
	        .most = INT32_MAX},
	    {"auto-mode", 'a', .flag = &asked.auto_mode},
	    {"echo-ipv4-server", .take = own_address_take_url, .place = words->echo_ipv4},
	    {"echo-ipv6-server", .take = own_address_take_url, .place = words->echo_ipv6},
	    {"timeout", .take = option_duration, .place = &asked.timeout_ns, .least = 1,
	        .most = 24 * 3600 * NS_PER_SECOND},
	    {"verbose", 'v', .flag = &cli->verbose},
	    {"verbose-split", .flag = &unused},
	    {"passphrase-fd", .take = passphrase_take_fd, .place = &words->passphrase.fd},
	    {"ipv4", '4', .choice = &words->family, .number = AF_INET},
	    {"ipv6", '6', .choice = &words->family, .number = AF_INET6},
	    {0},
	};
	enum cli_exit status;

	if (!option_read(cli, &syntax, options, argc, argv))
		return cli->status;
	words->ospa_file = cli->operand;
	openspa_name_step(cli, OPENSPA_STEP_PARAMETERS);
	status = run(cli, &asked);
	passphrase_free(&words->passphrase);
	return status;
}
