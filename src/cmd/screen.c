#include "cmd/screen.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/loop.h"

#define ROWS_USUAL    24
#define COLUMNS_USUAL 80
#define SIZE_MOST     1000

/* Other screen, no cursor, no line broken at the edge; and back. */
static const char enter[] = "\033[?1049h\033[?25l\033[?7l\033[H\033[2J";
static const char leave[] = "\033[0m\033[?7h\033[?25h\033[?1049l";

/* What signals need to know. */
static volatile sig_atomic_t taken, has_modes, drawn_over;
static struct termios modes_before, modes_ours;

/* --- Taking the terminal, and giving it back. All of it may be done by a signal. */

/* Whoever cannot be told so is gone, which the next write that counts finds out. */
static void tell_terminal(const char *sequence, size_t size)
{
	ssize_t ignored = write(STDOUT_FILENO, sequence, size);

	(void)ignored;
}

static void put_modes(const struct termios *modes)
{
	if (has_modes)
		(void)tcsetattr(STDIN_FILENO, TCSANOW, modes);
}

static void give_back(void)
{
	if (!taken)
		return;
	taken = 0;
	tell_terminal(leave, sizeof leave - 1);
	put_modes(&modes_before);
}

static void take(void)
{
	taken = 1;
	drawn_over = 1;
	put_modes(&modes_ours);
	tell_terminal(enter, sizeof enter - 1);
}

static void on_end(int number)
{
	give_back();
	if (number == SIGINT || number == SIGTERM)
		_exit(EXIT_SUCCESS);
	signal(number, SIG_DFL);
	raise(number);
}

/* Ctrl-Z, and on. */
static void on_stop(int number)
{
	int error = errno;

	(void)number;
	give_back();
	raise(SIGSTOP);
	take();
	errno = error;
}

static void on_resize(int number)
{
	(void)number;
	drawn_over = 1;
}

/* These wait until we do. */
static void set_waiting(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGWINCH);
	sigaddset(set, SIGTSTP);
}

static void catch_signals(void)
{
	static const int ends[] = {SIGHUP, SIGINT, SIGQUIT, SIGILL, SIGABRT, SIGBUS, SIGFPE,
	    SIGSEGV, SIGUSR1, SIGUSR2, SIGPIPE, SIGALRM, SIGTERM, SIGXCPU, SIGXFSZ, SIGSYS};
	struct sigaction action = {.sa_handler = on_end};
	sigset_t waiting;

	sigfillset(&action.sa_mask);
	sigdelset(&action.sa_mask, SIGTTOU); /* who goes on in the background gets no terminal */
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
		sigaction(ends[i], &action, NULL);
	action.sa_handler = on_stop;
	sigaction(SIGTSTP, &action, NULL);
	action.sa_handler = on_resize;
	sigaction(SIGWINCH, &action, NULL);
	set_waiting(&waiting);
	sigprocmask(SIG_BLOCK, &waiting, NULL);
}

bool screen_is_possible(void)
{
	const char *terminal = getenv("TERM");

	return isatty(STDOUT_FILENO) && terminal != NULL && *terminal != '\0' &&
	       strcmp(terminal, "dumb") != 0;
}

bool screen_open(struct screen *s)
{
	*s = (struct screen){.rows = 0};
	fflush(stdout);
	has_modes = tcgetattr(STDIN_FILENO, &modes_before) == 0;
	modes_ours = modes_before;
	/* Keys are read one by one, and do not show. */
	modes_ours.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	modes_ours.c_cc[VMIN] = 0;
	modes_ours.c_cc[VTIME] = 0;
	catch_signals();
	if (atexit(give_back) != 0)
		return false;
	take();
	return true;
}

static void forget(struct screen *s)
{
	for (size_t i = 0; i < s->count; i++)
		free(s->lines[i]);
	free(s->lines);
	s->lines = NULL;
	s->count = 0;
}

void screen_close(struct screen *s)
{
	give_back();
	if (s->next != NULL)
		fclose(s->next);
	free(s->text);
	forget(s);
	*s = (struct screen){.rows = 0};
}

/* --- Drawing */

static int within(int value, int usual)
{
	return value <= 0 ? usual : value > SIZE_MOST ? SIZE_MOST : value;
}

FILE *screen_begin(struct screen *s)
{
	struct winsize size = {0};

	(void)ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	s->rows = within(size.ws_row, ROWS_USUAL);
	s->columns = within(size.ws_col, COLUMNS_USUAL);
	s->next = open_memstream(&s->text, &s->size);
	return s->next;
}

static bool write_whole(const char *data, size_t size)
{
	while (size > 0) {
		ssize_t done = write(STDOUT_FILENO, data, size);

		if (done < 0 && errno != EINTR)
			return false;
		data += done > 0 ? done : 0;
		size -= done > 0 ? (size_t)done : 0;
	}
	return true;
}

/* The text's lines, cut apart in place; as many as there are rows. */
static size_t take_lines(struct screen *s, char **lines)
{
	size_t count = 0;
	char *rest = s->text;

	while (rest != NULL && *rest != '\0' && count < (size_t)s->rows)
		lines[count++] = strsep(&rest, "\n");
	return count;
}

/* What differs from what stands there. A line is written over, and then the rest of the row is
 * cleared: nothing is dark in between. */
static void put_changes(FILE *to, const struct screen *s, char *const *lines, size_t count)
{
	if (drawn_over)
		fputs("\033[H\033[2J", to);
	for (size_t i = 0; i < count; i++)
		if (drawn_over || i >= s->count || strcmp(lines[i], s->lines[i]) != 0)
			fprintf(to, "\033[%zu;1H%s\033[K", i + 1, lines[i]);
	if (!drawn_over && count < s->count)
		fprintf(to, "\033[%zu;1H\033[J", count + 1);
}

/* They stand there now. False when memory is short. */
static bool keep(struct screen *s, char *const *lines, size_t count)
{
	forget(s);
	s->lines = calloc(count + 1, sizeof *s->lines);
	if (s->lines == NULL)
		return false;
	for (; s->count < count; s->count++)
		if ((s->lines[s->count] = strdup(lines[s->count])) == NULL)
			return false;
	return true;
}

bool screen_show(struct screen *s)
{
	char **lines = calloc((size_t)s->rows, sizeof *lines), *changes = NULL;
	bool done = fclose(s->next) == 0 && lines != NULL;
	size_t count, size = 0;
	FILE *to = done ? open_memstream(&changes, &size) : NULL;

	s->next = NULL;
	if (to != NULL) {
		count = take_lines(s, lines);
		put_changes(to, s, lines, count);
		done = fclose(to) == 0 && write_whole(changes, size) && keep(s, lines, count);
		drawn_over = 0;
	}
	free(changes);
	free(lines);
	free(s->text);
	s->text = NULL;
	return done && to != NULL;
}

/* --- Waiting */

/* False when it is to end. Ctrl-L draws anew. */
static bool hear_keys(void)
{
	char keys[64];
	ssize_t got = read(STDIN_FILENO, keys, sizeof keys);

	if (got < 0)
		return errno == EINTR || errno == EAGAIN;
	for (ssize_t i = 0; i < got; i++) {
		if (keys[i] == 'q' || keys[i] == 'Q')
			return false;
		if (keys[i] == '\f')
			drawn_over = 1;
	}
	return true;
}

/* Signals are let in meanwhile. One that comes just before poll is seen when that is over. */
static int wait_for_key(struct pollfd *keyboard, int64_t until_ns)
{
	sigset_t waiting;
	int ready = 0;

	set_waiting(&waiting);
	sigprocmask(SIG_UNBLOCK, &waiting, NULL);
	if (!drawn_over)
		ready = loop_poll(keyboard, 1, until_ns);
	sigprocmask(SIG_BLOCK, &waiting, NULL);
	return ready;
}

bool screen_wait(int64_t until_ns)
{
	struct pollfd keyboard = {.fd = has_modes ? STDIN_FILENO : -1, .events = POLLIN};

	while (!drawn_over && clock_boot_ns() < until_ns)
		if (wait_for_key(&keyboard, until_ns) > 0 &&
		    (keyboard.revents != POLLIN || !hear_keys()))
			return false;
	return true;
}
