/* What a client of OpenSPA reads from elsewhere: answers of Echo-IP services, OSPA files. */
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

#include "base/secret.h"
#include "cmd/echo_ask.h"
#include "conf/values.h"
#include "files/ospa.h"

static const char answer_text[] =
    "{\"success\":true,\"ip\":\"203.0.113.9\",\"isIpv6\":false,\"datetime\":\"2026-11-21T10:00:00Z\","
    "\"ipDetails\":{\"remoteIP\":\"198.51.100.2\",\"forwardedForIP\":\"203.0.113.9\"},"
    "\"service\":\"echo-ip\",\"version\":\"1\",\"srcUrl\":\"\"}\n";

/* Read from memory that ends where the text does, so that the sanitizer sees a step beyond. */
static bool reads(struct echo_answer *out, const char *text, size_t size)
{
	char *copy = malloc(size + 1);
	bool ok;

	assert_non_null(copy);
	memcpy(copy, text, size);
	copy = realloc(copy, size == 0 ? 1 : size);
	assert_non_null(copy);
	ok = echo_answer_read(out, copy, size);
	free(copy);
	return ok;
}

static void an_answer_is_read(void **state)
{
	struct echo_answer answer;
	struct addr address, proxy;

	(void)state;
	assert_true(addr_parse(&address, "203.0.113.9") && addr_parse(&proxy, "198.51.100.2"));
	assert_true(reads(&answer, answer_text, strlen(answer_text)));
	assert_true(addr_equal(&answer.address, &address));
	assert_true(answer.proxied && addr_equal(&answer.proxy, &proxy));
}

static void no_part_of_an_answer_passes_for_one(void **state)
{
	struct echo_answer answer;
	size_t whole = strlen(answer_text) - 1; /* but for the line end */

	(void)state;
	for (size_t size = 0; size < whole; size++) {
		assert_false(reads(&answer, answer_text, size));
		assert_true(addr_is_wildcard(&answer.address));
	}
	assert_true(reads(&answer, answer_text, whole));
}

/* One byte is another. What is then taken for an answer gives the address that was meant, but where
 * the damage is in that address itself; what is not gives none. */
static void damaged_answers_do_no_harm(void **state)
{
	const char *value = strstr(answer_text, "203.0.113.9");
	size_t size = strlen(answer_text), first = (size_t)(value - answer_text);
	size_t last = first + strlen("203.0.113.9") - 1, refused = 0, taken = 0;
	struct echo_answer answer;
	struct addr address;
	char text[sizeof answer_text];

	(void)state;
	assert_true(addr_parse(&address, "203.0.113.9"));
	for (size_t at = 0; at < size; at++) {
		for (unsigned int byte = 0; byte < 256; byte += 5) {
			memcpy(text, answer_text, sizeof text);
			text[at] = (char)byte;
			if (!reads(&answer, text, size)) {
				assert_true(addr_is_wildcard(&answer.address));
				refused++;
			} else if (at < first || at > last) {
				assert_true(addr_equal(&answer.address, &address));
				taken++;
			}
		}
	}
	assert_true(refused > size && taken > size);
}

static void json_is_read_strictly(void **state)
{
	static const struct {
		const char *text;
		bool fine;
	} rows[] = {
	    {"{\"success\":true,\"ip\":\"::1\"}", true},
	    {" { \"ip\" : \"::1\" , \"success\" : true } ", true},
	    {"{\"\\u0069p\":\"\\u003a:1\",\"success\":true}", true},
	    {"{\"ip\":\"::1\",\"success\":true,\"x\":[{},[],-0.5e+10,null,\"\\\"\"]}", true},
	    {"{\"ip\":\"::1\",\"success\":true,\"x\":{\"ip\":\"::2\"}}", true},
	    {"{\"ip\":\"::1\",\"success\":true,\"x\":[[[[[[[1]]]]]]]}", true},
	    {"{\"ip\":\"::1\",\"success\":true,\"x\":[[[[[[[[1]]]]]]]]}", false},
	    {"{\"ip\":\"::1\",\"success\":true,\"x\":{\"ip\":\"::2\",\"ip\":1}}", false},
	    {"{\"ip\":\"::1\",\"success\":true,\"ipDetails\":{\"remoteIP\":1}}", false},
	    {"[{\"ip\":\"::1\",\"success\":true}]", false},
	    {"{\"ip\":\"::1\",\"success\":true,\"x\":\"\xff\"}", false},
	    {"{\"ip\":\"::1\",\"success\":true,}", false},
	    {"{\"ip\":\"::1\" \"success\":true}", false},
	    {"{\"ip\":\"::1\",\"success\":true}{}", false},
	    {"{\"ip\":\"::1\",\"success\":\"true\"}", false},
	    {"{\"ip\":\"::1\",\"success\":truely}", false},
	    {"{\"ip\":\"::1\",\"success\":false}", false},
	    {"{\"ip\":\"::1\",\"success\":true,\"success\":true}", false},
	    {"{\"ip\":\"::1\",\"ip\":\"::1\",\"success\":true}", false},
	    {"{\"ip\":[\"::1\"],\"success\":true}", false},
	    {"{\"ip\":\"::1\\u0000\",\"success\":true}", false},
	    {"{\"ip\":\"::1\",\"success\":true,\"x\":01}", false},
	    {"{\"ip\":\"::1\",\"success\":true,\"x\":.5}", false},
	    {"{\"ip\":\"::1\",\"success\":true,\"x\":\"\\x\"}", false},
	    {"{\"ip\":\"::1\",\"success\":true,\"x\":\"\\u12g4\"}", false},
	    {"{\"ip\":\"::1\",\"success\":true,\"x\":\"\t\"}", false},
	    {"{\"ip\":\"::1\",\"success\":true,\"x\":[[[[[[[[[[[1]]]]]]]]]]]}", false},
	    {"{\"ip\":\"::1%lo\",\"success\":true}", false},
	    {"{\"ip\":\"\",\"success\":true}", false},
	};
	struct echo_answer answer;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		if (reads(&answer, rows[i].text, strlen(rows[i].text)) != rows[i].fine)
			fail_msg("%s", rows[i].text);
	}
}

static void devices_are_uuids(void **state)
{
	static const char good[] = "8e29c98d-cb57-40a6-8e79-4e1a21bc54dd";
	static const char *const bad[] = {"", "8e29c98d", "8e29c98dcb5740a68e794e1a21bc54d",
	    "8e29c98dcb5740a68e794e1a21bc54ddd", "8e29c98dcb5740a68e794e1a21bc54dg",
	    "8e29c98d-cb5740a68e794e1a21bc54d", "00000000000000000000000000000000",
	    "8e29c98d-cb57-40a6-8e79-4e1a21bc54d", "8e29c98d-cb57-40a6-8e79-4e1a21bc54ddd",
	    "8e29c98dc-b57-40a6-8e79-4e1a21bc54dd", "8e29c98d-cb57-40a6-8e79-4e1a21bc54dg",
	    "00000000-0000-0000-0000-000000000000"};
	uint8_t device[OSPA_DEVICE_BYTES];
	char text[UUID_TEXT_BYTES];

	(void)state;
	assert_true(ospa_device_parse(device, good));
	assert_int_equal(device[0], 0x8e);
	assert_int_equal(device[15], 0xdd);
	assert_string_equal(uuid_text(text, device), good);
	assert_true(ospa_device_parse(device, "8E29C98D-CB57-40A6-8E79-4E1A21BC54DD"));
	assert_true(ospa_device_parse(device, "8e29c98dcb5740A68E794E1A21BC54DD"));
	assert_string_equal(uuid_text(text, device), good);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(ospa_device_parse(device, bad[i]));
}

/* --- Files, in a folder of their own */

static char folder[] = "/tmp/postern-spa-tool-XXXXXX";
static char path[64];

static int make_folder(void **state)
{
	(void)state;
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(path, sizeof path, "%s/client.ospa", folder);
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(folder);
}

static size_t read_file(const char *from, char *text, size_t size)
{
	FILE *file = fopen(from, "r");
	size_t got;

	assert_non_null(file);
	got = fread(text, 1, size, file);
	fclose(file);
	return got;
}

static void put_file(const char *text, size_t size)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fchmod(fileno(file), 0600), 0);
	assert_int_equal(fwrite(text, 1, size, file), size);
	fclose(file);
}

static void a_file_is_written_as_it_was_read(void **state)
{
	struct conf_error error = {0};
	char before[8192], after[8192];
	size_t size = read_file(VECTORS "/client.ospa", before, sizeof before);
	struct ospa ospa;

	(void)state;
	put_file(before, size);
	assert_true(ospa_load(&ospa, path, &error));
	assert_false(ospa_write(path, &ospa, false, &error));
	assert_true(ospa_write(path, &ospa, true, &error));
	ospa_free(&ospa);
	assert_int_equal(read_file(path, after, sizeof after), size);
	assert_memory_equal(before, after, size);
}

static void odd_names_come_back(void **state)
{
	static const char *const names[] = {"yes", "12", "0x1f", "a #b", "#x", "- a", "a: b", "~",
	    "no ", " lead", "SPA server", "null", "1:20", "a:", "\"q\\"};
	struct conf_error error = {0};
	struct ospa ospa = {.device = {1},
	    .port = 1,
	    .echo_ip = "https://x",
	    .private_key = "a\nb\n",
	    .public_key = "c\n",
	    .server_public_key = "d\n"};

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		struct ospa back;

		snprintf(ospa.name, sizeof ospa.name, "%s", names[i]);
		assert_true(ospa_write(path, &ospa, true, &error));
		if (!ospa_load(&back, path, &error))
			fail_msg("%s", error.text);
		assert_string_equal(back.name, names[i]);
		assert_string_equal(back.private_key, "a\nb\n");
		ospa_free(&back);
	}
}

static void cut_files_are_refused(void **state)
{
	struct conf_error error;
	char text[8192];
	size_t size = read_file(VECTORS "/client.ospa", text, sizeof text);
	const char *last = strstr(text, "serverPublicKey: |\n");

	(void)state;
	assert_non_null(last);
	for (size_t cut = 0; cut < (size_t)(last - text); cut += cut < 250 ? 1 : 37) {
		struct ospa ospa;

		put_file(text, cut);
		assert_false(ospa_load(&ospa, path, &error));
		assert_true(error.text[0] != '\0');
	}
	assert_true(size > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_answer_is_read),
	    cmocka_unit_test(no_part_of_an_answer_passes_for_one),
	    cmocka_unit_test(damaged_answers_do_no_harm),
	    cmocka_unit_test(json_is_read_strictly),
	    cmocka_unit_test(devices_are_uuids),
	    cmocka_unit_test(a_file_is_written_as_it_was_read),
	    cmocka_unit_test(odd_names_come_back),
	    cmocka_unit_test(cut_files_are_refused),
	};

	if (!secret_init())
		return 1;
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
