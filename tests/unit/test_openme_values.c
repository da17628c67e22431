/* Values as people have them in files of the original openme: what it takes is taken with the same
 * meaning, or the complaint says what to write. */
#include "conf_help.h"
#include "files/client_conf.h"

#define ALICE  "clients:\n  alice:\n    ed25519_pubkey: " CLIENT_0 "\n"
#define SECOND 1000000000LL
#define SEED   "rW2jvaXxM8wtrI1Mvx5Cl5TI/u+jBtTbDXMUCjPolXE="
#define WHOLE \
	"rW2jvaXxM8wtrI1Mvx5Cl5TI/u+jBtTbDXMUCjPolXEcey7STCyfXq8shPyUG6y0RCUN1eYKAE0ZfydoieUbKA=="
/* The same seed before 32 zero bytes, and before 31 of them and a 1. */
#define ZERO_HALF                                      \
	"rW2jvaXxM8wtrI1Mvx5Cl5TI/u+jBtTbDXMUCjPolXEA" \
	"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=="
#define OTHER_HALF                                     \
	"rW2jvaXxM8wtrI1Mvx5Cl5TI/u+jBtTbDXMUCjPolXEA" \
	"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAQ=="
#define PROFILE                                                                          \
	"profiles:\n  home:\n    server_host: gate\n    server_pubkey: " PUBLIC_KEY "\n" \
	"    private_key: " WHOLE "\n"

/* The only warning of the file, behind its path. */
static void warned(const struct conf *conf, const char *warning)
{
	assert_int_equal(conf_warning_count(conf), 1);
	assert_string_equal(conf_warning(conf, 0) + strlen(in_folder("config.yaml")), warning);
}

static void timeouts_are_bounded(void **state)
{
	static const struct {
		const char *text, *warning;
		int64_t ns;
	} good[] = {
	    {"48h", ":3:18: server.knock_timeout: taken for 24h, the most that there is",
	        86400 * SECOND},
	    {"500ms", ":3:18: server.knock_timeout: taken for 1s, the least that there is", SECOND},
	    {"1s", NULL, SECOND},
	    {"24h", NULL, 86400 * SECOND},
	    {"1h30m", NULL, 5400 * SECOND},
	    {"1.5h", NULL, 5400 * SECOND},
	    {"'+5s'", NULL, 5 * SECOND},
	    {"~", NULL, 30 * SECOND},
	};
	char text[300];

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		struct conf *conf;

		snprintf(text, sizeof text, SERVER "  knock_timeout: %s\n", good[i].text);
		conf = loads(text);
		assert_true(conf_server(conf)->knock_timeout == good[i].ns);
		if (good[i].warning != NULL)
			warned(conf, good[i].warning);
		else
			assert_int_equal(conf_warning_count(conf), 0);
		conf_free(conf);
	}
	refused(SERVER "  knock_timeout: 0\n",
	    ":3:18: server.knock_timeout: found 0, which opens nothing; expected a duration such as 30s");
	refused(SERVER "  knock_timeout: 1d\n",
	    ":3:18: server.knock_timeout: found \"1d\"; expected a duration such as 30s, 1m30s or "
	    "1.5h");
}

static void numbers_are_those_of_yaml(void **state)
{
	static const struct {
		const char *text;
		int port;
	} good[] = {{"0600", 384}, {"0o600", 384}, {"1_000", 1000}, {"0x1bf2", 7154},
	    {"7154.0", 7154}, {"+7154", 7154}, {"0b101", 5}, {"\"7154\"", 7154}, {"~", 54154}};
	char text[300];

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		struct conf *conf;

		snprintf(text, sizeof text, SERVER "  udp_port: %s\n", good[i].text);
		conf = loads(text);
		assert_int_equal(conf_server(conf)->udp_port, good[i].port);
		conf_free(conf);
	}
	refused(SERVER "  udp_port: 7154.5\n",
	    ":3:13: server.udp_port: found \"7154.5\"; expected a whole number from 1 to 65535");
}

static void keys_may_end_their_line(void **state)
{
	static const char *const files[] = {
	    "server:\n  private_key: |\n    " PRIVATE_KEY "\n" ALICE,
	    "server:\n  private_key: >\n    " PRIVATE_KEY "\n" ALICE,
	    "server:\n  private_key: \"" PRIVATE_KEY "\\n\"\n" ALICE,
	    "server:\n  private_key: \"" PRIVATE_KEY "\\r\\n\"\n" ALICE,
	    SERVER "clients:\n  alice:\n    ed25519_pubkey: |\n      " CLIENT_0 "\n",
	};
	uint8_t key[32];

	(void)state;
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		struct conf *conf = loads(files[i]);

		assert_true(secret_from_base64(key, sizeof key, PRIVATE_KEY));
		assert_memory_equal(conf_server_secret(conf), key, sizeof key);
		assert_true(secret_from_base64(key, sizeof key, CLIENT_0));
		assert_memory_equal(conf_client(conf, 0)->ed25519_pubkey.bytes, key, sizeof key);
		conf_free(conf);
	}
	refused("server:\n  private_key: " PUBLIC_KEY "\n  public_key: "
	        "0gkY1zX_NtQPYv2sEEH85GrSG6bVjJrGVukEi9aL6Wo=\n",
	    ":3:15: server.public_key: found \"0gkY1zX_...\" (44 characters); expected base64 of "
	    "A-Z, a-z, 0-9, + and /: a character of it is wrong, so take it again from where it came "
	    "from");
}

static void words_that_mean_nothing_are_named(void **state)
{
	static const char *const hosts[] = {
	    "https://gate.example.org", "' gate '", "'[2001:db8::1]'", "m\xc3\xbcnchen.example"};
	struct conf_error error;
	char text[300];

	(void)state;
	for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
		snprintf(text, sizeof text, SERVER "  host: %s\n", hosts[i]);
		assert_null(conf_load(write_text("config.yaml", text), &error));
		assert_non_null(strstr(error.text, "config.yaml:3:9: server.host: found "));
		assert_non_null(strstr(error.text, "such as gate.example.org"));
	}
	refused(SERVER "  firewall: NFT\n",
	    ":3:13: server.firewall: found \"NFT\"; expected nft, iptables or none");
	refused(SERVER "  firewall: ''\n",
	    ":3:13: server.firewall: found \"\"; expected nft, iptables or none");
}

static void an_empty_key_is_none(void **state)
{
	struct conf *conf = loads(SERVER
	    "  public_key: \"\"\n  shield_key: ''\n  default_profile: ''\n  host: ''\n" ALICE);

	(void)state;
	assert_string_equal(conf_server(conf)->default_profile.text, "default");
	assert_int_equal(conf_warning_count(conf), 0);
	assert_null(conf_server(conf)->shield_key.bytes);
	conf_free(conf);
}

/* What the doorman and the keeper get. */
static void maps(struct snapshot *s, const struct conf *conf)
{
	int fd = conf_write_snapshot(conf, 1);

	assert_true(fd >= 0);
	assert_true(snapshot_map(s, fd));
	close(fd);
}

static void a_client_without_a_key_is_skipped(void **state)
{
	static const char *const entries[] = {"  adam:\n", "  adam: {}\n",
	    "  adam: {revoked: true}\n", "  adam:\n    ed25519_pubkey:\n",
	    "  adam:\n    ed25519_pubkey: ''\n", "  adam:\n    allowed_ports: [99/tcp]\n"};

	(void)state;
	for (size_t i = 0; i < sizeof entries / sizeof *entries; i++) {
		char text[400];
		struct conf *conf;
		struct snapshot s;

		snprintf(text, sizeof text, SERVER ALICE "%s", entries[i]);
		conf = loads(text);
		warned(conf, ":6:3: clients.adam.ed25519_pubkey: not given; expected the client's "
		             "public key, 32 bytes in base64; the client is skipped");
		assert_true(conf_client_named(conf, "adam")->skipped);
		assert_false(conf_client_named(conf, "alice")->skipped);
		maps(&s, conf);
		assert_int_equal(s.client_count, 1);
		assert_string_equal(s.clients[0].name, "alice");
		/* its port stays shut */
		assert_int_equal(s.settings->managed_ports.count, i == 5 ? 3 : 2);
		snapshot_unmap(&s);
		conf_free(conf);
	}
}

/* The one that has the name alice, with the rights of the key's first client. */
static void of_one_key(const char *entries, const char *first, bool revoked, int64_t expires_ns)
{
	char text[900];
	struct conf *conf;
	struct snapshot s;

	snprintf(text, sizeof text, SERVER "clients:\n%s", entries);
	conf = loads(text);
	assert_int_equal(conf_client_count(conf), 2);
	assert_int_equal(conf_warning_count(conf), 1);
	assert_non_null(strstr(conf_warning(conf, 0), "found the key of client \"alice\""));
	maps(&s, conf);
	assert_int_equal(s.client_count, 1);
	assert_string_equal(s.clients[0].name, first);
	assert_int_equal(s.clients[0].revoked, revoked);
	assert_true(s.clients[0].expires_ns == expires_ns);
	assert_int_equal(snapshot_ports(&s, s.policies[s.clients[0].policy].ports)->first, 21);
	snapshot_unmap(&s);
	conf_free(conf);
}

static void of_one_key_the_first_client_counts(void **state)
{
#define OF_ONE(name, rest) "  " name ": {ed25519_pubkey: " CLIENT_0 ", allowed_ports: " rest "}\n"
	struct conf *conf;

	(void)state;
	of_one_key(OF_ONE("bob", "[20/tcp]") OF_ONE("alice", "[21/tcp]"), "alice", false, NEVER_NS);
	of_one_key(OF_ONE("alice", "[21/tcp]") OF_ONE("bob", "[20/tcp], revoked: true"), "alice",
	    true, NEVER_NS);
	of_one_key(OF_ONE("alice", "[21/tcp], expires: 1970-01-03")
	               OF_ONE("bob", "[20/tcp], expires: 1970-01-02"),
	    "alice", false, 86400 * SECOND);
	/* openme never asks for one that is skipped */
	conf = loads(SERVER "clients:\n" OF_ONE("alice", "[ghost]") OF_ONE("bob", "[20/tcp]"));
	assert_true(conf_client_named(conf, "alice")->aside);
	assert_false(conf_client_named(conf, "bob")->skipped);
	conf_free(conf);
	of_one_key(OF_ONE("alice", "[21/tcp], expires: 1970-01-03") OF_ONE("bob", "[20/tcp]"),
	    "alice", false, 2 * 86400 * SECOND);
}

static void lists_may_have_blanks_and_nothing(void **state)
{
	struct conf *conf =
	    loads(SERVER "ports:\n  default: [~]\n" ALICE
	                 "    allowed_ports: [' 22/tcp ', 80 - 82/TCP, '22 /udp', ~, "
	                 "' default ']\n");
	const struct conf_list *ports = &conf_client(conf, 0)->allowed_ports;

	(void)state;
	assert_int_equal(conf_warning_count(conf), 0);
	assert_int_equal(ports->count, 4);
	assert_string_equal(ports->items[0].text, "22/tcp");
	assert_string_equal(ports->items[3].text, "default");
	conf_free(conf);
	refused(SERVER "  targets: [~]\n",
	    ":3:12: server.targets: found a list; expected source alone, any alone, or at least one "
	    "network");
}

static void expiry_says_what_zone(void **state)
{
	struct conf *conf = loads(SERVER ALICE "    expires: 2027-01-01 10:00:00\n");

	(void)state;
	assert_true(conf_client(conf, 0)->expires == 1798797600 * SECOND);
	warned(conf, ":6:14: clients.alice.expires: found \"2027-01-01 10:00:00\" without its time "
	             "zone, taken for UTC; expected 2027-01-01T10:00:00Z");
	conf_free(conf);
	conf = loads(SERVER ALICE "    expires: 2027-01-01T10:00:00,5Z\n");
	assert_true(conf_client(conf, 0)->expires == 1798797600 * SECOND + SECOND / 2);
	assert_int_equal(conf_warning_count(conf), 0);
	conf_free(conf);
	conf = loads(SERVER ALICE "    expires: ~\n");
	assert_true(conf_client(conf, 0)->expires == NEVER_NS);
	conf_free(conf);
	refused(SERVER ALICE "    expires: \"2027-1-1T10:00:00.25\"\n",
	    ":6:14: clients.alice.expires: found \"2027-1-1T10:00:00.25\"; expected the time zone "
	    "with it: 2027-01-01T10:00:00.250000000Z, or another one in place of the Z, such as "
	    "+01:00");
}

/* ASCII as UTF-16, behind its mark. */
static size_t utf16(uint8_t *out, const char *text, bool big)
{
	size_t size = 0;

	out[size++] = big ? 0xfe : 0xff;
	out[size++] = big ? 0xff : 0xfe;
	for (; *text != '\0'; text++) {
		out[size++] = big ? 0 : (uint8_t)*text;
		out[size++] = big ? (uint8_t)*text : 0;
	}
	return size;
}

static struct conf *loads_bytes(const void *bytes, size_t size)
{
	struct conf_error error = {.text = ""};
	struct conf *conf = conf_load(write_bytes("config.yaml", bytes, size, 0600), &error);

	assert_string_equal(error.text, "");
	return conf;
}

static void marks_and_utf16_are_read(void **state)
{
	static const char *const texts[] = {"\xef\xbb\xbf" SERVER ALICE "ports: {}\n",
	    "\xef\xbb\xbf---\n" SERVER ALICE "ports: {}\n",
	    "\xef\xbb\xbf# \xc3\xbc\n" SERVER ALICE};
	uint8_t bytes[1000];

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		struct conf *conf = loads(texts[i]);

		assert_int_equal(conf_client_count(conf), 1);
		conf_free(conf);
	}
	for (int big = 0; big < 2; big++) {
		struct conf *conf = loads_bytes(bytes, utf16(bytes, SERVER ALICE, big == 1));

		assert_non_null(conf_client_named(conf, "alice"));
		conf_free(conf);
	}
}

static void other_layouts_are_read(void **state)
{
	static const char *const texts[] = {
	    "server:\r\n  private_key: " PRIVATE_KEY "\r\n  udp_port: 7154\r\n",
	    "server:\r  private_key: " PRIVATE_KEY "\r  udp_port: 7154\r",
	    SERVER "  udp_port:\t7154\t# port\n",
	    "%YAML 1.2\n---\n" SERVER "  udp_port: 7154\n...\n",
	    "{\n\t\"server\": {\"private_key\": \"" PRIVATE_KEY "\",\n\t\t\"udp_port\": 7154}\n}",
	    SERVER "  udp_port: 7154\n  drop_ports: \"false\"\n  interface:\n"
	           "ports:\n  default: 22\nclients: ~",
	};

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		struct conf *conf = loads(texts[i]);

		assert_int_equal(conf_server(conf)->udp_port, 7154);
		assert_int_equal(conf_server(conf)->drop_ports, 0);
		conf_free(conf);
	}
	refused(SERVER ALICE "    <<: {wildcard: no}\n",
	    ":6:5: clients.alice: found a merge (<<); expected the keys themselves: `postern "
	    "config convert` prints the file so");
	refused(SERVER "---\n",
	    ":3:1: found a second document (---), which the original does not read; remove it: "
	    "`postern config convert` prints the file so");
}

static void a_folders_files_are_read_alike(void **state)
{
	uint8_t bytes[1000];
	struct conf *conf;

	(void)state;
	assert_int_equal(mkdir(in_folder("clients.d"), 0700), 0);
	write_bytes("clients.d/bob.yaml", bytes,
	    utf16(
	        bytes, "clients:\r\n  bob:\r\n    ed25519_pubkey: \"" CLIENT_1 "\\n\"\r\n", false),
	    0600);
	write_text("clients.d/carol.yaml", "\xef\xbb\xbf"
	                                   "clients:\n  carol: {ed25519_pubkey: " CLIENT_2 "}\n");
	write_text("clients.d/dora.yaml", "clients: {dora: {ed25519_pubkey: ''}}\n");
	conf = loads(SERVER ALICE);
	assert_int_equal(conf_client_count(conf), 4);
	assert_int_equal(conf_warning_count(conf), 1);
	assert_true(conf_client_named(conf, "dora")->skipped);
	conf_free(conf);
}

static void other_encodings_are_named(void **state)
{
	struct conf_error error = {.text = ""};
	uint8_t bytes[1000];
	size_t size = utf16(bytes, SERVER ALICE, false);

	(void)state;
	assert_null(conf_load(write_bytes("config.yaml", bytes + 2, size - 2, 0600), &error));
	assert_non_null(
	    strstr(error.text, "config.yaml:1:2: found a zero byte, as in UTF-16 without "
	                       "its mark; expected text in UTF-8: save it as such"));
	bytes[size - 1] = 0xd8; /* one half of a pair */
	assert_null(conf_load(write_bytes("config.yaml", bytes, size, 0600), &error));
	assert_non_null(strstr(error.text, "found broken UTF-16 ("));
	refused(SERVER "# J\xfcrgen\n",
	    ":3:4: found the byte 0xfc, which is not UTF-8, as of a letter in Latin-1; save the file "
	    "in UTF-8: `iconv -f WINDOWS-1252 -t UTF-8`");
	refused(SERVER "# \x07\n",
	    ":3:3: not YAML: control characters are not allowed: remove the character 0x07");
	refused(SERVER "\xef\xbb\xbf" ALICE, ":3:2: not YAML: did not find expected key");
	refused("server:\n\tudp_port: 1\n",
	    ":2:1: not YAML: found a tab; expected spaces before a key");
}

static void client_loads(const char *text, const char *key)
{
	struct conf_error error = {.text = ""};
	struct client_conf *conf = client_conf_load(write_text("config.yaml", text), &error);
	uint8_t expected[64];

	assert_string_equal(error.text, "");
	assert_true(secret_from_base64(expected, sizeof expected, key));
	assert_memory_equal(
	    client_conf_profile(conf, 0)->private_key.bytes, expected, sizeof expected);
	assert_true(client_conf_profile(conf, 0)->public_key.given);
	assert_null(client_conf_profile(conf, 0)->post_knock);
	client_conf_free(conf);
}

static void client_refused(const char *text, const char *complaint)
{
	struct conf_error error = {.text = ""};
	const char *path = write_text("config.yaml", text);

	assert_null(client_conf_load(path, &error));
	assert_string_equal(error.text + strlen(path), complaint);
}

static void apps_profiles_are_read(void **state)
{
	static const char head[] =
	    "profiles:\n  home:\n    server_host: gate\n    server_pubkey: " PUBLIC_KEY
	    "\n    private_key: ";
	char text[600];

	(void)state;
	client_loads(PROFILE "    public_key: \"\"\n    post_knock: \"\"\n", WHOLE);
	client_loads(PROFILE "    public_key:\n    server_udp_port: 54_154\n", WHOLE);
	snprintf(text, sizeof text, "%s" ZERO_HALF "\n", head);
	client_loads(text, WHOLE);
	snprintf(text, sizeof text, "%s|\n      " WHOLE "\n", head);
	client_loads(text, WHOLE);
	snprintf(text, sizeof text, "\xef\xbb\xbf%s\"" SEED "\\n\"\n", head);
	client_loads(text, WHOLE);
	snprintf(text, sizeof text, "%s" OTHER_HALF "\n", head);
	client_refused(text,
	    ":5:18: profiles.home.private_key: found 64 bytes whose second half is "
	    "not the public key of the first; expected an Ed25519 key as `postern "
	    "add` printed it");
}

/* As openme looks at the profile alone that is used. */
static void one_profile_is_not_in_anothers_way(void **state)
{
	static const char more[] = "  default:\n    server_host: gate\n    server_pubkey: \"\"\n"
	                           "  work:\n";
	struct conf_error error = {.text = ""};
	struct client_conf *conf;
	const char *path;
	char text[1000];

	(void)state;
	snprintf(text, sizeof text, "%s%s", PROFILE, more);
	path = write_text("config.yaml", text);
	conf = client_conf_load(path, &error);
	assert_string_equal(error.text, "");
	assert_int_equal(client_conf_count(conf), 1);
	assert_non_null(client_conf_named(conf, "home", &error));
	assert_null(client_conf_named(conf, "work", &error));
	assert_string_equal(error.text + strlen(path),
	    ":9:3: profiles.work.server_host: not given; expected the server's name or address");
	/* `default` is meant, so it is not the only one that there is */
	assert_null(client_conf_named(conf, NULL, &error));
	assert_string_equal(error.text + strlen(path),
	    ":8:20: profiles.default.server_pubkey: not given; expected the server's public key, "
	    "32 bytes in base64");
	assert_int_equal(client_conf_broken_count(conf), 2);
	assert_string_equal(client_conf_broken(conf, 0), error.text);
	client_conf_free(conf);
	snprintf(text, sizeof text, "%s  work:\n", PROFILE);
	conf = client_conf_load(write_text("config.yaml", text), &error);
	assert_null(client_conf_named(conf, NULL, &error));
	assert_non_null(strstr(error.text, "no profile \"default\""));
	client_conf_free(conf);
}

static void commands_without_quotes_are_named(void **state)
{
	static const char *const pairs[][2] = {
	    {"echo a: b", "'echo a: b'"},
	    {"\"say \"hi\"\"", "'say \"hi\"'"},
	    {"\"C:\\Users\\x\"", "'C:\\Users\\x'"},
	    {"@foo", "'@foo'"},
	    {"'a' && 'b'", "'''a'' && ''b'''"},
	    {"[ -f a ] && b", "'[ -f a ] && b'"},
	    {"{ a; }", "'{ a; }'"},
	    {"*x", "'*x'"},
	    {"!foo", "'!foo'"},
	    {"| cat", "'| cat'"},
	    {"gr\xc3\xbc\xc3\x9f: Gott", "'...', with each ' in it twice"},
	};
	char text[700], complaint[300];

	(void)state;
	for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
		snprintf(text, sizeof text, PROFILE "    post_knock:  %s \r\n", pairs[i][0]);
		snprintf(complaint, sizeof complaint,
		    ":6:18: post_knock: the command is not YAML as it stands; put it in quotes: "
		    "post_knock: %s",
		    pairs[i][1]);
		client_refused(text, complaint);
	}
	/* other mistakes keep their own complaint */
	client_refused(PROFILE "    post_knock: ssh gate\n    post_knok: a\n",
	    ":7:5: profiles.home: unknown key \"post_knok\"; did you mean \"post_knock\"? "
	    "(`postern config convert` leaves unknown keys out)");
	client_refused(PROFILE "    post_knock: \"a\n      b\"\n    post_knok: a\n",
	    ":8:5: profiles.home: unknown key \"post_knok\"; did you mean \"post_knock\"? "
	    "(`postern config convert` leaves unknown keys out)");
	client_refused(PROFILE "    post_knock: echo J\xfcrgen\n",
	    ":6:23: found the byte 0xfc, which is not UTF-8, as of a letter in Latin-1; save the file "
	    "in UTF-8: `iconv -f WINDOWS-1252 -t UTF-8`");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(timeouts_are_bounded),
	    TEST(numbers_are_those_of_yaml),
	    TEST(keys_may_end_their_line),
	    TEST(words_that_mean_nothing_are_named),
	    TEST(an_empty_key_is_none),
	    TEST(a_client_without_a_key_is_skipped),
	    TEST(of_one_key_the_first_client_counts),
	    TEST(lists_may_have_blanks_and_nothing),
	    TEST(expiry_says_what_zone),
	    TEST(marks_and_utf16_are_read),
	    TEST(other_layouts_are_read),
	    TEST(a_folders_files_are_read_alike),
	    TEST(other_encodings_are_named),
	    TEST(apps_profiles_are_read),
	    TEST(one_profile_is_not_in_anothers_way),
	    TEST(commands_without_quotes_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
