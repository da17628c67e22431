/* Events for systemd's journal in its own form: one datagram each, with the fields that a search
 * can name. Only for the log (base/log.h), which writes a line to standard error where this cannot
 * be. */
#ifndef BASE_LOG_JOURNAL_H
#define BASE_LOG_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>

#define JOURNAL_PATH         "/run/systemd/journal/socket"
#define JOURNAL_RECORD_BYTES 4096

/* One event; a field that finds no room is left out. */
struct journal_record {
	size_t used;
	char bytes[JOURNAL_RECORD_BYTES];
};

/* Connects this process; `identifier` (SYSLOG_IDENTIFIER) and `path` must live as long as it does.
 * `again`: it may do so anew when the socket has been made anew, which a closed sandbox forbids.
 * False when there is no such socket. */
bool journal_connect(const char *identifier, const char *path, bool again);
/* The descriptor, to be written to and nothing else; -1: this process is not connected. One that
 * was forked from it is not. */
int journal_fd(void);

/* `who` is the process role, `priority` as in syslog(3). */
void journal_begin(struct journal_record *r, const char *who, int priority);
/* POSTERN_KEY=value. The field "event" also gives the record its MESSAGE_ID, if its value is one of
 * the kinds that are listed in posternd(8). NULL leaves the field out. */
void journal_field(struct journal_record *r, const char *key, const char *value);
/* With the message, which is a line without its end. Does not wait. False when it was not taken. */
bool journal_send(struct journal_record *r, const char *message, size_t size);

#endif
