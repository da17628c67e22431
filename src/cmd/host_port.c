#include "cmd/host_port.h"

#include <stddef.h>
#include <string.h>

#include "conf/values.h"

bool host_port_cut(struct host_port *out, char *text)
{
	char *colon = strrchr(text, ':'), *close = strchr(text, ']');
	const char *expected;
	int64_t port = 0;

	*out = (struct host_port){.host = text};
	if (*text == '[' && close != NULL) {
		out->host = text + 1;
		*close = '\0';
		colon = close[1] == '\0' ? NULL : close + 1;
	} else if (colon != strchr(text, ':')) {
		return true; /* an IPv6 address */
	}
	if (colon == NULL)
		return true;
	if (*colon != ':' || !value_integer(&port, colon + 1, &expected) || port < 1 ||
	    port > UINT16_MAX)
		return false;
	*colon = '\0';
	out->port = (uint16_t)port;
	return true;
}
