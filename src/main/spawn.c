#include "main/spawn.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/libc.h"
#include "base/log.h"
#include "base/unused_uids.h"
#include "conf/conf.h"
#include "main/executable.h"
#include "proc/process.h"

#define UNUSED_UIDS (UNUSED_UID_LAST - UNUSED_UID_FIRST + 1)

struct unused {
	uid_t next; /* to be looked at; 0: the processes come first */
	bool has_process[UNUSED_UIDS];
};

static void find_processes(struct unused *u)
{
	DIR *processes = opendir("/proc");
	const struct dirent *entry;

	while (processes != NULL && (entry = readdir(processes)) != NULL) {
		struct stat st;

		if (isdigit((unsigned char)entry->d_name[0]) &&
		    fstatat(dirfd(processes), entry->d_name, &st, 0) == 0 &&
		    st.st_uid - UNUSED_UID_FIRST < UNUSED_UIDS)
			u->has_process[st.st_uid - UNUSED_UID_FIRST] = true;
	}
	if (processes != NULL)
		closedir(processes);
	u->next = UNUSED_UID_FIRST;
}

static bool runs_programs(enum role role)
{
	return role == ROLE_RUNNER || role == ROLE_PRIVILEGED_RUNNER;
}

static bool take_unused(struct identity *out, struct unused *u)
{
	if (u->next == 0)
		find_processes(u);
	while (u->next <= UNUSED_UID_LAST &&
	       (u->has_process[u->next - UNUSED_UID_FIRST] || getpwuid(u->next) != NULL))
		u->next++;
	*out = (struct identity){u->next, (gid_t)u->next};
	return u->next++ <= UNUSED_UID_LAST;
}

static bool find_user(struct identity *out, const char *name)
{
	const struct passwd *user = *name == '\0' ? NULL : getpwnam(name);

	if (user != NULL)
		*out = (struct identity){user->pw_uid, user->pw_gid};
	return user != NULL;
}

static void tell(enum role role, const struct identity *who, bool unused)
{
	char uid[16];

	snprintf(uid, sizeof uid, "%u", who->uid);
	log_event(LOG_LEVEL_INFO, unused ? "a process has an unused uid" : "a process has a user",
	    "process", role_name(role), "uid", uid, NULL);
}

/* As the user of that name, if it may be that; else as somebody unused. */
static bool find_identity(
    struct identity *out, enum role role, const char *name, struct unused *unused)
{
	bool has = find_user(out, name);

	if (!has && runs_programs(role) && *name != '\0') {
		log_event(LOG_LEVEL_ERROR, "there is no such user to run programs as", "user", name,
		    NULL);
		return false;
	}
	has = has && (out->uid != 0 || role == ROLE_PRIVILEGED_RUNNER);
	if (!has && !take_unused(out, unused)) {
		log_line(LOG_LEVEL_ERROR, "there is no unused uid to run as");
		return false;
	}
	if (!has || runs_programs(role))
		tell(role, out, !has);
	return true;
}

bool spawn_identities(struct identity out[static ROLE_COUNT], const bool wanted[static ROLE_COUNT],
    const char *script_user, const char *rule_user)
{
	struct unused unused = {.next = 0};

	if (getpwnam(CONF_SERVICE_USER) == NULL)
		log_line(LOG_LEVEL_INFO, "there is no user " CONF_SERVICE_USER);
	for (enum role role = ROLE_MAIN + 1; role < ROLE_COUNT; role++) {
		const char *name = role == ROLE_RUNNER              ? script_user
		                   : role == ROLE_PRIVILEGED_RUNNER ? rule_user
		                                                    : CONF_SERVICE_USER;

		if (wanted[role] && !find_identity(&out[role], role, name, &unused))
			return false;
	}
	return true;
}

bool spawn_stranger(struct identity *out)
{
	struct unused unused = {.next = 0};

	return take_unused(out, &unused);
}

bool spawn_is_stranger(uid_t uid)
{
	struct unused unused = {.next = 0};

	if (uid < UNUSED_UID_FIRST || uid > UNUSED_UID_LAST)
		return false;
	find_processes(&unused);
	return !unused.has_process[uid - UNUSED_UID_FIRST] && getpwuid(uid) == NULL;
}

bool spawn_last_stranger(uid_t *out)
{
	*out = UNUSED_UID_LAST;
	while (*out >= UNUSED_UID_FIRST && !spawn_is_stranger(*out))
		(*out)--;
	return *out >= UNUSED_UID_FIRST;
}

/* The child's side of spawn_role. */
static _Noreturn void become_role(enum role role, int executable, int channel)
{
	char name[32], word[32];
	char *argv[] = {name, role == ROLE_PRIVILEGED_RUNNER ? word : NULL, NULL};
	sigset_t none;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	snprintf(name, sizeof name, "%s", executable_name(role));
	snprintf(word, sizeof word, "%s", role_name(role));
	sigemptyset(&none);
	signal(SIGTERM, SIG_IGN); /* stays so over the start of the executable */
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* Out of the way of the fixed descriptors. */
	executable = fcntl(executable, F_DUPFD_CLOEXEC, PROCESS_CHANNEL_FD + 1);
	channel = fcntl(channel, F_DUPFD_CLOEXEC, PROCESS_CHANNEL_FD + 1);
	if (null < 0 || executable < 0 || dup2(null, STDIN_FILENO) < 0 ||
	    dup2(null, STDOUT_FILENO) < 0 || dup2(channel, PROCESS_CHANNEL_FD) < 0 ||
	    close_range(PROCESS_CHANNEL_FD + 1, ~0U, CLOSE_RANGE_CLOEXEC) != 0)
		_exit(1);
	fexecve(executable, argv, environ);
	_exit(127);
}

pid_t spawn_role(enum role role, int executable, struct channel *channel)
{
	static const struct timeval patience = {.tv_sec = 2}; /* with a role that does not read */
	int ends[2];
	pid_t pid;

	if (!channel_pair(ends))
		return -1;
	setsockopt(ends[0], SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
	pid = fork();
	if (pid == 0)
		become_role(role, executable, ends[1]);
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		return -1;
	}
	*channel = (struct channel){ends[0], ROLE_MAIN, role};
	return pid;
}
