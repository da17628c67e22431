/* What users of the original programs have in their scripts and units, and is written in another
 * way here. */
#ifndef BASE_FOREIGN_H
#define BASE_FOREIGN_H

enum foreign_program { FOREIGN_TOOL, FOREIGN_DAEMON };

/* What to write instead of a command ("serve") or an option ("--interface", with or without a value
 * behind a =); NULL when it is none of theirs. */
const char *foreign_remedy(enum foreign_program program, const char *word);

#endif
