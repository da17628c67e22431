#include "files/convert_print.h"

#include <stdarg.h>
#include <string.h>

#include "conf/error.h"
#include "conf/section.h"
#include "conf/values.h"
#include "files/resolve.h"
#include "files/show.h"

#define QUOTED_BYTES 200
#define FIELDS_MOST  64
#define NOTE_BYTES   500
#define PATH_BYTES   192

void convert_note(
    const struct converted *c, const struct node *at, const char *path, const char *format, ...)
{
	char text[NOTE_BYTES];
	struct conf_error line;
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	conf_fail(&line, "%s:%u:%u: %s%s%s", c->tree->file, at->place.line, at->place.column, path,
	    *path == '\0' ? "" : ": ", text);
	fprintf(c->notes, "%s\n", line.text);
}

void convert_unknown(const struct converted *c, const struct node *key, const char *path,
    const char *const *known, size_t count)
{
	const char *nearest = value_nearest(key->text, known, count);
	char quoted[QUOTED_BYTES];

	value_quoted(quoted, sizeof quoted, key->text, 64);
	if (nearest == NULL)
		convert_note(c, key, path, "left out the unknown key %s", quoted);
	else
		convert_note(c, key, path, "left out the unknown key %s; did you mean \"%s\"?",
		    quoted, nearest);
}

static bool is_one_line(const char *text)
{
	static const char *const breaks[] = {
	    "\n", "\r", "\xc2\x85", "\xe2\x80\xa8", "\xe2\x80\xa9"};

	for (size_t i = 0; i < sizeof breaks / sizeof *breaks; i++) {
		if (strstr(text, breaks[i]) != NULL)
			return false;
	}
	return true;
}

/* What was no string without quotes must have none now. It was fit to stand there, but for what was
 * on several lines. */
void convert_scalar(const struct converted *c, const struct node *node)
{
	if (node_is_null(node))
		fputs("null", c->to);
	else if (!node->quoted && is_one_line(node->text))
		fputs(node->text, c->to);
	else
		show_string(node->text, c->to);
}

/* Who is called ~ is not called null then. */
void convert_key(const struct converted *c, const struct node *key)
{
	if (node_is_null(key) && *key->text != '\0')
		fputs(key->text, c->to);
	else
		convert_scalar(c, key);
}

static void put_indent(const struct converted *c, unsigned int indent)
{
	fprintf(c->to, "%*s", (int)indent, "");
}

/* Behind a key or a dash, with the end of the line. */
static void put_value(struct converted *c, unsigned int indent, const struct node *node)
{
	if (node->kind == NODE_SCALAR || node->count == 0) {
		fputc(' ', c->to);
		if (node->kind == NODE_SCALAR)
			convert_scalar(c, node);
		else
			fputs(node->kind == NODE_MAP ? "{}" : "[]", c->to);
		fputc('\n', c->to);
		return;
	}
	c->too_deep = c->too_deep || indent > 2 * RESOLVE_DEPTH;
	if (c->too_deep || ferror(c->to))
		return;
	fputc('\n', c->to);
	for (const struct node *n = tree_first(c->tree, node); n != NULL;
	     n = node->kind == NODE_MAP ? tree_next_key(c->tree, n) : tree_next(c->tree, n)) {
		if (node->kind == NODE_MAP) {
			convert_entry(c, indent + 2, n);
			continue;
		}
		put_indent(c, indent + 2);
		fputc('-', c->to);
		put_value(c, indent + 2, n);
	}
}

void convert_entry(struct converted *c, unsigned int indent, const struct node *key)
{
	put_indent(c, indent);
	convert_key(c, key);
	fputc(':', c->to);
	put_value(c, indent, tree_next(c->tree, key));
}

static void put_devices(
    struct converted *c, unsigned int indent, const struct node *devices, const char *path)
{
	for (const struct node *key = tree_first(c->tree, devices); key != NULL;
	     key = tree_next_key(c->tree, key)) {
		const struct node *map = tree_next(c->tree, key);

		if (map->kind != NODE_MAP || map->count == 0) {
			convert_entry(c, indent, key);
			continue;
		}
		fprintf(c->to, "%*s", (int)indent, "");
		convert_key(c, key);
		fputs(":\n", c->to);
		convert_section(c, indent + 2, &conf_device_section, map, path, NULL);
	}
}

/* A section inside of OpenSPA's, by its name: scripts, helpers or devices. */
static void put_nested(struct converted *c, unsigned int indent, const char *name,
    const struct node *key, const char *path)
{
	const struct node *value = tree_next(c->tree, key);
	char full[PATH_BYTES];

	if (value->kind != NODE_MAP || value->count == 0) {
		convert_entry(c, indent, key);
		return;
	}
	snprintf(full, sizeof full, "%s%s%s", path, *path == '\0' ? "" : ".", name);
	fprintf(c->to, "%*s%s:\n", (int)indent, "", name);
	if (strcmp(name, "clients") == 0)
		put_devices(c, indent + 2, value, full);
	else
		convert_section(c, indent + 2,
		    strcmp(name, "helpers") == 0 ? &conf_helper_section : &conf_script_section,
		    value, full, NULL);
}

void convert_section(struct converted *c, unsigned int indent, const struct conf_section *section,
    const struct node *map, const char *path, const char *skipped)
{
	const char *known[FIELDS_MOST];
	size_t count = 0;

	while (count < section->count && count < FIELDS_MOST) {
		known[count] = section->fields[count].key;
		count++;
	}
	for (const char *const *n = section->nested; n != NULL && *n != NULL; n++)
		known[count++] = *n;
	for (const struct node *key = tree_first(c->tree, map); key != NULL;
	     key = tree_next_key(c->tree, key)) {
		size_t i = 0;

		if (skipped != NULL && section_same_key(section, key->text, skipped))
			continue;
		while (i < count && !section_same_key(section, key->text, known[i]))
			i++;
		if (i == count)
			convert_unknown(c, key, path, known, count);
		else if (i >= section->count)
			put_nested(c, indent, known[i], key, path);
		else
			convert_entry(c, indent, key);
	}
}

void convert_list(const struct converted *c, unsigned int indent, const struct conf_list *list)
{
	fputs(list->count == 0 ? " []\n" : "\n", c->to);
	for (size_t i = 0; i < list->count; i++) {
		put_indent(c, indent);
		fputs("- ", c->to);
		show_string(list->items[i].text, c->to);
		fputc('\n', c->to);
	}
}
