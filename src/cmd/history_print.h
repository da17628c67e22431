/* An entry of the audit log, as people read it and for programs. */
#ifndef CMD_HISTORY_PRINT_H
#define CMD_HISTORY_PRINT_H

#include "audit/audit_line.h"
#include "cmd/names.h"

struct history_entry {
	const struct audit_record *record; /* hostile: what is shown of it is escaped */
	struct names *names;
};

/* In 80 columns. */
void history_print(struct history_entry *h);
/* So many refusals of strangers were not written, the last of them before `time_ns`
 * (CLOCK_REALTIME). */
void history_print_left_out(int64_t time_ns, uint64_t count);
/* One object, as the file has it, but for the names of clients. */
void history_print_json(struct history_entry *h);

#endif
