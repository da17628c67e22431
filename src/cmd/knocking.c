#include "cmd/knocking.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/secret.h"
#include "cmd/text.h"
#include "conf/values.h"

void knocking_warn(const struct cli *cli, const struct client_conf *conf)
{
	if (conf != NULL && client_conf_warning(conf) != NULL)
		cli_warn(cli, "%s", client_conf_warning(conf));
}

const struct client_profile *knocking_profile(
    struct cli *cli, const char *name, struct client_conf **conf)
{
	const struct client_profile *profile;
	struct conf_error error = {0};

	*conf = client_conf_load(cli->client_config, &error);
	knocking_warn(cli, *conf);
	profile = *conf != NULL ? client_conf_named(*conf, name, &error) : NULL;
	if (profile == NULL)
		cli->status = cli_fail_conf(cli, *conf == NULL ? CLI_CONFIG : CLI_FAILED, &error);
	return profile;
}

bool knocking_take_target(struct cli *cli, const struct option_row *row, char *text)
{
	struct addr *target = row->place;

	if (!addr_parse(target, text))
		return option_refuse(cli, row, text, "an IPv4 or IPv6 address");
	return addr_is_wildcard(target) || addr_is_usable_target(target) ||
	       cli_stop(cli,
	           cli_misuse(cli,
	               "--ip %s: no server opens for an address that nobody connects from", text));
}

static enum cli_exit report_failure(const struct cli *cli, const struct knocking *k,
    enum postern_error error, const struct postern_report *report)
{
	const char *host = k->profile->server_host.text;
	char name[4 * CONF_TEXT_BYTES];
	int system_error = report->ipv4.error == POSTERN_SYSTEM_FAILED ? report->ipv4.system_error
	                                                               : report->ipv6.system_error;

	if (error == POSTERN_NO_NAME)
		return cli_fail(cli, CLI_FAILED, "cannot resolve %s: %s", host,
		    gai_strerror(report->resolve_error));
	if (error == POSTERN_NO_ADDRESS && k->family != AF_UNSPEC)
		return cli_fail(cli, CLI_FAILED, "%s has no %s address", host,
		    k->family == AF_INET ? "IPv4" : "IPv6");
	if (error == POSTERN_BAD_KEY)
		return cli_fail(cli, CLI_CONFIG, "profile \"%s\": %s",
		    text_name(name, sizeof name, k->profile->name), postern_strerror(error));
	errno = system_error;
	if (error == POSTERN_SYSTEM_FAILED)
		return cli_fail_errno(cli, "cannot send a knock to %s", host);
	return cli_fail(
	    cli, CLI_FAILED, "cannot send a knock to %s: %s", host, postern_strerror(error));
}

static const char *server_text(const struct postern_outcome *outcome, char text[ADDR_TEXT_BYTES])
{
	struct addr server = addr_from_bytes(outcome->server, sizeof outcome->server);

	return addr_text(&server, text);
}

static const char *reason(const struct postern_outcome *outcome)
{
	return outcome->error == POSTERN_SYSTEM_FAILED ? strerror(outcome->system_error)
	                                               : postern_strerror(outcome->error);
}

void knocking_tell_each(const struct postern_report *report)
{
	char server[ADDR_TEXT_BYTES];

	for (size_t i = 0; report->count > 1 && i < report->count; i++) {
		const struct postern_outcome *one = &report->each[i];
		bool sent = one->error == POSTERN_OK;

		printf("  %s %s%s%s\n", sent ? "to" : "not to", server_text(one, server),
		    sent ? "" : ": ", sent ? "" : reason(one));
	}
}

static void tell_outcome(const struct cli *cli, const struct postern_outcome *outcome)
{
	char server[ADDR_TEXT_BYTES], target[ADDR_TEXT_BYTES];
	struct addr from = addr_from_bytes(outcome->target, sizeof outcome->target);

	server_text(outcome, server);
	if (outcome->error == POSTERN_OK)
		cli_detail(cli, "sent to %s, to open for %s", server,
		    addr_is_wildcard(&from) ? "the address it comes from"
		                            : addr_text(&from, target));
	else
		cli_detail(cli, "not sent to %s: %s", server, reason(outcome));
}

enum cli_exit knocking_send(
    const struct cli *cli, const struct knocking *k, struct postern_report *report)
{
	struct postern_options options = {.size = sizeof options};
	enum postern_error error;

	*report = (struct postern_report){.size = sizeof *report};
	if (k->own_address || k->profile->own_address)
		options.flags = POSTERN_OWN_ADDRESS;
	if (k->family != AF_UNSPEC)
		options.flags |= k->family == AF_INET ? POSTERN_IPV4 : POSTERN_IPV6;
	memcpy(options.server_public, k->profile->server_pubkey.bytes, POSTERN_KEY_BYTES);
	memcpy(options.client_secret, k->profile->private_key.bytes, POSTERN_CLIENT_SECRET_BYTES);
	if (k->profile->shield_key.bytes != NULL)
		memcpy(options.shield_key, k->profile->shield_key.bytes, POSTERN_SHIELD_KEY_BYTES);
	if (!addr_is_wildcard(&k->target))
		memcpy(options.target, k->target.bytes, ADDR_BYTES);
	error = postern_knock(
	    &options, k->profile->server_host.text, (uint16_t)k->profile->server_udp_port, report);
	secret_wipe(&options, sizeof options);
	for (size_t i = 0; i < report->count; i++)
		tell_outcome(cli, &report->each[i]);
	return error == POSTERN_OK ? CLI_DONE : report_failure(cli, k, error, report);
}

void knocking_addresses(struct probe *probe, const struct postern_report *report)
{
	_Static_assert(POSTERN_ADDRESSES_MOST <= PROBE_ADDRESSES, "each is looked at");
	probe->count = 0;
	for (size_t i = 0; i < report->count; i++) {
		const struct postern_outcome *one = &report->each[i];

		if (one->error == POSTERN_OK)
			probe->addresses[probe->count++] =
			    addr_from_bytes(one->server, sizeof one->server);
	}
}

enum cli_exit knocking_resolve(const struct cli *cli, const struct knocking *k, struct probe *probe)
{
	const char *host = k->profile->server_host.text;
	int error = probe_resolve(probe, host, k->family);

	if (error == 0)
		return CLI_DONE;
	return cli_fail(cli, CLI_FAILED, "cannot resolve %s: %s", host, gai_strerror(error));
}

void knocking_hint(const struct cli *cli, const char *name)
{
	if (name != NULL &&
	    (strchr(name, ':') != NULL || strspn(name, "0123456789") == strlen(name)))
		cli_warn(cli, "a port to look at is one word with the option: --check=%s", name);
}

bool knocking_take_check(struct cli *cli, const struct option_row *row, char *text)
{
	struct host_port *check = row->place;
	char whole[CONF_TEXT_BYTES + 16]; /* it is cut below */
	const char *expected = NULL;
	int64_t port;

	snprintf(whole, sizeof whole, "%s", text);

	if (value_integer(&port, text, &expected) && port >= 1 && port <= UINT16_MAX) {
		*check = (struct host_port){.port = (uint16_t)port};
		return true;
	}
	return (host_port_cut(check, text) && check->port != 0 &&
	           value_host(check->host, &expected)) ||
	       option_refuse(
	           cli, row, whole, "a port, or a host and a port, such as 22 or host:22");
}

static const char *checked_host(const struct knocking *k)
{
	return k->check.host != NULL ? k->check.host : k->profile->server_host.text;
}

static uint16_t checked_port(const struct knocking *k)
{
	return k->check.port != 0 ? k->check.port : (uint16_t)k->profile->server_udp_port;
}

enum cli_exit knocking_look(
    const struct cli *cli, const struct knocking *k, struct probe *probe, struct addr *open)
{
	int error = k->check.host == NULL ? 0 : probe_resolve(probe, k->check.host, k->family);
	size_t which = 0;

	probe->port = checked_port(k);
	probe->timeout_ns = k->timeout_ns;
	if (error != 0)
		return cli_fail(
		    cli, CLI_FAILED, "cannot resolve %s: %s", k->check.host, gai_strerror(error));
	probe->result = probe_tcp(probe, &which);
	if (probe->result == PROBE_OPEN) {
		*open = probe->addresses[which];
		return CLI_DONE;
	}
	if (probe->result == PROBE_FAILED)
		return cli_fail_errno(cli, "cannot connect to %s", checked_host(k));
	cli_detail(
	    cli, probe->result == PROBE_REFUSED ? "the connection was refused" : "no answer");
	return CLI_CLOSED;
}

void knocking_tell(const struct cli *cli, const struct knocking *k, const struct probe *probe)
{
	const char *plain = cli_colour(CLI_PLAIN), *host = checked_host(k);
	const char *state = probe->result == PROBE_OPEN      ? "open"
	                    : probe->result == PROBE_REFUSED ? "closed: the connection was refused"
	                                                     : "filtered: no answer came";

	if (k->check.port == 0)
		printf("%s%s is %s.%s\n",
		    cli_colour(probe->result == PROBE_OPEN ? CLI_GREEN : CLI_RED), "Health port",
		    probe->result == PROBE_OPEN ? "open" : "closed", plain);
	else
		printf("%sPort %u of %s is %s.%s\n",
		    cli_colour(probe->result == PROBE_OPEN ? CLI_GREEN : CLI_RED),
		    (unsigned int)k->check.port, host, state, plain);
	if (probe->result == PROBE_REFUSED && k->check.port != 0)
		cli_say(cli, "The host can be reached there, and no service listens.");
	else if (probe->result == PROBE_REFUSED)
		cli_say(cli,
		    "It was refused: nothing listens there. An original openme server never does, so "
		    "of it\nthis tells nothing; look at the service itself: --check=22");
}

static void json_outcome(struct json *j, const struct postern_outcome *outcome)
{
	char server[ADDR_TEXT_BYTES], target[ADDR_TEXT_BYTES];
	struct addr to = addr_from_bytes(outcome->server, sizeof outcome->server);
	struct addr from = addr_from_bytes(outcome->target, sizeof outcome->target);

	json_open(j, NULL, '{');
	json_string(j, "family", addr_is_v4(&to) ? "ipv4" : "ipv6");
	json_string(j, "server", addr_text(&to, server));
	json_string(j, "target", addr_is_wildcard(&from) ? "source" : addr_text(&from, target));
	json_bool(j, "sent", outcome->error == POSTERN_OK);
	if (outcome->error != POSTERN_OK)
		json_string(j, "error", reason(outcome));
	json_close(j, '}');
}

void knocking_json(struct json *j, const struct knocking *k, const struct postern_report *report)
{
	json_time(j, "time", clock_real_ns());
	json_string(j, "profile", k->profile->name);
	json_string(j, "host", k->profile->server_host.text);
	json_number(j, "port", k->profile->server_udp_port);
	if (report == NULL)
		return;
	json_open(j, "knocks", '[');
	for (size_t i = 0; i < report->count; i++)
		json_outcome(j, &report->each[i]);
	json_close(j, ']');
}

void knocking_check_json(struct json *j, const struct knocking *k, const struct probe *probe)
{
	static const char *const answers[] = {[PROBE_OPEN] = "open",
	    [PROBE_REFUSED] = "refused",
	    [PROBE_SILENT] = "none",
	    [PROBE_FAILED] = "failed"};

	json_string(j, "checked_host", checked_host(k));
	json_number(j, "checked_port", checked_port(k));
	json_string(j, "answer", answers[probe->result]);
}
