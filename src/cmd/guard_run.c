#include "cmd/guard_run.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define NAME "postern-guard"

const char *guard_path(char path[static PATH_MAX])
{
	ssize_t size = readlink("/proc/self/exe", path, PATH_MAX - sizeof NAME);

	if (size > 0) {
		path[size] = '\0';
		memcpy(strrchr(path, '/') + 1, NAME, sizeof NAME);
		if (access(path, X_OK) == 0)
			return path;
	}
	snprintf(path, PATH_MAX, "%s", POSTERN_LIBEXEC "/" NAME);
	return path;
}

enum cli_exit guard_become(const struct cli *cli, bool dry_run)
{
	char path[PATH_MAX], name[] = NAME, release[] = "--release", dry[] = "--dry-run";
	char *const argv[] = {name, release, dry_run ? dry : NULL, NULL};

	execv(guard_path(path), argv);
	return cli_fail_errno(cli, "cannot run " NAME);
}
