/* Programs that the configuration names: they run with our rights, or near them, so nobody but root
 * and whoever runs us may be able to put another in their place. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/private.h"

bool program_resolve(
    char out[static CONF_PROGRAM_BYTES], const char *path, char problem[static TRUSTED_TEXT_BYTES])
{
	char *real = trusted_resolve(path, S_IFREG, OWNER_ROOT_OR_SELF, problem);
	struct stat st;
	bool ok = false;

	if (real == NULL)
		return false;
	if (strlen(real) >= CONF_PROGRAM_BYTES)
		snprintf(problem, TRUSTED_TEXT_BYTES,
		    "found a path of %zu bytes; expected one shorter than %d", strlen(real),
		    CONF_PROGRAM_BYTES);
	else if (stat(real, &st) != 0 || (st.st_mode & 0111) == 0)
		snprintf(problem, TRUSTED_TEXT_BYTES,
		    "%.500s is not executable; change that: chmod +x %.500s", real, real);
	else
		ok = true;
	if (ok)
		snprintf(out, CONF_PROGRAM_BYTES, "%s", real);
	free(real);
	errno = 0;
	return ok;
}
