#include "conf_help.h"

#include <limits.h>
#include <pwd.h>

#include "conf/conf.h"
#include "conf/values.h"
#include "files/server_files.h"
#include "files/show.h"
#include "proto/rsa_pem.h"
#include "proto/rsa_wipe.h"

#define DEVICE_0 "8e29c98d-cb57-40a6-8e79-4e1a21bc54dd"
#define DEVICE_1 "ebf499d7-1eef-4895-bfdf-c1908c1d40a0"
#define KEYS     "privateKey: keys/server.key\n"

/* As the original's example file is made. */
static const char original[] = "#bind: 0.0.0.0\n"
                               "#port: 22211\n"
                               "publicKey: \"./keys/server.pub\"\n"
                               "privateKey: \"./keys/server.key\"\n"
                               "#serverIP: 0.0.0.0\n"
                               "extensionScripts:\n"
                               "  userDirectoryService: \"./es/user_directory_service.py\"\n"
                               "  authorization: \"./es/authorization.py\"\n"
                               "  ruleAdd: \"./es/rule_add.py\"\n"
                               "  ruleRemove: \"./es/rule_remove.py\"\n";

static struct rsa_secret secrets[2];
static char secret_pem[2][RSA_PEM_BYTES];
static char public_pem[2][RSA_PEM_BYTES];

static int make_keys(void **state)
{
	(void)state;
	if (!rsa_wipe_init())
		return -1;
	for (size_t i = 0; i < 2; i++) {
		if (!secret_init() || rsa_secret_generate(&secrets[i]) != RSA_FINE ||
		    !rsa_pem_write_secret(secret_pem[i], &secrets[i], NULL) ||
		    !rsa_pem_write_public(public_pem[i], &secrets[i].public_key))
			return -1;
	}
	return 0;
}

static void write_script(const char *name, mode_t mode)
{
	write_bytes(name, "#!/bin/sh\n", 10, mode);
}

/* Keys, scripts and two devices, as an installation has them. */
static int installed_setup(void **state)
{
	if (conf_help_setup(state) != 0 || mkdir(in_folder("keys"), 0700) != 0 ||
	    mkdir(in_folder("es"), 0755) != 0 || mkdir(in_folder("devices.d"), 0755) != 0)
		return -1;
	write_text("keys/server.key", secret_pem[0]);
	write_text("keys/server.pub", public_pem[0]);
	write_script("es/user_directory_service.py", 0755);
	write_script("es/authorization.py", 0755);
	write_script("es/rule_add.py", 0755);
	write_script("es/rule_remove.py", 0755);
	write_text("devices.d/" DEVICE_0 ".pub", public_pem[0]);
	write_text("devices.d/" DEVICE_1 ".pub", public_pem[1]);
	return 0;
}

#define OPENSPA_TEST(function) \
	cmocka_unit_test_setup_teardown(function, installed_setup, conf_help_teardown)

static struct snapshot laid_out(const struct conf *conf)
{
	int fd = conf_write_snapshot(conf, 1);
	struct snapshot s;

	assert_true(fd >= 0);
	assert_true(snapshot_map(&s, fd));
	close(fd);
	return s;
}

static const char *complaint_of(const char *text)
{
	static struct conf_error error;
	struct conf *conf = conf_load(write_text("config.yaml", text), &error);

	assert_null(conf);
	assert_false(error.permission);
	return error.text;
}

/* A part of the complaint. */
#define REFUSED(text, part)                                           \
	do {                                                          \
		const char *complaint = complaint_of(text);           \
		if (strstr(complaint, part) == NULL)                  \
			fail_msg("%s\n not in: %s", part, complaint); \
	} while (0)

static void an_original_file_loads(void **state)
{
	struct conf *conf = loads(original);
	char expected[5000], real[PATH_MAX];
	struct snapshot s;

	(void)state;
	assert_false(conf_has_openme(conf));
	assert_true(conf_has_openspa(conf));
	assert_null(conf_server_secret(conf));
	assert_memory_equal(conf_openspa_secret(conf), &secrets[0], sizeof secrets[0]);
	assert_non_null(realpath(folder, real));
	snprintf(expected, sizeof expected, "%s/es/rule_remove.py", real);
	assert_string_equal(conf_openspa_program(conf, CONF_TASK_RULE_REMOVE)->path, expected);
	assert_int_equal(
	    conf_openspa_program(conf, CONF_TASK_SERVER_START)->asked, CONF_ASKED_NATIVE);
	assert_int_equal(conf_device_count(conf), 0); /* the script knows them */
	s = laid_out(conf);
	assert_false(s.settings->openme);
	assert_int_equal(s.settings->health_port, 0);
	assert_true(s.settings->openspa.enabled);
	assert_int_equal(s.settings->openspa.port, 22211);
	assert_int_equal(s.settings->openspa.directory, CONF_ASKED_SCRIPT);
	assert_int_equal(s.settings->openspa.authorization, CONF_ASKED_SCRIPT);
	assert_int_equal(s.settings->openspa.firewall, CONF_ASKED_SCRIPT);
	assert_int_equal(s.settings->openspa.answer, CONF_ANSWER_ALWAYS);
	assert_int_equal(s.settings->openspa.targets, CONF_TARGETS_ANY);
	assert_int_equal(s.settings->openspa.window_ns / 1000000000, 300);
	assert_int_equal(s.settings->openspa.server_addresses.count, 0);
	snapshot_unmap(&s);
	conf_free(conf);
}

static void an_original_file_may_be_read_by_all(void **state)
{
	struct conf_error error;
	struct conf *conf =
	    conf_load(write_bytes("config.yaml", original, strlen(original), 0644), &error);

	(void)state;
	assert_non_null(conf);
	conf_free(conf);
	assert_null(
	    conf_load(write_bytes("config.yaml", original, strlen(original), 0664), &error));
	assert_non_null(strstr(error.text, "chmod go-w"));
}

static void keys_are_told_apart_as_the_original_does(void **state)
{
	(void)state;
	conf_free(loads("PRIVATEKEY: keys/server.key\nDURATION: 30s\nServerIp: 0.0.0.0\n"));
	conf_free(loads("private_key: keys/server.key\nduration: 30s\nserver_ip: \"\"\n"));
	refused(KEYS "private_key: x\nduration: 30s\n",
	    ":2:1: private_key: stands here for the second time, in another spelling; expected it "
	    "once");
	refused(KEYS "duration: 30s\nExtensionScripts: {}\nextension_scripts: {}\n",
	    ":4:1: extension_scripts: stands here for the second time, in another spelling; "
	    "expected it once");
	refused(KEYS "durations: 30s\n",
	    ":2:1: unknown key \"durations\"; did you mean \"duration\"? (`postern config convert` leaves unknown keys out)");
}

/* openme's preset of 22/tcp is for those who serve openme. */
static void without_openme_no_port_is_preset(void **state)
{
	static const char ours[] = "openspa: {private_key: keys/server.key, duration: 30s}\n";
	static const struct {
		const char *before, *text;
		uint32_t managed;
	} rows[] = {{"", ours, 0}, {"server: {udp_port: 1000}\n", ours, 0},
	    {"ports: {web: [443/tcp]}\n", ours, 1}, {"ports:\n", ours, 0},
	    {KEYS, "duration: 30s\n", 0}, {SERVER, ours, 1}};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char text[400];
		struct conf *conf;
		struct snapshot s;

		snprintf(text, sizeof text, "%s%s", rows[i].before, rows[i].text);
		conf = loads(text);
		s = laid_out(conf);
		assert_int_equal(s.settings->managed_ports.count, rows[i].managed);
		assert_int_equal(conf_warning_count(conf), 0);
		snapshot_unmap(&s);
		conf_free(conf);
	}
}

static void both_protocols_in_one_file(void **state)
{
	struct conf *conf = loads(SERVER "openspa:\n"
	                                 "  privateKey: keys/server.key\n"
	                                 "  serverIP: [192.0.2.1, \"2001:db8::1\"]\n"
	                                 "  bind: 192.0.2.1\n"
	                                 "  duration: 90s\n"
	                                 "  answer: source-matches\n"
	                                 "  targets: [198.51.100.0/24]\n"
	                                 "  clients:\n"
	                                 "    " DEVICE_1 ":\n"
	                                 "      name: phone\n"
	                                 "      rules: [22/tcp, 8000-8010 30s, icmp, any 65535s]\n"
	                                 "      targets: source\n"
	                                 "      expires: 2030-01-01\n");
	struct snapshot s = laid_out(conf);
	const struct openspa_rule *rules;
	int64_t index;

	(void)state;
	assert_true(s.settings->openme);
	assert_int_equal(s.settings->health_port, 54154);
	assert_int_equal(s.settings->openspa.server_addresses.count, 2);
	assert_int_equal(s.settings->openspa.bind.bytes[15], 1);
	assert_int_equal(s.settings->openspa.answer, CONF_ANSWER_SOURCE_MATCHES);
	assert_int_equal(s.settings->openspa.rules.count, 1);
	assert_int_equal(snapshot_rules(&s, s.settings->openspa.rules)->duration_s, 90);
	assert_int_equal(s.settings->managed_ports.count, 3);
	assert_int_equal(snapshot_ports(&s, s.settings->managed_ports)[1].last, 8010);
	assert_int_equal(s.device_count, 2);
	index = snapshot_find_device(&s, conf_device(conf, 1)->uuid);
	assert_int_equal(index, 1);
	assert_string_equal(s.devices[1].name, "phone");
	assert_memory_equal(
	    s.devices[1].modulus, secrets[1].public_key.modulus, sizeof s.devices[1].modulus);
	assert_memory_equal(
	    s.devices[1].exponent, secrets[1].public_key.exponent, sizeof s.devices[1].exponent);
	assert_int_equal(s.devices[1].targets, CONF_TARGETS_SOURCE);
	assert_int_equal(s.devices[1].expires_ns, 1893456000 * 1000000000LL);
	assert_int_equal(s.devices[1].rules.count, 5);
	rules = snapshot_rules(&s, s.devices[1].rules);
	assert_memory_equal(&rules[0], (&(struct openspa_rule){{6, 0, 22, 22}, 90}), 8);
	assert_memory_equal(&rules[1], (&(struct openspa_rule){{6, 0, 8000, 8010}, 30}), 8);
	assert_memory_equal(&rules[2], (&(struct openspa_rule){{17, 0, 8000, 8010}, 30}), 8);
	assert_memory_equal(&rules[3], (&(struct openspa_rule){{1, 0, 0, 0}, 90}), 8);
	assert_memory_equal(&rules[4], (&(struct openspa_rule){{0, 0, 0, 65535}, 65535}), 8);
	assert_string_equal(s.devices[0].name, DEVICE_0);
	assert_int_equal(s.devices[0].targets, CONF_TARGETS_LIST);
	assert_int_equal(snapshot_cidrs(&s, s.devices[0].target_list)->bits, 120);
	assert_int_equal(s.devices[0].expires_ns, NEVER_NS);
	rules = snapshot_rules(&s, s.devices[0].rules);
	assert_int_equal(s.devices[0].rules.count, 1);
	assert_memory_equal(&rules[0], (&(struct openspa_rule){{0, 0, 0, 65535}, 90}), 8);
	snapshot_unmap(&s);
	conf_free(conf);
}

static void openspa_alone_needs_no_openme(void **state)
{
	struct conf *conf = loads("server:\n  guard: all\nopenspa:\n  " KEYS "  duration: 30s\n");

	(void)state;
	assert_false(conf_has_openme(conf));
	conf_free(conf);
	refused("server:\n  public_key: " PUBLIC_KEY "\nopenspa:\n  " KEYS "  duration: 30s\n",
	    ":2:3: server.private_key: not given; expected the server's X25519 key, 32 bytes in "
	    "base64: `postern init` makes one");
	REFUSED("openspa:\n  " KEYS "  duration: 30s\nclients:\n  a: {ed25519_pubkey: " CLIENT_0
	        "}\n",
	    "clients.a: a client of openme, but server.private_key is not given");
	REFUSED(SERVER "  udp_port: 22211\nopenspa:\n  " KEYS "  duration: 30s\n",
	    ":3:13: server.udp_port: found the port of openspa");
	conf = loads(SERVER "openspa:\n"); /* as if it were not there */
	assert_false(conf_has_openspa(conf));
	conf_free(conf);
}

static void nothing_authorized_is_refused(void **state)
{
	(void)state;
	REFUSED(KEYS, "nothing would be authorized; expected `duration: 30s`");
	REFUSED("openspa:\n  " KEYS "  clients:\n    " DEVICE_0 ": {targets: any}\n",
	    ":2:3: openspa: nothing would be authorized");
	conf_free(loads(KEYS "clients:\n  " DEVICE_0 ": {rules: [22/tcp 30s]}\n"));
	conf_free(loads(KEYS "clients:\n  " DEVICE_0 ": {duration: 30s}\n"));
	REFUSED(KEYS "clients:\n  " DEVICE_0 ": {rules: [22/tcp 30s, icmp]}\n",
	    ":3:62: clients." DEVICE_0 ".rules: found a rule without a duration");
	REFUSED(KEYS "duration: 30s\nextensionScripts: {authorization: es/authorization.py}\n",
	    ":2:11: duration: found a duration or rules beside an authorization script");
}

static void a_device_without_rule_gets_nothing(void **state)
{
	struct conf *conf = loads(KEYS "clients:\n  " DEVICE_0 ": {rules: [22/tcp 30s]}\n");
	struct snapshot s = laid_out(conf);

	(void)state;
	assert_int_equal(s.device_count, 2);
	assert_int_equal(s.devices[0].rules.count, 1);
	assert_int_equal(s.devices[1].rules.count, 0);
	assert_int_equal(s.settings->openspa.rules.count, 0);
	snapshot_unmap(&s);
	conf_free(conf);
}

static void bad_values_are_refused(void **state)
{
	static const char *const bad[][2] = {
	    {"bind: localhost\n", "bind: found \"localhost\"; expected an address"},
	    {"port: 0\n", "expected a whole number from 1 to 65535"},
	    {"port: 65536\n", "expected a whole number from 1 to 65535"},
	    {"serverIP: [192.0.2.1, 0.0.0.0]\n", "0.0.0.0 alone"},
	    {"serverIP: [192.0.2.1, gate.example.org]\n", "expected an address"},
	    {"echoIpv4Server: \"ftp://a\"\n", "expected a URL"},
	    {"echoIpv4Server: \"https://a b\"\n", "expected a URL"},
	    {"answer: yes\n", "expected always, source-matches or never"},
	    {"window: 0s\n", "expected a duration of 1s or more"},
	    {"scriptDeadline: 1h\n", "expected a duration from 0.010000000s to 1m"},
	    {"devices: nowhere.d\n", ":2:10: devices: there is no such folder"},
	    {"clients: []\n", "found a list; expected device UUIDs"},
	    {"clients: {phone: {}}\n", "expected a UUID in lower case"},
	    {"clients: {8E29C98D-cb57-40a6-8e79-4e1a21bc54dd: {}}\n", "expected a UUID"},
	    {"clients: {8e29c98dacb57-40a6-8e79-4e1a21bc54dd: {}}\n", "expected a UUID"},
	    {"clients: {8e29c98d-cb57-40a6-8e79-4e1a21bc54d-: {}}\n", "expected a UUID"},
	    {"clients: {8e29c98d-cb57-40a6-8e79-4e1a21bc54dd0: {}}\n", "expected a UUID"},
	    {"clients: {" DEVICE_0 ": {rules: []}}\n", "expected at least one rule"},
	    {"clients: {" DEVICE_0 ": {rules: [22/tcp 180abc]}}\n", "expected a rule"},
	    {"clients: {" DEVICE_0 ": {rules: [22/tcp 0s]}}\n", "expected a rule"},
	    {"clients: {" DEVICE_0 ": {rules: [22/tcp 65536s]}}\n", "expected a rule"},
	    {"clients: {" DEVICE_0 ": {rules: [22/tcp 1.5s]}}\n", "expected a rule"},
	    {"clients: {" DEVICE_0 ": {rules: [0/tcp 5s]}}\n", "expected a rule"},
	    {"clients: {" DEVICE_0 ": {rules: [sctp]}}\n", "expected a rule"},
	    {"clients: {" DEVICE_0 ": {rules: [\"22/ tcp\"]}}\n", "expected a rule"},
	    {"clients: {" DEVICE_0 ": {duration: 1500ms}}\n", "expected whole seconds"},
	    {"clients: {" DEVICE_0 ": {duration: 65536s}}\n", "expected a duration from 1s"},
	    {"clients: {" DEVICE_0 ": {name: a}, " DEVICE_1 ": {name: a}}\n",
	        DEVICE_1 ".name: found the name of another device"},
	    {"clients: {" DEVICE_0 ": {name: " DEVICE_1 "}}\n", "the name of another device"},
	    {"clients: {01234567-89ab-cdef-0123-456789abcdef: {}}\n",
	        "has no public key; expected it in devices.d/01234567-89ab-cdef-0123-"},
	};
	char text[512];

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		snprintf(text, sizeof text, "%s%s%s", KEYS, bad[i][0], "duration: 30s\n");
		REFUSED(text, bad[i][1]);
	}
	REFUSED("openspa:\n  " KEYS "  duration: 30s\n  clients:\n    " DEVICE_0
	        ": {name: a}\n    " DEVICE_1 ": {}\n    " DEVICE_0 ": {name: b}\n",
	    ":7:5: found \"" DEVICE_0 "\" a second time; it stands at line 5 already");
	REFUSED(KEYS "duration: 1500ms\n", ":2:11: duration: expected whole seconds");
	REFUSED(KEYS "duration: 65536s\n", "expected a duration from 1s to 18h12m15s");
	REFUSED("duration: 30s\nport: 1\n", ":1:1: private_key: not given");
}

static void a_revoked_device_needs_no_key(void **state)
{
	struct conf *conf = loads(KEYS "duration: 30s\nclients:\n"
	                               "  01234567-89ab-cdef-0123-456789abcdef: {revoked: true}\n"
	                               "  " DEVICE_0 ": {revoked: true}\n");
	struct snapshot s = laid_out(conf);

	(void)state;
	assert_int_equal(s.device_count, 2);
	assert_true(s.devices[0].revoked);
	assert_false(s.devices[1].revoked);
	snapshot_unmap(&s);
	conf_free(conf);
}

/* Its key, its entry, both or neither: the file wins, whatever is in it. */
static void a_file_revokes_a_device(void **state)
{
	struct conf *conf;
	struct snapshot s;

	(void)state;
	write_text("devices.d/" DEVICE_0 ".revoked", "");
	write_text("devices.d/" DEVICE_1 ".revoked", "{: nonsense");
	write_text("devices.d/01234567-89ab-cdef-0123-456789abcdef.revoked", "");
	conf =
	    loads(KEYS "duration: 30s\nclients:\n  " DEVICE_0 ": {name: phone, revoked: false}\n");
	assert_int_equal(conf_device_count(conf), 3);
	s = laid_out(conf);
	assert_int_equal(s.device_count, 2);
	assert_true(s.devices[0].revoked);
	assert_true(s.devices[1].revoked);
	assert_string_equal(conf_device_named(conf, DEVICE_0)->name.text, "phone");
	assert_ptr_equal(conf_device_named(conf, "phone"), conf_device_named(conf, DEVICE_0));
	assert_null(conf_device_named(conf, "laptop"));
	snapshot_unmap(&s);
	conf_free(conf);
	write_text("devices.d/phone.revoked", "");
	REFUSED(KEYS "duration: 30s\n", "devices.d/phone.revoked: found this name of a file; ");
}

static void devices_are_revoked_by_writing_a_file(void **state)
{
	const char *text = KEYS "duration: 30s\n", *path = write_text("config.yaml", text);
	struct conf *conf = conf_load(path, &(struct conf_error){.text = ""});
	struct conf_error error = {.text = ""};
	uint8_t uuid[DEVICE_UUID_BYTES];

	(void)state;
	assert_non_null(conf);
	memcpy(uuid, conf_device_named(conf, DEVICE_1)->uuid, sizeof uuid);
	conf_free(conf);
	for (int i = 0; i < 2; i++)
		assert_true(conf_revoke_device(path, uuid, 1795255200000000000, &error));
	assert_non_null(
	    strstr(read_text(in_folder("devices.d/" DEVICE_1 ".revoked")), "2026-11-21T10:00:00Z"));
	assert_string_equal(read_text(path), text);
	conf = conf_load(path, &error);
	assert_true(conf_device_named(conf, DEVICE_1)->revoked.yes);
	assert_false(conf_device_named(conf, DEVICE_0)->revoked.yes);
	conf_free(conf);
	uuid[0] ^= 1;
	assert_false(conf_revoke_device(path, uuid, 0, &error));
	assert_non_null(strstr(error.text, "no device "));
}

/* The folder of keys is not read then; revocations are, and may name anybody. */
static void devices_of_a_script_can_be_revoked(void **state)
{
	const char *path = write_text("config.yaml",
	    KEYS "duration: 30s\n"
	         "extensionScripts: {userDirectoryService: es/user_directory_service.py}\n");
	struct conf_error error = {.text = ""};
	uint8_t uuid[DEVICE_UUID_BYTES] = {1, 2, 3};
	struct conf *conf;

	(void)state;
	assert_true(conf_revoke_device(path, uuid, 0, &error));
	conf = conf_load(path, &error);
	assert_int_equal(conf_device_count(conf), 1);
	assert_true(conf_device_named(conf, "01020300-0000-0000-0000-000000000000")->revoked.yes);
	conf_free(conf);
}

static void devices_of_a_script_may_have_rules(void **state)
{
	struct conf *conf =
	    loads(KEYS "extensionScripts: {userDirectoryService: es/user_directory_service.py}\n"
	               "clients:\n  01234567-89ab-cdef-0123-456789abcdef: {rules: [tcp 5s]}\n");
	struct snapshot s = laid_out(conf);

	(void)state;
	assert_int_equal(s.device_count, 1);
	assert_int_equal(s.devices[0].modulus[0], 0);
	assert_int_equal(snapshot_rules(&s, s.devices[0].rules)->ports.last, 65535);
	assert_int_equal(snapshot_rules(&s, s.devices[0].rules)->ports.first, 1);
	snapshot_unmap(&s);
	conf_free(conf);
}

static void bad_device_keys_are_refused(void **state)
{
	static const char text[] = KEYS "duration: 30s\n";

	(void)state;
	write_text("devices.d/README", "not a key");
	conf_free(loads(text));
	write_text("devices.d/" DEVICE_0 ".pub", "");
	REFUSED(text, "devices.d/" DEVICE_0
	              ".pub: the key is no PEM text in it; expected an RSA-2048 public key");
	write_text("devices.d/" DEVICE_0 ".pub", secret_pem[0]);
	REFUSED(text, "the key is not the kind of RSA key that is needed here");
	write_bytes("devices.d/" DEVICE_0 ".pub", public_pem[0], strlen(public_pem[0]), 0622);
	REFUSED(text, "chmod go-w");
	write_bytes("devices.d/" DEVICE_0 ".pub", public_pem[0], strlen(public_pem[0]), 0600);
	write_text("devices.d/Phone.pub", public_pem[0]);
	REFUSED(text, "devices.d/Phone.pub: found this name of a file; expected a UUID");
	assert_int_equal(unlink(in_folder("devices.d/Phone.pub")), 0);
	assert_int_equal(chmod(in_folder("devices.d"), 0775), 0);
	REFUSED(text, "chmod go-w");
}

static void the_servers_key_must_be_safe_and_sound(void **state)
{
	static const char text[] = KEYS "publicKey: keys/server.pub\nduration: 30s\n";
	char pem[RSA_PEM_BYTES];

	(void)state;
	conf_free(loads(text));
	write_text("keys/server.pub", public_pem[1]);
	REFUSED(text, ":2:12: public_key: does not belong to private_key");
	write_text("keys/server.pub", public_pem[0]);
	assert_int_equal(chmod(in_folder("keys/server.key"), 0644), 0);
	REFUSED(text, "server.key: mode 0644 lets others at a private key");
	assert_true(rsa_pem_write_secret(pem, &secrets[0], "sesame"));
	write_text("keys/server.key", pem);
	REFUSED(text, "server.key: the key is encrypted, and a daemon can ask nobody");
	write_text("keys/server.key", public_pem[0]);
	REFUSED(text, "the key is not the kind of RSA key that is needed here");
	assert_int_equal(unlink(in_folder("keys/server.key")), 0);
	REFUSED(text, ":1:13: private_key: there is no keys/server.key in ");
}

static void scripts_that_others_may_write_are_refused(void **state)
{
	(void)state;
	conf_free(loads(original));
	assert_int_equal(chmod(in_folder("es/rule_add.py"), 0775), 0);
	REFUSED(original, ":9:12: extension_scripts.rule_add: ");
	REFUSED(original, "rule_add.py: mode 0775 lets others write it");
	assert_int_equal(chmod(in_folder("es/rule_add.py"), 0644), 0);
	REFUSED(original, "rule_add.py is not executable");
	assert_int_equal(chmod(in_folder("es/rule_add.py"), 0755), 0);
	assert_int_equal(chmod(in_folder("es"), 0757), 0);
	REFUSED(original, "lets others write it; take that away: chmod go-w");
	assert_int_equal(chmod(in_folder("es"), 01777), 0);
	conf_free(loads(original));
	assert_int_equal(chmod(folder, 0770), 0);
	REFUSED(original, "lets others write it");
	assert_int_equal(chmod(folder, 0700), 0);
	assert_int_equal(unlink(in_folder("es/rule_add.py")), 0);
	REFUSED(original, "rule_add: there is no ./es/rule_add.py in ");
	assert_int_equal(mkdir(in_folder("es/rule_add.py"), 0755), 0);
	REFUSED(original, "rule_add.py: not a regular file");
}

static void strangers_own_nothing_of_it(void **state)
{
	static const char *const owned[][2] = {{"es/rule_add.py", "/es/rule_add.py: belongs to"},
	    {"es", "/es: belongs to user 12345"},
	    {"keys/server.key", "server.key: belongs to user"},
	    {"keys/server.pub", "server.pub: belongs to user"}};
	static const char native[] = KEYS "duration: 30s\n";
	static const char *const devices[][2] = {{"devices.d", "devices.d: belongs to user 12345"},
	    {"devices.d/" DEVICE_0 ".pub", DEVICE_0 ".pub: belongs to user 12345"}};

	(void)state;
	if (geteuid() != 0)
		skip();
	for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) {
		assert_int_equal(chown(in_folder(owned[i][0]), 12345, 0), 0);
		REFUSED(original, owned[i][1]);
		assert_int_equal(chown(in_folder(owned[i][0]), 0, 0), 0);
	}
	for (size_t i = 0; i < sizeof devices / sizeof *devices; i++) {
		assert_int_equal(chown(in_folder(devices[i][0]), 12345, 0), 0);
		REFUSED(native, devices[i][1]);
		assert_int_equal(chown(in_folder(devices[i][0]), 0, 0), 0);
	}
}

static void a_long_path_is_refused(void **state)
{
	char text[CONF_PROGRAM_BYTES + 200], name[256];
	size_t used;

	(void)state;
	memset(name, 'd', sizeof name - 2);
	name[sizeof name - 2] = '\0';
	used = (size_t)snprintf(text, sizeof text, "%s/%s/%s", folder, name, name);
	*strrchr(text, '/') = '\0';
	assert_int_equal(mkdir(text, 0755), 0);
	text[strlen(text)] = '/';
	assert_true(used >= CONF_PROGRAM_BYTES);
	close(open(text, O_CREAT | O_WRONLY, 0755));
	memset(text, 0, sizeof text);
	snprintf(text, sizeof text, "helpers: {authorization: %s/%s}\n" KEYS, name, name);
	REFUSED(text, "expected one shorter than 512");
}

/* The place that the link leads to counts, and is what is run. */
static void a_link_hides_nothing(void **state)
{
	(void)state;
	assert_int_equal(mkdir(in_folder("open"), 0755), 0);
	assert_int_equal(chmod(in_folder("open"), 0777), 0);
	write_script("open/rule_add.py", 0755);
	assert_int_equal(unlink(in_folder("es/rule_add.py")), 0);
	assert_int_equal(symlink("../open/rule_add.py", in_folder("es/rule_add.py")), 0);
	REFUSED(original, "/open: mode 0777 lets others write it");
}

static void programs_may_write_to_one_place(void **state)
{
	static const char text[] = KEYS "duration: 5s\nscriptWritable: var\n";
	char expected[PATH_MAX + 10], real[PATH_MAX], absolute[PATH_MAX + 100];
	struct conf *conf = loads(KEYS "duration: 5s\n");

	(void)state;
	assert_string_equal(conf_openspa_writable(conf), "");
	conf_free(conf);
	REFUSED(text, ":3:17: script_writable: var: there is no such file or folder; make it");
	assert_int_equal(mkdir(in_folder("var"), 0755), 0);
	assert_non_null(realpath(folder, real));
	snprintf(expected, sizeof expected, "%s/var", real);
	conf = loads(text);
	assert_string_equal(conf_openspa_writable(conf), expected);
	conf_free(conf);
	assert_int_equal(symlink("var", in_folder("link")), 0);
	snprintf(
	    absolute, sizeof absolute, KEYS "duration: 5s\nscript_writable: %s/link\n", folder);
	conf = loads(absolute);
	assert_string_equal(conf_openspa_writable(conf), expected);
	conf_free(conf);
	conf = loads(KEYS "duration: 5s\nscriptWritable: keys/server.pub\n");
	assert_non_null(strstr(conf_openspa_writable(conf), "/keys/server.pub"));
	conf_free(conf);
	REFUSED(KEYS "duration: 5s\nscriptWritable: /dev/null\n", "neither a folder nor a regular");
}

static void no_program_may_change_another(void **state)
{
	static const char with_scripts[] =
	    KEYS "duration: 5s\nextensionScripts: {serverStop: es/rule_add.py}\n";
	static const char *const places[][2] = {{"es", "/es/rule_add.py is in there"},
	    {"es/rule_add.py", "/es/rule_add.py is in there"}, {".", "/config.yaml is in there"},
	    {"/", "/config.yaml is in there"}, {"config.yaml", "/config.yaml is in there"}};
	char text[512];

	(void)state;
	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		snprintf(text, sizeof text, "%sscriptWritable: %s\n", with_scripts, places[i][0]);
		REFUSED(text, places[i][1]);
	}
	assert_int_equal(mkdir(in_folder("e"), 0755), 0);
	snprintf(text, sizeof text, "%sscriptWritable: e\n", with_scripts);
	conf_free(loads(text));
}

static void programs_run_as_somebody_of_their_own(void **state)
{
	(void)state;
	conf_free(loads(KEYS "duration: 5s\nscriptUser: daemon\n"));
	conf_free(loads(KEYS "duration: 5s\nscriptUser: root\n"));
	REFUSED(KEYS "duration: 5s\nscriptUser: no-such-user\n",
	    ":3:13: script_user: there is no such user; make one");
	/* Where that user exists it is the daemon's own. */
	REFUSED(KEYS "duration: 5s\nscriptUser: " CONF_SERVICE_USER "\n",
	    getpwnam(CONF_SERVICE_USER) == NULL ? "there is no such user" : "processes run as");
	REFUSED(KEYS "duration: 5s\nscriptUser: daemon\nscriptRuleUser: no-such-user\n",
	    ":4:17: script_rule_user: there is no such user; make one");
	REFUSED(KEYS "duration: 5s\nscriptRuleUser: " CONF_SERVICE_USER "\n",
	    getpwnam(CONF_SERVICE_USER) == NULL ? "there is no such user" : "processes run as");
}

/* Who is started for a stranger's packet is not to be the one who holds the firewall. */
static void one_user_for_keys_and_rules_is_refused(void **state)
{
	static const char keys[] = "extensionScripts: {authorization: es/authorization.py}\n",
	                  rules[] = "helpers: {firewall: es/rule_add.py}\n",
	                  both[] = "extensionScripts: {authorization: es/authorization.py}\n"
	                           "helpers: {firewall: es/rule_add.py}\n",
	                  start[] = "extensionScripts: {authorization: es/authorization.py, "
	                            "serverStart: es/rule_add.py}\n",
	                  problem[] =
	                      ": programs for keys and durations would run as the same user "
	                      "as those for rules";
	static const struct {
		const char *users, *programs, *where;
	} rows[] = {{"", both, NULL}, {"scriptUser: daemon\n", both, ":2:13: script_user"},
	    {"scriptUser: daemon\n", start, ":2:13: script_user"},
	    {"scriptUser: daemon\nscriptRuleUser: daemon\n", both, ":3:17: script_rule_user"},
	    {"scriptUser: daemon\nscriptRuleUser: bin\n", both, NULL},
	    {"scriptUser: daemon\nscriptRuleUser: root\n", both, NULL},
	    {"scriptUser: root\nscriptRuleUser: root\n", both, NULL},
	    {"scriptRuleUser: daemon\n", both, NULL}, {"scriptUser: root\n", both, NULL},
	    {"scriptUser: daemon\n", keys, NULL}, {"scriptUser: daemon\n", rules, NULL}};
	char text[512], said[256];

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		snprintf(text, sizeof text, KEYS "%s%s%s",
		    rows[i].programs == rules ? "duration: 5s\n" : "", rows[i].users,
		    rows[i].programs);
		snprintf(
		    said, sizeof said, "%s%s", rows[i].where == NULL ? "" : rows[i].where, problem);
		if (rows[i].where == NULL)
			conf_free(loads(text));
		else
			REFUSED(text, said);
	}
}

static void scripts_and_helpers_exclude_each_other(void **state)
{
	struct conf *conf = loads(KEYS "duration: 5s\nhelpers: {firewall: es/rule_add.py}\n");
	struct snapshot s = laid_out(conf);

	(void)state;
	assert_int_equal(s.settings->openspa.firewall, CONF_ASKED_HELPER);
	assert_int_equal(
	    conf_openspa_program(conf, CONF_TASK_RULE_REMOVE)->asked, CONF_ASKED_HELPER);
	snapshot_unmap(&s);
	conf_free(conf);
	REFUSED(KEYS "duration: 5s\nextensionScripts: {ruleAdd: es/rule_add.py}\n",
	    ":3:19: extension_scripts: found one of rule_add and rule_remove; expected both");
	REFUSED(KEYS "extensionScripts: {authorization: es/authorization.py}\n"
	             "helpers: {authorization: es/authorization.py}\n",
	    ":3:26: helpers.authorization: found a script for this, too");
	REFUSED(KEYS "extensionScripts: {ruleAd: a}\n",
	    ":2:20: extension_scripts: unknown key \"ruleAd\"; did you mean \"rule_add\"? "
	    "(`postern config convert` leaves unknown keys out)");
}

static void what_is_shown_loads_again(void **state)
{
	static const char *const texts[] = {original,
	    "openspa:\n  " KEYS "  duration: 30s\n  answer: never\n  clients:\n    " DEVICE_0
	    ": {name: phone, rules: [22/tcp 5s, any], revoked: true}\n"};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct conf *conf = loads(texts[i]);
		char *shown = NULL, *again = NULL;
		size_t size;
		FILE *to = open_memstream(&shown, &size);

		assert_true(conf_show(conf, to));
		fclose(to);
		conf_free(conf);
		assert_null(strstr(shown, "PRIVATE"));
		conf = loads(shown);
		to = open_memstream(&again, &size);
		assert_true(conf_show(conf, to));
		fclose(to);
		assert_string_equal(shown, again);
		conf_free(conf);
		free(shown);
		free(again);
	}
}

static void take(const char *text, size_t size)
{
	struct conf_error error = {.text = ""};
	struct conf *conf = conf_load(write_bytes("config.yaml", text, size, 0600), &error);

	if (conf != NULL) {
		struct snapshot s = laid_out(conf);

		snapshot_unmap(&s);
	} else {
		assert_true(error.text[0] != '\0');
		for (const char *c = error.text; *c != '\0'; c++)
			assert_true(*c >= 0x20 && *c < 0x7f);
	}
	conf_free(conf);
}

/* Whatever comes: one complaint, or a configuration that every role would map. */
static void damaged_files(void **state)
{
	static const char changes[] = {'\0', '\n', '\t', ' ', ':', '-', '"', '[', '{', '&', '_',
	    '/', '0', '9', 'A', ',', '\xff'};
	static char text[] =
	    KEYS "duration: 30s\nserverIP: [192.0.2.1]\nwindow: 5m\n"
	         "extensionScripts:\n  ruleAdd: es/rule_add.py\n"
	         "  ruleRemove: es/rule_remove.py\n"
	         "clients:\n  " DEVICE_0 ":\n    name: a\n"
	         "    rules: [22/tcp, 1-2 5s, icmp 1m]\n    targets: [10.0.0.0/8]\n";
	size_t size = strlen(text);

	(void)state;
	for (size_t at = 0; at < size; at += 3) {
		char kept = text[at];

		take(text, at);
		text[at] = changes[at % sizeof changes];
		take(text, size);
		text[at] = kept;
	}
	take(text, size);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    OPENSPA_TEST(an_original_file_loads),
	    OPENSPA_TEST(an_original_file_may_be_read_by_all),
	    OPENSPA_TEST(keys_are_told_apart_as_the_original_does),
	    OPENSPA_TEST(without_openme_no_port_is_preset),
	    OPENSPA_TEST(both_protocols_in_one_file),
	    OPENSPA_TEST(openspa_alone_needs_no_openme),
	    OPENSPA_TEST(nothing_authorized_is_refused),
	    OPENSPA_TEST(a_device_without_rule_gets_nothing),
	    OPENSPA_TEST(bad_values_are_refused),
	    OPENSPA_TEST(a_revoked_device_needs_no_key),
	    OPENSPA_TEST(a_file_revokes_a_device),
	    OPENSPA_TEST(devices_are_revoked_by_writing_a_file),
	    OPENSPA_TEST(devices_of_a_script_can_be_revoked),
	    OPENSPA_TEST(devices_of_a_script_may_have_rules),
	    OPENSPA_TEST(bad_device_keys_are_refused),
	    OPENSPA_TEST(the_servers_key_must_be_safe_and_sound),
	    OPENSPA_TEST(scripts_that_others_may_write_are_refused),
	    OPENSPA_TEST(strangers_own_nothing_of_it),
	    OPENSPA_TEST(a_long_path_is_refused),
	    OPENSPA_TEST(a_link_hides_nothing),
	    OPENSPA_TEST(programs_may_write_to_one_place),
	    OPENSPA_TEST(no_program_may_change_another),
	    OPENSPA_TEST(programs_run_as_somebody_of_their_own),
	    OPENSPA_TEST(one_user_for_keys_and_rules_is_refused),
	    OPENSPA_TEST(scripts_and_helpers_exclude_each_other),
	    OPENSPA_TEST(what_is_shown_loads_again),
	    OPENSPA_TEST(damaged_files),
	};

	return cmocka_run_group_tests(tests, make_keys, NULL);
}
