#include "conf/original.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/error.h"
#include "conf/file.h"
#include "conf/kinds.h"
#include "conf/openspa.h"
#include "conf/section.h"
#include "conf/values.h"

#define NOTHING UINT32_MAX /* the end of a chain of nodes */
#define ROOT    0U

/* Keys that people have there, and that are too like ours to be taken for a slip of the pen. */
static const char *const passed_over[] = {"verbose", "verboseSplit", "echoIpServer"};

static bool is_ours(const struct conf_section *section, const char *key)
{
	for (size_t i = 0; i < section->count; i++)
		if (section_same_key(section, section->fields[i].key, key))
			return true;
	for (const char *const *n = section->nested; n != NULL && *n != NULL; n++)
		if (section_same_key(section, *n, key))
			return true;
	return false;
}

/* One that is nearly ours is left for the loader to refuse: it may have been meant. */
static bool may_pass(const struct conf_section *section, const char *key)
{
	struct value_guess guess = {.text = key};

	for (size_t i = 0; i < sizeof passed_over / sizeof *passed_over; i++)
		if (section_same_key(section, passed_over[i], key))
			return true;
	for (size_t i = 0; i < section->count; i++)
		value_consider(&guess, section->fields[i].key);
	for (const char *const *n = section->nested; n != NULL && *n != NULL; n++)
		value_consider(&guess, *n);
	return guess.best == NULL && !is_ours(section, key);
}

/* What is behind the dot of `extensionScripts.ruleAdd`, or NULL. */
static const char *behind_dot(const char *key)
{
	const char *dot = strchr(key, '.');
	char front[24];

	if (dot == NULL || (size_t)(dot - key) >= sizeof front)
		return NULL;
	memcpy(front, key, (size_t)(dot - key));
	front[dot - key] = '\0';
	return section_same_key(&conf_openspa_section, front, "extension_scripts") ? dot + 1 : NULL;
}

/* The server's public address, by name: the original only looks whether there is something. */
static void pass_name(
    struct conf *conf, const struct tree *tree, const struct node *key, struct node *value)
{
	const char *expected = NULL;
	struct addr address;

	if (!section_same_key(&conf_openspa_section, key->text, "server_ip") ||
	    value->kind != NODE_SCALAR || node_is_null(value) ||
	    addr_parse(&address, value->text) || !value_host(value->text, &expected))
		return;
	conf_warn(conf,
	    "%s:%u:%u: %s: found a name, which is not looked up, so that it is as if it were not "
	    "given; expected the addresses that requests may name",
	    tree->file, value->place.line, value->place.column, key->text);
	value->text = "";
	value->quoted = false;
}

/* Takes a pair out of the chain that `link` is a part of, and tells where the chain goes on. */
static void take_out(struct tree *tree, uint32_t *link, struct node *map)
{
	*link = tree->nodes[tree->nodes[*link].next].next;
	map->count -= 2;
}

/* `scripts` is the map for keys with dots; NULL: this is that map. */
static void sort_out(struct conf *conf, struct tree *tree, const struct conf_section *section,
    struct node *map, struct node *scripts)
{
	uint32_t *link = &map->first;

	while (*link != NOTHING) {
		uint32_t at = *link;
		struct node *key = &tree->nodes[at], *value = &tree->nodes[key->next];
		const char *inner = scripts == NULL ? NULL : behind_dot(key->text);

		if (inner != NULL) {
			take_out(tree, link, map);
			key->text = inner;
			value->next = scripts->first;
			scripts->first = at;
			scripts->count += 2;
		} else if (may_pass(section, key->text)) {
			conf_warn(conf,
			    "%s:%u:%u: %s: unknown key, passed over as the original server does; "
			    "take it out",
			    tree->file, key->place.line, key->place.column, key->text);
			take_out(tree, link, map);
		} else {
			pass_name(conf, tree, key, value);
			link = &value->next;
		}
	}
}

static bool has_dots(const struct tree *tree, const struct node *map)
{
	const struct node *key = tree_first(tree, map);

	while (key != NULL && behind_dot(key->text) == NULL)
		key = tree_next_key(tree, key);
	return key != NULL;
}

/* An empty section for keys with dots, where the file has none. */
static bool add_scripts(struct tree *tree)
{
	struct node *more = reallocarray(tree->nodes, tree->count + 2, sizeof *more);
	struct node *root = more;

	if (more == NULL)
		return false;
	tree->nodes = more;
	tree->room = tree->count + 2;
	more += tree->count;
	more[0] = (struct node){.text = "extensionScripts",
	    .place = root->place,
	    .first = NOTHING,
	    .next = tree->count + 1,
	    .kind = NODE_SCALAR};
	more[1] = (struct node){
	    .place = root->place, .first = NOTHING, .next = root->first, .kind = NODE_MAP};
	root->first = tree->count;
	root->count += 2;
	tree->count += 2;
	return true;
}

/* NULL: none, left for the loader to refuse. */
static struct node *script_map(struct node *scripts)
{
	if (node_is_null(scripts))
		scripts->kind = NODE_MAP; /* an empty one */
	return scripts->kind == NODE_MAP ? scripts : NULL;
}

bool original_prepare(struct conf *conf, struct tree *tree, struct conf_error *error)
{
	const struct node *found;
	struct node *scripts = NULL;

	found = section_find(&conf_openspa_section, tree, &tree->nodes[ROOT], "extension_scripts");
	if (found == NULL && has_dots(tree, &tree->nodes[ROOT])) {
		if (!add_scripts(tree))
			return conf_fail(error, "%s: not enough memory to read it", tree->file);
		found = section_find(
		    &conf_openspa_section, tree, &tree->nodes[ROOT], "extension_scripts");
	}
	if (found != NULL)
		scripts = script_map(&tree->nodes[found - tree->nodes]);
	sort_out(conf, tree, &conf_openspa_section, &tree->nodes[ROOT], scripts);
	if (scripts != NULL)
		sort_out(conf, tree, &conf_script_section, scripts, NULL);
	return true;
}

/* --- Files */

static bool is_there(const char *path)
{
	return path != NULL && (access(path, F_OK) == 0 || (errno != ENOENT && errno != ENOTDIR));
}

char *original_find(
    const struct openspa_source *s, const char *path, char problem[static TRUSTED_TEXT_BYTES])
{
	bool original = *s->path == '\0';
	char *file = openspa_file(s->conf, path), *where = NULL, *here = NULL;

	if (file == NULL || *path == '/' || is_there(file))
		goto done;
	where = original ? getcwd(NULL, 0) : NULL;
	here = where == NULL ? NULL : file_join(where, path);
	free(file);
	file = NULL;
	if (is_there(here)) {
		conf_warn(s->conf,
		    "%s: taken from the working directory; write %s, which is found from everywhere",
		    path, here);
		file = here;
		here = NULL;
	} else {
		snprintf(problem, TRUSTED_TEXT_BYTES,
		    "there is no %.300s in %.300s, where the configuration is%s%.300s%s", path,
		    s->conf->folder, original ? ", nor in the working directory, " : "",
		    where == NULL ? "" : where,
		    original ? "; the original server takes scripts from the folder of its own "
		               "program, and keys from the working directory: write the full path"
		             : "; write the full path, or put it there");
	}
done:
	if (file == NULL && *problem == '\0')
		snprintf(problem, TRUSTED_TEXT_BYTES, "not enough memory");
	free(where);
	free(here);
	return file;
}

/* --- Flags */

#define FLAGS_MOST 8 /* there are seven */

static struct flag {
	const char *key;
	const char *text;
} flags[FLAGS_MOST];
static size_t flag_count;

void original_flag(const char *key, const char *text)
{
	size_t at = 0;

	while (at < flag_count && strcmp(flags[at].key, key) != 0)
		at++;
	if (at == FLAGS_MOST)
		return;
	flags[at] = (struct flag){key, text}; /* the last one counts */
	flag_count += at == flag_count;
}

static bool apply_flag(
    const struct flag *flag, struct conf_openspa *openspa, struct conf_error *error)
{
	const struct conf_field *field = conf_openspa_section.fields;
	const struct kind *kind;
	char room[EXPECTED_BYTES] = "";
	const char *expected = room;
	void *member;
	bool ok;

	while (strcmp(field->key, flag->key) != 0)
		field++;
	kind = kind_of(field);
	member = (char *)openspa + field->offset;
	if (kind->read != NULL) {
		ok = kind->read(field, member, flag->text, room);
	} else {
		list_free(member);
		ok = kind->item(flag->text, &expected) &&
		     list_add(member, flag->text, (struct conf_place){0, 0}) &&
		     (kind->whole == NULL || kind->whole(member, &expected));
	}
	return ok || conf_fail(error, "%s, on the command line: found \"%s\"; expected %s",
	                 flag->key, flag->text, expected);
}

bool original_apply_flags(struct conf_openspa *openspa, struct conf_error *error)
{
	for (size_t i = 0; i < flag_count; i++)
		if (!apply_flag(&flags[i], openspa, error))
			return false;
	return true;
}
