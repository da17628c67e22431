#include "snapshot/accepted.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/fd.h"

#define TEMPORARY  "." ACCEPTED_FILE
#define FILE_MOST  (4U << 20)
#define ITEMS_MOST 65536U
#define HASH_BYTES crypto_generichash_BYTES
#define FIELD(name)                                                                   \
	{                                                                             \
		offsetof(struct settings, name), sizeof(((struct settings *)0)->name) \
	}

/* What the rules are made of. Another list is another version, and needs another mark. */
static const char mark[8] = "PSTACC3";
static const struct {
	size_t offset;
	size_t size;
} fields[] = {FIELD(openme), FIELD(udp_port), FIELD(health_port), FIELD(firewall), FIELD(guard),
    FIELD(hook), FIELD(established), FIELD(host_chains), FIELD(drop_ports), FIELD(open_knock_port),
    FIELD(interface), FIELD(mark), FIELD(priority), FIELD(openspa.enabled), FIELD(openspa.firewall),
    FIELD(openspa.port), FIELD(intake), FIELD(notrack)};

/* What is wrong with the file, or NULL. */
static const char *problem_of(int fd)
{
	struct stat st;

	if (fd < 0)
		return errno == ENOENT ? "there is none yet" : strerror(errno);
	if (fstat(fd, &st) != 0)
		return strerror(errno);
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 077) != 0)
		return "others could have changed it; take it away";
	return NULL;
}

/* Up to FILE_MOST bytes; -1 with *why where it is not to be believed. Of a folder that could not be
 * opened, by errno. */
static ssize_t read_file(int folder, uint8_t *data, const char **why)
{
	const int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
	int fd = folder < 0 ? -1 : openat(folder, ACCEPTED_FILE, flags);
	ssize_t got = -1;

	*why = problem_of(fd);
	if (*why == NULL && data != NULL)
		got = read(fd, data, FILE_MOST);
	if (*why == NULL)
		*why = "it is damaged";
	if (fd >= 0)
		close(fd);
	return got;
}

/* --- Writing */

static void put_array(struct writer *w, const void *items, uint32_t count, size_t each)
{
	w->failed = w->failed || count > ITEMS_MOST;
	writer_u32(w, count);
	writer_put(w, items, count * each);
}

static void put_all(struct writer *w, const struct snapshot *s)
{
	const struct span managed = s->settings->managed_ports,
	                  ports = s->settings->guard_allow_ports,
	                  networks = s->settings->guard_allow_networks;
	uint8_t hash[HASH_BYTES];

	writer_put(w, mark, sizeof mark);
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
		writer_put(w, (const uint8_t *)s->settings + fields[i].offset, fields[i].size);
	put_array(w, snapshot_ports(s, managed), managed.count, sizeof(struct ports));
	put_array(w, snapshot_ports(s, ports), ports.count, sizeof(struct ports));
	put_array(w, snapshot_cidrs(s, networks), networks.count, sizeof(struct cidr));
	crypto_generichash(hash, sizeof hash, w->data, w->used, NULL, 0);
	writer_put(w, hash, sizeof hash);
}

static bool write_file(int folder, const struct writer *w)
{
	int fd =
	    openat(folder, TEMPORARY, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	bool ok = fd >= 0 && fchmod(fd, 0600) == 0 &&
	          write(fd, w->data, w->used) == (ssize_t)w->used && fsync(fd) == 0;
	int error = errno;

	fd_close(fd);
	if (ok && renameat(folder, TEMPORARY, folder, ACCEPTED_FILE) == 0 && fsync(folder) == 0)
		return true;
	errno = ok ? errno : error;
	error = errno;
	unlinkat(folder, TEMPORARY, 0);
	errno = error == 0 ? ENOSPC : error;
	return false;
}

/* Then there is no disk to wait for. */
static bool stands_already(int folder, const struct writer *w, uint8_t *room)
{
	const char *why;
	ssize_t size = read_file(folder, room, &why);

	return size == (ssize_t)w->used && memcmp(room, w->data, w->used) == 0;
}

bool accepted_save(const char *state_dir, const struct snapshot *s)
{
	int folder = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	uint8_t *data = malloc(2 * FILE_MOST);
	struct writer w = writer_of(data, FILE_MOST);
	bool ok = folder >= 0 && data != NULL;

	if (ok)
		put_all(&w, s);
	if (ok && w.failed)
		errno = EFBIG;
	ok = ok && !w.failed;
	if (ok && !stands_already(folder, &w, data + FILE_MOST)) {
		errno = 0; /* a short write says nothing */
		ok = write_file(folder, &w);
	}
	free(data);
	fd_close(folder);
	return ok;
}

/* --- Reading */

struct parts {
	struct settings settings;
	struct ports ports[2 * ITEMS_MOST];
	struct cidr networks[ITEMS_MOST];
};

static uint32_t take_count(struct reader *r, size_t each)
{
	uint32_t count = reader_u32(r);

	if (count > ITEMS_MOST || count > r->left / each) {
		r->failed = true;
		return 0;
	}
	return count;
}

static struct span take_ports(struct reader *r, struct ports *to, uint32_t first)
{
	const struct span span = {first, take_count(r, sizeof *to)};

	reader_take(r, to + first, span.count * sizeof *to);
	return span;
}

static int create(const struct parts *p)
{
	const struct settings *s = &p->settings;
	const struct snapshot_parts parts = {.generation = 1,
	    .settings = *s,
	    .counts = {.ports = s->guard_allow_ports.first + s->guard_allow_ports.count,
	        .cidrs = s->guard_allow_networks.count},
	    .ports = p->ports,
	    .cidrs = p->networks};

	return snapshot_create(&parts);
}

static int take_all(struct reader *r, struct parts *p, const char **why)
{
	struct settings *s = &p->settings;

	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
		reader_take(r, (uint8_t *)s + fields[i].offset, fields[i].size);
	s->managed_ports = take_ports(r, p->ports, 0);
	s->guard_allow_ports = take_ports(r, p->ports, s->managed_ports.count);
	s->guard_allow_networks.count = take_count(r, sizeof *p->networks);
	reader_take(r, p->networks, s->guard_allow_networks.count * sizeof *p->networks);
	/* What the rules do not need, and a snapshot must have. */
	s->knock_timeout_ns = s->replay_window_ns = s->openspa.window_ns = s->client_quota = 1;
	*why = "it is damaged";
	return reader_done(r) ? create(p) : -1;
}

static int parse(const uint8_t *data, size_t size, const char **why)
{
	uint8_t hash[HASH_BYTES];
	struct reader r = reader_of(data, size);
	struct parts *parts;
	int fd = -1;

	if (size < sizeof mark + HASH_BYTES)
		return -1;
	crypto_generichash(hash, sizeof hash, data, size - HASH_BYTES, NULL, 0);
	if (memcmp(hash, data + size - HASH_BYTES, HASH_BYTES) != 0)
		return -1;
	if (memcmp(data, mark, sizeof mark) != 0) {
		*why = "another version has written it";
		return -1;
	}
	parts = calloc(1, sizeof *parts);
	r.left -= HASH_BYTES;
	reader_skip(&r, sizeof mark);
	if (parts != NULL)
		fd = take_all(&r, parts, why);
	free(parts);
	return fd;
}

int accepted_load(const char *state_dir, const char **why)
{
	int folder = open(state_dir, O_PATH | O_DIRECTORY | O_CLOEXEC), snapshot = -1;
	uint8_t *data = malloc(FILE_MOST);
	ssize_t size = read_file(folder, data, why);

	if (size >= 0)
		snapshot = parse(data, (size_t)size, why);
	free(data);
	fd_close(folder);
	return snapshot;
}
