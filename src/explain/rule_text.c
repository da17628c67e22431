#include "explain/rule_text.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"

#define LETTERS     "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define LISTED_MOST (16U * 1024U * 1024U)
#define WAIT_NS     (5 * NS_PER_SECOND)

static const char *const nft_paths[] = {"/usr/sbin/nft", "/sbin/nft", "/usr/bin/nft"};
static const char *const legacy_paths[] = {
    "/usr/sbin/iptables-legacy", "/sbin/iptables-legacy", "/usr/bin/iptables-legacy"};
static const char *const legacy_paths_6[] = {
    "/usr/sbin/ip6tables-legacy", "/sbin/ip6tables-legacy", "/usr/bin/ip6tables-legacy"};

const char *rule_family(uint8_t family)
{
	switch (family) {
	case NFPROTO_INET:
		return "inet";
	case NFPROTO_IPV4:
		return "ip";
	case NFPROTO_IPV6:
		return "ip6";
	case NFPROTO_NETDEV:
		return "netdev";
	default:
		return "?";
	}
}

/* nft puts its words together and reads them as commands. */
static bool is_plain(const char *name)
{
	return name[0] != '\0' && strchr(LETTERS, name[0]) != NULL &&
	       strspn(name, LETTERS "0123456789_-.") == strlen(name);
}

static int start(const char *const *paths, char **words, pid_t *child)
{
	static char *const nothing[] = {NULL};
	posix_spawn_file_actions_t actions;
	int ends[2], err;

	if (pipe2(ends, O_CLOEXEC) != 0)
		return -1;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
	posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	err = ENOENT;
	for (size_t i = 0; err == ENOENT && i < 3; i++)
		err = posix_spawn(child, paths[i], &actions, NULL, words, nothing);
	posix_spawn_file_actions_destroy(&actions);
	fd_close(ends[1]);
	return err == 0 ? ends[0] : fd_close(ends[0]);
}

/* More of what it writes; false at the end, or when that takes too long. */
static bool read_some(int fd, FILE *to, int64_t until_ns)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	char some[4096];
	int64_t left = until_ns - clock_boot_ns();
	ssize_t got;

	if (left <= 0 || poll(&p, 1, (int)(left / NS_PER_MS) + 1) <= 0)
		return false;
	got = read(fd, some, sizeof some);
	return got > 0 && fwrite(some, 1, (size_t)got, to) == (size_t)got &&
	       ftell(to) < (long)LISTED_MOST;
}

/* What a program writes, the caller's to free; NULL: nothing. */
static char *listed(const char *const *paths, char **words)
{
	char *text = NULL;
	size_t size = 0;
	FILE *to = open_memstream(&text, &size);
	int64_t until_ns = clock_boot_ns() + WAIT_NS;
	pid_t child = -1;
	int fd = to != NULL ? start(paths, words, &child) : -1;

	while (fd >= 0 && read_some(fd, to, until_ns))
		;
	fd_close(fd);
	if (child > 0) {
		kill(child, SIGKILL);
		while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
			;
	}
	if (to != NULL && fclose(to) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

static void keep(char *out, const char *from, const char *end)
{
	size_t size;

	while (from < end && (*from == ' ' || *from == '\t'))
		from++;
	size = (size_t)(end - from);
	size = size < RULE_TEXT_BYTES - 1 ? size : RULE_TEXT_BYTES - 1;
	memcpy(out, from, size);
	out[size] = '\0';
}

/* The line that ends with the rule's handle. */
static void find_handle(char *out, const char *text, uint64_t handle)
{
	char mark[48];
	size_t length = (size_t)snprintf(mark, sizeof mark, " # handle %" PRIu64 "\n", handle);

	for (const char *line = text; *line != '\0';) {
		const char *end = strchrnul(line, '\n');
		const char *next = *end == '\n' ? end + 1 : end;

		if ((size_t)(next - line) > length && memcmp(next - length, mark, length) == 0) {
			keep(out, line, next - length);
			return;
		}
		line = next;
	}
}

const char *rule_text(char out[static RULE_TEXT_BYTES], const struct rule_name *name)
{
	char *words[] = {(char[]){"nft"}, (char[]){"-a"}, (char[]){"list"}, (char[]){"chain"},
	    strdupa(rule_family(name->family)), strdupa(name->table), strdupa(name->chain), NULL};
	char *text;

	out[0] = '\0';
	if (name->handle == 0 || !is_plain(name->table) || !is_plain(name->chain))
		return out;
	text = listed(nft_paths, words);
	if (text != NULL)
		find_handle(out, text, name->handle);
	free(text);
	return out;
}

static const char *legacy_text(char out[static RULE_TEXT_BYTES], const struct cause *cause)
{
	const char *table = cause->chain->table + strlen(RULES_LEGACY);
	char number[16], *text;
	char *words[] = {(char[]){"iptables-legacy"}, (char[]){"-t"}, strdupa(table),
	    (char[]){"-S"}, strdupa(cause->chain->name), number, NULL};

	out[0] = '\0';
	snprintf(number, sizeof number, "%" PRIu32, cause->rule->number);
	if (!is_plain(table) || !is_plain(cause->chain->name))
		return out;
	text = listed(cause->chain->family == NFPROTO_IPV4 ? legacy_paths : legacy_paths_6, words);
	if (text != NULL)
		keep(out, text, strchrnul(text, '\n'));
	free(text);
	return out;
}

const char *rule_text_of(char out[static RULE_TEXT_BYTES], const struct cause *cause)
{
	out[0] = '\0';
	if (cause->chain == NULL || cause->rule == NULL)
		return out;
	if (cause->chain->legacy)
		return legacy_text(out, cause);
	return rule_text(out, &(struct rule_name){cause->chain->family, cause->chain->table,
	                          cause->chain->name, cause->rule->handle});
}
