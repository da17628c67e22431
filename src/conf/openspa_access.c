/* What others may see of the section `openspa`. */
#include <string.h>

#include "conf/file.h"
#include "conf/kinds.h"
#include "conf/openspa.h"
#include "conf/section.h"
#include "conf/values.h"
#include "proto/rsa_value.h"

char *openspa_file(const struct conf *conf, const char *path)
{
	return *path == '/' ? strdup(path) : file_join(conf->folder, path);
}

const struct conf_openspa *conf_openspa(const struct conf *conf)
{
	return &conf->openspa;
}

bool conf_wants_public(const struct conf *conf)
{
	const struct conf_openspa *s = &conf->openspa;

	return conf->has_openspa && s->server_ip.count == 0 &&
	       (*s->echo_ipv4_server.text != '\0' || *s->echo_ipv6_server.text != '\0');
}

void conf_set_public(struct conf *conf, const struct addr found[static 2])
{
	memcpy(conf->public, found, sizeof conf->public);
}

const struct rsa_secret *conf_openspa_secret(const struct conf *conf)
{
	return conf->openspa_secret;
}

const struct conf_program *conf_openspa_program(const struct conf *conf, enum conf_task task)
{
	return &conf->programs[task];
}

const char *conf_openspa_writable(const struct conf *conf)
{
	return conf->writable;
}

size_t conf_device_count(const struct conf *conf)
{
	return conf->device_count;
}

const struct conf_device *conf_device(const struct conf *conf, size_t index)
{
	return &conf->devices[index];
}

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

void openspa_show(const struct conf *conf, FILE *to)
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
