/* HKDF-SHA256 (RFC 5869) for outputs of up to one hash, which is all that our protocols ask. */
#ifndef PROTO_HKDF_H
#define PROTO_HKDF_H

#include <stddef.h>
#include <stdint.h>

#define HKDF_BYTES 32

/* An empty salt means 32 zero bytes (RFC 5869 2.2). */
void hkdf_sha256(uint8_t out[static HKDF_BYTES], const void *salt, size_t salt_size,
    const void *ikm, size_t ikm_size, const void *info, size_t info_size);

#endif
