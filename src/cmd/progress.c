#include "cmd/progress.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/clock.h"

#define FIRST_S    1
#define EACH_US    250000
#define LINE_BYTES 80 /* with the sequence before it, so that it is one row */

static const char wipe[] = "\r\033[K";

/* What the signal needs. */
static struct {
	const char *words;
	struct progress_count counts[PROGRESS_COUNTS];
	size_t count;
	int64_t began_ns;
	volatile sig_atomic_t runs, shown;
} progress;

/* stdio is not for signals. */
struct text {
	char bytes[LINE_BYTES];
	size_t used;
};

static void put(struct text *t, const char *words)
{
	size_t length = strlen(words), room = sizeof t->bytes - t->used;

	memcpy(t->bytes + t->used, words, length < room ? length : room);
	t->used += length < room ? length : room;
}

static void put_number(struct text *t, uint64_t number)
{
	char digits[24];
	size_t at = sizeof digits - 1;

	digits[at] = '\0';
	do {
		digits[--at] = (char)('0' + number % 10);
		number /= 10;
	} while (number > 0);
	put(t, digits + at);
}

static void show(int signal)
{
	int error = errno;
	struct text t = {.used = 0};
	ssize_t ignored;

	(void)signal;
	put(&t, wipe);
	put(&t, progress.words);
	put(&t, ": ");
	put_number(&t, (uint64_t)((clock_boot_ns() - progress.began_ns) / NS_PER_SECOND));
	put(&t, " s");
	for (size_t i = 0; i < progress.count; i++) {
		put(&t, ", ");
		put_number(&t, __atomic_load_n(progress.counts[i].number, __ATOMIC_RELAXED));
		put(&t, " ");
		put(&t, progress.counts[i].words);
	}
	ignored = write(STDERR_FILENO, t.bytes, t.used);
	(void)ignored;
	progress.shown = 1;
	errno = error;
}

static bool is_wanted(const struct cli *cli)
{
	const char *terminal = getenv("TERM");

	return !cli->quiet && isatty(STDERR_FILENO) && terminal != NULL && *terminal != '\0' &&
	       strcmp(terminal, "dumb") != 0;
}

void progress_begin(
    const struct cli *cli, const char *words, const struct progress_count counts[], size_t count)
{
	const struct itimerval when = {{0, EACH_US}, {FIRST_S, 0}};
	struct sigaction action = {.sa_handler = show, .sa_flags = SA_RESTART};

	if (progress.runs || !is_wanted(cli))
		return;
	progress.words = words;
	progress.count = count < PROGRESS_COUNTS ? count : PROGRESS_COUNTS;
	if (progress.count > 0)
		memcpy(progress.counts, counts, progress.count * sizeof *counts);
	progress.began_ns = clock_boot_ns();
	progress.runs = 1;
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &when, NULL);
}

void progress_end(void)
{
	static const struct itimerval never;
	ssize_t ignored;

	if (!progress.runs)
		return;
	setitimer(ITIMER_REAL, &never, NULL);
	signal(SIGALRM, SIG_IGN); /* one that is on its way */
	progress.runs = 0;
	if (progress.shown) {
		ignored = write(STDERR_FILENO, wipe, sizeof wipe - 1);
		(void)ignored;
	}
	progress.shown = 0;
}
