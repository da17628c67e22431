/* OpenSPA requests made ahead, so that the client costs nothing while the server is measured.
 *
 * bench-requests DEVICE UUID-HEX SERVER PORT COUNT [CLIENT-ADDRESS]
 * DEVICE and SERVER are PEM files: the device's private key and the server's public one. Writes
 * COUNT requests of 610 bytes for TCP at PORT to standard output. Without an address each opens for
 * where it is sent from. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sodium.h>

#include "base/secret.h"
#include "proto/openspa.h"
#include "proto/rsa_pem.h"

/* Stamps are seconds, and a server remembers 64 requests of a device: of more with the same stamp
 * it could not tell which it has seen. */
#define SAME_STAMP 32

static void must(bool holds, const char *what)
{
	if (!holds) {
		fprintf(stderr, "bench-requests: %s\n", what);
		exit(1);
	}
}

static size_t read_file(char text[static RSA_PEM_LIMIT], const char *path)
{
	FILE *file = fopen(path, "rb");
	size_t size = 0;

	must(file != NULL, path);
	size = fread(text, 1, RSA_PEM_LIMIT, file);
	fclose(file);
	return size;
}

static struct rsa_key *read_device(const char *path)
{
	char text[RSA_PEM_LIMIT];
	struct rsa_secret secret;
	struct rsa_key *key = NULL;

	must(rsa_pem_read_secret(&secret, text, read_file(text, path), NULL) == RSA_FINE, path);
	key = rsa_key_new(&secret);
	must(key != NULL, "libcrypto failed");
	return key;
}

int main(int argc, char **argv)
{
	struct openspa_request request = {.ports.protocol = OPENSPA_TCP};
	struct rsa_public server;
	struct rsa_key *device;
	char text[RSA_PEM_LIMIT];
	time_t first;
	long count;

	if (argc != 6 && argc != 7) {
		fprintf(stderr, "usage: bench-requests DEVICE UUID-HEX SERVER PORT COUNT "
		                "[CLIENT-ADDRESS]\n");
		return 2;
	}
	must(secret_init() && rsa_init(), "libcrypto failed");
	device = read_device(argv[1]);
	must(sodium_hex2bin(request.device, sizeof request.device, argv[2], strlen(argv[2]), NULL,
	         NULL, NULL) == 0,
	    argv[2]);
	must(rsa_pem_read_public(&server, text, read_file(text, argv[3])) == RSA_FINE, argv[3]);
	request.ports.first = request.ports.last = (uint16_t)strtoul(argv[4], NULL, 10);
	count = strtol(argv[5], NULL, 10);
	first = time(NULL) - count / SAME_STAMP;
	must(argc == 6 || addr_parse(&request.client_address, argv[6]), "no address");
	for (long i = 0; i < count; i++) {
		uint8_t packet[OPENSPA_REQUEST_BYTES];
		struct envelope_randomness randomness;

		request.timestamp_s = first + i / SAME_STAMP;
		secret_random(request.nonce, sizeof request.nonce);
		envelope_randomness_fill(&randomness);
		must(openspa_request_build(packet, &request, device, &server, &randomness),
		    "a request cannot be made");
		must(fwrite(packet, sizeof packet, 1, stdout) == 1, "cannot write");
	}
	rsa_key_free(device);
	return fflush(stdout) == 0 ? 0 : 1;
}
