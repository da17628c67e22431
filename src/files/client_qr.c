#include "files/client_qr.h"

#include <string.h>

#include "files/client_conf.h"

/* key in a code     in profiles      kind     default  least most */
#define QR_KEYS(X)                                               \
	X(host, server_host, HOST, NULL, 0, 0)                   \
	X(udp_port, server_udp_port, INTEGER, "54154", 1, 65535) \
	X(server_pubkey, server_pubkey, KEY, NULL, 0, 0)         \
	X(client_privkey, private_key, SECRET, NULL, 32, 64)     \
	X(client_pubkey, public_key, KEY, NULL, 0, 0)

static const struct conf_field fields[] = {
#define X(key, member, kind, fallback, least, most)                                              \
	{#key, CONF_KIND_##kind, offsetof(struct client_profile, member), fallback, least, most, \
	    NULL, ""},
    QR_KEYS(X)
#undef X
};
static const char *const in_profiles[] = {
#define X(key, member, ...) #member,
    QR_KEYS(X)
#undef X
};
static const char *const beside[] = {"profile", NULL};

const struct conf_section client_qr_section = {
    "", fields, sizeof fields / sizeof *fields, false, beside};

bool client_qr_is(const struct tree *tree, const struct node *root)
{
	return root != NULL && root->kind == NODE_MAP &&
	       tree_find(tree, root, "profiles") == NULL &&
	       (tree_find(tree, root, "host") != NULL ||
	           tree_find(tree, root, "client_pubkey") != NULL);
}

struct node client_qr_name(const struct tree *tree, const struct node *root)
{
	const struct node *name = tree_find(tree, root, "profile");
	struct node unnamed = {.text = "default", .place = root->place, .kind = NODE_SCALAR};

	return name == NULL || node_is_null(name) ||
	               (name->kind == NODE_SCALAR && *name->text == '\0')
	           ? unnamed
	           : *name;
}

const char *client_qr_key(const char *key)
{
	for (size_t i = 0; i < client_qr_section.count; i++) {
		if (strcmp(in_profiles[i], key) == 0)
			return fields[i].key;
	}
	return key;
}
