#include <string.h>

#include "base/uuid.h"
#include "conf/private.h"
#include "files/show.h"

struct shown {
	const char *key;
	enum conf_task task;
};

static void show_programs(const struct conf *conf, enum conf_asked asked, const char *name,
    const struct shown *shown, size_t count, FILE *to)
{
	bool headed = false;

	for (size_t i = 0; i < count; i++) {
		const struct conf_program *program = &conf->programs[shown[i].task];

		if (program->asked != asked)
			continue;
		if (!headed)
			fprintf(to, "  %s:\n", name);
		headed = true;
		fprintf(to, "    %s: ", shown[i].key);
		show_string(program->path, to);
		fputc('\n', to);
	}
}

static void show_device(const struct conf *conf, const struct conf_device *device, FILE *to)
{
	struct conf_device d = *device;
	char uuid[UUID_TEXT_BYTES];

	if (d.targets.count == 0)
		d.targets = conf->openspa.targets;
	if (d.duration == 0)
		d.duration = conf->openspa.duration;
	fprintf(to, "    %s:\n", uuid_text(uuid, d.uuid));
	section_show(&conf_device_section, &d, "      ", to);
}

static void show_openspa(const struct conf *conf, FILE *to)
{
	static const struct shown scripts[] = {{"user_directory_service", CONF_TASK_PUBLIC_KEY},
	    {"authorization", CONF_TASK_AUTHORIZE}, {"rule_add", CONF_TASK_RULE_ADD},
	    {"rule_remove", CONF_TASK_RULE_REMOVE}, {"server_start", CONF_TASK_SERVER_START},
	    {"server_stop", CONF_TASK_SERVER_STOP}};
	static const struct shown helpers[] = {{"user_directory_service", CONF_TASK_PUBLIC_KEY},
	    {"authorization", CONF_TASK_AUTHORIZE}, {"firewall", CONF_TASK_RULE_ADD}};

	fputs("openspa:\n", to);
	section_show(&conf_openspa_section, &conf->openspa, "  ", to);
	show_programs(conf, CONF_ASKED_SCRIPT, "extension_scripts", scripts,
	    sizeof scripts / sizeof *scripts, to);
	show_programs(
	    conf, CONF_ASKED_HELPER, "helpers", helpers, sizeof helpers / sizeof *helpers, to);
	fputs(conf->device_count == 0 ? "  clients: {}\n" : "  clients:\n", to);
	for (size_t i = 0; i < conf->device_count; i++)
		show_device(conf, &conf->devices[i], to);
}

/* A client with the server's settings filled in where it has none of its own. */
static struct conf_client effective(const struct conf *conf, const struct conf_client *client)
{
	struct conf_client c = *client;

	c.allowed_ports = *conf_client_ports(client);
	if (c.targets.count == 0)
		c.targets = conf->server.targets;
	if (c.wildcard == CONF_NOT_GIVEN)
		c.wildcard = conf->server.wildcard;
	if (c.legacy == CONF_NOT_GIVEN)
		c.legacy = conf->server.legacy;
	return c;
}

static void show_client(const struct conf *conf, const struct conf_client *client, FILE *to)
{
	struct conf_client c = effective(conf, client);

	fputs("  ", to);
	show_string(c.name, to);
	fputs(":\n", to);
	section_show(&conf_client_section, &c, "    ", to);
}

bool conf_show(const struct conf *conf, FILE *to)
{
	struct conf_server server = conf->server;

	memcpy(server.public_key.bytes, conf->public_key, sizeof conf->public_key);
	server.public_key.given = conf_has_openme(conf);
	fputs("server:\n", to);
	section_show(&conf_server_section, &server, "  ", to);
	fputs(conf->group_count == 0 ? "ports: {}\n" : "ports:\n", to);
	for (size_t i = 0; i < conf->group_count; i++) {
		fputs("  ", to);
		show_string(conf->groups[i].name, to);
		fputs(": ", to);
		list_show(&conf->groups[i].specs, to);
		fputc('\n', to);
	}
	fputs(conf->client_count == 0 ? "clients: {}\n" : "clients:\n", to);
	for (size_t i = 0; i < conf->client_count; i++)
		show_client(conf, &conf->clients[i], to);
	if (conf->has_openspa)
		show_openspa(conf, to);
	return fflush(to) == 0 && ferror(to) == 0;
}
