#include "proc/spawn.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "proc/process.h"

#define SERVICE_USER "postern"
/* systemd's range for dynamic users */
#define FREE_UID_FIRST 61184
#define FREE_UID_LAST  65519

static bool has_process(uid_t uid)
{
	DIR *processes = opendir("/proc");
	const struct dirent *entry;
	bool found = false;

	while (processes != NULL && !found && (entry = readdir(processes)) != NULL) {
		struct stat st;

		found = isdigit((unsigned char)entry->d_name[0]) &&
		        fstatat(dirfd(processes), entry->d_name, &st, 0) == 0 && st.st_uid == uid;
	}
	if (processes != NULL)
		closedir(processes);
	return found;
}

static bool is_free(uid_t uid)
{
	return getpwuid(uid) == NULL && !has_process(uid);
}

bool spawn_identities(struct identity out[static ROLE_COUNT])
{
	const struct passwd *user = getpwnam(SERVICE_USER);
	uid_t next = FREE_UID_FIRST;

	for (int role = ROLE_MAIN + 1; role < ROLE_COUNT; role++) {
		if (user != NULL && user->pw_uid != 0) {
			out[role] = (struct identity){user->pw_uid, user->pw_gid};
			continue;
		}
		while (next <= FREE_UID_LAST && !is_free(next))
			next++;
		if (next > FREE_UID_LAST)
			return false;
		out[role] = (struct identity){next, (gid_t)next};
		next++;
	}
	if (user == NULL)
		log_line(LOG_LEVEL_INFO,
		    "there is no user " SERVICE_USER ": running as the unused uids %u, %u and %u",
		    out[ROLE_DOORMAN].uid, out[ROLE_KEEPER].uid, out[ROLE_DESK].uid);
	return true;
}

bool spawn_stranger(struct identity *out)
{
	for (uid_t uid = FREE_UID_FIRST; uid <= FREE_UID_LAST; uid++) {
		if (!is_free(uid))
			continue;
		*out = (struct identity){uid, (gid_t)uid};
		return true;
	}
	return false;
}

/* The child's side of spawn_role. */
static _Noreturn void become_role(enum role role, int channel)
{
	char name[32];
	char program[] = "posternd";
	char *argv[] = {program, name, NULL};
	sigset_t none;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	snprintf(name, sizeof name, "@%s", role_name(role));
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0)
		_exit(1);
	if (channel == PROCESS_CHANNEL_FD)
		fcntl(channel, F_SETFD, 0);
	else if (dup2(channel, PROCESS_CHANNEL_FD) < 0)
		_exit(1);
	if (close_range(PROCESS_CHANNEL_FD + 1, ~0U, 0) != 0)
		_exit(1);
	execv("/proc/self/exe", argv);
	_exit(127);
}

pid_t spawn_role(enum role role, struct channel *channel)
{
	int ends[2];
	pid_t pid;

	if (!channel_pair(ends))
		return -1;
	pid = fork();
	if (pid == 0)
		become_role(role, ends[1]);
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		return -1;
	}
	*channel = (struct channel){ends[0], ROLE_MAIN, role};
	return pid;
}

enum role spawn_role_wanted(int argc, char *const argv[])
{
	struct stat st;

	/* Nobody can ask for it by mistake: the channel has to be there. */
	if (argc != 2 || argv[1][0] != '@' || fstat(PROCESS_CHANNEL_FD, &st) != 0 ||
	    !S_ISSOCK(st.st_mode))
		return ROLE_MAIN;
	for (int role = ROLE_MAIN + 1; role < ROLE_COUNT; role++) {
		if (strcmp(argv[1] + 1, role_name((enum role)role)) == 0)
			return (enum role)role;
	}
	return ROLE_MAIN;
}
