/* What is said of a file of the original openme is said again when the index spares reading it. */
#include "index_help.h"

static void warnings_come_by_the_index(void **state)
{
	(void)state;
	write_text("config.yaml", SERVER "ports: {web: [443]}\nclients:\n" ALICE
	                                 "  dora: {ed25519_pubkey: " CLIENT_0 "}\n"
	                                 "  erik: {}\n");
	write_text("clients.d/carol.yaml",
	    "clients:\n  carol: {ed25519_pubkey: " CLIENT_2 ", expires: 2030-01-01 10:00:00}\n");
	prepare();
	for (int i = 0; i < 2; i++) {
		struct conf_index_report report = {.clients = 5};
		struct conf_error error = {.text = ""};
		struct conf *conf = i == 0 ? conf_load(config, &error)
		                           : conf_load_indexed(config, index_path, &report, &error);

		assert_string_equal(error.text, "");
		assert_int_equal(report.clients, i == 0 ? 5 : 0);
		assert_int_equal(conf_warning_count(conf), 3);
		assert_true(conf_client_named(conf, "dora")->aside);
		assert_true(conf_client_named(conf, "erik")->aside);
		conf_free(conf);
	}
}

/* The index knows the keys that were vetted. */
static void no_key_is_no_vetted_key(void **state)
{
	struct conf_index_report report = {.clients = 0};
	struct conf_error error = {.text = ""};

	(void)state;
	write_text("config.yaml", SERVER "ports: {web: [443]}\nclients:\n" ALICE "  erik: {}\n");
	prepare();
	write_text("clients.d/zero.yaml",
	    "clients:\n  zero: {ed25519_pubkey: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=}\n");
	assert_null(conf_load_indexed(config, index_path, &report, &error));
	assert_non_null(strstr(error.text, "not a usable Ed25519 public key"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
	        warnings_come_by_the_index, index_setup, conf_help_teardown),
	    cmocka_unit_test_setup_teardown(
	        no_key_is_no_vetted_key, index_setup, conf_help_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
