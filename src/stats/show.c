/* The statistics as people read them. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "ctl/stat.h"
#include "stats/kinds.h"

#define FLOOD_PER_SECOND 20 /* refused: no client does that by mistake */
#define NUMBER_BYTES     32

/* What was counted between two looks. */
struct span_of_time {
	const struct stats *now, *before; /* before: NULL, since the start */
	double seconds;                   /* 0: not known */
};

static struct span_of_time span_between(const struct stats *now, const struct stats *before)
{
	struct span_of_time t = {.now = now};
	const uint64_t start = stats_value(now, STAT_START);
	const int64_t real_s = clock_real_ns() / NS_PER_SECOND;

	/* Another daemon has begun at 0 meanwhile. */
	if (before != NULL && before->up && stats_value(before, STAT_START) == start &&
	    now->asked_ns > before->asked_ns) {
		t.before = before;
		t.seconds = (double)(now->asked_ns - before->asked_ns) / (double)NS_PER_SECOND;
	} else if (start > 0 && real_s > 0 && (uint64_t)real_s > start) {
		t.seconds = (double)((uint64_t)real_s - start);
	}
	return t;
}

static uint64_t difference(uint64_t now, uint64_t before)
{
	return now > before ? now - before : 0;
}

static uint64_t of_kind(const struct span_of_time *t, enum stats_kind kind)
{
	return difference(
	    stats_of_kind(t->now, kind), t->before == NULL ? 0 : stats_of_kind(t->before, kind));
}

static uint64_t of_stat(const struct span_of_time *t, const char *name)
{
	return difference(
	    stats_value(t->now, name), t->before == NULL ? 0 : stats_value(t->before, name));
}

static double per_second(const struct span_of_time *t, uint64_t count)
{
	return t->seconds > 0 ? (double)count / t->seconds : 0;
}

/* 1234567 as 1,234,567. */
static const char *number(uint64_t value, char text[static NUMBER_BYTES])
{
	char digits[24];
	size_t length = (size_t)snprintf(digits, sizeof digits, "%" PRIu64, value), used = 0;

	for (size_t i = 0; i < length; i++) {
		if (i > 0 && (length - i) % 3 == 0)
			text[used++] = ',';
		text[used++] = digits[i];
	}
	text[used] = '\0';
	return text;
}

/* --- The judgement */

static uint64_t refused(const struct span_of_time *t)
{
	uint64_t sum = 0;

	for (enum stats_kind kind = STATS_JUNK; kind < STATS_KINDS; kind++)
		sum += of_kind(t, kind);
	return sum;
}

/* The refusal that came most. */
static enum verdict main_refusal(const struct span_of_time *t)
{
	enum verdict most = VERDICT_COUNT;
	uint64_t count = 0;

	for (enum verdict v = 0; v < VERDICT_COUNT; v++) {
		const uint64_t here = of_stat(t, stats_verdict_name(v));

		if (stats_kind_of(v) >= STATS_JUNK && here > count) {
			most = v;
			count = here;
		}
	}
	return most;
}

static void print_refused(FILE *to, const struct span_of_time *t, uint64_t count)
{
	const enum verdict v = main_refusal(t);
	const double rate = per_second(t, count);
	char text[NUMBER_BYTES];

	if (t->before == NULL)
		fprintf(to, "Since the start %s datagrams were refused", number(count, text));
	else if (rate >= FLOOD_PER_SECOND)
		fprintf(to, "UNDER ATTACK: %s datagrams a second are refused",
		    number((uint64_t)rate, text));
	else
		fprintf(to, "Nearly quiet: %s refused just now", number(count, text));
	if (v < VERDICT_COUNT)
		fprintf(
		    to, ",\n  most as %s (%s)", stats_verdict_name(v), stats_verdict_meaning(v));
	fputs(".\n", to);
}

/* Whether clients are served all the same. */
static void print_service(FILE *to, const struct span_of_time *t)
{
	const uint64_t no_time = of_kind(t, STATS_NO_TIME), lost = of_stat(t, STAT_QUEUE_DROPPED);
	const uint64_t fault = of_kind(t, STATS_FAULT);
	char granted[NUMBER_BYTES], text[NUMBER_BYTES];

	fprintf(to, "Knocks granted%s: %s", t->before == NULL ? "" : " just now",
	    number(of_kind(t, STATS_GRANTED), granted));
	if (no_time + lost > 0)
		fprintf(to,
		    ".\nDropped for want of time or room: %s; clients, if any are\n"
		    "  among them, have to knock again (a shield goes first: server.shield)",
		    number(no_time + lost, text));
	else
		fputs(t->before == NULL ? "; nothing was dropped for want of time"
		                        : "; nothing is dropped for want of time",
		    to);
	fputs(".\n", to);
	if (fault > 0)
		fprintf(to, "FAULTS of ours: %s knocks, see the log.\n", number(fault, text));
}

static void print_judgement(FILE *to, const struct span_of_time *t)
{
	const char *complaints[STATS_COMPLAINTS_MOST];
	const size_t count = stats_complaints(t->now, complaints);
	const uint64_t sum = refused(t);

	for (size_t i = 0; i < count; i++)
		fprintf(to, "NOT WELL: %s.\n", complaints[i]);
	if (sum == 0)
		fputs(t->before == NULL ? "Quiet: nothing was refused since the start.\n"
		                        : "Quiet: nothing is refused.\n",
		    to);
	else
		print_refused(to, t, sum);
	print_service(to, t);
}

/* --- The table */

static const char *const titles[STATS_KINDS] = {
    [STATS_GRANTED] = "Granted",
    [STATS_JUNK] = "Junk, not made for this server",
    [STATS_STRANGER] = "Made for this server, by nobody it knows",
    [STATS_NO_TIME] = "Dropped for want of time or room",
    [STATS_CLIENT] = "By clients, and refused (or somebody repeats theirs)",
    [STATS_FAULT] = "Faults of ours",
};

static void print_row(FILE *to, const struct span_of_time *t, const char *name, const char *title)
{
	char total[NUMBER_BYTES];

	fprintf(to, "  %-36s", title);
	if (t->before != NULL)
		fprintf(to, " %12.1f", per_second(t, of_stat(t, name)));
	fprintf(to, " %20s\n", number(stats_value(t->now, name), total));
}

static void print_kind(FILE *to, const struct span_of_time *t, enum stats_kind kind)
{
	if (titles[kind] == NULL || stats_of_kind(t->now, kind) == 0)
		return;
	fprintf(to, "%s\n", titles[kind]);
	for (enum verdict v = 0; v < VERDICT_COUNT; v++)
		if (stats_kind_of(v) == kind && stats_value(t->now, stats_verdict_name(v)) > 0)
			print_row(to, t, stats_verdict_name(v), stats_verdict_name(v));
}

static void print_others(FILE *to, const struct span_of_time *t)
{
	static const struct {
		const char *stat, *title;
	} rows[] = {{STAT_RECEIVED, "read by the daemon"},
	    {STAT_QUEUE_DROPPED, "lost before they were read"},
	    {STAT_COPIES, "exact copies dropped"}, {STAT_BUDGET "waiting", "no room to wait"},
	    {STAT_BUDGET "known", "known clients put off"},
	    {STAT_BUDGET "trial", "no room to try all keys"},
	    {STAT_BUDGET "openspa", "no time for OpenSPA"}};

	fputs("Datagrams\n", to);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (i == 0 || stats_value(t->now, rows[i].stat) > 0)
			print_row(to, t, rows[i].stat, rows[i].title);
}

/* --- The rest */

/* The limit that a share of all times is within, in milliseconds; 0: none is known. */
static double open_within_ms(const struct stats *s, double share, uint64_t all)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < s->count; i++) {
		const char *name = s->values[i].name;
		const bool is_time = strncmp(name, STAT_OPEN_US, strlen(STAT_OPEN_US)) == 0;

		if (!is_time || strcmp(name, STAT_OPEN_MORE) == 0)
			continue;
		sum += s->values[i].value;
		if ((double)sum >= share * (double)all)
			return strtod(name + strlen(STAT_OPEN_US), NULL) / 1000;
	}
	return 0;
}

static void print_open_times(FILE *to, const struct stats *s)
{
	double half, most;
	uint64_t all = 0;

	for (size_t i = 0; i < s->count; i++)
		if (strncmp(s->values[i].name, STAT_OPEN_US, strlen(STAT_OPEN_US)) == 0)
			all += s->values[i].value;
	if (all == 0)
		return;
	half = open_within_ms(s, 0.5, all);
	most = open_within_ms(s, 0.99, all);
	fputs("From knock to open: ", to);
	if (half > 0)
		fprintf(to, "half within %g ms", half);
	else
		fputs("half take longer than 10 s", to);
	if (most > 0)
		fprintf(to, ", 99 %% within %g ms", most);
	fputs(".\n", to);
}

static void print_state(FILE *to, const struct stats *s)
{
	static const char *const guards[CONTROL_GUARDS] = {
	    "no postern-guard", "postern-guard there", "postern-guard gone"};
	static const char *const shields[CONTROL_SHIELDS] = {"in the daemon alone", "at its socket",
	    "at the device (XDP, generic)", "at the device (XDP, native)"};
	const struct control_stat *firewall = stats_find(s, STAT_FIREWALL);
	const uint64_t guard = stats_value(s, CONTROL_GUARD),
	               place = stats_value(s, CONTROL_SHIELD);

	fprintf(to, "Firewall: %s; %s. Junk is dropped %s.\n",
	    firewall == NULL       ? "none"
	    : firewall->value == 0 ? "LOST"
	                           : "in force",
	    guards[guard < CONTROL_GUARDS ? guard : 0],
	    shields[place < CONTROL_SHIELDS ? place : 0]);
	fputs("Sandbox:", to);
	for (size_t i = 0; i < s->count; i++)
		if (strncmp(s->values[i].name, STAT_WITHOUT, strlen(STAT_WITHOUT)) == 0 &&
		    s->values[i].value != 0)
			fprintf(to, " WITHOUT %s;", s->values[i].name + strlen(STAT_WITHOUT));
	fprintf(to, " log lines left out: %" PRIu64 "; rules repaired: %" PRIu64 ".\n",
	    stats_value(s, STAT_LOG_LINES), stats_value(s, STAT_FIREWALL_REPAIRS));
}

static void print_numbers(FILE *to, const struct stats *s)
{
	const uint64_t start = stats_value(s, STAT_START), devices = stats_value(s, STAT_DEVICES);
	char when[CLOCK_TEXT_BYTES];

	fprintf(to, "Grants in force: %" PRIu64 " (%" PRIu64 " since the start). Clients: %" PRIu64,
	    stats_value(s, STAT_GRANTS), stats_value(s, STAT_GRANTS_OPENED),
	    stats_value(s, STAT_CLIENTS));
	if (devices > 0)
		fprintf(to, ", devices: %" PRIu64, devices);
	fputs(".\n", to);
	if (start > 0 && start < INT64_MAX / (uint64_t)NS_PER_SECOND)
		fprintf(to, "Ready since %s.\n", clock_text((int64_t)start * NS_PER_SECOND, when));
}

void stats_print(FILE *to, const struct stats *s, const struct stats *before)
{
	const struct span_of_time t = span_between(s, before);

	if (!s->up) {
		fputs("The daemon does not answer.\n", to);
		return;
	}
	print_judgement(to, &t);
	putc('\n', to);
	print_numbers(to, s);
	print_open_times(to, s);
	print_state(to, s);
	fprintf(to, "\n  %-36s%s %20s\n", "", t.before == NULL ? "" : "     A SECOND",
	    "SINCE THE START");
	for (enum stats_kind kind = 0; kind < STATS_KINDS; kind++)
		print_kind(to, &t, kind);
	print_others(to, &t);
}
