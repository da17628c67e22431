/* Our rules, and those of others that stand beside them. A packet that one chain accepts goes on to
 * the next, so nobody can let in what we drop; but what another chain drops is dropped. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/line.h"
#include "doctor/doctor.h"

#define RESTORE "systemctl restart postern-guard posternd"

/* False, having said why there is nothing to look at. */
static bool can_look(struct doctor *d)
{
	const struct settings *s = doctor_settings(d);

	if (s == NULL)
		report_say(&d->report, FINDING_UNKNOWN, NULL,
		    "without a configuration that can be used nothing is looked at");
	else if (s->firewall == CONF_FIREWALL_NONE)
		report_say(&d->report, FINDING_WARNING, "server.firewall: nft",
		    "firewall: none: nothing is opened or shut, only logged");
	else if (!d->root)
		report_say(&d->report, FINDING_UNKNOWN, "sudo postern doctor",
		    "only root may read the rules");
	else
		return true;
	return false;
}

static void say_error(struct doctor *d, int err)
{
	report_say(&d->report, err == -EPROTONOSUPPORT ? FINDING_PROBLEM : FINDING_UNKNOWN,
	    err == -EPERM ? "CAP_NET_ADMIN in this network namespace" : NULL,
	    "the rules cannot be read: %s", strerror(-err));
}

/* --- Our own */

static void judge_own(struct doctor *d, const struct fw_own_table *t)
{
	bool runs = d->answer == CTL_DONE;

	if (!t->there)
		report_say(&d->report, FINDING_PROBLEM,
		    !runs && doctor_never_ran(d) ? DOCTOR_ACTIVATE : RESTORE,
		    "the table inet postern is not there: no port is shut");
	/* A daemon that runs has looked itself: with a /proc of its own, as systemd gives it in a
	 * container, it may see another boot's name than we do. */
	else if (!t->this_boot && !runs)
		report_say(&d->report, FINDING_PROBLEM, RESTORE,
		    "the table inet postern is not of this boot: a saved rule set has put it there");
	else if (t->differs)
		report_say(&d->report, FINDING_PROBLEM, runs ? "postern reload" : RESTORE,
		    "the rules are not those of the configuration: chain %s has %u of %u; was the "
		    "configuration changed, or somebody at the rules?",
		    t->chain, t->rules, t->wanted);
	else
		report_say(&d->report, FINDING_OK, NULL, "all rules are in force%s",
		    t->owned ? ", and kept from others" : "");
}

/* False when nothing can be read. */
static bool check_own(struct doctor *d)
{
	char boot_id[CLOCK_BOOT_ID_BYTES];
	struct fw_own_table t;
	int err;

	(void)clock_boot_id(boot_id);
	err = fw_look_own(&d->snapshot, boot_id, &t);
	if (err == 0)
		judge_own(d, &t);
	else
		say_error(d, err);
	return err == 0;
}

/* --- The host's */

static void judge_chain(void *context, const struct fw_host_chain *c)
{
	struct doctor *d = context;

	if (!c->drops)
		return;
	if (c->early)
		report_say(&d->report, FINDING_PROBLEM,
		    "server.priority below it, then: postern reload",
		    "%s %s %s (priority %d) drops what is granted before it gets to our chain",
		    c->family, c->table, c->chain, (int)c->priority);
	else if (!c->passes && c->wanted)
		report_say(&d->report, FINDING_PROBLEM,
		    "postern reload; where that changes nothing and it is firewalld's: "
		    "NftablesTableOwner=no in firewalld.conf",
		    "%s %s %s drops what is granted: it has no rule of ours that lets it by",
		    c->family, c->table, c->chain);
	else if (!c->passes)
		report_say(&d->report, FINDING_WARNING, "server.host_chains: auto",
		    "%s %s %s drops by default, and host_chains: none leaves it to you to let in what "
		    "is granted",
		    c->family, c->table, c->chain);
	else
		report_say(&d->report, FINDING_OK, NULL, "%s %s %s lets by what is granted",
		    c->family, c->table, c->chain);
}

static void check_host(struct doctor *d)
{
	int err = fw_look_host(&d->snapshot, judge_chain, d);

	if (err != 0)
		say_error(d, err);
}

void doctor_firewall(struct doctor *d)
{
	if (!can_look(d))
		return;
	if (check_own(d))
		check_host(d);
	doctor_legacy(d);
}

/* --- Ports that lead elsewhere */

struct published {
	struct doctor *d;
	unsigned int unguarded, guarded;
};

static bool is_managed(const struct doctor *d, const struct ports *p)
{
	const struct settings *s = doctor_settings(d);
	const struct ports *managed = snapshot_ports(&d->snapshot, s->managed_ports);

	for (uint32_t i = 0; i < s->managed_ports.count; i++)
		if ((p->protocol == 0 || p->protocol == managed[i].protocol) &&
		    p->first <= managed[i].last && managed[i].first <= p->last)
			return true;
	return s->guard == CONF_GUARD_ALL;
}

static void judge_translated(void *context, const struct fw_translated *t)
{
	struct published *p = context;
	struct doctor *d = p->d;
	const char *protocol = t->ports.protocol == IPPROTO_TCP   ? "/tcp"
	                       : t->ports.protocol == IPPROTO_UDP ? "/udp"
	                                                          : "";

	if (!is_managed(d, &t->ports))
		return;
	if (doctor_settings(d)->hook != CONF_HOOK_INPUT) {
		p->guarded++;
		return;
	}
	p->unguarded++;
	report_say(&d->report, t->unclear ? FINDING_WARNING : FINDING_PROBLEM,
	    "server.hook: prerouting, then: postern reload",
	    "%s %s %s leads %u-%u%s elsewhere (as container engines publish ports)%s, and with "
	    "hook: input that is open without a knock",
	    t->family, t->table, t->chain, t->ports.first, t->ports.last, protocol,
	    t->unclear ? ", those of a set" : "");
}

void doctor_published(struct doctor *d)
{
	const struct settings *s = doctor_settings(d);
	struct published p = {.d = d};
	int err;

	if (!d->root || s == NULL || s->firewall == CONF_FIREWALL_NONE)
		return; /* said already */
	err = fw_look_translated(judge_translated, &p);
	doctor_legacy_translated(judge_translated, &p);
	/* A look that was disturbed may have missed something. */
	if (err != 0 && (err != -EINTR || p.unguarded == 0))
		say_error(d, err);
	else if (p.unguarded == 0)
		report_say(&d->report, FINDING_OK, NULL,
		    p.guarded > 0 ? "%u rules lead managed ports elsewhere; they are guarded before"
		                  : "no rule leads managed ports elsewhere",
		    p.guarded);
}
