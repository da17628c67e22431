/* What others may see of a configuration. */
#include <stdlib.h>
#include <string.h>

#include "conf/kinds.h"
#include "conf/private.h"
#include "conf/section.h"

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

const struct conf_group *conf_group_named(const struct conf *conf, const char *name)
{
	for (size_t i = 0; i < conf->group_count; i++) {
		if (strcmp(conf->groups[i].name, name) == 0)
			return &conf->groups[i];
	}
	return NULL;
}

static char default_name[] = "default";
static struct conf_item default_item = {.text = default_name};
const struct conf_list conf_default_ports = {&default_item, 1};

const struct conf_list *conf_client_ports(const struct conf_client *client)
{
	return client->allowed_ports.count > 0 ? &client->allowed_ports : &conf_default_ports;
}
