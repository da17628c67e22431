/* Builds and opens packets for openspa_interop.py, by libpostern-openspa: keys are files, bytes are
 * hexadecimal. It prints the packet, or the values in the order below, or "refused".
 *   openspa_peer request SIGNER-PEM RECEIVER-PUBLIC-PEM TIMESTAMP DEVICE NONCE PROTOCOL FIRST LAST
 *       NAT CLIENT-ADDRESS SERVER-ADDRESS
 *   openspa_peer response SIGNER-PEM RECEIVER-PUBLIC-PEM TIMESTAMP NONCE PROTOCOL FIRST LAST
 *       DURATION
 *   openspa_peer open-request RECEIVER-PEM SIGNER-PUBLIC-PEM PACKET [PASSPHRASE]
 *   openspa_peer open-response RECEIVER-PEM SIGNER-PUBLIC-PEM PACKET */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <postern-openspa.h>

#define PEM_ROOM  8192
#define HEX_BYTES (2 * POSTERN_OPENSPA_REQUEST_BYTES + 1)

static _Noreturn void refuse(const char *why)
{
	printf("refused: %s\n", why);
	exit(0);
}

static size_t read_file(char text[static PEM_ROOM], const char *path)
{
	FILE *file = fopen(path, "re");
	size_t size = 0;

	if (file == NULL) {
		perror(path);
		exit(1);
	}
	size = fread(text, 1, PEM_ROOM, file);
	fclose(file);
	return size;
}

static struct postern_openspa_private *read_private(const char *path, const char *passphrase)
{
	char text[PEM_ROOM];
	struct postern_openspa_private *key = NULL;
	enum postern_error error =
	    postern_openspa_private_from_pem(&key, text, read_file(text, path), passphrase);

	if (error != POSTERN_OK)
		refuse(postern_strerror(error));
	return key;
}

static struct postern_openspa_public *read_public(const char *path)
{
	char text[PEM_ROOM];
	struct postern_openspa_public *key = NULL;
	enum postern_error error =
	    postern_openspa_public_from_pem(&key, text, read_file(text, path));

	if (error != POSTERN_OK)
		refuse(postern_strerror(error));
	return key;
}

static void from_hex(uint8_t *out, size_t size, const char *hex)
{
	if (strlen(hex) != 2 * size)
		refuse("size");
	for (size_t i = 0; i < size; i++) {
		if (sscanf(hex + 2 * i, "%2hhx", &out[i]) != 1)
			refuse("digits");
	}
}

static const char *hex(const uint8_t *bytes, size_t size)
{
	static char text[4][HEX_BYTES];
	static unsigned int next;

	next = (next + 1) % 4;
	for (size_t i = 0; i < size; i++)
		snprintf(text[next] + 2 * i, 3, "%02x", bytes[i]);
	return text[next];
}

static uint16_t port(const char *text)
{
	return (uint16_t)strtoul(text, NULL, 10);
}

static struct postern_openspa_randomness throw(void)
{
	struct postern_openspa_randomness randomness;

	if (getrandom(&randomness, sizeof randomness, 0) != sizeof randomness)
		exit(1);
	for (size_t i = 0; i < sizeof randomness.filler; i++)
		randomness.filler[i] |= randomness.filler[i] == 0;
	return randomness;
}

static bool make_request(const struct postern_openspa_private *signer, char **argv)
{
	struct postern_openspa_public *receiver = read_public(argv[3]);
	struct postern_openspa_request request = {.timestamp_s = strtoll(argv[4], NULL, 10),
	    .protocol = (uint8_t)port(argv[7]),
	    .first_port = port(argv[8]),
	    .last_port = port(argv[9]),
	    .behind_nat = argv[10][0] == '1'};
	struct postern_openspa_randomness randomness = throw();
	uint8_t packet[POSTERN_OPENSPA_REQUEST_BYTES];
	enum postern_error error;

	from_hex(request.device, sizeof request.device, argv[5]);
	from_hex(request.nonce, sizeof request.nonce, argv[6]);
	from_hex(request.client_address, sizeof request.client_address, argv[11]);
	from_hex(request.server_address, sizeof request.server_address, argv[12]);
	error = postern_openspa_request_seal(packet, &request, signer, receiver, &randomness);
	if (error == POSTERN_OK)
		printf("%s\n", hex(packet, sizeof packet));
	postern_openspa_public_free(receiver);
	return error == POSTERN_OK;
}

static bool make_response(const struct postern_openspa_private *signer, char **argv)
{
	struct postern_openspa_public *receiver = read_public(argv[3]);
	struct postern_openspa_response response = {.timestamp_s = strtoll(argv[4], NULL, 10),
	    .protocol = (uint8_t)port(argv[6]),
	    .first_port = port(argv[7]),
	    .last_port = port(argv[8]),
	    .duration_s = port(argv[9])};
	struct postern_openspa_randomness randomness = throw();
	uint8_t packet[POSTERN_OPENSPA_RESPONSE_BYTES];
	enum postern_error error;

	from_hex(response.nonce, sizeof response.nonce, argv[5]);
	error = postern_openspa_response_seal(packet, &response, signer, receiver, &randomness);
	if (error == POSTERN_OK)
		printf("%s\n", hex(packet, sizeof packet));
	postern_openspa_public_free(receiver);
	return error == POSTERN_OK;
}

static bool open_request(const struct postern_openspa_private *receiver, char **argv)
{
	struct postern_openspa_public *signer = read_public(argv[3]);
	uint8_t packet[POSTERN_OPENSPA_REQUEST_BYTES], key[POSTERN_OPENSPA_KEY_BYTES];
	struct postern_openspa_request r;
	struct postern_openspa_proof proof;
	bool fine = false;

	from_hex(packet, sizeof packet, argv[4]);
	fine = postern_openspa_request_unseal(key, receiver, packet, sizeof packet) == POSTERN_OK &&
	       postern_openspa_request_open(&r, &proof, key, packet, sizeof packet) == POSTERN_OK &&
	       postern_openspa_request_verify(&proof, signer) == POSTERN_OK;
	if (fine)
		printf("%lld %s %s %d %d %d %d %s %s\n", (long long)r.timestamp_s,
		    hex(r.device, sizeof r.device), hex(r.nonce, sizeof r.nonce), r.protocol,
		    r.first_port, r.last_port, r.behind_nat,
		    hex(r.client_address, sizeof r.client_address),
		    hex(r.server_address, sizeof r.server_address));
	postern_openspa_public_free(signer);
	return fine;
}

static bool open_response(const struct postern_openspa_private *receiver, char **argv)
{
	struct postern_openspa_public *signer = read_public(argv[3]);
	uint8_t packet[POSTERN_OPENSPA_RESPONSE_BYTES];
	struct postern_openspa_response r;
	bool fine = false;

	from_hex(packet, sizeof packet, argv[4]);
	fine = postern_openspa_response_open(&r, receiver, signer, packet, sizeof packet) ==
	       POSTERN_OK;
	if (fine)
		printf("%lld %s %d %d %d %d\n", (long long)r.timestamp_s,
		    hex(r.nonce, sizeof r.nonce), r.protocol, r.first_port, r.last_port,
		    r.duration_s);
	postern_openspa_public_free(signer);
	return fine;
}

int main(int argc, char **argv)
{
	struct postern_openspa_private *key = NULL;
	bool ok = false;

	if (argc < 5)
		return 2;
	key = read_private(argv[2], strcmp(argv[1], "open-request") == 0 ? argv[5] : NULL);
	if (strcmp(argv[1], "request") == 0 && argc == 13)
		ok = make_request(key, argv);
	else if (strcmp(argv[1], "response") == 0 && argc == 10)
		ok = make_response(key, argv);
	else if (strcmp(argv[1], "open-request") == 0)
		ok = open_request(key, argv);
	else if (strcmp(argv[1], "open-response") == 0 && argc == 5)
		ok = open_response(key, argv);
	else
		return 2;
	if (!ok)
		printf("refused: packet\n");
	postern_openspa_private_free(key);
	return 0;
}
