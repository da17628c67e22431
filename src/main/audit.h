/* The audit log: who was let in and until when, who was refused, who changed what. Main makes the
 * lines; a child of its own writes them to files in the state directory (audit/audit_file.h), so
 * that no disk holds main up. What finds no room is counted, and the count is written when there is
 * room again. */
#ifndef MAIN_AUDIT_H
#define MAIN_AUDIT_H

#include <stdint.h>
#include <sys/types.h>

#include "audit/audit_file.h"
#include "audit/audit_line.h"
#include "base/rate.h"
#include "proc/message.h"

/* Of whom the other processes have refused and do not know: limits of main's own, for a doorman
 * that has been taken over, and so that the two files last for a day of any flood. */
struct audit_strangers {
	struct rate told[VERDICT_COUNT];
	struct rate counts; /* lines that say how many were left out */
	uint64_t left_out;
};

struct audit {
	const char *state_dir; /* NULL: nothing is written yet */
	pid_t writer;          /* 0: none */
	int fd;                /* to it; -1: none */
	uint64_t left_out;     /* lines, since the last one that it was given */
	struct rate starts;    /* of writers */
	struct rate told;      /* by the keeper */
	struct audit_strangers strangers;
};

#define AUDIT_NONE       \
	{                \
		.fd = -1 \
	}

/* From now on lines are written. Main holds no secret then, and its sandbox is closed: the writer
 * is forked from it, now and again when it has ended. */
void audit_open(struct audit *a, const char *state_dir);
/* What the keeper has told. False when no keeper says that. */
bool audit_take(struct audit *a, const struct message_audit *m);
/* Hands over a line that was begun (audit/audit_line.h), and ends it. Does not wait. */
void audit_write(struct audit *a, struct audit_line *l);
/* Hands a line to the writer, for a file of that set. Does not wait; false when there is no room.
 */
bool audit_give(struct audit *a, enum audit_set set, struct audit_line *l);
/* After SIGCHLD: says when the writer has ended. */
void audit_check(struct audit *a);
/* Lets the writer write what it has been given, for a second at most. */
void audit_close(struct audit *a);

/* --- audit_stranger.c */

/* At the start; strangers are counted from then on. */
void audit_open_strangers(struct audit_strangers *s);
/* What a doorman or the keeper has told of a stranger. False when none says that. */
bool audit_take_stranger(struct audit *a, const struct message_stranger *m);
/* At the end: writes how many were left out. */
void audit_close_strangers(struct audit *a);

/* --- audit_writer.c */

/* The life of the writer: what comes by `fd`, a message for each line, goes to files in that
 * folder. A message is a byte, enum audit_set, and the line. */
_Noreturn void audit_writer_run(const char *state_dir, int fd);

#endif
