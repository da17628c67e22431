/* What others may see of the section `openspa`. */
#include <string.h>

#include "conf/openspa.h"
#include "conf/values.h"

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
