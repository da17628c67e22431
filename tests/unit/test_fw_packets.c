/* What openings by port let through, with real packets: this process is the server in a network
 * namespace of its own, the client's sockets stand in another. The host drops everything in a chain
 * of its own, so that only packets with our mark arrive. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "emulated.h"
#include "fw_bench.h"

#define SERVER_4   "10.9.0.1"
#define SERVER_6   "2001:db8:9::1"
#define CLIENT_4   "10.9.0.2"
#define CLIENT_6   "2001:db8:9::2"
#define STRANGER_4 "10.9.0.3"
#define STRANGER_6 "2001:db8:9::3"

/* What is to arrive has time; what is not is not waited for. */
static int patience; /* milliseconds */

#define assert_arrives(probe) (patience = 3000, assert_true(probe))
#define assert_silence(probe) (patience = 100, assert_false(probe))

static int server_ns = -1, client_ns = -1;
static pid_t client;

__attribute__((format(printf, 1, 2))) static void run(const char *format, ...)
{
	char command[512];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof command, format, args);
	va_end(args);
	if (system(command) != 0)
		fail_msg("%s", command);
}

/* A process that does nothing but be in the client's namespace. */
static int start_client(void)
{
	int ready[2];
	char byte = 0;

	if (pipe(ready) != 0)
		return -1;
	client = fork();
	if (client == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (unshare(CLONE_NEWNET) == 0 && write(ready[1], "+", 1) == 1)
			pause();
		_exit(1);
	}
	close(ready[1]);
	if (client < 0 || read(ready[0], &byte, 1) != 1)
		byte = 0;
	close(ready[0]);
	return byte == '+' ? 0 : -1;
}

static int enter(void **state)
{
	char path[64];

	if (fw_bench_enter(state) != 0 || start_client() != 0)
		return -1;
	snprintf(path, sizeof path, "/proc/%d/ns/net", (int)client);
	client_ns = open(path, O_RDONLY | O_CLOEXEC);
	server_ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (client_ns < 0 || server_ns < 0)
		return -1;
	run("ip link set lo up; ip link add eth0 type veth peer name eth0 netns %d; "
	    "ip address add " SERVER_4 "/24 dev eth0; ip link set eth0 up; "
	    "ip address add " SERVER_6 "/64 dev eth0 nodad; "
	    "nsenter -t %d -n sh -c 'ip link set eth0 up; ip link set lo up; "
	    "for a in " CLIENT_4 " " STRANGER_4 "; do ip address add $a/24 dev eth0; done; "
	    "for a in " CLIENT_6 " " STRANGER_6 "; do ip address add $a/64 dev eth0 nodad; done'",
	    (int)client, (int)client);
	return 0;
}

static int leave(void **state)
{
	(void)state;
	kill(client, SIGKILL);
	waitpid(client, NULL, 0);
	close(client_ns);
	close(server_ns);
	return 0;
}

struct place {
	struct sockaddr_storage name;
	socklen_t size;
	int family;
};

static struct place place_of(const char *address, uint16_t port)
{
	struct place p = {.family = strchr(address, ':') != NULL ? AF_INET6 : AF_INET};
	struct sockaddr_in *v4 = (struct sockaddr_in *)&p.name;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&p.name;

	if (p.family == AF_INET) {
		*v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
		assert_int_equal(inet_pton(AF_INET, address, &v4->sin_addr), 1);
		p.size = sizeof *v4;
	} else {
		*v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(port)};
		assert_int_equal(inet_pton(AF_INET6, address, &v6->sin6_addr), 1);
		p.size = sizeof *v6;
	}
	return p;
}

/* A socket belongs where it was made. */
static int client_socket(const char *address, int type, int protocol)
{
	struct place p = place_of(address, 0);
	int fd;

	assert_int_equal(setns(client_ns, CLONE_NEWNET), 0);
	fd = socket(p.family, type | SOCK_NONBLOCK, protocol);
	assert_int_equal(setns(server_ns, CLONE_NEWNET), 0);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&p.name, p.size), 0);
	return fd;
}

static const char *server_of(const char *address)
{
	return strchr(address, ':') != NULL ? SERVER_6 : SERVER_4;
}

/* Nobody listens, and the refusal is the sign that the packet got in. */
static bool reaches_tcp(const char *from, uint16_t port)
{
	struct place to = place_of(server_of(from), port);
	int fd = client_socket(from, SOCK_STREAM, 0);
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	int error = 0;
	socklen_t size = sizeof error;

	assert_int_equal(connect(fd, (struct sockaddr *)&to.name, to.size), -1);
	assert_int_equal(errno, EINPROGRESS);
	if (poll(&p, 1, patience) == 1)
		assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size), 0);
	close(fd);
	return error == ECONNREFUSED;
}

/* Of UDP a dark host sends no refusals, so somebody listens. */
static bool reaches_udp(const char *from, uint16_t port)
{
	struct place to = place_of(server_of(from), port);
	int fd = client_socket(from, SOCK_DGRAM, 0);
	int there = socket(to.family, SOCK_DGRAM, 0);
	struct pollfd p = {.fd = there, .events = POLLIN};
	bool seen;

	assert_int_equal(bind(there, (struct sockaddr *)&to.name, to.size), 0);
	assert_int_equal(sendto(fd, "?", 1, 0, (struct sockaddr *)&to.name, to.size), 1);
	seen = poll(&p, 1, patience) == 1;
	close(there);
	close(fd);
	return seen;
}

static bool reaches_port(const char *from, int protocol, uint16_t port)
{
	return protocol == IPPROTO_TCP ? reaches_tcp(from, port) : reaches_udp(from, port);
}

/* A raw packet of ours, seen by a raw socket behind the firewall. */
static bool reaches_raw(const char *from, int protocol, const void *packet, size_t size)
{
	struct place to = place_of(server_of(from), 0);
	int there = socket(to.family, SOCK_RAW, protocol);
	int fd = client_socket(from, SOCK_RAW, protocol);
	struct pollfd p = {.fd = there, .events = POLLIN};
	bool seen = false;
	char got[512];

	assert_true(there >= 0);
	assert_int_equal(sendto(fd, packet, size, 0, (struct sockaddr *)&to.name, to.size), size);
	while (!seen && poll(&p, 1, patience) == 1) {
		ssize_t n = recv(there, got, sizeof got, 0);

		/* among them neighbour discovery */
		seen = n >= (ssize_t)size && memmem(got, (size_t)n, "probe", 5) != NULL;
	}
	close(fd);
	close(there);
	return seen;
}

static uint16_t checksum(const void *data, size_t size)
{
	const uint8_t *bytes = data;
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < size; i += 2)
		sum += (uint32_t)(bytes[i] << 8 | bytes[i + 1]);
	sum = (sum >> 16) + (sum & 0xffff);
	return htons((uint16_t) ~(sum + (sum >> 16)));
}

static bool reaches_icmp(const char *from, uint8_t type)
{
	bool v6 = strchr(from, ':') != NULL;
	uint8_t packet[32] = {type, [8] = 'p', 'r', 'o', 'b', 'e'};
	uint16_t sum = checksum(packet, sizeof packet);

	memcpy(packet + 2, &sum, sizeof sum); /* of ICMPv6 the kernel makes its own */
	return reaches_raw(from, v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP, packet, sizeof packet);
}

static bool reaches_ping(const char *from)
{
	char command[256];

	snprintf(command, sizeof command,
	    "nsenter -t %d -n ping -c 1 -W %.1f -I %s %s >/dev/null 2>&1", (int)client,
	    patience / 1000.0, from, server_of(from));
	return system(command) == 0;
}

static struct fw_case_element opening(const char *address, int protocol, int first, int last)
{
	struct fw_case_element o = {
	    .ports = {(uint8_t)protocol, 0, (uint16_t)first, (uint16_t)last},
	    .timeout_ms = 600000,
	    .owner = "alice"};

	assert_true(addr_parse(&o.address, address));
	return o;
}

static void install(struct fw_bench *b, const struct fw_case_element *o, size_t count)
{

	fw_bench_does("flush ruleset; table inet host { "
	              "chain early { type filter hook input priority -200; meta mark set 0x5; }; "
	              "chain input { type filter hook input priority 0; policy drop; "
	              "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept; }; "
	              "chain late { type filter hook input priority 10; "
	              "meta mark & 0x5 != 0x5 drop; }; }");
	b->c.settings.guard = CONF_GUARD_ALL;
	b->c.settings.openspa.enabled = true;
	assert_int_equal(fw_case_install(&b->fw, &b->c.s, o, count), 0);
}

/* Both ways in: by a message of its own, and with the whole rule set. */
static void open_these(
    struct fw_bench *b, const struct fw_case_element *o, size_t count, bool with_the_rules)
{
	if (with_the_rules) {
		install(b, o, count);
		return;
	}
	install(b, NULL, 0);
	assert_int_equal(fw_case_open(&b->fw, o, count), 0);
}

static void a_single_port(void **state)
{
	struct fw_bench *b = *state;
	struct fw_case_element o[] = {
	    opening(CLIENT_4, IPPROTO_TCP, 22, 22), opening(CLIENT_6, IPPROTO_UDP, 53, 53)};

	install(b, NULL, 0);
	assert_silence(reaches_port(CLIENT_4, IPPROTO_TCP, 22));
	assert_silence(reaches_port(CLIENT_6, IPPROTO_UDP, 53));
	for (int with_the_rules = 0; with_the_rules < 2; with_the_rules++) {
		open_these(b, o, 2, with_the_rules);
		assert_arrives(reaches_port(CLIENT_4, IPPROTO_TCP, 22));
		assert_arrives(reaches_port(CLIENT_6, IPPROTO_UDP, 53));
		assert_silence(reaches_port(CLIENT_4, IPPROTO_TCP, 23));
		assert_silence(reaches_port(CLIENT_4, IPPROTO_UDP, 22));
		assert_silence(reaches_port(CLIENT_6, IPPROTO_TCP, 53));
		assert_silence(reaches_port(STRANGER_4, IPPROTO_TCP, 22));
		assert_silence(reaches_port(STRANGER_6, IPPROTO_UDP, 53));
		assert_silence(reaches_ping(CLIENT_4));
	}
	assert_int_equal(fw_case_close(&b->fw, &o[0]), 0);
	assert_silence(reaches_port(CLIENT_4, IPPROTO_TCP, 22));
	assert_arrives(reaches_port(CLIENT_6, IPPROTO_UDP, 53));
}

static void ranges_that_overlap(void **state)
{
	struct fw_bench *b = *state;
	static const char *const clients[] = {CLIENT_4, CLIENT_6};

	for (int i = 0; i < 4; i++) {
		const char *from = clients[i & 1];
		struct fw_case_element o[] = {opening(from, IPPROTO_TCP, 1000, 2000),
		    opening(from, IPPROTO_TCP, 1500, 2500), opening(from, IPPROTO_UDP, 3000, 3001)};

		open_these(b, o, 3, i >= 2);
		assert_silence(reaches_port(from, IPPROTO_TCP, 999));
		assert_arrives(reaches_port(from, IPPROTO_TCP, 1000));
		assert_arrives(reaches_port(from, IPPROTO_TCP, 2000));
		assert_arrives(reaches_port(from, IPPROTO_TCP, 2500));
		assert_silence(reaches_port(from, IPPROTO_TCP, 2501));
		assert_silence(reaches_port(from, IPPROTO_UDP, 1600));
		assert_arrives(reaches_port(from, IPPROTO_UDP, 3001));
		assert_silence(reaches_port(i & 1 ? STRANGER_6 : STRANGER_4, IPPROTO_TCP, 1600));
		assert_silence(reaches_port(clients[~i & 1], IPPROTO_TCP, 1600));
		assert_int_equal(fw_case_close(&b->fw, &o[0]), 0);
		assert_silence(reaches_port(from, IPPROTO_TCP, 1400));
		assert_arrives(reaches_port(from, IPPROTO_TCP, 1600));
	}
}

static void every_port(void **state)
{
	struct fw_bench *b = *state;
	struct fw_case_element o = opening(CLIENT_4, IPPROTO_TCP, 1, 65535);

	for (int with_the_rules = 0; with_the_rules < 2; with_the_rules++) {
		open_these(b, &o, 1, with_the_rules);
		assert_arrives(reaches_port(CLIENT_4, IPPROTO_TCP, 1));
		assert_arrives(reaches_port(CLIENT_4, IPPROTO_TCP, 256));
		assert_arrives(reaches_port(CLIENT_4, IPPROTO_TCP, 65535));
		assert_silence(reaches_port(CLIENT_4, IPPROTO_UDP, 256));
		assert_silence(reaches_ping(CLIENT_4));
	}
}

static void echoes_and_errors(void **state)
{
	struct fw_bench *b = *state;
	struct fw_case_element o[] = {
	    opening(CLIENT_4, IPPROTO_ICMP, 0, 0), opening(CLIENT_6, IPPROTO_ICMPV6, 0, 0)};

	install(b, NULL, 0);
	assert_silence(reaches_ping(CLIENT_4));
	assert_silence(reaches_ping(CLIENT_6));
	for (int with_the_rules = 0; with_the_rules < 2; with_the_rules++) {
		open_these(b, o, 2, with_the_rules);
		assert_arrives(reaches_ping(CLIENT_4));
		assert_arrives(reaches_ping(CLIENT_6));
		assert_silence(reaches_ping(STRANGER_4));
		assert_silence(reaches_ping(STRANGER_6));
		assert_arrives(reaches_icmp(CLIENT_4, ICMP_TIME_EXCEEDED));
		assert_arrives(reaches_icmp(CLIENT_6, ICMP6_PACKET_TOO_BIG));
		assert_silence(reaches_icmp(CLIENT_4, ICMP_REDIRECT));
		assert_silence(reaches_icmp(CLIENT_4, ICMP_TIMESTAMP));
		assert_silence(reaches_icmp(CLIENT_6, ND_REDIRECT));
		assert_silence(reaches_icmp(CLIENT_6, MLD_LISTENER_REPORT));
		assert_silence(reaches_port(CLIENT_4, IPPROTO_TCP, 22));
	}
}

static void packets_in_packets(void **state)
{
	struct fw_bench *b = *state;
	static const char packet[] = "\x45...............probe.......probe";
	struct fw_case_element o[] = {
	    opening(CLIENT_4, IPPROTO_IPIP, 0, 0), opening(CLIENT_6, IPPROTO_IPIP, 0, 0)};

	install(b, NULL, 0);
	assert_silence(reaches_raw(CLIENT_4, IPPROTO_IPIP, packet, sizeof packet));
	for (int with_the_rules = 0; with_the_rules < 2; with_the_rules++) {
		open_these(b, o, 2, with_the_rules);
		assert_arrives(reaches_raw(CLIENT_4, IPPROTO_IPIP, packet, sizeof packet));
		assert_arrives(reaches_raw(CLIENT_6, IPPROTO_IPIP, packet, sizeof packet));
		assert_silence(reaches_raw(STRANGER_4, IPPROTO_IPIP, packet, sizeof packet));
		assert_silence(reaches_raw(CLIENT_4, IPPROTO_GRE, packet, sizeof packet));
		assert_silence(reaches_ping(CLIENT_4));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    FW_TEST(a_single_port),
	    FW_TEST(ranges_that_overlap),
	    FW_TEST(every_port),
	    FW_TEST(echoes_and_errors),
	    FW_TEST(packets_in_packets),
	};

	not_when_emulated("netlink of nf_tables");
	return cmocka_run_group_tests(tests, enter, leave);
}
