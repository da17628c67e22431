/* What a new configuration changes: each client, device and setting, and nothing twice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "main/config_diff.h"

#define MOST 4

/* One configuration, to be changed before it is sealed. */
struct one {
	struct settings settings;
	struct client clients[MOST];
	struct device devices[MOST];
	struct ports ports[MOST];
	struct policy policies[2];
	struct openspa_rule rules[2];
	uint32_t client_count, device_count;
};

static struct one before, after;
static char said[1024];

static void fill(struct one *c)
{
	static const char *const names[MOST] = {"alice", "bob", "carol", "dave"};

	memset(c, 0, sizeof *c);
	c->settings = (struct settings){.openme = true,
	    .knock_timeout_ns = 30,
	    .replay_window_ns = 60,
	    .udp_port = 54154,
	    .mark = 1,
	    .client_quota = 1};
	c->client_count = 2;
	c->device_count = 1;
	for (unsigned int i = 0; i < MOST; i++) {
		snprintf(c->clients[i].name, sizeof c->clients[i].name, "%s", names[i]);
		snprintf(c->devices[i].name, sizeof c->devices[i].name, "d-%s", names[i]);
		c->clients[i].public_key[0] = (uint8_t)(i * 16 + 1);
		c->devices[i].uuid[0] = (uint8_t)(i * 16 + 1);
		c->clients[i].expires_ns = c->devices[i].expires_ns = NEVER_NS;
		c->devices[i].rules = (struct span){0, 1};
		c->devices[i].modulus[0] = 0x80;
		c->devices[i].modulus[sizeof c->devices[i].modulus - 1] = 1;
		c->devices[i].exponent[5] = c->devices[i].exponent[7] = 1;
		c->ports[i] = (struct ports){6, 0, (uint16_t)(22 + i), (uint16_t)(22 + i)};
	}
	c->policies[0].ports = (struct span){0, 1};
	c->policies[1].ports = (struct span){1, 2};
	c->rules[0] = c->rules[1] = (struct openspa_rule){c->ports[0], 30};
}

static int set_up(void **state)
{
	(void)state;
	fill(&before);
	fill(&after);
	return 0;
}

static void seal(struct snapshot *out, const struct one *c)
{
	const struct snapshot_parts parts = {.generation = 1,
	    .settings = c->settings,
	    .counts = {c->client_count, 2, MOST, 0, c->device_count, 2},
	    .clients = c->clients,
	    .policies = c->policies,
	    .ports = c->ports,
	    .devices = c->devices,
	    .rules = c->rules};
	int fd = snapshot_create(&parts);

	assert_true(fd >= 0);
	assert_true(snapshot_map(out, fd));
	close(fd);
}

static void found(void *context, enum config_change change, const char *name, const char *what)
{
	static const char signs[CONFIG_CHANGES] = {'+', '-', '!', '~', '='};
	size_t used = strlen(said);

	assert_null(context);
	snprintf(said + used, sizeof said - used, "%c%s%s%s ", signs[change], name,
	    what != NULL ? ":" : "", what != NULL ? what : "");
}

static const char *difference(void)
{
	struct snapshot a, b;

	seal(&a, &before);
	seal(&b, &after);
	*said = '\0';
	config_diff(&a, &b, found, NULL);
	snapshot_unmap(&a);
	snapshot_unmap(&b);
	return said;
}

static void nothing_has_changed(void **state)
{
	(void)state;
	assert_string_equal(difference(), "");
	before.client_count = after.client_count = 0;
	before.device_count = after.device_count = 0;
	assert_string_equal(difference(), "");
}

static void clients_come_and_go(void **state)
{
	(void)state;
	after.client_count = 4;
	assert_string_equal(difference(), "+carol +dave ");
	before.client_count = 4;
	after.client_count = 2;
	assert_string_equal(difference(), "-carol -dave ");
	after.client_count = 0;
	before.client_count = 1;
	assert_string_equal(difference(), "-alice ");
	after.client_count = 1;
	after.clients[0].public_key[0] = 0xff; /* a new key is a new client */
	assert_string_equal(difference(), "-alice +alice ");
}

static void clients_change(void **state)
{
	(void)state;
	after.clients[0].revoked = true;
	after.clients[0].policy = 1; /* means nothing any more */
	after.clients[1].policy = 1;
	assert_string_equal(difference(), "!alice ~bob:ports ");
	before.clients[0].revoked = true;
	after.clients[0].revoked = false;
	after.clients[1].policy = 0;
	after.clients[1].expires_ns = 5;
	assert_string_equal(difference(), "~alice:revoked no more ~bob:expires ");
	set_up(NULL);
	after.clients[0].wildcard = true;
	after.clients[1].hint_only = true;
	assert_string_equal(difference(), "~alice:targets ~bob:legacy ");
	set_up(NULL);
	snprintf(after.clients[0].name, sizeof after.clients[0].name, "eve");
	assert_string_equal(difference(), "~eve:name ");
}

/* The same ports in another place are no change. */
static void ports_count_not_policies(void **state)
{
	(void)state;
	after.ports[3] = after.ports[0];
	after.policies[1].ports = (struct span){3, 1};
	after.clients[0].policy = after.clients[1].policy = 1;
	assert_string_equal(difference(), "");
	after.ports[3].last++;
	assert_string_equal(difference(), "~alice:ports ~bob:ports ");
}

static void devices_change(void **state)
{
	(void)state;
	after.device_count = 2;
	assert_string_equal(difference(), "+d-bob ");
	before.device_count = 2;
	after.device_count = 1;
	assert_string_equal(difference(), "-d-bob ");
	after.device_count = 2;
	after.devices[0].revoked = true;
	after.devices[1].modulus[7] = 1;
	assert_string_equal(difference(), "!d-alice ~d-bob:key ");
	set_up(NULL);
	after.rules[0].duration_s = 31;
	assert_string_equal(difference(), "~d-alice:allow ");
}

static void settings_change(void **state)
{
	(void)state;
	after.settings.knock_timeout_ns = 31;
	after.settings.public_key[3] = 1;
	after.settings.guard_allow_ports = (struct span){0, 1};
	after.settings.openspa.window_ns = 1;
	assert_string_equal(difference(),
	    "=server.private_key =server.knock_timeout =openspa.window =server.guard_allow ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(nothing_has_changed, set_up),
	    cmocka_unit_test_setup(clients_come_and_go, set_up),
	    cmocka_unit_test_setup(clients_change, set_up),
	    cmocka_unit_test_setup(ports_count_not_policies, set_up),
	    cmocka_unit_test_setup(devices_change, set_up),
	    cmocka_unit_test_setup(settings_change, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
