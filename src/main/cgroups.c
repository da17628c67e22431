#include "main/cgroups.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/param.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"

#define MOUNT              "/sys/fs/cgroup"
#define OURS               "main" /* that of the daemon's own processes */
#define MEMORY_LEAST       (512ULL << 20)
#define MEMORY_FOR_ONE     (64ULL << 20)
#define ROOM               16   /* processes */
#define WEIGHT_OF_PROGRAMS "20" /* of the processor; of everybody else: 100 */

static bool put(int folder, const char *name, const char *text)
{
	int fd = openat(folder, name, O_WRONLY | O_CLOEXEC);
	bool done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	int error = errno;

	fd_close(fd);
	errno = error;
	return done;
}

static bool find_own(char out[static PATH_MAX])
{
	FILE *list = fopen("/proc/self/cgroup", "re");
	char line[PATH_MAX];
	bool found = false;

	while (list != NULL && !found && fgets(line, sizeof line, list) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		found = strncmp(line, "0::", 3) == 0 &&
		        snprintf(out, PATH_MAX, MOUNT "%s", line + 3) < PATH_MAX;
	}
	if (list != NULL)
		fclose(list);
	return found;
}

/* -1: it is not ours to divide. */
static int open_own(void)
{
	char path[PATH_MAX], mark = '\0';

	return find_own(path) && getxattr(path, "user.delegate", &mark, 1) == 1 && mark == '1'
	           ? open(path, O_PATH | O_DIRECTORY | O_CLOEXEC)
	           : -1;
}

static bool make(int own, const char *name)
{
	return mkdirat(own, name, 0755) == 0 || errno == EEXIST;
}

/* What all programs of a runner together may have: more processes than those of one user, so that
 * the runner can start one when these are too many; memory for some that need much, but not more
 * than half of the machine's. */
static bool limit(int group, const struct runner_settings *s)
{
	uint64_t most = MEMORY_LEAST + s->most_at_once * MEMORY_FOR_ONE;
	char memory[24], processes[16];
	struct sysinfo machine;

	if (sysinfo(&machine) == 0)
		most = MIN(most, (uint64_t)machine.totalram * machine.mem_unit / 2);
	snprintf(memory, sizeof memory, "%" PRIu64, most);
	snprintf(processes, sizeof processes, "%" PRIu32, runner_settings_processes(s) + ROOM);
	put(group, "memory.swap.max", "0"); /* not there without a swap that is counted */
	return put(group, "memory.max", memory) && put(group, "pids.max", processes) &&
	       put(group, "cpu.weight", WEIGHT_OF_PROGRAMS);
}

static bool open_group(
    struct cgroups *c, int own, enum role role, const struct runner_settings *s, bool *limited)
{
	const char *name = role_name(role);
	int group = make(own, name) ? openat(own, name, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;

	if (group < 0)
		return false;
	*limited = limit(group, s) && *limited;
	c->kill[role] = openat(group, "cgroup.kill", O_WRONLY | O_CLOEXEC);
	c->enter[role] = openat(group, "cgroup.procs", O_WRONLY | O_CLOEXEC);
	close(group);
	return c->enter[role] >= 0;
}

/* A cgroup that is divided by a controller has no process of its own. */
static bool divide(struct cgroups *c, int own, const struct programs *p, bool *limited)
{
	static const char *const controllers[] = {"+memory", "+pids", "+cpu"};

	if (!make(own, OURS) || !put(own, OURS "/cgroup.procs", "0"))
		return false;
	for (size_t i = 0; i < sizeof controllers / sizeof *controllers; i++)
		*limited = put(own, "cgroup.subtree_control", controllers[i]) && *limited;
	for (enum role role = ROLE_RUNNER; role <= ROLE_PRIVILEGED_RUNNER; role++)
		if (programs_need(p, role) && !open_group(c, own, role, &p->settings, limited))
			return false;
	return true;
}

void cgroups_open(struct cgroups *c, const struct programs *programs)
{
	bool limited = true;
	int own;

	for (enum role role = ROLE_MAIN; role < ROLE_COUNT; role++)
		c->enter[role] = c->kill[role] = -1;
	if (!programs_need(programs, ROLE_RUNNER) &&
	    !programs_need(programs, ROLE_PRIVILEGED_RUNNER))
		return;
	own = open_own();
	if (own < 0)
		log_line(LOG_LEVEL_INFO, "programs have no cgroup of their own: nobody has "
		                         "delegated ours");
	else if (!divide(c, own, programs, &limited))
		log_event(LOG_LEVEL_WARN, "cannot make a cgroup for programs", "error",
		    strerror(errno), NULL);
	else if (!limited)
		log_event(LOG_LEVEL_WARN, "cannot limit what all programs together use", "error",
		    strerror(errno), NULL);
	fd_close(own);
}

void cgroups_enter(struct cgroups *c, enum role role, pid_t pid)
{
	if (c->enter[role] < 0)
		return;
	if (dprintf(c->enter[role], "%d", (int)pid) < 0)
		log_event(LOG_LEVEL_WARN, "a process does not get into its cgroup", "process",
		    role_name(role), "error", strerror(errno), NULL);
	c->enter[role] = fd_close(c->enter[role]);
}

void cgroups_kill(const struct cgroups *c, enum role role)
{
	if (c->kill[role] >= 0)
		(void)!write(c->kill[role], "1", 1);
}
