#include "files/ospa.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/secret.h"
#include "conf/error.h"
#include "conf/file.h"
#include "conf/values.h"
#include "files/given_file.h"
#include "files/show.h"
#include "files/write_file.h"

#define DIGITS       "0123456789"
#define LETTERS      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define VERSION      "0.1.1" /* of the files that we write */
#define WRITTEN_MOST 16384

struct reading {
	struct ospa *out;
	const struct node *root;
	struct conf_error *error;
};

/* As the original reads them: also in capitals, and without hyphens. */
bool ospa_device_parse(uint8_t device[static OSPA_DEVICE_BYTES], const char *text)
{
	static const uint8_t nobody[OSPA_DEVICE_BYTES];
	bool bare = strlen(text) == 2 * OSPA_DEVICE_BYTES;
	char uuid[UUID_TEXT_BYTES + 1] = "";
	const char *expected;
	size_t used = 0;

	for (size_t i = 0; used < UUID_TEXT_BYTES && text[i] != '\0'; i++) {
		if (bare && (i == 8 || i == 12 || i == 16 || i == 20))
			uuid[used++] = '-';
		uuid[used++] = (char)tolower((unsigned char)text[i]);
	}
	return value_uuid(device, uuid, &expected) && memcmp(device, nobody, sizeof nobody) != 0;
}

bool ospa_name_fits(const char *text)
{
	size_t length = strlen(text);

	return length > 0 && length < OSPA_NAME_BYTES && text[strspn(text, " ")] != '\0' &&
	       strspn(text, LETTERS DIGITS "_ #-") == length;
}

/* --- Reading */

/* MAJOR.MINOR.PATCH with major 0 and minor at least 1. */
static bool version_fits(const char *text)
{
	size_t major = strspn(text, DIGITS), minor, patch;
	const char *second, *third;

	if (major == 0 || strspn(text, "0") != major || text[major] != '.')
		return false;
	second = text + major + 1;
	minor = strspn(second, DIGITS);
	if (minor == 0 || strspn(second, "0") == minor || second[minor] != '.')
		return false;
	third = second + minor + 1;
	patch = strspn(third, DIGITS);
	return patch > 0 && third[patch] == '\0';
}

/* Each takes a value, or says what was expected. */

static const char *take_version(struct ospa *out, const char *text)
{
	(void)out;
	return version_fits(text) ? NULL : "0.1.0 or a later 0.x.y: this client knows no other";
}

/* Only ever shown, so a longer one is cut. */
static const char *take_name(struct ospa *out, const char *text)
{
	snprintf(out->name, sizeof out->name, "%s", text);
	return NULL;
}

static const char *take_device(struct ospa *out, const char *text)
{
	return ospa_device_parse(out->device, text)
	           ? NULL
	           : "a UUID such as 8e29c98d-cb57-40a6-8e79-4e1a21bc54dd";
}

static const char *take_server(struct ospa *out, const char *text)
{
	return addr_parse(&out->server, text) ? NULL : "an IPv4 or IPv6 address, or nothing";
}

static const char *take_port(struct ospa *out, const char *text)
{
	const char *expected;
	int64_t port = 0;

	if (!value_integer(&port, text, &expected) || port < 0 || port > UINT16_MAX)
		return "a port, 1 to 65535";
	out->port = port == 0 ? OSPA_PORT : (uint16_t)port;
	return NULL;
}

static const char *take_echo_ip(struct ospa *out, const char *text)
{
	const char *expected;

	if (!value_url(text, &expected))
		return expected;
	snprintf(out->echo_ip, sizeof out->echo_ip, "%s", text);
	return NULL;
}

static const char *take_private_key(struct ospa *out, const char *text)
{
	out->private_key = text;
	return NULL;
}

static const char *take_public_key(struct ospa *out, const char *text)
{
	out->public_key = text;
	return NULL;
}

static const char *take_server_public_key(struct ospa *out, const char *text)
{
	out->server_public_key = text;
	return NULL;
}

static const struct entry {
	const char *key;
	bool needed;
	const char *(*take)(struct ospa *out, const char *text);
} entries[] = {
    {"version", true, take_version},
    {"name", true, take_name},
    {"clientDeviceId", true, take_device},
    {"serverIp", false, take_server},
    {"serverPort", false, take_port},
    {"echoIpServer", false, take_echo_ip},
    {"privateKey", true, take_private_key},
    {"publicKey", true, take_public_key},
    {"serverPublicKey", true, take_server_public_key},
};
#define ENTRIES (sizeof entries / sizeof *entries)

static bool read_entry(const struct reading *r, const struct entry *entry)
{
	const struct tree *tree = &r->out->tree;
	const struct node *value = tree_find(tree, r->root, entry->key);
	const char *expected;
	char quoted[80];

	if (value != NULL && value->kind != NODE_SCALAR)
		return tree_fail(tree, value->place, entry->key, r->error,
		    "found a list or a map; expected a value");
	if (value == NULL || node_is_null(value) || *value->text == '\0')
		return !entry->needed ||
		       tree_fail(tree, (value == NULL ? r->root : value)->place, entry->key,
		           r->error, "not there, and a client cannot do without");
	expected = entry->take(r->out, value->text);
	return expected == NULL ||
	       tree_fail(tree, value->place, entry->key, r->error, "found %s; expected %s",
	           value_quoted(quoted, sizeof quoted, value->text, 40), expected);
}

static void note_unknown(const struct reading *r)
{
	const struct tree *tree = &r->out->tree;

	for (const struct node *key = tree_first(tree, r->root); key != NULL;
	     key = tree_next_key(tree, key)) {
		size_t i = 0;

		while (i < ENTRIES && strcmp(entries[i].key, key->text) != 0)
			i++;
		if (i == ENTRIES && r->out->unknown[0] == '\0')
			value_quoted(r->out->unknown, sizeof r->out->unknown, key->text, 30);
	}
}

static bool read_tree(const struct reading *r)
{
	if (r->root == NULL || r->root->kind != NODE_MAP)
		return conf_fail(
		    r->error, "%s: no OSPA file: expected keys with values", r->out->tree.file);
	note_unknown(r);
	for (size_t i = 0; i < ENTRIES; i++) {
		if (!read_entry(r, &entries[i]))
			return false;
	}
	return true;
}

bool ospa_load(struct ospa *out, const char *path, struct conf_error *error)
{
	struct file_text text = {.data = NULL};
	struct reading r = {.out = out, .error = error};
	bool ok;

	*out = (struct ospa){.tree.not_converted = true, .port = OSPA_PORT};
	ok = given_read(&text, path, FILE_SECRET, error) &&
	     tree_parse(&out->tree,
	         &(struct tree_source){given_name(path), text.data, -1, text.size}, NULL, error);
	memcpy(out->note, text.note, sizeof out->note);
	file_text_free(&text);
	if (!ok)
		return false;
	r.root = tree_root(&out->tree);
	ok = read_tree(&r);
	if (!ok)
		ospa_free(out);
	return ok;
}

void ospa_free(struct ospa *ospa)
{
	tree_free(&ospa->tree);
	*ospa = (struct ospa){.port = 0};
}

/* --- Writing */

/* A literal block; `text` ends with a line end. */
static void put_block(FILE *to, const char *key, const char *text)
{
	fprintf(to, "%s: |\n", key);
	while (*text != '\0') {
		size_t line = strcspn(text, "\n");

		fprintf(to, "  %.*s\n", (int)line, text);
		text += line + (text[line] == '\n');
	}
}

/* As the original writes it where that is safe: without quotes. */
static void put_text(FILE *to, const char *text)
{
	size_t length = strlen(text);
	bool phrase = strpbrk(text, " :/") != NULL; /* so it is none of YAML's own words */

	if (phrase && strspn(text, LETTERS) > 0 && strstr(text, ": ") == NULL &&
	    text[length - 1] != ' ' && text[length - 1] != ':' &&
	    strspn(text, LETTERS DIGITS " _./:-") == length)
		fputs(text, to);
	else
		show_string(text, to);
}

static void put_ospa(FILE *to, const struct ospa *ospa)
{
	char device[UUID_TEXT_BYTES], address[ADDR_TEXT_BYTES] = "";
	bool bare = addr_is_v4(&ospa->server);

	if (!addr_is_wildcard(&ospa->server))
		addr_text(&ospa->server, address);
	fputs("version: " VERSION "\nname: ", to);
	put_text(to, ospa->name);
	fprintf(to, "\nclientDeviceId: %s\n", uuid_text(device, ospa->device));
	fprintf(to, bare && *address != '\0' ? "serverIp: %s\n" : "serverIp: \"%s\"\n", address);
	fprintf(to, "serverPort: %u\nechoIpServer: ", ospa->port);
	put_text(to, ospa->echo_ip);
	fputc('\n', to);
	put_block(to, "privateKey", ospa->private_key);
	put_block(to, "publicKey", ospa->public_key);
	put_block(to, "serverPublicKey", ospa->server_public_key);
}

bool ospa_write(const char *path, const struct ospa *ospa, bool replace, struct conf_error *error)
{
	char *text = secret_alloc(WRITTEN_MOST);
	FILE *to = text == NULL ? NULL : fmemopen(text, WRITTEN_MOST, "w");
	bool ok = false;

	if (to != NULL) {
		setvbuf(to, NULL, _IONBF, 0); /* no copy of the key elsewhere */
		put_ospa(to, ospa);
		ok = fflush(to) == 0 && !ferror(to);
		ok = fclose(to) == 0 && ok;
	}
	if (ok)
		ok = file_write(path, text, strlen(text), replace, error);
	else
		conf_fail(error, "%s: not enough memory to write it", path);
	secret_free(text);
	return ok;
}
