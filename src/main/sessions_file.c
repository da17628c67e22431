#include "main/sessions_file.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/libc.h"
#include "base/log.h"
#include "main/executable.h"
#include "proc/child.h"
#include "proc/sandbox.h"

#define END_STEPS 300 /* of 10 ms */
#define ALL_SETS  (CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_INHERITABLE | CAPNG_BOUNDING_SET)

/* Of root's rights those for the file in a folder that is somebody else's. */
static bool give_up_rights(const char *file)
{
	char folder[PATH_MAX];

	snprintf(folder, sizeof folder, "%s", file);
	dirname(folder);
	if (mkdir(folder, 0755) != 0 && errno != EEXIST)
		return false;
	if (capng_get_caps_process() != 0)
		return false;
	for (int c = 0; c <= CAP_LAST_CAP; c++)
		if (c != CAP_DAC_OVERRIDE && c != CAP_CHOWN)
			capng_update(CAPNG_DROP, ALL_SETS, (unsigned int)c);
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && sandbox_read_only(folder) &&
	       capng_apply(CAPNG_SELECT_BOTH) == 0;
}

/* The daemon's end, also by kill -9, is a signal to it: then nothing is open any more that it would
 * know of. */
_Noreturn static void become_writer(const struct main_options *o, int tool, pid_t parent)
{
	const char *const words[] = {"postern",
	    o->log_format == LOG_FORMAT_JSON ? "--json" : "--no-input", "--control", o->control,
	    "sessions", "--write", o->sessions_file, NULL};
	const char *const variables[] = {"PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8", NULL};
	const int fds[3] = {open("/dev/null", O_RDONLY | O_CLOEXEC), STDERR_FILENO, STDERR_FILENO};
	char *argv[sizeof words / sizeof *words],
	    *environment[sizeof variables / sizeof *variables];

	memcpy(argv, words, sizeof argv); /* execveat only reads them */
	memcpy(environment, variables, sizeof environment);
	if (fds[0] < 0 || !child_set_up(fds) || !give_up_rights(o->sessions_file))
		child_give_up(o->sessions_file);
	if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0 || getppid() != parent)
		child_give_up("cannot tie it to the daemon");
	execveat(tool, "", argv, environment, AT_EMPTY_PATH);
	child_give_up("postern");
}

pid_t sessions_file_start(const struct main_options *options)
{
	pid_t parent = getpid(), pid = -1;
	int tool;

	if (options->sessions_file == NULL || *options->sessions_file == '\0')
		return 0;
	tool = executable_open_tool();
	if (tool >= 0)
		pid = fork();
	if (pid == 0)
		become_writer(options, tool, parent);
	if (pid < 0)
		log_event(LOG_LEVEL_WARN, "cannot start what keeps the sessions file", "error",
		    strerror(errno), NULL);
	if (tool >= 0)
		close(tool);
	return pid < 0 ? 0 : pid;
}

void sessions_file_check(pid_t *writer)
{
	char text[40];
	int status;

	if (*writer <= 0 || waitpid(*writer, &status, WNOHANG) != *writer)
		return;
	*writer = 0;
	log_event(LOG_LEVEL_WARN, "the sessions file is not kept any more; knocks are served",
	    "how", child_how_ended(text, sizeof text, status), NULL);
}

void sessions_file_end(pid_t *writer)
{
	const struct timespec step = {0, 10000000};
	bool ended = false;

	if (*writer <= 0)
		return;
	kill(*writer, SIGTERM);
	for (int i = 0; !ended && i < END_STEPS; i++) {
		nanosleep(&step, NULL);
		ended = waitpid(*writer, NULL, WNOHANG) != 0;
	}
	if (!ended) {
		kill(*writer, SIGKILL);
		waitpid(*writer, NULL, 0);
	}
	*writer = 0;
}
