/* Which sockets of an earlier daemon are taken over: those that are ours in everything. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "emulated.h"
#include "intake/intake.h"
#include "intake/packet.h"
#include "intake/steer.h"

#define PORT    54154
#define DOORMEN 3

#define NOT_RUN 77 /* Meson's word for a test that was skipped */

/* Of our own, with lo up, where no port is taken by others. */
static bool enter_namespace(void)
{
	struct ifreq up = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	int fd = unshare(CLONE_NEWNET) == 0 ? socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0) : -1;
	bool entered = fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &up) == 0;

	if (fd >= 0)
		close(fd);
	return entered;
}

static struct socket_place place(int type, const char *address, const char *interface)
{
	struct socket_place p = {.type = type, .port = PORT, .interface = interface};

	assert_true(*address == '\0' || addr_parse(&p.address, address));
	return p;
}

static void ours_is_taken(void **state)
{
	const struct socket_place places[] = {place(SOCK_DGRAM, "", ""),
	    place(SOCK_DGRAM, "", "lo"), place(SOCK_DGRAM, "127.0.0.1", ""),
	    place(SOCK_DGRAM, "::1", "lo"), place(SOCK_STREAM, "", ""),
	    place(SOCK_STREAM, "", "lo")};

	(void)state;
	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		int fd = socket_open(&places[i]);

		assert_return_code(fd, errno);
		assert_return_code(fcntl(fd, F_SETFL, 0), errno);
		assert_return_code(fcntl(fd, F_SETFD, 0), errno);
		assert_null(socket_take_over(fd, &places[i]));
		assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
		assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
		close(fd);
	}
}

static void another_place_is_refused(void **state)
{
	const struct socket_place wanted = place(SOCK_DGRAM, "", "lo");
	struct socket_place others[] = {wanted, place(SOCK_DGRAM, "127.0.0.1", "lo"),
	    place(SOCK_DGRAM, "", ""), place(SOCK_STREAM, "", "lo"),
	    place(SOCK_DGRAM, "::1", "lo")};

	(void)state;
	others[0].port++;
	for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
		int fd = socket_open(&others[i]);

		assert_return_code(fd, errno);
		assert_non_null(socket_take_over(fd, &wanted));
		close(fd);
	}
}

static void spoil_connect(int fd)
{
	const struct sockaddr_in6 far = {
	    .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT, .sin6_port = htons(1)};

	assert_return_code(connect(fd, (const struct sockaddr *)&far, sizeof far), errno);
}

static void spoil_filter(int fd)
{
	struct sock_filter drop = BPF_STMT(BPF_RET | BPF_K, 0);
	const struct sock_fprog program = {1, &drop};

	assert_return_code(
	    setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program), errno);
}

static void spoil_share(int fd)
{
	static const int on = 1;

	assert_return_code(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on), errno);
}

static void spoil_reuse(int fd)
{
	static const int on = 1;

	assert_return_code(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), errno);
}

static void spoil_encap(int fd)
{
	static const int type = UDP_ENCAP_ESPINUDP;

	assert_return_code(setsockopt(fd, IPPROTO_UDP, UDP_ENCAP, &type, sizeof type), errno);
}

static void spoil_device(int fd)
{
	assert_return_code(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "", 0), errno);
}

static void spoilt_is_refused(void **state)
{
	static const struct {
		void (*spoil)(int fd);
		const char *why;
	} rows[] = {{spoil_connect, "it is connected"}, {spoil_filter, "it has a filter"},
	    {spoil_share, "others could share its port"},
	    {spoil_reuse, "others could share its port"},
	    {spoil_encap, "packets are taken out of it"},
	    {spoil_device, "it is bound to another device, or to one that is gone"}};
	const struct socket_place wanted = place(SOCK_DGRAM, "::1", "lo");

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		int fd = socket_open(&wanted);

		assert_return_code(fd, errno);
		rows[i].spoil(fd);
		assert_string_equal(socket_take_over(fd, &wanted), rows[i].why);
		close(fd);
	}
}

static void for_one_family_is_refused(void **state)
{
	static const int on = 1;
	const struct socket_place wanted = place(SOCK_DGRAM, "", "");
	struct sockaddr_in6 where = {.sin6_family = AF_INET6, .sin6_port = htons(PORT)};
	struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(PORT)};
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	(void)state;
	assert_return_code(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on), errno);
	assert_return_code(bind(fd, (struct sockaddr *)&where, sizeof where), errno);
	assert_string_equal(socket_take_over(fd, &wanted), "it is for one family alone");
	close(fd);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_return_code(bind(fd, (struct sockaddr *)&four, sizeof four), errno);
	assert_string_equal(socket_take_over(fd, &wanted), "it is of another family");
	close(fd);
}

static void other_protocols_are_refused(void **state)
{
	const struct socket_place wanted = place(SOCK_DGRAM, "", "");
	const struct sockaddr_in6 where = {.sin6_family = AF_INET6, .sin6_port = htons(PORT)};
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_UDPLITE);

	(void)state;
	if (fd >= 0) {
		assert_return_code(bind(fd, (const struct sockaddr *)&where, sizeof where), errno);
		assert_string_equal(socket_take_over(fd, &wanted), "it is of another protocol");
		close(fd);
	}
	fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	assert_non_null(socket_take_over(fd, &wanted));
	close(fd);
	assert_non_null(socket_take_over(-1, &wanted));
}

static void a_listener_that_was_shut_down_is_refused(void **state)
{
	const struct socket_place wanted = place(SOCK_STREAM, "", "");
	int fd = socket_open(&wanted);

	(void)state;
	assert_return_code(fd, errno);
	assert_return_code(shutdown(fd, SHUT_RDWR), errno);
	assert_non_null(socket_take_over(fd, &wanted));
	close(fd);
}

static void a_device_that_is_not_there(void **state)
{
	const struct socket_place everywhere = place(SOCK_DGRAM, "", "");
	const struct socket_place wanted = place(SOCK_DGRAM, "", "nosuch0");
	int fd = socket_open(&everywhere);

	(void)state;
	assert_string_equal(socket_take_over(fd, &wanted), strerror(ENODEV));
	close(fd);
}

/* --- Packet sockets */

static struct socket_place captured(uint16_t ether_type, uint16_t port, const char *interface)
{
	return (struct socket_place){.type = SOCK_DGRAM,
	    .port = port,
	    .interface = interface,
	    .ether_type = ether_type,
	    .size = 165,
	    .first = 1,
	    .doormen = 1,
	    .key = {7, 9}};
}

static void a_capture_of_ours_is_taken(void **state)
{
	const struct socket_place places[] = {captured(ETH_P_IP, PORT, ""),
	    captured(ETH_P_IPV6, PORT, ""), captured(ETH_P_IP, PORT, "lo"),
	    captured(ETH_P_IPV6, 9, "lo")};

	(void)state;
	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		int fd = intake_open(&places[i]);

		assert_return_code(fd, errno);
		assert_return_code(fcntl(fd, F_SETFL, 0), errno);
		assert_null(intake_take_over(fd, &places[i]));
		assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
		close(fd);
	}
}

/* Also one for the other intake, either way. */
static void another_capture_is_refused(void **state)
{
	const struct socket_place wanted = captured(ETH_P_IP, PORT, "lo");
	const struct socket_place bound = place(SOCK_DGRAM, "", "lo");
	struct socket_place others[] = {captured(ETH_P_IPV6, PORT, "lo"),
	    captured(ETH_P_IP, PORT + 1, "lo"), captured(ETH_P_IP, PORT, ""), wanted, wanted, bound,
	    wanted, wanted, wanted, wanted};

	(void)state;
	others[3].size++;
	others[4].first++;
	others[6].doorman++;
	others[7].doormen++;
	others[8].key.mask++;
	others[9].key.factor += 2;
	for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
		int fd = intake_open(&others[i]);

		assert_return_code(fd, errno);
		assert_non_null(intake_take_over(fd, &wanted));
		assert_true(i == 5 || intake_take_over(fd, &bound) != NULL);
		close(fd);
	}
}

/* Nobody but a fresh socket's maker gives it a filter. */
static void a_filter_is_there_for_good(void **state)
{
	const struct socket_place wanted = captured(ETH_P_IP, PORT, "lo");
	struct sock_filter all = BPF_STMT(BPF_RET | BPF_K, 0xffff);
	const struct sock_fprog program = {1, &all};
	int fd = intake_open(&wanted);

	(void)state;
	assert_return_code(fd, errno);
	assert_int_equal(
	    setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program), -1);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, NULL, 0), -1);
	close(fd);
}

static void a_capture_that_was_spoilt_is_refused(void **state)
{
	const struct socket_place wanted = captured(ETH_P_IP, PORT, "lo");
	static const int share = 7;
	int fd = intake_open(&wanted), fresh = socket(AF_PACKET, SOCK_DGRAM, 0);
	int whole = socket(AF_PACKET, SOCK_RAW, 0);

	(void)state;
	assert_return_code(fd, errno);
	assert_return_code(setsockopt(fd, SOL_PACKET, PACKET_FANOUT, &share, sizeof share), errno);
	assert_string_equal(intake_take_over(fd, &wanted), "packets are taken out of it");
	assert_non_null(intake_take_over(fresh, &wanted));
	assert_non_null(intake_take_over(whole, &wanted));
	close(fd);
	close(fresh);
	close(whole);
}

static void send_to(const char *address, const uint8_t packet[static 165])
{
	struct sockaddr_in6 where = {.sin6_family = AF_INET6, .sin6_port = htons(PORT)};
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_int_equal(inet_pton(AF_INET6, address, &where.sin6_addr), 1);
	assert_int_equal(
	    sendto(fd, packet, 165, 0, (const struct sockaddr *)&where, sizeof where), 165);
	close(fd);
}

/* The number of the one of `fds` that has got something, and nobody else has. */
static uint32_t reader_of_one(const int fds[static DOORMEN])
{
	struct pollfd p[DOORMEN];
	uint32_t reader = DOORMEN;
	char some[200];

	for (uint32_t i = 0; i < DOORMEN; i++)
		p[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
	assert_int_equal(poll(p, DOORMEN, 5000), 1);
	for (uint32_t i = 0; i < DOORMEN; i++)
		if (p[i].revents != 0)
			reader = i;
	assert_true(recv(fds[reader], some, sizeof some, MSG_DONTWAIT) > 0);
	assert_int_equal(recv(fds[reader], some, sizeof some, MSG_DONTWAIT), -1);
	return reader;
}

static void each_goes_to_one_doorman(void **state)
{
	static const uint16_t families[] = {ETH_P_IP, ETH_P_IPV6};
	static const char *const there[] = {"::ffff:127.0.0.1", "::1"};
	uint8_t packet[165] = {1};
	int fds[2][DOORMEN];

	(void)state;
	for (int f = 0; f < 2; f++) {
		struct socket_place p = captured(families[f], PORT, "");

		p.doormen = DOORMEN;
		for (; p.doorman < DOORMEN; p.doorman++)
			assert_return_code(fds[f][p.doorman] = intake_open(&p), errno);
	}
	for (int i = 0; i < 100; i++) {
		uint32_t word = (uint32_t)i * 0x9e3779b9U,
		         number = steer_choice(7, 9, DOORMEN, word);

		word = htonl(word);
		memcpy(packet + STEER_KNOCKS, &word, sizeof word);
		for (int f = 0; f < 2; f++) {
			send_to(there[f], packet);
			assert_int_equal(reader_of_one(fds[f]), number);
		}
	}
	for (int i = 0; i < 2 * DOORMEN; i++)
		close(fds[i / DOORMEN][i % DOORMEN]);
}

static void its_key_is_found_again(void **state)
{
	const struct socket_place wanted = captured(ETH_P_IP, PORT, "");
	const struct socket_place bound = place(SOCK_DGRAM, "", "");
	int fd = intake_open(&wanted), other = intake_open(&bound);
	struct steer_key key;

	(void)state;
	assert_true(packet_key_of(&key, fd));
	assert_int_equal(key.mask, wanted.key.mask);
	assert_int_equal(key.factor, wanted.key.factor);
	assert_false(packet_key_of(&key, other));
	spoil_filter(other);
	assert_false(packet_key_of(&key, other));
	assert_false(packet_key_of(&key, -1));
	close(fd);
	close(other);
}

static void it_follows_a_device(void **state)
{
	const struct socket_place wanted = captured(ETH_P_IP, PORT, "lo");
	const struct socket_place everywhere = captured(ETH_P_IP, PORT, "");
	int fd = intake_open(&everywhere);
	bool changed = false;

	(void)state;
	assert_return_code(fd, errno);
	assert_true(intake_follow(fd, if_nametoindex("lo"), &changed));
	assert_true(changed);
	assert_null(intake_take_over(fd, &wanted));
	changed = false;
	assert_true(intake_follow(fd, if_nametoindex("lo"), &changed));
	assert_false(changed);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(ours_is_taken),
	    cmocka_unit_test(another_place_is_refused),
	    cmocka_unit_test(spoilt_is_refused),
	    cmocka_unit_test(for_one_family_is_refused),
	    cmocka_unit_test(other_protocols_are_refused),
	    cmocka_unit_test(a_listener_that_was_shut_down_is_refused),
	    cmocka_unit_test(a_device_that_is_not_there),
	    cmocka_unit_test(a_capture_of_ours_is_taken),
	    cmocka_unit_test(another_capture_is_refused),
	    cmocka_unit_test(a_filter_is_there_for_good),
	    cmocka_unit_test(a_capture_that_was_spoilt_is_refused),
	    cmocka_unit_test(each_goes_to_one_doorman),
	    cmocka_unit_test(its_key_is_found_again),
	    cmocka_unit_test(it_follows_a_device),
	};

	not_when_emulated("SO_GET_FILTER");
	if (!enter_namespace())
		return NOT_RUN;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
