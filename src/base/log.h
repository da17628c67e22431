/* The log: one line an event, to standard error. Every value is escaped here, so nothing that a
 * packet, a file or a peer contains can forge a line. Logging never waits: a line that cannot be
 * written at once is dropped and counted, and the next one that can be is preceded by the count. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

/* `who` is the process role and must live as long as the process. Text lines get the service
 * manager's <N> priorities instead of a time when standard error is the journal. */
void log_open(const char *who, enum log_level level, enum log_format format);
/* How lines are written, for a process that is started with the same standard error; it does not
 * look for itself. */
struct log_settings {
	enum log_level level;
	enum log_format format;
	bool journal; /* standard error is, and what it is */
	bool socket;
	bool native; /* text, and the journal takes events with fields (base/log_journal.h) */
};
struct log_settings log_get_settings(void);
void log_go_on(const char *who, struct log_settings settings);
/* Where standard error is the journal, and lines are text: from now on events go there with their
 * fields, by the socket at `path` (JOURNAL_PATH), and as lines only where that cannot be. Otherwise
 * it does nothing. `identifier` must live as long as the process. */
void log_join_journal(const char *identifier, const char *path);
bool log_wants(enum log_level level);

/* An event with fields: key, value pairs of strings, closed by NULL. Keys are ours (lower case);
 * values may be anything; a field whose value is NULL is left out. The field "event" says what kind
 * of event it is; the journal has an id for each that is listed in posternd(8). */
void log_event(enum log_level level, const char *message, ...) __attribute__((sentinel));
/* An event that is one sentence. */
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Names as on the command line; false when unknown. */
bool log_level_parse(enum log_level *out, const char *name);
bool log_format_parse(enum log_format *out, const char *name);

#endif
