#include "cmd/sessions_watch.h"

#include <string.h>

#include "base/clock.h"
#include "cmd/daemon.h"
#include "cmd/names.h"
#include "cmd/screen.h"
#include "cmd/text.h"

#define LEFT_WIDTH   9 /* 23h59m59s */
#define TIME_WIDTH   20
#define PORTS_WIDTH  15 /* that are left to them at least: 60000-61000/udp */
#define CLIENT_LEAST 9  /* LAST SEEN */
#define CLIENT_MOST  30
#define LINE_BYTES   512

/* How wide each column is; time 0: there is no room for it. */
struct widths {
	int client, address, time;
};

struct view {
	struct names names;
	const struct daemon_state *state;
	const char *problem;    /* why that is old; "": it is not */
	int64_t now_ns, age_ns; /* of the state */
	FILE *to;
	int columns, rows_left;
	int used; /* columns of the row that is being put together */
	struct widths w;
};

/* --- Lines */

static void put_line(struct view *v, enum cli_colour colour, const char *text)
{
	if (v->rows_left <= 0)
		return;
	fputs(cli_colour(colour), v->to);
	text_cell(v->to, text, v->columns);
	fprintf(v->to, "%s\n", cli_colour(CLI_PLAIN));
	v->rows_left--;
}

static void put_title(struct view *v)
{
	char when[CLOCK_TEXT_BYTES], line[LINE_BYTES];

	snprintf(line, sizeof line, "Postern, %s: %zu active, %zu seen before (q: end)",
	    clock_text(v->now_ns, when), v->state->session_count, v->state->seen_count);
	put_line(v, CLI_BOLD, line);
}

/* What an operator has to know, and nothing when all is well. */
static void put_warnings(struct view *v)
{
	char name[4 * CONTROL_NAME_BYTES], line[LINE_BYTES];

	if (*v->problem != '\0')
		put_line(v, CLI_RED, v->problem);
	for (size_t i = 0; i < v->state->without_count; i++) {
		snprintf(line, sizeof line, "The daemon runs without %s",
		    text_escaped(name, sizeof name, v->state->without[i]));
		put_line(v, CLI_RED, line);
	}
	if (v->state->guard == CONTROL_GUARD_GONE)
		put_line(v, CLI_RED, "postern-guard is gone");
	if (v->state->intake == CONTROL_INTAKE_XDP_IN_PART)
		put_line(v, CLI_RED, "A network device is deaf to knocks (XDP)");
	if (v->state->intake == CONTROL_INTAKE_XDP_NOWHERE)
		put_line(v, CLI_RED, "Knocks are heard nowhere (XDP)");
}

/* --- Tables */

static int wider(int width, int other)
{
	return other > width ? other : width;
}

/* The address is whole, the client's name as wide as it may be. */
static void find_widths(struct view *v)
{
	const struct daemon_state *s = v->state;
	char address[ADDR_TEXT_BYTES];
	int client = CLIENT_LEAST, room;

	v->w = (struct widths){.address = 7};
	for (size_t i = 0; i < s->session_count; i++) {
		client = wider(client, text_width(names_of(&v->names, s->sessions[i].client)));
		v->w.address =
		    wider(v->w.address, (int)strlen(addr_text(&s->sessions[i].address, address)));
	}
	for (size_t i = 0; i < s->seen_count; i++) {
		client = wider(client, text_width(names_of(&v->names, s->seen[i].client)));
		v->w.address =
		    wider(v->w.address, (int)strlen(addr_text(&s->seen[i].address, address)));
	}
	room = v->columns - 1 - (v->w.address + 1) - (LEFT_WIDTH + 1) - (PORTS_WIDTH + 1);
	v->w.client = client > CLIENT_MOST ? CLIENT_MOST : client;
	if (v->w.client > room)
		v->w.client = wider(room, CLIENT_LEAST);
	room -= v->w.client;
	v->w.time = room > TIME_WIDTH + 1 ? TIME_WIDTH : 0;
}

/* Behind a blank, in as many columns as there are yet. */
static void put_cell(struct view *v, enum cli_colour colour, const char *text, int width)
{
	int room = v->columns - v->used - 1;

	if (width > room)
		width = room;
	if (width <= 0)
		return;
	fprintf(v->to, " %s", cli_colour(colour));
	text_cell(v->to, text, width);
	fputs(cli_colour(CLI_PLAIN), v->to);
	v->used += 1 + width;
}

/* One row of either table; `time` may be left out, and `last` takes what is left. */
static void put_row(struct view *v, enum cli_colour colour, const char *client, const char *address,
    const char *left, const char *time, const char *last)
{
	if (v->rows_left <= 0)
		return;
	v->used = 0;
	put_cell(v, CLI_PLAIN, client, v->w.client);
	put_cell(v, CLI_PLAIN, address, v->w.address);
	put_cell(v, colour, left, LEFT_WIDTH);
	put_cell(v, CLI_PLAIN, time, v->w.time);
	put_cell(v, CLI_PLAIN, last, *last == '\0' ? 0 : v->columns);
	fputc('\n', v->to);
	v->rows_left--;
}

static void put_session(struct view *v, const struct control_session *s)
{
	char ports[256], address[ADDR_TEXT_BYTES], opened[CLOCK_TEXT_BYTES];
	char left[TEXT_DURATION_BYTES];
	int64_t left_ns =
	    (s->remaining_ms > INT64_MAX / NS_PER_MS ? INT64_MAX
	                                             : (int64_t)s->remaining_ms * NS_PER_MS) -
	    v->age_ns;

	put_row(v, s->overdue ? CLI_RED : CLI_GREEN, names_of(&v->names, s->client),
	    addr_text(&s->address, address), s->overdue ? "overdue" : text_duration(left_ns, left),
	    s->overdue ? "-" : clock_text(s->opened_ns, opened),
	    text_ports(ports, sizeof ports, s->ports, s->port_count, s->more));
}

static void put_seen(struct view *v, const struct control_last_seen *l)
{
	char address[ADDR_TEXT_BYTES], when[CLOCK_TEXT_BYTES], ago[TEXT_DURATION_BYTES];

	put_row(v, CLI_PLAIN, names_of(&v->names, l->client), addr_text(&l->address, address),
	    text_duration(v->now_ns - l->when_ns, ago), clock_text(l->when_ns, when), "");
}

static size_t count_away(const struct daemon_state *s)
{
	size_t away = 0;

	for (size_t i = 0; i < s->seen_count; i++)
		away += !daemon_active(s, s->seen[i].client);
	return away;
}

static size_t put_sessions(struct view *v, size_t most)
{
	const struct daemon_state *s = v->state;
	size_t shown = most < s->session_count ? most : s->session_count;

	put_row(v, CLI_PLAIN, "CLIENT", "ADDRESS", "ENDS IN", "OPENED", "PORTS");
	for (size_t i = 0; i < shown; i++)
		put_session(v, &s->sessions[i]);
	return s->session_count - shown;
}

static size_t put_last_seen(struct view *v, size_t away, size_t most)
{
	const struct daemon_state *s = v->state;
	size_t shown = 0;

	put_line(v, CLI_PLAIN, "");
	put_row(v, CLI_PLAIN, "LAST SEEN", "ADDRESS", "AGO", "LAST KNOCK", "");
	for (size_t i = 0; i < s->seen_count && shown < most; i++) {
		if (daemon_active(s, s->seen[i].client))
			continue;
		put_seen(v, &s->seen[i]);
		shown++;
	}
	return away - shown;
}

/* What is open goes first; what has no room is counted in the last row. */
static void put_tables(struct view *v)
{
	size_t rows = v->rows_left > 2 ? (size_t)v->rows_left - 2 : 0, away = count_away(v->state);
	size_t open = v->state->session_count;
	bool both = away > 0 && rows >= open + 3; /* with its blank row and its heading */
	char line[LINE_BYTES];

	open = put_sessions(v, rows);
	if (both)
		away = put_last_seen(v, away, rows - v->state->session_count - 2);
	if (open == 0 && away == 0)
		return;
	snprintf(line, sizeof line, "%zu more session%s and %zu more client%s have no room here",
	    open, open == 1 ? "" : "s", away, away == 1 ? "" : "s");
	put_line(v, CLI_YELLOW, line);
}

/* --- Watching */

struct watch {
	const struct cli *cli;
	struct daemon_state state;
	int64_t asked_ns; /* CLOCK_BOOTTIME; when it was so */
	char problem[DAEMON_WHY_BYTES];
};

/* False: the terminal is gone. */
static bool draw(const struct watch *w, struct screen *screen)
{
	struct view v = {.names = {.cli = w->cli},
	    .state = &w->state,
	    .problem = w->problem,
	    .now_ns = clock_real_ns(),
	    .age_ns = *w->problem == '\0' ? 0 : clock_boot_ns() - w->asked_ns,
	    .to = screen_begin(screen)};

	if (v.to == NULL)
		return false;
	v.columns = screen->columns;
	v.rows_left = screen->rows;
	find_widths(&v);
	put_title(&v);
	put_warnings(&v);
	put_line(&v, CLI_PLAIN, "");
	put_tables(&v);
	names_free(&v.names);
	return screen_show(screen);
}

/* Asks again; of a daemon that gives no answer the last one is kept. */
static enum cli_exit look(struct watch *w)
{
	struct control_error error = {0};
	struct daemon_state next;
	enum ctl_result result = daemon_state_ask(w->cli, &next, &error);
	enum cli_exit status = daemon_explain(w->cli, result, &error, w->problem);

	if (status == CLI_DONE && next.short_of_memory) {
		snprintf(w->problem, sizeof w->problem, "more sessions than there is memory for");
		status = CLI_FAILED;
	}
	if (status != CLI_DONE) {
		daemon_state_free(&next);
		return status;
	}
	daemon_state_free(&w->state);
	w->state = next;
	w->asked_ns = clock_boot_ns();
	return status;
}

/* Each second, and at once when the terminal has to be drawn anew. */
static void keep_drawing(struct watch *w, struct screen *screen)
{
	int64_t next_ns = clock_boot_ns() + NS_PER_SECOND;

	while (draw(w, screen) && screen_wait(next_ns)) {
		if (clock_boot_ns() < next_ns)
			continue;
		(void)look(w);
		next_ns = clock_boot_ns() + NS_PER_SECOND;
	}
}

enum cli_exit sessions_watch(const struct cli *cli)
{
	struct watch w = {.cli = cli};
	enum cli_exit status = look(&w);
	struct screen screen;

	if (status != CLI_DONE)
		return cli_fail(cli, status, "%s", w.problem);
	if (!screen_open(&screen))
		return cli_fail_errno(cli, "cannot use this terminal");
	keep_drawing(&w, &screen);
	screen_close(&screen);
	daemon_state_free(&w.state);
	return CLI_DONE;
}
