#include "base/environment.h"

#include <stddef.h>
#include <stdlib.h>

void environment_clean(void)
{
	static const char *const names[] = {"OPENSSL_CONF", "OPENSSL_CONF_INCLUDE",
	    "OPENSSL_ENGINES", "OPENSSL_MODULES", "GCONV_PATH", "SSLKEYLOGFILE"};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		unsetenv(names[i]);
}
