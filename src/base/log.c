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

#define LINE_BYTES 1024

static struct {
	const char *who;
	enum log_level level;
	enum log_format format;
	bool journal;
	bool socket;
	uint64_t dropped; /* lines, since the last one that was written */
} log_state = {.who = "postern", .level = LOG_LEVEL_INFO};

static const struct {
	const char *name;
	int priority; /* syslog(3) */
} levels[] = {{"error", 3}, {"warn", 4}, {"info", 6}, {"debug", 7}};

static const char *const formats[] = {"text", "json"};

struct line {
	char text[LINE_BYTES];
	size_t used;
};

static void line_char(struct line *l, char c)
{
	if (l->used < sizeof l->text - 1) /* the last byte is the newline's */
		l->text[l->used++] = c;
}

static void line_raw(struct line *l, const char *text)
{
	while (*text != '\0')
		line_char(l, *text++);
}

/* Printable ASCII as it is; the rest as \xNN (JSON: \u00NN), so a line stays one line. */
static void line_escaped(struct line *l, const char *text)
{
	static const char hex[] = "0123456789abcdef";

	for (; *text != '\0'; text++) {
		uint8_t c = (uint8_t)*text;

		if (c == '"' || c == '\\') {
			line_char(l, '\\');
			line_char(l, (char)c);
		} else if (c >= 0x20 && c < 0x7f) {
			line_char(l, (char)c);
		} else {
			line_raw(l, log_state.format == LOG_FORMAT_JSON ? "\\u00" : "\\x");
			line_char(l, hex[c >> 4]);
			line_char(l, hex[c & 15]);
		}
	}
}

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

static void line_quoted(struct line *l, const char *text)
{
	line_char(l, '"');
	line_escaped(l, text);
	line_char(l, '"');
}

static void line_field(struct line *l, const char *key, const char *value)
{
	if (log_state.format == LOG_FORMAT_JSON) {
		line_char(l, ',');
		line_quoted(l, key);
		line_char(l, ':');
		line_quoted(l, value);
		return;
	}
	line_char(l, ' ');
	line_raw(l, key);
	line_char(l, '=');
	if (is_plain(value))
		line_raw(l, value);
	else
		line_quoted(l, value);
}

static void line_start(struct line *l, enum log_level level, const char *message)
{
	char when[CLOCK_TEXT_BYTES];

	clock_text(clock_real_ns(), when);
	if (log_state.format == LOG_FORMAT_JSON) {
		line_raw(l, "{\"time\":\"");
		line_raw(l, when);
		line_raw(l, "\",\"level\":\"");
		line_raw(l, levels[level].name);
		line_raw(l, "\",\"role\":\"");
		line_raw(l, log_state.who);
		line_raw(l, "\",\"message\":");
		line_quoted(l, message);
		return;
	}
	if (log_state.journal) {
		line_char(l, '<');
		line_char(l, (char)('0' + levels[level].priority));
		line_char(l, '>');
	} else {
		line_raw(l, when);
		line_char(l, ' ');
		line_raw(l, levels[level].name);
		line_char(l, ' ');
	}
	line_raw(l, log_state.who);
	line_raw(l, ": ");
	line_escaped(l, message);
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
		if (log_state.socket)
			sent = sendmsg(STDERR_FILENO, &header, MSG_DONTWAIT | MSG_NOSIGNAL);
		else if (poll(&room, 1, 0) == 1)
			sent = write(STDERR_FILENO, text, size);
		else
			return false;
	} while (sent < 0 && errno == EINTR);
	return sent == (ssize_t)size;
}

static bool line_write(struct line *l)
{
	/* A line that did not fit is closed so that a reader of JSON is not led astray. */
	if (log_state.format == LOG_FORMAT_JSON) {
		if (l->used > sizeof l->text - 8)
			l->used = sizeof l->text - 8;
		line_raw(l, l->used == sizeof l->text - 8 ? "\"}" : "}");
	}
	l->text[l->used++] = '\n';
	return write_now(l->text, l->used);
}

static bool say_dropped(void)
{
	struct line l = {.used = 0};
	char count[24];

	snprintf(count, sizeof count, "%" PRIu64, log_state.dropped);
	line_start(&l, LOG_LEVEL_WARN, "lines of this log were dropped: nobody read it");
	line_field(&l, "count", count);
	return line_write(&l);
}

static void line_send(struct line *l)
{
	int saved = errno;

	if (log_state.dropped > 0 && say_dropped())
		log_state.dropped = 0;
	if (log_state.dropped > 0 || !line_write(l))
		log_state.dropped++;
	errno = saved;
}

void log_event(enum log_level level, const char *message, ...)
{
	struct line l = {.used = 0};
	const char *key;
	va_list fields;

	if (!log_wants(level))
		return;
	line_start(&l, level, message);
	va_start(fields, message);
	while ((key = va_arg(fields, const char *)) != NULL)
		line_field(&l, key, va_arg(fields, const char *));
	va_end(fields);
	line_send(&l);
}

void log_line(enum log_level level, const char *format, ...)
{
	char message[LINE_BYTES];
	struct line l = {.used = 0};
	va_list args;

	if (!log_wants(level))
		return;
	va_start(args, format);
	vsnprintf(message, sizeof message, format, args);
	va_end(args);
	line_start(&l, level, message);
	line_send(&l);
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
	log_state.who = who;
	log_state.level = level;
	log_state.format = format;
	log_state.journal = is_journal(&st);
	log_state.socket = S_ISSOCK(st.st_mode);
	tzset(); /* reads its file now: gmtime_r would, inside a sandbox that forbids it */
}

bool log_wants(enum log_level level)
{
	return level <= log_state.level;
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
