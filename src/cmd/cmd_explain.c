#include <getopt.h>
#include <stdio.h>

#include "base/clock.h"
#include "cmd/cmd.h"
#include "cmd/explain_json.h"
#include "cmd/explain_print.h"
#include "cmd/explain_trace.h"
#include "cmd/option.h"
#include "conf/values.h"

#define TRACE_NS (30 * NS_PER_SECOND)

static const struct option_syntax syntax = {
    .usage = "explain [OPTION...] ADDRESS PORT[/PROTO]",
    .help =
        "Tells whether a new connection from ADDRESS to PORT of this host would pass now: which\n"
        "chain and rule of whom would stop it, why, and what helps. Reads the rules of nftables\n"
        "and iptables; sends nothing. PROTO is tcp (default) or udp.\n"
        "\n"
        "      --interface NAME  by which it comes in (default: by which ADDRESS is reached)\n"
        "      --to ADDRESS      to which of this host's addresses\n"
        "      --from-port PORT  from which port (default: any)\n"
        "      --trace           then wait for a real one, and tell what the kernel does with it\n"
        "      --timeout TIME    of that (30s)\n"
        "\n"
        "Exits with 0 when it would pass, 3 when not, 4 when that cannot be told.\n"
        "\n"
        "Examples:\n"
        "  postern explain 203.0.113.7 22\n"
        "  postern explain --trace 2001:db8::7 51820/udp\n",
    .operands = 2,
};

struct asking {
	struct explain_question q;
	const char *to;
	bool trace;
	int64_t timeout_ns;
};

static bool read_address(struct cli *cli, struct addr *out, const char *text, const char *what)
{
	char quoted[200];

	if (addr_parse(out, text) && !addr_is_wildcard(out))
		return true;
	return cli_stop(cli, cli_misuse(cli,
	                         "%s %s: expected an address, such as 203.0.113.7 or "
	                         "2001:db8::7 (names are not looked up)",
	                         what, value_quoted(quoted, sizeof quoted, text, 64)));
}

static bool read_port(struct cli *cli, struct explain_question *q, const char *text)
{
	struct port_spec spec;
	const char *expected = NULL;
	char quoted[200];

	if (value_port_spec(&spec, text, &expected) && spec.first == spec.last) {
		q->port = spec.first;
		q->protocol = spec.tcp ? IPPROTO_TCP : IPPROTO_UDP;
		return true;
	}
	return cli_stop(cli, cli_misuse(cli,
	                         "port %s: expected one port, such as 22, 22/tcp or "
	                         "51820/udp",
	                         value_quoted(quoted, sizeof quoted, text, 64)));
}

static bool read_question(struct cli *cli, struct asking *a, char **words)
{
	struct explain_question *q = &a->q;

	if (words[0] == NULL || words[1] == NULL)
		return cli_stop(
		    cli, cli_misuse(cli, "say from which address to which port: postern explain "
		                         "203.0.113.7 22"));
	q->has_target = a->to != NULL;
	return read_address(cli, &q->source, words[0], "address") && read_port(cli, q, words[1]) &&
	       (a->to == NULL || read_address(cli, &q->target, a->to, "--to"));
}

/* Of what stops it without nf_tables the trace knows nothing. */
static bool is_stopped_unseen(const struct explain *x)
{
	return x->legacy_unread ||
	       (x->walk.result == WALK_DROPPED &&
	           (x->walk.cause.chain == NULL || x->walk.cause.chain->legacy));
}

/* `status` is what was found without. */
static enum cli_exit traced(const struct cli *cli, const struct asking *a,
    const struct explain_answer *answer, enum cli_exit status, struct json *j)
{
	enum cli_exit seen = explain_trace(cli, j, answer->asked, a->timeout_ns);

	return seen == CLI_DONE && is_stopped_unseen(answer->x) ? status : seen;
}

static enum cli_exit tell(
    struct cli *cli, const struct asking *a, const struct explain_answer *answer)
{
	static const enum cli_exit exits[] = {
	    [WALK_PASSES] = CLI_DONE, [WALK_DROPPED] = CLI_CLOSED, [WALK_UNSURE] = CLI_NO_ANSWER};
	struct json j = {.to = stdout};
	enum cli_exit status = exits[answer->x->walk.result];

	if (cli->json) {
		json_open(&j, NULL, '{');
		explain_json(&j, answer);
	} else {
		explain_print(answer);
	}
	if (a->trace && !cli->json)
		cli_say(cli, "Waiting for such a packet: try to connect from there now...");
	fflush(stdout);
	if (a->trace)
		status = traced(cli, a, answer, status, cli->json ? &j : NULL);
	if (cli->json)
		json_close(&j, '}');
	return cli_flush(cli, status);
}

static enum cli_exit explain(struct cli *cli, const struct asking *a)
{
	struct names names = {.cli = cli};
	struct explain_error error;
	struct explain x;
	struct gate gate;
	struct packet asked;

	if (!explain_ask(&x, &a->q, &error) || !explain_packet(&asked, &a->q, &error)) {
		explain_free(&x);
		return cli_fail(
		    cli, error.permission ? CLI_PERMISSION : CLI_FAILED, "%s", error.text);
	}
	gate_ask(&gate, cli, &asked, clock_real_ns());
	cli->status = tell(cli, a,
	    &(struct explain_answer){.x = &x,
	        .asked = &asked,
	        .gate = &gate,
	        .names = &names,
	        .now_ns = clock_real_ns(),
	        .verbose = cli->verbose});
	names_free(&names);
	explain_free(&x);
	return cli->status;
}

enum cli_exit cmd_explain(struct cli *cli, int argc, char **argv)
{
	struct asking a = {.timeout_ns = TRACE_NS};
	const struct option_row options[] = {
	    {"interface", .take = option_text, .place = &a.q.interface, .check = value_interface},
	    {"to", .take = option_text, .place = &a.to},
	    {"from-port", .take = option_port, .place = &a.q.from_port, .least = 1},
	    {"trace", .flag = &a.trace},
	    {"timeout", .take = option_duration, .place = &a.timeout_ns, .least = 1,
	        .most = INT64_MAX},
	    {0},
	};

	if (!option_read(cli, &syntax, options, argc, argv) ||
	    !read_question(cli, &a, argv + optind))
		return cli->status;
	return explain(cli, &a);
}
