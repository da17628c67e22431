/* The sockets that datagrams come in by: real ones, over loopback. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#include "emulated.h"
#include "intake/socket.h"

static struct losses losses; /* of tests that do not look at them */

/* A host without IPv6. */
static bool no_ipv6;

int __real_socket(int family, int type, int protocol);
int __wrap_socket(int family, int type, int protocol);

int __wrap_socket(int family, int type, int protocol)
{
	if (no_ipv6 && family == AF_INET6) {
		errno = EAFNOSUPPORT;
		return -1;
	}
	return __real_socket(family, type, protocol);
}

static struct addr addr_of(const char *text)
{
	struct addr a;

	assert_true(addr_parse(&a, text));
	return a;
}

static void assert_addr(const struct addr *a, const char *text)
{
	char found[ADDR_TEXT_BYTES];

	assert_string_equal(addr_text(a, found), text);
}

static uint16_t port_of(int fd)
{
	struct sockaddr_storage where;
	socklen_t size = sizeof where;
	struct addr a;
	uint16_t port;

	assert_return_code(getsockname(fd, (struct sockaddr *)&where, &size), errno);
	assert_true(addr_from_sockaddr(&a, &port, &where));
	return port;
}

static int open_udp(const char *address, uint16_t port, const char *interface)
{
	const struct socket_place place = {
	    .type = SOCK_DGRAM, .address = addr_of(address), .port = port, .interface = interface};

	return socket_open(&place);
}

static int open_tcp(uint16_t port, const char *interface)
{
	const struct socket_place place = {
	    .type = SOCK_STREAM, .port = port, .interface = interface};

	return socket_open(&place);
}

/* On a port that is free, so that many of this test can run at once. */
static int server_on(const char *address)
{
	int fd = open_udp(address, 0, "");

	assert_return_code(fd, errno);
	return fd;
}

/* Bound to `from`, unless that is NULL, and connected: it hears that address and port alone. */
static int client_of(const char *from, const char *to, uint16_t port)
{
	bool v6 = strchr(to, ':') != NULL;
	struct sockaddr_in6 six = {.sin6_family = AF_INET6};
	struct sockaddr_in four = {.sin_family = AF_INET};
	struct sockaddr *where = v6 ? (struct sockaddr *)&six : (struct sockaddr *)&four;
	void *bytes = v6 ? (void *)&six.sin6_addr : (void *)&four.sin_addr;
	socklen_t size = v6 ? sizeof six : sizeof four;
	int fd = __real_socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_return_code(fd, errno);
	if (from != NULL) {
		assert_int_equal(inet_pton(where->sa_family, from, bytes), 1);
		assert_return_code(bind(fd, where, size), errno);
	}
	assert_int_equal(inet_pton(where->sa_family, to, bytes), 1);
	six.sin6_port = four.sin_port = htons(port);
	assert_return_code(connect(fd, where, size), errno);
	return fd;
}

static void say(int client, const void *data, size_t size)
{
	assert_int_equal(send(client, data, size, 0), size);
}

static bool has_something(int fd)
{
	struct pollfd ready = {.fd = fd, .events = POLLIN};

	return poll(&ready, 1, 500) == 1;
}

/* One datagram that has been sent. */
static struct record take_one(int server)
{
	struct record record;
	struct record *records[] = {&record};

	memset(&record, 0xaa, sizeof record);
	assert_true(has_something(server));
	assert_int_equal(socket_receive(server, &losses, records, 1), 1);
	return record;
}

static void assert_answered(int server, const struct record *r, int client)
{
	char text[32];

	socket_answer(server, &r->source, r->source_port, &r->local, "answer", 6);
	assert_true(has_something(client));
	assert_int_equal(recv(client, text, sizeof text, 0), 6);
	assert_memory_equal(text, "answer", 6);
}

static void one_socket_for_both_families(void **state)
{
	static const char *const froms[] = {"127.0.0.5", "::1"}, *const tos[] = {
	                                                             "127.0.0.1", "::1"};
	int server = server_on("::");

	(void)state;
	for (int i = 0; i < 2; i++) {
		int client = client_of(froms[i], tos[i], port_of(server));
		struct record r;

		say(client, "hello", 5);
		r = take_one(server);
		assert_addr(&r.source, froms[i]);
		assert_int_equal(r.source_port, port_of(client));
		assert_int_equal(r.size, 5);
		assert_memory_equal(r.bytes, "hello", 5);
		close(client);
	}
	close(server);
}

static void bound_to_one_address(void **state)
{
	static const struct {
		const char *at, *wrong;
	} rows[] = {{"127.0.0.2", "127.0.0.1"}, {"127.0.0.2", "::1"}, {"::1", "127.0.0.1"}};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		int server = server_on(rows[i].at);
		int right = client_of(NULL, rows[i].at, port_of(server));
		int wrong = client_of(NULL, rows[i].wrong, port_of(server));
		struct record r;

		(void)!send(wrong, "wrong", 5, 0);
		say(right, "right", 5);
		r = take_one(server);
		assert_memory_equal(r.bytes, "right", 5);
		assert_int_equal(socket_receive(server, &losses, (struct record *[]){&r}, 1), 0);
		close(right);
		close(wrong);
		close(server);
	}
}

static void what_is_too_long_is_known(void **state)
{
	static const size_t sizes[] = {0, 1, RECORD_BYTES_MAX - 1, RECORD_BYTES_MAX,
	    RECORD_BYTES_MAX + 1, RECORD_BYTES_MAX + 2, 2000, 60000};
	static uint8_t data[60000];
	int server = server_on("::"), client = client_of(NULL, "127.0.0.1", port_of(server));

	(void)state;
	memset(data, 0x55, sizeof data);
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		size_t kept = sizes[i] < RECORD_BYTES_MAX ? sizes[i] : RECORD_BYTES_MAX;
		struct record r;

		say(client, data, sizes[i]);
		r = take_one(server);
		assert_int_equal(
		    r.size, sizes[i] > RECORD_BYTES_MAX ? RECORD_BYTES_MAX + 1 : sizes[i]);
		assert_memory_equal(r.bytes, data, kept);
		if (kept < RECORD_BYTES_MAX)
			assert_int_equal(r.bytes[kept], 0xaa);
	}
	close(client);
	close(server);
}

static void many_at_once_and_in_order(void **state)
{
	static struct record room[3 * SOCKET_BATCH];
	struct record *records[3 * SOCKET_BATCH];
	int server = server_on("::"), client = client_of(NULL, "::1", port_of(server));

	(void)state;
	for (uint8_t i = 0; i < 3 * SOCKET_BATCH; i++)
		records[i] = &room[i];
	for (uint8_t i = 0; i < 2 * SOCKET_BATCH; i++)
		say(client, &i, 1);
	assert_true(has_something(server));
	assert_int_equal(socket_receive(server, &losses, records, 5), 5);
	assert_int_equal(
	    socket_receive(server, &losses, records + 5, 2 * SOCKET_BATCH - 5), SOCKET_BATCH);
	assert_int_equal(socket_receive(server, &losses, records + 5 + SOCKET_BATCH, SOCKET_BATCH),
	    SOCKET_BATCH - 5);
	for (uint8_t i = 0; i < 2 * SOCKET_BATCH; i++) {
		assert_int_equal(room[i].size, 1);
		assert_int_equal(room[i].bytes[0], i);
	}
	assert_int_equal(socket_receive(server, &losses, records, 1), 0);
	close(client);
	close(server);
}

/* What there was no room for is told with the next that is read; what an earlier reader has heard
 * of is not counted again. */
static void losses_are_counted_from_the_first_read_on(void **state)
{
	static const char *const tos[] = {"127.0.0.1", "::1"};
	static const int little = 1;
	static struct record room[SOCKET_BATCH];
	struct record *records[SOCKET_BATCH];

	(void)state;
	if (is_emulated("order of bytes for the count of losses"))
		skip();
	for (size_t i = 0; i < SOCKET_BATCH; i++)
		records[i] = &room[i];
	for (size_t i = 0; i < sizeof tos / sizeof *tos; i++) {
		int server = server_on("::"), client = client_of(NULL, tos[i], port_of(server));
		struct losses first = {0}, second = {0};
		size_t got;

		assert_return_code(
		    setsockopt(server, SOL_SOCKET, SO_RCVBUF, &little, sizeof little), errno);
		for (int n = 0; n < SOCKET_BATCH; n++)
			say(client, "hello", 5);
		got = socket_receive(server, &first, records, SOCKET_BATCH);
		assert_in_range(got, 1, SOCKET_BATCH - 1);
		assert_int_equal(first.count, 0);
		say(client, "hello", 5);
		assert_int_equal(socket_receive(server, &first, records, SOCKET_BATCH), 1);
		assert_int_equal(first.count, SOCKET_BATCH - got);
		say(client, "hello", 5);
		assert_int_equal(socket_receive(server, &second, records, SOCKET_BATCH), 1);
		assert_int_equal(second.count, 0);
		close(client);
		close(server);
	}
}

static void it_does_not_wait_and_does_not_go_along(void **state)
{
	int udp = server_on("::"), tcp = open_tcp(0, "");

	(void)state;
	assert_return_code(tcp, errno);
	for (int i = 0; i < 2; i++) {
		assert_true(fcntl(i == 0 ? udp : tcp, F_GETFL) & O_NONBLOCK);
		assert_true(fcntl(i == 0 ? udp : tcp, F_GETFD) & FD_CLOEXEC);
	}
	close(udp);
	close(tcp);
}

static void answers_come_from_where_was_asked(void **state)
{
	static const char *const tos[] = {"127.0.0.1", "127.0.0.2", "127.9.9.9", "::1"};
	int server = server_on("::");

	(void)state;
	assert_true(socket_want_local(server));
	for (size_t i = 0; i < sizeof tos / sizeof *tos; i++) {
		int client = client_of(NULL, tos[i], port_of(server));
		struct record r;

		say(client, "hello", 5);
		r = take_one(server);
		assert_addr(&r.local, tos[i]);
		assert_answered(server, &r, client);
		close(client);
	}
	close(server);
}

static void without_being_asked_it_tells_no_address(void **state)
{
	int server = server_on("::"), client = client_of(NULL, "127.0.0.1", port_of(server));
	struct record r;

	(void)state;
	say(client, "hello", 5);
	r = take_one(server);
	assert_true(addr_is_wildcard(&r.local));
	assert_answered(server, &r, client); /* by the host's choice, which is the same here */
	close(client);
	close(server);
}

/* Whatever else comes with a datagram, the address is the right one or none. */
static void other_ancillary_data_is_no_address(void **state)
{
	static const struct {
		int level, option;
		const char *to, *local;
	} rows[] = {{IPPROTO_IPV6, IPV6_RECVTCLASS, "127.0.0.2", "127.0.0.2"},
	    {IPPROTO_IPV6, IPV6_RECVHOPLIMIT, "127.0.0.2", "127.0.0.2"},
	    {SOL_SOCKET, SO_TIMESTAMP, "127.0.0.2", "::"},
	    {SOL_SOCKET, SO_TIMESTAMP, "::1", "::"}}; /* first, and then there is no room */
	static const int on = 1;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		int server = server_on("::");
		int client = client_of(NULL, rows[i].to, port_of(server));
		struct record r;

		assert_true(socket_want_local(server));
		assert_return_code(
		    setsockopt(server, rows[i].level, rows[i].option, &on, sizeof on), errno);
		say(client, "hello", 5);
		r = take_one(server);
		assert_int_equal(r.size, 5);
		assert_addr(&r.local, rows[i].local);
		close(client);
		close(server);
	}
}

static void a_host_without_ipv6(void **state)
{
	static const char *const ats[] = {"::", "127.0.0.3"};

	(void)state;
	for (size_t i = 0; i < sizeof ats / sizeof *ats; i++) {
		int server, client, other;
		struct record r;

		no_ipv6 = true;
		server = server_on(ats[i]);
		no_ipv6 = false;
		client = client_of("127.0.0.5", "127.0.0.3", port_of(server));
		other = client_of("127.0.0.5", "127.0.0.4", port_of(server));
		assert_true(socket_want_local(server));
		(void)!send(other, "other", 5, 0);
		if (i == 0)
			assert_memory_equal(take_one(server).bytes, "other", 5);
		say(client, "hello", 5);
		r = take_one(server);
		assert_addr(&r.source, "127.0.0.5");
		assert_int_equal(r.source_port, port_of(client));
		assert_memory_equal(r.bytes, "hello", 5);
		assert_addr(&r.local, "127.0.0.3");
		assert_answered(server, &r, client);
		close(client);
		close(other);
		close(server);
	}
	no_ipv6 = true;
	assert_int_equal(open_udp("::1", 0, ""), -1);
	assert_int_equal(errno, EAFNOSUPPORT);
	no_ipv6 = false;
}

static void health_is_reached_over_both_families(void **state)
{
	int listener = open_tcp(0, "");
	struct sockaddr_in four = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};

	(void)state;
	assert_return_code(listener, errno);
	four.sin_port = six.sin6_port = htons(port_of(listener));
	for (int i = 0; i < 2; i++) {
		int fd = __real_socket(i == 0 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
		int peer;

		assert_return_code(
		    connect(fd, i == 0 ? (struct sockaddr *)&four : (struct sockaddr *)&six,
		        i == 0 ? sizeof four : sizeof six),
		    errno);
		peer = accept(listener, NULL, NULL);
		assert_return_code(peer, errno);
		close(peer);
		close(fd);
	}
	close(listener);
}

static void a_taken_port_and_no_such_interface(void **state)
{
	int udp = server_on("::"), tcp = open_tcp(0, "");

	(void)state;
	assert_int_equal(open_udp("::", port_of(udp), ""), -1);
	assert_int_equal(errno, EADDRINUSE);
	assert_int_equal(open_tcp(port_of(tcp), ""), -1);
	assert_int_equal(errno, EADDRINUSE);
	assert_int_equal(open_udp("::", 0, "nosuch0"), -1);
	assert_int_equal(errno, ENODEV);
	assert_int_equal(open_tcp(0, "nosuch0"), -1);
	assert_int_equal(errno, ENODEV);
	close(udp);
	close(tcp);
	udp = open_udp("::", 0, "lo");
	assert_return_code(udp, errno);
	close(udp);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(one_socket_for_both_families),
	    cmocka_unit_test(bound_to_one_address),
	    cmocka_unit_test(what_is_too_long_is_known),
	    cmocka_unit_test(many_at_once_and_in_order),
	    cmocka_unit_test(losses_are_counted_from_the_first_read_on),
	    cmocka_unit_test(it_does_not_wait_and_does_not_go_along),
	    cmocka_unit_test(answers_come_from_where_was_asked),
	    cmocka_unit_test(without_being_asked_it_tells_no_address),
	    cmocka_unit_test(other_ancillary_data_is_no_address),
	    cmocka_unit_test(a_host_without_ipv6),
	    cmocka_unit_test(health_is_reached_over_both_families),
	    cmocka_unit_test(a_taken_port_and_no_such_interface),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
