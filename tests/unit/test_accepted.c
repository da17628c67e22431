/* The rules that were last accepted, kept for a start with a broken configuration: what is written,
 * and what of it is believed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mapped_files.h"
#include "short_memory.h"
#include "snapshot/accepted.h"

#define TEMPORARY  "." ACCEPTED_FILE
#define HASH_BYTES crypto_generichash_BYTES
#define MARK_BYTES 8
#define ITEMS_MOST 65536U
#define DAMAGED    "it is damaged"
#define NOT_OURS   "others could have changed it; take it away"

static char folder[32];
static char path[64];
static char temporary[64];
static unsigned int open_before;
static uint8_t good[4096]; /* a file as it is written, its hash taken off */
static size_t good_size;

/* What clients, devices and policies have is not kept; what is kept has moved then. */
static const struct ports ports[] = {{6, 0, 1, 1}, {6, 0, 22, 25}, {17, 0, 53, 53}, {6, 0, 80, 81}};
static const struct cidr networks[] = {
    {{{1}}, 8}, {{{0x20, 0x01, 0x0d, 0xb8}}, 32}, {{{0xfd}}, 16}};
static const struct policy policies[] = {{{0, 1}}};
static const struct client clients[] = {{.name = "alice"}};
static const struct snapshot_parts parts = {.generation = 7,
    .settings = {.openme = true,
        .public_key = {1},
        .udp_port = 54154,
        .health_port = 8080,
        .firewall = CONF_FIREWALL_NONE,
        .guard = CONF_GUARD_ALL,
        .hook = CONF_HOOK_FORWARD,
        .established = CONF_ESTABLISHED_CUT,
        .shutdown = CONF_SHUTDOWN_KEEP,
        .host_chains = CONF_HOST_CHAINS_NONE,
        .intake = CONF_INTAKE_CAPTURE,
        .notrack = CONF_NOTRACK_YES,
        .drop_ports = true,
        .open_knock_port = true,
        .interface = "eth0",
        .mark = 0x40000000,
        .priority = -7,
        .knock_timeout_ns = 30,
        .replay_window_ns = 60,
        .client_quota = 9,
        .managed_ports = {1, 2},
        .guard_allow_ports = {3, 1},
        .guard_allow_networks = {1, 2},
        .own_addresses = {0, 1},
        .openspa = {.enabled = true,
            .firewall = CONF_ASKED_HELPER,
            .port = 22211,
            .window_ns = 300,
            .server_addresses = {0, 1}}},
    .counts = {.clients = 1, .policies = 1, .ports = 4, .cidrs = 3},
    .clients = clients,
    .policies = policies,
    .ports = ports,
    .cidrs = networks};

static struct snapshot_parts others; /* that shut something else */

/* --- Calls that fail when a test says so */

static int fsyncs_to_go;
static bool no_fstat;

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
	if (fsyncs_to_go > 0 && --fsyncs_to_go == 0) {
		errno = EIO;
		return -1;
	}
	return __real_fsync(fd);
}

/* As the C library calls it where a long is too short for a time */
#if __SIZEOF_LONG__ == 4
#define __real_fstat64 __real___fstat64_time64
#define __wrap_fstat64 __wrap___fstat64_time64
#endif
int __real_fstat64(int fd, struct stat64 *st);
int __wrap_fstat64(int fd, struct stat64 *st);
int __wrap_fstat64(int fd, struct stat64 *st)
{
	if (no_fstat) {
		errno = EIO;
		return -1;
	}
	return __real_fstat64(fd, st);
}

/* --- */

static struct snapshot map(int fd)
{
	struct snapshot s;

	assert_true(fd >= 0);
	assert_true(snapshot_map(&s, fd));
	close(fd);
	return s;
}

static bool save(const struct snapshot_parts *what)
{
	struct snapshot s = map(snapshot_create(what));
	bool saved = false;
	int error = 0;

	errno = 0;
	saved = accepted_save(folder, &s);
	error = errno;
	snapshot_unmap(&s);
	errno = error;
	return saved;
}

static void put(const void *data, size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_int_equal(write(fd, data, size), (ssize_t)size);
	close(fd);
}

/* With the hash that belongs to it. */
static void put_sealed(const uint8_t *data, size_t size)
{
	uint8_t hash[HASH_BYTES];
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	crypto_generichash(hash, sizeof hash, data, size, NULL, 0);
	assert_int_equal(write(fd, data, size), (ssize_t)size);
	assert_int_equal(write(fd, hash, sizeof hash), HASH_BYTES);
	close(fd);
}

static void refused(const char *reason)
{
	const char *why = NULL;

	assert_int_equal(accepted_load(folder, &why), -1);
	assert_string_equal(why, reason);
}

static struct snapshot load(void)
{
	const char *why = NULL;

	return map(accepted_load(folder, &why));
}

static int set_up(void **state)
{
	int fd;

	(void)state;
	strcpy(folder, "/tmp/postern-accepted-XXXXXX");
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(path, sizeof path, "%s/" ACCEPTED_FILE, folder);
	snprintf(temporary, sizeof temporary, "%s/" TEMPORARY, folder);
	open_before = open_files();
	others = parts;
	others.settings.priority++;
	if (!save(&parts))
		return -1;
	fd = open(path, O_RDONLY);
	good_size = (size_t)read(fd, good, sizeof good) - HASH_BYTES;
	close(fd);
	return 0;
}

/* Each test leaves no file behind, and none open. */
static int tear_down(void **state)
{
	(void)state;
	unlink(path);
	rmdir(path);
	return open_files() == open_before && rmdir(folder) == 0 ? 0 : -1;
}

#define SAME(field) \
	assert_memory_equal(&s.settings->field, &parts.settings.field, sizeof parts.settings.field)

static void what_is_saved_is_loaded(void **state)
{
	struct snapshot s = load();

	(void)state;
	SAME(openme);
	SAME(udp_port);
	SAME(health_port);
	SAME(firewall);
	SAME(guard);
	SAME(hook);
	SAME(established);
	SAME(host_chains);
	SAME(intake);
	SAME(notrack);
	SAME(drop_ports);
	SAME(open_knock_port);
	SAME(interface);
	SAME(mark);
	SAME(priority);
	SAME(openspa.enabled);
	SAME(openspa.firewall);
	SAME(openspa.port);
	assert_int_equal(s.settings->managed_ports.count, 2);
	assert_memory_equal(
	    snapshot_ports(&s, s.settings->managed_ports), ports + 1, 2 * sizeof *ports);
	assert_int_equal(s.settings->guard_allow_ports.count, 1);
	assert_memory_equal(
	    snapshot_ports(&s, s.settings->guard_allow_ports), ports + 3, sizeof *ports);
	assert_int_equal(s.settings->guard_allow_networks.count, 2);
	assert_memory_equal(snapshot_cidrs(&s, s.settings->guard_allow_networks), networks + 1,
	    2 * sizeof *networks);
	assert_int_equal(s.header->generation, 1);
	snapshot_unmap(&s);
}

static void no_client_and_no_key_is_kept(void **state)
{
	struct snapshot s = load();

	(void)state;
	assert_int_equal(snapshot_holders(&s), 0);
	assert_int_equal(s.policy_count, 0);
	assert_int_equal(s.header->counts.ports, 3);
	assert_int_equal(s.header->counts.cidrs, 2);
	assert_true(sodium_is_zero(s.settings->public_key, sizeof s.settings->public_key));
	assert_int_equal(s.settings->own_addresses.count, 0);
	assert_int_equal(s.settings->client_quota, 1);
	assert_int_equal(s.settings->openspa.window_ns, 1);
	snapshot_unmap(&s);
}

/* Whatever stands in the way of it, and whatever others may do by default. */
static void nobody_else_can_read_or_change_it(void **state)
{
	mode_t before = umask(0);
	struct stat st;

	(void)state;
	close(open(temporary, O_WRONLY | O_CREAT, 0666));
	assert_true(save(&others));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0600);
	assert_int_equal(access(temporary, F_OK), -1);
	umask(before);
}

static void one_that_others_could_have_changed_is_refused(void **state)
{
	static const mode_t modes[] = {0640, 0620, 0610, 0604, 0602, 0601};

	(void)state;
	for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
		chmod(path, modes[i]);
		refused(NOT_OURS);
	}
	chmod(path, 0600);
	if (geteuid() == 0) {
		assert_int_equal(chown(path, 1, 0), 0);
		refused(NOT_OURS);
	}
	rename(path, temporary);
	assert_int_equal(symlink(TEMPORARY, path), 0);
	refused(strerror(ELOOP));
	unlink(path);
	unlink(temporary);
	assert_int_equal(mkfifo(path, 0600), 0);
	refused(NOT_OURS);
	unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	refused(NOT_OURS);
}

static void where_there_is_none_that_is_said(void **state)
{
	const char *why = NULL;

	(void)state;
	no_fstat = true;
	refused(strerror(EIO));
	no_fstat = false;
	unlink(path);
	refused("there is none yet");
	assert_int_equal(accepted_load("/nonexistent", &why), -1);
	assert_string_equal(why, "there is none yet");
}

static void every_damage_is_refused(void **state)
{
	uint8_t whole[sizeof good + 1] = {0};
	size_t size = good_size + HASH_BYTES;

	(void)state;
	crypto_generichash(whole + good_size, HASH_BYTES, good, good_size, NULL, 0);
	memcpy(whole, good, good_size);
	for (size_t at = 0; at < size; at++) {
		put(whole, at);
		refused(DAMAGED);
		whole[at] ^= 1;
		put(whole, size);
		refused(DAMAGED);
		whole[at] ^= 1;
	}
	put(whole, size + 1);
	refused(DAMAGED);
	put(whole, size);
	save(&parts);
}

/* Its hash is right, and what it says is not. */
static void every_value_is_looked_at(void **state)
{
	const size_t counts = 3 * sizeof(uint32_t);
	const size_t count_at = good_size - counts - 3 * sizeof *ports - 2 * sizeof *networks;
	uint8_t bent[sizeof good] = {0};

	(void)state;
	memcpy(bent, good, good_size);
	for (size_t at = 0; at < MARK_BYTES; at++) {
		bent[at] ^= 1;
		put_sealed(bent, good_size);
		refused("another version has written it");
		bent[at] ^= 1;
	}
	for (size_t size = MARK_BYTES; size < good_size; size++) {
		put_sealed(good, size);
		refused(DAMAGED);
	}
	put_sealed(bent, good_size + 1);
	refused(DAMAGED);
	for (size_t at = 0; at < sizeof(uint32_t); at++) {
		bent[count_at + at] ^= 1;
		put_sealed(bent, good_size);
		refused(DAMAGED);
		bent[count_at + at] ^= 1;
	}
	put_sealed(bent, good_size);
	snapshot_unmap(&(struct snapshot[]){load()}[0]);
}

/* A file of one more than is read, which fits behind those that are. */
static void refuse_one_more(const struct ports *many)
{
	const size_t settings =
	    good_size - 3 * sizeof(uint32_t) - 3 * sizeof *ports - 2 * sizeof *networks;
	const size_t all = (ITEMS_MOST + 1) * sizeof *many;
	uint8_t *file = calloc(1, settings + all + 3 * sizeof(uint32_t));

	assert_non_null(file);
	memcpy(file, good, settings);
	memcpy(file + settings, (const uint8_t[]){0, 1, 0, 1}, sizeof(uint32_t));
	memcpy(file + settings + sizeof(uint32_t), many, all);
	put_sealed(file, settings + all + 3 * sizeof(uint32_t));
	refused(DAMAGED);
	free(file);
}

/* Of each kind as many as there may be, and one more. */
static void as_many_as_fit_are_kept(void **state)
{
	struct ports *many = calloc(2 * ITEMS_MOST + 1, sizeof *many);
	struct cidr *nets = calloc(ITEMS_MOST + 1, sizeof *nets);
	struct snapshot_parts large = parts;
	struct snapshot s;

	(void)state;
	assert_true(many != NULL && nets != NULL);
	for (size_t i = 0; i < 2 * ITEMS_MOST + 1; i++)
		many[i] = (struct ports){6, 0, 1, (uint16_t)(i % UINT16_MAX + 1)};
	large.ports = many;
	large.cidrs = nets;
	large.counts.ports = 2 * ITEMS_MOST + 1;
	large.counts.cidrs = ITEMS_MOST + 1;
	large.settings.managed_ports = (struct span){0, ITEMS_MOST};
	large.settings.guard_allow_ports = (struct span){ITEMS_MOST, ITEMS_MOST};
	large.settings.guard_allow_networks = (struct span){0, ITEMS_MOST};
	assert_true(save(&large));
	s = load();
	assert_memory_equal(snapshot_ports(&s, s.settings->guard_allow_ports), many + ITEMS_MOST,
	    ITEMS_MOST * sizeof *many);
	assert_int_equal(s.header->counts.cidrs, ITEMS_MOST);
	snapshot_unmap(&s);
	large.settings.guard_allow_networks.count++;
	assert_false(save(&large));
	assert_int_equal(errno, EFBIG);
	large.settings.guard_allow_networks.count--;
	large.settings.managed_ports.count++;
	assert_false(save(&large));
	large.settings.managed_ports.count--;
	large.settings.guard_allow_ports.count++;
	assert_false(save(&large));
	refuse_one_more(many);
	free(many);
	free(nets);
}

/* No start has to wait for a disk for what stands there already. */
static void what_stands_is_not_written_again(void **state)
{
	(void)state;
	fsyncs_to_go = 1;
	assert_true(save(&parts));
	assert_int_equal(fsyncs_to_go, 1);
	fsyncs_to_go = 0;
	for (size_t at = 0; at < good_size + HASH_BYTES; at++) {
		int fd = open(path, O_RDWR);
		uint8_t byte;

		assert_int_equal(pread(fd, &byte, 1, (off_t)at), 1);
		byte ^= 1;
		assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
		close(fd);
		assert_true(save(&parts));
		snapshot_unmap(&(struct snapshot[]){load()}[0]);
	}
	assert_int_equal(truncate(path, (off_t)good_size), 0);
	assert_true(save(&parts));
	snapshot_unmap(&(struct snapshot[]){load()}[0]);
}

/* As it was, but others could change it before the next start. */
static void what_stands_for_others_is_written_again(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(chmod(path, 0666), 0);
	assert_true(save(&parts));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0600);
}

/* What was there stays, nothing half written is left, and the reason is told. */
static void fails_with(int error)
{
	assert_int_equal(errno, error);
	assert_int_equal(access(temporary, F_OK), -1);
	snapshot_unmap(&(struct snapshot[]){load()}[0]);
}

/* No file may become larger than that many bytes. */
static void save_with_room_for(rlim_t bytes)
{
	struct snapshot s = map(snapshot_create(&others));
	struct rlimit limit, small;
	int error = 0;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	small = limit;
	small.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_false(accepted_save(folder, &s));
	error = errno;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	snapshot_unmap(&s);
	errno = error;
}

static void what_cannot_be_written_leaves_the_old_one(void **state)
{
	(void)state;
	for (int nth = 1; nth <= 2; nth++) {
		fsyncs_to_go = nth;
		assert_false(save(&others));
		fails_with(EIO);
	}
	others.settings.priority++; /* the last one stands, but for a power cut */
	signal(SIGXFSZ, SIG_IGN);
	save_with_room_for(10);
	fails_with(ENOSPC);
	save_with_room_for(0);
	fails_with(EFBIG);
	assert_int_equal(symlink(ACCEPTED_FILE, temporary), 0);
	assert_false(save(&others));
	fails_with(ELOOP);
}

static void where_it_cannot_stand_nothing_is_left(void **state)
{
	struct snapshot s = map(snapshot_create(&others));

	(void)state;
	unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_false(save(&others));
	assert_int_equal(errno, EISDIR);
	assert_int_equal(access(temporary, F_OK), -1);
	assert_false(accepted_save("/nonexistent", &s));
	assert_int_equal(errno, ENOENT);
	snapshot_unmap(&s);
}

static void memory_may_be_short(void **state)
{
	struct snapshot s = map(snapshot_create(&parts));
	const char *why = NULL;
	int fd = -1;

	(void)state;
	short_memory(1);
	assert_false(accepted_save(folder, &s));
	assert_true(short_memory_failed());
	for (size_t nth = 1; fd < 0; nth++) {
		short_memory(nth);
		fd = accepted_load(folder, &why);
		assert_int_equal(fd < 0, short_memory_failed());
		assert_true(fd >= -1);
		assert_int_equal(fd < 0 && why == NULL, false);
	}
	short_memory(0);
	close(fd);
	snapshot_unmap(&s);
}

#define PLACED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    PLACED(what_is_saved_is_loaded),
	    PLACED(no_client_and_no_key_is_kept),
	    PLACED(nobody_else_can_read_or_change_it),
	    PLACED(one_that_others_could_have_changed_is_refused),
	    PLACED(where_there_is_none_that_is_said),
	    PLACED(every_damage_is_refused),
	    PLACED(every_value_is_looked_at),
	    PLACED(as_many_as_fit_are_kept),
	    PLACED(what_stands_is_not_written_again),
	    PLACED(what_stands_for_others_is_written_again),
	    PLACED(what_cannot_be_written_leaves_the_old_one),
	    PLACED(where_it_cannot_stand_nothing_is_left),
	    PLACED(memory_may_be_short),
	};

	return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
