#include "conf_help.h"

#include "files/client_conf.h"

#define SECRET_64 \
	"rW2jvaXxM8wtrI1Mvx5Cl5TI/u+jBtTbDXMUCjPolXEcey7STCyfXq8shPyUG6y0RCUN1eYKAE0ZfydoieUbKA=="
#define SEED    "rW2jvaXxM8wtrI1Mvx5Cl5TI/u+jBtTbDXMUCjPolXE="
#define PROFILE "profiles:\n  home:\n    server_host: gate\n    server_pubkey: " PUBLIC_KEY "\n"

static struct client_conf *client_loads(const char *text)
{
	struct conf_error error = {.text = ""};
	struct client_conf *conf = client_conf_load(write_text("config.yaml", text), &error);

	assert_string_equal(error.text, "");
	assert_non_null(conf);
	return conf;
}

static void client_refused(const char *text, const char *complaint)
{
	struct conf_error error = {.text = ""};
	const char *path = write_text("config.yaml", text);
	char expected[1500];

	snprintf(expected, sizeof expected, "%s%s", path, complaint);
	assert_null(client_conf_load(path, &error));
	assert_string_equal(error.text, expected);
}

static void an_openme_file_loads_unmodified(void **state)
{
	struct client_conf *conf = client_loads(read_text(VECTORS "/openme-client.yaml"));
	const struct client_profile *p = client_conf_profile(conf, 0);
	uint8_t key[64];

	(void)state;
	assert_int_equal(client_conf_count(conf), 1);
	assert_string_equal(p->name, "default");
	assert_string_equal(p->server_host.text, "127.0.0.1");
	assert_int_equal(p->server_udp_port, 39353);
	assert_true(secret_from_base64(key, 64, SECRET_64));
	assert_int_equal(p->private_key.size, 64);
	assert_memory_equal(p->private_key.bytes, key, 64);
	assert_true(secret_from_base64(key, 32, CLIENT_0));
	assert_memory_equal(p->public_key.bytes, key, 32);
	assert_true(secret_from_base64(key, 32, PUBLIC_KEY));
	assert_memory_equal(p->server_pubkey.bytes, key, 32);
	assert_null(p->post_knock);
	client_conf_free(conf);
}

static void a_seed_is_completed(void **state)
{
	struct client_conf *conf = client_loads(
	    PROFILE "    private_key: " SEED
	            "\n    post_knock: \"ssh -p 22 me@gate\"\n    shield_key: " PRIVATE_KEY "\n");
	const struct client_profile *p = client_conf_profile(conf, 0);
	uint8_t key[64];

	(void)state;
	assert_int_equal(p->server_udp_port, 54154);
	assert_true(secret_from_base64(key, 64, SECRET_64));
	assert_memory_equal(p->private_key.bytes, key, 64);
	assert_true(p->public_key.given);
	assert_string_equal(p->post_knock, "ssh -p 22 me@gate");
	assert_int_equal(p->shield_key.size, 32);
	client_conf_free(conf);
}

static void bad_profiles_are_refused(void **state)
{
	(void)state;
	client_refused("", ": expected the section \"profiles\"");
	client_refused("profile: {}\n",
	    ":1:1: unknown key \"profile\"; did you mean \"profiles\"? (`postern config convert` leaves unknown keys out)");
	client_refused(PROFILE,
	    ":2:3: profiles.home.private_key: not given; expected an Ed25519 key, "
	    "64 or 32 bytes in base64");
	client_refused(PROFILE "    private_key: abcdef\n",
	    ":5:18: profiles.home.private_key: found a secret of 6 characters; expected 32 or 64 bytes "
	    "in base64: 44 or 88 characters with their `=`");
	client_refused(PROFILE "    private_key: " SEED "\n    public_key: " CLIENT_1 "\n",
	    ":6:17: profiles.home.public_key: does not belong to private_key; correct one of them, or "
	    "leave public_key out");
	client_refused(PROFILE
	    "    private_key: "
	    "rW2jvaXxM8wtrI1Mvx5Cl5TI/u+jBtTbDXMUCjPolXEcey7STCyfXq8shPyUG6y0RCUN1e"
	    "YKAE0ZfydoieUbKQ==\n",
	    ":5:18: profiles.home.private_key: found 64 bytes whose second half is not the public key "
	    "of the first; expected an Ed25519 key as `postern add` printed it");
	client_refused("profiles:\n  home:\n    private_key: " SEED
	               "\n    server_pubkey: " PUBLIC_KEY "\n",
	    ":2:3: profiles.home.server_host: not given; expected the server's name or address");
	client_refused(PROFILE "    private_key: " SEED
	                       "\n    shield_key: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
	    ":6:17: profiles.home.shield_key: found 32 zero bytes; expected the shield_key of the "
	    "server's file");
	client_refused("profiles:\n  home: {server_host: a, private_key: " SEED
	               ", server_pubkey: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=}\n",
	    ":2:100: profiles.home.server_pubkey: found 32 bytes that are not a usable X25519 public "
	    "key; expected the key that the server printed");
	client_refused(PROFILE "    server_prot: 1\n",
	    ":5:5: profiles.home: unknown key \"server_prot\"; did you mean \"server_host\"? (`postern config convert` leaves unknown keys out)");
}

static void others_must_not_read_it(void **state)
{
	const char *text = PROFILE "    private_key: " SEED "\n";
	struct conf_error error;

	(void)state;
	assert_null(client_conf_load(write_bytes("config.yaml", text, strlen(text), 0644), &error));
	assert_non_null(strstr(error.text, "chmod 600"));
}

static void profiles_are_found_by_name(void **state)
{
	struct client_conf *one = client_loads(PROFILE "    private_key: " SEED "\n"), *two;
	struct conf_error error;

	(void)state;
	assert_string_equal(client_conf_named(one, NULL, &error)->name, "home");
	assert_string_equal(client_conf_named(one, "home", &error)->name, "home");
	assert_null(client_conf_named(one, "hom", &error));
	assert_non_null(strstr(error.text, "no profile \"hom\"; did you mean \"home\"?"));
	client_conf_free(one);
	two = client_loads(
	    PROFILE "    private_key: " SEED "\n  work: {server_host: w, server_pubkey: " PUBLIC_KEY
	            ", private_key: " SEED "}\n");
	assert_int_equal(client_conf_count(two), 2);
	assert_null(client_conf_named(two, NULL, &error));
	assert_string_equal(client_conf_named(two, "work", &error)->server_host.text, "w");
	client_conf_free(two);
}

static void the_file_is_looked_for_in_order(void **state)
{
	struct conf_error error;
	char path[256];

	(void)state;
	setenv("HOME", folder, 1);
	unsetenv("XDG_CONFIG_HOME");
	assert_null(client_conf_load(NULL, &error));
	assert_non_null(strstr(error.text, "no client configuration"));
	assert_true(client_conf_default_path(path, sizeof path));
	assert_string_equal(path, in_folder(".config/postern/config.yaml"));
	mkdir(in_folder(".openme"), 0700);
	write_text(".openme/config.yaml", "");
	assert_true(client_conf_default_path(path, sizeof path));
	assert_string_equal(path, in_folder(".openme/config.yaml"));
	mkdir(in_folder("xdg"), 0700);
	mkdir(in_folder("xdg/postern"), 0700);
	write_text("xdg/postern/config.yaml", "");
	setenv("XDG_CONFIG_HOME", in_folder("xdg"), 1);
	assert_true(client_conf_default_path(path, sizeof path));
	assert_string_equal(path, in_folder("xdg/postern/config.yaml"));
	assert_false(client_conf_default_path(path, 8));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(an_openme_file_loads_unmodified),
	    TEST(a_seed_is_completed),
	    TEST(bad_profiles_are_refused),
	    TEST(others_must_not_read_it),
	    TEST(profiles_are_found_by_name),
	    TEST(the_file_is_looked_for_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
