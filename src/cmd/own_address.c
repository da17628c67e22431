#include "cmd/own_address.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "cmd/probe.h"
#include "conf/values.h"
#include "files/ospa.h"

/* The address that packets to `to` leave with. Sends nothing. False with errno. */
static bool address_towards(struct addr *out, const struct addr *to)
{
	struct sockaddr_storage name = {0};
	socklen_t size = sizeof name;
	int fd = probe_connect(to, 9, SOCK_DGRAM);
	uint16_t port;
	bool ok;

	if (fd < 0)
		return false;
	ok = getsockname(fd, (struct sockaddr *)&name, &size) == 0 &&
	     addr_from_sockaddr(out, &port, &name);
	fd_close(fd);
	return ok;
}

void own_address_look(struct own_address *out, const struct echo_question *question)
{
	/* Any place in the Internet does: nothing is sent there. */
	static const char *const somewhere[] = {"198.41.0.4", "2001:503:ba3e::2:30"};
	struct addr far;

	*out = (struct own_address){0};
	out->has_outbound =
	    addr_parse(&far, somewhere[question->ipv6]) && address_towards(&out->outbound, &far);
	out->has_public = echo_ask(&out->public, question, out->why);
	out->behind_nat = out->has_outbound && out->has_public &&
	                  !addr_equal(&out->outbound, &out->public.address);
}

static bool echo_is_well_known(const struct own_search *search)
{
	return strcmp(search->echo.url, OWN_ADDRESS_ECHO_IPV4) == 0 ||
	       strcmp(search->echo.url, OWN_ADDRESS_ECHO_IPV6) == 0;
}

bool own_address_find(
    struct cli *cli, const struct own_search *search, struct addr *out, bool *behind_nat)
{
	struct echo_answer answer;
	char why[ECHO_WHY_BYTES];
	struct addr outbound;
	bool near = !addr_is_global(search->server), likely;

	*behind_nat = false;
	if (!address_towards(&outbound, search->server))
		return cli_stop(cli, cli_fail_errno(cli, "there is no way to the server"));
	*out = outbound;
	likely = !search->echo_named && (near || addr_is_global(&outbound));
	if (likely && near && echo_is_well_known(search))
		return true;
	cli_detail(cli, "asking %s for the address of this host", search->echo.url);
	if (echo_ask(&answer, &search->echo, why)) {
		*out = answer.address;
		*behind_nat = !addr_equal(&outbound, out);
		return true;
	}
	if (likely) {
		cli_warn(cli,
		    "cannot learn the address of this host from %s: %s; naming its own, which opens "
		    "nothing behind NAT (see --client-ip)",
		    search->echo.url, why);
		return true;
	}
	return cli_refuse(cli, CLI_FAILED,
	    "cannot learn the address of this host from %s: %s; --client-ip names it",
	    search->echo.url, why);
}

bool own_address_take_url(struct cli *cli, const struct option_row *row, char *text)
{
	bool bare = strstr(text, "://") == NULL;
	const char *expected = "a URL of at most 255 bytes";
	char *out = row->place;
	int length = snprintf(out, OSPA_URL_BYTES, "%s%s", bare ? "https://" : "", text);

	return (length > 0 && length < OSPA_URL_BYTES && value_url(out, &expected)) ||
	       option_refuse(cli, row, text, expected);
}
