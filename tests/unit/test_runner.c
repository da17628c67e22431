#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/openspa.h"
#include "proto/rsa_pem.h"
#include "runner/answer.h"
#include "runner/argv.h"
#include "runner/cache.h"
#include "runner/queue.h"

#define COUNTS_NS 10000000000LL /* how long an answer counts, as the documents say */

/* --- Arguments, as they were recorded */

static char *recorded(void)
{
	static char text[1 << 20];
	FILE *f = fopen(VECTORS "/openspa-v1.json", "r");

	assert_non_null(f);
	text[fread(text, 1, sizeof text - 1, f)] = '\0';
	fclose(f);
	return strstr(text, "\"script_argv\"");
}

static uint8_t protocol_of(const char *name)
{
	for (int i = 1; i < 256; i++)
		if (runner_protocol_name((uint8_t)i) != NULL &&
		    strcmp(runner_protocol_name((uint8_t)i), name) == 0)
			return (uint8_t)i;
	fail_msg("%s is no protocol", name);
	return 0;
}

static void parse_device(uint8_t out[static DEVICE_UUID_BYTES], const char *text)
{
	for (size_t i = 0; i < DEVICE_UUID_BYTES; i++, text += 2) {
		unsigned int byte = 0;

		text += *text == '-';
		assert_int_equal(sscanf(text, "%2x", &byte), 1);
		out[i] = (uint8_t)byte;
	}
}

/* The request that must have led to these arguments. */
static struct runner_request request_of(uint8_t task, const char *line)
{
	struct runner_request q = {.task = task};
	char device[40], client[48], server[48], protocol[8];
	unsigned int first, last, nat = 0, duration = 0;
	long long timestamp = 0;

	if (task == RUNNER_AUTHORIZE)
		assert_int_equal(sscanf(line, "%39s %47s %47s %7s %u %u %lld %*s %u", device,
		                     client, server, protocol, &first, &last, &timestamp, &nat),
		    8);
	else
		assert_int_equal(sscanf(line, "%39s %*s %47s %*s %47s %7s %u %u %u %u", device,
		                     client, server, protocol, &first, &last, &nat, &duration),
		    8);
	parse_device(q.device, device);
	assert_true(addr_parse(&q.client_address, client));
	assert_true(addr_parse(&q.server_address, server));
	q.ports.protocol = protocol_of(protocol);
	q.ports.first = (uint16_t)first;
	q.ports.last = (uint16_t)last;
	q.behind_nat = nat != 0;
	q.duration_s = (uint16_t)duration;
	q.timestamp_s = timestamp;
	return q;
}

static void assert_words(const struct runner_request *q, const char *line)
{
	struct runner_argv argv;
	char joined[1024] = "";
	size_t used = 0;

	assert_true(runner_argv_build(&argv, "/p", q));
	assert_string_equal(argv.words[0], "/p");
	for (size_t i = 1; argv.words[i] != NULL; i++)
		used += (size_t)snprintf(
		    joined + used, sizeof joined - used, "%s%s", i == 1 ? "" : " ", argv.words[i]);
	assert_string_equal(joined, line);
}

static size_t check_recorded(const char *key, uint8_t task)
{
	char *at = strstr(recorded(), key), *end;
	size_t count = 0;

	assert_non_null(at);
	end = strchr(at, ']');
	assert_non_null(end);
	*end = '\0';
	at = strchr(at, '[');
	while ((at = strchr(at, '"')) != NULL) {
		char *line = at + 1;
		struct runner_request q;

		at = strchr(line, '"');
		assert_non_null(at);
		*at++ = '\0';
		q = request_of(task, line);
		assert_words(&q, line);
		count++;
	}
	return count;
}

static void test_recorded_arguments(void **state)
{
	(void)state;
	assert_int_equal(check_recorded("\"authorization\"", RUNNER_AUTHORIZE), 8);
	assert_int_equal(check_recorded("\"rule_add\"", RUNNER_RULE_ADD), 8);
	assert_int_equal(check_recorded("\"rule_remove\"", RUNNER_RULE_REMOVE), 8);
}

static struct runner_request sample(uint8_t task)
{
	struct runner_request q = {.task = task,
	    .ports.protocol = OPENSPA_TCP,
	    .ports.first = 22,
	    .ports.last = 23,
	    .duration_s = 180,
	    .behind_nat = true,
	    .timestamp_s = 1795206947};

	parse_device(q.device, "8e29c98d-cb57-40a6-8e79-4e1a21bc54dd");
	assert_true(addr_parse(&q.client_address, "2001:db8::7"));
	assert_true(addr_parse(&q.server_address, "127.0.0.1"));
	return q;
}

static void test_public_key_arguments(void **state)
{
	struct runner_request q = sample(RUNNER_PUBLIC_KEY);

	(void)state;
	assert_words(&q, "GET_USER_PUBLIC_KEY 8e29c98d-cb57-40a6-8e79-4e1a21bc54dd");
}

static void test_server_arguments(void **state)
{
	struct runner_request q = {.task = RUNNER_SERVER_START};
	struct runner_argv argv;

	(void)state;
	for (; q.task <= RUNNER_SERVER_STOP; q.task++) {
		assert_true(runner_argv_build(&argv, "/p", &q));
		assert_int_equal(argv.count, 1);
		assert_string_equal(argv.words[0], "/p");
		assert_null(argv.words[1]);
	}
}

static struct runner_settings fitting(void)
{
	struct runner_settings s = {
	    .deadline_ms = 1, .most_at_once = 1, .queue_most = 1, .output_most = 1};

	for (int i = 0; i < RUNNER_TASK_COUNT; i++)
		s.programs[i].asked = CONF_ASKED_SCRIPT;
	return s;
}

static void test_settings(void **state)
{
	struct runner_settings s = fitting();

	(void)state;
	assert_true(runner_settings_fit(&s));
	s.programs[RUNNER_RULE_ADD].asked = CONF_ASKED_HELPER;
	assert_true(runner_settings_fit(&s));
	s.programs[RUNNER_SERVER_STOP].asked = CONF_ASKED_HELPER;
	assert_false(runner_settings_fit(&s));
	s = fitting();
	s.deadline_ms = RUNNER_DEADLINE_MS_MOST + 1;
	assert_false(runner_settings_fit(&s));
	s = fitting();
	memset(s.writable, 'a', sizeof s.writable);
	assert_false(runner_settings_fit(&s));
}

static void test_each_keeps_its_own(void **state)
{
	struct runner_settings s = fitting();

	(void)state;
	runner_settings_keep(&s, true);
	for (int i = 0; i < RUNNER_TASK_COUNT; i++)
		assert_int_equal(s.programs[i].asked,
		    i < RUNNER_RULE_ADD ? CONF_ASKED_NATIVE : CONF_ASKED_SCRIPT);
	assert_true(runner_settings_make_rules(&s));
	s = fitting();
	runner_settings_keep(&s, false);
	for (int i = 0; i < RUNNER_TASK_COUNT; i++)
		assert_int_equal(s.programs[i].asked,
		    i < RUNNER_RULE_ADD ? CONF_ASKED_SCRIPT : CONF_ASKED_NATIVE);
	assert_false(runner_settings_make_rules(&s));
}

static void test_arguments_refused(void **state)
{
	struct runner_request q = sample(RUNNER_AUTHORIZE);
	struct runner_argv argv;
	char path[2 * RUNNER_PATH_BYTES];

	(void)state;
	q.ports.protocol = 47;
	assert_false(runner_argv_build(&argv, "/p", &q));
	q = sample(RUNNER_TASK_COUNT);
	assert_false(runner_argv_build(&argv, "/p", &q));
	memset(path, 'a', sizeof path);
	path[sizeof path - 1] = '\0';
	q = sample(RUNNER_RULE_ADD);
	assert_false(runner_argv_build(&argv, path, &q));
}

/* --- What scripts print */

static void test_durations(void **state)
{
	static const struct {
		const char *text;
		uint16_t seconds; /* 0: refused */
	} cases[] = {{"180", 180}, {"180\n", 180}, {"1", 1}, {"65535", 65535}, {"0180", 180},
	    {"0", 0}, {"0\n", 0}, {"65536", 0}, {"65546", 0}, {"18446744073709551796", 0}, {"", 0},
	    {"\n", 0}, {" 180", 0}, {"180 ", 0}, {"180\n\n", 0}, {"180\r\n", 0}, {"180abc", 0},
	    {"-5", 0}, {"+5", 0}, {"1e2", 0}, {"0x10", 0}, {"180\n5", 0}, {"\xd9\xa1", 0}};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct runner_reply reply = {0};
		const char *why = NULL;
		enum runner_outcome outcome = runner_answer_script(
		    &reply, RUNNER_AUTHORIZE, cases[i].text, strlen(cases[i].text), &why);

		if (outcome != (cases[i].seconds > 0 ? RUNNER_DONE : RUNNER_REFUSED) ||
		    reply.duration_s != cases[i].seconds)
			fail_msg(
			    "\"%s\" became %d, %u", cases[i].text, (int)outcome, reply.duration_s);
		assert_true((why == NULL) == (outcome == RUNNER_DONE));
	}
	/* A zero byte is no digit, either. */
	const char *why = NULL;
	struct runner_reply reply = {0};
	assert_int_equal(
	    runner_answer_script(&reply, RUNNER_AUTHORIZE, "18\0", 3, &why), RUNNER_REFUSED);
}

static void make_key(struct rsa_public *key, char text[static RSA_PEM_BYTES])
{
	static struct rsa_secret secret;

	if (secret.p[0] == 0)
		assert_int_equal(rsa_secret_generate(&secret), RSA_FINE);
	*key = secret.public_key;
	assert_true(rsa_pem_write_public(text, key));
}

static void test_keys(void **state)
{
	struct rsa_public key;
	char text[RSA_PEM_BYTES];
	struct runner_reply reply = {0};
	const char *why = NULL;

	(void)state;
	make_key(&key, text);
	assert_int_equal(
	    runner_answer_script(&reply, RUNNER_PUBLIC_KEY, text, strlen(text), &why), RUNNER_DONE);
	assert_memory_equal(reply.modulus, key.modulus, sizeof key.modulus);
	assert_memory_equal(reply.exponent, key.exponent, sizeof key.exponent);
	for (size_t size = 0; size + 20 < strlen(text); size++) {
		reply = (struct runner_reply){0};
		assert_int_equal(runner_answer_script(&reply, RUNNER_PUBLIC_KEY, text, size, &why),
		    RUNNER_REFUSED);
		assert_int_equal(reply.modulus[0], 0);
	}
}

/* --- What helpers say */

static void test_questions(void **state)
{
	static const char *const wanted[RUNNER_TASK_COUNT] = {
	    "{\"id\":7,\"task\":\"publicKey\",\"device\":\"8e29c98d-cb57-40a6-8e79-4e1a21bc54dd\"}\n",
	    "{\"id\":7,\"task\":\"authorization\",\"device\":\"8e29c98d-cb57-40a6-8e79-4e1a21bc54dd\","
	    "\"clientAddress\":\"2001:db8::7\",\"serverAddress\":\"127.0.0.1\",\"protocol\":\"TCP\","
	    "\"firstPort\":22,\"lastPort\":23,\"behindNat\":true,\"timestamp\":1795206947}\n",
	    "{\"id\":7,\"task\":\"ruleAdd\",\"device\":\"8e29c98d-cb57-40a6-8e79-4e1a21bc54dd\","
	    "\"clientAddress\":\"2001:db8::7\",\"serverAddress\":\"127.0.0.1\",\"protocol\":\"TCP\","
	    "\"firstPort\":22,\"lastPort\":23,\"behindNat\":true,\"duration\":180}\n",
	    "{\"id\":7,\"task\":\"ruleRemove\",\"device\":\"8e29c98d-cb57-40a6-8e79-4e1a21bc54dd\","
	    "\"clientAddress\":\"2001:db8::7\",\"serverAddress\":\"127.0.0.1\",\"protocol\":\"TCP\","
	    "\"firstPort\":22,\"lastPort\":23,\"behindNat\":true,\"duration\":180}\n"};

	(void)state;
	for (unsigned int task = 0; task < RUNNER_TASK_COUNT; task++) {
		struct runner_request q = sample((uint8_t)task);
		char line[RUNNER_LINE_BYTES];

		if (runner_task_is_mains((uint8_t)task)) {
			assert_int_equal(runner_line_write(line, 7, &q), 0);
			continue;
		}
		assert_int_equal(runner_line_write(line, 7, &q), strlen(wanted[task]));
		assert_string_equal(line, wanted[task]);
		q.ports.protocol = 255;
		assert_int_equal(runner_line_write(line, 7, &q),
		    task == RUNNER_PUBLIC_KEY ? strlen(wanted[0]) : 0);
	}
}

/* The longest there can be still fits. */
static void test_longest_question(void **state)
{
	struct runner_request q = sample(RUNNER_AUTHORIZE);
	char line[RUNNER_LINE_BYTES];

	(void)state;
	q.ports.protocol = OPENSPA_ICMPV6;
	q.ports.first = q.ports.last = 65535;
	q.behind_nat = false;
	q.timestamp_s = INT64_MIN;
	memset(q.client_address.bytes, 0xee, sizeof q.client_address.bytes);
	q.server_address = q.client_address;
	assert_true(runner_line_write(line, UINT32_MAX, &q) > 0);
}

static enum runner_outcome hear(uint8_t task, struct runner_reply *reply, const char *text)
{
	char line[256];
	const char *why = NULL;

	*reply = (struct runner_reply){0};
	assert_true(strlen(text) < sizeof line);
	memcpy(line, text, strlen(text));
	return runner_answer_helper(reply, task, 7, line, strlen(text), &why);
}

static void test_answers(void **state)
{
	static const struct {
		const char *text;
		enum runner_outcome outcome;
	} cases[] = {{"{\"id\":7,\"ok\":true,\"duration\":180}", RUNNER_DONE},
	    {" { \"duration\" : 180 , \"ok\" : true , \"id\" : 7 } \r", RUNNER_DONE},
	    {"{\"\\u0069d\":7,\"ok\":true,\"duration\":180}", RUNNER_DONE},
	    {"{\"id\":7,\"ok\":false}", RUNNER_REFUSED},
	    {"{\"id\":7,\"ok\":false,\"duration\":180}", RUNNER_REFUSED},
	    {"{\"id\":7,\"ok\":true}", RUNNER_REFUSED},
	    {"{\"id\":7,\"ok\":true,\"duration\":0}", RUNNER_REFUSED},
	    {"{\"id\":7,\"ok\":true,\"duration\":65536}", RUNNER_REFUSED},
	    {"{\"id\":7,\"ok\":true,\"duration\":4294967476}", RUNNER_FAILED},
	    {"{\"id\":8,\"ok\":true,\"duration\":180}", RUNNER_FAILED},
	    {"{\"id\":07,\"ok\":true,\"duration\":180}", RUNNER_FAILED},
	    {"{\"id\":7.0,\"ok\":true,\"duration\":180}", RUNNER_FAILED},
	    {"{\"id\":\"7\",\"ok\":true,\"duration\":180}", RUNNER_FAILED},
	    {"{\"id\":7,\"ok\":1,\"duration\":180}", RUNNER_FAILED},
	    {"{\"id\":7,\"ok\":truer,\"duration\":180}", RUNNER_FAILED},
	    {"{\"id\":7,\"ok\":true,\"duration\":-1}", RUNNER_FAILED},
	    {"{\"id\":7,\"ok\":true,\"duration\":1e2}", RUNNER_FAILED},
	    {"{\"id\":7,\"ok\":true,\"duration\":\"180\"}", RUNNER_FAILED},
	    {"{\"id\":7,\"ok\":true,\"duration\":}", RUNNER_FAILED},
	    {"{\"id\":7,\"ok\":false,\"ok\":true,\"duration\":180}", RUNNER_FAILED},
	    {"{\"id\":7,\"ok\":true,\"duration\":180,\"more\":1}", RUNNER_FAILED},
	    {"{\"id\":7,\"ok\":true,\"duration\":180,}", RUNNER_FAILED},
	    {"{\"id\":7,\"ok\":true,\"duration\":180}}", RUNNER_FAILED},
	    {"{\"id\":7,\"ok\":true,\"duration\":180", RUNNER_FAILED},
	    {"[{\"id\":7,\"ok\":true,\"duration\":180}]", RUNNER_FAILED},
	    {"{\"ok\":true,\"duration\":180}", RUNNER_FAILED},
	    {"{\"id\":7,\"duration\":180}", RUNNER_FAILED},
	    {"{\"id\":7,\"ok\":true,\"duration\":180,\"publicKey\":\"\\x\"}", RUNNER_FAILED},
	    {"{\"id\":7,\"ok\":true,\"duration\":180,\"publicKey\":\"\\u0000\"}", RUNNER_FAILED},
	    {"{\"id\":7,\"ok\":true,\"duration\":180,\"publicKey\":\"\t\"}", RUNNER_FAILED},
	    {"{}", RUNNER_FAILED}, {"", RUNNER_FAILED}, {"180", RUNNER_FAILED}};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct runner_reply reply;
		enum runner_outcome outcome = hear(RUNNER_AUTHORIZE, &reply, cases[i].text);

		if (outcome != cases[i].outcome)
			fail_msg("%s became %d", cases[i].text, (int)outcome);
		assert_int_equal(reply.duration_s, outcome == RUNNER_DONE ? 180 : 0);
	}
}

static void test_rule_answers(void **state)
{
	struct runner_reply reply;

	(void)state;
	assert_int_equal(hear(RUNNER_RULE_ADD, &reply, "{\"id\":7,\"ok\":true}"), RUNNER_DONE);
	assert_int_equal(
	    hear(RUNNER_RULE_REMOVE, &reply, "{\"id\":7,\"ok\":false}"), RUNNER_REFUSED);
}

static void test_key_answers(void **state)
{
	struct rsa_public key;
	char pem[RSA_PEM_BYTES], line[2 * RSA_PEM_BYTES] = "{\"id\":7,\"ok\":true,\"publicKey\":\"";
	size_t used = strlen(line);
	struct runner_reply reply = {0};
	const char *why = NULL;

	(void)state;
	make_key(&key, pem);
	for (const char *c = pem; *c != '\0'; c++)
		used += (size_t)snprintf(
		    line + used, sizeof line - used, *c == '\n' ? "\\n" : "%c", *c);
	used += (size_t)snprintf(line + used, sizeof line - used, "\"}");
	assert_int_equal(
	    runner_answer_helper(&reply, RUNNER_PUBLIC_KEY, 7, line, used, &why), RUNNER_DONE);
	assert_memory_equal(reply.modulus, key.modulus, sizeof key.modulus);
	assert_int_equal(hear(RUNNER_PUBLIC_KEY, &reply, "{\"id\":7,\"ok\":true}"), RUNNER_REFUSED);
	assert_int_equal(
	    hear(RUNNER_PUBLIC_KEY, &reply, "{\"id\":7,\"ok\":true,\"publicKey\":\"x\"}"),
	    RUNNER_REFUSED);
}

/* --- What is remembered */

static void test_cache(void **state)
{
	static struct runner_cache c;
	struct runner_reply reply = {.ticket = 5, .outcome = RUNNER_DONE, .modulus = {9}}, out;
	uint8_t known[DEVICE_UUID_BYTES] = {1}, unknown[DEVICE_UUID_BYTES] = {2};

	(void)state;
	assert_false(runner_cache_find(&c, &out, known, 1));
	runner_cache_keep(&c, &reply, known, 1);
	reply = (struct runner_reply){.outcome = RUNNER_REFUSED};
	runner_cache_keep(&c, &reply, unknown, 1);
	assert_true(runner_cache_find(&c, &out, known, COUNTS_NS));
	assert_int_equal(out.modulus[0], 9);
	assert_int_equal(out.ticket, 0);
	assert_true(runner_cache_find(&c, &out, unknown, COUNTS_NS));
	assert_int_equal(out.outcome, RUNNER_REFUSED);
	assert_false(runner_cache_find(&c, &out, known, COUNTS_NS + 1));
	assert_false(runner_cache_find(&c, &out, unknown, COUNTS_NS + 1));
}

static void test_cache_of_failures(void **state)
{
	static const enum runner_outcome outcomes[] = {RUNNER_FAILED, RUNNER_TIMEOUT, RUNNER_BUSY};
	static struct runner_cache c;
	uint8_t device[DEVICE_UUID_BYTES] = {1};
	struct runner_reply out;

	(void)state;
	for (size_t i = 0; i < sizeof outcomes / sizeof *outcomes; i++) {
		struct runner_reply reply = {.outcome = (uint8_t)outcomes[i]};

		runner_cache_keep(&c, &reply, device, 1);
		assert_false(runner_cache_find(&c, &out, device, 1));
	}
}

/* However many are made up, known ones stay, and the last made-up ones are remembered. */
static void test_cache_is_bounded(void **state)
{
	static struct runner_cache c;
	uint8_t known[DEVICE_UUID_BYTES] = {1}, device[DEVICE_UUID_BYTES] = {2};
	struct runner_reply good = {.outcome = RUNNER_DONE}, bad = {.outcome = RUNNER_REFUSED}, out;

	(void)state;
	runner_cache_keep(&c, &good, known, 1);
	for (uint32_t i = 0; i < 10 * RUNNER_CACHE_UNKNOWN; i++) {
		memcpy(device + 1, &i, sizeof i);
		runner_cache_keep(&c, &bad, device, 2 + i);
	}
	assert_true(runner_cache_find(&c, &out, known, 2));
	assert_true(runner_cache_find(&c, &out, device, 2));
	memset(device + 1, 0, sizeof(uint32_t));
	assert_false(runner_cache_find(&c, &out, device, 2));
}

static void test_queue(void **state)
{
	struct runner_queue q;
	struct runner_request request = {0};

	(void)state;
	assert_true(runner_queue_init(&q, 3));
	assert_null(runner_queue_head(&q));
	for (uint32_t round = 0; round < 5; round++) {
		for (uint32_t i = 0; i < 3; i++) {
			request.ticket = round * 10 + i;
			assert_true(runner_queue_push(&q, &request, i));
		}
		assert_false(runner_queue_push(&q, &request, 9));
		for (uint32_t i = 0; i < 3; i++) {
			assert_int_equal(runner_queue_head(&q)->request.ticket, round * 10 + i);
			assert_int_equal(runner_queue_head(&q)->until_ns, i);
			runner_queue_pop(&q);
		}
		runner_queue_pop(&q);
		assert_null(runner_queue_head(&q));
	}
	free(q.ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_recorded_arguments),
	    cmocka_unit_test(test_public_key_arguments),
	    cmocka_unit_test(test_server_arguments),
	    cmocka_unit_test(test_settings),
	    cmocka_unit_test(test_each_keeps_its_own),
	    cmocka_unit_test(test_arguments_refused),
	    cmocka_unit_test(test_durations),
	    cmocka_unit_test(test_keys),
	    cmocka_unit_test(test_questions),
	    cmocka_unit_test(test_longest_question),
	    cmocka_unit_test(test_answers),
	    cmocka_unit_test(test_rule_answers),
	    cmocka_unit_test(test_key_answers),
	    cmocka_unit_test(test_cache),
	    cmocka_unit_test(test_cache_of_failures),
	    cmocka_unit_test(test_cache_is_bounded),
	    cmocka_unit_test(test_queue),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
