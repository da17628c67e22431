/* A QR code's JSON as a client's file, from a file and from a descriptor. */
#include "conf_help.h"

#include "files/client_conf.h"
#include "files/given_file.h"

#define SECRET_64 \
	"rW2jvaXxM8wtrI1Mvx5Cl5TI/u+jBtTbDXMUCjPolXEcey7STCyfXq8shPyUG6y0RCUN1eYKAE0ZfydoieUbKA=="
#define SERVER_KEY "\"server_pubkey\":\"" PUBLIC_KEY "\""
#define SECRET_KEY "\"client_privkey\":\"" SECRET_64 "\""
#define CODE \
	"{\"profile\":\"home\",\"host\":\"gate\",\"udp_port\":7154," SERVER_KEY "," SECRET_KEY "}"

static struct client_conf *loads_path(const char *path)
{
	struct conf_error error = {.text = ""};
	struct client_conf *conf = client_conf_load(path, &error);

	assert_string_equal(error.text, "");
	assert_non_null(conf);
	return conf;
}

static void is_home(const char *path, const char *name)
{
	struct client_conf *conf = loads_path(path);
	const struct client_profile *p = client_conf_profile(conf, 0);
	uint8_t key[64];

	assert_int_equal(client_conf_count(conf), 1);
	assert_string_equal(p->name, name);
	assert_string_equal(p->server_host.text, "gate");
	assert_true(secret_from_base64(key, 64, SECRET_64));
	assert_memory_equal(p->private_key.bytes, key, 64);
	assert_memory_equal(p->public_key.bytes, key + 32, 32);
	assert_true(secret_from_base64(key, 32, PUBLIC_KEY));
	assert_memory_equal(p->server_pubkey.bytes, key, 32);
	client_conf_free(conf);
}

static void code_refused(const char *text, const char *complaint)
{
	struct conf_error error = {.text = ""};
	const char *path = write_text("code.json", text);
	char expected[1500];

	snprintf(expected, sizeof expected, "%s%s", path, complaint);
	assert_null(client_conf_load(path, &error));
	assert_string_equal(error.text, expected);
}

static void a_code_is_a_profile(void **state)
{
	struct client_conf *conf;

	(void)state;
	is_home(write_text("code.json", CODE "\n"), "home");
	conf = loads_path(in_folder("code.json"));
	assert_int_equal(client_conf_profile(conf, 0)->server_udp_port, 7154);
	assert_null(client_conf_profile(conf, 0)->post_knock);
	assert_null(client_conf_profile(conf, 0)->shield_key.bytes);
	client_conf_free(conf);
}

static void a_code_may_hold_the_shield_key(void **state)
{
	uint8_t key[32];
	struct client_conf *conf;

	(void)state;
	conf = loads_path(write_text("code.json",
	    "{\"host\":\"gate\"," SERVER_KEY "," SECRET_KEY ",\"shield_key\":\"" CLIENT_1 "\"}"));
	assert_true(secret_from_base64(key, sizeof key, CLIENT_1));
	assert_memory_equal(client_conf_profile(conf, 0)->shield_key.bytes, key, sizeof key);
	client_conf_free(conf);
}

static void other_writers_write_it_otherwise(void **state)
{
	(void)state;
	is_home(write_text("code.json",
	            "\n{\n\t\"client_pubkey\" : \"" CLIENT_0 "\",\r\n\t\"client_privkey\": "
	            "\"rW2jvaXxM8wtrI1Mvx5Cl5TI\\/u+jBtTbDXMUCjPolXE=\",\n\t" SERVER_KEY
	            ", \"host\":\"g\\u0061te\"\n}"),
	    "default");
	is_home(write_text("code.json",
	            "{\"profile\":\"\",\"host\":\"gate\"," SERVER_KEY "," SECRET_KEY "}"),
	    "default");
}

static void complaints_have_a_place(void **state)
{
	(void)state;
	code_refused("{\"host\":\"gate\"," SERVER_KEY "}",
	    ":1:1: client_privkey: not given; this code was made for a device that has the key "
	    "itself");
	code_refused("{\"host\":\"gate\",\"port\":22," SECRET_KEY "}",
	    ":1:16: unknown key \"port\"; did you mean \"host\"?");
	code_refused("{\"host\":\"gate\",\n\"udp_port\":0," SERVER_KEY "," SECRET_KEY "}",
	    ":2:12: profiles.default.server_udp_port: found \"0\"; expected a whole number from 1 to 65535");
	code_refused("{\"host\":\"gate\",\n \"host\":\"b\"}",
	    ":2:2: found \"host\" a second time; it stands at line 1 already: remove one of them");
	code_refused("{\"host\":\"gate\"," SERVER_KEY "," SECRET_KEY
	             ",\n\"client_pubkey\":\"" CLIENT_1 "\"}",
	    ":2:17: profiles.default.public_key: does not belong to private_key; correct one of them, or leave "
	    "public_key out");
	code_refused("{\"host\":[\"gate\"]," SECRET_KEY "}",
	    ":1:9: profiles.default.server_host: found a list; expected a host");
	code_refused("{\"profile\":{},\"host\":\"gate\"," SECRET_KEY "}",
	    ":1:12: profile: found a map; expected a name");
	code_refused("{\"client_pubkey\":\"" CLIENT_0 "\"," SECRET_KEY "}",
	    ":1:1: profiles.default.server_host: not given; expected the server's name or "
	    "address");
	code_refused("{\"host\":\"gate\",\"post_knock\":\"true\"," SECRET_KEY "}",
	    ":1:16: unknown key \"post_knock\"");
	code_refused(CODE CODE, ":1:220: not YAML: did not find expected <document start>");
}

static int pipe_with(const char *text, size_t size)
{
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	if (fork() == 0) {
		close(ends[0]);
		while (size > 0) {
			ssize_t sent = write(ends[1], text, size);

			if (sent <= 0)
				_exit(1);
			text += sent;
			size -= (size_t)sent;
		}
		_exit(0);
	}
	close(ends[1]);
	return ends[0];
}

static void descriptors_are_read(void **state)
{
	static const char *const forms[] = {"fd:", "/dev/fd/", "/proc/self/fd/"};
	char path[64];

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		int fd = pipe_with(CODE, strlen(CODE));

		snprintf(path, sizeof path, "%s%d", forms[i], fd);
		is_home(path, "home");
		assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
		close(fd);
	}
}

static void nobodys_rights_are_looked_at_there(void **state)
{
	int fd = open(write_bytes("code.json", CODE, strlen(CODE), 0644), O_RDONLY);
	struct conf_error error = {.text = ""};
	char path[64];

	(void)state;
	snprintf(path, sizeof path, "fd:%d", fd);
	is_home(path, "home");
	close(fd);
	assert_null(client_conf_load(in_folder("code.json"), &error));
	assert_non_null(
	    strstr(error.text, "mode 0644 lets others at a private key; take that away: "
	                       "chmod 600 /"));
	assert_null(client_conf_load(path, &error));
	assert_non_null(strstr(error.text, ": cannot read it: Bad file descriptor"));
}

static void much_is_read_whole(void **state)
{
	size_t size = 200000;
	char *text = calloc(1, size + sizeof CODE), path[64];
	int fd;

	(void)state;
	memset(text, '#', size);
	text[size - 1] = '\n';
	memcpy(text + size, CODE, sizeof CODE);
	fd = pipe_with(text, strlen(text));
	snprintf(path, sizeof path, "fd:%d", fd);
	is_home(path, "home");
	close(fd);
	free(text);
}

static void only_descriptors_are_taken_for_them(void **state)
{
	static const char *const files[] = {"fd:", "fd:x", "fd:3x", "fd:-1", "fd:12345678",
	    "/dev/fd/", "-x", "./-", "/dev/stdin2", ""};

	(void)state;
	for (size_t i = 0; i < sizeof files / sizeof *files; i++)
		assert_int_equal(given_descriptor(files[i]), -1);
	assert_int_equal(given_descriptor("-"), 0);
	assert_int_equal(given_descriptor("/dev/stdin"), 0);
	assert_int_equal(given_descriptor("fd:0"), 0);
	assert_int_equal(given_descriptor("fd:1234567"), 1234567);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_code_is_a_profile),
	    TEST(a_code_may_hold_the_shield_key),
	    TEST(other_writers_write_it_otherwise),
	    TEST(complaints_have_a_place),
	    TEST(descriptors_are_read),
	    TEST(nobodys_rights_are_looked_at_there),
	    TEST(much_is_read_whole),
	    TEST(only_descriptors_are_taken_for_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
