/* The example asks a server that stands here: it reads the request and answers by the public calls.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "openspa_pem.h"
#include "spa_sides.h"

#define PASSPHRASE "open, sesame"
#define DEVICE     "00112233445566778899aabbccddeeff"

static const char *example;
static struct {
	struct spa_sides keys;
	char folder[32], key[64], locked_key[64], server_key[64];
	int fd, port;
} server;

static void write_file(char *path, size_t room, const char *name, const char *text)
{
	FILE *file = NULL;

	snprintf(path, room, "%s/%s", server.folder, name);
	file = fopen(path, "we");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void write_keys(const struct openspa_v1_vector *v)
{
	EVP_PKEY *client = pem_key(v->client_private_key_pem);
	EVP_PKEY *of_server = pem_key(v->server_private_key_pem);
	char text[PEM_ROOM];

	strcpy(server.folder, "/tmp/postern-request-XXXXXX");
	assert_non_null(mkdtemp(server.folder));
	pem_write_private(text, client, NULL);
	write_file(server.key, sizeof server.key, "key", text);
	pem_write_private(text, client, PASSPHRASE);
	write_file(server.locked_key, sizeof server.locked_key, "locked", text);
	pem_write_public(text, of_server);
	write_file(server.server_key, sizeof server.server_key, "server", text);
	EVP_PKEY_free(client);
	EVP_PKEY_free(of_server);
}

static int start(void **state)
{
	struct sockaddr_in own = {.sin_family = AF_INET};
	struct timeval patience = {.tv_sec = 10};
	socklen_t size = sizeof own;

	(void)state;
	server.keys = spa_sides_of(&openspa_v1_vectors[0]);
	write_keys(&openspa_v1_vectors[0]);
	own.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	server.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (bind(server.fd, (struct sockaddr *)&own, sizeof own) < 0 ||
	    getsockname(server.fd, (struct sockaddr *)&own, &size) < 0)
		return -1;
	server.port = ntohs(own.sin_port);
	return setsockopt(server.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
}

static int stop(void **state)
{
	(void)state;
	close(server.fd);
	unlink(server.key);
	unlink(server.locked_key);
	unlink(server.server_key);
	rmdir(server.folder);
	spa_sides_free(&server.keys);
	return 0;
}

/* Starts the example, asking for TCP port 22; its output is to be read from what is returned. */
static FILE *ask(const char *key, const char *passphrase)
{
	const char *by = getenv("MESON_EXE_WRAPPER"); /* runs programs for another processor */
	char command[512];
	FILE *child = NULL;

	snprintf(command, sizeof command,
	    "printf '%s\\n' | %s '%s' 127.0.0.1 %d 203.0.113.5 22 " DEVICE " %s %s", passphrase,
	    by != NULL ? by : "", example, server.port, key, server.server_key);
	child = popen(command, "re");
	assert_non_null(child);
	return child;
}

/* Takes the request, which must be the one that `ask` makes, and answers with `response`. */
static void serve(struct postern_openspa_response *response)
{
	uint8_t packet[POSTERN_OPENSPA_REQUEST_BYTES + 1], answer[POSTERN_OPENSPA_RESPONSE_BYTES];
	struct postern_openspa_request request;
	struct sockaddr_storage from;
	socklen_t size = sizeof from;
	uint8_t client[POSTERN_ADDRESS_BYTES];
	ssize_t got =
	    recvfrom(server.fd, packet, sizeof packet, 0, (struct sockaddr *)&from, &size);

	assert_true(got > 0);
	assert_true(spa_accepts(&request, &server.keys, packet, (size_t)got));
	assert_int_equal(postern_address_from_text(client, "203.0.113.5"), POSTERN_OK);
	assert_memory_equal(request.client_address, client, sizeof client);
	assert_memory_equal(
	    request.device, "\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc", 13);
	assert_int_equal(request.protocol, POSTERN_OPENSPA_TCP);
	assert_int_equal(request.first_port, 22);
	assert_int_equal(request.last_port, 22);
	assert_int_equal(postern_openspa_response_build(
	                     answer, response, server.keys.server, server.keys.client_public),
	    POSTERN_OK);
	assert_int_equal(
	    sendto(server.fd, answer, sizeof answer, 0, (struct sockaddr *)&from, size),
	    sizeof answer);
}

static void assert_said(FILE *child, const char *wanted, int status)
{
	char said[256] = "";
	size_t size = fread(said, 1, sizeof said - 1, child);

	said[size] = '\0';
	assert_int_equal(WEXITSTATUS(pclose(child)), status);
	assert_string_equal(said, wanted);
}

static struct postern_openspa_response granted(void)
{
	return (struct postern_openspa_response){
	    .protocol = POSTERN_OPENSPA_TCP, .first_port = 22, .last_port = 22, .duration_s = 60};
}

static void asks_and_is_answered(void **state)
{
	struct postern_openspa_response response = granted();
	FILE *child = ask(server.key, "");

	(void)state;
	serve(&response);
	assert_said(child, "open for 60 s\nsuccess\n", 0);
}

static void an_encrypted_key_takes_its_passphrase(void **state)
{
	struct postern_openspa_response response = granted();
	FILE *child = ask(server.locked_key, PASSPHRASE);

	(void)state;
	serve(&response);
	assert_said(child, "open for 60 s\nsuccess\n", 0);
	assert_said(ask(server.locked_key, "another"),
	    "key is not to be decrypted with this passphrase\n", 1);
}

static void an_answer_to_something_else_is_none(void **state)
{
	struct postern_openspa_response response = granted();
	FILE *child = ask(server.key, "");

	(void)state;
	response.last_port = 23;
	serve(&response);
	assert_said(child, "not a packet of that kind for this key, or altered\n", 1);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(asks_and_is_answered),
	    cmocka_unit_test(an_encrypted_key_takes_its_passphrase),
	    cmocka_unit_test(an_answer_to_something_else_is_none),
	};

	if (argc != 2)
		return 2;
	example = argv[1];
	return cmocka_run_group_tests(tests, start, stop);
}
