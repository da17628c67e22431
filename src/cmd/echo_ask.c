#include "cmd/echo_ask.h"

#include <curl/curl.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "json/json_read.h"

/* Loaded when there is something to ask: with all that it brings along, libcurl would make every
 * other command start 20 ms later. */
#define LIBCURL "libcurl.so.4"

#define DEPTH_MOST 8 /* of an answer */

struct libcurl {
	void *handle;
	__typeof__(curl_global_init) *global_init;
	__typeof__(curl_global_cleanup) *global_cleanup;
	__typeof__(curl_slist_append) *slist_append;
	__typeof__(curl_slist_free_all) *slist_free_all;
	CURL *(*easy_init)(void);
	CURLcode (*easy_setopt)(CURL *, CURLoption, ...);
	CURLcode (*easy_perform)(CURL *);
	CURLcode (*easy_getinfo)(CURL *, CURLINFO, ...);
	void (*easy_cleanup)(CURL *);
	const char *(*easy_strerror)(CURLcode);
};

struct body {
	char text[ECHO_ANSWER_MOST];
	size_t used;
};

/* The address of a function into a pointer of its type, which ISO C has no cast for. */
static bool find(const struct libcurl *lib, const char *name, void *pointer)
{
	void *address = dlsym(lib->handle, name);

	memcpy(pointer, &address, sizeof address);
	return address != NULL;
}

/* It stays loaded. */
static bool load(struct libcurl *lib)
{
	lib->handle = dlopen(LIBCURL, RTLD_NOW | RTLD_LOCAL);
	return lib->handle != NULL && find(lib, "curl_global_init", &lib->global_init) &&
	       find(lib, "curl_global_cleanup", &lib->global_cleanup) &&
	       find(lib, "curl_slist_append", &lib->slist_append) &&
	       find(lib, "curl_slist_free_all", &lib->slist_free_all) &&
	       find(lib, "curl_easy_init", &lib->easy_init) &&
	       find(lib, "curl_easy_setopt", &lib->easy_setopt) &&
	       find(lib, "curl_easy_perform", &lib->easy_perform) &&
	       find(lib, "curl_easy_getinfo", &lib->easy_getinfo) &&
	       find(lib, "curl_easy_cleanup", &lib->easy_cleanup) &&
	       find(lib, "curl_easy_strerror", &lib->easy_strerror) &&
	       lib->global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

/* libcurl's; less than it was given makes it give up. */
static size_t take_body(char *data, size_t one, size_t size, void *context)
{
	struct body *body = context;

	(void)one; /* always 1 */
	if (size > sizeof body->text - body->used)
		return 0;
	memcpy(body->text + body->used, data, size);
	body->used += size;
	return size;
}

/* libcurl looks at neither of them by itself. */
static const char *own_certificates(void)
{
	static const char *const names[] = {"CURL_CA_BUNDLE", "SSL_CERT_FILE"};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		const char *path = getenv(names[i]);

		if (path != NULL && *path != '\0')
			return path;
	}
	return NULL;
}

static bool set_limits(const struct libcurl *lib, CURL *curl, const struct echo_question *question)
{
	long ms = (long)(question->timeout_ns / NS_PER_MS);

	return lib->easy_setopt(curl, CURLOPT_TIMEOUT_MS, ms < 1 ? 1L : ms) == CURLE_OK &&
	       lib->easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
	       lib->easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
	       lib->easy_setopt(curl, CURLOPT_PROXY, "") == CURLE_OK &&
#if LIBCURL_VERSION_NUM >= 0x075500
	       lib->easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
#else
	       lib->easy_setopt(curl, CURLOPT_PROTOCOLS, CURLPROTO_HTTP | CURLPROTO_HTTPS) ==
	           CURLE_OK &&
#endif
	       lib->easy_setopt(curl, CURLOPT_IPRESOLVE,
	           question->ipv6 ? CURL_IPRESOLVE_V6 : CURL_IPRESOLVE_V4) == CURLE_OK;
}

static bool set_security(const struct libcurl *lib, CURL *curl)
{
	const char *certificates = own_certificates();

	return lib->easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L) == CURLE_OK &&
	       lib->easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L) == CURLE_OK &&
	       lib->easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) ==
	           CURLE_OK &&
	       (certificates == NULL ||
	           lib->easy_setopt(curl, CURLOPT_CAINFO, certificates) == CURLE_OK);
}

/* A POST, as the original's: no cache on the way answers it. */
static bool set_request(const struct libcurl *lib, CURL *curl, const struct echo_question *question,
    struct curl_slist *headers, struct body *body)
{
	return lib->easy_setopt(curl, CURLOPT_URL, question->url) == CURLE_OK &&
	       lib->easy_setopt(curl, CURLOPT_USERAGENT, "postern/" POSTERN_VERSION) == CURLE_OK &&
	       lib->easy_setopt(curl, CURLOPT_POSTFIELDS, "") == CURLE_OK &&
	       lib->easy_setopt(curl, CURLOPT_HTTPHEADER, headers) == CURLE_OK &&
	       lib->easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body) == CURLE_OK &&
	       lib->easy_setopt(curl, CURLOPT_WRITEDATA, body) == CURLE_OK;
}

/* A member's text, "" when there is none. False when it is something else. */
static bool text_of(const json_t *object, const char *key, const char **out)
{
	const json_t *value = json_object_get(object, key);

	*out = value == NULL ? "" : json_string_value(value);
	return *out != NULL;
}

static bool take_members(struct echo_answer *out, const json_t *answer)
{
	const json_t *details = json_object_get(answer, "ipDetails");
	const char *address, *remote, *forwarded;

	if (!json_is_true(json_object_get(answer, "success")) || !text_of(answer, "ip", &address) ||
	    !text_of(details, "remoteIP", &remote) ||
	    !text_of(details, "forwardedForIP", &forwarded) ||
	    !addr_parse(&out->address, address) || addr_is_wildcard(&out->address))
		return false;
	out->proxied = *forwarded != '\0' && addr_parse(&out->proxy, remote);
	return true;
}

bool echo_answer_read(struct echo_answer *out, const char *text, size_t size)
{
	json_t *answer = size > ECHO_ANSWER_MOST ? NULL : json_read(text, size, DEPTH_MOST);
	bool ok;

	*out = (struct echo_answer){0};
	ok = answer != NULL && take_members(out, answer);
	if (!ok)
		*out = (struct echo_answer){0};
	json_decref(answer);
	return ok;
}

static bool judge_body(struct echo_answer *out, const struct echo_question *question, long status,
    const struct body *body, char why[static ECHO_WHY_BYTES])
{
	if (status != 200) {
		snprintf(why, ECHO_WHY_BYTES, "it answered with HTTP status %ld", status);
		return false;
	}
	if (!echo_answer_read(out, body->text, body->used)) {
		snprintf(why, ECHO_WHY_BYTES, "its answer is not that of an Echo-IP service");
		return false;
	}
	if (addr_is_v4(&out->address) == question->ipv6) {
		snprintf(why, ECHO_WHY_BYTES, "it tells of an address that is not IPv%d",
		    question->ipv6 ? 6 : 4);
		return false;
	}
	return true;
}

static CURLcode perform(const struct libcurl *lib, const struct echo_question *question,
    struct body *body, long *status, char why[static CURL_ERROR_SIZE])
{
	struct curl_slist *headers = lib->slist_append(NULL, "Content-Type: application/json");
	CURL *curl = lib->easy_init();
	CURLcode code = CURLE_FAILED_INIT;

	if (curl != NULL && headers != NULL && set_limits(lib, curl, question) &&
	    set_security(lib, curl) && set_request(lib, curl, question, headers, body)) {
		lib->easy_setopt(curl, CURLOPT_ERRORBUFFER, why);
		code = lib->easy_perform(curl);
		if (code == CURLE_OK)
			code = lib->easy_getinfo(curl, CURLINFO_RESPONSE_CODE, status);
	}
	lib->slist_free_all(headers);
	lib->easy_cleanup(curl);
	return code;
}

bool echo_ask(
    struct echo_answer *out, const struct echo_question *question, char why[static ECHO_WHY_BYTES])
{
	struct body body = {.used = 0};
	struct libcurl lib = {.handle = NULL};
	CURLcode code;
	long status = 0;
	bool ok = false;

	*out = (struct echo_answer){0};
	if (!load(&lib)) {
		snprintf(why, ECHO_WHY_BYTES, LIBCURL " cannot be loaded; it is needed to ask");
		return false;
	}
	*why = '\0';
	code = perform(&lib, question, &body, &status, why);
	if (code == CURLE_OK)
		ok = judge_body(out, question, status, &body, why);
	else if (code == CURLE_WRITE_ERROR)
		snprintf(
		    why, ECHO_WHY_BYTES, "its answer is longer than %d bytes", ECHO_ANSWER_MOST);
	else if (*why == '\0')
		snprintf(why, ECHO_WHY_BYTES, "%s", lib.easy_strerror(code));
	if (!ok)
		*out = (struct echo_answer){0};
	lib.global_cleanup();
	return ok;
}
