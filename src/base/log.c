#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/line.h"
#include "base/log_journal.h"

#define LINE_BYTES 1024
#define LINE_REST  8 /* of JSON: quotes, braces, the end of the line */
#define LEVEL_SIZE 3 /* of the <N> in front of a line for the journal */
#define KNOWN_NS   NS_PER_SECOND
#define LINE_EMPTY                                                            \
	{                                                                     \
		.text = (char[LINE_BYTES]){0}, .size = LINE_BYTES - LINE_REST \
	}

static struct {
	const char *who;
	struct log_settings set;
	uint64_t dropped; /* lines, since the last one that was written */
	int64_t known_ns; /* when the journal got the first event of this process; 0: none yet */
} log_state = {.who = "postern", .set.level = LOG_LEVEL_INFO};

static const struct {
	const char *name;
	int priority; /* syslog(3) */
} levels[] = {{"error", 3}, {"warn", 4}, {"info", 6}, {"debug", 7}};

static const char *const formats[] = {"text", "json"};

static bool is_plain(const char *text)
{
	if (*text == '\0')
		return false;
	for (; *text != '\0'; text++) {
		uint8_t c = (uint8_t)*text;

		if (c <= 0x20 || c >= 0x7f || c == '"' || c == '\\' || c == '=')
			return false;
	}
	return true;
}

static bool is_json(void)
{
	return log_state.set.format == LOG_FORMAT_JSON;
}

static void add_quoted(struct line *l, const char *text)
{
	line_add(l, "\"");
	l->size--; /* room for the second one */
	line_escape(l, text, SIZE_MAX, is_json() ? LINE_JSON : LINE_QUOTED);
	l->size++;
	line_add(l, "\"");
}

/* A key without a value is no JSON. */
static bool has_room(const struct line *l, const char *key)
{
	return l->size - l->used > strlen(key) + LINE_REST;
}

static void add_field(struct line *l, const char *key, const char *value)
{
	if (value == NULL || (is_json() && !has_room(l, key)))
		return;
	line_add(l, is_json() ? ",\"%s\":" : " %s=", key);
	if (!is_json() && is_plain(value))
		line_add(l, "%s", value);
	else
		add_quoted(l, value);
}

static void start(struct line *l, enum log_level level, const char *message)
{
	char when[CLOCK_TEXT_BYTES];

	clock_text(clock_real_ns(), when);
	if (is_json()) {
		line_add(l, "{\"time\":\"%s\",\"level\":\"%s\",\"role\":\"%s\",\"message\":", when,
		    levels[level].name, log_state.who);
		add_quoted(l, message);
		return;
	}
	if (log_state.set.journal)
		line_add(l, "<%d>", levels[level].priority);
	else
		line_add(l, "%s %s ", when, levels[level].name);
	line_add(l, "%s: ", log_state.who);
	line_escape(l, message, SIZE_MAX, LINE_QUOTED);
}

/* Not to wait is asked of each call, and not set on the socket: others may share it. */
static bool write_now(const void *text, size_t size)
{
	struct pollfd room = {.fd = STDERR_FILENO, .events = POLLOUT};
	struct iovec part = {.iov_len = size};
	const struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
	ssize_t sent;

	memcpy(&part.iov_base, &text, sizeof text); /* sendmsg only reads it */
	do {
		if (log_state.set.socket)
			sent = sendmsg(STDERR_FILENO, &header, MSG_DONTWAIT | MSG_NOSIGNAL);
		else if (poll(&room, 1, 0) == 1)
			sent = write(STDERR_FILENO, text, size);
		else
			return false;
	} while (sent < 0 && errno == EINTR);
	return sent == (ssize_t)size;
}

/* The journal looks up whose a datagram is when it reads it. An error may be the last word of a
 * process that is gone by then, and whose service nobody could tell, unless the journal has seen it
 * before; a line comes by the service's own stream. */
static bool goes_with_fields(enum log_level level)
{
	return log_state.set.native && journal_fd() >= 0 &&
	       (level != LOG_LEVEL_ERROR ||
	           (log_state.known_ns != 0 && clock_boot_ns() - log_state.known_ns >= KNOWN_NS));
}

/* An event on its way: as a line, and with its fields where it goes so. */
struct event {
	struct line line;
	struct journal_record *record; /* NULL: as a line alone */
};

static void start_event(struct event *e, enum log_level level, const char *message)
{
	if (!goes_with_fields(level))
		e->record = NULL;
	else
		journal_begin(e->record, log_state.who, levels[level].priority);
	start(&e->line, level, message);
}

static void add_to_event(struct event *e, const char *key, const char *value)
{
	add_field(&e->line, key, value);
	if (e->record != NULL)
		journal_field(e->record, key, value);
}

static bool write_with_fields(const struct event *e)
{
	const struct line *l = &e->line;

	if (e->record == NULL ||
	    !journal_send(e->record, l->text + LEVEL_SIZE, l->used - LEVEL_SIZE))
		return false;
	if (log_state.known_ns == 0)
		log_state.known_ns = clock_boot_ns();
	return true;
}

static bool write_event(struct event *e)
{
	struct line *l = &e->line;

	if (write_with_fields(e))
		return true;
	l->size += LINE_REST;
	if (is_json())
		line_add(l, "}");
	l->text[l->used++] = '\n';
	return write_now(l->text, l->used);
}

static bool say_dropped(void)
{
	struct journal_record record;
	struct event e = {LINE_EMPTY, &record};
	char count[24];

	snprintf(count, sizeof count, "%" PRIu64, log_state.dropped);
	start_event(&e, LOG_LEVEL_WARN, "lines of this log were dropped: nobody read it");
	add_to_event(&e, "count", count);
	add_to_event(&e, "event", "log-dropped");
	return write_event(&e);
}

static void send_event(struct event *e)
{
	int saved = errno;

	if (log_state.dropped > 0 && say_dropped())
		log_state.dropped = 0;
	if (log_state.dropped > 0 || !write_event(e))
		log_state.dropped++;
	errno = saved;
}

void log_event(enum log_level level, const char *message, ...)
{
	struct journal_record record;
	struct event e = {LINE_EMPTY, &record};
	const char *key;
	va_list fields;

	if (!log_wants(level))
		return;
	start_event(&e, level, message);
	va_start(fields, message);
	while ((key = va_arg(fields, const char *)) != NULL)
		add_to_event(&e, key, va_arg(fields, const char *));
	va_end(fields);
	send_event(&e);
}

void log_line(enum log_level level, const char *format, ...)
{
	char message[LINE_BYTES];
	va_list args;

	if (!log_wants(level))
		return;
	va_start(args, format);
	vsnprintf(message, sizeof message, format, args);
	va_end(args);
	log_event(level, message, NULL);
}

/* A pipe of our own, so to speak: opened anew it has flags of its own, and whoever shares it with
 * us keeps theirs. The processes that we start inherit it. Where that cannot be, poll has to do: it
 * knows of no line that another process writes at the same time. */
static void open_pipe_anew(void)
{
	int flags = fcntl(STDERR_FILENO, F_GETFL);
	int fd = -1;

	if (flags >= 0 && (flags & O_NONBLOCK) == 0)
		fd = open("/proc/self/fd/2", O_WRONLY | O_APPEND | O_NONBLOCK | O_CLOEXEC);
	if (fd >= 0) {
		dup2(fd, STDERR_FILENO);
		close(fd);
	}
}

/* JOURNAL_STREAM names the device and inode of the stream that systemd gave us. */
static bool is_journal(const struct stat *st)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char mine[64];

	snprintf(mine, sizeof mine, "%ju:%ju", (uintmax_t)st->st_dev, (uintmax_t)st->st_ino);
	return stream != NULL && strcmp(mine, stream) == 0;
}

void log_open(const char *who, enum log_level level, enum log_format format)
{
	struct stat st = {0};

	fstat(STDERR_FILENO, &st);
	if (S_ISFIFO(st.st_mode))
		open_pipe_anew();
	log_go_on(who, (struct log_settings){.level = level,
	                   .format = format,
	                   .journal = is_journal(&st),
	                   .socket = S_ISSOCK(st.st_mode)});
}

void log_join_journal(const char *identifier, const char *path)
{
	log_state.set.native =
	    log_state.set.journal && !is_json() && journal_connect(identifier, path, true);
}

struct log_settings log_get_settings(void)
{
	return log_state.set;
}

void log_go_on(const char *who, struct log_settings settings)
{
	log_state.who = who;
	log_state.set = settings;
	if (settings.native && journal_fd() < 0)
		journal_connect("posternd", JOURNAL_PATH, false);
	tzset(); /* reads its file now: gmtime_r would, inside a sandbox that forbids it */
}

bool log_wants(enum log_level level)
{
	return level <= log_state.set.level;
}

bool log_level_parse(enum log_level *out, const char *name)
{
	for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
		if (strcmp(levels[i].name, name) == 0) {
			*out = (enum log_level)i;
			return true;
		}
	}
	return false;
}

bool log_format_parse(enum log_format *out, const char *name)
{
	for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
		if (strcmp(formats[i], name) == 0) {
			*out = (enum log_format)i;
			return true;
		}
	}
	return false;
}
