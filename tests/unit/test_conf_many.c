/* Files of many clients: taken piece by piece, and found fault with all the same. */
#include "conf_help.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "proto/openme.h"

#define MANY      3000
#define TRIES     1000
#define LITTLE    65536 /* bytes that a small host or a container may lock */
#define NOT_A_KEY "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

static struct {
	size_t now;
	size_t most;
} locked;

/* libsodium's calls, too. */
int mlock(const void *start, size_t size)
{
	locked.now += size;
	if (locked.most < locked.now)
		locked.most = locked.now;
	return (int)syscall(SYS_mlock, start, size);
}

int munlock(const void *start, size_t size)
{
	locked.now -= size;
	return (int)syscall(SYS_munlock, start, size);
}

static const char *key_text(unsigned int number)
{
	static char text[SECRET_BASE64_BYTES(OPENME_PUBLIC_BYTES)];
	uint8_t seed[OPENME_SEED_BYTES] = {1}, key[OPENME_PUBLIC_BYTES];

	memcpy(seed + 1, &number, sizeof number);
	openme_client_public(key, seed);
	secret_to_base64(text, sizeof text, key, sizeof key);
	return text;
}

/* Client `bad` has no usable key, client `twin` the name of the first. MANY: none. */
static char *many(const char *before, const char *after, unsigned int bad, unsigned int twin)
{
	char *text = NULL;
	size_t size = 0;
	FILE *to = open_memstream(&text, &size);

	assert_non_null(to);
	fprintf(to, "%sclients:\n", before);
	for (unsigned int i = 0; i < MANY; i++)
		fprintf(to, "  client%u:\n    ed25519_pubkey: %s\n    allowed_ports: [default]\n",
		    i == twin ? 0 : i, i == bad ? NOT_A_KEY : key_text(i));
	fputs(after, to);
	fclose(to);
	return text;
}

static void load_many(const char *before, const char *after)
{
	char *text = many(before, after, MANY, MANY);
	struct conf *conf = loads(text);

	assert_int_equal(conf_client_count(conf), MANY);
	assert_string_equal(
	    conf_client_named(conf, "client2999")->allowed_ports.items[0].text, "default");
	assert_int_equal(conf_server(conf)->udp_port, 54154);
	conf_free(conf);
	free(text);
}

static void sections_stand_in_any_order(void **state)
{
	static const char uuids[] =
	    "clients:\n"
	    "  01234567-89ab-cdef-0123-456789abcdef: {ed25519_pubkey: " CLIENT_0 "}\n"
	    "  alice: {ed25519_pubkey: " CLIENT_1 "}\n"
	    "  11234567-89ab-cdef-0123-456789abcdef: {ed25519_pubkey: " CLIENT_2 "}\n" SERVER;
	struct conf *conf;

	(void)state;
	load_many(SERVER, "ports: {web: [443]}\n");
	load_many("ports: {web: [443]}\n", SERVER);
	/* these might be the devices of an original OpenSPA file */
	conf = loads(uuids);
	assert_int_equal(conf_client_count(conf), 3);
	conf_free(conf);
}

static void little_memory_is_locked(void **state)
{
	(void)state;
	locked.most = locked.now;
	load_many(SERVER, "");
	assert_in_range(locked.most, 1, LITTLE);
}

static void a_bad_one_among_many_is_named(void **state)
{
	static const unsigned int bad[] = {0, MANY / 2, MANY - 1};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		char *text = many(SERVER, "", bad[i], MANY), complaint[200];

		snprintf(complaint, sizeof complaint,
		    ":%u:21: clients.client%u.ed25519_pubkey: found 32 bytes that are not a usable "
		    "Ed25519 public key; expected the key that `postern add` or the client printed",
		    5 + 3 * bad[i], bad[i]);
		refused(text, complaint);
		free(text);
	}
}

static void a_name_that_stands_twice_is_named(void **state)
{
	char *text = many(SERVER, "", MANY, MANY - 1), complaint[200];

	(void)state;
	snprintf(complaint, sizeof complaint,
	    ":%u:3: found \"client0\" a second time; it stands at line 4 already: remove one of "
	    "them",
	    4 + 3 * (MANY - 1));
	refused(text, complaint);
	free(text);
}

/* The place of a byte that is no text is counted over all pieces. */
static void a_byte_that_is_no_text_is_found(void **state)
{
	char *text = many(SERVER, "ports: {\"a\xff\": [1]}\n", MANY, MANY), complaint[200];

	(void)state;
	snprintf(complaint, sizeof complaint,
	    ":%u:11: found the byte 0xff, which is not UTF-8, as of a letter in Latin-1; save the "
	    "file in UTF-8: `iconv -f WINDOWS-1252 -t UTF-8`",
	    4 + 3 * MANY);
	refused(text, complaint);
	free(text);
}

/* More text in one client than is kept in one piece, and others before and after. */
static void a_client_may_be_long(void **state)
{
	struct conf *conf;
	char *text = NULL;
	size_t size = 0;
	FILE *to = open_memstream(&text, &size);

	(void)state;
	fputs(SERVER "clients:\n  alice: {ed25519_pubkey: " CLIENT_0 "}\n"
	             "  bob:\n    allowed_ports: [1/udp",
	    to);
	for (unsigned int i = 2; i < 20000; i++)
		fprintf(to, ", %u/udp", i);
	fputs("]\n    ed25519_pubkey: " CLIENT_1 "\n  carol: {ed25519_pubkey: " CLIENT_2 "}\n", to);
	fclose(to);
	conf = loads(text);
	assert_int_equal(conf_client_count(conf), 3);
	assert_int_equal(conf_client(conf, 1)->allowed_ports.count, 19999);
	assert_string_equal(conf_client(conf, 1)->allowed_ports.items[19998].text, "19999/udp");
	assert_string_equal(conf_client(conf, 2)->name, "carol");
	conf_free(conf);
	free(text);
}

static void write_until_killed(int fd, bool appends, int ready)
{
	const struct timespec pause = {0, 200000};

	for (bool told = false;; told = true) {
		if (pwrite(fd, "#", 1, appends ? lseek(fd, 0, SEEK_END) : 0) != 1 ||
		    (!told && write(ready, "", 1) != 1))
			_exit(1);
		nanosleep(&pause, NULL);
	}
}

/* A child that writes to the file all the time: at its end, or the first byte over itself. */
static pid_t keep_writing(const char *path, bool appends)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), ready[2] = {-1, -1};
	pid_t child;
	char byte;

	assert_true(fd >= 0 && pipe(ready) == 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0)
		write_until_killed(fd, appends, ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	close(fd);
	return child;
}

static void changes_while_read(const char *name, bool appends)
{
	char changed[sizeof path_buffer[0]], expected[sizeof path_buffer[0] + 64];
	struct conf_error error = {.text = ""};
	struct conf *conf = NULL;
	pid_t child;

	snprintf(changed, sizeof changed, "%s", in_folder(name));
	child = keep_writing(changed, appends);
	/* On a busy machine the child may not get to write in the time of one reading. */
	for (int i = 0; i < TRIES && *error.text == '\0'; i++) {
		conf_free(conf);
		conf = conf_load(in_folder("config.yaml"), &error);
	}
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_null(conf);
	snprintf(expected, sizeof expected, "%s: changed while it was read; try again", changed);
	assert_string_equal(error.text, expected);
}

static void a_file_that_changes_while_it_is_read_is_refused(void **state)
{
	char *text = many("#\n" SERVER, "#\n", MANY, MANY),
	     *others = many("#\n", "#\n", MANY, MANY);

	(void)state;
	write_text("config.yaml", text);
	changes_while_read("config.yaml", true);
	changes_while_read("config.yaml", false);
	write_text("config.yaml", SERVER);
	assert_int_equal(mkdir(in_folder("clients.d"), 0700), 0);
	write_text("clients.d/others.yaml", others);
	changes_while_read("clients.d/others.yaml", true);
	free(text);
	free(others);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(sections_stand_in_any_order),
	    TEST(little_memory_is_locked),
	    TEST(a_bad_one_among_many_is_named),
	    TEST(a_name_that_stands_twice_is_named),
	    TEST(a_byte_that_is_no_text_is_found),
	    TEST(a_client_may_be_long),
	    TEST(a_file_that_changes_while_it_is_read_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
