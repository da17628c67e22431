#include "cmd/own_address.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "conf/values.h"
#include "files/ospa.h"

int own_address_connect(const struct addr *to, uint16_t port)
{
	struct sockaddr_in6 six = addr_to_sockaddr(to, port);
	struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(port)};
	bool v4 = addr_is_v4(to);
	const void *name = v4 ? (const void *)&four : (const void *)&six;
	int fd = socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	memcpy(&four.sin_addr, to->bytes + ADDR_BYTES - sizeof four.sin_addr, sizeof four.sin_addr);
	if (fd >= 0 && connect(fd, name, v4 ? sizeof four : sizeof six) != 0) {
		int saved = errno;

		close(fd);
		errno = saved;
		fd = -1;
	}
	return fd;
}

bool own_address_towards(struct addr *out, const struct addr *to)
{
	struct sockaddr_storage name = {0};
	socklen_t size = sizeof name;
	int fd = own_address_connect(to, 9), saved;
	uint16_t port;
	bool ok;

	if (fd < 0)
		return false;
	ok = getsockname(fd, (struct sockaddr *)&name, &size) == 0 &&
	     addr_from_sockaddr(out, &port, &name);
	saved = errno;
	close(fd);
	errno = saved;
	return ok;
}

void own_address_look(struct own_address *out, const struct echo_question *question)
{
	/* Any place in the Internet does: nothing is sent there. */
	static const char *const somewhere[] = {"198.41.0.4", "2001:503:ba3e::2:30"};
	struct addr far;

	*out = (struct own_address){0};
	out->has_outbound = addr_parse(&far, somewhere[question->ipv6]) &&
	                    own_address_towards(&out->outbound, &far);
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
	bool near = !addr_is_global(search->server);

	*behind_nat = false;
	if (!own_address_towards(&outbound, search->server)) {
		cli->status = cli_fail_errno(cli, "there is no way to the server");
		return false;
	}
	*out = outbound;
	if (!search->echo_named &&
	    (addr_is_global(&outbound) || (near && echo_is_well_known(search))))
		return true;
	cli_detail(cli, "asking %s for the address of this host", search->echo.url);
	if (echo_ask(&answer, &search->echo, why)) {
		*out = answer.address;
		*behind_nat = !addr_equal(&outbound, out);
		return true;
	}
	if (near && !search->echo_named) {
		cli_warn(cli, "cannot learn the address of this host from %s: %s; naming its own",
		    search->echo.url, why);
		return true;
	}
	cli->status = cli_fail(cli, CLI_FAILED,
	    "cannot learn the address of this host from %s: %s; --client-ip names it",
	    search->echo.url, why);
	return false;
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
