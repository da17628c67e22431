#include "base/log_journal.h"

#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"

#define NAME_BYTES 64
#define FIELDS_BYTES                                                                \
	(JOURNAL_RECORD_BYTES - 1100) /* a line of the log has its room behind them \
	                               */

static struct {
	const char *identifier, *path;
	bool again;
	int fd;
	pid_t pid; /* who has connected: in a child the number may be another file's */
} journal = {.fd = -1};

/* Kinds of events and their ids, which stay for ever: people search by them. */
static const struct {
	const char *event;
	const char *id;
} ids[] = {
    {"grant", "77f084fb1efc425bb4e1c7bba38542c5"},
    {"grant-end", "414dc607e7154102a4aa7d67bc2c719c"},
    {"refusal", "30398ad3fe3d4bd992fea6a4e755f87d"},
    {"revoke", "b657352f698749ce9ccd118a811d8677"},
    {"config", "99e52ea068dd40fba42728edabd76adf"},
    {"config-refused", "acf12d4a0246417d842a1c9377e582da"},
    {"start", "30388bd35bfd4a6582fdef17e1df58cf"},
    {"stop", "04c5fae7a0b945dba57541e6790ad80f"},
    {"process-ended", "524773c6f45e40c4bd1da4193cb82190"},
    {"firewall-repaired", "c6f07929b2384b3dbf931fea5d62bfa6"},
    {"firewall-failed", "f0c89405b53745a7bc0b96418060d7ee"},
    {"log-dropped", "a11e2ba655194fef861246a19f89c365"},
    {"audit-lost", "29f441f26f9946c29522089eb19b8073"},
};

bool journal_connect(const char *identifier, const char *path, bool again)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	snprintf(to.sun_path, sizeof to.sun_path, "%s", path);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&to, sizeof to) != 0) {
		fd_close(fd);
		return false;
	}
	if (journal.pid == getpid())
		fd_close(journal.fd);
	journal.identifier = identifier;
	journal.path = path;
	journal.again = again;
	journal.fd = fd;
	journal.pid = getpid();
	return true;
}

int journal_fd(void)
{
	return journal.fd >= 0 && journal.pid == getpid() ? journal.fd : -1;
}

static void put(struct journal_record *r, const void *bytes, size_t size)
{
	memcpy(r->bytes + r->used, bytes, size);
	r->used += size;
}

/* NAME=value, or, where a value has lines, its length in front of it (JOURNAL_NATIVE_PROTOCOL). */
static void put_within(
    size_t limit, struct journal_record *r, const char *name, const char *value, size_t size)
{
	size_t name_size = strlen(name);
	bool lines = memchr(value, '\n', size) != NULL;

	if (r->used + name_size + size + sizeof(uint64_t) + 2 > limit)
		return;
	put(r, name, name_size);
	put(r, lines ? "\n" : "=", 1);
	for (size_t i = 0; lines && i < sizeof(uint64_t); i++)
		put(r, &(uint8_t){(uint8_t)((uint64_t)size >> 8 * i)}, 1);
	put(r, value, size);
	put(r, "\n", 1);
}

static void put_field(struct journal_record *r, const char *name, const char *value, size_t size)
{
	put_within(FIELDS_BYTES, r, name, value, size);
}

void journal_begin(struct journal_record *r, const char *who, int priority)
{
	const char digit = (char)('0' + priority);

	r->used = 0;
	put_field(r, "PRIORITY", &digit, 1);
	put_field(r, "SYSLOG_IDENTIFIER", journal.identifier, strlen(journal.identifier));
	put_field(r, "POSTERN_ROLE", who, strlen(who));
}

void journal_field(struct journal_record *r, const char *key, const char *value)
{
	char name[NAME_BYTES];
	size_t used = (size_t)snprintf(name, sizeof name, "POSTERN_%.40s", key);

	if (value == NULL)
		return;
	for (size_t i = 0; i < used; i++)
		name[i] =
		    (char)(isalnum((unsigned char)name[i]) ? toupper((unsigned char)name[i]) : '_');
	put_field(r, name, value, strlen(value));
	for (size_t i = 0; strcmp(key, "event") == 0 && i < sizeof ids / sizeof *ids; i++)
		if (strcmp(ids[i].event, value) == 0)
			put_field(r, "MESSAGE_ID", ids[i].id, strlen(ids[i].id));
}

/* Nobody has the far end any more: the socket was made anew, unlike at a restart of the journal,
 * over which the service manager keeps it. */
static bool is_gone(void)
{
	return errno == ECONNREFUSED || errno == ENOTCONN || errno == ECONNRESET || errno == EPIPE;
}

static bool send_once(const struct journal_record *r)
{
	int fd = journal_fd();
	ssize_t sent;

	if (fd < 0)
		return false;
	do {
		sent = write(fd, r->bytes, r->used);
	} while (sent < 0 && errno == EINTR);
	return sent == (ssize_t)r->used;
}

bool journal_send(struct journal_record *r, const char *message, size_t size)
{
	put_within(sizeof r->bytes, r, "MESSAGE", message, size);
	if (send_once(r))
		return true;
	return journal_fd() >= 0 && is_gone() && journal.again &&
	       journal_connect(journal.identifier, journal.path, true) && send_once(r);
}
