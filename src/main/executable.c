#include "main/executable.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/libc.h"
#include "base/log.h"
#include "base/trusted_file.h"
#include "proc/child.h"

const char *executable_name(enum role role)
{
	static const char *const names[ROLE_COUNT] = {[ROLE_MAIN] = "posternd",
	    [ROLE_DOORMAN] = "postern-doorman",
	    [ROLE_KEEPER] = "postern-keeper",
	    [ROLE_DESK] = "postern-desk",
	    [ROLE_RUNNER] = "postern-runner",
	    [ROLE_PRIVILEGED_RUNNER] = "postern-runner"};

	return names[role];
}

bool executable_beside(char path[static PATH_MAX], const char *name)
{
	ssize_t length = readlink("/proc/self/exe", path, PATH_MAX - 1);
	char *slash;

	if (length <= 0)
		return false;
	path[length] = '\0';
	slash = strrchr(path, '/');
	if (slash == NULL || (size_t)(slash - path) + strlen(name) + 2 > PATH_MAX)
		return false;
	memcpy(slash + 1, name, strlen(name) + 1);
	return access(path, F_OK) == 0;
}

/* False with `why` filled. */
static bool is_trusted(int fd, const char *path, char why[static TRUSTED_TEXT_BYTES])
{
	static const struct trusted wanted = {
	    .type = S_IFREG, .denied = 022, .others_may = "write it", .remedy = "chmod go-w"};
	struct stat own, st;

	if (fd < 0 || stat("/proc/self/exe", &own) != 0 || fstat(fd, &st) != 0) {
		snprintf(why, TRUSTED_TEXT_BYTES, "%s", strerror(errno));
		return false;
	}
	if (st.st_uid == own.st_uid)
		st.st_uid = 0; /* who may change this program, too */
	return trusted_stat(&wanted, &st, path, why);
}

/* Beside us, or at `installed`. */
static int open_trusted(const char *name, const char *installed)
{
	char path[PATH_MAX], why[TRUSTED_TEXT_BYTES];
	int fd;

	if (!executable_beside(path, name))
		snprintf(path, sizeof path, "%s", installed);
	fd = open(path, O_PATH | O_CLOEXEC);
	if (is_trusted(fd, path, why))
		return fd;
	log_event(LOG_LEVEL_ERROR, "cannot use the executable of a process", "process", name,
	    "path", path, "why", why, NULL);
	return fd_close(fd);
}

static int open_ours(const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof path, "%s/%s", POSTERN_LIBEXEC, name);
	return open_trusted(name, path);
}

int executable_open(enum role role)
{
	return open_ours(executable_name(role));
}

int executable_open_tool(void)
{
	return open_trusted("postern", POSTERN_TOOL);
}

_Noreturn static void become_guard(int executable, const struct main_options *o)
{
	const char *const words[] = {"postern-guard", "-c", o->config, "--state-dir", o->state_dir,
	    "--log-format", o->log_format == LOG_FORMAT_JSON ? "json" : "text", NULL};
	const int fds[3] = {-1, STDERR_FILENO, STDERR_FILENO};
	char *argv[sizeof words / sizeof *words];

	memcpy(argv, words, sizeof argv); /* execveat only reads them */
	if (child_set_up(fds))
		execveat(executable, "", argv, environ, AT_EMPTY_PATH);
	child_give_up("postern-guard");
}

void executable_run_guard(const struct main_options *options)
{
	int executable = open_ours("postern-guard");
	pid_t pid = executable < 0 ? -1 : fork();

	if (pid == 0)
		become_guard(executable, options);
	fd_close(executable);
	if (pid < 0 || waitpid(pid, NULL, 0) != pid)
		log_line(
		    LOG_LEVEL_ERROR, "the guard could not be run: see that the ports are shut");
}

void executable_become_dry_run(const struct main_options *o)
{
	const char *const words[] = {
	    "postern-guard", "--dry-run", "-c", o->config, "--state-dir", o->state_dir, NULL};
	char *argv[sizeof words / sizeof *words];
	int executable = open_ours("postern-guard");

	memcpy(argv, words, sizeof argv); /* execveat only reads them */
	if (executable < 0)
		return;
	execveat(executable, "", argv, environ, AT_EMPTY_PATH);
	fd_close(executable);
	fprintf(stderr, "posternd: cannot run postern-guard: %s\n", strerror(errno));
}
