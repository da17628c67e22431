#include "main/retry.h"

#include <fcntl.h>
#include <libgen.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/notify.h"

#define PAUSE_MOST_S 30

/* The configuration, written or replaced, and the folder of clients beside it. */
static int watch_files(const char *config)
{
	char *copy = strdup(config), *clients = NULL;
	int fd = inotify_init1(IN_CLOEXEC);

	if (fd >= 0 && copy != NULL && asprintf(&clients, "%s/clients.d", dirname(copy)) >= 0) {
		inotify_add_watch(fd, config, IN_CLOSE_WRITE | IN_ATTRIB | IN_MOVE_SELF);
		inotify_add_watch(
		    fd, clients, IN_CLOSE_WRITE | IN_ATTRIB | IN_MOVED_TO | IN_DELETE);
		free(clients);
	}
	free(copy);
	return fd;
}

static int watch_links(void)
{
	const struct sockaddr_nl links = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (fd >= 0)
		(void)bind(fd, (const struct sockaddr *)&links, sizeof links);
	return fd;
}

static int watch_stop(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

void retry_open(struct retry *r, const struct main_options *options)
{
	*r = (struct retry){NULL, -1, -1};
	if (getenv("NOTIFY_SOCKET") == NULL ||
	    asprintf(&r->counter, "%s.failures", options->control) < 0) {
		r->counter = NULL;
		return;
	}
	/* The kernel takes some 20 ms to end a watch, and a first failure brings no pause. */
	r->files = access(r->counter, F_OK) == 0 ? watch_files(options->config) : -1;
	r->links = watch_links();
}

static void close_all(struct retry *r)
{
	fd_close(r->files);
	fd_close(r->links);
	free(r->counter);
}

void retry_succeeded(struct retry *r)
{
	if (r->counter != NULL)
		unlink(r->counter);
	close_all(r);
}

/* One more; the seconds to wait after so many. None where they cannot be counted. */
static int count_failure(const char *counter)
{
	int fd = open(counter, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
	struct stat st = {.st_size = 0};

	if (fd < 0)
		return 0;
	if (write(fd, "x", 1) != 1 || fstat(fd, &st) != 0)
		st.st_size = 0;
	close(fd);
	return st.st_size < 2 ? 0 : st.st_size < 7 ? 1 << (st.st_size - 2) : PAUSE_MOST_S;
}

static bool wait_for_change(const struct retry *r, bool interface, int seconds)
{
	struct pollfd wanted[] = {{.fd = watch_stop(), .events = POLLIN},
	    {.fd = r->files, .events = POLLIN},
	    {.fd = interface ? r->links : -1, .events = POLLIN}};

	(void)poll(wanted, 3, seconds * 1000);
	if (wanted[0].revents != 0 || wanted[1].revents != 0)
		unlink(r->counter);
	close(wanted[0].fd);
	return wanted[0].revents != 0;
}

bool retry_failed(struct retry *r, bool interface)
{
	int seconds = r->counter == NULL ? 0 : count_failure(r->counter);
	bool stop = false;
	char text[16];

	if (seconds > 0) {
		snprintf(text, sizeof text, "%d", seconds);
		log_event(LOG_LEVEL_INFO, "waiting before the next start", "seconds", text, NULL);
		notify_manager("STATUS=cannot start, and waits before the next try");
		stop = wait_for_change(r, interface, seconds);
	}
	close_all(r);
	return stop;
}
