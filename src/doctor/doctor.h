/* postern-doctor: looks at all that a gate needs, changes nothing, and says what is wrong with the
 * command that mends it. For the files that it is made of. */
#ifndef DOCTOR_DOCTOR_H
#define DOCTOR_DOCTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "cmd/daemon.h"
#include "conf/conf.h"
#include "doctor/report.h"
#include "fw/look.h"
#include "snapshot/snapshot.h"

struct doctor {
	struct cli cli; /* config, control, json, quiet */
	const char *state_dir;
	bool online; /* ask services on the network, too */
	bool root;
	struct report report;

	/* What one check has found out for those that follow. */
	struct conf *conf; /* NULL: cannot be used */
	struct snapshot snapshot;
	int snapshot_fd;        /* -1: there is no snapshot */
	enum ctl_result answer; /* of the daemon */
	struct daemon_state daemon;
	pid_t pid; /* of its main process; 0: not known */
};

/* One check each: says a line, or several. In this order. */
void doctor_configuration(struct doctor *d);
void doctor_files(struct doctor *d);
void doctor_clock(struct doctor *d);
void doctor_kernel(struct doctor *d);
void doctor_connections(struct doctor *d);
void doctor_daemon(struct doctor *d);
void doctor_units(struct doctor *d);
void doctor_firewall(struct doctor *d);
void doctor_published(struct doctor *d);
void doctor_interface(struct doctor *d);
void doctor_port(struct doctor *d);
void doctor_leftovers(struct doctor *d);
void doctor_public(struct doctor *d);

/* A part of doctor_firewall: rules of legacy iptables. For root, with a configuration. */
void doctor_legacy(struct doctor *d);
/* Its rules that lead ports elsewhere, as fw_look_translated tells those of nf_tables; none where
 * they cannot be read, which doctor_legacy says. */
void doctor_legacy_translated(
    void (*each)(void *context, const struct fw_translated *rule), void *context);

/* Whether nothing was ever accepted here: the first start is then to be on trial. */
bool doctor_never_ran(const struct doctor *d);
#define DOCTOR_ACTIVATE "postern activate"

/* What the configuration says; NULL: nothing, it cannot be used. */
const struct settings *doctor_settings(const struct doctor *d);

#endif
