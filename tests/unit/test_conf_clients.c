#include "conf_help.h"

#include <netinet/in.h>

#define ALICE "clients:\n  alice: {ed25519_pubkey: " CLIENT_0 "}\n"

static void make_clients_folder(void)
{
	assert_int_equal(mkdir(in_folder("clients.d"), 0700), 0);
}

static void client_keys_are_taken(void **state)
{
	struct conf *conf =
	    loads(SERVER "ports: {web: [443/tcp]}\n"
	                 "clients:\n"
	                 "  bob:\n"
	                 "    ed25519_pubkey: " CLIENT_0 "\n"
	                 "    allowed_ports: [web, 80, 22/tcp]\n"
	                 "    expires: 2026-12-31\n"
	                 "    disable_health_port: true\n"
	                 "    targets: [192.0.2.0/24, 2001:db8::/32]\n"
	                 "    wildcard: no\n"
	                 "    legacy: yes\n"
	                 "  alice: {ed25519_pubkey: " CLIENT_1 ", expires: null}\n");
	const struct conf_client *alice = conf_client(conf, 0), *bob = conf_client(conf, 1);

	(void)state;
	assert_string_equal(alice->name, "alice");
	assert_true(alice->expires == NEVER_NS);
	assert_int_equal(alice->allowed_ports.count, 0);
	assert_int_equal(alice->wildcard, CONF_NOT_GIVEN);
	assert_int_equal(alice->legacy, CONF_NOT_GIVEN);
	assert_false(alice->revoked.yes);
	assert_string_equal(bob->allowed_ports.items[1].text, "80");
	assert_true(bob->expires == 1798675200000000000);
	assert_int_equal(bob->disable_health_port, 1);
	assert_int_equal(bob->targets.count, 2);
	assert_int_equal(bob->wildcard, 0);
	assert_int_equal(bob->legacy, 1);
	assert_int_equal(bob->place.line, 5);
	assert_string_equal(bob->file, in_folder("config.yaml"));
	conf_free(conf);
}

static void bad_clients_are_refused(void **state)
{
	(void)state;
	refused(SERVER
	    "clients:\n  a: {ed25519_pubkey: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=}\n",
	    ":4:23: clients.a.ed25519_pubkey: found 32 bytes that are not a usable Ed25519 public "
	    "key; expected the key that `postern add` or the client printed");
	/* the identity, and a point written as p + 1 */
	refused(SERVER
	    "clients:\n  a: {ed25519_pubkey: AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=}\n",
	    ":4:23: clients.a.ed25519_pubkey: found 32 bytes that are not a usable Ed25519 public "
	    "key; expected the key that `postern add` or the client printed");
	refused(SERVER
	    "clients:\n  a: {ed25519_pubkey: 7v///////////////////////////////////////38=}\n",
	    ":4:23: clients.a.ed25519_pubkey: found 32 bytes that are not a usable Ed25519 public "
	    "key; expected the key that `postern add` or the client printed");
	refused(SERVER ALICE "  bob: {ed25519_pubkey: " CLIENT_1 ", alowed_ports: [22]}\n",
	    ":5:71: clients.bob: unknown key \"alowed_ports\"; did you mean \"allowed_ports\"? (`postern config convert` leaves unknown keys out)");
	refused(SERVER ALICE "  bob: {ed25519_pubkey: " CLIENT_1 ", expires: soon}\n",
	    ":5:80: clients.bob.expires: found \"soon\"; expected a time such as "
	    "2026-12-31T23:59:59Z, 2026-12-31T23:59:59+01:00 or 2026-12-31");
}

static void ports_must_make_sense(void **state)
{
	(void)state;
	refused(SERVER "clients:\n  a: {ed25519_pubkey: " CLIENT_0 ", allowed_ports: [99999]}\n",
	    ":4:85: clients.a.allowed_ports: found \"99999\"; expected ports such as 22/tcp, 53/udp, "
	    "80 or 8080-8090/tcp, with numbers from 1 to 65535");
	refused(SERVER "clients:\n  a: {ed25519_pubkey: " CLIENT_0 ", allowed_ports: [90-80]}\n",
	    ":4:85: clients.a.allowed_ports: found \"90-80\"; expected a range that starts with its "
	    "lower port, such as 8080-8090/tcp");
	refused(SERVER "clients:\n  a: {ed25519_pubkey: " CLIENT_0 ", allowed_ports: [22/tpc]}\n",
	    ":4:85: clients.a.allowed_ports: found \"22/tpc\"; expected tcp or udp, or nothing for "
	    "both, after the port, such as 22/tcp");
	refused(SERVER "ports:\n  web: [other]\n",
	    ":4:9: ports.web: found \"other\"; expected ports such as 22/tcp, 53/udp, 80 or "
	    "8080-8090/tcp, with numbers from 1 to 65535");
	refused(SERVER "ports:\n  web: {a: 1}\n",
	    ":4:8: ports.web: found a map; expected a list of ports and group names");
}

static void names_are_unique(void **state)
{
	(void)state;
	refused(SERVER ALICE "  alice: {ed25519_pubkey: " CLIENT_1 "}\n",
	    ":5:3: found \"alice\" a second time; it stands at line 4 already: remove one of them");
}

static void clients_stand_one_to_a_file(void **state)
{
	struct conf *conf;

	(void)state;
	make_clients_folder();
	write_text("clients.d/bob.yaml", "clients: {bob: {ed25519_pubkey: " CLIENT_1 "}}\n");
	write_text("clients.d/empty.yaml", "# nobody\n");
	write_text("clients.d/.hidden.yaml", "{{{");
	write_text("clients.d/#scratch.yaml", "{{{");
	write_text("clients.d/bob.yaml~", "{{{");
	write_text("clients.d/README", "{{{");
	conf = loads(SERVER ALICE);
	assert_int_equal(conf_client_count(conf), 2);
	assert_string_equal(conf_client_named(conf, "bob")->file, in_folder("clients.d/bob.yaml"));
	conf_free(conf);
}

/* The complaint names the file of clients.d. */
static void refused_there(const char *name, const char *text, const char *complaint)
{
	struct conf_error error = {.text = ""};
	char expected[1500];

	write_text("config.yaml", SERVER ALICE);
	snprintf(expected, sizeof expected, "%s%s", write_text(name, text), complaint);
	assert_null(conf_load(in_folder("config.yaml"), &error));
	assert_string_equal(error.text, expected);
	unlink(in_folder(name));
}

static void bad_client_files_are_refused(void **state)
{
	static const char *const twins[] = {CLIENT_0, CLIENT_1};

	(void)state;
	make_clients_folder();
	refused_there("clients.d/x.yaml", "server: {}\n",
	    ":1:1: unknown key \"server\" (`postern config convert` leaves unknown keys out)");
	refused_there("clients.d/x.yaml", "clients: {}\nports: {}\n",
	    ":2:1: unknown key \"ports\" (`postern config convert` leaves unknown keys out)");
	refused_there("clients.d/x.yaml", "client: {}\n",
	    ":1:1: unknown key \"client\"; did you mean \"clients\"? (`postern config convert` leaves unknown keys out)");
	refused_there("clients.d/x.yaml", "clients: {bob: {revoked: true}}\n",
	    ":1:11: clients.bob: revoked here, but stands nowhere with its key; put the client back "
	    "or remove this file");
	/* a second entry that does not revoke is a second client, even with the same key */
	for (size_t i = 0; i < 2; i++) {
		struct conf_error error;
		char text[200];

		snprintf(text, sizeof text, "clients: {alice: {ed25519_pubkey: %s}}\n", twins[i]);
		write_text("clients.d/x.yaml", text);
		assert_null(conf_load(in_folder("config.yaml"), &error));
		assert_non_null(strstr(error.text, "the name of another client"));
		assert_non_null(strstr(error.text, "clients.d/x.yaml:1:11"));
		assert_non_null(strstr(error.text, "config.yaml:4:3"));
	}
}

static void revocation_wins_wherever_the_client_stands(void **state)
{
	struct conf *conf;

	(void)state;
	make_clients_folder();
	write_text("clients.d/a.yaml", "clients: {alice: {revoked: 2026-11-21T10:00:00Z}}\n");
	write_text("clients.d/b.yaml", "clients: {bob: {ed25519_pubkey: " CLIENT_1 "}}\n");
	write_text("clients.d/c.yaml", "clients: {bob: {revoked: true}}\n");
	write_text("clients.d/d.yaml",
	    "clients: {dora: {ed25519_pubkey: " CLIENT_2 ", revoked: false}}\n");
	conf = loads(SERVER ALICE);
	assert_int_equal(conf_client_count(conf), 3);
	assert_true(conf_client(conf, 0)->revoked.yes);
	assert_true(conf_client(conf, 0)->revoked.when_ns == 1795255200000000000);
	assert_true(conf_client(conf, 0)->ed25519_pubkey.given);
	assert_true(conf_client(conf, 1)->revoked.yes);
	assert_false(conf_client(conf, 2)->revoked.yes);
	conf_free(conf);
	/* with the same key it is an override, with another a second client of that name */
	write_text("clients.d/a.yaml",
	    "clients: {alice: {revoked: true, ed25519_pubkey: " CLIENT_0 "}}\n");
	conf = loads(SERVER ALICE);
	assert_true(conf_client(conf, 0)->revoked.yes);
	conf_free(conf);
	refused_there("clients.d/a.yaml",
	    "clients: {alice: {revoked: true, ed25519_pubkey: "
	    "0Hhrn7bS0NvVbaDcTfEzyDqAMfoPGfBUQ4GJXz3gkBs=}}\n",
	    ":1:50: clients.alice.ed25519_pubkey: found 32 bytes that are not a usable Ed25519 "
	    "public key; expected the key that `postern add` or the client printed");
}

/* Loads as a snapshot; unmapped by the caller. */
static struct snapshot laid_out(const char *text)
{
	struct conf *conf = loads(text);
	int fd = conf_write_snapshot(conf, 9);
	struct snapshot s;

	assert_true(fd >= 0);
	assert_true(snapshot_map(&s, fd));
	close(fd);
	conf_free(conf);
	return s;
}

static void the_snapshot_says_the_same(void **state)
{
	struct snapshot s =
	    laid_out(SERVER "  firewall: iptables\n"
	                    "  udp_port: 1000\n"
	                    "  guard_allow: [443, 444/tcp, 10.0.0.0/8]\n"
	                    "  interface: eth0\n"
	                    "  shield_key: " CLIENT_0 "\n"
	                    "ports:\n"
	                    "  default: [22/tcp]\n"
	                    "  spare: [7000-7010/udp]\n"
	                    "clients:\n"
	                    "  a: {ed25519_pubkey: " CLIENT_0 "}\n"
	                    "  b: {ed25519_pubkey: " CLIENT_1
	                    ", allowed_ports: [80-82/tcp, 81-90/tcp, 91, default],"
	                    " disable_health_port: yes, targets: source}\n"
	                    "  c: {ed25519_pubkey: " CLIENT_2
	                    ", targets: [192.0.2.0/24], wildcard: no, legacy: no, expires: 1970-01-02,"
	                    " revoked: true}\n");
	const struct ports *ports;

	(void)state;
	assert_int_equal(s.header->generation, 9);
	assert_int_equal(s.settings->firewall, CONF_FIREWALL_NFT);
	assert_int_equal(s.settings->health_port, 1000);
	assert_string_equal(s.settings->interface, "eth0");
	assert_int_equal(s.client_count, 3);
	assert_int_equal(s.policy_count, 2);
	assert_int_equal(s.clients[0].policy, s.clients[2].policy);
	assert_int_equal(s.clients[0].targets, CONF_TARGETS_ANY);
	assert_true(s.clients[0].wildcard);
	assert_true(s.clients[0].expires_ns == NEVER_NS);
	assert_int_equal(s.clients[1].targets, CONF_TARGETS_SOURCE);
	assert_int_equal(s.clients[2].targets, CONF_TARGETS_LIST);
	assert_int_equal(s.clients[2].target_list.count, 1);
	assert_int_equal(snapshot_cidrs(&s, s.clients[2].target_list)->bits, 96 + 24);
	assert_false(s.clients[2].wildcard);
	assert_false(s.clients[0].hint_only);
	assert_true(s.clients[2].hint_only);
	assert_int_equal(s.settings->hint_only_clients, 1);
	assert_true(s.clients[2].revoked);
	assert_true(s.clients[2].expires_ns == 86400000000000);

	ports = snapshot_ports(&s, s.policies[s.clients[0].policy].ports);
	assert_int_equal(s.policies[s.clients[0].policy].ports.count, 2);
	assert_int_equal(ports[0].first, 22);
	assert_int_equal(ports[1].first, 1000);
	ports = snapshot_ports(&s, s.policies[s.clients[1].policy].ports);
	assert_int_equal(s.policies[s.clients[1].policy].ports.count, 3);
	assert_int_equal(ports[0].first, 22);
	assert_int_equal(ports[1].first, 80);
	assert_int_equal(ports[1].last, 91);
	assert_int_equal(ports[2].protocol, IPPROTO_UDP);
	assert_int_equal(ports[2].first, 91);

	assert_int_equal(s.settings->managed_ports.count, 5);
	ports = snapshot_ports(&s, s.settings->managed_ports);
	assert_int_equal(ports[4].first, 7000);
	assert_int_equal(ports[4].last, 7010);
	assert_int_equal(s.settings->guard_allow_ports.count, 2);
	ports = snapshot_ports(&s, s.settings->guard_allow_ports);
	assert_int_equal(ports[0].last, 444);
	assert_int_equal(ports[1].protocol, IPPROTO_UDP);
	assert_int_equal(snapshot_cidrs(&s, s.settings->guard_allow_networks)->bits, 96 + 8);
	snapshot_unmap(&s);
}

/* What is in force, from what is written: a shield without a key is none. */
static void the_shield_needs_a_key(void **state)
{
	static const struct {
		const char *text;
		enum conf_shield shield;
	} cases[] = {{"", CONF_SHIELD_OFF}, {"  shield: prefer\n", CONF_SHIELD_OFF},
	    {"  shield_key: " CLIENT_2 "\n", CONF_SHIELD_PREFER},
	    {"  shield: require\n  shield_key: " CLIENT_2 "\n", CONF_SHIELD_REQUIRE},
	    {"  shield: off\n  shield_key: " CLIENT_2 "\n", CONF_SHIELD_OFF}};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char text[1024];
		struct snapshot s;

		snprintf(text, sizeof text, SERVER "%s" ALICE, cases[i].text);
		s = laid_out(text);
		assert_int_equal(s.settings->shield, cases[i].shield);
		snapshot_unmap(&s);
	}
}

/* None of the server's secrets is anywhere in what the roles map. */
static void the_snapshot_holds_no_secret(void **state)
{
	static const char *const secrets[] = {PRIVATE_KEY, CLIENT_1, CLIENT_2};
	struct snapshot s =
	    laid_out(SERVER "  shield_key: " CLIENT_1 "\n  shield_key_old: " CLIENT_2 "\n" ALICE);
	uint8_t secret[32];

	(void)state;
	for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++) {
		assert_true(secret_from_base64(secret, sizeof secret, secrets[i]));
		assert_null(memmem(s.header, (size_t)s.header->size, secret, 8));
	}
	snapshot_unmap(&s);
}

/* What alice may open, and what is guarded: TCP ports, 0 at the end. */
static void opens_and_guards(const char *text, const uint16_t *opens, const uint16_t *guards)
{
	struct snapshot s = laid_out(text);
	struct span spans[2] = {s.policies[s.clients[0].policy].ports, s.settings->managed_ports};
	const uint16_t *expected[2] = {opens, guards};

	for (size_t i = 0; i < 2; i++) {
		const struct ports *ports = snapshot_ports(&s, spans[i]);
		uint32_t count = 0;

		for (; expected[i][count] != 0; count++) {
			assert_true(count < spans[i].count);
			assert_int_equal(ports[count].protocol, IPPROTO_TCP);
			assert_int_equal(ports[count].first, expected[i][count]);
			assert_int_equal(ports[count].last, expected[i][count]);
		}
		assert_int_equal(spans[i].count, count);
	}
	snapshot_unmap(&s);
}

#define NO_HEALTH SERVER "  health_port: 0\n"

/* As openme has it: the group `default` is preset, and the file's groups are merged into it. */
static void openmes_group_default_is_preset(void **state)
{
	static const uint16_t none[] = {0}, ssh[] = {22, 0}, web[] = {22, 443, 0}, own[] = {80, 0};

	(void)state;
	opens_and_guards(NO_HEALTH ALICE, ssh, ssh);
	opens_and_guards("ports: {}\n" NO_HEALTH ALICE, ssh, ssh);
	opens_and_guards("ports: {web: [443/tcp]}\n" NO_HEALTH ALICE, ssh, web);
	opens_and_guards(NO_HEALTH ALICE "ports: {default: [80/tcp]}\n", own, own);
	opens_and_guards(NO_HEALTH ALICE "ports: {default: []}\n", none, none);
	opens_and_guards(NO_HEALTH ALICE "ports: {default: }\n", none, none);
}

static void warns(struct conf *conf, size_t index, const char *warning)
{
	char expected[1200];

	snprintf(expected, sizeof expected, "%s/config.yaml%s", folder, warning);
	assert_true(index < conf_warning_count(conf));
	assert_string_equal(conf_warning(conf, index), expected);
}

static void a_preset_that_is_taken_away_is_named(void **state)
{
	static const uint16_t none[] = {0};
	struct conf *conf = loads(NO_HEALTH ALICE "ports:\n");

	(void)state;
	assert_int_equal(conf_warning_count(conf), 1);
	warns(conf, 0,
	    ":6:7: ports: found nothing, which takes away the preset default: [22/tcp]; expected "
	    "groups, or no `ports`");
	conf_free(conf);
	opens_and_guards(NO_HEALTH ALICE "ports:\n", none, none);
}

#define UNKNOWN_GROUP                                                            \
	"ports: {admin: [22/tcp]}\n"                                             \
	"clients:\n"                                                             \
	"  a: {ed25519_pubkey: " CLIENT_0 ", allowed_ports: [adnim, 443/tcp]}\n" \
	"  b: {ed25519_pubkey: " CLIENT_1 ", allowed_ports: admin}\n"

/* Its own ports stay shut, to itself as well, and the others are served. */
static void a_client_of_an_unknown_group_is_skipped(void **state)
{
	static const uint16_t none[] = {0}, both[] = {22, 443, 0};
	struct conf *conf = loads(NO_HEALTH UNKNOWN_GROUP);
	struct snapshot s;

	(void)state;
	assert_int_equal(conf_warning_count(conf), 1);
	warns(conf, 0,
	    ":6:85: clients.a.allowed_ports: found \"adnim\"; expected ports such as 22/tcp, or a "
	    "group that `ports` names; did you mean \"admin\"?; the client is skipped");
	conf_free(conf);
	opens_and_guards(NO_HEALTH UNKNOWN_GROUP, none, both);
	/* not even the health port */
	s = laid_out(SERVER UNKNOWN_GROUP);
	assert_int_equal(s.policies[s.clients[0].policy].ports.count, 0);
	assert_int_equal(s.policies[s.clients[1].policy].ports.count, 2);
	snapshot_unmap(&s);
}

static void warnings_are_bounded(void **state)
{
	static char text[600 + 100 * 100];
	size_t used = (size_t)snprintf(text, sizeof text,
	    SERVER "clients:\n  a: {ed25519_pubkey: " CLIENT_0 ", allowed_ports: [");
	struct conf *conf;

	(void)state;
	for (int i = 0; i < 100; i++)
		used += (size_t)snprintf(text + used, sizeof text - used, "x%d, ", i);
	snprintf(text + used, sizeof text - used, "22/tcp]}\n");
	conf = loads(text);
	assert_int_equal(conf_warning_count(conf), 65);
	assert_string_equal(conf_warning(conf, 64), "more warnings are left out");
	conf_free(conf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(client_keys_are_taken),
	    TEST(bad_clients_are_refused),
	    TEST(ports_must_make_sense),
	    TEST(names_are_unique),
	    TEST(clients_stand_one_to_a_file),
	    TEST(bad_client_files_are_refused),
	    TEST(revocation_wins_wherever_the_client_stands),
	    TEST(the_snapshot_says_the_same),
	    TEST(the_shield_needs_a_key),
	    TEST(the_snapshot_holds_no_secret),
	    TEST(openmes_group_default_is_preset),
	    TEST(a_preset_that_is_taken_away_is_named),
	    TEST(a_client_of_an_unknown_group_is_skipped),
	    TEST(warnings_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
