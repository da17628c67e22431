#include "cmd/explain_gate.h"

#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "cmd/daemon.h"
#include "conf/client_index.h"

static struct ports port_of(const struct packet *p)
{
	return (struct ports){
	    .protocol = p->protocol, .first = p->meant_port, .last = p->meant_port};
}

static bool holds(const struct snapshot *s, struct span span, const struct ports *port)
{
	const struct ports *list = snapshot_ports(s, span);

	for (uint32_t i = 0; i < span.count; i++) {
		if (ports_contain(&list[i], port))
			return true;
	}
	return false;
}

static bool device_holds(const struct snapshot *s, const struct device *d, const struct ports *port)
{
	const struct openspa_rule *list = snapshot_rules(s, d->rules);

	for (uint32_t i = 0; i < d->rules.count; i++) {
		if (ports_contain(&list[i].ports, port))
			return true;
	}
	return false;
}

static void count(struct gate *out, const char *name)
{
	if (out->clients < GATE_NAMES)
		memcpy(out->names[out->clients], name, CLIENT_NAME_BYTES);
	out->clients++;
}

static void look_at_snapshot(
    struct gate *out, const struct snapshot *s, const struct ports *port, int64_t now_ns)
{
	const struct settings *set = s->settings;
	bool health = port->protocol == IPPROTO_TCP && set->health_port != 0 &&
	              port->first == set->health_port;

	out->configured = true;
	out->mark = set->mark;
	out->all = set->guard == CONF_GUARD_ALL;
	out->managed = health || holds(s, set->managed_ports, port);
	out->guards = out->all ? !holds(s, set->guard_allow_ports, port)
	                       : out->managed && (set->drop_ports || health);
	for (uint32_t i = 0; i < s->client_count; i++) {
		const struct client *c = &s->clients[i];

		if (!c->revoked && c->expires_ns > now_ns &&
		    holds(s, s->policies[c->policy].ports, port))
			count(out, c->name);
	}
	for (uint32_t i = 0; set->openspa.enabled && i < s->device_count; i++) {
		const struct device *d = &s->devices[i];

		if (d->revoked || d->expires_ns <= now_ns || !device_holds(s, d, port))
			continue;
		out->managed = true;
		count(out, d->name);
	}
}

/* How long a knock opens for; 0: not known. */
static int64_t look_at_configuration(
    struct gate *out, const struct cli *cli, const struct ports *port, int64_t now_ns)
{
	struct conf *conf = conf_load_indexed(cli->config, CONF_INDEX_DEFAULT, NULL, &out->unread);
	struct snapshot s = {.header = NULL};
	int fd = conf != NULL ? conf_write_snapshot(conf, 1) : -1;
	int64_t lasts_ns = 0;

	if (fd >= 0 && snapshot_map(&s, fd)) {
		look_at_snapshot(out, &s, port, now_ns);
		lasts_ns = s.settings->openme ? s.settings->knock_timeout_ns : 0;
	}
	snapshot_unmap(&s);
	fd_close(fd);
	conf_free(conf);
	return lasts_ns;
}

static bool opens(const struct control_session *s, const struct packet *p, const struct ports *port)
{
	if (!addr_equal(&s->address, &p->source))
		return false;
	for (size_t i = 0; i < s->port_count; i++) {
		if (ports_contain(&s->ports[i], port))
			return true;
	}
	return false;
}

static void add_grant(struct gate *out, const struct control_session *s, int64_t now_ns)
{
	int64_t left_ms = s->remaining_ms > (uint64_t)((INT64_MAX - now_ns) / NS_PER_MS)
	                      ? (INT64_MAX - now_ns) / NS_PER_MS
	                      : (int64_t)s->remaining_ms;
	struct gate_grant g = {.until_ns = now_ns + left_ms * NS_PER_MS, .overdue = s->overdue};

	memcpy(g.client, s->client, sizeof g.client);
	if (out->grants > 0 && g.until_ns > out->grant[0].until_ns) {
		struct gate_grant first = out->grant[0];

		out->grant[0] = g;
		g = first;
	}
	if (out->grants < GATE_NAMES)
		out->grant[out->grants] = g;
	out->grants++;
}

static void look_at_seen(struct gate *out, const struct control_last_seen *seen,
    const struct packet *p, int64_t lasts_ns)
{
	if (!addr_equal(&seen->address, &p->source) || (out->seen && seen->when_ns <= out->last_ns))
		return;
	out->seen = true;
	memcpy(out->last_client, seen->client, sizeof out->last_client);
	out->last_ns = seen->when_ns;
	out->last_end_ns = lasts_ns > 0 ? seen->when_ns + lasts_ns : NEVER_NS;
}

void gate_ask(struct gate *out, const struct cli *cli, const struct packet *p, int64_t now_ns)
{
	const struct ports port = port_of(p);
	struct control_error ignored = {0};
	struct daemon_state state;
	int64_t lasts_ns;

	*out = (struct gate){.configured = false};
	lasts_ns = look_at_configuration(out, cli, &port, now_ns);
	out->answered = daemon_state_ask(cli, &state, &ignored) == CTL_DONE;
	for (size_t i = 0; i < state.session_count; i++) {
		if (opens(&state.sessions[i], p, &port))
			add_grant(out, &state.sessions[i], now_ns);
	}
	for (size_t i = 0; i < state.seen_count; i++)
		look_at_seen(out, &state.seen[i], p, lasts_ns);
	daemon_state_free(&state);
}
