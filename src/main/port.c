#include "main/port.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"

#define RESERVED_PATH  "/proc/sys/net/ipv4/ip_local_reserved_ports"
#define RESERVED_BYTES (65536 * 6) /* each of them alone */
#define NAME_BYTES     64

/* --- Reserving */

/* `list` as the kernel writes it: 8080,9000-9100 */
static bool is_reserved(const char *list, uint16_t port)
{
	while (isdigit((unsigned char)*list)) {
		char *end;
		unsigned long first = strtoul(list, &end, 10), last = first;

		if (*end == '-')
			last = strtoul(end + 1, &end, 10);
		if (port >= first && port <= last)
			return true;
		list = *end == ',' ? end + 1 : end;
	}
	return false;
}

/* The list is written as a whole, with what was in it. */
static bool reserve(int fd, char *list, uint16_t port)
{
	ssize_t got = pread(fd, list, RESERVED_BYTES, 0);
	size_t used;

	if (got < 0)
		return false;
	list[got] = '\0';
	used = strcspn(list, "\n");
	list[used] = '\0';
	if (is_reserved(list, port))
		return false;
	used += (size_t)snprintf(list + used, 8, "%s%u", used == 0 ? "" : ",", port);
	return pwrite(fd, list, used, 0) == (ssize_t)used;
}

void port_reserve(uint16_t port)
{
	char *list = malloc(RESERVED_BYTES + 8);
	int fd = open(RESERVED_PATH, O_RDWR | O_CLOEXEC);

	if (list != NULL && fd >= 0 && reserve(fd, list, port))
		log_line(LOG_LEVEL_INFO,
		    "port %u is reserved now: no other program is given it by chance "
		    "(net.ipv4.ip_local_reserved_ports)",
		    port);
	fd_close(fd);
	free(list);
}

/* --- Who has it */

/* A row of one of /proc/net's tables; the inode, or 0 when it is of another port. */
static unsigned long read_row(char *row, uint16_t port, unsigned long *uid)
{
	enum { LOCAL = 1, UID = 7, INODE = 9, COLUMNS };
	char *columns[COLUMNS], *rest = NULL;

	for (size_t i = 0; i < COLUMNS; i++) {
		columns[i] = strtok_r(i == 0 ? row : NULL, " \n", &rest);
		if (columns[i] == NULL)
			return 0;
	}
	columns[LOCAL] += strcspn(columns[LOCAL], ":");
	if (*columns[LOCAL] == '\0' || strtoul(columns[LOCAL] + 1, NULL, 16) != port)
		return 0;
	*uid = strtoul(columns[UID], NULL, 10);
	return strtoul(columns[INODE], NULL, 10);
}

/* The inode of a socket on `port`, and whose it is; 0: none. */
static unsigned long find_socket(const char *table, uint16_t port, unsigned long *uid)
{
	char path[64], row[512];
	unsigned long found = 0;
	FILE *file;

	snprintf(path, sizeof path, "/proc/self/net/%s", table);
	file = fopen(path, "re");
	while (file != NULL && found == 0 && fgets(row, sizeof row, file) != NULL)
		found = read_row(row, port, uid);
	if (file != NULL)
		fclose(file);
	return found;
}

/* Whether one of a process's descriptors, in the open folder `fds`, is the socket. */
static bool has_socket(DIR *fds, const char *socket)
{
	char target[NAME_BYTES];
	struct dirent *entry;

	while ((entry = readdir(fds)) != NULL) {
		ssize_t size = readlinkat(dirfd(fds), entry->d_name, target, sizeof target - 1);

		if (size <= 0)
			continue;
		target[size] = '\0';
		if (strcmp(target, socket) == 0)
			return true;
	}
	return false;
}

static void read_name(char name[static NAME_BYTES], const char *pid)
{
	char path[300];
	FILE *file;

	snprintf(path, sizeof path, "/proc/%s/comm", pid);
	file = fopen(path, "re");
	if (file == NULL || fgets(name, NAME_BYTES, file) == NULL)
		snprintf(name, NAME_BYTES, "?");
	if (file != NULL)
		fclose(file);
	for (name[strcspn(name, "\n")] = '\0'; *name != '\0'; name++) {
		if (!isprint((unsigned char)*name))
			*name = '?';
	}
}

/* False when no process that can be looked into has it. */
static bool find_process(char out[static PORT_HOLDER_BYTES], unsigned long inode)
{
	char socket[NAME_BYTES], path[300], name[NAME_BYTES] = "";
	DIR *all = opendir("/proc");
	struct dirent *entry;
	bool found = false;

	snprintf(socket, sizeof socket, "socket:[%lu]", inode);
	while (all != NULL && !found && (entry = readdir(all)) != NULL) {
		DIR *fds;

		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		snprintf(path, sizeof path, "/proc/%s/fd", entry->d_name);
		fds = opendir(path);
		if (fds == NULL)
			continue;
		found = has_socket(fds, socket);
		closedir(fds);
		if (found) {
			read_name(name, entry->d_name);
			snprintf(out, PORT_HOLDER_BYTES, "%s (pid %.10s)", name, entry->d_name);
		}
	}
	if (all != NULL)
		closedir(all);
	return found;
}

const char *port_holder(char out[static PORT_HOLDER_BYTES], const char *table, uint16_t port)
{
	static const char *const families[] = {"", "6"};
	unsigned long inode = 0, uid = 0;

	for (size_t i = 0; i < 2 && inode == 0; i++) {
		char name[8];

		snprintf(name, sizeof name, "%s%s", table, families[i]);
		inode = find_socket(name, port, &uid);
	}
	out[0] = '\0';
	if (inode != 0 && !find_process(out, inode))
		snprintf(out, PORT_HOLDER_BYTES,
		    "a socket of uid %lu; `ss -%clnp sport = :%u` tells the program", uid, table[0],
		    port);
	return out;
}
