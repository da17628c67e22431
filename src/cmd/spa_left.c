#include "cmd/spa_left.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/uuid.h"
#include "cmd/question.h"
#include "conf/values.h"

/* The folder of a client, as a descriptor, where it was not finished; otherwise -1. */
static int open_left(int folder, const char *name)
{
	const char *ignored = NULL;
	uint8_t device[16];
	struct stat st;
	int fd;

	if (!value_uuid(device, name, &ignored))
		return -1;
	fd = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0 && fstat(fd, &st) == 0 && st.st_uid == geteuid() &&
	    (st.st_mode & 07777) == SPA_LEFT_MODE)
		return fd;
	return fd_close(fd);
}

static bool is_to_go(struct cli *cli)
{
	char answer[QUESTION_BYTES];

	return question_to_person() && !cli->no_input &&
	       question_ask(cli, answer, "Remove it? [no]: ") &&
	       (strcmp(answer, "yes") == 0 || strcmp(answer, "y") == 0);
}

static void remove_left(const struct cli *cli, int folder, int left, const char *name)
{
	char public[UUID_TEXT_BYTES + sizeof ".pub"];

	snprintf(public, sizeof public, "%.36s.pub", name);
	unlinkat(left, "client.ospa", 0);
	unlinkat(left, public, 0);
	if (unlinkat(folder, name, AT_REMOVEDIR) != 0)
		cli_fail_errno(cli, "cannot remove %s", name);
}

void spa_left_look(struct cli *cli, const char *folder)
{
	DIR *names = opendir(folder);
	const struct dirent *entry;

	while (names != NULL && (entry = readdir(names)) != NULL) {
		int left = open_left(dirfd(names), entry->d_name);

		if (left < 0)
			continue;
		cli_warn(cli,
		    "%s/%s was not finished, since its run was killed: no server may know its key",
		    folder, entry->d_name);
		if (is_to_go(cli))
			remove_left(cli, dirfd(names), left, entry->d_name);
		close(left);
	}
	if (names != NULL)
		closedir(names);
}
