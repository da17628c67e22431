/* posternd: the daemon. This is only its command line; src/main is the rest of its first process.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/environment.h"
#include "base/exit.h"
#include "base/foreign.h"
#include "base/log_journal.h"
#include "base/secret.h"
#include "conf/client_index.h"
#include "conf/values.h"
#include "ctl/control.h"
#include "main/executable.h"
#include "main/explain.h"
#include "main/ladder.h"
#include "main/leftovers.h"
#include "main/main.h"
#include "main/openspa_words.h"

#define OPENME_PATH "/etc/openme/config.yaml"

static const char usage[] =
    "Usage: posternd [-c FILE] [--check | --dry-run | --explain FILE] [options]\n"
    "Opens ports to those who knock: Single Packet Authorization for openme v1 and\n"
    "OpenSPA v1 clients.\n"
    "\n"
    "  -c, --config FILE     configuration (" CONF_DEFAULT_PATH ")\n"
    "      --check           check the configuration, change nothing, and exit\n"
    "      --dry-run         check it, print the rules that it would put in place, as text for\n"
    "                        nft, change nothing, and exit\n"
    "      --explain FILE    say what would become of the datagram in FILE (its bytes alone,\n"
    "                        or a capture: pcap, pcapng), check by check, and exit\n"
    "      --packet N        with --explain: the capture's packet N, not the first for us\n"
    "      --source ADDRESS  with --explain: where it came from\n"
    "      --at TIME         with --explain: judge as of then, not of the capture's time\n"
    "      --state-dir DIR   what outlives the daemon (/var/lib/postern)\n"
    "      --control PATH    control socket (" CONTROL_PATH ")\n"
    "      --sessions-file FILE\n"
    "                        keep openme's sessions file up to date; also --state-file\n"
    "      --log-level LEVEL error, warn, info or debug (info)\n"
    "      --log-format FMT  text or json (text)\n"
    "      --version         print the version and exit\n"
    "      --help            print this and exit\n"
    "\n"
    "Signals: HUP reads the configuration again; TERM and INT stop.\n"
    "Exit status: 0 fine, 1 failed, 2 usage, 77 no permission, 78 configuration;\n"
    "--explain: 0 granted, 3 refused, 4 a script or helper decides.\n"
    "As an OpenSPA server it takes \"start\" and its flags, and reads ./config.yaml then.\n"
    "As openme's server it takes \"serve\", and reads " OPENME_PATH " then.\n"
    "Example: posternd -c config.yaml --check && posternd -c config.yaml\n"
    "         posternd --explain knocks.pcap --packet 3\n";

enum {
	OPT_CHECK = 256,
	OPT_DRY_RUN,
	OPT_EXPLAIN,
	OPT_PACKET,
	OPT_SOURCE,
	OPT_AT,
	OPT_STATE,
	OPT_CONTROL,
	OPT_LEVEL,
	OPT_FORMAT,
	OPT_SESSIONS,
	OPT_CLIENTS,
	OPT_VERSION,
	OPT_HELP,
};

static const struct option long_options[] = {
    {"config", required_argument, NULL, 'c'},
    {"check", no_argument, NULL, OPT_CHECK},
    {"dry-run", no_argument, NULL, OPT_DRY_RUN},
    {"explain", required_argument, NULL, OPT_EXPLAIN},
    {"packet", required_argument, NULL, OPT_PACKET},
    {"source", required_argument, NULL, OPT_SOURCE},
    {"at", required_argument, NULL, OPT_AT},
    {"state-dir", required_argument, NULL, OPT_STATE},
    {"control", required_argument, NULL, OPT_CONTROL},
    {"log-level", required_argument, NULL, OPT_LEVEL},
    {"log-format", required_argument, NULL, OPT_FORMAT},
    {"sessions-file", required_argument, NULL, OPT_SESSIONS},
    {"state-file", required_argument, NULL, OPT_SESSIONS},
    {"client-config", required_argument, NULL, OPT_CLIENTS},
    {"version", no_argument, NULL, OPT_VERSION},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

static _Noreturn void usage_error(const char *what, const char *found)
{
	fprintf(stderr, "posternd: %s: \"%s\"\nTry \"posternd --help\".\n", what, found);
	exit(EXIT_USAGE);
}

/* What getopt_long has refused, saying so. */
static _Noreturn void unknown_option(const char *word)
{
	const char *remedy = foreign_remedy(FOREIGN_DAEMON, word);

	if (remedy != NULL)
		fprintf(stderr, "posternd: %s: %s\n", word, remedy);
	fputs("Try \"posternd --help\".\n", stderr);
	exit(EXIT_USAGE);
}

/* The command that openme's unit has, and the file that it reads by default. */
static void parse_words(struct main_options *o, int argc, char *argv[])
{
	const char *remedy;

	if (optind < argc && strcmp(argv[optind], "serve") == 0) {
		optind++;
		if (o->config == NULL)
			o->config = OPENME_PATH;
	}
	if (o->config == NULL)
		o->config = CONF_DEFAULT_PATH;
	if (optind == argc)
		return;
	remedy = foreign_remedy(FOREIGN_DAEMON, argv[optind]);
	usage_error(remedy != NULL ? remedy : "unexpected argument", argv[optind]);
}

static uint32_t parse_packet(const char *text)
{
	const char *expected;
	int64_t number;

	if (!value_integer(&number, text, &expected) || number < 1 || number > UINT32_MAX)
		usage_error("--packet is no number from 1 on", text);
	return (uint32_t)number;
}

/* What is to be done in the place of running. */
struct wanted {
	bool check, dry_run;
	struct explain_options explain;
};

static void parse(struct main_options *o, struct wanted *w, int argc, char *argv[])
{
	struct explain_options *e = &w->explain;
	const char **const texts[OPT_HELP] = {['c'] = &o->config,
	    [OPT_STATE] = &o->state_dir,
	    [OPT_CONTROL] = &o->control,
	    [OPT_SESSIONS] = &o->sessions_file,
	    [OPT_EXPLAIN] = &e->file,
	    [OPT_SOURCE] = &e->source,
	    [OPT_AT] = &e->at};
	int c;

	while ((c = getopt_long(argc, argv, "c:v", long_options, NULL)) != -1) {
		if (c < OPT_HELP && texts[c] != NULL)
			*texts[c] = optarg;
		else if (c == OPT_CHECK)
			w->check = true;
		else if (c == OPT_DRY_RUN)
			w->dry_run = true;
		else if (c == OPT_PACKET)
			e->packet = parse_packet(optarg);
		else if (c == OPT_LEVEL && !log_level_parse(&o->log_level, optarg))
			usage_error("log level is not error, warn, info or debug", optarg);
		else if (c == OPT_FORMAT && !log_format_parse(&o->log_format, optarg))
			usage_error("log format is not text or json", optarg);
		else if (c == 'v' || c == OPT_VERSION || c == OPT_HELP) {
			fputs(c == OPT_HELP ? usage : "posternd " POSTERN_VERSION "\n", stdout);
			exit(EXIT_DONE);
		} else if (c == '?') {
			unknown_option(argv[optind - 1]);
		}
	}
	parse_words(o, argc, argv);
	if (e->file == NULL && (e->packet != 0 || e->source != NULL || e->at != NULL))
		usage_error("only for --explain", "--packet, --source, --at");
}

static struct conf *load(const struct main_options *o, struct conf_error *why)
{
	char *index = conf_index_path(o->state_dir);
	struct conf_index_report report = {.refused = ""};
	struct conf *conf = index == NULL ? conf_load(o->config, why)
	                                  : conf_load_indexed(o->config, index, &report, why);

	free(index);
	if (*report.refused != '\0')
		fprintf(stderr, "posternd: warning: the index of clients is not used: %s\n",
		    report.refused);
	return conf;
}

static void print_warning(const char *text)
{
	fprintf(stderr, "posternd: warning: %s\n", text);
}

/* The guard can write rules, and main cannot. */
static int dry_run(const struct main_options *o)
{
	fflush(stderr);
	executable_become_dry_run(o);
	return EXIT_FAILED;
}

static int check_or_explain(const struct main_options *o, const struct wanted *wanted)
{
	const struct explain_options *what = &wanted->explain;
	struct conf_error why = {.text = ""};
	struct conf *conf = load(o, &why);
	char without[LADDER_TEXT_BYTES];
	int status = EXIT_DONE;

	if (conf == NULL || (what->file == NULL && !conf_find_interface(conf, &why))) {
		conf_free(conf);
		fprintf(stderr, "posternd: %s\n", why.text);
		return why.permission ? EXIT_PERMISSION : EXIT_CONFIG;
	}
	for (size_t i = 0; i < conf_warning_count(conf); i++)
		print_warning(conf_warning(conf, i));
	if (what->file == NULL && conf_shield_note(conf) != NULL)
		print_warning(conf_shield_note(conf));
	if (what->file == NULL)
		leftovers_find(conf, print_warning);
	if (what->file != NULL)
		status = explain(what, conf);
	else if (!ladder_stand((enum conf_sandbox)conf_server(conf)->sandbox, ladder_print))
		status = EXIT_CONFIG;
	else if (!wanted->dry_run)
		printf("%s: %zu clients, %zu devices, fine%s\n", o->config, conf_client_count(conf),
		    conf_has_openspa(conf) ? conf_device_count(conf) : 0,
		    ladder_text(without, sandbox_without()));
	conf_free(conf);
	return status == EXIT_DONE && wanted->dry_run && what->file == NULL ? dry_run(o) : status;
}

int main(int argc, char *argv[])
{
	struct main_options options = {.state_dir = "/var/lib/postern",
	    .control = CONTROL_PATH,
	    .log_level = LOG_LEVEL_INFO,
	    .log_format = LOG_FORMAT_TEXT};
	struct wanted wanted = {.check = false};

	environment_clean();
	argc = openspa_words(argc, argv);
	parse(&options, &wanted, argc, argv);
	if (!secret_init()) {
		fputs("posternd: no randomness to be had from the kernel\n", stderr);
		return EXIT_FAILED;
	}
	if (wanted.check || wanted.dry_run || wanted.explain.file != NULL)
		return check_or_explain(&options, &wanted);
	log_open("main", options.log_level, options.log_format);
	log_join_journal("posternd", JOURNAL_PATH);
	if (geteuid() != 0) {
		fputs("posternd: must be started as root: it changes the firewall (its processes "
		      "then run as others)\n",
		    stderr);
		return EXIT_PERMISSION;
	}
	return role_main(&options);
}
