#include "main/rule_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/trusted_file.h"
#include "proc/rule_journal.h"

#define FILE_NAME "rules"

/* Whoever can open it for reading could hold the lock. False with `why` filled. */
static bool take_lock(int fd, char why[static TRUSTED_TEXT_BYTES])
{
	static const struct trusted wanted = {
	    .type = S_IFREG, .denied = 077, .others_may = "open it", .remedy = "chmod 600"};
	struct stat st;

	if (fd >= 0 && fstat(fd, &st) == 0) {
		if (!trusted_stat(&wanted, &st, FILE_NAME, why))
			return false;
		if (st.st_nlink != 1) {
			snprintf(why, TRUSTED_TEXT_BYTES, "it has another name, too; take it away");
			return false;
		}
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return true;
	}
	snprintf(why, TRUSTED_TEXT_BYTES, "%s",
	    errno == EWOULDBLOCK ? "another daemon has it: give each its own --state-dir"
	                         : strerror(errno));
	return false;
}

/* Opens the file and takes its lock; -1 with `why` filled. Whoever may write the folder can take
 * the file away: what is open would be forgotten. */
static int open_in_folder(const char *path, int flags, char why[static TRUSTED_TEXT_BYTES])
{
	static const struct trusted wanted = {
	    .type = S_IFDIR, .denied = 022, .others_may = "write it", .remedy = "chmod 700"};
	char reason[TRUSTED_TEXT_BYTES];
	int folder = trusted_folder_open(&wanted, path, O_PATH, reason), fd;

	if (folder < 0) {
		snprintf(why, TRUSTED_TEXT_BYTES, "its folder: %.1000s", reason);
		return -1;
	}
	fd = openat(folder, FILE_NAME, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	close(folder);
	if (take_lock(fd, why))
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

int rules_file_open(const char *path)
{
	char why[TRUSTED_TEXT_BYTES];
	int fd = open_in_folder(path, O_RDWR | O_CREAT, why);

	if (fd < 0)
		log_event(LOG_LEVEL_ERROR, "cannot use the file that rules are kept in", "folder",
		    path, "file", FILE_NAME, "why", why, NULL);
	return fd;
}

void rules_file_mind(const char *path)
{
	char count[16], why[TRUSTED_TEXT_BYTES];
	/* Another daemon may have it, and will see to it. */
	int fd = open_in_folder(path, O_RDONLY, why);
	uint32_t left = fd < 0 ? 0 : rule_journal_left(fd);

	if (fd >= 0)
		close(fd);
	if (left == 0)
		return;
	snprintf(count, sizeof count, "%u", left);
	log_event(LOG_LEVEL_ERROR,
	    "a predecessor left rules of scripts open, and no script is configured to shut them",
	    "rules", count, "folder", path, NULL);
}
