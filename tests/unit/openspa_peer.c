/* Builds and opens packets for openspa_interop.py: keys are files, bytes are hexadecimal.
 *   openspa_peer request SIGNER-PEM RECEIVER-PUBLIC-PEM TIMESTAMP DEVICE NONCE PROTOCOL FIRST LAST
 *       NAT CLIENT-ADDRESS SERVER-ADDRESS
 *   openspa_peer response SIGNER-PEM RECEIVER-PUBLIC-PEM TIMESTAMP NONCE PROTOCOL FIRST LAST
 * DURATION openspa_peer open-request RECEIVER-PEM SIGNER-PUBLIC-PEM PACKET openspa_peer
 * open-response RECEIVER-PEM SIGNER-PUBLIC-PEM PACKET openspa_peer key PEM [PASSPHRASE] Prints the
 * packet, or the values in the order above, or "refused". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "base/secret.h"
#include "proto/openspa.h"
#include "proto/rsa_pem.h"

#define HEX_BYTES (2 * OPENSPA_REQUEST_BYTES + 1)

static _Noreturn void refuse(const char *why)
{
	printf("refused: %s\n", why);
	exit(0);
}

static size_t read_file(char text[static RSA_PEM_LIMIT], const char *path)
{
	FILE *file = fopen(path, "re");
	size_t size = 0;

	if (file == NULL) {
		perror(path);
		exit(1);
	}
	size = fread(text, 1, RSA_PEM_LIMIT, file);
	fclose(file);
	return size;
}

static struct rsa_key *read_key(const char *path, const char *passphrase)
{
	char text[RSA_PEM_LIMIT];
	struct rsa_secret secret;
	enum rsa_error error =
	    rsa_pem_read_secret(&secret, text, read_file(text, path), passphrase);

	if (error != RSA_FINE)
		refuse(rsa_error_text(error));
	return rsa_key_new(&secret);
}

static struct rsa_public read_public(const char *path)
{
	char text[RSA_PEM_LIMIT];
	struct rsa_public key;
	enum rsa_error error = rsa_pem_read_public(&key, text, read_file(text, path));

	if (error != RSA_FINE)
		refuse(rsa_error_text(error));
	return key;
}

static void from_hex(uint8_t *out, size_t size, const char *hex)
{
	size_t got = 0;

	if (sodium_hex2bin(out, size, hex, strlen(hex), NULL, &got, NULL) != 0 || got != size)
		refuse("size");
}

static const char *hex(const uint8_t *bytes, size_t size)
{
	static char text[4][HEX_BYTES];
	static unsigned int next;

	next = (next + 1) % 4;
	return sodium_bin2hex(text[next], sizeof text[next], bytes, size);
}

static uint16_t port(const char *text)
{
	return (uint16_t)strtoul(text, NULL, 10);
}

static bool make_request(const struct rsa_key *signer, char **argv)
{
	struct rsa_public receiver = read_public(argv[3]);
	struct openspa_request request = {.timestamp_s = strtoll(argv[4], NULL, 10),
	    .protocol = (uint8_t)port(argv[7]),
	    .first_port = port(argv[8]),
	    .last_port = port(argv[9]),
	    .behind_nat = argv[10][0] == '1'};
	uint8_t packet[OPENSPA_REQUEST_BYTES];
	struct envelope_dice dice;
	bool ok = false;

	from_hex(request.device, sizeof request.device, argv[5]);
	from_hex(request.nonce, sizeof request.nonce, argv[6]);
	from_hex(request.client_address.bytes, ADDR_BYTES, argv[11]);
	from_hex(request.server_address.bytes, ADDR_BYTES, argv[12]);
	envelope_throw(&dice);
	ok = openspa_request_build(packet, &request, signer, &receiver, &dice);
	if (ok)
		printf("%s\n", hex(packet, sizeof packet));
	return ok;
}

static bool make_response(const struct rsa_key *signer, char **argv)
{
	struct rsa_public receiver = read_public(argv[3]);
	struct openspa_response response = {.timestamp_s = strtoll(argv[4], NULL, 10),
	    .protocol = (uint8_t)port(argv[6]),
	    .first_port = port(argv[7]),
	    .last_port = port(argv[8]),
	    .duration_s = port(argv[9])};
	uint8_t packet[OPENSPA_RESPONSE_BYTES];
	struct envelope_dice dice;
	bool ok = false;

	from_hex(response.nonce, sizeof response.nonce, argv[5]);
	envelope_throw(&dice);
	ok = openspa_response_build(packet, &response, signer, &receiver, &dice);
	if (ok)
		printf("%s\n", hex(packet, sizeof packet));
	return ok;
}

static bool open_request(const struct rsa_key *receiver, char **argv)
{
	struct rsa_public signer = read_public(argv[3]);
	uint8_t packet[OPENSPA_REQUEST_BYTES];
	uint8_t key[OPENSPA_KEY_BYTES];
	struct openspa_proof proof;
	struct openspa_request r;

	from_hex(packet, sizeof packet, argv[4]);
	openspa_unseal(key, receiver, packet);
	if (!openspa_right_header(packet) || !openspa_open(&r, &proof, key, packet) ||
	    !openspa_verify(&proof, &signer))
		return false;
	printf("%lld %s %s %d %d %d %d %s %s\n", (long long)r.timestamp_s,
	    hex(r.device, sizeof r.device), hex(r.nonce, sizeof r.nonce), r.protocol, r.first_port,
	    r.last_port, r.behind_nat, hex(r.client_address.bytes, ADDR_BYTES),
	    hex(r.server_address.bytes, ADDR_BYTES));
	return true;
}

static bool open_response(const struct rsa_key *receiver, char **argv)
{
	struct rsa_public signer = read_public(argv[3]);
	uint8_t packet[OPENSPA_RESPONSE_BYTES];
	struct openspa_response r;

	from_hex(packet, sizeof packet, argv[4]);
	if (!openspa_response_open(&r, packet, sizeof packet, receiver, &signer))
		return false;
	printf("%lld %s %d %d %d %d\n", (long long)r.timestamp_s, hex(r.nonce, sizeof r.nonce),
	    r.protocol, r.first_port, r.last_port, r.duration_s);
	return true;
}

static bool show_key(const struct rsa_key *key)
{
	const struct rsa_public *p = rsa_key_public(key);

	printf("%s\n", hex(p->modulus, sizeof p->modulus));
	return true;
}

int main(int argc, char **argv)
{
	struct rsa_key *key = NULL;
	bool ok = false;

	if (argc < 3 || !secret_init() || !rsa_init())
		return 2;
	key = read_key(argv[2], strcmp(argv[1], "key") == 0 ? argv[3] : NULL);
	if (strcmp(argv[1], "request") == 0 && argc == 13)
		ok = make_request(key, argv);
	else if (strcmp(argv[1], "response") == 0 && argc == 10)
		ok = make_response(key, argv);
	else if (strcmp(argv[1], "open-request") == 0 && argc == 5)
		ok = open_request(key, argv);
	else if (strcmp(argv[1], "open-response") == 0 && argc == 5)
		ok = open_response(key, argv);
	else if (strcmp(argv[1], "key") == 0)
		ok = show_key(key);
	else
		return 2;
	if (!ok)
		printf("refused: packet\n");
	rsa_key_free(key);
	return 0;
}
