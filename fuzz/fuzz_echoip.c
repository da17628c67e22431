/* What a caller of postern-echoip says: X-Forwarded-For lines, method, path; and any words as its
 * command line. The HTTP between is libmicrohttpd's.
 *
 * Input: method, path and then X-Forwarded-For lines, each on a line of its own. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "echoip/accesslog.h"
#include "echoip/answers.h"
#include "echoip/forwarded.h"
#include "echoip/options.h"
#include "fuzz.h"

#define LINES_MOST 24

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	log_open("fuzz", LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
	return 0;
}

static void log_safely(const struct access *a)
{
	char line[ACCESS_LINE_BYTES];
	size_t length = access_format(line, a, 1795206947000000000);

	must(length > 0 && length <= sizeof line);
	must(memchr(line, '\n', length) == line + length - 1);
	for (size_t i = 0; i + 1 < length; i++)
		must(line[i] >= 0x20 && line[i] < 0x7f);
}

static void request(char *const lines[], int count)
{
	struct proxies trusted = {.count = 2};
	struct caller caller;
	struct forwarded f = {.count = 0};
	struct answer a;

	must(addr_parse(&caller.peer, "10.0.0.1"));
	must(cidr_parse(&trusted.networks[0], "10.0.0.0/8"));
	must(cidr_parse(&trusted.networks[1], "fd00::/8"));
	for (int i = 2; i < count; i++)
		forwarded_add(&f, lines[i]);
	caller.forwarded = forwarded_client(&caller.client, &f, &trusted, &caller.peer);
	must(caller.forwarded || addr_equal(&caller.client, &caller.peer));
	answer_request(&a, lines[0], lines[1], &caller, 1795206947000000000);
	must(a.length == strlen(a.body) && a.length + 1 < sizeof a.body);
	must(a.status == 200 || a.status == 404 || a.status == 405);
	log_safely(&(struct access){.client = caller.client,
	    .method = lines[0],
	    .target = lines[1],
	    .version = lines[count - 1],
	    .status = a.status,
	    .bytes = a.length});
}

static void command_line(int count, char **words)
{
	struct options o;

	optind = 0; /* as GNU wants it, to begin again */
	if (options_parse(&o, count, words) != OPTIONS_RUN)
		return;
	must(o.bind_count <= BINDS_MAX && o.trusted.count <= PROXIES_MAX);
	must((o.cert == NULL) == (o.key == NULL) && o.max_connections > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size), *rest = text;
	char *lines[LINES_MOST + 1] = {NULL};
	int count = 0;

	while (count < LINES_MOST && rest != NULL)
		lines[count++] = strsep(&rest, "\n");
	if (count >= 2)
		request(lines, count);
	command_line(count, lines);
	free(text);
	return 0;
}
