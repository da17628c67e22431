/* server.interface among devices that not every kernel has: what is found, and what is refused with
 * the name of the one that gets its packets. */
#include "conf_help.h"

#include "conf/links.h"

#define DEVICES 4

/* The host's, in place of the kernel's list. */
static const struct link *devices;

bool __wrap_links_read(struct link **links, size_t *count, const char *wanted);

bool __wrap_links_read(struct link **links, size_t *count, const char *wanted)
{
	*links = calloc(DEVICES, sizeof **links);
	assert_non_null(*links);
	for (*count = 0; *count < DEVICES && devices[*count].index != 0; (*count)++) {
		(*links)[*count] = devices[*count];
		(*links)[*count].wanted = strcmp(devices[*count].name, wanted) == 0;
	}
	return true;
}

static const struct {
	struct link devices[DEVICES];
	const char *said; /* NULL: it is taken */
	const char *shut; /* the one that is guarded all the same; NULL: any */
} hosts[] = {
    {{{1, 0, "lo", "", false, true, 0}, {2, 0, "port", "", false, true, 0}}, NULL, "port"},
    {{{1, 0, "lo", "", false, true, 0}}, "found \"port\"; expected an interface of this host: lo",
        "port"},
    {{{2, 3, "port", "", false, true, 0}, {3, 0, "bond0", "bond", false, true, 0}},
        "whose packets go to \"bond0\" (bond), which it belongs to; expected \"bond0\"", "bond0"},
    {{{2, 3, "port", "", false, true, 0}, {3, 0, "team0", "team", false, true, 0}},
        "whose packets go to \"team0\" (team), which it belongs to; expected \"team0\"", "team0"},
    {{{2, 3, "port", "veth", false, true, 0}, {3, 0, "red", "vrf", false, true, 0}},
        "whose packets go to \"red\" (vrf), which it belongs to; expected \"red\"", "red"},
    {{{2, 3, "port", "", false, true, 0}, {3, 4, "br0", "bridge", false, true, 0},
         {4, 0, "red", "vrf", false, true, 0}},
        "whose packets go to \"br0\" (bridge), which it belongs to; expected \"red\"", "red"},
    {{{2, 3, "port", "", false, true, 0}, {3, 0, "ovs-system", "openvswitch", false, true, 0}},
        "whose packets go to Open vSwitch; expected the bridge's own port", "ovs-system"},
    {{{2, 9, "port", "", false, true, 0}}, "belongs to one that is just going", "port"},
    /* No kernel says so; it comes to an end. */
    {{{2, 3, "port", "", false, true, 0}, {3, 2, "ring", "bridge", false, true, 0}},
        "whose packets go to \"ring\" (bridge), which it belongs to; expected ", NULL},
};

static void what_gets_the_packets_is_named(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
		struct conf *conf = loads(SERVER "  interface: port\n");
		struct conf_error why = {.text = ""};

		devices = hosts[i].devices;
		assert_int_equal(conf_find_interface(conf, &why), hosts[i].said == NULL);
		if (hosts[i].said != NULL && strstr(why.text, hosts[i].said) == NULL)
			fail_msg("host %zu: %s", i, why.text);
		if (hosts[i].shut != NULL)
			assert_string_equal(conf_interface(conf), hosts[i].shut);
		conf_free(conf);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {TEST(what_gets_the_packets_is_named)};

	return secret_init() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
