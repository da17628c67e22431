/* OpenSPA's clients: from the section `openspa.clients`, and from the folder of their keys. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "conf/error.h"
#include "conf/file.h"
#include "conf/openspa.h"
#include "conf/section.h"
#include "conf/values.h"

/* `count` more. */
static bool make_room(struct conf *conf, size_t count)
{
	size_t room = conf->device_room * 2;
	struct conf_device *more;

	if (conf->device_count + count <= conf->device_room)
		return true;
	if (room < conf->device_count + count)
		room = conf->device_count + count;
	more = reallocarray(conf->devices, room, sizeof *more);
	if (more == NULL)
		return false;
	conf->devices = more;
	conf->device_room = room;
	return true;
}

/* There must be room. */
static struct conf_device *add_device(struct conf *conf, const uint8_t uuid[static 16])
{
	struct conf_device *device = &conf->devices[conf->device_count++];

	memset(device, 0, sizeof *device);
	memcpy(device->uuid, uuid, sizeof device->uuid);
	/* None of its keys has a default that needs memory. */
	section_defaults(&conf_device_section, device);
	return device;
}

static bool load_device(
    const struct openspa_source *s, const struct node *key, struct conf_error *error)
{
	char full[OPENSPA_PATH_BYTES];
	const char *expected = NULL;
	struct conf_device *device;
	uint8_t uuid[DEVICE_UUID_BYTES];

	openspa_path(full, s, "clients", NULL);
	if (!value_uuid(uuid, key->text, &expected))
		return section_refuse(s->tree, key, full, expected, error);
	if (s->conf->device_count == CONF_MAX_CLIENTS || !make_room(s->conf, 1))
		return section_refuse(s->tree, key, full, "fewer devices", error);
	device = add_device(s->conf, uuid);
	device->place = key->place;
	openspa_path(full, s, "clients", key->text);
	return section_load(
	    &conf_device_section, device, s->tree, tree_next(s->tree, key), full, error);
}

bool devices_load_one(
    struct conf *conf, const struct tree *tree, const struct node *key, struct conf_error *error)
{
	const struct openspa_source s = {conf, tree, NULL, "openspa"};

	return load_device(&s, key, error);
}

bool devices_load(const struct openspa_source *s, struct conf_error *error)
{
	const struct node *map = section_find(&conf_openspa_section, s->tree, s->map, "clients");
	char full[OPENSPA_PATH_BYTES];

	if (map == NULL || node_is_null(map))
		return true;
	openspa_path(full, s, "clients", NULL);
	if (map->kind != NODE_MAP)
		return section_refuse(
		    s->tree, map, full, "device UUIDs with what they may ask for", error);
	for (const struct node *key = tree_first(s->tree, map); key != NULL;
	     key = tree_next_key(s->tree, key)) {
		if (!load_device(s, key, error))
			return false;
	}
	return true;
}

static int by_uuid(const void *a, const void *b)
{
	const struct conf_device *x = a, *y = b;
	int order = memcmp(x->uuid, y->uuid, sizeof x->uuid);

	if (order != 0)
		return order;
	/* The section's first, in their order there; the folder's line is 0. */
	return x->place.line - 1U < y->place.line - 1U ? -1 : x->place.line != y->place.line;
}

/* Makes one device of its entry in the section, its key and its revocation in the folder. */
static bool merge_devices(struct conf *conf, struct conf_error *error)
{
	char uuid[UUID_TEXT_BYTES];
	size_t kept = 0;

	if (conf->device_count == 0)
		return true;
	qsort(conf->devices, conf->device_count, sizeof *conf->devices, by_uuid);
	for (size_t i = 1; i < conf->device_count; i++) {
		struct conf_device *last = &conf->devices[kept], *next = &conf->devices[i];

		if (memcmp(last->uuid, next->uuid, sizeof last->uuid) != 0) {
			conf->devices[++kept] = *next;
			continue;
		}
		if (next->place.line != 0)
			return conf_fail_second(error, conf->path, next->place,
			    uuid_text(uuid, next->uuid), last->place.line);
		if (next->has_key) {
			memcpy(last->modulus, next->modulus, sizeof last->modulus);
			memcpy(last->exponent, next->exponent, sizeof last->exponent);
			last->has_key = true;
		}
		if (next->revoked.yes && !last->revoked.yes)
			last->revoked = next->revoked;
	}
	conf->device_count = kept + 1;
	return true;
}

/* Reads a file into the device whose name it bears. */
typedef bool take_file(struct conf_device *device, const struct file_folder *folder,
    const char *name, const char *path, struct conf_error *error);

/* That the file is there is all it says: a damaged one shuts out, too. */
static bool take_revocation(struct conf_device *device, const struct file_folder *folder,
    const char *name, const char *path, struct conf_error *error)
{
	(void)folder;
	(void)name;
	(void)path;
	(void)error;
	device->revoked.yes = true;
	return true;
}

static bool load_file(struct conf *conf, const struct file_folder *folder, const char *name,
    const char *suffix, take_file *take, struct conf_error *error)
{
	char *path = file_join(folder->path, name);
	size_t stem = strlen(name) - strlen(suffix);
	char text[UUID_TEXT_BYTES] = "";
	uint8_t uuid[DEVICE_UUID_BYTES];
	const char *expected = NULL;
	bool ok = false;

	if (path == NULL)
		return conf_fail(error, "%s: not enough memory to read it", name);
	if (stem < sizeof text)
		memcpy(text, name, stem);
	if (!value_uuid(uuid, text, &expected))
		conf_fail(
		    error, "%s: found this name of a file; expected %s%s", path, expected, suffix);
	else
		ok = take(add_device(conf, uuid), folder, name, path, error);
	free(path);
	return ok;
}

static bool load_folder(struct conf *conf, const char *path, const char *suffix, take_file *take,
    struct conf_error *error)
{
	struct file_folder folder;
	bool ok = file_folder_open(&folder, path, suffix, error);

	if (ok && !make_room(conf, folder.count))
		ok = conf_fail(error, "%s: not enough memory to read it", path);
	for (size_t i = 0; i < folder.count && ok; i++)
		ok = load_file(conf, &folder, folder.names[i], suffix, take, error);
	file_folder_close(&folder);
	return ok;
}

bool devices_load_folder(struct conf *conf, struct conf_error *error)
{
	bool native = conf->programs[CONF_TASK_PUBLIC_KEY].asked == CONF_ASKED_NATIVE;
	char *folder = NULL;
	bool ok = true;

	if (conf->openspa.devices != NULL) {
		folder = openspa_file(conf, conf->openspa.devices);
		ok = folder == NULL ? conf_fail(error, "%s: not enough memory", conf->path)
		                    : (!native || load_folder(conf, folder, DEVICE_KEY_SUFFIX,
		                                      openspa_read_public, error)) &&
		                          load_folder(conf, folder, DEVICE_REVOKED_SUFFIX,
		                              take_revocation, error);
	}
	free(folder);
	return ok && merge_devices(conf, error);
}

static bool fail_device(const struct openspa_source *s, const struct conf_device *device,
    struct conf_place place, const char *key, const char *problem, struct conf_error *error)
{
	char uuid[UUID_TEXT_BYTES], nested[64], full[OPENSPA_PATH_BYTES];

	snprintf(nested, sizeof nested, "clients.%s", uuid_text(uuid, device->uuid));
	openspa_path(full, s, nested, key);
	return tree_fail(s->tree, place, full, error, "%s", problem);
}

static bool check_key(
    const struct openspa_source *s, const struct conf_device *device, struct conf_error *error)
{
	bool native = s->conf->programs[CONF_TASK_PUBLIC_KEY].asked == CONF_ASKED_NATIVE;
	char problem[200], uuid[UUID_TEXT_BYTES];

	if (!native || device->has_key || device->revoked.yes)
		return true;
	snprintf(problem, sizeof problem,
	    "has no public key; expected it in %.80s/%s" DEVICE_KEY_SUFFIX,
	    s->conf->openspa.devices, uuid_text(uuid, device->uuid));
	return fail_device(s, device, device->place, NULL, problem, error);
}

static bool check_rules(
    const struct openspa_source *s, const struct conf_device *device, struct conf_error *error)
{
	if (device->duration % NS_PER_SECOND != 0)
		return fail_device(
		    s, device, device->place, "duration", "expected whole seconds", error);
	if (device->duration != 0 || s->conf->openspa.duration != 0)
		return true;
	for (size_t i = 0; i < device->rules.count; i++) {
		const struct conf_item *item = &device->rules.items[i];
		const char *ignored = NULL;
		struct rule_spec rule;

		if (value_rule(&rule, item->text, &ignored) && rule.duration_s == 0)
			return fail_device(s, device, item->place, "rules",
			    "found a rule without a duration; expected one in the rule "
			    "(22/tcp 30s), or `duration` beside it or beside `clients`",
			    error);
	}
	return true;
}

static int by_device_name(const void *a, const void *b)
{
	return strcmp((*(const struct conf_device *const *)a)->name.text,
	    (*(const struct conf_device *const *)b)->name.text);
}

static bool names_differ(const struct openspa_source *s, struct conf_error *error)
{
	const struct conf *conf = s->conf;
	const struct conf_device **sorted = calloc(conf->device_count + 1, sizeof *sorted);
	bool ok = true;

	if (sorted == NULL)
		return conf_fail(error, "%s: not enough memory to check it", conf->path);
	for (size_t i = 0; i < conf->device_count; i++)
		sorted[i] = &conf->devices[i];
	qsort(sorted, conf->device_count, sizeof *sorted, by_device_name);
	for (size_t i = 1; i < conf->device_count && ok; i++) {
		if (by_device_name(&sorted[i - 1], &sorted[i]) == 0)
			ok = fail_device(s, sorted[i],
			    sorted[i]->place.line == 0 ? sorted[i - 1]->place : sorted[i]->place,
			    "name", "found the name of another device; expected one of its own",
			    error);
	}
	free(sorted);
	return ok;
}

bool check_devices(const struct openspa_source *s, struct conf_error *error)
{
	for (size_t i = 0; i < s->conf->device_count; i++) {
		struct conf_device *device = &s->conf->devices[i];

		if (!check_key(s, device, error) || !check_rules(s, device, error))
			return false;
		if (device->name.text[0] == '\0')
			uuid_text(device->name.text, device->uuid);
	}
	return names_differ(s, error);
}
