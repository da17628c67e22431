/* The audit log's files, in two sets that never cost each other room: audit.log, and audit.log.1 to
 * .3, which are older, for what the daemon has done; and strangers.log with strangers.log.1 for
 * whom it has refused and does not know, of which anybody can make as many as he likes. Lines are
 * appended; a file that is full steps back and the oldest of its set goes, so that all of them
 * together are bounded. */
#ifndef AUDIT_AUDIT_FILE_H
#define AUDIT_AUDIT_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AUDIT_FILE_NAME       "audit.log"
#define AUDIT_FILE_COUNT      4 /* of a set at most */
#define AUDIT_FILE_BYTES      (8U << 20)
#define AUDIT_STRANGERS_NAME  "strangers.log"
#define AUDIT_STRANGERS_COUNT 2
#define AUDIT_STRANGERS_BYTES (4U << 20)
#define AUDIT_NAME_BYTES      32

enum audit_set { AUDIT_SET_LOG, AUDIT_SET_STRANGERS, AUDIT_SETS };

/* How many files a set has at most. */
unsigned int audit_file_count(enum audit_set set);
/* The name of a set's newest file, `age` 0, or of one that has stepped back so often. Returns
 * `name`. */
const char *audit_file_name(
    char name[static AUDIT_NAME_BYTES], enum audit_set set, unsigned int age);

struct audit_file {
	int folder; /* the caller's */
	enum audit_set set;
	int fd; /* -1: not open */
	uint64_t size;
	uint64_t most; /* bytes of one file */
};

/* Opens nothing yet. */
struct audit_file audit_file_of(int folder, enum audit_set set, uint64_t most);
/* Appends a line, which ends with its newline, behind whatever stands there: a line that a
 * predecessor has left half written is closed first. All of it is written or nothing. False with
 * errno; the next call tries anew. */
bool audit_file_append(struct audit_file *f, const char *line, size_t size);
void audit_file_close(struct audit_file *f);

#endif
