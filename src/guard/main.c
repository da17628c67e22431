/* postern-guard: puts the rules in place that shut the ports, before the network is up and without
 * the daemon, has them stay, and takes them away when it is told to. It opens nothing to anybody.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/environment.h"
#include "base/exit.h"
#include "base/loop.h"
#include "base/secret.h"
#include "bpf/clear.h"
#include "bpf/note.h"
#include "conf/conf.h"
#include "ctl/control.h"
#include "guard/guard.h"
#include "proc/lease.h"

#define END_NS (5 * NS_PER_SECOND)

static const char usage[] =
    "Usage: postern-guard [-c FILE] [--state-dir DIR] [--stay] [--release] [--dry-run]\n"
    "Shuts the ports that posternd opens, before the network is up and without it: by the\n"
    "configuration or, when that is not in order, by the last one that was accepted. Rules\n"
    "that stand already are left as they are.\n"
    "\n"
    "  -c, --config FILE     configuration (" CONF_DEFAULT_PATH ")\n"
    "      --state-dir DIR   where the daemon keeps what it has accepted (/var/lib/postern)\n"
    "      --stay            do not end: keep others from taking the rules away while no\n"
    "                        daemon runs, and put back what they take\n"
    "      --release         take Postern's rules away: the ports are then as open as the\n"
    "                        host's own rules leave them. A guard that stays ends then; with\n"
    "                        --stay, nothing is done when none stays\n"
    "      --dry-run         print what would be put in place, or with --release taken away,\n"
    "                        as text for nft, and change nothing\n"
    "      --log-format FMT  text or json (text)\n"
    "      --version         print the version and exit\n"
    "      --help            print this and exit\n"
    "\n"
    "Exit status: 0 shut, or released; 1 failed; 2 usage; 77 no permission; 78 nothing to\n"
    "go by.\n"
    "Example: postern-guard -c config.yaml\n";

enum { OPT_STATE = 256, OPT_STAY, OPT_RELEASE, OPT_DRY_RUN, OPT_FORMAT, OPT_VERSION, OPT_HELP };

static const struct option long_options[] = {{"config", required_argument, NULL, 'c'},
    {"state-dir", required_argument, NULL, OPT_STATE}, {"stay", no_argument, NULL, OPT_STAY},
    {"release", no_argument, NULL, OPT_RELEASE}, {"dry-run", no_argument, NULL, OPT_DRY_RUN},
    {"log-format", required_argument, NULL, OPT_FORMAT},
    {"version", no_argument, NULL, OPT_VERSION}, {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0}};

static void parse(struct guard_options *o, int argc, char *argv[])
{
	int c;

	while ((c = getopt_long(argc, argv, "c:", long_options, NULL)) != -1) {
		if (c == 'c') {
			o->config = optarg;
		} else if (c == OPT_STATE) {
			o->state_dir = optarg;
		} else if (c == OPT_STAY) {
			o->stay = true;
		} else if (c == OPT_RELEASE) {
			o->release = true;
		} else if (c == OPT_DRY_RUN) {
			o->dry_run = true;
		} else if (c == OPT_FORMAT && log_format_parse(&o->log_format, optarg)) {
			continue;
		} else if (c == OPT_VERSION || c == OPT_HELP) {
			fputs(
			    c == OPT_HELP ? usage : "postern-guard " POSTERN_VERSION "\n", stdout);
			exit(EXIT_DONE);
		} else {
			break;
		}
	}
	if (c == -1 && optind == argc)
		return;
	fputs("Try \"postern-guard --help\".\n", stderr);
	exit(EXIT_USAGE);
}

static int shut(const struct guard_options *o)
{
	struct rules r;
	struct fw fw;
	int status = rules_load(&r, o);

	if (status != EXIT_DONE)
		return status;
	if (!rules_open_firewall(&fw, (enum conf_firewall)r.snapshot.settings->firewall, -1)) {
		status = EXIT_FAILED;
	} else if (fw.ops->stands != NULL && fw.ops->stands(&fw)) {
		log_line(LOG_LEVEL_INFO, "the rules stand already; they are left as they are");
	} else {
		status = rules_put(&r, &fw);
	}
	fw_close(&fw);
	rules_free(&r);
	return status;
}

static int tell(bool released)
{
	if (released && kernel_shield_clear(shield_note_read(CONTROL_PATH)) > 0)
		log_line(LOG_LEVEL_INFO, "the shield is taken away from the devices");
	if (released)
		log_line(
		    LOG_LEVEL_INFO, "the rules are taken away; Postern shuts nothing any more");
	else
		log_line(LOG_LEVEL_ERROR,
		    "the rules could not be taken away; if posternd is running, stop it first");
	return released ? EXIT_DONE : EXIT_FAILED;
}

/* Until the guard has ended, so that whoever is started next has one of its own. */
static bool await_end(struct lease_answer *a)
{
	bool done = a->message.word == LEASE_DONE;

	if (done)
		(void)loop_wait_readable(a->connection, clock_boot_ns() + END_NS);
	close(a->connection);
	return done;
}

/* A guard that stays does it. With --stay nobody else: the service manager asks for it also when
 * the guard has crashed. */
static int release(const struct guard_options *o)
{
	struct lease_answer a;
	struct fw fw;
	bool done;

	if (lease_ask(LEASE_TAKE_AWAY, -1, &a))
		return tell(await_end(&a));
	if (o->stay && errno != ETIMEDOUT)
		return EXIT_DONE;
	if (!rules_open_firewall(&fw, CONF_FIREWALL_NFT, -1))
		return EXIT_FAILED;
	done = fw.ops->remove(&fw) == 0;
	fw_close(&fw);
	return tell(done);
}

int main(int argc, char *argv[])
{
	struct guard_options options = {
	    .config = CONF_DEFAULT_PATH, .state_dir = "/var/lib/postern"};

	environment_clean();
	parse(&options, argc, argv);
	log_open("guard", LOG_LEVEL_INFO, options.log_format);
	if (options.dry_run)
		return secret_init() ? guard_dry_run(&options) : EXIT_FAILED;
	if (geteuid() != 0) {
		fputs("postern-guard: must be started as root: it changes the firewall\n", stderr);
		return EXIT_PERMISSION;
	}
	if (!secret_init())
		return EXIT_FAILED;
	return options.release ? release(&options)
	       : options.stay  ? guard_stay(&options)
	                       : shut(&options);
}
