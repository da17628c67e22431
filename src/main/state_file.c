#include "main/state_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/libc.h"
#include "base/log.h"
#include "base/trusted_file.h"
#include "client/networks.h"
#include "proc/rule_journal.h"

#define RULES_NAME    "rules"
#define REPLAY_NAME   "replay"
#define NETWORKS_NAME "networks"
#define WITNESS_BYTES 96
#define FIRST_SETS    1024U /* at most: the file grows when there are more that knock */

/* A predecessor that was killed is gone from main at once, and from the keeper a moment later. */
#define LOCK_TRIES 300

static const struct timespec lock_pause = {0, 10000000};

static bool take_lock(int fd, int tries)
{
	while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		if (errno != EWOULDBLOCK || --tries <= 0)
			return false;
		nanosleep(&lock_pause, NULL);
	}
	return true;
}

/* Whoever can open it for reading could hold the lock. False with `why` filled, and errno
 * EWOULDBLOCK when another daemon has it. */
static bool check_and_lock(int fd, const char *name, int tries, char why[static TRUSTED_TEXT_BYTES])
{
	static const struct trusted wanted = {
	    .type = S_IFREG, .denied = 077, .others_may = "open it", .remedy = "chmod 600"};
	struct stat st;

	if (fd >= 0 && fstat(fd, &st) == 0) {
		if (!trusted_stat(&wanted, &st, name, why))
			return false;
		if (st.st_nlink != 1) {
			snprintf(why, TRUSTED_TEXT_BYTES, "it has another name, too; take it away");
			errno = 0;
			return false;
		}
		if (take_lock(fd, tries))
			return true;
	}
	snprintf(why, TRUSTED_TEXT_BYTES, "%s",
	    errno == EWOULDBLOCK ? "another daemon has it: give each its own --state-dir"
	                         : strerror(errno));
	return false;
}

/* -1 with `why` filled. Whoever may write the folder can take a file away: what stands in it would
 * be forgotten. */
static int open_folder(const char *path, char why[static TRUSTED_TEXT_BYTES])
{
	static const struct trusted wanted = {
	    .type = S_IFDIR, .denied = 022, .others_may = "write it", .remedy = "chmod 700"};
	char reason[TRUSTED_TEXT_BYTES];
	int folder = trusted_folder_open(&wanted, path, O_RDONLY, reason);

	if (folder < 0)
		snprintf(why, TRUSTED_TEXT_BYTES, "its folder: %.1000s", reason);
	return folder;
}

/* Opens the file and takes its lock; -1 with `why` filled, and errno as check_and_lock. */
static int open_at(
    int folder, const char *name, int flags, int tries, char why[static TRUSTED_TEXT_BYTES])
{
	int fd = openat(folder, name, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600), error;

	if (check_and_lock(fd, name, tries, why))
		return fd;
	error = errno;
	fd_close(fd);
	errno = error;
	return -1;
}

static int open_in_folder(
    const char *path, const char *name, int flags, int tries, char why[static TRUSTED_TEXT_BYTES])
{
	int folder = open_folder(path, why), fd = -1;

	if (folder >= 0) {
		fd = open_at(folder, name, flags, tries, why);
		close(folder);
	}
	return fd;
}

/* --- Rules */

int rules_file_open(const char *path)
{
	char why[TRUSTED_TEXT_BYTES];
	int fd = open_in_folder(path, RULES_NAME, O_RDWR, LOCK_TRIES, why);
	struct stat st;

	if (fd < 0 && errno == ENOENT)
		fd = open_in_folder(path, RULES_NAME, O_RDWR | O_CREAT | O_EXCL, 1, why);
	else if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size == 0)
		log_event(LOG_LEVEL_ERROR,
		    "the file that rules are kept in is empty: look for rules that nothing will "
		    "shut",
		    "folder", path, "file", RULES_NAME, NULL);
	if (fd < 0)
		log_event(LOG_LEVEL_ERROR, "cannot use the file that rules are kept in", "folder",
		    path, "file", RULES_NAME, "why", why, NULL);
	return fd;
}

void rules_file_mind(const char *path)
{
	char count[16], why[TRUSTED_TEXT_BYTES];
	/* Another daemon may have it, and will see to it. */
	int fd = open_in_folder(path, RULES_NAME, O_RDONLY, 1, why);
	uint32_t left = fd < 0 ? 0 : rule_journal_left(fd);

	fd_close(fd);
	if (left == 0)
		return;
	snprintf(count, sizeof count, "%u", left);
	log_event(LOG_LEVEL_ERROR,
	    "a predecessor left rules of scripts open, and no script is configured to shut them",
	    "rules", count, "folder", path, NULL);
}

/* --- The replay guard */

/* With all its blocks, and on the disk with its name: where it is missing is told by that. */
static bool settle(int folder, int fd, uint32_t holders, char why[static TRUSTED_TEXT_BYTES])
{
	if (replay_file_reserve(fd, holders < FIRST_SETS ? holders : FIRST_SETS) &&
	    fsync(fd) == 0 && fsync(folder) == 0)
		return true;
	snprintf(why, TRUSTED_TEXT_BYTES, "%s", strerror(errno));
	return false;
}

static int make_anew(int folder, uint32_t holders, char why[static TRUSTED_TEXT_BYTES])
{
	int fd;

	if (unlinkat(folder, REPLAY_NAME, 0) != 0 && errno != ENOENT) {
		snprintf(why, TRUSTED_TEXT_BYTES, "%s", strerror(errno));
		return -1;
	}
	fd = open_at(folder, REPLAY_NAME, O_RDWR | O_CREAT | O_EXCL, 1, why);
	if (fd >= 0 && !settle(folder, fd, holders, why)) {
		close(fd);
		unlinkat(folder, REPLAY_NAME, 0);
		return -1;
	}
	return fd;
}

/* Which file it is, whatever its name and contents. */
static bool identify(int fd, char id[static WITNESS_BYTES])
{
	struct statx st;

	memset(id, 0, WITNESS_BYTES);
	if (statx(fd, "", AT_EMPTY_PATH, STATX_INO | STATX_BTIME, &st) != 0)
		return false;
	snprintf(id, WITNESS_BYTES, "%u:%u %llu %lld.%09u", st.stx_dev_major, st.stx_dev_minor,
	    (unsigned long long)st.stx_ino, (long long)st.stx_btime.tv_sec, st.stx_btime.tv_nsec);
	return true;
}

/* What the last start of this boot has written there; false when there was none. One that cannot be
 * read is no file's. */
static bool read_witness(const char *path, char id[static WITNESS_BYTES])
{
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	memset(id, 0, WITNESS_BYTES);
	if (fd < 0)
		return errno != ENOENT;
	if (read(fd, id, WITNESS_BYTES - 1) < 0)
		*id = '\0';
	close(fd);
	return true;
}

static void write_witness(const char *path, int guard)
{
	char id[WITNESS_BYTES];
	int fd;

	unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || !identify(guard, id) || write(fd, id, strlen(id)) < 0)
		log_event(LOG_LEVEL_WARN, "cannot note which file the replay guard is kept in",
		    "path", path, "error", strerror(errno), NULL);
	fd_close(fd);
}

static bool is_same(int fd, const char *witness)
{
	char id[WITNESS_BYTES];

	return identify(fd, id) && strcmp(id, witness) == 0;
}

static int open_replay(int folder, const char *witness, uint32_t holders,
    enum replay_origin *origin, char why[static TRUSTED_TEXT_BYTES])
{
	char last[WITNESS_BYTES];
	bool used = read_witness(witness, last), first = !used && fd_folder_is_fresh(folder);
	int fd = open_at(folder, REPLAY_NAME, O_RDWR, LOCK_TRIES, why);

	*origin = REPLAY_KEPT;
	if (fd >= 0 ? !used || is_same(fd, last) : errno == EWOULDBLOCK)
		return fd;
	*origin = fd < 0 && errno == ENOENT && first ? REPLAY_FIRST : REPLAY_LOST;
	if (fd >= 0) {
		snprintf(why, TRUSTED_TEXT_BYTES, "it is not the one that was used last");
		close(fd);
	}
	if (fd >= 0 || errno != ENOENT)
		log_event(LOG_LEVEL_ERROR, "the replay guard's file cannot be used", "file",
		    REPLAY_NAME, "why", why, "then", "made anew", NULL);
	errno = 0;
	return make_anew(folder, holders, why);
}

int replay_file_open(
    const char *path, const char *control, uint32_t holders, enum replay_origin *origin)
{
	char why[TRUSTED_TEXT_BYTES], witness[PATH_MAX];
	int folder = open_folder(path, why), fd = -1;
	bool locked = false;

	snprintf(witness, sizeof witness, "%s.replay", control);
	*origin = REPLAY_LOST;
	if (folder >= 0) {
		fd = open_replay(folder, witness, holders, origin, why);
		locked = fd < 0 && errno == EWOULDBLOCK;
		close(folder);
	}
	if (fd < 0) {
		log_event(LOG_LEVEL_ERROR, "cannot use the file that the replay guard is kept in",
		    "folder", path, "file", REPLAY_NAME, "why", why, locked ? NULL : "then",
		    "kept in memory until the next start", NULL);
		*origin = REPLAY_LOST;
		fd = locked ? -1 : replay_memory_file();
	}
	if (fd >= 0)
		write_witness(witness, fd);
	return fd;
}

/* --- Networks */

static bool put_in_order(int fd, uint32_t clients, char why[static TRUSTED_TEXT_BYTES])
{
	enum networks_origin origin;

	if (!networks_prepare(fd, clients, &origin)) {
		snprintf(why, TRUSTED_TEXT_BYTES, "%s", strerror(errno));
		return false;
	}
	if (origin == NETWORKS_UNSOUND)
		log_event(LOG_LEVEL_WARN,
		    "the file of the networks that clients knock from is not sound", "file",
		    NETWORKS_NAME, "then", "begun anew", NULL);
	else if (origin == NETWORKS_OUTGROWN)
		log_event(LOG_LEVEL_INFO,
		    "the file of the networks that clients knock from is too small for so many",
		    "file", NETWORKS_NAME, "then", "begun anew", NULL);
	return true;
}

int networks_file_open(const char *path, uint32_t clients)
{
	char why[TRUSTED_TEXT_BYTES];
	int fd = open_in_folder(path, NETWORKS_NAME, O_RDWR | O_CREAT, LOCK_TRIES, why);

	if (fd >= 0 && put_in_order(fd, clients, why))
		return fd;
	fd_close(fd);
	log_event(LOG_LEVEL_WARN, "cannot use the file of the networks that clients knock from",
	    "folder", path, "file", NETWORKS_NAME, "why", why, "then",
	    "kept in memory until the next start", NULL);
	fd = memfd_create("postern-networks", MFD_CLOEXEC);
	return fd >= 0 && put_in_order(fd, clients, why) ? fd : fd_close(fd);
}
