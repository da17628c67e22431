/* Each text is loaded, in memory, before it becomes a file. */
#include "files/server_files.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/secret.h"
#include "conf/client_index.h"
#include "conf/error.h"
#include "conf/file.h"
#include "conf/private.h"
#include "conf/values.h"
#include "files/show.h"
#include "files/write_file.h"
#include "proto/openme.h"

#define INITIAL_BYTES 4096
#define DEFAULT_PORT  54154

static const char initial_text[] =
    "# Postern, the server's configuration; postern.yaml(5) explains every key.\n"
    "# It holds the server's private key: nobody but its owner may read it (chmod 600).\n"
    "server:\n"
    "  # What clients are told to knock at.\n"
    "  host: \"%s\"\n"
    "  udp_port: %u\n"
    "  firewall: %s\n"
    "  # Only this network interface; empty: every one.\n"
    "  interface: \"%s\"\n"
    "  # How long a knock opens the ports, and how far its clock may be off.\n"
    "  knock_timeout: 30s\n"
    "  replay_window: 60s\n"
    "  # Drop what comes to the ports below without a grant. With false your own firewall has\n"
    "  # to drop it, or nothing is guarded.\n"
    "  drop_ports: true\n"
    "  # A knock opens for the address it was sent from, and for no other.\n"
    "  targets: source\n"
    "  private_key: \"%s\"\n"
    "  public_key: \"%s\"\n"
    "  # Shared with the clients, by `postern add`: their knocks go first under a flood.\n"
    "  shield_key: \"%s\"\n"
    "\n"
    "# Groups of ports for the clients' allowed_ports; `default` is for clients without.\n"
    "ports:\n"
    "  default:\n"
    "    - 22/tcp\n"
    "\n"
    "# Clients may stand here, too; `postern add` writes each to a file in clients.d/.\n"
    "clients: {}\n";

static bool refuse_wanted(
    struct conf_error *error, const char *what, const char *text, const char *expected)
{
	char quoted[160];

	return conf_fail(error, "%s: found %s; expected %s", what,
	    value_quoted(quoted, sizeof quoted, text, 64), expected);
}

static bool check_initial(const struct conf_initial *initial, struct conf_error *error)
{
	const char *expected = NULL;
	int ignored;

	if (initial->host != NULL && *initial->host != '\0' &&
	    !value_host(initial->host, &expected))
		return refuse_wanted(error, "host", initial->host, expected);
	if (initial->interface != NULL && *initial->interface != '\0' &&
	    !value_interface(initial->interface, &expected))
		return refuse_wanted(error, "interface", initial->interface, expected);
	if (initial->firewall != NULL &&
	    !value_word(&ignored, conf_firewall_words, initial->firewall))
		return refuse_wanted(error, "firewall", initial->firewall, "nft, iptables or none");
	return true;
}

/* `text` and `secrets`, two of CONF_KEY_BYTES, are locked memory. */
static bool print_initial(char *text, const struct conf_initial *initial, uint8_t *secrets)
{
	char private_key[SECRET_BASE64_BYTES(CONF_KEY_BYTES)];
	char shield_key[SECRET_BASE64_BYTES(CONF_KEY_BYTES)];
	char public_text[SECRET_BASE64_BYTES(CONF_KEY_BYTES)];
	uint8_t public_key[CONF_KEY_BYTES];
	int length;

	secret_random(secrets, 2 * CONF_KEY_BYTES);
	openme_server_public(public_key, secrets);
	secret_to_base64(private_key, sizeof private_key, secrets, CONF_KEY_BYTES);
	secret_to_base64(shield_key, sizeof shield_key, secrets + CONF_KEY_BYTES, CONF_KEY_BYTES);
	secret_to_base64(public_text, sizeof public_text, public_key, sizeof public_key);
	length =
	    snprintf(text, INITIAL_BYTES, initial_text, initial->host == NULL ? "" : initial->host,
	        initial->udp_port == 0 ? DEFAULT_PORT : (unsigned int)initial->udp_port,
	        initial->firewall == NULL ? "nft" : initial->firewall,
	        initial->interface == NULL ? "" : initial->interface, private_key, public_text,
	        shield_key);
	secret_wipe(private_key, sizeof private_key);
	secret_wipe(shield_key, sizeof shield_key);
	return length > 0 && length < INITIAL_BYTES;
}

static bool make_folder_of(const char *path, struct conf_error *error)
{
	char *folder = file_folder(path);
	bool ok = folder == NULL ? conf_fail(error, "%s: not enough memory to write it", path)
	                         : file_make_folder(folder, error);

	free(folder);
	return ok;
}

bool conf_write_initial(
    const char *path, const struct conf_initial *initial, struct conf_error *error)
{
	char *text = secret_alloc(INITIAL_BYTES);
	uint8_t *secrets = secret_alloc(2 * (size_t)CONF_KEY_BYTES);
	struct conf *conf = NULL;
	bool ok = false;

	if (!check_initial(initial, error))
		goto out;
	if (!initial->force && access(path, F_OK) == 0) {
		conf_fail(error, "%s: exists already; --force replaces it, and its keys", path);
		goto out;
	}
	if (text == NULL || secrets == NULL || !print_initial(text, initial, secrets)) {
		conf_fail(error, "%s: not enough memory to write it", path);
		goto out;
	}
	conf = conf_load_text(path, text, strlen(text), error);
	ok = conf != NULL && make_folder_of(path, error) &&
	     file_write(path, text, strlen(text), initial->force, error);
out:
	conf_free(conf);
	secret_free(text);
	secret_free(secrets);
	return ok;
}

/* Checks the configuration as it would be with `text` as clients.d/NAME and writes that file, which
 * has no name yet; without `file` it only checks. Frees the text; NULL: memory was short. */
static bool write_client_file(struct new_file *file, const struct conf *conf, const char *client,
    const char *suffix, char *text, struct conf_error *error)
{
	char label[CLIENT_NAME_BYTES], name[CLIENT_NAME_BYTES + 16];
	struct conf_overlay overlay = {name, text};
	struct conf *next = NULL;
	char *path = NULL;
	bool ok = false;

	value_label(label, client);
	snprintf(name, sizeof name, "%s%s", label, suffix);
	path = file_join(conf->clients_folder, name);
	if (path == NULL || text == NULL)
		conf_fail(error, "%s: not enough memory to write it", name);
	else
		ok = (next = conf_load_with(conf->path, &overlay, CONF_INDEX_DEFAULT, error)) !=
		         NULL &&
		     (file == NULL || (file_make_folder(conf->clients_folder, error) &&
		                          ((new_file_open(file, path) &&
		                               file_write_whole(file->fd, text, strlen(text))) ||
		                              file_write_fail(error, path))));
	if (!ok && file != NULL)
		new_file_close(file);
	conf_free(next);
	free(path);
	free(text);
	return ok;
}

static void put_items(const char *const *items, size_t count, FILE *to)
{
	for (size_t i = 0; i < count; i++) {
		fputs("      - ", to);
		show_string(items[i], to);
		fputc('\n', to);
	}
}

/* Allocated; NULL when memory is short. */
static char *new_client_text(const struct conf_new_client *client)
{
	char key[SECRET_BASE64_BYTES(CLIENT_KEY_BYTES)];
	char *text = NULL;
	size_t size = 0;
	FILE *to = open_memstream(&text, &size);

	if (to == NULL)
		return NULL;
	secret_to_base64(key, sizeof key, client->public_key, sizeof client->public_key);
	fputs("# Written by `postern add`; yours to edit. Takes effect with `postern reload`.\n"
	      "clients:\n  ",
	    to);
	show_string(client->name, to);
	fprintf(to, ":\n    ed25519_pubkey: \"%s\"\n    allowed_ports:\n", key);
	if (client->port_count == 0)
		fputs("      - default\n", to);
	put_items(client->ports, client->port_count, to);
	if (client->target_count > 0)
		fputs("    targets:\n", to);
	put_items(client->targets, client->target_count, to);
	if (client->expires_ns != NEVER_NS) {
		fputs("    expires: ", to);
		show_time(client->expires_ns, to);
		fputc('\n', to);
	}
	if (fclose(to) == 0)
		return text;
	free(text);
	return NULL;
}

static bool check_new_client(
    const struct conf *conf, const struct conf_new_client *client, struct conf_error *error)
{
	const struct conf_client *twin = conf_client_named(conf, client->name);
	const char *expected = NULL;

	if (!value_name(client->name, &expected))
		return refuse_wanted(error, "client name", client->name, expected);
	if (twin != NULL)
		return conf_fail(error,
		    "client \"%s\" stands in %s:%u already%s; choose another name, "
		    "or take that one out first",
		    client->name, twin->file, twin->place.line,
		    twin->revoked.yes ? ", revoked" : "");
	for (size_t i = 0; i < conf_client_count(conf); i++) {
		twin = conf_client(conf, i);
		if (twin->ed25519_pubkey.given &&
		    memcmp(twin->ed25519_pubkey.bytes, client->public_key, CLIENT_KEY_BYTES) == 0)
			return conf_fail(error,
			    "the key is that of client \"%s\" (%s:%u) already%s; expected another",
			    twin->name, twin->file, twin->place.line,
			    twin->revoked.yes ? ", revoked" : "");
	}
	for (size_t i = 0; i < client->port_count; i++) {
		char problem[400];

		if (conf_knows_ports(conf, client->ports[i]))
			continue;
		conf_unknown_ports(conf, client->ports[i], problem, sizeof problem);
		return conf_fail(error, "ports: %s", problem);
	}
	return true;
}

bool conf_add_client(const char *path, const struct conf_new_client *client, struct new_file *file,
    struct conf_error *error)
{
	struct conf *conf = conf_load_indexed(path, CONF_INDEX_DEFAULT, NULL, error);
	bool ok =
	    conf != NULL && check_new_client(conf, client, error) &&
	    write_client_file(file, conf, client->name, ".yaml", new_client_text(client), error);

	conf_free(conf);
	return ok;
}

static bool fail_no_client(const struct conf *conf, const char *name, struct conf_error *error)
{
	struct value_guess guess = {.text = name};
	char quoted[160];

	for (size_t i = 0; i < conf->client_count; i++)
		value_consider(&guess, conf->clients[i].name);
	value_quoted(quoted, sizeof quoted, name, 64);
	if (guess.best != NULL)
		return conf_fail(error, "no client %s; did you mean \"%s\"?", quoted, guess.best);
	return conf_fail(error, "no client %s; `postern list` shows who there is", quoted);
}

static char *override_text(const char *name, int64_t now_ns)
{
	char *text = NULL;
	size_t size = 0;
	FILE *to = open_memstream(&text, &size);

	if (to == NULL)
		return NULL;
	fputs(
	    "# Written by `postern revoke`. It wins wherever the client stands; to let the client\n"
	    "# in again, remove this file and reload.\n"
	    "clients:\n  ",
	    to);
	show_string(name, to);
	fputs(":\n    revoked: ", to);
	show_time(now_ns, to);
	fputc('\n', to);
	if (fclose(to) == 0)
		return text;
	free(text);
	return NULL;
}

bool conf_revoke_client(
    const char *path, const char *name, int64_t now_ns, struct conf_error *error)
{
	struct conf *conf = conf_load_indexed(path, CONF_INDEX_DEFAULT, NULL, error);
	const struct conf_client *client = NULL;
	struct new_file file = {0};
	bool ok = false;

	if (conf == NULL)
		return false;
	client = conf_client_named(conf, name);
	if (client == NULL)
		fail_no_client(conf, name, error);
	else
		/* No label ends like this, so this is nobody's own file. */
		ok = client->revoked.yes || (write_client_file(&file, conf, name, "+revoked.yaml",
		                                 override_text(name, now_ns), error) &&
		                                (new_file_commit(&file, true) ||
		                                    file_write_fail(error, conf->clients_folder)));
	conf_free(conf);
	return ok;
}
