/* Private keys that are read from PEM go through libcrypto's readers of DER, which free copies of
 * them as they are (all of 3.0 to 3.5). */
#ifndef PROTO_RSA_WIPE_H
#define PROTO_RSA_WIPE_H

#include <stdbool.h>

/* Instead of rsa_init, where private keys are read: from now on everything that libcrypto frees is
 * wiped. May be called again. False also when libcrypto has been used before the first time. */
bool rsa_wipe_init(void);

#endif
