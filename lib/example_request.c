/* Asks a server for a TCP port by OpenSPA, and says for how long it is open:
 *   example_request SERVER UDP-PORT OWN-ADDRESS TCP-PORT DEVICE KEY SERVER-KEY
 * Addresses are numeric, DEVICE is 32 hexadecimal digits, KEY and SERVER-KEY are files in PEM. The
 * passphrase of KEY, if it has one, comes on standard input. */
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include <postern-openspa.h>

struct keys {
	struct postern_openspa_private *own;
	struct postern_openspa_public *server;
};

static size_t read_text(char *text, size_t room, const char *path)
{
	FILE *file = fopen(path, "re");
	size_t size = file == NULL ? 0 : fread(text, 1, room, file);

	if (file != NULL)
		fclose(file);
	return size;
}

static enum postern_error read_keys(struct keys *keys, const char *own, const char *server)
{
	char text[8192];
	char passphrase[1024] = "";
	size_t size = read_text(text, sizeof text, own);
	enum postern_error error = postern_openspa_private_from_pem(&keys->own, text, size, NULL);

	if (error == POSTERN_LOCKED && fgets(passphrase, sizeof passphrase, stdin) != NULL) {
		passphrase[strcspn(passphrase, "\n")] = '\0';
		error = postern_openspa_private_from_pem(&keys->own, text, size, passphrase);
	}
	explicit_bzero(passphrase, sizeof passphrase);
	explicit_bzero(text, sizeof text);
	if (error != POSTERN_OK)
		return error;
	size = read_text(text, sizeof text, server);
	return postern_openspa_public_from_pem(&keys->server, text, size);
}

static bool read_device(uint8_t device[POSTERN_OPENSPA_DEVICE_BYTES], const char *text)
{
	if (strlen(text) != 2 * POSTERN_OPENSPA_DEVICE_BYTES ||
	    strspn(text, "0123456789abcdef") != 2 * POSTERN_OPENSPA_DEVICE_BYTES)
		return false;
	for (size_t i = 0; i < POSTERN_OPENSPA_DEVICE_BYTES; i++) {
		const char pair[] = {text[2 * i], text[2 * i + 1], '\0'};

		device[i] = (uint8_t)strtoul(pair, NULL, 16);
	}
	return true;
}

/* A socket that sends to the server, and hears from it alone, for two seconds. */
static int connect_to(const char *server, const char *port)
{
	struct addrinfo hints = {.ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICHOST};
	struct timeval patience = {.tv_sec = 2};
	struct addrinfo *at = NULL;
	int fd = -1;

	if (getaddrinfo(server, port, &hints, &at) != 0)
		return -1;
	fd = socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, 0);
	if (fd >= 0 &&
	    (connect(fd, at->ai_addr, at->ai_addrlen) != 0 ||
	        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) != 0)) {
		close(fd);
		fd = -1;
	}
	freeaddrinfo(at);
	return fd;
}

/* A response that was caught, and is sent again, may grant something else or be out of date. */
static bool answers(
    const struct postern_openspa_response *answer, const struct postern_openspa_request *request)
{
	return answer->protocol == request->protocol && answer->first_port == request->first_port &&
	       answer->last_port == request->last_port &&
	       answer->timestamp_s >= request->timestamp_s - 300 &&
	       answer->timestamp_s <= request->timestamp_s + 300;
}

static enum postern_error ask(struct postern_openspa_response *answer,
    struct postern_openspa_request *request, const struct keys *keys, int fd)
{
	uint8_t packet[POSTERN_OPENSPA_REQUEST_BYTES];
	enum postern_error error =
	    postern_openspa_request_build(packet, request, keys->own, keys->server);
	ssize_t size = -1;

	if (error != POSTERN_OK)
		return error;
	if (send(fd, packet, sizeof packet, 0) == sizeof packet)
		size = recv(fd, packet, sizeof packet, 0);
	if (size < 0)
		return POSTERN_SYSTEM_FAILED;
	error =
	    postern_openspa_response_open(answer, keys->own, keys->server, packet, (size_t)size);
	if (error == POSTERN_OK && !answers(answer, request))
		error = POSTERN_BAD_PACKET;
	return error;
}

int main(int argc, char **argv)
{
	struct postern_openspa_request request = {.protocol = POSTERN_OPENSPA_TCP};
	struct postern_openspa_response answer = {0};
	struct keys keys = {NULL, NULL};
	enum postern_error error = POSTERN_BAD_ARGUMENT;
	int fd = argc == 8 ? connect_to(argv[1], argv[2]) : -1;

	if (fd < 0 || !read_device(request.device, argv[5]) ||
	    postern_address_from_text(request.server_address, argv[1]) != POSTERN_OK ||
	    postern_address_from_text(request.client_address, argv[3]) != POSTERN_OK)
		goto out;
	request.first_port = request.last_port = (uint16_t)strtoul(argv[4], NULL, 10);
	error = read_keys(&keys, argv[6], argv[7]);
	if (error == POSTERN_OK)
		error = ask(&answer, &request, &keys, fd);
	if (error == POSTERN_OK)
		printf("open for %d s\n", answer.duration_s);
out:
	postern_openspa_private_free(keys.own);
	postern_openspa_public_free(keys.server);
	if (fd >= 0)
		close(fd);
	printf("%s\n", postern_strerror(error));
	return error == POSTERN_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
