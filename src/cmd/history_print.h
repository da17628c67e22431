/* An entry of the audit log, as people read it and for programs. */
#ifndef CMD_HISTORY_PRINT_H
#define CMD_HISTORY_PRINT_H

#include "audit/audit_line.h"
#include "cmd/names.h"

struct history_entry {
	const struct audit_record *record; /* hostile: what is shown of it is escaped */
	struct names *names;
	bool of_strangers; /* it stands among them */
};

/* In 80 columns. */
void history_print(struct history_entry *h);
/* One object, as the file has it, but for the names of clients. */
void history_print_json(struct history_entry *h);

#endif
