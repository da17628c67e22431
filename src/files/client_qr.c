#include "files/client_qr.h"

#include <stdlib.h>
#include <string.h>

#include "conf/section.h"
#include "conf/tree.h"

#define NONE  UINT32_MAX
#define ADDED 4 /* nodes */

/* What a code calls the keys of a profile. */
static const char *const keys[] = {"host", "udp_port", "server_pubkey", "client_privkey",
    "client_pubkey", "shield_key", "profile"};
static const char *const in_profiles[] = {"server_host", "server_udp_port", "server_pubkey",
    "private_key", "public_key", "shield_key", NULL};

#define KEYS (sizeof keys / sizeof *keys)

_Static_assert(sizeof keys == sizeof in_profiles, "one for each");

static bool is_code(const struct tree *tree)
{
	const struct node *root = tree_root(tree);

	return root != NULL && root->kind == NODE_MAP &&
	       tree_find(tree, root, "profiles") == NULL &&
	       (tree_find(tree, root, "host") != NULL ||
	           tree_find(tree, root, "client_pubkey") != NULL);
}

static size_t number_of(const char *key)
{
	size_t i = 0;

	while (i < KEYS && strcmp(keys[i], key) != 0)
		i++;
	return i;
}

/* Gives the keys their other names, and takes `profile` out; *name is its value. */
static bool rename_keys(struct tree *tree, struct node *name, struct conf_error *error)
{
	struct node *root = &tree->nodes[0];
	uint32_t *link = &root->first;

	tree->not_converted = true;
	while (*link != NONE) {
		struct node *key = &tree->nodes[*link], *value = &tree->nodes[key->next];
		size_t number = number_of(key->text);

		if (number == KEYS)
			return section_unknown(tree, key, "", keys, KEYS, error);
		if (in_profiles[number] != NULL) {
			key->text = in_profiles[number];
			link = &value->next;
			continue;
		}
		if (value->kind != NODE_SCALAR)
			return section_refuse(tree, value, "profile", "a name", error);
		if (!node_is_null(value) && *value->text != '\0')
			name->text = value->text;
		name->place = value->place;
		*link = value->next;
		root->count -= 2;
	}
	return true;
}

/* "profiles" with one entry: all that there was. */
static bool wrap(struct tree *tree, struct node name, struct conf_error *error)
{
	const struct node old = tree->nodes[0];
	uint32_t at = tree->count;
	struct node *n = reallocarray(tree->nodes, at + ADDED, sizeof *n);

	if (n == NULL)
		return section_refuse(tree, &old, "", "more memory", error);
	tree->nodes = n;
	tree->count = tree->room = at + ADDED;
	n[0] = (struct node){
	    .kind = NODE_MAP, .place = old.place, .first = at, .next = NONE, .count = 2};
	n[at] =
	    (struct node){.text = "profiles", .place = old.place, .first = NONE, .next = at + 1};
	n[at + 1] = n[0];
	n[at + 1].first = at + 2;
	n[at + 2] = name;
	n[at + 2].next = at + 3;
	n[at + 3] = old;
	return true;
}

bool client_qr_unfold(struct tree *tree, struct conf_error *error)
{
	struct node name = {.text = "default", .first = NONE, .quoted = true};

	if (!is_code(tree))
		return true;
	name.place = tree_root(tree)->place;
	if (tree_find(tree, tree_root(tree), "client_privkey") == NULL)
		return tree_fail(tree, name.place, "client_privkey", error,
		    "not given; this code was made for a device that has the key itself");
	return rename_keys(tree, &name, error) && wrap(tree, name, error);
}
