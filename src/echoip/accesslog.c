#include "echoip/accesslog.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/line.h"
#include "base/log.h"

#define PENDING_BYTES (64 * 1024)
#define CHUNK_BYTES   4096 /* PIPE_BUF: a pipe that poll calls writable takes it without waiting */

static struct {
	char text[PENDING_BYTES];
	size_t used;
	size_t dropped;
} pending;

/* "-" is the format's word for what is not known. */
static void add_part(struct line *l, const char *text)
{
	line_escape(l, text != NULL ? text : "-", ACCESS_TEXT_BYTES, LINE_QUOTED);
}

static void add_request(struct line *l, const struct access *a)
{
	if (a->target == NULL) {
		line_add(l, "-");
		return;
	}
	add_part(l, a->method);
	line_add(l, " ");
	add_part(l, a->target);
	line_add(l, " ");
	add_part(l, a->version);
}

size_t access_format(char line[static ACCESS_LINE_BYTES], const struct access *a, int64_t now_ns)
{
	struct line l = {.text = line, .size = ACCESS_LINE_BYTES};
	char client[ADDR_TEXT_BYTES], when[48];
	time_t seconds = (time_t)(now_ns / NS_PER_SECOND);
	struct tm tm = {0};

	gmtime_r(&seconds, &tm);
	strftime(when, sizeof when, "%d/%b/%Y:%H:%M:%S +0000", &tm);
	line_add(&l, "%s - - [%s] \"", addr_text(&a->client, client), when);
	add_request(&l, a);
	if (a->status == 0)
		line_add(&l, "\" - -\n");
	else
		line_add(&l, "\" %u %zu\n", a->status, a->bytes);
	return l.used;
}

void accesslog_add(const struct access *a, int64_t now_ns)
{
	char line[ACCESS_LINE_BYTES];
	size_t length = access_format(line, a, now_ns);

	if (length > sizeof pending.text - pending.used)
		accesslog_flush();
	if (length > sizeof pending.text - pending.used) {
		pending.dropped++;
		return;
	}
	memcpy(pending.text + pending.used, line, length);
	pending.used += length;
}

static bool has_room(void)
{
	struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};

	return poll(&out, 1, 0) == 1;
}

void accesslog_flush(void)
{
	size_t done = 0;

	while (done < pending.used && has_room()) {
		size_t left = pending.used - done;
		ssize_t sent = write(
		    STDOUT_FILENO, pending.text + done, left < CHUNK_BYTES ? left : CHUNK_BYTES);

		if (sent < 0 && (errno == EINTR || errno == EAGAIN))
			break;
		/* A reader that is gone for good: nothing is kept for it. */
		done = sent < 0 ? pending.used : done + (size_t)sent;
	}
	pending.used -= done;
	memmove(pending.text, pending.text + done, pending.used);
	if (pending.dropped > 0 && pending.used == 0) {
		log_line(
		    LOG_LEVEL_WARN, "%zu access log lines lost: nobody read them", pending.dropped);
		pending.dropped = 0;
	}
}
