/* What must be true of the programs that the section `openspa` names, taken together. */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "conf/openspa.h"

static bool check_pairs(const struct openspa_source *s, struct conf_error *error)
{
	const struct conf_program *p = s->conf->programs;

	if ((p[CONF_TASK_RULE_ADD].asked == CONF_ASKED_NATIVE) !=
	    (p[CONF_TASK_RULE_REMOVE].asked == CONF_ASKED_NATIVE))
		return openspa_fail(s, "extension_scripts", error,
		    "found one of rule_add and rule_remove; expected both, or neither: then the "
		    "ports are opened in nftables");
	return true;
}

/* What is wrong with it, or NULL. */
static const char *user_problem(const struct passwd *user, const struct passwd *ours)
{
	if (user == NULL)
		return "there is no such user; make one of its own for programs: "
		       "useradd --system --shell /usr/sbin/nologin NAME";
	if (ours != NULL && user->pw_uid == ours->pw_uid)
		return "the daemon's own processes run as " CONF_SERVICE_USER
		       "; expected a user of its own for programs";
	if (user->pw_uid != 0 && user->pw_gid == 0)
		return "its group is root's; give it one of its own: usermod --gid";
	return NULL;
}

/* *uid becomes that of a user who is named, and otherwise stays. */
static bool check_user(const struct openspa_source *s, const char *key, const char *name,
    uid_t *uid, struct conf_error *error)
{
	const char *problem;
	struct passwd user, ours, *found = NULL;
	char room[2][4096];
	bool is_there;

	if (*name == '\0')
		return true;
	is_there = getpwnam_r(name, &user, room[0], sizeof room[0], &found) == 0 && found != NULL;
	getpwnam_r(CONF_SERVICE_USER, &ours, room[1], sizeof room[1], &found);
	problem = user_problem(is_there ? &user : NULL, found);
	if (problem != NULL)
		return openspa_fail(s, key, error, problem);
	*uid = user.pw_uid;
	return true;
}

/* Whether there are programs of both kinds: of those that tell keys and durations, which anybody
 * who knows the server's public key can have started, and of those for rules. */
static bool has_both_kinds(const struct conf_program *programs)
{
	bool keys = false, rules = false;

	for (int task = 0; task < CONF_TASK_COUNT; task++) {
		bool tells = task == CONF_TASK_PUBLIC_KEY || task == CONF_TASK_AUTHORIZE;

		*(tells ? &keys : &rules) |= programs[task].asked != CONF_ASKED_NATIVE;
	}
	return keys && rules;
}

static bool check_users(const struct openspa_source *s, struct conf_error *error)
{
	const struct conf_openspa *o = &s->conf->openspa;
	uid_t keys = 0, rules;

	if (!check_user(s, "script_user", o->script_user.text, &keys, error))
		return false;
	rules = keys;
	if (!check_user(s, "script_rule_user", o->script_rule_user.text, &rules, error))
		return false;
	/* Without a name, and in place of root, programs for keys are somebody unused. */
	if (keys == 0 || keys != rules || !has_both_kinds(s->conf->programs))
		return true;
	return openspa_fail(s,
	    *o->script_rule_user.text == '\0' ? "script_user" : "script_rule_user", error,
	    "programs for keys and durations would run as the same user as those for rules, "
	    "and could end them, keep them from starting processes and change their files; "
	    "name another user for rules: script_rule_user");
}

static bool is_under(const char *path, const char *folder)
{
	size_t length = strlen(folder);

	return strncmp(path, folder, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

/* A program, or the configuration, that programs could change, or NULL. */
static const char *endangered(const struct conf *conf, char file[static CONF_PROGRAM_BYTES])
{
	char *real = realpath(conf->path, NULL);
	const char *folder = strcmp(conf->writable, "/") == 0 ? "" : conf->writable;
	bool holds = real != NULL && is_under(real, folder);

	if (holds)
		snprintf(file, CONF_PROGRAM_BYTES, "%s", real);
	free(real);
	if (holds)
		return file;
	for (int i = 0; i < CONF_TASK_COUNT; i++) {
		const struct conf_program *p = &conf->programs[i];

		if (p->asked != CONF_ASKED_NATIVE && is_under(p->path, folder))
			return p->path;
	}
	return NULL;
}

static bool fail(
    const struct openspa_source *s, struct conf_error *error, const char *path, const char *problem)
{
	char text[2 * CONF_PROGRAM_BYTES];

	snprintf(text, sizeof text, "%.500s%s", path, problem);
	return openspa_fail(s, "script_writable", error, text);
}

static bool check_writable(const struct openspa_source *s, struct conf_error *error)
{
	struct conf *conf = s->conf;
	const char *path = conf->openspa.script_writable, *inside;
	char *full = path == NULL ? NULL : openspa_file(conf, path);
	char *real = full == NULL ? NULL : realpath(full, NULL);
	char file[CONF_PROGRAM_BYTES];
	struct stat st;
	bool ok = false;

	if (path == NULL)
		return true;
	if (full == NULL || real == NULL || stat(real, &st) != 0) {
		fail(s, error, path,
		    errno == ENOENT ? ": there is no such file or folder; make it"
		                    : ": cannot be looked at");
	} else if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode)) {
		fail(s, error, path, " is neither a folder nor a regular file");
	} else if (strlen(real) >= sizeof conf->writable) {
		fail(s, error, path, ": its path is too long");
	} else {
		snprintf(conf->writable, sizeof conf->writable, "%s", real);
		inside = endangered(conf, file);
		ok = inside == NULL ||
		     fail(s, error, inside, " is in there; expected a place of its own");
	}
	free(real);
	free(full);
	return ok;
}

bool check_programs(const struct openspa_source *s, struct conf_error *error)
{
	return check_pairs(s, error) && check_users(s, error) && check_writable(s, error);
}

/* Programs that the configuration names: they run with our rights, or near them, so nobody but root
 * and whoever runs us may be able to put another in their place. */
bool program_resolve(
    char out[static CONF_PROGRAM_BYTES], const char *path, char problem[static TRUSTED_TEXT_BYTES])
{
	char *real = trusted_resolve(path, S_IFREG, OWNER_ROOT_OR_SELF, problem);
	struct stat st;
	bool ok = false;

	if (real == NULL)
		return false;
	if (strlen(real) >= CONF_PROGRAM_BYTES)
		snprintf(problem, TRUSTED_TEXT_BYTES,
		    "found a path of %zu bytes; expected one shorter than %d", strlen(real),
		    CONF_PROGRAM_BYTES);
	else if (stat(real, &st) != 0 || (st.st_mode & 0111) == 0)
		snprintf(problem, TRUSTED_TEXT_BYTES,
		    "%.500s is not executable; change that: chmod +x %.500s", real, real);
	else
		ok = true;
	if (ok)
		snprintf(out, CONF_PROGRAM_BYTES, "%s", real);
	free(real);
	errno = 0;
	return ok;
}
