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
#include "caught_log.h"
#include "keeper/adopt.h"
#include "short_memory.h"

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

static const struct addr left_open = {{0x20, 1, [15] = 7}};
static unsigned int handed_over;

/* The first holder's grant, so many times. */
static int hand_over_one(struct fw *fw, const struct snapshot *s,
    void (*found)(void *context, const struct opening *o, const char *owner), void *context)
{
	const struct opening o = {.address = left_open, .until_ns = 60 * NS_PER_SECOND};

	(void)fw;
	for (unsigned int i = 0; i < handed_over; i++)
		found(context, &o, s->clients[0].name);
	return 0;
}

/* What is logged when that was there. */
static const char *adopt(struct keeper_state *k, unsigned int times)
{
	static const struct fw_ops ops = {.name = "left", .adopt = hand_over_one};
	struct fw fw = {.ops = &ops};

	handed_over = times;
	caught_log_begin(LOG_LEVEL_INFO);
	keeper_adopt(&fw, k);
	return caught_log_end();
}

/* A firewall that was read anew hands over again what it had. */
static void the_same_twice_is_one_grant_since_now(void **state)
{
	static const struct ports by_policy;
	struct keeper_state k = many();
	int64_t before = clock_real_ns();
	const struct grant *g;

	(void)state;
	assert_non_null(strstr(adopt(&k, 2), "took over 1 grants that a predecessor left"));
	g = grant_table_find(k.grants, 0, &left_open, &by_policy);
	assert_int_equal(grant_table_count(k.grants), 1);
	assert_non_null(g);
	assert_true(g->opened_real_ns >= before && g->opened_real_ns <= clock_real_ns());
	grant_table_free(k.grants);
}

static void of_nothing_nothing_is_said(void **state)
{
	struct keeper_state k = many();

	(void)state;
	assert_string_equal(adopt(&k, 0), "");
	assert_int_equal(grant_table_count(k.grants), 0);
	grant_table_free(k.grants);
}

/* Then what was left open ends by itself, and is in nobody's table. */
static void without_memory_nothing_is_adopted(void **state)
{
	struct keeper_state k = many();

	(void)state;
	for (size_t nth = 1; nth <= 2; nth++) {
		short_memory(nth);
		assert_string_equal(adopt(&k, 1), "");
		assert_true(short_memory_failed());
		assert_int_equal(grant_table_count(k.grants), 0);
	}
	grant_table_free(k.grants);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(time_grows_with_the_number_and_no_more),
	    cmocka_unit_test(the_same_twice_is_one_grant_since_now),
	    cmocka_unit_test(of_nothing_nothing_is_said),
	    cmocka_unit_test(without_memory_nothing_is_adopted),
	};

	log_open("test", LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
	return secret_init() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
