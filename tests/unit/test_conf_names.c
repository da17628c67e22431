/* Names as people give them: which are served, which are skipped, and their labels. */
#include "conf_help.h"

#include "base/clock.h"
#include "conf/values.h"
#include "files/client_conf.h"
#ifdef HAVE_OPENSPA
#include "files/ospa.h"
#endif
#include "files/server_files.h"
#include "files/write_file.h"

#define REST(key) ": {ed25519_pubkey: " key "}\n"
#define LONG_63   "a123456789b123456789c123456789d123456789e123456789f123456789abc"
#define LONG_255  LONG_63 LONG_63 LONG_63 LONG_63 "xyz"

/* UTF-8 bytes are spelled out, so that it is seen which they are. */
#define UE "\xc3\xbc" /* U+00FC */

static const struct {
	const char *name;
	const char *label;
} good[] = {{"alice", "alice"}, {"0alice.b_c@d-e", "0alice.b_c@d-e"}, {"_alice", "_alice"},
    {"Ann's phone", "Ann%27s%20phone"}, {"J" UE "rgen", "J%C3%BCrgen"},
    {"alice+phone", "alice%2Bphone"}, {"alice/phone", "alice%2Fphone"}, {"..", "%2E."},
    {".hidden", "%2Ehidden"}, {"-rf", "%2Drf"}, {"@home", "%40home"}, {"100%", "100%25"},
    {"a: b # \"c\"\\", "a%3A%20b%20%23%20%22c%22%5C"}, {"\xf0\x9f\x93\xb1", "%F0%9F%93%B1"},
    {"a+revoked", "a%2Brevoked"}};

static void names_and_labels(void **state)
{
	const char *expected = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		char label[CLIENT_NAME_BYTES], name[CONF_TEXT_BYTES];

		assert_true(value_name(good[i].name, &expected));
		value_label(label, good[i].name);
		assert_string_equal(label, good[i].label);
		assert_true(value_name_of_label(name, label));
		assert_string_equal(name, good[i].name);
	}
}

static void what_cannot_be_seen_is_no_name(void **state)
{
	/* NOLINTBEGIN(misc-misleading-bidirectional): those that are meant */
	static const char *const bad[] = {"", " a", "a ",
	    "\xc2\xa0"
	    "a",
	    "a\xe3\x80\x80", "a\nb", "a\tb", "a\x7f", "a\xc2\x85", "a\xc2\x9f",
	    "a\xe2\x80\xae"
	    "b",
	    "a\xe2\x81\xa6"
	    "b",
	    "a\xe2\x80\xa8"
	    "b",
	    "a\xe2\x80\x8d",
	    "\xe2\x80\x8c"
	    "a",
	    "a\xe2\x80\x8b"
	    "b",
	    "a\xef\xbb\xbf", "a\xf3\xa0\x81\x81",
	    /* no UTF-8: cut, overlong, a surrogate, above all, alone */
	    "a\xc3", "a\xe2\x82", "\xc0\xaf", "\xe0\x80\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80",
	    "\xf8\x88\x80\x80\x80", "\x80", "\xff", LONG_255 "a"};
	/* NOLINTEND(misc-misleading-bidirectional) */
	const char *expected = NULL;

	(void)state;
	assert_true(value_name(LONG_255, &expected));
	/* Persian, and a family: joiners between what is seen */
	assert_true(value_name("\xd9\x85\xdb\x8c\xe2\x80\x8c\xd8\xb1\xd9\x88\xd9\x85", &expected));
	assert_true(value_name("\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7", &expected));
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		if (value_name(bad[i], &expected))
			fail_msg("name %zu is none", i);
	}
}

/* Whatever it is: a label is plain, fits, and no two names share one. */
static void labels_are_plain_and_differ(void **state)
{
	static const char *const names[] = {"", "a\nb", "a%0Ab", "\xff", LONG_255, LONG_255 "a",
	    LONG_63 LONG_63 "z", LONG_63 LONG_63 "zz", LONG_63 LONG_63 "z/"};
	enum { COUNT = sizeof names / sizeof *names };
	static char labels[COUNT][CLIENT_NAME_BYTES];
	char name[CONF_TEXT_BYTES];

	(void)state;
	for (size_t i = 0; i < COUNT; i++) {
		value_label(labels[i], names[i]);
		assert_in_range(strlen(labels[i]), 1, CLIENT_NAME_BYTES - 1);
		assert_int_equal(
		    strspn(labels[i],
		        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
		        "._@-%+"),
		    strlen(labels[i]));
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(labels[i], labels[k]);
	}
	assert_false(value_name_of_label(name, labels[4])); /* it was cut */
	assert_false(value_name_of_label(name, labels[0]));
	assert_false(value_name_of_label(name, "a%4"));
	assert_false(value_name_of_label(name, "a%zz"));
	assert_false(value_name_of_label(name, "a%0A"));
	assert_false(value_name_of_label(name, "a%00b"));
}

static struct snapshot snapshot_of(struct conf *conf)
{
	int fd = conf_write_snapshot(conf, 1);
	struct snapshot s;

	assert_true(fd >= 0);
	assert_true(snapshot_map(&s, fd));
	close(fd);
	return s;
}

static void people_are_served(void **state)
{
	struct conf *conf = loads(SERVER "clients:\n"
	                                 "  Ann's phone" REST(CLIENT_0) "  J" UE "rgen" REST(
	                                     CLIENT_1) "  alice/phone" REST(CLIENT_2));
	struct snapshot s = snapshot_of(conf);

	(void)state;
	assert_int_equal(conf_warning_count(conf), 0);
	assert_non_null(conf_client_named(conf, "Ann's phone"));
	assert_string_equal(conf_client(conf, 1)->name, "J" UE "rgen");
	assert_string_equal(s.clients[0].name, "Ann%27s%20phone");
	assert_int_equal(s.policies[s.clients[0].policy].ports.count, 2);
	snapshot_unmap(&s);
	conf_free(conf);
}

#define EXPECTED                                                                                 \
	"expected a name of up to 255 bytes in UTF-8, without control or invisible characters, " \
	"and without blanks at its ends; the client is skipped"

/* Its ports stay shut for everybody. */
static void an_odd_name_is_skipped_and_the_others_served(void **state)
{
	struct conf *conf =
	    loads(SERVER "clients:\n"
	                 "  bob" REST(CLIENT_0) "  \"a\\0b\": {ed25519_pubkey: " CLIENT_1
	                                        ", allowed_ports: [8080/tcp]}\n");
	struct snapshot s = snapshot_of(conf);
	char warning[512];
	struct span all = s.settings->managed_ports;

	(void)state;
	assert_int_equal(conf_warning_count(conf), 1);
	snprintf(warning, sizeof warning, "%s:5:3: clients: found \"a\\x01b\"; " EXPECTED,
	    in_folder("config.yaml"));
	assert_string_equal(conf_warning(conf, 0), warning);
	assert_true(conf_client(conf, 0)->skipped);
	assert_false(conf_client(conf, 1)->skipped);
	assert_string_equal(s.clients[0].name, "a%01b");
	assert_int_equal(s.policies[s.clients[0].policy].ports.count, 0);
	assert_int_equal(all.count, 3);
	assert_int_equal(snapshot_ports(&s, all)[1].first, 8080);
	snapshot_unmap(&s);
	conf_free(conf);
}

static void a_name_that_is_too_long_is_skipped(void **state)
{
	struct conf *conf =
	    loads(SERVER "clients:\n  bob" REST(CLIENT_0) "  " LONG_255 "a" REST(CLIENT_1));

	(void)state;
	assert_int_equal(conf_warning_count(conf), 1);
	assert_true(conf_client(conf, 0)->skipped);
	assert_int_equal(strlen(conf_client(conf, 0)->name), CLIENT_NAME_BYTES - 1);
	conf_free(conf);
}

static void when_all_are_skipped_it_is_said(void **state)
{
	static char text[200 * 100] = SERVER "clients:\n";
	struct conf *conf =
	    loads(SERVER "clients:\n  a: {ed25519_pubkey: " CLIENT_0 ", allowed_ports: [web]}\n");
	size_t used = strlen(text);
	char all[512];

	(void)state;
	snprintf(all, sizeof all, "%s: every client is skipped: no knock opens anything",
	    in_folder("config.yaml"));
	assert_int_equal(conf_warning_count(conf), 2);
	assert_string_equal(conf_warning(conf, 1), all);
	conf_free(conf);
	/* Nor is that the one that is left out. */
	used += (size_t)snprintf(text + used, sizeof text - used,
	    "  a: {ed25519_pubkey: " CLIENT_0 ", allowed_ports: [");
	for (int i = 0; i < 100; i++)
		used += (size_t)snprintf(text + used, sizeof text - used, "x%d, ", i);
	snprintf(text + used, sizeof text - used, "y]}\n");
	conf = loads(text);
	assert_int_equal(conf_warning_count(conf), 65);
	assert_string_equal(conf_warning(conf, 63), all);
	conf_free(conf);
	conf = loads(SERVER "clients: {}\n");
	assert_int_equal(conf_warning_count(conf), 0);
	conf_free(conf);
}

static void groups_have_any_name(void **state)
{
	struct conf *conf = loads(SERVER
	    "ports:\n"
	    "  web admin: [8080/tcp]\n"
	    "  80: [9090/tcp]\n"
	    "  1st/floor: [8081/tcp]\n"
	    "  \"\\e[1m\": [8082/tcp]\n"
	    "clients:\n"
	    "  a: {ed25519_pubkey: " CLIENT_0 ", allowed_ports: [web admin, 1st/floor, 80/tcp]}\n"
	    "  b: {ed25519_pubkey: " CLIENT_1 ", allowed_ports: ['']}\n");
	struct snapshot s = snapshot_of(conf);
	struct span ports = s.policies[s.clients[0].policy].ports;

	(void)state;
	assert_int_equal(conf_warning_count(conf), 2);
	assert_non_null(strstr(conf_warning(conf, 0), ":5:3: ports: found the group \"80\""));
	assert_non_null(strstr(conf_warning(conf, 1), "clients.b.allowed_ports: found \"\""));
	assert_true(conf_client(conf, 1)->skipped);
	assert_int_equal(ports.count, 3); /* 8080 and 8081 are one range, and the health port */
	assert_int_equal(snapshot_ports(&s, ports)[0].first, 80);
	assert_int_equal(snapshot_ports(&s, ports)[1].first, 8080);
	assert_int_equal(snapshot_ports(&s, ports)[1].last, 8081);
	snapshot_unmap(&s);
	conf_free(conf);
}

/* openme takes blanks away around ports and names. */
static void blanks_beside_ports_do_not_count(void **state)
{
	struct conf *conf = loads(
	    SERVER "ports: {web: [' 8080-8081/tcp ']}\n"
	           "clients:\n"
	           "  a: {ed25519_pubkey: " CLIENT_0 ", allowed_ports: [' web\t', ' 80/tcp ']}\n");
	struct snapshot s = snapshot_of(conf);
	struct span ports = s.policies[s.clients[0].policy].ports;

	(void)state;
	assert_int_equal(conf_warning_count(conf), 0);
	assert_int_equal(ports.count, 3);
	assert_int_equal(snapshot_ports(&s, ports)[0].first, 80);
	assert_int_equal(snapshot_ports(&s, ports)[1].last, 8081);
	snapshot_unmap(&s);
	conf_free(conf);
	refused(SERVER "ports:\n  web: ['8 0/tcp']\n",
	    ":4:9: ports.web: found \"8 0/tcp\"; expected tcp or udp, or nothing for both, after the "
	    "port, such as 22/tcp");
}

static void add(const char *name, const char *key)
{
	struct conf_new_client client = {.name = name, .expires_ns = NEVER_NS};
	struct conf_error error = {.text = ""};
	struct new_file file = {0};
	const char *expected = NULL;

	assert_true(value_key(client.public_key, CLIENT_KEY_BYTES, key, &expected));
	if (!conf_add_client(in_folder("config.yaml"), &client, &file, &error))
		fail_msg("%s", error.text);
	assert_true(new_file_commit(&file, false));
	new_file_close(&file);
}

/* Two that are cut alike have two files; a path in a name leads nowhere. */
static void files_are_named_by_labels(void **state)
{
	struct conf_error error = {.text = ""};
	struct conf *conf;

	(void)state;
	write_text("config.yaml", SERVER);
	add("../evil", CLIENT_0);
	add(LONG_255, CLIENT_1);
	add(LONG_63 LONG_63 LONG_63 LONG_63 "xyy", CLIENT_2);
	assert_int_equal(access(in_folder("clients.d/%2E.%2Fevil.yaml"), F_OK), 0);
	assert_int_equal(access(in_folder("evil.yaml"), F_OK), -1);
	assert_true(conf_revoke_client(in_folder("config.yaml"), "../evil", NS_PER_SECOND, &error));
	assert_int_equal(access(in_folder("clients.d/%2E.%2Fevil+revoked.yaml"), F_OK), 0);
	conf = conf_load(in_folder("config.yaml"), &error);
	assert_non_null(conf);
	assert_int_equal(conf_client_count(conf), 3);
	assert_true(conf_client_named(conf, "../evil")->revoked.yes);
	assert_non_null(conf_client_named(conf, LONG_255));
	conf_free(conf);
}

/* What stands in a client's own file is the user's to name. */
static void profiles_have_any_name(void **state)
{
#define PROFILE ": {server_host: h, server_pubkey: " PUBLIC_KEY ", private_key: " PRIVATE_KEY "}\n"
	struct conf_error error = {.text = ""};
	struct client_conf *conf = client_conf_load(
	    write_text("client.yaml", "profiles:\n  My server" PROFILE "  \"a\\0b\" " PROFILE
	                              "  '' " PROFILE "  " LONG_255 "abc" PROFILE),
	    &error);

	(void)state;
	assert_string_equal(error.text, "");
	assert_non_null(conf);
	assert_int_equal(client_conf_count(conf), 4);
	assert_non_null(client_conf_named(conf, "My server", &error));
	assert_null(client_conf_named(conf, "My servr", &error));
	assert_non_null(strstr(error.text, "did you mean \"My server\"?"));
	client_conf_free(conf);
}

#ifdef HAVE_OPENSPA
static void the_name_in_an_ospa_file_may_be_long(void **state)
{
	struct conf_error error = {.text = ""};
	struct ospa ospa;

	(void)state;
	if (!ospa_load(&ospa,
	        write_text("client.ospa", "version: 0.1.0\nname: " LONG_255 "\nserverPort: 1\n"
	                                  "clientDeviceId: 8e29c98d-cb57-40a6-8e79-4e1a21bc54dd\n"
	                                  "privateKey: a\npublicKey: b\nserverPublicKey: c\n"),
	        &error))
		fail_msg("%s", error.text);
	assert_int_equal(strlen(ospa.name), OSPA_NAME_BYTES - 1);
	ospa_free(&ospa);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(names_and_labels),
	    TEST(what_cannot_be_seen_is_no_name),
	    TEST(labels_are_plain_and_differ),
	    TEST(people_are_served),
	    TEST(an_odd_name_is_skipped_and_the_others_served),
	    TEST(a_name_that_is_too_long_is_skipped),
	    TEST(when_all_are_skipped_it_is_said),
	    TEST(groups_have_any_name),
	    TEST(blanks_beside_ports_do_not_count),
	    TEST(files_are_named_by_labels),
	    TEST(profiles_have_any_name),
#ifdef HAVE_OPENSPA
	    TEST(the_name_in_an_ospa_file_may_be_long),
#endif
	};

	return cmocka_run_group_tests_name("names", tests, NULL, NULL);
}
