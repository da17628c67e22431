#include "cmd/option.h"

#include <stdio.h>

#include "conf/values.h"

bool option_refuse(struct cli *cli, const char *option, const char *text, const char *expected)
{
	char quoted[200];

	cli->status = cli_misuse(cli, "%s %s: expected %s", option,
	    value_quoted(quoted, sizeof quoted, text, 64), expected);
	return false;
}

bool option_number(struct cli *cli, int64_t *out, const char *option, const char *text,
    int64_t least, int64_t most)
{
	char expected[64];
	const char *unused;

	if (value_integer(out, text, &unused) && *out >= least && *out <= most)
		return true;
	snprintf(expected, sizeof expected, "a number from %d to %d", (int)least, (int)most);
	return option_refuse(cli, option, text, expected);
}

bool option_port(
    struct cli *cli, uint16_t *out, const char *option, const char *text, uint16_t least)
{
	int64_t port = 0;

	if (!option_number(cli, &port, option, text, least, UINT16_MAX))
		return false;
	*out = (uint16_t)port;
	return true;
}

bool option_timeout(struct cli *cli, int64_t *out_ns, const char *text, int64_t most_ns)
{
	const char *expected;

	return (value_duration(out_ns, text, &expected) && *out_ns > 0 && *out_ns <= most_ns) ||
	       option_refuse(cli, "--timeout", text, expected);
}
