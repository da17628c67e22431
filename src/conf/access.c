/* What others may see of a configuration. */
#include <stdlib.h>
#include <string.h>

#include "conf/kinds.h"
#include "conf/private.h"
#include "conf/section.h"
#include "conf/values.h"

const char *conf_path(const struct conf *conf)
{
	return conf->path;
}

const struct conf_server *conf_server(const struct conf *conf)
{
	return &conf->server;
}

bool conf_has_openme(const struct conf *conf)
{
	return conf->server.private_key.bytes != NULL;
}

bool conf_has_openspa(const struct conf *conf)
{
	return conf->has_openspa;
}

const uint8_t *conf_server_secret(const struct conf *conf)
{
	return conf->server.private_key.bytes;
}

const uint8_t *conf_server_public(const struct conf *conf)
{
	return conf->public_key;
}

size_t conf_warning_count(const struct conf *conf)
{
	return conf->warning_count;
}

const char *conf_warning(const struct conf *conf, size_t index)
{
	return conf->warnings[index];
}

size_t conf_client_count(const struct conf *conf)
{
	return conf->client_count;
}

const struct conf_client *conf_client(const struct conf *conf, size_t index)
{
	return &conf->clients[index];
}

static int name_and_client(const void *name, const void *client)
{
	return strcmp(name, ((const struct conf_client *)client)->name);
}

const struct conf_client *conf_client_named(const struct conf *conf, const char *name)
{
	if (conf->client_count == 0)
		return NULL;
	return bsearch(
	    name, conf->clients, conf->client_count, sizeof *conf->clients, name_and_client);
}

static int name_and_group(const void *name, const void *group)
{
	return strcmp(name, ((const struct conf_group *)group)->name);
}

const struct conf_group *conf_group_named(const struct conf *conf, const char *name)
{
	if (conf->group_count == 0)
		return NULL;
	return bsearch(name, conf->groups, conf->group_count, sizeof *conf->groups, name_and_group);
}

static char default_name[] = "default";
static struct conf_item default_item = {.text = default_name};
static const struct conf_list default_ports = {&default_item, 1};

const struct conf_list *conf_client_ports(const struct conf_client *client)
{
	return client->allowed_ports.count > 0 ? &client->allowed_ports : &default_ports;
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

const struct conf_device *conf_device_named(const struct conf *conf, const char *name)
{
	uint8_t uuid[DEVICE_UUID_BYTES];
	const char *ignored = NULL;
	bool is_uuid = value_uuid(uuid, name, &ignored);

	for (size_t i = 0; i < conf->device_count; i++) {
		const struct conf_device *d = &conf->devices[i];

		if (is_uuid ? memcmp(d->uuid, uuid, sizeof uuid) == 0
		            : strcmp(d->name.text, name) == 0)
			return d;
	}
	return NULL;
}
