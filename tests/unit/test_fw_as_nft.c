/* The rule set in the kernel beside what nft makes of the text that a dry run shows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "emulated.h"
#include "fw_bench.h"

/* Of numbers that the kernel gives, and of the boot, no text can know. */
#define PLAIN "'/comment \"of boot /d; s/ # handle .*//'"

static char *plain_listing(void)
{
	return fw_bench_listing("list table inet postern | sed " PLAIN);
}

/* nft of Debian 13 has one expression for the two comparisons of a range. */
#define RANGE \
	"'s/\\[ range eq \\(reg .\\) \\(.*\\) \\(.*\\) \\]/[ cmp gte \\1 \\2 ]\\n  [ cmp lte \\1 \\3 ]/'"

/* Down to expressions and elements; sorted, for the kernel has elements in any order. */
static char *expressions(void)
{
	return fw_bench_listing(
	    "--debug=netlink list table inet postern | sed -e " PLAIN " -e " RANGE
	    " -e 's/  userdata = .*//; s/^\\(inet postern [^ ]*\\) .*/\\1/' | "
	    "sort");
}

/* But for what nft loads and compares at once, where we do it in two steps. */
static char *most_expressions(void)
{
	char *all = expressions(), *text = calloc(1, strlen(all) + 2), *to = text, *line,
	     *rest = all;

	assert_non_null(text);
	while ((line = strsep(&rest, "\n")) != NULL) {
		if (strstr(line, "payload load") == NULL && strstr(line, "cmp eq") == NULL)
			to = stpcpy(stpcpy(to, line), "\n");
	}
	free(all);
	return text;
}

static void as_nft_would_make_it(struct fw_bench *b, char *(*listing)(void))
{
	char *dry, *theirs, *ours;

	assert_int_equal(fw_case_install(&b->fw, &b->c.s, NULL, 0), 0);
	ours = listing();
	dry = fw_nft_ruleset(&b->c.s);
	assert_non_null(dry);
	fw_bench_does("delete table inet postern");
	fw_bench_does(dry);
	theirs = listing();
	assert_string_equal(ours, theirs);
	free(dry);
	free(theirs);
	free(ours);
}

static void every_shape(struct fw_bench *b)
{
	for (unsigned int i = 0; i < 64; i++) {
		struct settings *set = &b->c.settings;

		set->guard = i & 1;
		set->hook = (uint8_t)(i % 3);
		set->established = i >> 1 & 1;
		set->drop_ports = i >> 2 & 1;
		set->open_knock_port = i >> 3 & 1;
		set->openspa.enabled = i >> 5 & 1;
		snprintf(set->interface, sizeof set->interface, "%s", i >> 4 & 1 ? "eth0.7" : "");
		set->guard_allow_ports = (struct span){i & 3, i & 4};
		set->guard_allow_networks = (struct span){0, i & 4};
		set->managed_ports = (struct span){0, 4 + (i & 3)};
		set->priority = i & 2 ? -400 : 5;
		as_nft_would_make_it(b, plain_listing);
	}
}

static void it_is_what_nft_makes_of_the_text(void **state)
{
	static const char *const networks[][4] = {
	    {"0.0.0.0/0", "::/0", "10.0.0.0/8", "2001:db8::1"},
	    {"10.16.0.0/12", "fe80::/10", "192.0.2.7", "10.32.0.0/11"},
	    {"10.1.0.0/20", "2001:db8::/33", "2001:db8:8000::/33", "192.0.2.0/31"}};
	struct fw_bench *b = *state;

	b->c.ports[4] = (struct ports){17, 0, 65535, 65535};
	b->c.ports[5] = (struct ports){6, 0, 23, 25};
	b->c.ports[6] = (struct ports){6, 0, 1, 65535};
	for (size_t i = 0; i < sizeof networks / sizeof *networks; i++) {
		for (size_t k = 0; k < 4; k++)
			assert_true(cidr_parse(&b->c.cidrs[k], networks[i][k]));
		b->c.policies[2].ports = (struct span){0, i == 0 ? 0 : 6};
		every_shape(b);
	}
}

static void with_networks(struct fw_bench *b, const char *first, const char *second)
{
	b->c.settings.guard_allow_networks = (struct span){0, second == NULL ? 1 : 2};
	assert_true(cidr_parse(&b->c.cidrs[0], first));
	assert_true(second == NULL || cidr_parse(&b->c.cidrs[1], second));
	as_nft_would_make_it(b, expressions);
}

/* Alone, beside each other, and first of all or not. */
static void networks_as_nft_writes_them(void **state)
{
	struct fw_bench *b = *state;

	b->c.settings.openspa.enabled = true;
	strcpy(b->c.settings.interface, "fifteen-letters");
	with_networks(b, "10.16.0.0/12", NULL);
	with_networks(b, "192.0.2.7", NULL);
	with_networks(b, "2001:db8::/33", NULL);
	with_networks(b, "2001:db8::7", NULL);
	with_networks(b, "192.0.2.6", "192.0.2.7");
	with_networks(b, "0.0.0.0/8", "3.0.0.0/8");
	with_networks(b, "1.0.0.0/8", "3.0.0.0/8");
	with_networks(b, "3.0.0.0/8", "255.0.0.0/8");
	with_networks(b, "0.0.0.0/8", "255.0.0.0/8");
	with_networks(b, "::/8", "fe80::/10");
}

/* Two that meet, overlap, come twice, or do not quite meet. */
static void ports_as_nft_writes_them(void **state)
{
	static const struct ports pairs[][2] = {{{6, 0, 22, 25}, {6, 0, 25, 30}},
	    {{6, 0, 22, 25}, {6, 0, 26, 30}}, {{6, 0, 22, 25}, {6, 0, 27, 30}},
	    {{6, 0, 22, 30}, {6, 0, 25, 27}}, {{6, 0, 22, 22}, {6, 0, 22, 22}},
	    {{6, 0, 22, 22}, {6, 0, 23, 23}}, {{6, 0, 22, 22}, {6, 0, 279, 280}},
	    {{6, 0, 200, 255}, {6, 0, 256, 300}}, {{6, 0, 22, 25}, {17, 0, 22, 22}}};
	struct fw_bench *b = *state;

	b->c.settings.managed_ports = (struct span){4, 2};
	for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
		b->c.ports[4] = pairs[i][0];
		b->c.ports[5] = pairs[i][1];
		as_nft_would_make_it(b, expressions);
	}
}

static void nothing_is_looked_at_twice(void **state)
{
	struct fw_bench *b = *state;

	b->c.settings.guard = CONF_GUARD_ALL;
	b->c.settings.established = CONF_ESTABLISHED_CUT;
	b->c.settings.openspa.enabled = true;
	as_nft_would_make_it(b, most_expressions);
}

/* More than one message holds, and more than one nest could. */
static void a_long_list_as_nft_writes_it(void **state)
{
	struct fw_bench *b = *state;
	struct ports many[2000];

	memcpy(many, b->c.ports, sizeof b->c.ports);
	b->c.s.ports = many;
	b->c.settings.managed_ports = (struct span){8, 1992};
	b->c.policies[0].ports = (struct span){8, 600};
	for (int more = 0; more <= 10; more += 10) {
		for (int i = 8; i < 2000; i++)
			many[i] =
			    (struct ports){6, 0, (uint16_t)(30 * i), (uint16_t)(30 * i + more)};
		as_nft_would_make_it(b, expressions);
	}
	/* The only policy can have as many alone. */
	b->c.settings.managed_ports.count = 0;
	b->c.s.policy_count = 1;
	as_nft_would_make_it(b, expressions);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    FW_OLD_TEST(networks_as_nft_writes_them),
	    FW_OLD_TEST(ports_as_nft_writes_them),
	    FW_OLD_TEST(nothing_is_looked_at_twice),
	    FW_OLD_TEST(a_long_list_as_nft_writes_it),
	    FW_OLD_TEST(it_is_what_nft_makes_of_the_text),
	};

	not_when_emulated("netlink of nf_tables");
	return cmocka_run_group_tests(tests, fw_bench_enter, NULL);
}
