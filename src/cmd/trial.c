#include "cmd/trial.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

#define MARK (0x5053545452590000U + sizeof(struct trial)) /* PSTTRY */

/* Another version's, or damaged: then there is none. */
static bool is_sound(const struct trial *t)
{
#define CLOSED(field) (memchr(t->field, '\0', sizeof t->field) != NULL)
	return t->mark == MARK && t->state < TRIAL_STATES && t->kind < TRIAL_KINDS &&
	       CLOSED(boot_id) && CLOSED(token) && CLOSED(login) && CLOSED(service) &&
	       CLOSED(config) && CLOSED(previous) && CLOSED(control) && CLOSED(failure);
#undef CLOSED
}

static bool is_ours(int fd)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return false;
	errno = EPERM;
	return S_ISREG(st.st_mode) && st.st_uid == geteuid() && (st.st_mode & 077) == 0;
}

/* What is missing is made if `make`. To a daemon a folder that never held a file says that nothing
 * was granted before: this one tells nothing of that. */
static int open_file(const char *state_dir, bool make)
{
	bool there = !make || mkdir(state_dir, 0700) == 0 || errno == EEXIST, fresh;
	int folder = there ? open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1, fd = -1;

	if (folder < 0)
		return -1;
	fresh = fd_folder_is_fresh(folder);
	fd = openat(folder, TRIAL_FILE,
	    O_RDWR | (make ? O_CREAT : 0) | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	if (fd >= 0 && fresh)
		fd_folder_keep_fresh(folder);
	fd_close(folder);
	return fd;
}

static bool take(struct cli *cli, struct trial_file *f, const char *state_dir)
{
	char path[TRIAL_PATH_BYTES + sizeof TRIAL_FILE];
	int taken = -1;

	snprintf(path, sizeof path, "%s/" TRIAL_FILE, state_dir);
	if (f->fd >= 0 && is_ours(f->fd))
		while ((taken = flock(f->fd, LOCK_EX)) != 0 && errno == EINTR)
			;
	if (taken != 0) {
		cli->status = cli_fail_errno(cli, "cannot use %s", path);
		trial_close(f);
		return false;
	}
	if (fd_read(f->fd, &f->trial, sizeof f->trial) != sizeof f->trial || !is_sound(&f->trial))
		f->trial = (struct trial){.state = TRIAL_NONE};
	return true;
}

bool trial_open(struct cli *cli, struct trial_file *f, const char *state_dir)
{
	*f = (struct trial_file){.fd = open_file(state_dir, true)};
	return take(cli, f, state_dir);
}

bool trial_find(struct cli *cli, struct trial_file *f, const char *state_dir)
{
	*f = (struct trial_file){.fd = open_file(state_dir, false)};
	return (f->fd < 0 && errno == ENOENT) || take(cli, f, state_dir);
}

bool trial_put(struct cli *cli, struct trial_file *f)
{
	f->trial.mark = MARK;
	errno = ENOSPC; /* a short write says nothing */
	if (pwrite(f->fd, &f->trial, sizeof f->trial, 0) == sizeof f->trial && fsync(f->fd) == 0)
		return true;
	return cli_stop(cli, cli_fail_errno(cli, "cannot note the trial"));
}

void trial_close(struct trial_file *f)
{
	f->fd = fd_close(f->fd);
}

bool trial_is_of_this_boot(const struct trial *t)
{
	char boot_id[CLOCK_BOOT_ID_BYTES];

	return clock_boot_id(boot_id) && strncmp(boot_id, t->boot_id, sizeof boot_id) == 0;
}

bool trial_is_open(const struct trial *t)
{
	return (t->state == TRIAL_CHANGING || t->state == TRIAL_WAITING) &&
	       trial_is_of_this_boot(t);
}

const char *trial_text(const struct trial *t, char text[static 2 * TRIAL_WORDS_BYTES])
{
	const char *what = t->kind == TRIAL_RELOAD ? "the new configuration" : "the activation";
	int64_t left = (t->until_ns - clock_boot_ns()) / NS_PER_SECOND;
	char time[CLOCK_TEXT_BYTES];

	clock_text(t->ended_ns, time);
	switch ((enum trial_state)t->state) {
	case TRIAL_CHANGING:
	case TRIAL_WAITING:
		if (!trial_is_of_this_boot(t))
			snprintf(text, 2 * TRIAL_WORDS_BYTES,
			    "%s was not confirmed before the machine was started anew%s", what,
			    t->kind == TRIAL_RELOAD ? ", and is in force" : ", and is gone");
		else
			snprintf(text, 2 * TRIAL_WORDS_BYTES,
			    "%s is taken back in %lld s unless it is confirmed", what,
			    (long long)(left < 0 ? 0 : left));
		break;
	case TRIAL_CONFIRMED:
		snprintf(text, 2 * TRIAL_WORDS_BYTES, "%s was confirmed at %s", what, time);
		break;
	case TRIAL_TAKEN_BACK:
		snprintf(text, 2 * TRIAL_WORDS_BYTES, "%s was taken back at %s", what, time);
		break;
	case TRIAL_FAILED:
		snprintf(text, 2 * TRIAL_WORDS_BYTES,
		    "%s was to be taken back at %s, which failed: %s", what, time, t->failure);
		break;
	case TRIAL_NONE:
	case TRIAL_STATES:
		snprintf(text, 2 * TRIAL_WORDS_BYTES, "nothing is on trial");
		break;
	}
	return text;
}
