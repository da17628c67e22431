#include "cmd/add.h"

#include <errno.h>
#include <langinfo.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/line.h"
#include "base/secret.h"
#include "cmd/daemon.h"
#include "cmd/json.h"
#include "cmd/outfile.h"
#include "cmd/qr.h"
#include "cmd/shut_out.h"
#include "cmd/text.h"
#include "conf/client_index.h"
#include "conf/conf.h"
#include "files/write_file.h"

/* --- What the client needs, as texts */

#define PUBLIC_BYTES           32
#define PRIVATE_BYTES          64
#define PROVISION_QUOTED_BYTES (2 * CONF_TEXT_BYTES + 3)

static void put_key(
    struct line *s, const char *before, const uint8_t *key, size_t size, const char *after)
{
	char text[SECRET_BASE64_BYTES(PRIVATE_BYTES)];

	if (key == NULL)
		return;
	secret_to_base64(text, sizeof text, key, size);
	line_add(s, "%s%s%s", before, text, after);
	secret_wipe(text, sizeof text);
}

bool provision_yaml(char *out, size_t size, const struct provision *p)
{
	struct line s = {.text = out, .size = size};
	char quoted[PROVISION_QUOTED_BYTES];

	line_add(&s, "profiles:\n    %s:\n", text_yaml(quoted, sizeof quoted, p->profile));
	line_add(&s, "        server_host: %s\n", text_yaml(quoted, sizeof quoted, p->host));
	line_add(&s, "        server_udp_port: %u\n", p->udp_port);
	put_key(&s, "        server_pubkey: ", p->server_public, PUBLIC_BYTES, "\n");
	put_key(&s, "        private_key: ", p->client_secret, PRIVATE_BYTES, "\n");
	put_key(&s, "        public_key: ", p->client_public, PUBLIC_BYTES, "\n");
	put_key(&s, "        shield_key: ", p->shield_key, PUBLIC_BYTES, "\n");
	if (p->own_address)
		line_add(&s, "        own_address: yes\n");
	return !s.cut;
}

bool provision_json(char *out, size_t size, const struct provision *p)
{
	struct line s = {.text = out, .size = size};
	char quoted[PROVISION_QUOTED_BYTES];

	/* Hosts and base64 hold nothing that JSON would escape. */
	line_add(&s, "{\"profile\":%s,\"host\":\"%s\",\"udp_port\":%u",
	    text_json(quoted, sizeof quoted, p->profile), p->host, p->udp_port);
	put_key(&s, ",\"server_pubkey\":\"", p->server_public, PUBLIC_BYTES, "\"");
	put_key(&s, ",\"client_privkey\":\"", p->client_secret, PRIVATE_BYTES, "\"");
	put_key(&s, ",\"client_pubkey\":\"", p->client_public, PUBLIC_BYTES, "\"");
	put_key(&s, ",\"shield_key\":\"", p->shield_key, PUBLIC_BYTES, "\"");
	line_add(&s, "}");
	return !s.cut;
}

/* --- Registering it */

/* A key pair, unless the public half came from the command line: then *secret stays NULL. */
static bool make_keys(struct cli *cli, struct add *add, uint8_t **secret)
{
	if (add->public_key_given)
		return true;
	*secret = secret_alloc(crypto_sign_SECRETKEYBYTES);
	if (*secret == NULL)
		return cli_refuse(cli, CLI_FAILED, "no locked memory for a private key");
	crypto_sign_keypair(add->client.public_key, *secret);
	return true;
}

/* The QR code, and the file it goes to, if one is wanted: written, but not in its place yet. */
struct codes {
	QRcode *qr;
	struct outfile picture;
};

static bool wants_code(const struct add *add)
{
	return add->qr || add->qr_out != NULL;
}

static bool make_codes(
    struct cli *cli, const struct add *add, const char *json, struct codes *codes)
{
	codes->qr = qr_encode(json);
	if (codes->qr == NULL)
		return cli_stop(cli, cli_fail_errno(cli, "cannot make a QR code"));
	if (add->qr_out == NULL)
		return true;
	if (outfile_open(&codes->picture, add->qr_out))
		return qr_write_png(codes->qr, codes->picture.file) ||
		       cli_stop(cli, cli_fail_errno(cli, "cannot write %s", add->qr_out));
	if (errno == EEXIST)
		return cli_refuse(cli, CLI_FAILED, "%s is there and is no plain file", add->qr_out);
	return cli_stop(cli, cli_fail_errno(cli, "cannot write %s", add->qr_out));
}

#define SAID_AFTER 4 /* rows that push the code up: what is said, and the prompt */

/* Its size, without these rows; none where standard error is no terminal. */
static struct winsize terminal_room(void)
{
	struct winsize size = {0};

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row <= SAID_AFTER)
		return (struct winsize){0};
	size.ws_row = (unsigned short)(size.ws_row - SAID_AFTER);
	return size;
}

static void draw_code(const struct cli *cli, const QRcode *qr)
{
	const char *refused = getenv("NO_COLOR");
	const struct winsize room = terminal_room();
	const struct qr_style style = {.utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0,
	    .colour = isatty(STDERR_FILENO) && (refused == NULL || *refused == '\0'),
	    .rows = room.ws_row};
	int rows, columns;

	qr_draw(qr, stderr, &style);
	qr_measure(qr, &style, &rows, &columns);
	if (room.ws_row > 0 && (rows > room.ws_row || columns > room.ws_col))
		cli_warn(cli,
		    "the code takes %d rows and %d columns, with what follows; this terminal has "
		    "%d and %d: make its letters smaller, or write a picture with --qr-out",
		    rows + SAID_AFTER, columns, room.ws_row + SAID_AFTER, room.ws_col);
}

/* On a terminal that shows the code nobody needs the private key beside it, to be read over a
 * shoulder or left in the scrollback. Whoever wants the profile, too, directs it to a file. */
static bool is_profile_hidden(const struct cli *cli, const struct add *add)
{
	return add->qr && !add->no_privkey && !add->public_key_given && !cli->json &&
	       isatty(STDOUT_FILENO);
}

static bool hand_over(
    struct cli *cli, const struct add *add, const char *text, const struct codes *codes)
{
	if (is_profile_hidden(cli, add))
		draw_code(cli, codes->qr);
	/* Unbuffered, so that no copy of the key stays behind in stdio. */
	else if (!file_write_whole(STDOUT_FILENO, text, strlen(text)))
		return cli_stop(
		    cli, cli_fail_errno(cli, "cannot write the profile to standard output"));
	return true;
}

/* The profile first, the client last: whoever is killed in between has printed a profile of no
 * use, and no client is registered whose key nobody has. */
static bool deliver(struct cli *cli, const struct add *add, const char *text, struct codes *codes,
    struct new_file *client)
{
	signal(SIGPIPE, SIG_IGN); /* a reader that is gone is a failure */
	if (codes->picture.file != NULL && !outfile_commit(&codes->picture))
		return cli_stop(cli, cli_fail_errno(cli, "cannot write %s", add->qr_out));
	if (!hand_over(cli, add, text, codes))
		; /* it has said why */
	else if (!new_file_commit(client, false))
		cli->status = cli_fail_errno(cli,
		    "cannot register \"%s\", and the profile that was printed is of no use",
		    add->client.name);
	else
		return true;
	if (add->qr_out != NULL)
		unlink(add->qr_out);
	return false;
}

static void tell(const struct cli *cli, const struct add *add, bool shielded)
{
	bool both = wants_code(add) && !add->no_privkey;
	char fingerprint[TEXT_FINGERPRINT_BYTES];

	cli_say(cli, "Client \"%s\" added, key fingerprint %s.", add->client.name,
	    text_fingerprint(add->client.public_key, fingerprint));
	if (add->qr_out != NULL)
		cli_say(cli, "QR code written to %s.", add->qr_out);
	if (add->public_key_given)
		cli_say(cli, "Its private key is not in the profile: add it there as private_key.");
	if (add->public_key_given && shielded)
		cli_warn(cli, "the profile holds the server's shield key: treat it as a secret");
	else if (add->public_key_given)
		; /* no secret in it */
	else if (is_profile_hidden(cli, add))
		cli_warn(cli,
		    "the QR code holds the client's private key, which is stored nowhere: "
		    "treat it as a secret (for the profile as text, direct the output to "
		    "a file)");
	else if (both)
		cli_warn(cli, "the profile and the QR code hold the client's private key: "
		              "treat them as secrets");
	else
		cli_warn(cli, "the profile holds the client's private key: treat it as a secret");
	if (add->no_privkey && wants_code(add))
		cli_say(cli, "The QR code is without the private key%s.",
		    shielded ? " and the shield key" : "");
}

static bool write_texts(
    struct cli *cli, const struct add *add, const struct provision *p, char *text, char *json)
{
	struct provision code = *p;
	bool fits;

	if (add->no_privkey)
		code.client_secret = code.shield_key = NULL; /* no secret at all */
	fits = provision_json(json, PROVISION_TEXT_BYTES, &code);
	if (!cli->json)
		fits = fits && provision_yaml(text, PROVISION_TEXT_BYTES, p);
	else if (fits && provision_json(text, PROVISION_TEXT_BYTES - 1, p))
		memcpy(text + strlen(text), "\n", 2);
	if (!fits)
		cli->status = cli_fail(cli, CLI_FAILED, "the profile is too long");
	return fits;
}

/* Where a port belongs, what a service of that name has; "" when nobody knows one. */
static const char *ports_of_service(char out[static 32], const char *name)
{
	const struct servent *tcp = getservbyname(name, "tcp");
	int port = tcp == NULL ? 0 : ntohs((uint16_t)tcp->s_port);
	const struct servent *udp = getservbyname(name, "udp"); /* in the same place */
	bool both = port != 0 && udp != NULL && ntohs((uint16_t)udp->s_port) == port;

	if (port == 0 && udp != NULL)
		snprintf(out, 32, "%u/udp", ntohs((uint16_t)udp->s_port));
	else if (port != 0)
		snprintf(out, 32, both ? "%d/tcp or %d/udp" : "%d/tcp", port, port);
	else
		*out = '\0';
	return out;
}

/* With a remedy where the word that was refused is the name of a service. */
static enum cli_exit fail_to_register(
    const struct cli *cli, const struct add *add, const struct conf_error *error)
{
	char quoted[CONF_TEXT_BYTES + 16], service[32];

	for (size_t i = 0; i < add->ports.count; i++) {
		snprintf(quoted, sizeof quoted, "found \"%s\"", add->ports.items[i]);
		if (strstr(error->text, quoted) != NULL &&
		    *ports_of_service(service, add->ports.items[i]) != '\0')
			return cli_fail(
			    cli, CLI_FAILED, "%s; did you mean %s?", error->text, service);
	}
	return cli_fail_conf(cli, CLI_FAILED, error);
}

/* Everything that can fail is tried before the profile is handed over. */
static enum cli_exit add_client(struct cli *cli, const struct add *add, const struct provision *p)
{
	char *text = secret_alloc(PROVISION_TEXT_BYTES), *json = secret_alloc(PROVISION_TEXT_BYTES);
	struct codes codes = {0};
	struct new_file client = {0};
	struct conf_error error = {0};

	cli->status = CLI_DONE;
	if (text == NULL || json == NULL)
		cli->status = cli_fail(cli, CLI_FAILED, "no locked memory for the profile");
	else if (!write_texts(cli, add, p, text, json) ||
	         (wants_code(add) && !make_codes(cli, add, json, &codes)))
		; /* it has said why */
	else if (!conf_add_client(cli->config, &add->client, &client, &error))
		cli->status = fail_to_register(cli, add, &error);
	else if (deliver(cli, add, text, &codes, &client) && add->qr &&
	         !is_profile_hidden(cli, add))
		draw_code(cli, codes.qr);
	new_file_close(&client);
	outfile_close(&codes.picture);
	qr_free(codes.qr);
	secret_free(text);
	secret_free(json);
	return cli->status;
}

/* All that can be refused; a key that was made for it is thrown away. */
static enum cli_exit check_only(struct cli *cli, struct add *add)
{
	struct conf_error error = {0};
	struct json j = {.to = stdout};

	if (!conf_add_client(cli->config, &add->client, NULL, &error))
		return cli_fail_conf(cli, CLI_FAILED, &error);
	if (cli->json) {
		json_open(&j, NULL, '{');
		json_bool(&j, "dry_run", true);
		json_string(&j, "client", add->client.name);
		json_close(&j, '}');
	} else if (!cli->quiet) {
		printf("Would register client \"%s\". Nothing was changed.\n", add->client.name);
	}
	return CLI_DONE;
}

enum cli_exit add_register(struct cli *cli, struct add *add)
{
	struct conf *conf = cli_load_conf(cli);
	const struct conf_server *server;
	uint8_t *secret = NULL;
	struct provision p = {0};

	if (conf == NULL)
		return cli->status;
	server = conf_server(conf);
	if (server->host.text[0] == '\0')
		cli->status = cli_fail(cli, CLI_CONFIG,
		    "%s says no server.host, and clients need to know where to knock", cli->config);
	else if (make_keys(cli, add, &secret) && add->dry_run) {
		cli->status = check_only(cli, add);
	} else if (add->public_key_given || secret != NULL) {
		p = (struct provision){
		    .profile = add->profile != NULL ? add->profile
		               : server->default_profile.text[0] != '\0'
		                   ? server->default_profile.text
		                   : "default",
		    .host = server->host.text,
		    .udp_port = (uint16_t)server->udp_port,
		    .server_public = conf_server_public(conf),
		    .client_public = add->client.public_key,
		    .client_secret = secret,
		    .shield_key = server->shield_key.bytes,
		    .own_address = server->wildcard == 0,
		};
		cli->status = add_client(cli, add, &p);
	}
	secret_free(secret);
	conf_free(conf);
	if (cli->status != CLI_DONE || add->dry_run)
		return cli->status;
	tell(cli, add, p.shield_key != NULL);
	if (add->no_reload ||
	    !shut_out_ask(cli, CONF_INDEX_FOLDER, "Have posternd take it over now? Type yes: "))
		return cli->status;
	return daemon_take_over(cli);
}
