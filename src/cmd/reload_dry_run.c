#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cmd/daemon.h"
#include "cmd/json.h"
#include "cmd/reload_trial.h"
#include "cmd/shut_out.h"
#include "cmd/text.h"
#include "conf/conf.h"

#define PORTS_MOST       256
#define PORTS_TEXT_BYTES 2048

struct preview {
	struct snapshot before, next; /* before: zeroed where it is not known */
	struct shut_out shut_out;
	const char *fixed; /* a key that cannot change while the daemon runs; NULL: none has */
	struct daemon_state grants;
	bool *stay; /* of each grant */
};

/* Of those that stand in what was accepted; the daemon looks at some more. */
static const char *fixed_key(const struct settings *a, const struct settings *b)
{
	if (a->udp_port != b->udp_port)
		return "server.udp_port";
	if (a->intake != b->intake)
		return "server.intake";
	if (a->health_port != b->health_port)
		return "server.health_port";
	if (strcmp(a->interface, b->interface) != 0)
		return "server.interface";
	if (a->firewall != b->firewall)
		return "server.firewall";
	if (a->openme != b->openme)
		return "server.private_key";
	if (a->openspa.enabled != b->openspa.enabled)
		return "openspa";
	return a->openspa.port != b->openspa.port ? "openspa.port" : NULL;
}

static bool is_good(const struct snapshot *s, uint32_t holder, int64_t now_ns)
{
	const struct device *d = s->devices + (holder - s->client_count);

	if (holder < s->client_count)
		return !s->clients[holder].revoked && s->clients[holder].expires_ns > now_ns;
	return !d->revoked && d->expires_ns > now_ns;
}

static int compare(const void *name, const void *session)
{
	return strcmp(name, ((const struct control_session *)session)->client);
}

static void keep_grants_of(struct preview *p, const char *name)
{
	struct control_session *list = p->grants.sessions,
	                       *found = bsearch(
	                           name, list, p->grants.session_count, sizeof *list, compare);
	size_t i;

	if (found == NULL)
		return;
	for (i = (size_t)(found - list); i > 0 && strcmp(list[i - 1].client, name) == 0; i--)
		;
	for (; i < p->grants.session_count && strcmp(list[i].client, name) == 0; i++)
		p->stay[i] = true;
}

static void find_grants(const struct cli *cli, struct preview *p)
{
	struct control_error ignored = {0};
	int64_t now_ns = clock_real_ns();

	(void)daemon_state_ask(cli, &p->grants, &ignored); /* not running: no grants */
	p->stay = calloc(p->grants.session_count + 1, sizeof *p->stay);
	if (p->stay == NULL || p->grants.session_count == 0)
		return;
	for (uint32_t i = 0; i < snapshot_holders(&p->next); i++)
		if (is_good(&p->next, i, now_ns))
			keep_grants_of(p, snapshot_holder_name(&p->next, i));
}

static size_t difference(struct ports *out, const struct preview *p, bool opened, bool *more)
{
	const struct shut_ports *before = &p->shut_out.before, *next = &p->shut_out.next;
	size_t count = opened ? shut_ports_gained(out, PORTS_MOST, next, before)
	                      : shut_ports_gained(out, PORTS_MOST, before, next);

	*more = count > PORTS_MOST;
	return *more ? PORTS_MOST : count;
}

static void tell_ports(const struct preview *p, bool opened)
{
	struct ports ports[PORTS_MOST];
	char text[PORTS_TEXT_BYTES];
	bool more;
	size_t count = difference(ports, p, opened, &more);

	printf("  would %s: %s\n", opened ? "no longer shut" : "newly shut",
	    count == 0 ? "nothing" : text_ports(text, sizeof text, ports, count, more));
}

static void json_ports(struct json *j, const char *key, const struct preview *p, bool opened)
{
	struct ports ports[PORTS_MOST];
	char text[64];
	bool more;
	size_t count = difference(ports, p, opened, &more);

	json_open(j, key, '[');
	for (size_t i = 0; i < count; i++)
		json_string(j, NULL, text_ports(text, sizeof text, &ports[i], 1, false));
	json_close(j, ']');
}

static void tell_grants(const struct preview *p)
{
	char name[4 * CLIENT_NAME_BYTES], address[ADDR_TEXT_BYTES];

	for (size_t i = 0; p->stay != NULL && i < p->grants.session_count; i++)
		if (!p->stay[i])
			printf("  would end the grant of %s for %s\n",
			    text_name(name, sizeof name, p->grants.sessions[i].client),
			    addr_text(&p->grants.sessions[i].address, address));
}

static void tell_json(const struct preview *p)
{
	struct json j = {.to = stdout};
	char address[ADDR_TEXT_BYTES];

	json_open(&j, NULL, '{');
	json_bool(&j, "dry_run", true);
	json_number(&j, "clients", p->next.client_count);
	json_string(&j, "cannot_change", p->fixed);
	json_bool(&j, "compared", p->before.header != NULL);
	json_ports(&j, "would_shut", p, false);
	json_ports(&j, "would_open", p, true);
	json_open(&j, "would_end", '[');
	for (size_t i = 0; p->stay != NULL && i < p->grants.session_count; i++) {
		if (p->stay[i])
			continue;
		json_open(&j, NULL, '{');
		json_string(&j, "client", p->grants.sessions[i].client);
		json_string(&j, "address", addr_text(&p->grants.sessions[i].address, address));
		json_close(&j, '}');
	}
	json_close(&j, ']');
	json_number(&j, "shut_out", (int64_t)p->shut_out.count);
	json_bool(&j, "this_login", p->shut_out.own);
	json_close(&j, '}');
}

static enum cli_exit tell(const struct cli *cli, const struct preview *p)
{
	if (cli->json) {
		tell_json(p);
	} else if (!cli->quiet) {
		printf("In order, with %" PRIu32 " client%s and %" PRIu32 " device%s.\n",
		    p->next.client_count, p->next.client_count == 1 ? "" : "s",
		    p->next.device_count, p->next.device_count == 1 ? "" : "s");
		if (p->before.header == NULL)
			puts("  not known what is shut now: posternd has accepted nothing yet");
		tell_ports(p, false);
		tell_ports(p, true);
		tell_grants(p);
		puts("Nothing was changed.");
	}
	shut_out_warn(cli, &p->shut_out);
	if (p->fixed != NULL)
		return cli_fail(cli, CLI_CONFIG,
		    "%s: %s: cannot change while running; restart posternd", cli->config, p->fixed);
	return CLI_DONE;
}

static enum cli_exit preview(struct cli *cli, struct preview *p, const char *state_dir)
{
	enum cli_exit status;

	if (shut_out_map_accepted(cli, &p->before, state_dir))
		p->fixed = fixed_key(p->before.settings, p->next.settings);
	shut_out_find(cli, &p->shut_out, p->before.header == NULL ? NULL : &p->before, &p->next);
	find_grants(cli, p);
	status = tell(cli, p);
	snapshot_unmap(&p->before);
	daemon_state_free(&p->grants);
	free(p->stay);
	return status;
}

enum cli_exit reload_dry_run(struct cli *cli, const char *state_dir)
{
	struct conf *conf = cli_load_conf(cli);
	struct preview p = {.fixed = NULL};
	struct conf_error error = {0};

	if (conf == NULL)
		return cli->status;
	if (!conf_find_interface(conf, &error))
		cli->status = cli_report_conf(cli, &error);
	else if (!shut_out_map(conf, &p.next))
		cli->status = cli_fail_errno(cli, "cannot read the configuration");
	else
		cli->status = preview(cli, &p, state_dir);
	snapshot_unmap(&p.next);
	conf_free(conf);
	return cli->status;
}
