/* The JSON of a QR code, which is one profile. It is read as the YAML that it also is, so that it
 * is in locked memory alone, no key stands twice, and complaints have a place. */
#ifndef FILES_CLIENT_QR_H
#define FILES_CLIENT_QR_H

#include "conf/section.h"

/* The keys of a code, which fill a struct client_profile. */
extern const struct conf_section client_qr_section;

/* Whether a file is a code, and none of profiles. */
bool client_qr_is(const struct tree *tree, const struct node *root);
/* What the profile is called: "default" where the code does not say. */
struct node client_qr_name(const struct tree *tree, const struct node *root);
/* What a code calls a key of profiles. */
const char *client_qr_key(const char *key);

#endif
