#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "conf/error.h"
#include "conf/private.h"
#include "conf/section.h"
#include "files/convert.h"
#include "files/show.h"

#define NO_PORTS_BYTES 32

static const char *const server_keys[] = {"host", "udp_port", "health_port", "firewall",
    "knock_timeout", "replay_window", "private_key", "public_key", "open_knock_port", "drop_ports",
    "interface", "default_profile", NULL};
static const char *const client_keys[] = {
    "ed25519_pubkey", "expires", "disable_health_port", "allowed_ports", "revoked", NULL};

/* On one line, whatever a name puts into it. */
__attribute__((format(printf, 2, 3))) static void note(FILE *notes, const char *format, ...)
{
	struct conf_error line;
	char text[sizeof line.text];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	conf_fail(&line, "%s", text);
	fprintf(notes, "%s\n", line.text);
}

static bool holds(const char *const *keys, const char *key)
{
	while (*keys != NULL && strcmp(*keys, key) != 0)
		keys++;
	return *keys != NULL;
}

/* Allocated; "" for one that is not given, NULL when memory is short. */
static char *shown(const struct conf_field *field, const void *from)
{
	char *text = NULL;
	size_t size = 0;
	FILE *to = open_memstream(&text, &size);

	if (to == NULL)
		return NULL;
	field_show(field, from, to);
	fclose(to);
	return text;
}

/* What openme has no key for, where it is not as it would be without it. */
static void note_lost(const struct conf_section *section, const void *from, const void *defaults,
    const char *const *kept, const char *path, FILE *notes)
{
	for (size_t i = 0; i < section->count; i++) {
		const struct conf_field *field = &section->fields[i];
		char *is, *was;

		if (holds(kept, field->key))
			continue;
		is = shown(field, from);
		was = shown(field, defaults);
		if (is == NULL || was == NULL || strcmp(is, was) != 0)
			note(notes, "%s.%s: left out, openme has no such key: %s", path, field->key,
			    is == NULL ? "" : is);
		free(is);
		free(was);
	}
}

static void put_key(const char *name, const uint8_t *bytes, FILE *to)
{
	char text[SECRET_BASE64_BYTES(CONF_KEY_BYTES)];

	secret_to_base64(text, sizeof text, bytes, CONF_KEY_BYTES);
	fprintf(to, "  %s: ", name);
	fputc('"', to);
	fputs(text, to);
	fputs("\"\n", to);
	secret_wipe(text, sizeof text);
}

static void put_server(const struct conf *conf, FILE *to, FILE *notes)
{
	struct conf_server server = conf->server, defaults;

	if (server.firewall == CONF_FIREWALL_NONE) {
		note(notes, "server.firewall: none became nft, for openme has no other");
		server.firewall = CONF_FIREWALL_NFT;
	}
	fputs("server:\n", to);
	for (size_t i = 0; i < conf_server_section.count; i++) {
		const struct conf_field *field = &conf_server_section.fields[i];
		char *text = shown(field, &server);

		if (text != NULL && *text != '\0' && holds(server_keys, field->key) &&
		    field->kind != CONF_KIND_SECRET && field->kind != CONF_KIND_KEY)
			fprintf(to, "  %s: %s\n", field->key, text);
		free(text);
	}
	put_key("private_key", server.private_key.bytes, to);
	put_key("public_key", conf->public_key, to);
	if (section_defaults(&conf_server_section, &defaults))
		note_lost(&conf_server_section, &server, &defaults, server_keys, "server", notes);
	section_free(&conf_server_section, &defaults);
}

/* openme takes what has a dash or a slash for ports. */
static bool openme_can_name(const char *group)
{
	return strpbrk(group, "-/") == NULL && strspn(group, "0123456789") < strlen(group);
}

/* The name of a group without ports, which a list of none is written as. */
static void find_no_ports(char name[static NO_PORTS_BYTES], const struct conf *conf)
{
	const struct conf_group *group;

	snprintf(name, NO_PORTS_BYTES, "no_ports");
	while ((group = conf_group_named(conf, name)) != NULL && group->specs.count > 0 &&
	       strlen(name) + 1 < NO_PORTS_BYTES)
		memcpy(name + strlen(name), "_", 2);
}

static void put_list(const struct conf *conf, const struct conf_list *list, FILE *to)
{
	char no_ports[NO_PORTS_BYTES];
	bool any = false;

	fputc('[', to);
	for (size_t i = 0; i < list->count; i++) {
		const struct conf_group *group = conf_group_named(conf, list->items[i].text);
		bool spread = group != NULL && !openme_can_name(group->name);
		const struct conf_list one = {&list->items[i], 1};
		const struct conf_list *these = spread ? &group->specs : &one;

		for (size_t j = 0; j < these->count; j++) {
			fputs(any ? ", " : "", to);
			show_string(these->items[j].text, to);
			any = true;
		}
	}
	find_no_ports(no_ports, conf);
	fprintf(to, "%s]", any ? "" : no_ports);
}

static void put_groups(const struct conf *conf, FILE *to, FILE *notes)
{
	char no_ports[NO_PORTS_BYTES];

	fputs("ports:\n", to);
	for (size_t i = 0; i < conf->group_count; i++) {
		const struct conf_group *group = &conf->groups[i];

		if (!openme_can_name(group->name)) {
			note(notes,
			    "ports.%s: its ports stand at each client, for openme takes such a "
			    "name for ports",
			    group->name);
			continue;
		}
		fputs("  ", to);
		show_string(group->name, to);
		fputs(": ", to);
		list_show(&group->specs, to);
		fputc('\n', to);
	}
	find_no_ports(no_ports, conf);
	if (conf_group_named(conf, no_ports) == NULL)
		fprintf(to, "  %s: []\n", no_ports);
}

static void put_client(
    const struct conf *conf, const struct conf_client *client, FILE *to, FILE *notes)
{
	const bool shut_health = client->disable_health_port == 1 || conf->server.health_port == 0;
	struct conf_client defaults;
	char path[CLIENT_NAME_BYTES + 16];

	snprintf(path, sizeof path, "clients.%s", client->name);
	if (client->revoked.yes) {
		note(notes, "%s: left out, for it is revoked, which openme cannot say", path);
		return;
	}
	if (!client->ed25519_pubkey.given) {
		note(notes, "%s: left out, for it has no key, and openme ends at a knock then",
		    path);
		return;
	}
	fputs("  ", to);
	show_string(client->name, to);
	fputs(":\n  ", to);
	put_key("ed25519_pubkey", client->ed25519_pubkey.bytes, to);
	if (client->allowed_ports.count > 0) {
		fputs("    allowed_ports: ", to);
		put_list(conf, &client->allowed_ports, to);
		fputc('\n', to);
	}
	if (client->expires != NEVER_NS) {
		fputs("    expires: ", to);
		show_time(client->expires, to);
		fputc('\n', to);
	}
	if (shut_health)
		fputs("    disable_health_port: true\n", to);
	if (section_defaults(&conf_client_section, &defaults))
		note_lost(&conf_client_section, client, &defaults, client_keys, path, notes);
	section_free(&conf_client_section, &defaults);
}

void convert_to_openme(const struct conf *conf, FILE *to, FILE *notes)
{
	put_server(conf, to, notes);
	put_groups(conf, to, notes);
	fputs(conf->client_count == 0 ? "clients: {}\n" : "clients:\n", to);
	for (size_t i = 0; i < conf->client_count && ferror(to) == 0; i++)
		put_client(conf, &conf->clients[i], to, notes);
	if (conf->has_openspa)
		note(notes, "openspa: left out, for openme does not serve it");
}
