/* server.interface, found among the devices of this host. */
#include <stdlib.h>
#include <string.h>

#include "base/line.h"
#include "conf/error.h"
#include "conf/links.h"
#include "conf/private.h"
#include "conf/values.h"

struct devices {
	struct link *links;
	size_t count;
};

static const struct link *by_index(const struct devices *d, int index)
{
	for (size_t i = 0; i < d->count; i++) {
		if (d->links[i].index == index)
			return &d->links[i];
	}
	return NULL;
}

/* The one that gets at last what comes in at `link`: a bridge may belong to a VRF. */
static const struct link *taker_of(const struct devices *d, const struct link *link)
{
	for (size_t steps = 0; link != NULL && link->master != 0 && steps < d->count; steps++)
		link = by_index(d, link->master);
	return link;
}

static bool refuse(const struct conf *conf, struct conf_error *error, const char *problem)
{
	return conf_fail(error, "%s:%u:%u: server.interface: %s", conf->path,
	    conf->interface_place.line, conf->interface_place.column, problem);
}

static bool refuse_missing(
    const struct conf *conf, const struct devices *d, struct conf_error *error)
{
	const char **names = calloc(d->count + 1, sizeof *names);
	const char *nearest = NULL;
	char text[600], quoted[96];
	struct line l = {.text = text, .size = sizeof text};
	bool more = true;

	line_add(&l, "found %s; expected an interface of this host:",
	    value_quoted(quoted, sizeof quoted, conf->server.interface.text, 64));
	for (size_t i = 0; i < d->count && more; i++) {
		more = i + 1 == d->count || l.used <= sizeof text - 100;
		line_add(&l, "%s %s%s", i > 0 ? "," : "", d->links[i].name, more ? "" : ", ...");
	}
	for (size_t i = 0; names != NULL && i < d->count; i++)
		names[i] = d->links[i].name;
	if (names != NULL)
		nearest = value_nearest(conf->server.interface.text, names, d->count);
	free(names);
	if (nearest != NULL)
		line_add(&l, "; did you mean \"%s\"?", nearest);
	return refuse(conf, error, text);
}

static bool refuse_slave(
    struct conf *conf, const struct devices *d, const struct link *link, struct conf_error *error)
{
	const struct link *master = by_index(d, link->master), *taker = taker_of(d, link);
	char text[400], quoted[96];

	value_quoted(quoted, sizeof quoted, conf->server.interface.text, 64);
	if (taker == NULL)
		return refuse(conf, error, "found a device that belongs to one that is just going");
	conf_keep_interface(conf, taker->name);
	if (strcmp(taker->kind, "openvswitch") == 0)
		snprintf(text, sizeof text,
		    "found %s, whose packets go to Open vSwitch; expected the bridge's own port",
		    quoted);
	else
		snprintf(text, sizeof text,
		    "found %s, whose packets go to \"%s\" (%s), which it belongs to; expected \"%s\"",
		    quoted, master->name, master->kind, taker->name);
	return refuse(conf, error, text);
}

static bool find(struct conf *conf, const struct devices *d, struct conf_error *error)
{
	const struct link *link = NULL;
	const char *expected = NULL;

	for (size_t i = 0; i < d->count && link == NULL; i++)
		link = d->links[i].wanted ? &d->links[i] : NULL;
	if (link == NULL)
		return refuse_missing(conf, d, error);
	if (link->master != 0)
		return refuse_slave(conf, d, link, error);
	if (!value_interface(link->name, &expected))
		return refuse(conf, error, "found a device with a name that no rule can hold");
	memcpy(conf->interface, link->name, sizeof conf->interface);
	return true;
}

bool conf_find_interface(struct conf *conf, struct conf_error *error)
{
	struct devices d = {NULL, 0};
	bool ok;

	if (*conf->server.interface.text == '\0')
		return true;
	if (!links_read(&d.links, &d.count, conf->server.interface.text))
		return conf_fail_system(error, "server.interface", "list the network interfaces");
	ok = find(conf, &d, error);
	free(d.links);
	return ok;
}

void conf_keep_interface(struct conf *conf, const char *name)
{
	bool own = strlen(name) < sizeof conf->interface;

	snprintf(conf->interface, sizeof conf->interface, "%s", own ? name : "");
}

const char *conf_interface(const struct conf *conf)
{
	return conf->interface;
}
