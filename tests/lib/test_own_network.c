/* What depends on the host's addresses and names, in a network of its own: nothing but a loopback
 * device that carries global addresses, and a hosts file. Skipped where no namespace may be made.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <linux/ipv6.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include "postern.h"

#define OURS_4 "203.0.113.5"
#define OURS_6 "2001:db8::42"
#define NAME   "door.example"
#define PORT   54154

static struct sockaddr_in four = {.sin_family = AF_INET};
static struct sockaddr_in6 six = {.sin6_family = AF_INET6};
static uint8_t ours_4[POSTERN_ADDRESS_BYTES], ours_6[POSTERN_ADDRESS_BYTES];
static int server_4 = -1, server_6 = -1;

static bool address_loopback(const struct sockaddr_in *at, const struct sockaddr_in6 *at_6)
{
	struct ifreq request = {.ifr_name = "lo"};
	struct in6_ifreq request_6 = {.ifr6_prefixlen = 128};
	int fd_4 = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int fd_6 = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool done;

	memcpy(&request.ifr_addr, at, sizeof *at);
	done = ioctl(fd_4, SIOCSIFADDR, &request) == 0;
	request.ifr_flags = IFF_UP | IFF_LOOPBACK | IFF_RUNNING;
	done = done && ioctl(fd_4, SIOCSIFFLAGS, &request) == 0;
	request_6.ifr6_ifindex = (int)if_nametoindex("lo");
	request_6.ifr6_addr = at_6->sin6_addr;
	done = done && ioctl(fd_6, SIOCSIFADDR, &request_6) == 0;
	close(fd_4);
	close(fd_6);
	return done;
}

/* The kernel finishes the setting of an IPv6 address in its own time: until then it cannot be
 * bound. */
static int bound(const void *at, socklen_t size, sa_family_t family)
{
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int left = 5000;

	while (bind(fd, at, size) < 0 && errno == EADDRNOTAVAIL && left-- > 0)
		usleep(1000);
	assert_true(left > 0);
	return fd;
}

/* Gives NAME both addresses, for this process alone. */
static bool name_addresses(void)
{
	static const char hosts[] = OURS_4 " " NAME "\n" OURS_6 " " NAME "\n";
	char path[] = "/tmp/postern-hosts-XXXXXX";
	int fd = mkstemp(path);
	bool done = fd >= 0 && write(fd, hosts, sizeof hosts - 1) == sizeof hosts - 1 &&
	            mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	            mount(path, "/etc/hosts", NULL, MS_BIND, NULL) == 0;

	if (fd >= 0) {
		unlink(path);
		close(fd);
	}
	return done;
}

static int start(void **state)
{
	(void)state;
	assert_int_equal(postern_address_from_text(ours_4, OURS_4), POSTERN_OK);
	assert_int_equal(postern_address_from_text(ours_6, OURS_6), POSTERN_OK);
	memcpy(&four.sin_addr, ours_4 + 12, 4);
	memcpy(&six.sin6_addr, ours_6, 16);
	four.sin_port = six.sin6_port = htons(PORT);
	if (!address_loopback(&four, &six) || !name_addresses())
		return -1;
	server_4 = bound(&four, sizeof four, AF_INET);
	server_6 = bound(&six, sizeof six, AF_INET6);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	close(server_4);
	close(server_6);
	return 0;
}

static void tells_a_global_address(void **state)
{
	uint8_t own[POSTERN_ADDRESS_BYTES];

	(void)state;
	assert_int_equal(
	    postern_own_address(own, (struct sockaddr *)&four, sizeof four), POSTERN_OK);
	assert_memory_equal(own, ours_4, sizeof own);
	assert_int_equal(postern_own_address(own, (struct sockaddr *)&six, sizeof six), POSTERN_OK);
	assert_memory_equal(own, ours_6, sizeof own);
}

static void no_way_there_is_an_error(void **state)
{
	struct sockaddr_in away = {.sin_family = AF_INET, .sin_port = htons(PORT)};
	uint8_t own[POSTERN_ADDRESS_BYTES];

	(void)state;
	away.sin_addr.s_addr = htonl(0xc6336407); /* 198.51.100.7 */
	assert_int_equal(
	    postern_own_address(own, (struct sockaddr *)&away, sizeof away), POSTERN_SYSTEM_FAILED);
}

/* One knock arrives on `fd`, and it names `target`. */
static void assert_named(
    int fd, const uint8_t secret[POSTERN_KEY_BYTES], const uint8_t target[POSTERN_ADDRESS_BYTES])
{
	uint8_t knock[POSTERN_KNOCK_BYTES], key[POSTERN_SEAL_KEY_BYTES];
	struct postern_contents said;

	assert_int_equal(recv(fd, knock, sizeof knock, 0), sizeof knock);
	assert_int_equal(postern_knock_unseal(key, secret, knock, sizeof knock), POSTERN_OK);
	assert_int_equal(postern_knock_open(&said, key, knock, sizeof knock), POSTERN_OK);
	assert_memory_equal(said.target, target, sizeof said.target);
}

static void each_family_names_its_own(void **state)
{
	static const uint8_t secret[POSTERN_KEY_BYTES] = {1}, wildcard[POSTERN_ADDRESS_BYTES];
	struct postern_options options = {.size = sizeof options, .flags = POSTERN_OWN_ADDRESS};
	struct postern_report report = {.size = sizeof report};

	(void)state;
	postern_server_public(options.server_public, secret);
	postern_client_secret_from_seed(options.client_secret, secret);
	assert_int_equal(postern_knock(&options, OURS_4, PORT, &report), POSTERN_OK);
	assert_named(server_4, secret, ours_4);
	assert_memory_equal(report.ipv4.target, ours_4, sizeof ours_4);
	assert_int_equal(postern_knock(&options, OURS_6, PORT, &report), POSTERN_OK);
	assert_named(server_6, secret, ours_6);
	assert_memory_equal(report.ipv6.target, ours_6, sizeof ours_6);

	options.flags = 0;
	assert_int_equal(postern_knock(&options, OURS_4, PORT, NULL), POSTERN_OK);
	assert_named(server_4, secret, wildcard);
}

static void receive(int fd, uint8_t knock[POSTERN_KNOCK_BYTES])
{
	assert_int_equal(recv(fd, knock, POSTERN_KNOCK_BYTES, 0), POSTERN_KNOCK_BYTES);
}

static void assert_silent(int fd)
{
	uint8_t scrap[1];

	assert_int_equal(recv(fd, scrap, sizeof scrap, 0), -1);
	assert_int_equal(errno, EAGAIN);
}

static void a_name_with_both_families_gets_two_knocks(void **state)
{
	struct postern_options options = {.size = sizeof options};
	struct postern_report report = {.size = sizeof report};
	uint8_t a[POSTERN_KNOCK_BYTES], b[POSTERN_KNOCK_BYTES];

	(void)state;
	options.server_public[0] = 9;
	postern_client_secret_from_seed(options.client_secret, options.server_public);
	assert_int_equal(postern_knock(&options, NAME, PORT, &report), POSTERN_OK);
	receive(server_4, a);
	receive(server_6, b);
	assert_memory_not_equal(a + 1, b + 1, POSTERN_KEY_BYTES);
	assert_int_equal(report.ipv4.error, POSTERN_OK);
	assert_int_equal(report.ipv6.error, POSTERN_OK);
	assert_memory_equal(report.ipv4.server, ours_4, sizeof ours_4);
	assert_memory_equal(report.ipv6.server, ours_6, sizeof ours_6);

	options.flags = POSTERN_IPV4;
	assert_int_equal(postern_knock(&options, NAME, PORT, NULL), POSTERN_OK);
	receive(server_4, a);
	options.flags = POSTERN_IPV6;
	assert_int_equal(postern_knock(&options, NAME, PORT, NULL), POSTERN_OK);
	receive(server_6, a);
	options.flags = POSTERN_IPV4 | POSTERN_IPV6;
	assert_int_equal(postern_knock(&options, NAME, PORT, NULL), POSTERN_OK);
	receive(server_4, a);
	receive(server_6, a);
	assert_silent(server_4);
	assert_silent(server_6);
}

/* Behind NAT our address means nothing to the server. */
static void a_private_address_is_not_told(void **state)
{
	static const uint8_t wildcard[POSTERN_ADDRESS_BYTES];
	struct sockaddr_in four_private = {.sin_family = AF_INET, .sin_port = htons(PORT)};
	struct sockaddr_in6 six_private = {.sin6_family = AF_INET6, .sin6_port = htons(PORT)};
	uint8_t own[POSTERN_ADDRESS_BYTES];

	(void)state;
	four_private.sin_addr.s_addr = htonl(0xc0a80107); /* 192.168.1.7 */
	six_private.sin6_addr.s6_addr[0] = 0xfd;
	six_private.sin6_addr.s6_addr[15] = 7;
	assert_true(address_loopback(&four_private, &six_private));
	close(bound(&six_private, sizeof six_private, AF_INET6));
	assert_int_equal(
	    postern_own_address(own, (struct sockaddr *)&four_private, sizeof four_private),
	    POSTERN_NO_ADDRESS);
	assert_memory_equal(own, wildcard, sizeof own);
	assert_int_equal(
	    postern_own_address(own, (struct sockaddr *)&six_private, sizeof six_private),
	    POSTERN_NO_ADDRESS);
	assert_memory_equal(own, wildcard, sizeof own);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(tells_a_global_address), cmocka_unit_test(no_way_there_is_an_error),
	    cmocka_unit_test(each_family_names_its_own),
	    cmocka_unit_test(a_name_with_both_families_gets_two_knocks),
	    cmocka_unit_test(a_private_address_is_not_told), /* last: it takes the others' away */
	};

	if (getenv("MESON_EXE_WRAPPER") != NULL) {
		fprintf(stderr, "left out: QEMU has no netlink of addresses\n");
		return 77;
	}
	if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0 &&
	    unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS) < 0)
		return 77;
	return cmocka_run_group_tests(tests, start, stop);
}
