/* Files that openme reads and the daemon does not, as files that both read. */
#include "conf_help.h"

#include "files/convert.h"
#include "files/resolve.h"

#define OLD_SERVER SERVER "  udp_port: 54154\n  health_port: 54154\n"
#define DEFAULTS   "defaults:\n  server: gate.example.org\n  ports: [{port: 22, proto: tcp}]\n"

/* The text, to be freed, or NULL with *error filled. */
static char *convert(const char *text, bool openme, char **notes, struct conf_error *error)
{
	const char *path = write_text("config.yaml", text);
	const struct tree_source from = {path, text, -1, strlen(text)};
	struct secret_text out;
	char *copy = NULL;
	size_t size;
	FILE *to = open_memstream(notes, &size);

	*error = (struct conf_error){.text = ""};
	if (convert_file(&out, &from, path, openme, to, error))
		copy = strndup(out.data, out.size);
	assert_int_equal(copy == NULL, *error->text != '\0');
	secret_text_free(&out);
	fclose(to);
	return copy;
}

/* `noted` stands in the notes; "": there are none. */
static void becomes(const char *text, const char *expected, const char *noted)
{
	struct conf_error error;
	char *notes = NULL, *is = convert(text, false, &notes, &error);

	assert_string_equal(error.text, "");
	assert_string_equal(is, expected);
	if (*noted == '\0')
		assert_string_equal(notes, "");
	assert_non_null(strstr(notes, noted));
	free(is);
	free(notes);
}

static void fails(const char *text, const char *problem)
{
	struct conf_error error;
	char *notes = NULL, *is = convert(text, false, &notes, &error);
	bool none = is == NULL;

	free(is);
	assert_true(none);
	if (strstr(error.text, problem) == NULL)
		print_error("%s\n", error.text);
	assert_non_null(strstr(error.text, problem));
	free(notes);
}

static void what_needs_nothing_stays(void **state)
{
	(void)state;
	becomes(SERVER "  targets: source\nports:\n  web:\n    - 80/tcp\n    - 443/tcp\n"
	               "clients:\n  alice:\n    ed25519_pubkey: " CLIENT_0
	               "\n    allowed_ports:\n      - web\n    revoked: true\n",
	    SERVER "  targets: source\nports:\n  web:\n    - 80/tcp\n    - 443/tcp\n"
	           "clients:\n  alice:\n    ed25519_pubkey: " CLIENT_0
	           "\n    allowed_ports:\n      - web\n    revoked: true\n",
	    "");
}

static void each_mode_keeps_its_meaning(void **state)
{
	static const char *const modes[][2] = {
	    {"{mode: default, note: n}", "\n      - default\n"},
	    {"{mode: }", "\n      - default\n"},
	    {"{}", "\n      - default\n"},
	    {"{mode: only, ports: [{port: 0x50, proto: TCP}]}", "\n      - 80/TCP\n"},
	    {"{ports: [{proto: udp, port: 53}, {port: 80, proto: tcp}], mode: default_plus}",
	        "\n      - default\n      - 53/udp\n      - 80/tcp\n"},
	    {"{mode: default_plus, ports: }", "\n      - default\n"},
	};
	char text[1000], expected[1000];

	(void)state;
	for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
		snprintf(text, sizeof text,
		    OLD_SERVER DEFAULTS "clients:\n  a: {ed25519_pubkey: " CLIENT_0
		                        ", allowed_ports: %s}\n",
		    modes[i][0]);
		snprintf(expected, sizeof expected,
		    OLD_SERVER "  host: gate.example.org\nports:\n  default:\n    - 22/tcp\n"
		               "clients:\n  a:\n    ed25519_pubkey: " CLIENT_0
		               "\n    allowed_ports:%s",
		    modes[i][1]);
		becomes(text, expected, "the schema of openme until 0.4.0");
	}
}

static void only_without_ports_opens_none(void **state)
{
	(void)state;
	becomes(OLD_SERVER "clients:\n  a: {ed25519_pubkey: " CLIENT_0
	                   ", allowed_ports: {mode: only}}\n",
	    OLD_SERVER "ports:\n  default:\n    - 22/tcp\n  no_ports: []\nclients:\n  a:\n"
	               "    ed25519_pubkey: " CLIENT_0 "\n    allowed_ports:\n      - no_ports\n",
	    "until 0.4.0");
}

static void defaults_mean_what_they_did(void **state)
{
	(void)state;
	becomes(OLD_SERVER "defaults: {ports: []}\n", OLD_SERVER "ports:\n  default: []\n",
	    ":1:1: the schema of openme until 0.4.0");
	becomes(SERVER "  udp_port: 7000\ndefaults: {ports: }\n",
	    SERVER "  udp_port: 7000\n  health_port: 54154\nports:\n  default: []\n",
	    "added health_port: 54154");
	becomes(OLD_SERVER "defaults: {server: a}\nports: {default: [80]}\n",
	    OLD_SERVER "ports:\n  default:\n    - 80\n", "left out the unknown key \"defaults\"");
	fails(OLD_SERVER "defaults: {ports: [{port: 0, proto: tcp}]}\n",
	    "expected a port from 1 to 65535 and the proto tcp or udp, as in the schema");
	fails(OLD_SERVER "defaults: {ports: [{port: 22}]}\n", "the proto tcp or udp");
	fails(OLD_SERVER DEFAULTS "clients:\n  a: {ed25519_pubkey: " CLIENT_0
	                          ", allowed_ports: {mode: onyl}}\n",
	    "clients.a: expected the mode default, default_plus or only");
}

static void aliases_become_what_they_name(void **state)
{
	(void)state;
	becomes("x: &common\n  disable_health_port: true\n  allowed_ports: &p [22/tcp]\n" SERVER
	        "clients:\n  a:\n    <<: *common\n    ed25519_pubkey: " CLIENT_0
	        "\n  b: {<<: [{allowed_ports: *p}, *common], disable_health_port: false, "
	        "ed25519_pubkey: !!str " CLIENT_1 "}\n",
	    SERVER "clients:\n  a:\n    ed25519_pubkey: " CLIENT_0
	           "\n    disable_health_port: true\n    allowed_ports:\n      - 22/tcp\n  b:\n"
	           "    disable_health_port: false\n    ed25519_pubkey: \"" CLIENT_1 "\"\n"
	           "    allowed_ports:\n      - 22/tcp\n",
	    "left out the unknown key \"x\"");
	fails(SERVER "ports: *none\n", ":3:8: found an alias (*) of an anchor (&)");
	fails(SERVER "ports: &a {b: *a}\n", "does not stand before it");
	fails(SERVER "<<: 1\n", "found << without a map");
	fails(SERVER "<<: {a: b}\n<<: {c: d}\n", "found << twice");
	fails(SERVER "ports: {a: !!binary aGk=}\n", "!!binary");
}

static void unknown_keys_are_left_out(void **state)
{
	(void)state;
	becomes(SERVER "  knock_timout: 3s\n", SERVER,
	    ":3:3: server: left out the unknown key \"knock_timout\"; did you mean "
	    "\"knock_timeout\"?\n");
	becomes("clients:\n  a: {ed25519_pubkey: " CLIENT_0 ", note: [deep, {er: [x]}]}\n",
	    "clients:\n  a:\n    ed25519_pubkey: " CLIENT_0 "\n", "\"note\"");
	becomes("profiles:\n  a b: {server_host: g, \"color\\x1b\": 1}\n",
	    "profiles:\n  a b:\n    server_host: g\n", "unknown key \"color\\x1b\"");
	becomes(SERVER "---\n}{\n", SERVER, "behind the first document");
	fails(" server:\n  host: a\nports: {}\n", ":3:1: not YAML: ");
	fails(SERVER "  host: a\n  host: b\n", "as converted: ");
	fails("", "empty");
	fails("- a\n", "found a list; expected a configuration");
	fails("foo: bar\n", "expected the section server, clients, openspa or profiles");
}

static void quotes_stand_where_they_did(void **state)
{
	(void)state;
	becomes("profiles:\n  \"1e5\":\n    server_host: \"10\"\n    post_knock: 'a: \"b\" # c'\n"
	        "    server_udp_port: 0x10\n    public_key: ~\n",
	    "profiles:\n  \"1e5\":\n    server_host: \"10\"\n"
	    "    post_knock: \"a: \\\"b\\\" # c\"\n    server_udp_port: 0x10\n"
	    "    public_key: null\n",
	    "");
	becomes("profiles:\n  a:\n    post_knock: |\n      one\n      two\n",
	    "profiles:\n  a:\n    post_knock: \"one\\x0atwo\\x0a\"\n", "");
}

/* Aliases within aliases: 10^`levels` values from a few lines. */
static char *laughter(unsigned int levels, const char *key)
{
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	fputs("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n", to);
	for (unsigned int i = 1; i < levels; i++) {
		fprintf(to, "a%u: &a%u [", i, i);
		for (unsigned int j = 0; j < 10; j++)
			fprintf(to, "%s*a%u", j == 0 ? "" : ", ", i - 1);
		fputs("]\n", to);
	}
	fprintf(to, SERVER "  %s: *a%u\n", key, levels - 1);
	fclose(to);
	return text;
}

static void no_file_grows_without_end(void **state)
{
	char *wide = laughter(12, "targets"), *unused = laughter(12, "none"), deep[400] = "";
	struct conf_error error;
	char *notes = NULL, *is;

	(void)state;
	fails(wide, "too large or nested too deeply, with what its aliases name");
	is = convert(unused, false, &notes, &error); /* what is left out costs nothing */
	assert_string_equal(is, SERVER);
	free(is);
	free(notes);
	free(wide);
	free(unused);
	memset(deep, '[', 40);
	fails(deep, "nested too deeply");
}

static void many_levels_of_aliases(void **state)
{
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	(void)state;
	fputs("a0: &a0 [x]\n", to);
	for (unsigned int i = 1; i < 4000; i++)
		fprintf(to, "a%u: &a%u [*a%u]\n", i, i, i - 1);
	fputs(SERVER "  targets: *a3999\n", to);
	fclose(to);
	fails(text, "too large or nested too deeply, with what its aliases name");
	free(text);
}

static void merges_are_bounded(void **state)
{
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	(void)state;
	fputs("a: &a {", to);
	for (unsigned int i = 0; i < 10000; i++)
		fprintf(to, "k%u: v, ", i);
	fputs("}\nb: &b\n  <<: *a\n", to);
	for (unsigned int i = 0; i < 10000; i++)
		fprintf(to, "  l%u: v\n", i);
	fputs(SERVER, to);
	fclose(to);
	fails(text, "too much to merge");
	free(text);
}

/* The clients of a file, all with one alias. */
static void any_number_of_clients(void **state)
{
	static const unsigned int sizes[] = {1, 256, 257, 10000};

	(void)state;
	for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
		char *text = NULL, *expected = NULL;
		size_t size;
		FILE *to = open_memstream(&text, &size), *as = open_memstream(&expected, &size);

		fputs("x: &x {disable_health_port: true}\nclients:\n", to);
		fputs("clients:\n", as);
		for (unsigned int i = 0; i < sizes[s]; i++) {
			fprintf(to, "  c%u:\n    <<: *x\n    ed25519_pubkey: K%u\n", i, i);
			fprintf(as,
			    "  c%u:\n    ed25519_pubkey: K%u\n    disable_health_port: true\n", i,
			    i);
		}
		fclose(to);
		fclose(as);
		becomes(text, expected, "\"x\"");
		free(text);
		free(expected);
	}
}

/* What openme has no key for is said, and nobody who is shut out comes in. */
static void the_way_back(void **state)
{
	struct conf_error error;
	char *notes = NULL, *is;

	(void)state;
	is = convert(SERVER
	    "  targets: source\n  firewall: none\n  health_port: 0\n  shield_key: " PRIVATE_KEY
	    "\nports: {web-in: [80/tcp, 443/tcp], ssh: [22/tcp]}\nclients:\n"
	    "  a: {ed25519_pubkey: " CLIENT_0 ", allowed_ports: [ssh, web-in], wildcard: no, legacy: no}\n"
	    "  b: {ed25519_pubkey: " CLIENT_1 ", revoked: true}\n"
	    "  c: {ed25519_pubkey: " CLIENT_2 ", expires: 2030-01-01}\n",
	    true, &notes, &error);
	assert_string_equal(error.text, "");
	assert_string_equal(is,
	    "server:\n  host: \"\"\n  udp_port: 54154\n  health_port: 0\n  firewall: nft\n"
	    "  knock_timeout: 30s\n  replay_window: 1m\n  open_knock_port: true\n"
	    "  drop_ports: false\n  interface: \"\"\n  default_profile: default\n"
	    "  private_key: \"" PRIVATE_KEY "\"\n  public_key: \"" PUBLIC_KEY "\"\n"
	    "ports:\n  default: [22/tcp]\n  ssh: [22/tcp]\n  no_ports: []\nclients:\n"
	    "  a:\n    ed25519_pubkey: \"" CLIENT_0 "\"\n"
	    "    allowed_ports: [ssh, 80/tcp, 443/tcp]\n    disable_health_port: true\n"
	    "  c:\n    ed25519_pubkey: \"" CLIENT_2 "\"\n    expires: 2030-01-01T00:00:00Z\n"
	    "    disable_health_port: true\n");
	assert_string_equal(notes,
	    "server.firewall: none became nft, for openme has no other\n"
	    "server.targets: left out, openme has no such key: [source]\n"
	    "server.shield_key: left out, openme has no such key: (redacted)\n"
	    "ports.web-in: its ports stand at each client, for openme takes such a name for "
	    "ports\n"
	    "clients.a.wildcard: left out, openme has no such key: false\n"
	    "clients.a.legacy: left out, openme has no such key: false\n"
	    "clients.b: left out, for it is revoked, which openme cannot say\n");
	free(is);
	free(notes);
}

/* Who opens nothing does not get a group that happens to have the name, and a client whom only
 * Postern passes over is in nobody's way. */
static void the_way_back_opens_no_more(void **state)
{
	struct conf_error error;
	char *notes = NULL, *is;

	(void)state;
	is = convert(SERVER
	    "  knock_timeout: 48h\nports: {w/t: [443/tcp], a-b: [], no_ports: [22/tcp]}\n"
	    "clients:\n"
	    "  a: {ed25519_pubkey: " CLIENT_0 ", allowed_ports: [w/t]}\n"
	    "  b: {ed25519_pubkey: " CLIENT_1 ", allowed_ports: [a-b]}\n"
	    "  \"k\\n\": {ed25519_pubkey: ''}\n",
	    true, &notes, &error);
	assert_string_equal(error.text, "");
	assert_non_null(strstr(is,
	    "ports:\n  default: [22/tcp]\n  no_ports: [22/tcp]\n  no_ports_: []\nclients:\n"
	    "  a:\n    ed25519_pubkey: \"" CLIENT_0 "\"\n    allowed_ports: [443/tcp]\n"
	    "  b:\n    ed25519_pubkey: \"" CLIENT_1 "\"\n    allowed_ports: [no_ports_]\n"));
	assert_null(strstr(is, "k\\n"));
	assert_non_null(strstr(notes, "clients.k\\x0a: left out, for it has no key"));
	assert_non_null(strstr(notes, "as Postern serves it: "));
	assert_non_null(strstr(notes, "server.knock_timeout: taken for 24h"));
	free(is);
	free(notes);
}

/* The lines of what was converted are not those of the file. */
static void places_are_of_what_they_name(void **state)
{
	(void)state;
	fails(SERVER "  host: a\n  host: b\n", "as converted: line 4:");
	becomes("# one\n\n" SERVER "clients: {a: {ed25519_pubkey: ''}}\n",
	    SERVER "clients:\n  a:\n    ed25519_pubkey: \"\"\n",
	    "as converted: line 4:3: clients.a");
}

static void a_code_becomes_a_profile(void **state)
{
	(void)state;
	becomes(
	    "{\"profile\": \"my home\", \"host\": \"h\", \"udp_port\": 1, \"client_privkey\": \"k\"}",
	    "profiles:\n  \"my home\":\n    server_host: h\n    server_udp_port: 1\n"
	    "    private_key: k\n",
	    "");
	fails("{\"host\": \"h\", \"client_pubkey\": \"k\"}", "client_privkey: not given");
}

/* Who is called ~ is not called null then. */
static void a_name_stays(void **state)
{
	(void)state;
	becomes("x: &x [22/tcp]\nclients: {~: {ed25519_pubkey: K, allowed_ports: *x}}\n",
	    "clients:\n  ~:\n    ed25519_pubkey: K\n    allowed_ports:\n      - 22/tcp\n", "\"x\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(what_needs_nothing_stays),
	    TEST(each_mode_keeps_its_meaning),
	    TEST(only_without_ports_opens_none),
	    TEST(defaults_mean_what_they_did),
	    TEST(aliases_become_what_they_name),
	    TEST(unknown_keys_are_left_out),
	    TEST(quotes_stand_where_they_did),
	    TEST(no_file_grows_without_end),
	    TEST(many_levels_of_aliases),
	    TEST(merges_are_bounded),
	    TEST(any_number_of_clients),
	    TEST(the_way_back),
	    TEST(the_way_back_opens_no_more),
	    TEST(places_are_of_what_they_name),
	    TEST(a_name_stays),
	    TEST(a_code_becomes_a_profile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
