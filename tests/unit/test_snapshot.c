#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "mapped_files.h"
#include "snapshot/snapshot.h"

#define MOST (1LL << 30) /* bytes of a snapshot */

static const struct ports ports[] = {{6, 0, 22, 22}, {17, 0, 53, 60}, {6, 0, 22, 22}};
static const struct policy policies[] = {{{0, 2}}, {{2, 1}}, {{0, 1}}, {{3, 0}}};
static const struct cidr cidrs[] = {{{{0x20, 0x01, 0x0d, 0xb8}}, 32}};
static const struct client clients[] = {
    {.name = "alice", .public_key = {1}, .expires_ns = NEVER_NS, .policy = 0},
    {.name = "bob",
        .public_key = {2},
        .policy = 3,
        .targets = CONF_TARGETS_LIST,
        .target_list = {0, 1},
        .wildcard = true},
};

static const struct openspa_rule rules[] = {
    {{6, 0, 22, 25}, 30}, {{1, 0, 0, 0}, 1}, {{0, 0, 0, 65535}, 9}};

/* Keys of the right form, no more. */
#define KEY .modulus = {[0] = 0x80, [255] = 1}, .exponent = {[5] = 1, [7] = 1}
static const struct device devices[] = {
    {.uuid = {1, [9] = 0xff}, .name = "a", KEY, .rules = {0, 2}},
    {.uuid = {1, 2}, .name = "b", KEY, .rules = {2, 1}, .targets = CONF_TARGETS_LIST},
    {.uuid = {3}, .name = "c", KEY, .rules = {3, 0}, .revoked = true, .target_list = {0, 1}},
};

static struct snapshot_parts sound_parts(void)
{
	return (struct snapshot_parts){
	    .generation = 7,
	    .settings = {.udp_port = 54154,
	        .knock_timeout_ns = 30,
	        .replay_window_ns = 60,
	        .mark = 0x40000000,
	        .client_quota = 1,
	        .managed_ports = {0, 3},
	        .guard_allow_ports = {3, 0},
	        .guard_allow_networks = {0, 1},
	        .openspa =
	            {.enabled = true, .port = 22211, .window_ns = 300, .server_addresses = {0, 1}}},
	    .counts = {2, 4, 3, 1, 3, 3},
	    .clients = clients,
	    .policies = policies,
	    .ports = ports,
	    .cidrs = cidrs,
	    .devices = devices,
	    .rules = rules,
	};
}

/* --- Writes that fail, are cut short or interrupted when a test says so */

static enum { WRITE_WHOLE, WRITE_SHORT, WRITE_NOTHING, WRITE_FAILS } writes;
static unsigned int writes_to_go; /* until WRITE_NOTHING and WRITE_FAILS begin */
static bool interrupted;

ssize_t __real_pwrite64(int fd, const void *data, size_t size, off_t offset);
ssize_t __wrap_pwrite64(int fd, const void *data, size_t size, off_t offset);
ssize_t __wrap_pwrite64(int fd, const void *data, size_t size, off_t offset)
{
	if (writes == WRITE_SHORT) {
		interrupted = !interrupted;
		errno = EINTR;
		return interrupted ? -1
		                   : __real_pwrite64(fd, data, size > 1 ? size - 1 : 1, offset);
	}
	if (writes == WRITE_WHOLE || writes_to_go-- > 0)
		return __real_pwrite64(fd, data, size, offset);
	errno = writes == WRITE_NOTHING ? EINTR : ENOSPC; /* of an earlier call, or of this one */
	return writes == WRITE_NOTHING ? 0 : -1;
}

static bool no_mapping;

void *__real_mmap64(void *where, size_t size, int access, int flags, int fd, off_t offset);
void *__wrap_mmap64(void *where, size_t size, int access, int flags, int fd, off_t offset);
void *__wrap_mmap64(void *where, size_t size, int access, int flags, int fd, off_t offset)
{
	if (!no_mapping)
		return __real_mmap64(where, size, access, flags, fd, offset);
	errno = ENOMEM;
	return MAP_FAILED;
}

/* Nothing stays open, and nothing mapped. */
static unsigned int open_before;

static int begin(void **state)
{
	(void)state;
	open_before = open_files();
	return 0;
}

static int end(void **state)
{
	(void)state;
	return open_files() == open_before && mapped_files("memfd:") == 0 ? 0 : -1;
}

/* --- */

static bool maps(const struct snapshot_parts *parts)
{
	struct snapshot s;
	int fd = snapshot_create(parts);
	bool ok;

	assert_true(fd >= 0);
	ok = snapshot_map(&s, fd);
	close(fd);
	snapshot_unmap(&s);
	return ok;
}

static void what_is_sealed_is_mapped(void **state)
{
	struct snapshot_parts parts = sound_parts();
	struct snapshot s;
	int fd = snapshot_create(&parts);

	(void)state;
	assert_true(snapshot_map(&s, fd));
	close(fd);
	assert_int_equal(s.header->generation, 7);
	assert_int_equal(s.client_count, 2);
	assert_memory_equal(s.clients, clients, sizeof clients);
	assert_int_equal(s.settings->udp_port, 54154);
	assert_int_equal(snapshot_ports(&s, s.policies[0].ports)[1].last, 60);
	assert_int_equal(snapshot_cidrs(&s, s.clients[1].target_list)->bits, 32);
	assert_int_equal(s.device_count, 3);
	assert_memory_equal(s.devices, devices, sizeof devices);
	for (uint32_t i = 0; i < s.device_count; i++)
		assert_int_equal(snapshot_find_device(&s, devices[i].uuid), i);
	assert_int_equal(snapshot_find_device(&s, (const uint8_t[16]){0}), -1);
	assert_int_equal(snapshot_find_device(&s, (const uint8_t[16]){1, 1}), -1);
	assert_int_equal(snapshot_find_device(&s, (const uint8_t[16]){4}), -1);
	assert_int_equal(snapshot_rules(&s, s.devices[1].rules)->duration_s, 9);
	assert_int_equal(snapshot_holders(&s), 5);
	assert_string_equal(snapshot_holder_name(&s, 0), "alice");
	assert_string_equal(snapshot_holder_name(&s, 1), "bob");
	assert_string_equal(snapshot_holder_name(&s, 2), "a");
	assert_string_equal(snapshot_holder_name(&s, 4), "c");
	snapshot_unmap(&s);
	snapshot_unmap(&s);
}

/* Numbers and keys in different orders. */
static void each_client_is_found_by_its_key(void **state)
{
	enum { MANY = 33 };
	static struct client many[MANY];
	struct snapshot_parts parts = sound_parts();
	struct snapshot s;

	(void)state;
	for (unsigned int i = 0; i < MANY; i++)
		many[i] = (struct client){
		    .name = "c", .public_key = {[0] = (uint8_t)(97 * i + 5), [31] = 9}};
	parts.clients = many;
	for (uint32_t count = 0; count <= MANY; count++) {
		int fd;

		parts.counts.clients = count;
		fd = snapshot_create(&parts);
		assert_true(snapshot_map(&s, fd));
		close(fd);
		for (uint32_t i = 0; i < MANY; i++)
			assert_int_equal(snapshot_find_client(&s, many[i].public_key),
			    i < count ? (int64_t)i : -1);
		assert_int_equal(snapshot_find_client(&s, (const uint8_t[32]){0}), -1);
		assert_int_equal(snapshot_find_client(&s, (const uint8_t[32]){5}), -1);
		snapshot_unmap(&s);
	}
}

static void an_empty_one_is_fine(void **state)
{
	struct snapshot_parts parts = sound_parts();

	(void)state;
	parts.counts.clients = parts.counts.policies = parts.counts.ports = parts.counts.cidrs = 0;
	parts.settings.managed_ports = parts.settings.guard_allow_ports = (struct span){0, 0};
	parts.settings.guard_allow_networks = (struct span){0, 0};
	parts.settings.openspa.server_addresses = (struct span){0, 0};
	parts.counts.devices = parts.counts.rules = 0;
	assert_true(maps(&parts));
}

static void nobody_can_write_it(void **state)
{
	struct snapshot_parts parts = sound_parts();
	int fd = snapshot_create(&parts);

	(void)state;
	assert_int_equal(write(fd, "x", 1), -1);
	assert_int_equal(ftruncate(fd, 0), -1);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
}

/* A copy of a sound one with `size` bytes and one byte changed; sealed on request. */
static int forged(size_t size, size_t at, uint8_t flip, bool seal)
{
	struct snapshot_parts parts = sound_parts();
	int sound = snapshot_create(&parts);
	int fd = memfd_create("forged", MFD_ALLOW_SEALING);
	static uint8_t bytes[65536];
	ssize_t length = pread(sound, bytes, sizeof bytes, 0);

	assert_true(length > 0 && (size_t)length < sizeof bytes);
	if (size > (size_t)length)
		size = (size_t)length;
	if (at < size)
		bytes[at] ^= flip;
	assert_int_equal(write(fd, bytes, size), (ssize_t)size);
	if (seal)
		fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	close(sound);
	return fd;
}

/* However the kernel takes the bytes; and nothing is handed out that is not whole. */
static void it_is_written_whole_or_not_at_all(void **state)
{
	struct snapshot_parts parts = sound_parts();
	struct snapshot s;
	int fd;

	(void)state;
	writes = WRITE_SHORT;
	fd = snapshot_create(&parts);
	writes = WRITE_WHOLE;
	assert_true(snapshot_map(&s, fd));
	assert_memory_equal(s.devices, devices, sizeof devices);
	assert_memory_equal(s.cidrs, cidrs, sizeof cidrs);
	snapshot_unmap(&s);
	close(fd);
	for (unsigned int nth = 0; nth < 8; nth++) {
		for (writes = WRITE_NOTHING; writes <= WRITE_FAILS; writes++) {
			writes_to_go = nth;
			assert_int_equal(snapshot_create(&parts), -1);
			assert_int_equal(errno, writes == WRITE_NOTHING ? EINTR : ENOSPC);
		}
	}
	writes = WRITE_WHOLE;
}

/* The arrays are not there: what is not too large fails for that. */
static void one_that_is_too_large_is_not_made(void **state)
{
	struct snapshot_parts parts = {
	    .counts.rules = (uint32_t)((MOST - (long long)sizeof(struct snapshot_header)) /
	                               (long long)sizeof(struct openspa_rule))};

	(void)state;
	assert_int_equal(snapshot_create(&parts), -1);
	assert_int_equal(errno, EFAULT);
	parts.counts.rules++;
	assert_int_equal(snapshot_create(&parts), -1);
	assert_int_equal(errno, EFBIG);
	parts.counts.rules = UINT32_MAX;
	assert_int_equal(snapshot_create(&parts), -1);
	assert_int_equal(errno, EFBIG);
}

static void without_a_descriptor_none_is_made(void **state)
{
	struct snapshot_parts parts = sound_parts();
	struct rlimit limit, none;
	int fd;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = limit;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	fd = snapshot_create(&parts);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(fd, -1);
}

/* FNV-1a over the sizes of all that stands in one. */
static void the_layout_is_made_of_every_size(void **state)
{
	static const size_t sizes[] = {sizeof(struct snapshot_header), sizeof(struct settings),
	    sizeof(struct client), sizeof(struct policy), sizeof(struct ports), sizeof(struct cidr),
	    sizeof(struct device), sizeof(struct openspa_rule)};
	struct snapshot_parts parts = sound_parts();
	int fd = snapshot_create(&parts);
	uint32_t number = 2166136261U;
	struct snapshot s;

	(void)state;
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
		number = (number ^ (uint32_t)sizes[i]) * 16777619U;
	assert_true(snapshot_map(&s, fd));
	assert_int_equal(s.header->layout, number);
	snapshot_unmap(&s);
	close(fd);
}

static void assert_not_mapped(int fd, int error)
{
	static const struct snapshot nothing;
	struct snapshot s;

	memset(&s, 1, sizeof s);
	assert_false(snapshot_map(&s, fd));
	assert_int_equal(errno, error);
	assert_memory_equal(&s, &nothing, sizeof s);
	close(fd);
}

static int empty_file(off_t size, int seals)
{
	int fd = memfd_create("forged", MFD_ALLOW_SEALING);

	assert_int_equal(ftruncate(fd, size), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

/* What cannot be a snapshot is not even looked into. */
static void each_seal_and_the_size_come_first(void **state)
{
	static const int seals[] = {F_SEAL_WRITE, F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_SEAL};
	const off_t least = sizeof(struct snapshot_header);
	int all = 0;

	(void)state;
	for (size_t i = 0; i < sizeof seals / sizeof *seals; i++)
		all |= seals[i];
	for (size_t i = 0; i < sizeof seals / sizeof *seals; i++)
		assert_not_mapped(empty_file(least, all & ~seals[i]), EINVAL);
	assert_not_mapped(empty_file(0, all), EINVAL);
	assert_not_mapped(empty_file(least - 1, all), EINVAL);
	assert_not_mapped(empty_file(least, all), EBADMSG);
	assert_not_mapped(empty_file(MOST, all), EBADMSG);
	assert_not_mapped(empty_file(MOST + 1, all), EINVAL);
	no_mapping = true;
	assert_not_mapped(forged(SIZE_MAX, SIZE_MAX, 0, true), ENOMEM);
	no_mapping = false;
}

static void unsealed_is_refused(void **state)
{
	struct snapshot s;
	int fd = forged(SIZE_MAX, SIZE_MAX, 0, false);

	(void)state;
	assert_false(snapshot_map(&s, fd));
	close(fd);
	fd = forged(SIZE_MAX, SIZE_MAX, 0, true);
	assert_true(snapshot_map(&s, fd));
	snapshot_unmap(&s);
	close(fd);
	assert_false(snapshot_map(&s, -1));
	assert_false(snapshot_map(&s, STDERR_FILENO));
}

static size_t sound_size(void)
{
	struct snapshot_parts parts = sound_parts();
	int fd = snapshot_create(&parts);
	off_t size = lseek(fd, 0, SEEK_END);

	close(fd);
	return (size_t)size;
}

static void every_truncation_is_refused(void **state)
{
	size_t whole = sound_size();

	(void)state;
	for (size_t size = 0; size < whole; size++) {
		struct snapshot s;
		int fd = forged(size, SIZE_MAX, 0, true);

		assert_false(snapshot_map(&s, fd));
		close(fd);
	}
}

/* Each byte that says what it is, of which build, how large and how many of each. */
static void one_of_another_build_or_size_is_refused(void **state)
{
	static const struct {
		size_t at;
		size_t size;
	} parts[] = {{offsetof(struct snapshot_header, magic), 4},
	    {offsetof(struct snapshot_header, layout), 4},
	    {offsetof(struct snapshot_header, size), 8},
	    {offsetof(struct snapshot_header, counts), sizeof(struct snapshot_counts)}};

	(void)state;
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		for (size_t n = 0; n < parts[i].size; n++)
			assert_not_mapped(forged(SIZE_MAX, parts[i].at + n, 0x10, true), EBADMSG);
	}
}

/* A sound one whose order of clients by key is this one instead. */
static int ordered(uint32_t first, uint32_t second)
{
	const uint32_t order[] = {first, second};
	int sound = forged(SIZE_MAX, SIZE_MAX, 0, false);
	off_t at = lseek(sound, 0, SEEK_END) - (off_t)sizeof order;

	assert_int_equal(pwrite(sound, order, sizeof order, at), sizeof order);
	fcntl(sound, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	return sound;
}

static void a_client_stands_once_in_the_order_of_keys(void **state)
{
	static const uint32_t bad[][2] = {
	    {1, 0}, {0, 0}, {1, 1}, {0, 2}, {2, 0}, {2, 1}, {0, UINT32_MAX}, {UINT32_MAX, 1}};
	struct snapshot s;
	int fd = ordered(0, 1);

	(void)state;
	assert_true(snapshot_map(&s, fd));
	snapshot_unmap(&s);
	close(fd);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_not_mapped(ordered(bad[i][0], bad[i][1]), EBADMSG);
}

/* Whatever byte is changed: refused, or everything still reachable inside. */
static void no_change_leads_outside(void **state)
{
	size_t whole = sound_size();

	(void)state;
	for (size_t at = 0; at < whole; at++) {
		struct snapshot s;
		int fd = forged(SIZE_MAX, at, 0xff, true);

		if (snapshot_map(&s, fd)) {
			unsigned int sum = 0;

			for (uint32_t i = 0; i < s.policy_count; i++) {
				struct span span = s.policies[i].ports;

				for (uint32_t p = 0; p < span.count; p++)
					sum += snapshot_ports(&s, span)[p].last;
			}
			for (uint32_t i = 0; i < s.device_count; i++) {
				struct span span = s.devices[i].rules;

				for (uint32_t r = 0; r < span.count; r++)
					sum += snapshot_rules(&s, span)[r].ports.last;
				span = s.devices[i].target_list;
				for (uint32_t n = 0; n < span.count; n++)
					sum += snapshot_cidrs(&s, span)[n].bits;
			}
			assert_true(sum < 65536U * 256);
			assert_true(s.clients[1].policy < s.policy_count);
			snapshot_unmap(&s);
		}
		close(fd);
	}
}

#define REFUSED(change)                                      \
	do {                                                 \
		struct snapshot_parts parts = sound_parts(); \
		struct client c[2];                          \
		struct ports r[3];                           \
		struct policy p[4];                          \
		struct cidr n[1];                            \
		struct device d[3];                          \
		struct openspa_rule u[3];                    \
		memcpy(c, clients, sizeof c);                \
		memcpy(r, ports, sizeof r);                  \
		memcpy(p, policies, sizeof p);               \
		memcpy(n, cidrs, sizeof n);                  \
		memcpy(d, devices, sizeof d);                \
		memcpy(u, rules, sizeof u);                  \
		parts.clients = c;                           \
		parts.ports = r;                             \
		parts.policies = p;                          \
		parts.cidrs = n;                             \
		parts.devices = d;                           \
		parts.rules = u;                             \
		assert_true(maps(&parts));                   \
		change;                                      \
		assert_false(maps(&parts));                  \
	} while (0)

static void every_index_is_checked(void **state)
{
	(void)state;
	REFUSED(c[1].policy = 4);
	REFUSED(c[1].target_list.count = 2);
	REFUSED(c[0].target_list.first = 2);
	REFUSED(c[0].targets = 3);
	REFUSED(c[0].name[0] = '\0');
	REFUSED(c[0].name[1] = '\n');
	REFUSED(c[0].name[1] = ' ');
	REFUSED(c[0].name[1] = 0x7f);
	REFUSED(c[0].name[0] = 0x7f);
	REFUSED(c[0].name[0] = '\\');
	REFUSED(c[0].name[1] = '\\');
	REFUSED(memset(c[0].name, 'a', sizeof c[0].name));
	REFUSED(memset(&c[0].revoked, 2, 1));
	REFUSED(memset(&c[0].wildcard, 255, 1));
	REFUSED(memset(&c[0].hint_only, 255, 1));
	REFUSED(p[3].ports = ((struct span){3, 1}));
	REFUSED(p[0].ports = ((struct span){UINT32_MAX, 2}));
	REFUSED(r[0].protocol = 1);
	REFUSED(r[1].last = 52);
	REFUSED(r[1].first = 0);
	REFUSED(n[0].bits = 129);
	REFUSED(parts.settings.managed_ports.count = 4);
	REFUSED(parts.settings.guard_allow_ports.count = 1);
	REFUSED(parts.settings.guard_allow_networks.first = 1);
	REFUSED(parts.settings.mark = 3);
	REFUSED(parts.settings.mark = 0);
	REFUSED(parts.settings.mark = 0x80000001);
	REFUSED(parts.settings.client_quota = 0);
	REFUSED(parts.settings.udp_port = 0);
	REFUSED(parts.settings.own_addresses.count = 2);
	REFUSED(parts.settings.hook = 3);
	REFUSED(parts.settings.established = 2);
	REFUSED(parts.settings.shutdown = 2);
	REFUSED(parts.settings.host_chains = 3);
	REFUSED(parts.settings.sandbox = 2);
	REFUSED(memset(&parts.settings.open_knock_port, 2, 1));
	REFUSED(r[0].zero = 1);
	REFUSED(p[0].ports = ((struct span){4, 0}));
	REFUSED(parts.settings.guard = 2);
	REFUSED(parts.settings.firewall = 2);
	REFUSED(parts.settings.knock_timeout_ns = 0);
	REFUSED(parts.settings.replay_window_ns = -1);
	REFUSED(parts.settings.replay_window_ns = 0);
	REFUSED(memset(&parts.settings.drop_ports, 7, 1));
	REFUSED(memset(parts.settings.interface, 'x', INTERFACE_NAME_BYTES));
	REFUSED(parts.settings.interface[0] = '"');
}

static void every_device_and_rule_is_checked(void **state)
{
	(void)state;
	REFUSED(memcpy(d[1].uuid, d[0].uuid, sizeof d[1].uuid)); /* twice the same */
	REFUSED(d[0].uuid[0] = 2);                               /* out of order */
	REFUSED(d[0].name[0] = '\0');
	REFUSED(d[0].name[1] = '\n');
	REFUSED(memset(d[0].name, 'a', sizeof d[0].name));
	REFUSED(d[0].modulus[0] = 0x7f);
	REFUSED(d[0].modulus[255] = 2);
	REFUSED(d[0].exponent[7] = 2);
	REFUSED(d[0].exponent[5] = 0);                       /* 1 */
	REFUSED(d[0].exponent[5] = 0; d[0].exponent[6] = 1); /* 257 */
	REFUSED(memset(d[0].modulus, 0, sizeof d[0].modulus));
	REFUSED(d[0].rules.count = 4);
	REFUSED(d[2].rules = ((struct span){4, 0}));
	REFUSED(d[0].target_list.count = 2);
	REFUSED(d[0].targets = 3);
	REFUSED(memset(&d[0].revoked, 2, 1));
	REFUSED(u[0].ports.zero = 1);
	REFUSED(u[0].duration_s = 0);
	REFUSED(u[0].ports.first = 0);
	REFUSED(u[0].ports.last = 21);
	REFUSED(u[0].ports.protocol = 2);
	REFUSED(u[1].ports.first = 1);
	REFUSED(u[2].ports.first = 1);
	REFUSED(u[2].ports.last = 1);
	REFUSED(memset(&parts.settings.openme, 2, 1));
	REFUSED(memset(&parts.settings.openspa.enabled, 2, 1));
	REFUSED(parts.settings.openspa.port = 0);
	REFUSED(parts.settings.openspa.window_ns = 0);
	REFUSED(parts.settings.openspa.answer = 3);
	REFUSED(parts.settings.openspa.directory = 3);
	REFUSED(parts.settings.openspa.authorization = 3);
	REFUSED(parts.settings.openspa.firewall = 3);
	REFUSED(parts.settings.openspa.targets = 3);
	REFUSED(parts.settings.openspa.window_ns = -1);
	REFUSED(parts.settings.openspa.rules = ((struct span){3, 1}));
	REFUSED(parts.settings.openspa.target_list.count = 2);
	REFUSED(parts.settings.openspa.server_addresses.count = 2);
}

static void a_device_of_a_program_has_no_key_here(void **state)
{
	struct snapshot_parts parts = sound_parts();
	struct device d[3];

	(void)state;
	memcpy(d, devices, sizeof d);
	memset(d[0].modulus, 0, sizeof d[0].modulus);
	memset(d[0].exponent, 0, sizeof d[0].exponent);
	parts.devices = d;
	assert_false(maps(&parts));
	parts.settings.openspa.directory = CONF_ASKED_SCRIPT;
	assert_true(maps(&parts));
	d[0].exponent[5] = d[0].exponent[7] = 1;
	assert_false(maps(&parts));
}

/* The largest of each value, and what a service that is off need not have. */
static void the_edges_of_each_value_are_fine(void **state)
{
	struct snapshot_parts parts = sound_parts();
	struct client c[2];
	struct cidr n[1];
	struct device d[3];
	struct openspa_rule u[3];

	(void)state;
	memcpy(c, clients, sizeof c);
	memcpy(n, cidrs, sizeof n);
	memcpy(d, devices, sizeof d);
	memcpy(u, rules, sizeof u);
	parts.clients = c;
	parts.cidrs = n;
	parts.devices = d;
	parts.rules = u;
	parts.settings.firewall = CONF_FIREWALL_NONE;
	parts.settings.guard = CONF_GUARD_ALL;
	parts.settings.hook = CONF_HOOK_FORWARD;
	parts.settings.established = CONF_ESTABLISHED_CUT;
	parts.settings.shutdown = CONF_SHUTDOWN_KEEP;
	parts.settings.host_chains = CONF_HOST_CHAINS_NONE;
	parts.settings.sandbox = CONF_SANDBOX_BEST;
	parts.settings.knock_timeout_ns = parts.settings.replay_window_ns = 1;
	parts.settings.mark = 1;
	assert_true(maps(&parts));
	parts.settings.mark = 0x80000000;
	parts.settings.udp_port = 1;
	memset(parts.settings.interface, '~', INTERFACE_NAME_BYTES - 1);
	memset(c[0].name, '!', CLIENT_NAME_BYTES - 1);
	memset(d[0].name, 'a', CLIENT_NAME_BYTES - 1);
	n[0].bits = 128;
	memset(d[1].exponent, 0xff, sizeof d[1].exponent);
	d[2].exponent[5] = 0;
	d[2].exponent[0] = 1;
	u[0].duration_s = 1;
	parts.settings.openspa.targets = CONF_TARGETS_LIST;
	parts.settings.openspa.rules = (struct span){0, 3};
	parts.settings.openspa.target_list = (struct span){1, 0};
	parts.settings.openspa.window_ns = 1;
	parts.settings.openspa.port = 1;
	parts.settings.openspa.authorization = CONF_ASKED_HELPER;
	parts.settings.openspa.firewall = CONF_ASKED_HELPER;
	parts.settings.openspa.directory = CONF_ASKED_HELPER;
	parts.settings.openspa.answer = CONF_ANSWER_NEVER;
	assert_true(maps(&parts));
	parts.settings.openspa.enabled = false;
	parts.settings.openspa.port = 0;
	parts.settings.openspa.window_ns = 0;
	assert_true(maps(&parts));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(what_is_sealed_is_mapped),
	    TEST(each_client_is_found_by_its_key),
	    TEST(a_client_stands_once_in_the_order_of_keys),
	    TEST(an_empty_one_is_fine),
	    TEST(nobody_can_write_it),
	    TEST(it_is_written_whole_or_not_at_all),
	    TEST(one_that_is_too_large_is_not_made),
	    TEST(without_a_descriptor_none_is_made),
	    TEST(the_layout_is_made_of_every_size),
	    TEST(each_seal_and_the_size_come_first),
	    TEST(unsealed_is_refused),
	    TEST(every_truncation_is_refused),
	    TEST(one_of_another_build_or_size_is_refused),
	    TEST(no_change_leads_outside),
	    TEST(every_index_is_checked),
	    TEST(every_device_and_rule_is_checked),
	    TEST(a_device_of_a_program_has_no_key_here),
	    TEST(the_edges_of_each_value_are_fine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
