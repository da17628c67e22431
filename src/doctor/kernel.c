/* What the kernel has of all that the daemon can use. */
#include "doctor/kernel.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/landlock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "doctor/doctor.h"
#include "fw/look.h"
#include "proc/sandbox.h"

#define COUNT "/proc/sys/net/netfilter/nf_conntrack_count"
#define MOST  "/proc/sys/net/netfilter/nf_conntrack_max"

/* --- The layers of the sandbox, and nf_tables */

static void check_layer(struct doctor *d, enum sandbox_layer layer, bool best)
{
	int err = sandbox_lacks(layer);

	if (err == 0)
		return;
	report_say(&d->report, best ? FINDING_WARNING : FINDING_PROBLEM,
	    best ? NULL : "another kernel or container, or server.sandbox: best (postern.yaml(5))",
	    "there is no %s here (%s): %s", sandbox_layer_name(layer), strerror(err),
	    best ? "the daemon goes on without it" : "the daemon does not start");
}

static bool check_nf_tables(struct doctor *d)
{
	struct fw_own_table ignored;
	int err = fw_look_own(&d->snapshot, "", &ignored);

	if (err == -EPROTONOSUPPORT)
		report_say(&d->report, FINDING_PROBLEM,
		    "modprobe nf_tables (in a container: on its host)",
		    "this kernel has no nf_tables: nothing can be opened or shut");
	return err != -EPROTONOSUPPORT;
}

/* The shield in the kernel is a program of BPF. */
static void check_bpf(struct doctor *d, const struct settings *s)
{
	bool wanted =
	    s->intake == CONF_INTAKE_XDP || (s->openme && s->shield_at == CONF_SHIELD_AT_XDP);

	if (wanted && access("/sys/kernel/btf/vmlinux", R_OK) != 0)
		report_say(&d->report, FINDING_WARNING, NULL,
		    "shield_at: xdp or intake: xdp is wanted, and this kernel shows no types of its "
		    "own (/sys/kernel/btf): it may not take the programs");
}

void doctor_kernel(struct doctor *d)
{
	const struct settings *s = doctor_settings(d);
	unsigned int found = d->report.count[FINDING_PROBLEM] + d->report.count[FINDING_WARNING];
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	struct utsname name;

	for (enum sandbox_layer l = 0; l < SANDBOX_MEMORY; l++)
		check_layer(d, l, s != NULL && s->sandbox == CONF_SANDBOX_BEST);
	if (d->root && s != NULL && s->firewall == CONF_FIREWALL_NFT)
		(void)check_nf_tables(d);
	if (s != NULL)
		check_bpf(d, s);
	if (uname(&name) == 0 &&
	    found == d->report.count[FINDING_PROBLEM] + d->report.count[FINDING_WARNING])
		report_say(&d->report, FINDING_OK, NULL,
		    "Linux %s has what the sandbox needs (Landlock ABI %ld, seccomp)", name.release,
		    abi);
}

/* --- The table of connections */

enum finding connections_judge(uint64_t count, uint64_t most)
{
	if (most == 0 || count <= most / 10 * 8)
		return FINDING_OK;
	return count <= most / 100 * 95 ? FINDING_WARNING : FINDING_PROBLEM;
}

static bool read_number(const char *path, uint64_t *out)
{
	FILE *file = fopen(path, "re");
	char text[32] = "", *end = text;

	if (file != NULL && fgets(text, sizeof text, file) != NULL)
		*out = strtoull(text, &end, 10);
	if (file != NULL)
		fclose(file);
	return end != text;
}

void doctor_connections(struct doctor *d)
{
	uint64_t count, most;
	enum finding what;

	if (!read_number(COUNT, &count) || !read_number(MOST, &most)) {
		report_say(&d->report, FINDING_UNKNOWN, NULL,
		    "the kernel does not tell here how many it tracks");
		return;
	}
	what = connections_judge(count, most);
	report_say(&d->report, what,
	    what == FINDING_OK ? NULL : "sysctl -w net.netfilter.nf_conntrack_max=NUMBER",
	    what == FINDING_OK
	        ? "%" PRIu64 " of at most %" PRIu64 " are tracked"
	        : "%" PRIu64 " of at most %" PRIu64
	          " are tracked: when the table is full, new ones are dropped, whoever may come in",
	    count, most);
}
