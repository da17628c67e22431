/* What a predecessor left, for as many holders as there may be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/secret.h"
#include "keeper/adopt.h"

#define HOLDERS 100000
#define GRANTS  65536

static struct client clients[HOLDERS];
static uint64_t names_asked;

/* The linker puts it in place of the real one (--wrap): each look at a name is counted. */
const char *__real_snapshot_holder_name(const struct snapshot *s, uint32_t holder);
const char *__wrap_snapshot_holder_name(const struct snapshot *s, uint32_t holder);

const char *__wrap_snapshot_holder_name(const struct snapshot *s, uint32_t holder)
{
	names_asked++;
	return __real_snapshot_holder_name(s, holder);
}

static struct keeper_state many(void)
{
	static struct settings settings;
	static const struct policy policies[2] = {{{0, 1}}, {{0, 1}}};
	struct keeper_state k = {.config = {.settings = &settings,
	                             .clients = clients,
	                             .client_count = HOLDERS,
	                             .policies = policies,
	                             .policy_count = 2}};

	for (uint32_t i = 0; i < HOLDERS; i++) {
		clients[i] = (struct client){.expires_ns = NEVER_NS, .policy = i % 2};
		snprintf(clients[i].name, sizeof clients[i].name, "client-%u", i);
	}
	k.grants = grant_table_new(GRANTS, HOLDERS);
	assert_non_null(k.grants);
	return k;
}

/* One for each of the last holders, and what belongs to nobody. */
static int hand_over(struct fw *fw, const struct snapshot *s,
    void (*found)(void *context, const struct opening *o, const char *owner), void *context)
{
	char nobody[CLIENT_NAME_BYTES];

	(void)fw;
	for (uint32_t i = 0; i < GRANTS; i++) {
		uint32_t holder = HOLDERS - 1 - i;
		struct opening o = {
		    .address = {{0x20,
		        1, [13] = (uint8_t)(i >> 16), [14] = (uint8_t)(i >> 8), [15] = (uint8_t)i}},
		    .policy = s->clients[holder].policy,
		    .until_ns = 60 * NS_PER_SECOND};

		found(context, &o, s->clients[holder].name);
		snprintf(nobody, sizeof nobody, "nobody-%u", i);
		found(context, &o, nobody);
		/* Of a name that another policy belongs to now. */
		o.policy = 1 - o.policy;
		found(context, &o, s->clients[holder].name);
	}
	return 0;
}

static void time_grows_with_the_number_and_no_more(void **state)
{
	static const struct fw_ops ops = {.name = "left", .adopt = hand_over};
	struct fw fw = {.ops = &ops};
	struct keeper_state k = many();
	const struct grant *g;

	(void)state;
	keeper_adopt(&fw, &k);
	assert_int_equal(grant_table_count(k.grants), GRANTS);
	for (uint32_t h = HOLDERS - GRANTS; h < HOLDERS; h++)
		assert_int_equal(grant_table_held_by(k.grants, h), 1);
	g = grant_table_at(k.grants, &(struct addr){{0x20, 1}});
	while (g != NULL && g->opening.holder != HOLDERS - 1)
		g = g->next;
	if (g == NULL) {
		fail();
		return;
	}
	assert_int_equal(g->opening.until_ns, 60 * NS_PER_SECOND);
	/* Each holder once, and a few for each that is looked for. */
	assert_in_range(names_asked, HOLDERS, HOLDERS + 3 * GRANTS * 4);
	grant_table_free(k.grants);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(time_grows_with_the_number_and_no_more),
	};

	log_open("test", LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
	return secret_init() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
