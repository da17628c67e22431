/* postern-guard: puts the rules in place that shut the ports, before the network is up and without
 * the daemon, and takes them away when it is told to. It opens nothing to anybody. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/environment.h"
#include "base/exit.h"
#include "base/log.h"
#include "base/secret.h"
#include "conf/conf.h"
#include "fw/fw.h"
#include "snapshot/accepted.h"

static const char usage[] =
    "Usage: postern-guard [-c FILE] [--state-dir DIR] [--release]\n"
    "Shuts the ports that posternd opens, before the network is up and without it: by the\n"
    "configuration or, when that is not in order, by the last one that was accepted. Rules\n"
    "that stand already are left as they are.\n"
    "\n"
    "  -c, --config FILE     configuration (" CONF_DEFAULT_PATH ")\n"
    "      --state-dir DIR   where the daemon keeps what it has accepted (/var/lib/postern)\n"
    "      --release         take Postern's rules away: the ports are then as open as the\n"
    "                        host's own rules leave them\n"
    "      --log-format FMT  text or json (text)\n"
    "      --version         print the version and exit\n"
    "      --help            print this and exit\n"
    "\n"
    "Exit status: 0 shut, or released; 1 failed; 2 usage; 77 no permission; 78 nothing to\n"
    "go by.\n"
    "Example: postern-guard -c config.yaml\n";

enum { OPT_STATE = 256, OPT_RELEASE, OPT_FORMAT, OPT_VERSION, OPT_HELP };

static const struct option long_options[] = {{"config", required_argument, NULL, 'c'},
    {"state-dir", required_argument, NULL, OPT_STATE}, {"release", no_argument, NULL, OPT_RELEASE},
    {"log-format", required_argument, NULL, OPT_FORMAT},
    {"version", no_argument, NULL, OPT_VERSION}, {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0}};

struct guard_options {
	const char *config;
	const char *state_dir;
	bool release;
	enum log_format log_format;
};

static void parse(struct guard_options *o, int argc, char *argv[])
{
	int c;

	while ((c = getopt_long(argc, argv, "c:", long_options, NULL)) != -1) {
		if (c == 'c') {
			o->config = optarg;
		} else if (c == OPT_STATE) {
			o->state_dir = optarg;
		} else if (c == OPT_RELEASE) {
			o->release = true;
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

/* The rules to go by, as a snapshot's descriptor: the configuration's, or the last good ones. */
static int rules_of(const struct guard_options *o, int *status)
{
	struct conf_error why = {.text = ""};
	struct conf *conf = conf_load(o->config, &why);
	const char *none = NULL;
	int fd;

	if (conf != NULL) {
		if (!conf_find_interface(conf, &why))
			log_event(LOG_LEVEL_WARN, "shut as far as the interface is known", "why",
			    why.text, "interface",
			    *conf_interface(conf) == '\0' ? "every one" : conf_interface(conf),
			    NULL);
		fd = conf_write_snapshot(conf, 1);
		conf_free(conf);
		return fd;
	}
	log_event(LOG_LEVEL_ERROR, "cannot use the configuration", "why", why.text, NULL);
	fd = accepted_load(o->state_dir, &none);
	if (fd >= 0) {
		log_event(LOG_LEVEL_WARN,
		    "shutting the ports of the last configuration that was accepted", "folder",
		    o->state_dir, NULL);
		return fd;
	}
	log_event(LOG_LEVEL_ERROR, "nothing is shut: no configuration was accepted before",
	    "folder", o->state_dir, "why", none, NULL);
	*status = why.permission ? EXIT_PERMISSION : EXIT_CONFIG;
	return -1;
}

static int shut(struct fw *fw, const struct snapshot *s)
{
	if (fw->ops->stands != NULL && fw->ops->stands(fw)) {
		log_line(LOG_LEVEL_INFO, "the rules stand already; they are left as they are");
		return EXIT_DONE;
	}
	if (fw->ops->install(fw, s, NULL, 0) != 0)
		return EXIT_FAILED;
	log_line(LOG_LEVEL_INFO, "the ports are shut");
	return EXIT_DONE;
}

static int release(struct fw *fw)
{
	if (fw->ops->remove(fw) != 0) {
		log_line(LOG_LEVEL_ERROR,
		    "the rules could not be taken away; if posternd is running, stop it first");
		return EXIT_FAILED;
	}
	log_line(LOG_LEVEL_INFO, "the rules are taken away; Postern shuts nothing any more");
	return EXIT_DONE;
}

static int work(const struct guard_options *o)
{
	int status = EXIT_FAILED, fd = o->release ? -1 : rules_of(o, &status);
	char boot_id[CLOCK_BOOT_ID_BYTES];
	struct snapshot s = {0};
	struct fw fw;

	if (fd < 0 && !o->release)
		return status;
	if (fd >= 0 && !snapshot_map(&s, fd)) {
		log_line(LOG_LEVEL_ERROR, "nothing is shut: %s", strerror(errno));
		close(fd);
		return EXIT_FAILED;
	}
	(void)clock_boot_id(boot_id); /* without it the rules are set anew */
	if (fw_open(&fw, o->release ? CONF_FIREWALL_NFT : (enum conf_firewall)s.settings->firewall,
	        boot_id, -1) == 0) {
		status = o->release ? release(&fw) : shut(&fw, &s);
		fw_close(&fw);
	}
	snapshot_unmap(&s);
	if (fd >= 0)
		close(fd);
	return status;
}

int main(int argc, char *argv[])
{
	struct guard_options options = {
	    .config = CONF_DEFAULT_PATH, .state_dir = "/var/lib/postern"};

	environment_clean();
	parse(&options, argc, argv);
	log_open("guard", LOG_LEVEL_INFO, options.log_format);
	if (geteuid() != 0) {
		fputs("postern-guard: must be started as root: it changes the firewall\n", stderr);
		return EXIT_PERMISSION;
	}
	return secret_init() ? work(&options) : EXIT_FAILED;
}
