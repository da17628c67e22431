#include "main/control_socket.h"

#include <errno.h>
#include <pwd.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"

#define VIEWER_USER "postern-web"

static int refuse_path(const char *path, const char *why)
{
	log_event(
	    LOG_LEVEL_ERROR, "cannot open the control socket", "path", path, "why", why, NULL);
	return -1;
}

static int refuse_place(const char *path, int err)
{
	log_event(LOG_LEVEL_ERROR, "cannot open the control socket", "path", path, "error",
	    strerror(err), "remedy",
	    "a folder that can be written: --control, or a tmpfs mounted there", NULL);
	return -1;
}

static void make_folder(const char *path)
{
	char folder[sizeof((struct sockaddr_un *)0)->sun_path];
	const char *slash = strrchr(path, '/');
	size_t length = slash == NULL ? 0 : (size_t)(slash - path);

	if (length == 0 || length >= sizeof folder)
		return;
	memcpy(folder, path, length);
	folder[length] = '\0';
	mkdir(folder, 0755); /* bind will say what is wrong */
}

static bool is_answered(const struct sockaddr_un *where)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	bool answered = fd >= 0 && connect(fd, (const struct sockaddr *)where, sizeof *where) == 0;

	fd_close(fd);
	return answered;
}

struct viewer control_viewer(void)
{
	const struct passwd *user = getpwnam(VIEWER_USER);

	if (user == NULL || user->pw_uid == 0 || user->pw_gid == 0)
		return (struct viewer){0};
	return (struct viewer){user->pw_uid, user->pw_gid};
}

/* The socket gets the group by which it is made: that takes CAP_SETGID alone, which the daemon
 * needs anyway, and there is no moment at which it has another one. */
static int bind_for(int fd, const struct sockaddr_un *where, const struct viewer *viewer)
{
	gid_t own = getegid();
	bool shared = viewer->uid != 0 && setegid(viewer->gid) == 0;
	mode_t mask = umask(shared ? 0117 : 0177);
	int bound = bind(fd, (const struct sockaddr *)where, sizeof *where), saved = errno;

	umask(mask);
	if (shared && setegid(own) != 0)
		bound = -1;
	else
		errno = saved;
	return bound;
}

int control_socket_open(const char *path, const struct viewer *viewer)
{
	struct sockaddr_un where = {.sun_family = AF_UNIX};
	struct stat st;
	int fd;

	if (strlen(path) >= sizeof where.sun_path)
		return refuse_path(path, "the path is too long");
	memcpy(where.sun_path, path, strlen(path));
	make_folder(path);
	if (is_answered(&where))
		return refuse_path(path, "a daemon is running already");
	if (lstat(path, &st) == 0) {
		if (!S_ISSOCK(st.st_mode))
			return refuse_path(path, "something else is there");
		unlink(path);
	}
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return refuse_place(path, errno);
	if (bind_for(fd, &where, viewer) != 0 || listen(fd, 16) != 0) {
		int saved = errno;

		close(fd);
		return refuse_place(path, saved);
	}
	return fd;
}

void control_socket_close(const char *path, int fd)
{
	unlink(path);
	close(fd);
}
