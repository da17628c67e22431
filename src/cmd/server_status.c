#include "cmd/server_status.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/line.h"
#include "cmd/daemon.h"
#include "cmd/daemon_process.h"
#include "cmd/json.h"
#include "cmd/text.h"
#include "ctl/stat.h"
#include "files/client_conf.h"
#include "stats/stats.h"

#define ANSWER_NS  (5 * NS_PER_SECOND)
#define LIST_BYTES 256

bool server_status_fits(const struct cli *cli)
{
	char path[PATH_MAX];
	struct stat st;

	if (cli->operand != NULL || cli->client_config != NULL ||
	    (client_conf_default_path(path, sizeof path) && access(path, F_OK) == 0))
		return false;
	return stat(cli->config, &st) == 0 && stat(cli->control, &st) == 0 && S_ISSOCK(st.st_mode);
}

/* --- What was told */

/* The rest of the names that begin so and have that value, with commas; "" when there are none. */
static const char *list_of(
    const struct stats *s, const char *beginning, uint64_t value, char list[static LIST_BYTES])
{
	struct line l = {.text = list, .size = LIST_BYTES};

	*list = '\0';
	for (size_t i = 0; i < s->count; i++)
		if (strncmp(s->values[i].name, beginning, strlen(beginning)) == 0 &&
		    s->values[i].value == value)
			line_add(&l, "%s%s", *list == '\0' ? "" : ", ",
			    s->values[i].name + strlen(beginning));
	return list;
}

static const char *word_of(
    const struct stats *s, const char *name, const char *const *words, size_t count)
{
	const struct control_stat *told = stats_find(s, name);

	return told != NULL && told->value < count ? words[told->value] : NULL;
}

static const char *guard_of(const struct stats *s)
{
	static const char *const words[CONTROL_GUARDS] = {"none", "there", "gone"};

	return word_of(s, CONTROL_GUARD, words, CONTROL_GUARDS);
}

static const char *shield_of(const struct stats *s)
{
	static const char *const words[CONTROL_SHIELDS] = {
	    "user", "socket", "xdp-generic", "xdp-native"};

	return word_of(s, CONTROL_SHIELD, words, CONTROL_SHIELDS);
}

static const char *intake_of(const struct stats *s)
{
	static const char *const words[CONTROL_INTAKES] = {
	    "none", "socket", "capture", "xdp", "xdp-in-part", "xdp-nowhere"};

	return word_of(s, CONTROL_INTAKE, words, CONTROL_INTAKES);
}

static const char *firewall_of(const struct stats *s)
{
	static const char *const words[] = {"lost", "in-force"};
	const char *word = word_of(s, STAT_FIREWALL, words, 2);

	return word == NULL ? "none" : word;
}

/* In nanoseconds since the epoch; INT64_MAX: not told, or not yet. */
static int64_t time_of(const struct stats *s, const char *name)
{
	uint64_t seconds = stats_value(s, name);

	return seconds == 0 || seconds > INT64_MAX / NS_PER_SECOND
	           ? INT64_MAX
	           : (int64_t)seconds * NS_PER_SECOND;
}

/* --- For people */

static void print_row(const char *name, const char *value)
{
	char escaped[4 * LIST_BYTES];

	printf("  %-9s %s\n", name, text_escaped(escaped, sizeof escaped, value));
}

static void print_start(const struct stats *s, pid_t pid)
{
	int64_t since = time_of(s, STAT_START);
	char when[CLOCK_TEXT_BYTES], ago[TEXT_DURATION_BYTES];

	if (since != INT64_MAX)
		printf("  %-9s since %s, %s", "up", clock_text(since, when),
		    text_duration(clock_real_ns() - since, ago));
	if (since != INT64_MAX && pid > 0)
		printf(" (process %d)", (int)pid);
	if (since != INT64_MAX)
		putchar('\n');
}

static void print_reload(const struct stats *s)
{
	int64_t last = time_of(s, STAT_RELOAD);
	char when[CLOCK_TEXT_BYTES];

	if (last == INT64_MAX)
		print_row("reload", "none since the start");
	else
		printf("  %-9s %s, %s\n", "reload", clock_text(last, when),
		    stats_value(s, STAT_RELOAD_OK) != 0
		        ? "taken over"
		        : "REFUSED: the old configuration is in force");
}

static void print_rows(const struct stats *s, pid_t pid)
{
	char list[LIST_BYTES];

	print_start(s, pid);
	print_row("roles", list_of(s, STAT_UP, 1, list));
	print_row("firewall", firewall_of(s));
	print_row("guard", guard_of(s) == NULL ? "?" : guard_of(s));
	print_row("intake", intake_of(s) == NULL ? "?" : intake_of(s));
	print_row("shield", shield_of(s) == NULL ? "?" : shield_of(s));
	if (*list_of(s, STAT_WITHOUT, 1, list) != '\0')
		print_row("without", list);
	printf("  %-9s %" PRIu64 ", and %" PRIu64 " devices of OpenSPA\n", "clients",
	    stats_value(s, STAT_CLIENTS), stats_value(s, STAT_DEVICES));
	printf("  %-9s %" PRIu64 " grants in force\n", "open", stats_value(s, STAT_GRANTS));
	printf("  %-9s %" PRIu64 " granted, %" PRIu64 " refused since the start\n", "knocks",
	    stats_granted(s), stats_refused(s));
	print_reload(s);
}

static void print_text(
    const struct stats *s, const char *const *complaints, size_t count, pid_t pid)
{
	char version[LIST_BYTES] = "";

	if (s->up)
		list_of(s, STAT_VERSION, 1, version);
	printf("Postern%s%s: %s%s%s\n", *version == '\0' ? "" : " ", version,
	    cli_colour(count == 0 ? CLI_GREEN : CLI_RED), count == 0 ? "healthy" : "NOT HEALTHY",
	    cli_colour(CLI_PLAIN));
	for (size_t i = 0; i < count; i++)
		printf("  %s\n", complaints[i]);
	if (s->up)
		print_rows(s, pid);
	if (count > 0)
		puts("What to do about it: postern doctor");
}

/* --- For programs */

static void json_list(struct json *j, const struct stats *s, const char *key, const char *beginning)
{
	json_open(j, key, '[');
	for (size_t i = 0; i < s->count; i++)
		if (strncmp(s->values[i].name, beginning, strlen(beginning)) == 0 &&
		    s->values[i].value == 1)
			json_string(j, NULL, s->values[i].name + strlen(beginning));
	json_close(j, ']');
}

static void json_rows(struct json *j, const struct stats *s, pid_t pid)
{
	char version[LIST_BYTES];

	json_string(j, "version", list_of(s, STAT_VERSION, 1, version));
	json_time(j, "up_since", time_of(s, STAT_START));
	json_number(j, "pid", pid);
	json_list(j, s, "roles", STAT_UP);
	json_string(j, "firewall", firewall_of(s));
	json_string(j, "guard", guard_of(s));
	json_string(j, "intake", intake_of(s));
	json_string(j, "shield_at", shield_of(s));
	json_list(j, s, "sandbox_without", STAT_WITHOUT);
	json_number(j, "clients", (int64_t)stats_value(s, STAT_CLIENTS));
	json_number(j, "devices", (int64_t)stats_value(s, STAT_DEVICES));
	json_number(j, "grants", (int64_t)stats_value(s, STAT_GRANTS));
	json_number(j, "granted", (int64_t)stats_granted(s));
	json_number(j, "refused", (int64_t)stats_refused(s));
	json_time(j, "last_reload", time_of(s, STAT_RELOAD));
}

static void print_json(
    const struct stats *s, const char *const *complaints, size_t count, pid_t pid)
{
	struct json j = {.to = stdout};

	json_open(&j, NULL, '{');
	json_bool(&j, "healthy", count == 0);
	json_open(&j, "complaints", '[');
	for (size_t i = 0; i < count; i++)
		json_string(&j, NULL, complaints[i]);
	json_close(&j, ']');
	if (s->up)
		json_rows(&j, s, pid);
	json_close(&j, '}');
}

/* --- */

/* What is wrong with one that has not answered; NULL: that is not known. */
static const char *complaint_of(enum ctl_result result)
{
	switch (result) {
	case CTL_NOT_RUNNING:
		return "posternd is not running";
	case CTL_SILENT:
		return "posternd does not answer";
	case CTL_GARBLED:
		return "what answers in posternd's place breaks off or is of another version";
	case CTL_DONE:
	case CTL_REFUSED:
	case CTL_NO_PERMISSION:
	case CTL_FAILED:
		break;
	}
	return NULL;
}

enum cli_exit server_status(struct cli *cli)
{
	const char *complaints[STATS_COMPLAINTS_MOST] = {NULL};
	struct control_error error = {0};
	struct stats s;
	enum ctl_result result = stats_ask(cli->control, ANSWER_NS, &s, &error);
	size_t count = s.up ? stats_complaints(&s, complaints) : 1;
	pid_t pid = daemon_process_find(cli->control);

	if (!s.up)
		complaints[0] = complaint_of(result);
	if (count > 0 && complaints[0] == NULL)
		return daemon_report(cli, result, &error);
	if (cli->json)
		print_json(&s, complaints, count, pid);
	else if (!cli->quiet)
		print_text(&s, complaints, count, pid);
	return count == 0 ? CLI_DONE : CLI_CLOSED;
}
