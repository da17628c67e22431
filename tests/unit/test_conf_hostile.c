/* Damaged files: whatever comes, one complaint or a sound configuration, nothing leaked or read
 * outside (run under the sanitizers to mean the most). */
#include "conf_help.h"

#include "files/client_conf.h"

static void take(const void *bytes, size_t size)
{
	const char *path = write_bytes("config.yaml", bytes, size, 0600);
	struct conf_error error = {.text = ""};
	struct conf *conf = conf_load(path, &error);

	if (conf != NULL) {
		int fd = conf_write_snapshot(conf, 1);
		struct snapshot s;

		assert_true(fd >= 0);
		assert_true(snapshot_map(&s, fd));
		snapshot_unmap(&s);
		close(fd);
	} else {
		assert_true(error.text[0] != '\0');
		assert_null(strstr(error.text, "yFtxDt7NWST"));
		for (const char *c = error.text; *c != '\0'; c++)
			assert_true(*c >= 0x20 && *c < 0x7f);
	}
	conf_free(conf);
	client_conf_free(client_conf_load(path, &error));
}

static void every_truncation(void **state)
{
	static const char *const files[] = {
	    VECTORS "/openme-server.yaml", VECTORS "/openme-client.yaml"};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		const char *text = read_text(files[i]);
		size_t size = strlen(text);

		for (size_t cut = 0; cut <= size; cut++)
			take(text, cut);
	}
}

static void every_byte_changed(void **state)
{
	static const char changes[] = {'\0', '\n', '\t', ' ', ':', '-', '"', '\'', '[', '{', '&',
	    '*', '!', '|', '>', '#', '%', '?', ',', '\xff', '\xc3'};
	char *text = read_text(VECTORS "/openme-server.yaml");
	size_t size = strlen(text);

	(void)state;
	for (size_t at = 0; at < size; at++) {
		char kept = text[at];

		/* one at each place, all of them over the file */
		text[at] = changes[at % sizeof changes];
		take(text, size);
		text[at] = kept;
	}
}

static void repeated(const char *unit, size_t times)
{
	size_t length = strlen(unit);
	char *text = malloc(length * times);

	assert_non_null(text);
	for (size_t i = 0; i < times; i++)
		memcpy(text + i * length, unit, length);
	take(text, length * times);
	free(text);
}

/* No more than so many, however small they are. */
static void more_than_can_be_held(void **state)
{
	enum { MOST = 1 << 22 };
	char *text = malloc(2 * MOST + 1);
	struct conf_error error = {.text = ""};

	(void)state;
	assert_non_null(text);
	text[0] = '[';
	for (size_t i = 0; i < MOST; i++)
		memcpy(text + 1 + 2 * i, "1,", 2);
	assert_null(conf_load(write_bytes("config.yaml", text, 2 * MOST + 1, 0600), &error));
	assert_non_null(strstr(error.text, "too large a file to hold in memory"));
	free(text);
}

static void much_of_the_same(void **state)
{
	(void)state;
	repeated("[", 100000);
	repeated("{a: ", 100000);
	repeated("- ", 100000);
	repeated("? ", 100000);
	repeated("a\n", 100000);
	repeated("- \n", 100000);
	repeated("\"\\L\" ", 10000);
	repeated("!", 100000);
	repeated("&a ", 10000);
	repeated("---\n", 10000);
	repeated("a: b\n", 10000);
	repeated("\xef\xbb\xbf", 1000);
	repeated("server:\n  host: a\n", 1000);
}

static void a_value_of_a_megabyte(void **state)
{
	char *text = malloc(1 << 20);
	size_t start = strlen("server: {host: \"");

	(void)state;
	assert_non_null(text);
	memset(text, 'a', 1 << 20);
	memcpy(text, "server: {host: \"", start);
	memcpy(text + (1 << 20) - 2, "\"}", 2);
	take(text, 1 << 20);
	free(text);
}

static void many_clients_load(void **state)
{
	struct conf *conf;
	char *text = NULL;
	size_t size = 0;
	FILE *to = open_memstream(&text, &size);

	(void)state;
	assert_non_null(to);
	fputs(SERVER "clients:\n", to);
	for (unsigned int i = 0; i < 5000; i++)
		fprintf(to, "  c%u: {ed25519_pubkey: " CLIENT_0 "}\n", i);
	fclose(to);
	take(text, size);
	conf = conf_load(in_folder("config.yaml"), &(struct conf_error){.text = ""});
	assert_int_equal(conf_client_count(conf), 5000); /* one key for all */
	assert_int_equal(conf_warning_count(conf), 65);
	conf_free(conf);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(every_truncation),
	    TEST(every_byte_changed),
	    TEST(more_than_can_be_held),
	    TEST(much_of_the_same),
	    TEST(a_value_of_a_megabyte),
	    TEST(many_clients_load),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
