/* A configuration and its index, for the tests of that; the clock goes ahead, so that files are
 * settled at once. */
#ifndef INDEX_HELP_H
#define INDEX_HELP_H

#include "conf_help.h"

#include <sodium.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "conf/client_index.h"

#define ALICE "  alice: {ed25519_pubkey: " CLIENT_0 ", allowed_ports: [22/tcp, web]}\n"
#define BOB   "  bob: {ed25519_pubkey: " CLIENT_1 ", targets: 192.0.2.0/24, revoked: no }\n"
#define CAROL "  carol: {ed25519_pubkey: " CLIENT_2 ", expires: 2030-01-01, wildcard: no}\n"
#define MAIN  SERVER "ports: {web: [443]}\nclients:\n" ALICE

static int64_t ahead_ns; /* how far the clock goes ahead of the files */
static unsigned int vetted;

int64_t __real_clock_real_ns(void);
int64_t __wrap_clock_real_ns(void);
bool __real_openme_client_public_usable(const uint8_t *key);
bool __wrap_openme_client_public_usable(const uint8_t *key);

int64_t __wrap_clock_real_ns(void)
{
	return __real_clock_real_ns() + ahead_ns;
}

bool __wrap_openme_client_public_usable(const uint8_t *key)
{
	vetted++;
	return __real_openme_client_public_usable(key);
}

static char config[512];
static char index_path[512];

/* Past the tick that the file system's clock goes by. */
static inline void next_tick(void)
{
	usleep(20000);
}

/* Alice in the main file, Bob and Carol in clients.d, and a state directory that was used. */
static inline int index_setup(void **state)
{
	if (conf_help_setup(state) != 0)
		return -1;
	ahead_ns = 10 * NS_PER_SECOND;
	if (mkdir(in_folder("clients.d"), 0700) != 0 || mkdir(in_folder("state"), 0700) != 0)
		return -1;
	next_tick();
	write_text("state/replay", "");
	write_text("clients.d/bob.yaml", "clients:\n" BOB);
	write_text("clients.d/carol.yaml", "# nobody else\nclients:\n" CAROL);
	snprintf(config, sizeof config, "%s", write_text("config.yaml", MAIN));
	snprintf(index_path, sizeof index_path, "%s", in_folder("state/" CONF_INDEX_FILE));
	return 0;
}

static inline void prepare(void)
{
	struct conf_index_report report;
	struct conf_error error = {.text = ""};

	conf_free(conf_load_renewing(config, index_path, CONF_INDEX_ALWAYS, &report, &error));
	assert_string_equal(error.text, "");
	assert_string_equal(report.failed, "");
	assert_true(report.written);
	next_tick();
}

/* What the other processes are given. */
static inline void assert_same(const struct conf *a, const struct conf *b)
{
	const struct conf *const both[] = {a, b};
	uint8_t *bytes[2];
	struct stat st[2];

	assert_int_equal(conf_client_count(a), conf_client_count(b));
	for (size_t i = 0; i < conf_client_count(a); i++) {
		const struct conf_client *x = conf_client(a, i), *y = conf_client(b, i);

		assert_string_equal(x->name, y->name);
		assert_string_equal(x->file, y->file);
		assert_memory_equal(&x->place, &y->place, sizeof x->place);
		assert_int_equal(x->allowed_ports.count, y->allowed_ports.count);
	}
	for (size_t i = 0; i < 2; i++) {
		int fd = conf_write_snapshot(both[i], 1);

		assert_int_equal(fstat(fd, &st[i]), 0);
		bytes[i] = mmap(NULL, (size_t)st[i].st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		assert_true(bytes[i] != MAP_FAILED);
		close(fd);
	}
	assert_int_equal(st[0].st_size, st[1].st_size);
	assert_memory_equal(bytes[0], bytes[1], (size_t)st[0].st_size);
	for (size_t i = 0; i < 2; i++)
		munmap(bytes[i], (size_t)st[i].st_size);
}

/* Loads with the index, and finds just what is found without. */
static inline struct conf_index_report load(void)
{
	struct conf_index_report report;
	struct conf_error error = {.text = ""}, plain_error = {.text = ""};
	struct conf *plain = conf_load(config, &plain_error), *conf;

	vetted = 0;
	conf = conf_load_indexed(config, index_path, &report, &error);
	assert_string_equal(error.text, plain_error.text);
	assert_int_equal(conf == NULL, plain == NULL);
	assert_int_equal(vetted, report.vetted);
	if (conf != NULL)
		assert_same(conf, plain);
	conf_free(conf);
	conf_free(plain);
	return report;
}

#define INDEX_TEST(function) \
	cmocka_unit_test_setup_teardown(function, index_setup, conf_help_teardown)

#endif
