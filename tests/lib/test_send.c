/* The convenience calls against real UDP sockets on loopback, and the example program where its
 * path is given as the argument. Datagrams wait in the socket's buffer, so nothing here waits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "postern.h"

static const char *example;
static const uint8_t wildcard[POSTERN_ADDRESS_BYTES];

/* A server: its keys, one client's, and a socket in each family on the same port. */
static struct server {
	uint8_t secret[POSTERN_KEY_BYTES];
	uint8_t client_public[POSTERN_KEY_BYTES];
	struct postern_options options;
	int v4, v6;
	uint16_t port;
} server;

/* Which runs programs for another processor */
static const char *runner(void)
{
	const char *by = getenv("MESON_EXE_WRAPPER");

	return by != NULL ? by : "";
}

static int open_socket(const struct sockaddr *at, socklen_t size)
{
	int fd = socket(at->sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd >= 0 && bind(fd, at, size) < 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static int start(void **state)
{
	struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	struct sockaddr_in four = {.sin_family = AF_INET};
	socklen_t size = sizeof four;

	(void)state;
	four.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	memset(server.secret, 7, sizeof server.secret);
	server.options.size = sizeof server.options;
	postern_server_public(server.options.server_public, server.secret);
	postern_client_secret_from_seed(server.options.client_secret, server.secret);
	postern_client_public(server.client_public, server.secret);

	server.v4 = open_socket((struct sockaddr *)&four, sizeof four);
	if (server.v4 < 0 || getsockname(server.v4, (struct sockaddr *)&four, &size) < 0)
		return -1;
	server.port = ntohs(four.sin_port);
	six.sin6_port = four.sin_port;
	server.v6 = open_socket((struct sockaddr *)&six, sizeof six);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	close(server.v4);
	if (server.v6 >= 0)
		close(server.v6);
	return 0;
}

static int drain(void **state)
{
	uint8_t scrap[1];

	(void)state;
	while (recv(server.v4, scrap, sizeof scrap, 0) >= 0)
		;
	while (server.v6 >= 0 && recv(server.v6, scrap, sizeof scrap, 0) >= 0)
		;
	return 0;
}

static void assert_silent(int fd)
{
	uint8_t scrap[1];

	assert_int_equal(recv(fd, scrap, sizeof scrap, 0), -1);
	assert_int_equal(errno, EAGAIN);
}

/* Receives one knock, checks that it is whole, and returns what it says. */
static struct postern_contents receive(int fd, uint8_t knock[POSTERN_KNOCK_BYTES])
{
	uint8_t datagram[2 * POSTERN_KNOCK_BYTES], key[POSTERN_SEAL_KEY_BYTES];
	ssize_t size = recv(fd, datagram, sizeof datagram, 0);
	struct postern_contents said;

	assert_int_equal(size, POSTERN_KNOCK_BYTES);
	assert_int_equal(
	    postern_knock_unseal(key, server.secret, datagram, (size_t)size), POSTERN_OK);
	assert_int_equal(postern_knock_open(&said, key, datagram, (size_t)size), POSTERN_OK);
	assert_int_equal(
	    postern_knock_verify(server.client_public, datagram, (size_t)size), POSTERN_OK);
	memcpy(knock, datagram, POSTERN_KNOCK_BYTES);
	return said;
}

static void needs_ipv6(void)
{
	if (server.v6 < 0)
		skip();
}

static void every_knock_is_new(void **state)
{
	uint8_t a[POSTERN_KNOCK_BYTES], b[POSTERN_KNOCK_BYTES];

	(void)state;
	assert_int_equal(postern_knock_build(a, &server.options), POSTERN_OK);
	assert_int_equal(postern_knock_build(b, &server.options), POSTERN_OK);
	assert_memory_not_equal(a + 1, b + 1, POSTERN_KEY_BYTES);
	assert_memory_not_equal(
	    a + 1 + POSTERN_KEY_BYTES, b + 1 + POSTERN_KEY_BYTES, POSTERN_AEAD_NONCE_BYTES);
}

static void sends_to_a_resolved_address(void **state)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(server.port)};
	uint8_t sent[POSTERN_KNOCK_BYTES], received[POSTERN_KNOCK_BYTES];
	struct sockaddr *generic = (struct sockaddr *)&to;

	(void)state;
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(postern_knock_build(sent, &server.options), POSTERN_OK);
	assert_int_equal(postern_knock_send(sent, generic, sizeof to), POSTERN_OK);
	receive(server.v4, received);
	assert_memory_equal(sent, received, sizeof sent);

	assert_int_equal(postern_knock_send(sent, generic, sizeof to - 1), POSTERN_BAD_ARGUMENT);
	assert_int_equal(postern_knock_send(sent, generic, 0), POSTERN_BAD_ARGUMENT);
	to.sin_family = AF_UNIX;
	assert_int_equal(postern_knock_send(sent, generic, sizeof to), POSTERN_BAD_ARGUMENT);
	assert_silent(server.v4);
}

static void the_kernel_s_reason_is_kept(void **state)
{
	/* Without SO_BROADCAST the kernel refuses to connect there. */
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(server.port)};
	struct postern_report report = {.size = sizeof report};
	uint8_t knock[POSTERN_KNOCK_BYTES];

	(void)state;
	to.sin_addr.s_addr = htonl(INADDR_BROADCAST);
	assert_int_equal(postern_knock_build(knock, &server.options), POSTERN_OK);
	errno = 0;
	assert_int_equal(
	    postern_knock_send(knock, (struct sockaddr *)&to, sizeof to), POSTERN_SYSTEM_FAILED);
	assert_int_not_equal(errno, 0);
	assert_int_equal(postern_knock(&server.options, "255.255.255.255", server.port, &report),
	    POSTERN_SYSTEM_FAILED);
	assert_int_equal(report.ipv4.error, POSTERN_SYSTEM_FAILED);
	assert_int_not_equal(report.ipv4.system_error, 0);
	assert_int_equal(report.ipv6.error, POSTERN_NO_ADDRESS);
}

static void knocks_at_an_ipv4_address(void **state)
{
	struct postern_report report = {.size = sizeof report};
	uint8_t knock[POSTERN_KNOCK_BYTES], loopback[POSTERN_ADDRESS_BYTES];
	struct postern_contents said;

	(void)state;
	assert_int_equal(
	    postern_knock(&server.options, "127.0.0.1", server.port, &report), POSTERN_OK);
	said = receive(server.v4, knock);
	assert_memory_equal(said.target, wildcard, sizeof said.target);
	assert_int_equal(report.ipv4.error, POSTERN_OK);
	assert_int_equal(report.ipv6.error, POSTERN_NO_ADDRESS);
	assert_int_equal(postern_address_from_text(loopback, "127.0.0.1"), POSTERN_OK);
	assert_memory_equal(report.ipv4.server, loopback, sizeof loopback);
	assert_silent(server.v4);
}

static void knocks_at_an_ipv6_address(void **state)
{
	struct postern_report report = {.size = sizeof report};
	uint8_t knock[POSTERN_KNOCK_BYTES];

	(void)state;
	needs_ipv6();
	assert_int_equal(postern_knock(&server.options, "::1", server.port, &report), POSTERN_OK);
	receive(server.v6, knock);
	assert_int_equal(report.ipv6.error, POSTERN_OK);
	assert_int_equal(report.ipv4.error, POSTERN_NO_ADDRESS);
	assert_silent(server.v4);
}

static void a_family_not_wanted_gets_nothing(void **state)
{
	struct postern_options options = server.options;

	(void)state;
	options.flags = POSTERN_IPV6;
	assert_int_equal(postern_knock(&options, "127.0.0.1", server.port, NULL), POSTERN_NO_NAME);
	assert_silent(server.v4);
	needs_ipv6();
	options.flags = POSTERN_IPV4;
	assert_int_equal(postern_knock(&options, "::1", server.port, NULL), POSTERN_NO_NAME);
	assert_silent(server.v6);
}

static void a_named_target_is_sent_as_it_is(void **state)
{
	struct postern_options options = server.options;
	struct postern_report report = {.size = sizeof report};
	uint8_t knock[POSTERN_KNOCK_BYTES];
	struct postern_contents said;

	(void)state;
	options.flags = POSTERN_OWN_ADDRESS;
	assert_int_equal(postern_address_from_text(options.target, "203.0.113.5"), POSTERN_OK);
	assert_int_equal(postern_knock(&options, "127.0.0.1", server.port, &report), POSTERN_OK);
	said = receive(server.v4, knock);
	assert_memory_equal(said.target, options.target, sizeof said.target);
	assert_memory_equal(report.ipv4.target, options.target, sizeof said.target);
}

/* Loopback is not global, so it is neither told nor named. */
static void our_address_is_named_only_when_global(void **state)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(server.port)};
	struct postern_options options = server.options;
	uint8_t own[POSTERN_ADDRESS_BYTES], knock[POSTERN_KNOCK_BYTES];
	struct postern_contents said;

	(void)state;
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	memset(own, 0xee, sizeof own);
	assert_int_equal(
	    postern_own_address(own, (struct sockaddr *)&to, sizeof to), POSTERN_NO_ADDRESS);
	assert_memory_equal(own, wildcard, sizeof own);
	assert_int_equal(postern_own_address(own, (struct sockaddr *)&to, 4), POSTERN_BAD_ARGUMENT);

	options.flags = POSTERN_OWN_ADDRESS;
	assert_int_equal(postern_knock(&options, "127.0.0.1", server.port, NULL), POSTERN_OK);
	said = receive(server.v4, knock);
	assert_memory_equal(said.target, wildcard, sizeof said.target);
}

static void bad_arguments_send_nothing(void **state)
{
	struct postern_options options = server.options;
	struct postern_report report = {.size = sizeof report - 1};

	(void)state;
	assert_int_equal(postern_knock(&options, "127.0.0.1", 0, NULL), POSTERN_BAD_ARGUMENT);
	assert_int_equal(
	    postern_knock(&options, "127.0.0.1", server.port, &report), POSTERN_BAD_ARGUMENT);
	options.flags = 0x80;
	assert_int_equal(
	    postern_knock(&options, "127.0.0.1", server.port, NULL), POSTERN_BAD_ARGUMENT);
	options.flags = 0;
	options.size--;
	assert_int_equal(
	    postern_knock(&options, "127.0.0.1", server.port, NULL), POSTERN_BAD_ARGUMENT);
	options = server.options;
	memset(options.server_public, 0, sizeof options.server_public);
	assert_int_equal(postern_knock(&options, "127.0.0.1", server.port, NULL), POSTERN_BAD_KEY);
	assert_silent(server.v4);
}

static void a_name_that_is_none_is_reported(void **state)
{
	struct postern_report report = {.size = sizeof report};

	(void)state;
	assert_int_equal(
	    postern_knock(&server.options, "not a name", server.port, &report), POSTERN_NO_NAME);
	assert_int_not_equal(report.resolve_error, 0);
	assert_int_equal(report.ipv4.error, POSTERN_NO_ADDRESS);
	assert_int_equal(report.size, sizeof report);
}

static void reads_addresses(void **state)
{
	static const uint8_t four[] = {[10] = 0xff, 0xff, 203, 0, 113, 5};
	static const uint8_t six[] = {0x20, 0x01, 0x0d, 0xb8, [15] = 0x42};
	uint8_t address[POSTERN_ADDRESS_BYTES];

	(void)state;
	assert_int_equal(postern_address_from_text(address, "203.0.113.5"), POSTERN_OK);
	assert_memory_equal(address, four, sizeof four);
	assert_int_equal(postern_address_from_text(address, "2001:db8::42"), POSTERN_OK);
	assert_memory_equal(address, six, sizeof six);
	assert_int_equal(postern_address_from_text(address, "door.example"), POSTERN_NO_ADDRESS);
	assert_memory_equal(address, wildcard, sizeof address);
}

static void the_example_knocks(void **state)
{
	char key[POSTERN_BASE64_BYTES(POSTERN_KEY_BYTES)];
	char secret[POSTERN_BASE64_BYTES(POSTERN_CLIENT_SECRET_BYTES)];
	uint8_t knock[POSTERN_KNOCK_BYTES];
	char command[512];
	FILE *child;

	(void)state;
	if (example == NULL)
		skip();
	assert_int_equal(postern_key_to_base64(key, sizeof key, server.options.server_public,
	                     sizeof server.options.server_public),
	    POSTERN_OK);
	assert_int_equal(postern_key_to_base64(secret, sizeof secret, server.options.client_secret,
	                     sizeof server.options.client_secret),
	    POSTERN_OK);
	snprintf(command, sizeof command, "%s '%s' 127.0.0.1 %d %s", runner(), example, server.port,
	    key);
	child = popen(command, "w");
	assert_non_null(child);
	fprintf(child, "%s\n", secret);
	assert_int_equal(pclose(child), 0);
	receive(server.v4, knock);
	assert_silent(server.v4);

	child = popen(command, "w");
	assert_non_null(child);
	fprintf(child, "not a key\n");
	assert_int_equal(WEXITSTATUS(pclose(child)), 1);
	assert_silent(server.v4);
}

#define TEST(name) cmocka_unit_test_setup(name, drain)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    TEST(every_knock_is_new),
	    TEST(sends_to_a_resolved_address),
	    TEST(the_kernel_s_reason_is_kept),
	    TEST(knocks_at_an_ipv4_address),
	    TEST(knocks_at_an_ipv6_address),
	    TEST(a_family_not_wanted_gets_nothing),
	    TEST(a_named_target_is_sent_as_it_is),
	    TEST(our_address_is_named_only_when_global),
	    TEST(bad_arguments_send_nothing),
	    TEST(a_name_that_is_none_is_reported),
	    TEST(reads_addresses),
	    TEST(the_example_knocks),
	};

	example = argc > 1 ? argv[1] : NULL;
	return cmocka_run_group_tests(tests, start, stop);
}
