/* The section `openspa`, or an original OpenSPA server's file as a whole. */
#include "conf/openspa.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "conf/error.h"
#include "conf/file.h"
#include "conf/original.h"
#include "conf/private.h"
#include "conf/section.h"

/* Which program does what. */
struct job {
	const char *key;
	size_t offset; /* of its path in conf_scripts or conf_helpers */
	enum conf_task task;
};

static const struct job scripts[] = {
    {"user_directory_service", offsetof(struct conf_scripts, user_directory_service),
        CONF_TASK_PUBLIC_KEY},
    {"authorization", offsetof(struct conf_scripts, authorization), CONF_TASK_AUTHORIZE},
    {"rule_add", offsetof(struct conf_scripts, rule_add), CONF_TASK_RULE_ADD},
    {"rule_remove", offsetof(struct conf_scripts, rule_remove), CONF_TASK_RULE_REMOVE},
    {"server_start", offsetof(struct conf_scripts, server_start), CONF_TASK_SERVER_START},
    {"server_stop", offsetof(struct conf_scripts, server_stop), CONF_TASK_SERVER_STOP},
};

static const struct job helpers[] = {
    {"user_directory_service", offsetof(struct conf_helpers, user_directory_service),
        CONF_TASK_PUBLIC_KEY},
    {"authorization", offsetof(struct conf_helpers, authorization), CONF_TASK_AUTHORIZE},
    {"firewall", offsetof(struct conf_helpers, firewall), CONF_TASK_RULE_ADD},
    {"firewall", offsetof(struct conf_helpers, firewall), CONF_TASK_RULE_REMOVE},
};

static bool take_program(const struct openspa_source *s, const struct job *job,
    enum conf_asked asked, const char *path, struct conf_error *error, char *problem)
{
	struct conf_program *program = &s->conf->programs[job->task];
	char *file = NULL;
	bool ok;

	if (program->asked != CONF_ASKED_NATIVE) {
		snprintf(problem, TRUSTED_TEXT_BYTES,
		    "found a script for this, too; expected the one or the other");
		return false;
	}
	*problem = '\0';
	file = original_find(s, path, problem);
	ok = file != NULL && program_resolve(program->path, file, problem);
	error->permission = !ok && file != NULL && errno == EACCES;
	free(file);
	program->asked = (uint8_t)asked;
	return ok;
}

/* A nested section that names programs, while it is read. */
union paths {
	struct conf_scripts scripts;
	struct conf_helpers helpers;
};

static const struct nested {
	const char *name;
	const struct conf_section *section;
	enum conf_asked asked;
	const struct job *jobs;
	size_t count;
} script_section = {"extension_scripts", &conf_script_section, CONF_ASKED_SCRIPT, scripts,
    sizeof scripts / sizeof *scripts},
  helper_section = {"helpers", &conf_helper_section, CONF_ASKED_HELPER, helpers,
      sizeof helpers / sizeof *helpers};

static bool take_programs(const struct openspa_source *s, const struct nested *nested,
    const struct node *map, const union paths *paths, struct conf_error *error)
{
	char full[OPENSPA_PATH_BYTES], problem[TRUSTED_TEXT_BYTES] = "not enough memory";

	for (size_t i = 0; i < nested->count; i++) {
		const struct job *job = &nested->jobs[i];
		const char *path = *(char *const *)((const char *)paths + job->offset);
		const struct node *node;
		bool permission;

		if (path == NULL || take_program(s, job, nested->asked, path, error, problem))
			continue;
		permission = error->permission;
		node = section_find(nested->section, s->tree, map, job->key);
		openspa_path(full, s, nested->name, job->key);
		tree_fail(s->tree, node->place, full, error, "%s", problem);
		error->permission = permission;
		return false;
	}
	return true;
}

static bool load_programs(
    const struct openspa_source *s, const struct nested *nested, struct conf_error *error)
{
	const struct node *map = section_find(&conf_openspa_section, s->tree, s->map, nested->name);
	char full[OPENSPA_PATH_BYTES];
	union paths paths;
	bool ok;

	if (map == NULL)
		return true;
	memset(&paths, 0, sizeof paths);
	openspa_path(full, s, nested->name, NULL);
	ok = section_load(nested->section, &paths, s->tree, map, full, error) &&
	     take_programs(s, nested, map, &paths, error);
	section_free(nested->section, &paths);
	return ok;
}

/* Says no rather than nothing, or everything. */
static bool check_authorization(const struct openspa_source *s, struct conf_error *error)
{
	bool native = s->conf->programs[CONF_TASK_AUTHORIZE].asked == CONF_ASKED_NATIVE;
	const char *where = s->conf->openspa.duration != 0 ? "duration" : "clients";
	bool any = s->conf->openspa.duration != 0;

	for (size_t i = 0; i < s->conf->device_count && !any; i++)
		any = s->conf->devices[i].duration != 0 || s->conf->devices[i].rules.count > 0;
	if (native && !any)
		return openspa_fail(s, "", error,
		    "nothing would be authorized; expected `duration: 30s` for all devices alike, "
		    "`rules` under `clients`, or a script: extension_scripts.authorization");
	if (!native && any)
		return openspa_fail(s, where, error,
		    "found a duration or rules beside an authorization script or helper, which "
		    "would not be looked at; expected the one or the other");
	return true;
}

/* A folder that was named and is not there is a slip of the pen; the default one may be missing. */
static bool check_folder(const struct openspa_source *s, struct conf_error *error)
{
	const struct node *node = section_find(&conf_openspa_section, s->tree, s->map, "devices");
	char *folder = NULL;
	struct stat st;
	bool missing;

	if (node == NULL || s->conf->openspa.devices == NULL ||
	    strcmp(s->conf->openspa.devices, "devices.d") == 0)
		return true;
	folder = openspa_file(s->conf, s->conf->openspa.devices);
	missing = folder == NULL || (stat(folder, &st) != 0 && errno == ENOENT);
	free(folder);
	return !missing || openspa_fail(s, "devices", error, "there is no such folder; make it");
}

static bool check_openspa(const struct openspa_source *s, struct conf_error *error)
{
	const struct conf_openspa *o = &s->conf->openspa;

	if (o->private_key == NULL)
		return openspa_fail(s, "private_key", error,
		    "not given; expected the PEM file of the server's RSA key: "
		    "`postern openspa gen-server-key` makes one");
	if (o->duration % NS_PER_SECOND != 0)
		return openspa_fail(s, "duration", error, "expected whole seconds");
	return check_programs(s, error) && check_authorization(s, error) && check_folder(s, error);
}

bool openspa_load(struct conf *conf, const struct tree *tree, const struct node *map,
    const char *path, struct conf_error *error)
{
	struct openspa_source s = {conf, tree, map, path};

	if (node_is_null(map))
		return true;
	conf->has_openspa = true;
	return section_load(&conf_openspa_section, &conf->openspa, tree, map, path, error) &&
	       original_apply_flags(&conf->openspa, error) &&
	       load_programs(&s, &script_section, error) &&
	       load_programs(&s, &helper_section, error) && devices_load(&s, error) &&
	       check_openspa(&s, error) && openspa_read_secret(&s, error) &&
	       devices_load_folder(conf, error) && check_devices(&s, error);
}
