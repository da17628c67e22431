#include <cap-ng.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "guard/guard.h"
#include "intake/socket.h"
#include "proc/sandbox.h"

#define FIRST_KEPT 3 /* sd_listen_fds(3) */

int guard_take_kept(void)
{
	const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
	bool ours = pid != NULL && count != NULL && strtol(pid, NULL, 10) == getpid();
	long end = ours ? FIRST_KEPT + strtol(count, NULL, 10) : 0;
	int found = -1;

	for (int fd = FIRST_KEPT; fd < end && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0; fd++) {
		if (found < 0 && socket_is_netfilter(fd))
			found = fd;
		else
			close(fd);
	}
	return found;
}

bool guard_contain(void)
{
	static const struct rlimit none = {0, 0};

	if (capng_get_caps_process() != 0)
		return false;
	for (unsigned int c = 0; c <= CAP_LAST_CAP; c++)
		if (c != CAP_NET_ADMIN && c != CAP_DAC_READ_SEARCH)
			capng_update(CAPNG_DROP, CAPNG_EFFECTIVE | CAPNG_PERMITTED, c);
	return setrlimit(RLIMIT_CORE, &none) == 0 && capng_apply(CAPNG_SELECT_CAPS) == 0 &&
	       prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && sandbox_read_only("");
}
