#include "cmd/shut_out.h"

#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "cmd/daemon.h"
#include "cmd/live.h"
#include "cmd/question.h"
#include "cmd/text.h"
#include "conf/client_index.h"
#include "conf/conf.h"
#include "snapshot/accepted.h"

/* What is compared. */
struct comparison {
	const struct snapshot *before, *next; /* before: NULL where nothing is shut */
	struct daemon_state grants;
	const char *login;
};

static bool in_networks(const struct snapshot *s, const struct addr *peer)
{
	const struct span span = s->settings->guard_allow_networks;

	return addr_in_any(peer, snapshot_cidrs(s, span), span.count);
}

static bool has_grant(const struct daemon_state *grants, const struct live_connection *c)
{
	const struct ports port = {.protocol = IPPROTO_TCP, .first = c->port, .last = c->port};

	for (size_t i = 0; i < grants->session_count; i++) {
		const struct control_session *s = &grants->sessions[i];

		for (uint16_t p = 0; addr_equal(&s->address, &c->peer) && p < s->port_count; p++)
			if (ports_contain(&s->ports[p], &port))
				return true;
	}
	return false;
}

static bool is_shut_out(
    const struct shut_out *o, const struct comparison *c, const struct live_connection *live)
{
	bool before =
	    shut_ports_tcp(&o->before, live->port) && !in_networks(c->before, &live->peer);

	return !before && shut_ports_tcp(&o->next, live->port) &&
	       !in_networks(c->next, &live->peer) && !has_grant(&c->grants, live);
}

static void note(struct shut_out *o, const struct live_connection *live)
{
	size_t i = 0;

	o->count++;
	while (i < o->peer_count &&
	       (!addr_equal(&o->peers[i].peer, &live->peer) || o->peers[i].port != live->port))
		i++;
	if (i == SHUT_OUT_PEERS)
		return;
	o->peers[i].peer = live->peer;
	o->peers[i].port = live->port;
	o->peers[i].count++;
	o->peer_count += i == o->peer_count;
}

static void look(struct shut_out *o, const struct comparison *c)
{
	struct live live;
	struct addr own;
	uint16_t own_port = 0;
	bool has_login = login_peer(c->login, &own, &own_port);

	o->unknown = !live_read(&live);
	for (size_t i = 0; i < live.count; i++) {
		const struct live_connection *l = &live.list[i];

		if (!is_shut_out(o, c, l))
			continue;
		note(o, l);
		o->own =
		    o->own || (has_login && l->peer_port == own_port && addr_equal(&l->peer, &own));
	}
	live_free(&live);
}

bool shut_out_map(struct conf *conf, struct snapshot *out)
{
	static const struct addr nothing_found[2];
	int fd;

	*out = (struct snapshot){.header = NULL};
	conf_set_public(conf, nothing_found); /* it makes no difference to rules */
	fd = conf_write_snapshot(conf, 1);
	if (fd < 0)
		return false;
	(void)snapshot_map(out, fd);
	fd_close(fd);
	return out->header != NULL;
}

bool shut_out_map_accepted(const struct cli *cli, struct snapshot *out, const char *state_dir)
{
	const char *why = NULL;
	int fd = accepted_load(state_dir, &why);

	*out = (struct snapshot){.header = NULL};
	if (fd >= 0)
		(void)snapshot_map(out, fd);
	else
		cli_detail(cli, "not known what is shut: %s: %s", state_dir, why);
	fd_close(fd);
	return out->header != NULL;
}

void shut_out_find(const struct cli *cli, struct shut_out *out, const struct snapshot *before,
    const struct snapshot *next)
{
	struct comparison c = {.before = before, .next = next};
	struct control_error ignored = {0};
	char login[LOGIN_BYTES];

	*out = (struct shut_out){.cut = next->settings->established == CONF_ESTABLISHED_CUT};
	login_find(login);
	c.login = login;
	(void)daemon_state_ask(cli, &c.grants, &ignored); /* not running: no grants */
	if (before != NULL)
		out->before = shut_ports_of(before);
	out->next = shut_ports_of(next);
	look(out, &c);
	daemon_state_free(&c.grants);
}

void shut_out_warn(const struct cli *cli, const struct shut_out *s)
{
	char peer[ADDR_TEXT_BYTES];

	if (s->unknown)
		cli_warn(cli, "the kernel does not tell who is connected; look yourself: ss -tn");
	if (s->count == 0)
		return;
	cli_warn(cli, "%zu live connection%s to ports that this shuts %s no grant%s:", s->count,
	    s->count == 1 ? "" : "s", s->count == 1 ? "has" : "have",
	    s->own ? ", this login among them" : "");
	for (size_t i = 0; i < s->peer_count; i++)
		fprintf(stderr, "  %s to %u/tcp%s\n", addr_text(&s->peers[i].peer, peer),
		    s->peers[i].port, s->peers[i].count > 1 ? ", several" : "");
	if (s->peer_count == SHUT_OUT_PEERS)
		fputs("  ...\n", stderr);
	fputs(s->cut ? "They end at once (established: cut).\n"
	             : "They go on, as far as the kernel follows them, but cannot be made anew "
	               "without a knock.\n",
	    stderr);
}

static bool ask(struct cli *cli, const struct shut_out *s, const char *question)
{
	char answer[QUESTION_BYTES];

	shut_out_warn(cli, s);
	if (s->count == 0)
		return true;
	fputs("A reload on trial is taken back unless a new login confirms it:\n"
	      "  postern reload --confirm\n",
	    stderr);
	if (cli->no_input || !question_to_person())
		return true;
	cli->status = CLI_DONE;
	return question_ask(cli, answer, question) && strcmp(answer, "yes") == 0;
}

bool shut_out_ask(struct cli *cli, const char *state_dir, const char *question)
{
	struct conf_error ignored = {0};
	struct snapshot before, next = {.header = NULL};
	bool known = shut_out_map_accepted(cli, &before, state_dir), ok = true;
	struct conf *conf =
	    known ? conf_load_indexed(cli->config, CONF_INDEX_DEFAULT, NULL, &ignored) : NULL;
	struct shut_out shut_out;

	if (conf != NULL && conf_find_interface(conf, &ignored) && shut_out_map(conf, &next)) {
		shut_out_find(cli, &shut_out, &before, &next);
		ok = ask(cli, &shut_out, question);
	}
	snapshot_unmap(&before);
	snapshot_unmap(&next);
	conf_free(conf);
	return ok;
}
