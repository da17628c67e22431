/* Whether somebody else could change a file, or put another in its place: one answer for all who
 * ask, and one text that says what is wrong and how to mend it. */
#ifndef BASE_TRUSTED_FILE_H
#define BASE_TRUSTED_FILE_H

#include <stdbool.h>
#include <sys/stat.h>

#define TRUSTED_TEXT_BYTES 1200

enum trusted_owner { OWNER_ROOT_OR_SELF, OWNER_ROOT, OWNER_ANY };

struct trusted {
	mode_t type; /* S_IFREG or S_IFDIR */
	enum trusted_owner owner;
	mode_t denied; /* to others, such as 022 */
	bool sticky;   /* denied bits do no harm in a folder like /tmp, where others may make
	                * files but touch only their own */
	const char *others_may; /* "write it", where a denied bit is set */
	const char *remedy;     /* "chmod go-w" */
};

/* All of them return with `why` filled and errno 0 when the file is not to be trusted, and with
 * errno when it cannot be looked at. */

bool trusted_stat(const struct trusted *wanted, const struct stat *st, const char *path,
    char why[static TRUSTED_TEXT_BYTES]);
/* Opens a folder. -1 when that fails. */
int trusted_folder_open(
    const struct trusted *wanted, const char *path, int flags, char why[static TRUSTED_TEXT_BYTES]);
/* The file (or folder, by `type`) behind `path`, absolute and without links, when nobody else can
 * write it or any folder above it. `why` names the one of them that is meant. Allocated. */
char *trusted_resolve(
    const char *path, mode_t type, enum trusted_owner owner, char why[static TRUSTED_TEXT_BYTES]);

#endif
