/* The JSON of a QR code, which is one profile. It is read as the YAML that it also is: so it is in
 * locked memory alone, no key stands twice, and complaints have a place. */
#ifndef FILES_CLIENT_QR_H
#define FILES_CLIENT_QR_H

#include <stdbool.h>

struct conf_error;
struct tree;

/* Makes the tree of a code that of a file with one profile, "default" where the code names none;
 * leaves others as they are. False with *error filled. */
bool client_qr_unfold(struct tree *tree, struct conf_error *error);

#endif
