#include "cmd/login.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"

#define VARIABLE     "SSH_CONNECTION="
#define MANY         64 /* processes above us */
#define STAT_BYTES   1024
#define STARTED_WORD 20     /* after the name in stat: when the process was started, in ticks */
#define ENVIRONMENT  131072 /* bytes of it that are looked at */

static size_t read_proc(pid_t pid, const char *name, char *out, size_t size)
{
	char path[64];
	ssize_t got;
	int fd;

	snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	got = fd < 0 ? -1 : fd_read(fd, out, size - 1);
	fd_close(fd);
	out[got < 0 ? 0 : got] = '\0';
	return got < 0 ? 0 : (size_t)got;
}

/* 0: nobody. */
static pid_t parent_of(pid_t pid)
{
	char text[STAT_BYTES];
	const char *end;

	read_proc(pid, "stat", text, sizeof text);
	end = strrchr(text, ')'); /* a name may hold one */
	return end == NULL || strlen(end) < 4 ? 0 : (pid_t)strtol(end + 4, NULL, 10);
}

static bool keep(char login[static LOGIN_BYTES], const char *text)
{
	struct addr ignored;
	uint16_t port;

	return snprintf(login, LOGIN_BYTES, "%s", text) < LOGIN_BYTES &&
	       login_peer(login, &ignored, &port);
}

static bool find_in(pid_t pid, char *room, char login[static LOGIN_BYTES])
{
	size_t size = read_proc(pid, "environ", room, ENVIRONMENT);

	for (size_t at = 0; at < size; at += strlen(room + at) + 1)
		if (strncmp(room + at, VARIABLE, strlen(VARIABLE)) == 0)
			return keep(login, room + at + strlen(VARIABLE));
	return false;
}

void login_find(char login[static LOGIN_BYTES])
{
	const char *own = getenv("SSH_CONNECTION");
	char *room = malloc(ENVIRONMENT);
	pid_t pid = getppid();
	bool found = own != NULL && keep(login, own);

	for (int i = 0; !found && room != NULL && pid > 1 && i < MANY; i++) {
		found = find_in(pid, room, login);
		pid = parent_of(pid);
	}
	free(room);
	if (!found)
		login[0] = '\0';
}

/* CLOCK_BOOTTIME */
static int64_t started_ns(pid_t pid)
{
	char text[STAT_BYTES];
	const char *at;

	read_proc(pid, "stat", text, sizeof text);
	at = strrchr(text, ')');
	for (int word = 0; at != NULL && word < STARTED_WORD; word++)
		at = strchr(at + 1, ' ');
	return at == NULL ? 0 : strtoll(at, NULL, 10) * (NS_PER_SECOND / sysconf(_SC_CLK_TCK));
}

static bool is_sshd(pid_t pid)
{
	char name[32];

	read_proc(pid, "comm", name, sizeof name);
	return strncmp(name, "sshd", 4) == 0;
}

/* The first process of the login, and above it the one of sshd that serves the connection: several
 * logins may share that. */
int64_t login_since_ns(void)
{
	char *room = malloc(ENVIRONMENT), login[LOGIN_BYTES];
	pid_t first = 0, pid = getpid();

	for (int i = 0; room != NULL && pid > 1 && i < MANY; i++) {
		if (find_in(pid, room, login))
			first = pid;
		pid = parent_of(pid);
	}
	free(room);
	if (first == 0)
		return INT64_MAX;
	pid = parent_of(first);
	return started_ns(is_sshd(pid) ? pid : first);
}

bool login_peer(const char *login, struct addr *peer, uint16_t *port)
{
	char address[ADDR_TEXT_BYTES] = "";
	unsigned int number = 0;

	/* five digits do not overflow: NOLINTNEXTLINE(cert-err34-c) */
	if (sscanf(login, "%45s %5u %*s %*u", address, &number) != 2 || number > UINT16_MAX)
		return false;
	address[strcspn(address, "%")] = '\0'; /* a zone */
	*port = (uint16_t)number;
	return addr_parse(peer, address);
}
