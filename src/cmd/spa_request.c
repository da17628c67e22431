#include "cmd/spa_request.h"

#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "base/secret.h"
#include "cmd/openspa_name.h"
#include "cmd/probe.h"
#include "cmd/spa_key.h"
#include "conf/values.h"

static bool load_ospa(struct cli *cli, struct ospa *ospa, const char *path)
{
	struct conf_error error = {0};

	openspa_name_step(cli, OPENSPA_STEP_OSPA);
	*ospa = (struct ospa){.port = OSPA_PORT};
	if (path == NULL)
		return true;
	if (!ospa_load(ospa, path, &error))
		return cli_stop(cli, cli_fail_conf(cli, CLI_CONFIG, &error));
	if (*ospa->note != '\0')
		cli_warn(cli, "%s: %s", path, ospa->note);
	if (ospa->unknown[0] != '\0')
		cli_warn(cli, "%s: %s means nothing to this client", path, ospa->unknown);
	return true;
}

static bool take_device(struct cli *cli, struct openspa_request *ask, const struct spa_words *words,
    const struct ospa *ospa)
{
	memcpy(ask->device, ospa->device, sizeof ask->device);
	if (words->device == NULL && words->ospa_file != NULL)
		return true;
	if (words->device == NULL)
		cli->status = cli_misuse(cli, "name an OSPA file, or give --client-device-id");
	else if (ospa_device_parse(ask->device, words->device))
		return true;
	else
		option_refuse(cli, &(struct option_row){"client-device-id", .take = option_text},
		    words->device, "a UUID");
	return false;
}

/* --- Keys */

static bool is_there(
    struct cli *cli, const struct spa_key_place *key, const char *option, enum openspa_step step)
{
	openspa_name_key_step(cli, step, key->path);
	return key->path != NULL || key->pem != NULL ||
	       cli_stop(cli, cli_misuse(cli, "name an OSPA file, or give %s", option));
}

/* What the command line names goes before what is in the OSPA file. */
static bool open_keys(
    struct cli *cli, struct spa_request *out, const struct ospa *ospa, struct spa_words *words)
{
	const struct spa_key_place server = {words->server_public_key, ospa->server_public_key,
	                               words->ospa_file},
	                           own = {words->private_key, ospa->private_key, words->ospa_file},
	                           half = {words->public_key, ospa->public_key, words->ospa_file};
	/* Only needed to find mistakes: it follows from the private key. */
	bool check = half.path != NULL || (half.pem != NULL && own.path == NULL);
	struct rsa_secret secret = {0};
	bool ok = is_there(cli, &server, "--server-public-key", OPENSPA_STEP_SERVER_KEY) &&
	          spa_key_public(cli, &out->server_key, &server, "server's public key") &&
	          is_there(cli, &own, "--private-key", OPENSPA_STEP_PRIVATE_KEY) &&
	          spa_key_secret(cli, &secret, &own, &words->passphrase) &&
	          (!check || (is_there(cli, &half, "--public-key", OPENSPA_STEP_PUBLIC_KEY) &&
	                         spa_key_belongs(cli, &secret, &half)));

	passphrase_free(&words->passphrase);
	if (ok) {
		out->key = rsa_key_new(&secret);
		ok = out->key != NULL || cli_refuse(cli, CLI_FAILED, "not enough memory for a key");
	}
	secret_wipe(&secret, sizeof secret);
	return ok;
}

/* --- Addresses */

static bool resolve(struct cli *cli, struct addr *out, const char *name, int family)
{
	struct probe found;
	const char *expected;
	int error;

	if (!value_host(name, &expected))
		return cli_stop(cli, cli_misuse(cli, "--server-ip: expected %s", expected));
	error = probe_resolve(&found, name, family);
	if (error != 0)
		return cli_refuse(
		    cli, CLI_FAILED, "cannot resolve %s: %s", name, gai_strerror(error));
	*out = found.addresses[0];
	return found.count > 0 || cli_refuse(cli, CLI_FAILED, "%s has no address of use", name);
}

/* NAT64 puts the server's IPv4 address at the end of one of IPv6 (RFC 6052, the usual prefix). */
static bool is_translated(const struct addr *six, const struct addr *four)
{
	const size_t at = ADDR_BYTES - sizeof(struct in_addr);

	return addr_is_v4(four) && !addr_is_v4(six) &&
	       memcmp(six->bytes + at, four->bytes + at, ADDR_BYTES - at) == 0;
}

static bool take_server(
    struct cli *cli, struct exchange *x, const struct spa_words *words, const struct ospa *ospa)
{
	openspa_name_step(cli, OPENSPA_STEP_SERVER_NAME);
	x->port = words->server_port != 0 ? words->server_port : ospa->port;
	x->server = ospa->server;
	if (words->server != NULL && !addr_parse(&x->server, words->server) &&
	    !resolve(cli, &x->server, words->server, words->family))
		return false;
	x->ask.server_address = is_translated(&x->server, &ospa->server) ? ospa->server : x->server;
	if (addr_is_wildcard(&x->server))
		cli->status = cli_misuse(cli,
		    words->server == NULL && words->ospa_file != NULL
		        ? "%s names no server: give --server-ip"
		        : "%s: no server's address; see --server-ip",
		    words->server != NULL ? words->server : words->ospa_file);
	else if (words->family != AF_UNSPEC && addr_is_v4(&x->server) != (words->family == AF_INET))
		cli->status = cli_misuse(cli, "the server's address is not IPv%d, as -%d wants",
		    words->family == AF_INET ? 4 : 6, words->family == AF_INET ? 4 : 6);
	else if (words->client_given && !addr_is_wildcard(&words->client) &&
	         addr_is_v4(&words->client) != addr_is_v4(&x->ask.server_address))
		cli->status = cli_misuse(
		    cli, "--client-ip and the server's address are not of the same family");
	else
		return true;
	return false;
}

/* The file's service is taken for both families, unless it is the well-known one of IPv4. */
static void choose_echo(
    struct spa_request *out, const struct spa_words *words, const struct ospa *ospa)
{
	bool ipv6 = !addr_is_v4(&out->exchange.server);
	const char *named = ipv6 ? words->echo_ipv6 : words->echo_ipv4;
	const char *url = ipv6 ? OWN_ADDRESS_ECHO_IPV6 : OWN_ADDRESS_ECHO_IPV4;

	if (*named != '\0')
		url = named;
	else if (*ospa->echo_ip != '\0' && strcmp(ospa->echo_ip, OWN_ADDRESS_ECHO_IPV4) != 0)
		url = ospa->echo_ip;
	out->echo_named = *named != '\0';
	snprintf(out->echo_ip, sizeof out->echo_ip, "%s", url);
}

bool spa_request_prepare(struct cli *cli, struct spa_request *out, struct spa_words *words)
{
	struct ospa ospa;
	bool ok;

	*out = (struct spa_request){.key = NULL};
	ok = load_ospa(cli, &ospa, words->ospa_file) &&
	     take_device(cli, &out->exchange.ask, words, &ospa) &&
	     take_server(cli, &out->exchange, words, &ospa) && open_keys(cli, out, &ospa, words);
	if (ok) {
		choose_echo(out, words, &ospa);
		out->exchange.key = out->key;
		out->exchange.server_key = &out->server_key;
	}
	ospa_free(&ospa);
	return ok;
}

bool spa_request_locate(struct cli *cli, struct spa_request *r, const struct spa_words *words)
{
	struct openspa_request *ask = &r->exchange.ask;
	struct own_search search = {.server = &r->exchange.server, .echo_named = r->echo_named};

	openspa_name_step(cli, OPENSPA_STEP_OWN_ADDRESS);
	ask->client_address = words->client;
	ask->behind_nat = words->behind_nat;
	if (words->client_given)
		return true;
	if (!addr_equal(&ask->server_address, &r->exchange.server)) {
		cli_detail(
		    cli, "the server is behind NAT64: it has to take the address that it sees");
		ask->client_address = (struct addr){.bytes = {0}};
		return true;
	}
	search.echo.url = r->echo_ip;
	search.echo.ipv6 = !addr_is_v4(&r->exchange.server);
	search.echo.timeout_ns = OWN_ADDRESS_TIMEOUT_NS;
	return own_address_find(cli, &search, &ask->client_address, &ask->behind_nat);
}

void spa_request_free(struct spa_request *r)
{
	rsa_key_free(r->key);
	r->key = NULL;
}
