/* What the tool makes of values: text for people, JSON, profiles, files, QR codes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/secret.h"
#include "cmd/add.h"
#include "cmd/json.h"
#include "cmd/outfile.h"
#include "cmd/qr.h"
#include "cmd/text.h"

static void nothing_unprintable_gets_through(void **state)
{
	char out[32], tight[8];

	(void)state;
	assert_string_equal(
	    text_escaped(out, sizeof out, "a\033[2J\n\\\177\303"), "a\\x1b[2J\\x0a\\x5c\\x7f\\xc3");
	assert_string_equal(text_escaped(tight, sizeof tight, "abcd\n"), "abcd");
	assert_string_equal(text_escaped(tight, sizeof tight, "abc\n"), "abc\\x0a");
	assert_string_equal(text_escaped(tight, sizeof tight, "abcdefgh"), "abcdefg");
}

static void durations_round_up(void **state)
{
	static const struct {
		int64_t ns;
		const char *text;
	} rows[] = {
	    {INT64_MIN, "0s"},
	    {-1, "0s"},
	    {0, "0s"},
	    {1, "1s"},
	    {NS_PER_SECOND, "1s"},
	    {NS_PER_SECOND + 1, "2s"},
	    {59 * NS_PER_SECOND, "59s"},
	    {60 * NS_PER_SECOND, "1m0s"},
	    {3599 * NS_PER_SECOND, "59m59s"},
	    {3600 * NS_PER_SECOND, "1h0m0s"},
	    {86400 * NS_PER_SECOND, "1d0h"},
	    {INT64_MAX, "106751d23h"},
	};
	char text[TEXT_DURATION_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		assert_string_equal(text_duration(rows[i].ns, text), rows[i].text);
}

static void ports_that_do_not_fit_are_hinted_at(void **state)
{
	static const struct ports ports[] = {{.protocol = 6, .first = 22, .last = 22},
	    {.protocol = 17, .first = 60000, .last = 61000},
	    {.protocol = 132, .first = 1, .last = 1}};
	char out[64], tight[20];

	(void)state;
	assert_string_equal(
	    text_ports(out, sizeof out, ports, 3, false), "22/tcp, 60000-61000/udp, 1/132");
	assert_string_equal(text_ports(out, sizeof out, ports, 1, true), "22/tcp, ...");
	assert_string_equal(text_ports(out, sizeof out, ports, 0, false), "");
	assert_string_equal(text_ports(tight, sizeof tight, ports, 3, false), "22/tcp, ...");
}

static void what_yaml_could_misread_is_quoted(void **state)
{
	static const char *const plain[] = {"gate.example.org", "default", "a-b_c@d"};
	static const char *const quoted[] = {
	    "192.0.2.7", "2001:db8::1", "abcd::", "Yes", "null", "1e3", "0x10", "No"};
	char out[64], expected[64];

	(void)state;
	for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
		assert_string_equal(text_yaml(out, sizeof out, plain[i]), plain[i]);
	for (size_t i = 0; i < sizeof quoted / sizeof *quoted; i++) {
		snprintf(expected, sizeof expected, "\"%s\"", quoted[i]);
		assert_string_equal(text_yaml(out, sizeof out, quoted[i]), expected);
	}
}

static void json_is_escaped_and_punctuated(void **state)
{
	char *text = NULL;
	size_t size = 0;
	struct json j = {.to = open_memstream(&text, &size)};

	(void)state;
	json_open(&j, NULL, '{');
	json_string(&j, "a", "\"\\\n\377");
	json_open(&j, "b", '[');
	json_number(&j, NULL, INT64_MIN);
	json_bool(&j, NULL, true);
	json_open(&j, NULL, '{');
	json_close(&j, '}');
	json_close(&j, ']');
	json_string(&j, "c", NULL);
	json_time(&j, "d", INT64_MAX);
	json_time(&j, "e", 0);
	json_close(&j, '}');
	fclose(j.to);
	assert_string_equal(text,
	    "{\"a\":\"\\\"\\\\\\u000a\\u00ff\",\"b\":[-9223372036854775808,true,{}],\"c\":null,"
	    "\"d\":null,\"e\":\"1970-01-01T00:00:00Z\"}\n");
	free(text);
}

static const uint8_t key[64] = {1, 2, 3};

static struct provision a_provision(void)
{
	return (struct provision){.profile = "default",
	    .host = "192.0.2.7",
	    .udp_port = 54154,
	    .server_public = key,
	    .client_public = key,
	    .client_secret = key};
}

static void a_profile_that_does_not_fit_is_refused(void **state)
{
	struct provision p = a_provision();
	char text[PROVISION_TEXT_BYTES];
	size_t yaml, json;

	(void)state;
	assert_true(provision_yaml(text, sizeof text, &p));
	yaml = strlen(text);
	assert_true(provision_json(text, sizeof text, &p));
	json = strlen(text);
	for (size_t size = 1; size <= sizeof text; size++) {
		assert_int_equal(provision_yaml(text, size, &p), size > yaml);
		assert_int_equal(provision_json(text, size, &p), size > json);
	}
}

static void secrets_are_left_out_when_there_are_none(void **state)
{
	struct provision p = a_provision();
	char text[PROVISION_TEXT_BYTES];

	(void)state;
	assert_true(provision_json(text, sizeof text, &p));
	assert_non_null(strstr(text, ",\"client_privkey\":\"AQID"));
	p.client_secret = NULL;
	assert_true(provision_json(text, sizeof text, &p));
	assert_null(strstr(text, "client_privkey"));
	assert_true(provision_yaml(text, sizeof text, &p));
	assert_null(strstr(text, "private_key"));
	assert_null(strstr(text, "shield_key"));
	p.shield_key = key;
	assert_true(provision_yaml(text, sizeof text, &p));
	assert_non_null(strstr(text, "        shield_key: AQID"));
	assert_true(provision_json(text, sizeof text, &p));
	assert_non_null(strstr(text, ",\"shield_key\":\"AQID"));
	assert_int_equal(text[strlen(text) - 1], '}');
}

static void a_file_appears_whole_or_not_at_all(void **state)
{
	char folder[] = "/tmp/postern-tool-XXXXXX", path[64], other[80];
	struct outfile out;
	struct stat there;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof path, "%s/file", folder);
	assert_true(outfile_open(&out, path));
	fputs("half", out.file);
	fflush(out.file);
	assert_int_not_equal(stat(path, &there), 0);
	outfile_close(&out);
	assert_int_equal(rmdir(folder), 0); /* nothing was left in it */

	assert_int_equal(mkdir(folder, 0700), 0);
	assert_true(outfile_open(&out, path));
	fputs("whole", out.file);
	assert_true(outfile_commit(&out));
	outfile_close(&out);
	assert_int_equal(stat(path, &there), 0);
	assert_int_equal(there.st_mode & 0777, 0600);
	assert_int_equal(there.st_size, 5);

	snprintf(other, sizeof other, "%s/link", folder);
	assert_int_equal(symlink(path, other), 0);
	assert_false(outfile_open(&out, other));
	assert_false(outfile_open(&out, folder));
	unlink(other);
	unlink(path);
	assert_int_equal(rmdir(folder), 0);
}

static void a_text_too_long_for_a_code_is_refused(void **state)
{
	char text[4001];
	QRcode *qr;

	(void)state;
	memset(text, 'a', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	assert_null(qr_encode(text));
	text[PROVISION_TEXT_BYTES] = '\0';
	qr = qr_encode(text);
	assert_non_null(qr);
	qr_free(qr);
}

static int rows_in(const QRcode *qr, bool utf8, int room)
{
	const struct qr_style style = {.utf8 = utf8, .rows = room};
	int rows, columns;

	qr_measure(qr, &style, &rows, &columns);
	assert_int_equal(columns, utf8 ? qr->width + (2 * rows - qr->width) / 2 * 2 : 2 * rows);
	return rows;
}

/* The smallest there is, and then as much correction as it has room for. */
static void a_code_is_as_small_as_can_be(void **state)
{
	char text[200];
	QRcode *qr, *loose;

	(void)state;
	for (size_t length = 1; length < sizeof text; length++) {
		memset(text, 'a', length);
		text[length] = '\0';
		qr = qr_encode(text);
		loose = QRcode_encodeString8bit(text, 0, QR_ECLEVEL_L);
		assert_int_equal(qr->version, loose->version);
		QRcode_free(loose);
		qr_free(qr);
	}
}

/* Its light edge makes room, but not all of it. */
static void a_code_is_fitted_into_a_terminal(void **state)
{
	char text[101];
	QRcode *qr;

	(void)state;
	memset(text, 'a', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	qr = qr_encode(text); /* 37 modules */
	assert_int_equal(qr->width, 37);
	assert_int_equal(rows_in(qr, true, 0), 23);
	assert_int_equal(rows_in(qr, true, 23), 23);
	assert_int_equal(rows_in(qr, true, 22), 22);
	assert_int_equal(rows_in(qr, true, 21), 21);
	assert_int_equal(rows_in(qr, true, 20), 23);
	assert_int_equal(rows_in(qr, false, 0), 45);
	assert_int_equal(rows_in(qr, false, 42), 41);
	qr_free(qr);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_code_is_as_small_as_can_be),
	    cmocka_unit_test(a_code_is_fitted_into_a_terminal),
	    cmocka_unit_test(nothing_unprintable_gets_through),
	    cmocka_unit_test(durations_round_up),
	    cmocka_unit_test(ports_that_do_not_fit_are_hinted_at),
	    cmocka_unit_test(what_yaml_could_misread_is_quoted),
	    cmocka_unit_test(json_is_escaped_and_punctuated),
	    cmocka_unit_test(a_profile_that_does_not_fit_is_refused),
	    cmocka_unit_test(secrets_are_left_out_when_there_are_none),
	    cmocka_unit_test(a_file_appears_whole_or_not_at_all),
	    cmocka_unit_test(a_text_too_long_for_a_code_is_refused),
	};

	return secret_init() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
