/* In the place of `postern get-ip`, as the daemon starts it, one that has been taken over. The URL
 * that it is given ends with a folder that everybody may write to, with a file `old` in it. Says
 * what it could do, in one line; or, where the URL has "/says/", what comes behind that, as if it
 * were the address: with "," for the end of a line. With "/stays" it stays, and has a child. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *room;

static const char *in_room(const char *name)
{
	static char path[4096];

	snprintf(path, sizeof path, "%s/%s", room, name);
	return path;
}

static bool writes(void)
{
	return open(in_room("old"), O_WRONLY) >= 0;
}

static bool makes_a_file(void)
{
	return open(in_room("new"), O_WRONLY | O_CREAT, 0666) >= 0;
}

static bool makes_a_file_without_a_name(void)
{
	return open(room, O_WRONLY | O_TMPFILE, 0666) >= 0;
}

static bool makes_a_folder(void)
{
	return mkdir(in_room("folder"), 0777) == 0;
}

static bool removes(void)
{
	return unlink(in_room("old")) == 0;
}

static bool reads_what_is_roots(void)
{
	return open(in_room("secret"), O_RDONLY) >= 0;
}

static bool becomes_root(void)
{
	return setuid(0) == 0 || setresuid(0, 0, 0) == 0;
}

static bool signals_the_daemon(void)
{
	return kill(getppid(), 0) == 0;
}

static bool traces_the_daemon(void)
{
	return ptrace(PTRACE_ATTACH, getppid(), NULL, NULL) == 0;
}

static bool limits_the_daemon(void)
{
	const struct rlimit none = {0, 0};

	return prlimit(getppid(), RLIMIT_CPU, &none, NULL) == 0;
}

static bool sees_packets(void)
{
	return socket(AF_PACKET, SOCK_RAW, 0) >= 0 || socket(AF_INET, SOCK_RAW, 255) >= 0;
}

static bool mounts(void)
{
	return mount("none", room, "tmpfs", 0, NULL) == 0;
}

static bool has_descriptors(void)
{
	for (int fd = 3; fd < 1024; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			return true;
	return false;
}

static bool keeps_groups(void)
{
	return getgroups(0, NULL) != 0 || getgid() == 0;
}

static bool raises_its_limits(void)
{
	const struct rlimit more = {1 << 20, 1 << 20};

	return setrlimit(RLIMIT_FSIZE, &more) == 0 || setrlimit(RLIMIT_NPROC, &more) == 0 ||
	       setrlimit(RLIMIT_CORE, &more) == 0;
}

static bool has_many_processes(void)
{
	int started = 0;
	pid_t pid;

	while (started < 200 && (pid = fork()) >= 0) {
		if (pid == 0) {
			close(STDOUT_FILENO);
			close(STDERR_FILENO);
			pause();
			_exit(0);
		}
		started++;
	}
	return started >= 200;
}

static const struct {
	const char *name;
	bool (*done)(void);
} acts[] = {{"writes", writes}, {"makes_a_file", makes_a_file},
    {"makes_a_file_without_a_name", makes_a_file_without_a_name},
    {"makes_a_folder", makes_a_folder}, {"removes", removes},
    {"reads_what_is_roots", reads_what_is_roots}, {"becomes_root", becomes_root},
    {"signals_the_daemon", signals_the_daemon}, {"traces_the_daemon", traces_the_daemon},
    {"limits_the_daemon", limits_the_daemon}, {"sees_packets", sees_packets}, {"mounts", mounts},
    {"has_descriptors", has_descriptors}, {"keeps_groups", keeps_groups},
    {"raises_its_limits", raises_its_limits}, {"has_many_processes", has_many_processes}};

static int say(const char *text)
{
	for (; *text != '\0'; text++)
		putchar(*text == ',' ? '\n' : *text);
	return 0;
}

int main(int argc, char *argv[])
{
	const char *url = argv[argc - 1], *said = strstr(url, "/says/");

	if (strstr(url, "/stays") != NULL && fork() >= 0)
		for (;;)
			pause();
	if (said != NULL)
		return say(said + strlen("/says/"));
	room = strchr(url + strlen("http://"), '/');
	if (argc < 2 || room == NULL)
		return 2;
	printf("could do:");
	for (size_t i = 0; i < sizeof acts / sizeof *acts; i++) {
		errno = 0;
		if (acts[i].done())
			printf(" %s", acts[i].name);
	}
	printf("\n");
	fflush(stdout);
	return 1;
}
