#include "conf_help.h"
#include "files/show.h"

#include <netinet/in.h>

static void defaults_are_those_of_the_manual(void **state)
{
	struct conf *conf = loads(SERVER);
	const struct conf_server *s = conf_server(conf);

	(void)state;
	assert_string_equal(s->host.text, "");
	assert_int_equal(s->udp_port, 54154);
	assert_int_equal(s->health_port, 54154);
	assert_int_equal(s->firewall, CONF_FIREWALL_NFT);
	assert_true(s->knock_timeout == 30000000000);
	assert_true(s->replay_window == 60000000000);
	assert_int_equal(s->open_knock_port, 1);
	assert_int_equal(s->drop_ports, 0);
	assert_string_equal(s->interface.text, "");
	assert_string_equal(s->default_profile.text, "default");
	assert_int_equal(s->guard, CONF_GUARD_PORTS);
	assert_int_equal(s->hook, CONF_HOOK_PREROUTING);
	assert_int_equal(s->established, CONF_ESTABLISHED_KEEP);
	assert_int_equal(s->shutdown, CONF_SHUTDOWN_KEEP);
	assert_int_equal(s->host_chains, CONF_HOST_CHAINS_AUTO);
	assert_int_equal(s->intake, CONF_INTAKE_SOCKET);
	assert_int_equal(s->notrack, CONF_NOTRACK_AUTO);
	assert_int_equal(s->sandbox, CONF_SANDBOX_STRICT);
	assert_int_equal(s->mark, 0x40000000);
	assert_int_equal(s->priority, -10);
	assert_int_equal(s->client_quota, 256);
	assert_string_equal(s->targets.items[0].text, "any");
	assert_int_equal(s->wildcard, 1);
	assert_int_equal(s->shield, CONF_SHIELD_PREFER);
	assert_int_equal(s->legacy, 1);
	assert_null(s->shield_key.bytes);
	assert_null(s->shield_key_old.bytes);
	assert_int_equal(conf_client_count(conf), 0);
	conf_free(conf);
}

static void an_openme_file_loads_unmodified(void **state)
{
	const char *text = read_text(VECTORS "/openme-server.yaml");
	uint8_t key[32];
	struct conf *conf;

	(void)state;
	conf = loads(text);
	assert_int_equal(conf_server(conf)->udp_port, 39353);
	assert_int_equal(conf_server(conf)->health_port, 39353);
	assert_true(conf_server(conf)->replay_window == 60000000000);
	assert_int_equal(conf_client_count(conf), 3);
	assert_string_equal(conf_client(conf, 1)->name, "client1");
	assert_true(secret_from_base64(key, sizeof key, CLIENT_1));
	assert_memory_equal(conf_client(conf, 1)->ed25519_pubkey.bytes, key, sizeof key);
	assert_true(secret_from_base64(key, sizeof key, PRIVATE_KEY));
	assert_memory_equal(conf_server_secret(conf), key, sizeof key);
	assert_true(secret_from_base64(key, sizeof key, PUBLIC_KEY));
	assert_memory_equal(conf_server_public(conf), key, sizeof key);
	assert_non_null(conf_client_named(conf, "client2"));
	assert_null(conf_client_named(conf, "client3"));
	conf_free(conf);
}

static void every_server_key_is_taken(void **state)
{
	struct conf *conf = loads(SERVER "  public_key: \"" PUBLIC_KEY "\"\n"
	                                 "  host: gate.example.org\n"
	                                 "  udp_port: 1\n"
	                                 "  health_port: 0\n"
	                                 "  firewall: iptables\n"
	                                 "  knock_timeout: 1m30s\n"
	                                 "  replay_window: 87600h\n"
	                                 "  open_knock_port: on\n"
	                                 "  drop_ports: Yes\n"
	                                 "  interface: eth0.5\n"
	                                 "  default_profile: home\n"
	                                 "  guard: all\n"
	                                 "  guard_allow: [22/tcp, 192.0.2.0/24, 443]\n"
	                                 "  hook: forward\n"
	                                 "  established: cut\n"
	                                 "  shutdown: keep\n"
	                                 "  host_chains: none\n"
	                                 "  intake: capture\n"
	                                 "  notrack: yes\n"
	                                 "  sandbox: best\n"
	                                 "  mark: 0x10\n"
	                                 "  priority: -200\n"
	                                 "  client_quota: 1\n"
	                                 "  targets: [source]\n"
	                                 "  wildcard: no\n"
	                                 "  legacy: no\n"
	                                 "  shield: require\n"
	                                 "  shield_key: " PRIVATE_KEY "\n"
	                                 "  shield_key_old: " CLIENT_1 "\n");
	const struct conf_server *s = conf_server(conf);

	(void)state;
	assert_string_equal(s->host.text, "gate.example.org");
	assert_int_equal(s->udp_port, 1);
	assert_int_equal(s->health_port, 0);
	assert_int_equal(s->firewall, CONF_FIREWALL_IPTABLES);
	assert_true(s->knock_timeout == 90000000000);
	assert_true(s->replay_window == 315360000000000000);
	assert_int_equal(s->open_knock_port, 1);
	assert_int_equal(s->drop_ports, 1);
	assert_string_equal(s->interface.text, "eth0.5");
	assert_string_equal(s->default_profile.text, "home");
	assert_int_equal(s->guard, CONF_GUARD_ALL);
	assert_int_equal(s->guard_allow.count, 3);
	assert_int_equal(s->hook, CONF_HOOK_FORWARD);
	assert_int_equal(s->established, CONF_ESTABLISHED_CUT);
	assert_int_equal(s->shutdown, CONF_SHUTDOWN_KEEP);
	assert_int_equal(s->host_chains, CONF_HOST_CHAINS_NONE);
	assert_int_equal(s->intake, CONF_INTAKE_CAPTURE);
	assert_int_equal(s->notrack, CONF_NOTRACK_YES);
	assert_int_equal(s->sandbox, CONF_SANDBOX_BEST);
	assert_int_equal(s->mark, 0x10);
	assert_int_equal(s->priority, -200);
	assert_int_equal(s->client_quota, 1);
	assert_string_equal(s->targets.items[0].text, "source");
	assert_int_equal(s->wildcard, 0);
	assert_int_equal(s->shield, CONF_SHIELD_REQUIRE);
	assert_int_equal(s->legacy, 0);
	assert_int_equal(s->shield_key.size, 32);
	assert_int_equal(s->shield_key_old.size, 32);
	conf_free(conf);
}

static void complaints_say_where_what_and_instead(void **state)
{
	(void)state;
	refused("", ": empty; expected the section \"server\" at least: `postern init` writes one");
	refused("server:\n  host: a\n",
	    ":2:3: server.private_key: not given; expected the server's X25519 key, 32 bytes in "
	    "base64: `postern init` makes one");
	refused("ports: {}\n",
	    ":1:1: server.private_key: not given; expected the server's X25519 key, 32 bytes in "
	    "base64: `postern init` makes one");
	refused(SERVER "  udp_prot: 1\n",
	    ":3:3: server: unknown key \"udp_prot\"; did you mean \"udp_port\"? (`postern config convert` leaves unknown keys out)");
	refused(SERVER "  zzzzzzzzzz: 1\n",
	    ":3:3: server: unknown key \"zzzzzzzzzz\" (`postern config convert` leaves unknown keys out)");
	refused(SERVER "client:\n  a: 1\n",
	    ":3:1: unknown key \"client\"; did you mean \"clients\"? (`postern config convert` leaves unknown keys out)");
	refused(SERVER "  udp_port: 0\n",
	    ":3:13: server.udp_port: found \"0\"; expected a whole number from 1 to 65535");
	refused(SERVER "  udp_port: 65536\n",
	    ":3:13: server.udp_port: found \"65536\"; expected a whole number from 1 to 65535");
	refused(SERVER "  udp_port: [1]\n",
	    ":3:13: server.udp_port: found a list; expected a whole number");
	refused(SERVER "  firewall: pf\n",
	    ":3:13: server.firewall: found \"pf\"; expected nft, iptables or none");
	refused(SERVER "  knock_timeout: 30\n",
	    ":3:18: server.knock_timeout: found \"30\"; expected a duration with its unit, such as "
	    "30s or 5m");
	refused(SERVER "  replay_window: 0s\n",
	    ":3:18: server.replay_window: found \"0s\"; expected a duration of 0.000000001s or "
	    "more");
	refused(SERVER "  drop_ports: maybe\n",
	    ":3:15: server.drop_ports: found \"maybe\"; expected true or false");
	refused(SERVER "  mark: 3\n",
	    ":3:9: server.mark: found more than one bit; expected one, such as 0x40000000");
	refused(SERVER "  interface: \"a\\\"b\"\n",
	    ":3:14: server.interface: found \"a\\\"b\"; expected the name of a network interface, up "
	    "to 127 letters, digits and . _ -");
	refused(SERVER "  targets: [any, 10.0.0.0/8]\n",
	    ":3:12: server.targets: found a list; expected source alone, any alone, or at least one "
	    "network");
	refused(SERVER "  targets: []\n",
	    ":3:12: server.targets: found a list; expected source alone, any alone, or at least one "
	    "network");
	refused(SERVER "  targets: 10.0.0.1/8\n",
	    ":3:12: server.targets: found \"10.0.0.1/8\"; expected source, any, or networks such as "
	    "192.0.2.0/24");
	refused("- a\n",
	    ":1:1: found a list; expected the sections server, ports, clients and openspa");
	refused("server: 5\n", ":1:9: server: found \"5\"; expected keys with their values");
}

static void a_dark_host_must_hear_knocks(void **state)
{
	(void)state;
	refused(SERVER "  guard: all\n  open_knock_port: false\n",
	    ":4:20: server.open_knock_port: found false together with guard: all, so no knock could "
	    "arrive; expected open_knock_port: true, or guard: ports");
	conf_free(loads(SERVER "  open_knock_port: false\n"));
}

static void what_passes_through_has_a_side(void **state)
{
	(void)state;
	refused(SERVER "  hook: forward\n",
	    ":3:9: server.hook: found forward without an interface, so this host's own clients "
	    "would be shut in; expected interface: and the device that strangers come in by");
	refused(SERVER "  hook: output\n",
	    ":3:9: server.hook: found \"output\"; expected input, prerouting or forward");
	conf_free(loads(SERVER "  hook: forward\n  interface: eth0\n"));
}

static void bad_server_keys_are_refused(void **state)
{
	(void)state;
	refused("server:\n  private_key: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
	    ":2:16: server.private_key: found 32 zero bytes; expected a key: `postern init` makes "
	    "one");
	refused(SERVER "  public_key: " CLIENT_0 "\n",
	    ":3:15: server.public_key: does not belong to server.private_key; correct one of them, "
	    "or leave public_key out");
}

static void complaints_keep_secrets(void **state)
{
	struct conf_error error;

	(void)state;
	refused(SERVER "  shield_key: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
	    ":3:15: server.shield_key: found 32 zero bytes; expected 32 random ones");
	refused(SERVER "  shield: require\n",
	    ":3:11: server.shield: found require without server.shield_key, so no knock could "
	    "arrive; expected that key as well: 32 random bytes in base64");
	refused(SERVER "  shield_key_old: " CLIENT_1 "\n",
	    ":3:19: server.shield_key_old: found without server.shield_key; expected the key in "
	    "force there");
	refused(SERVER "  shield_key: " CLIENT_1 "\n  shield_key_old: " CLIENT_1 "\n",
	    ":4:19: server.shield_key_old: found server.shield_key once more; expected the key "
	    "before it, or none");
	refused(SERVER "  shield: always\n",
	    ":3:11: server.shield: found \"always\"; expected off, prefer or require");
	refused("server:\n  private_key: topsecret\n",
	    ":2:16: server.private_key: found a secret of 9 characters; expected 32 bytes in base64: "
	    "44 characters, the last one `=`");
	refused(SERVER "clients:\n  a: {ed25519_pubkey: topsecretkey}\n",
	    ":4:23: clients.a.ed25519_pubkey: found \"topsecre...\" (12 characters); expected 32 bytes "
	    "in base64: 44 characters, the last one `=`");
	assert_null(conf_load(
	    write_text("config.yaml", "server: {private_key: " PRIVATE_KEY "x}\n"), &error));
	assert_null(strstr(error.text, "yFtx"));
}

static void a_complaint_is_one_printable_line(void **state)
{
	struct conf_error error;

	(void)state;
	assert_null(
	    conf_load(write_text("config.yaml", SERVER "  \"a\\nb\\e[31m\\u2028\": 1\n"), &error));
	assert_non_null(strstr(error.text, "unknown key \"a\\x0ab\\x1b[31m\\xe2\\x80\\xa8\""));
	for (const char *c = error.text; *c != '\0'; c++)
		assert_true(*c >= 0x20 && *c < 0x7f);
	assert_null(conf_load("/nowhere\n\033[31m\xc3", &error));
	assert_string_equal(error.text,
	    "/nowhere\\x0a\\x1b[31m\\xc3: there is no such file; `postern init` makes one");
}

static void yaml_tricks_are_refused(void **state)
{
	(void)state;
	refused(SERVER "  host: a\n  host: b\n",
	    ":4:3: found \"host\" a second time; it stands at line 3 already: remove one of them");
	refused(SERVER "  host: &x a\n",
	    ":3:9: found an anchor (&); expected the value itself: `postern config convert` prints the file so");
	refused("a: *x\n",
	    ":1:4: found an alias (*); expected the value itself: `postern config convert` prints the file so");
	refused(SERVER "  host: !!str a\n",
	    ":3:9: found a tag (!); expected a value without one: `postern config convert` prints the file so");
	refused(SERVER "  host: !x a\n",
	    ":3:9: found a tag (!); expected a value without one: `postern config convert` prints the file so");
	refused(SERVER "  ? [a]\n  : b\n", ":3:5: found a list or a map; expected a key");
	refused(SERVER "---\na: b\n",
	    ":3:1: found a second document (---), which the original does not "
	    "read; remove it: `postern config convert` prints the file so");
	refused("[[[[[[[[[[[[[[[[[[[[[[[[[[[", ":1:9: nested too deeply");
	refused(SERVER "  host: \"a\\0b\"\n", ":3:9: found a zero byte in a value");
	refused(SERVER "\thost: a\n", ":3:1: not YAML: found a tab; expected spaces before a key");
	refused("server:\n  host: \xff\n",
	    ":2:9: found the byte 0xff, which is not UTF-8, as of a letter in Latin-1; save the file "
	    "in UTF-8: `iconv -f WINDOWS-1252 -t UTF-8`");
	refused("server: \"", ":1:10: not YAML: found unexpected end of stream");
}

static void null_means_not_given(void **state)
{
	struct conf *conf =
	    loads(SERVER "  host: ~\n  udp_port:\n  targets: null\nports:\nclients:\n");

	(void)state;
	assert_int_equal(conf_server(conf)->udp_port, 54154);
	assert_string_equal(conf_server(conf)->targets.items[0].text, "any");
	conf_free(conf);
}

static void what_is_shown_loads_again(void **state)
{
	struct conf *conf =
	    loads(SERVER "  guard_allow: [80, 2001:db8::/32]\n"
	                 "  targets: [10.0.0.0/8]\n"
	                 "ports: {default: [22/tcp], web: [80, 443/tcp]}\n"
	                 "clients:\n"
	                 "  alice: {ed25519_pubkey: " CLIENT_0
	                 ", allowed_ports: web, expires: 2030-01-02T03:04:05.5+01:00}\n"
	                 "  \"0\": {ed25519_pubkey: " CLIENT_1 ", revoked: true}\n");
	char *shown = NULL, *again = NULL, *redacted;
	size_t size;
	FILE *to = open_memstream(&shown, &size);

	(void)state;
	assert_true(conf_show(conf, to));
	fclose(to);
	conf_free(conf);
	assert_null(strstr(shown, PRIVATE_KEY));
	redacted = strstr(shown, "(redacted)");
	assert_non_null(redacted);
	assert_non_null(strstr(shown, "expires: 2030-01-02T02:04:05.500000000Z"));
	assert_int_equal(asprintf(&again, "%.*s" PRIVATE_KEY "%s", (int)(redacted - shown), shown,
	                     redacted + strlen("(redacted)")) > 0,
	    1);
	conf = loads(again);
	free(again);
	to = open_memstream(&again, &size);
	assert_true(conf_show(conf, to));
	fclose(to);
	assert_string_equal(shown, again);
	conf_free(conf);
	free(shown);
	free(again);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(defaults_are_those_of_the_manual),
	    TEST(an_openme_file_loads_unmodified),
	    TEST(every_server_key_is_taken),
	    TEST(complaints_say_where_what_and_instead),
	    TEST(a_dark_host_must_hear_knocks),
	    TEST(what_passes_through_has_a_side),
	    TEST(bad_server_keys_are_refused),
	    TEST(complaints_keep_secrets),
	    TEST(a_complaint_is_one_printable_line),
	    TEST(yaml_tricks_are_refused),
	    TEST(null_means_not_given),
	    TEST(what_is_shown_loads_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
