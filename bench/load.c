/* A load generator: datagrams of one kind at a steady rate, from an ordinary socket or from forged
 * sources. Prints what it did as JSON. Its knocks are made ahead, from the text of the protocol. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include <sodium.h>

#include "packets.h"
#include "wire.h"

#define PAUSE_NS  200000 /* while nothing is due: short, and no burst is long */
#define POOL      2000   /* sealed packets that are made ahead, each sent with many signatures */
#define FILE_MOST (64U << 20)

struct options {
	struct packet_recipe recipe;
	double rate, seconds; /* rate 0: as fast as it goes */
	const char *write;    /* to this file in place of the wire */
	const char *source;
	unsigned long sources, stride;
	uint8_t *captured;
	bool waits;
};

static const char usage[] =
    "usage: bench-load [options] KIND ADDRESS PORT\n"
    "       bench-load [options] --write FILE KIND\n"
    "  --rate N          a second; 0: as fast as it goes (0)\n"
    "  --seconds S       (5)\n"
    "  --source ADDRESS  forged, the first of --sources; an ordinary socket otherwise\n"
    "  --sources N       addresses in turn; of IPv6 each has a /64 of its own (1)\n"
    "  --stride N        from one of them to the next (1)\n"
    "  --packets FILE    datagrams of 165 bytes, for copy and prefix\n"
    "  --server-key KEY  base64, for unsigned and valid\n"
    "  --clients N       whose knocks, by the keys of tests/system/crowd.c (1)\n"
    "  --first N         number of the first of them (0)\n"
    "  --hint            valid knocks have a lookup hint\n"
    "  --shield-key KEY  base64: valid and unsigned ones have a shield tag\n"
    "  --count N         made ahead: valid ones (rate x seconds), sealed ones (2000)\n"
    "  --wait            a line on standard output when all is made; starts at one on standard input\n"
    "  --write FILE      writes --count datagrams there, and sends nothing\n"
    "kinds:\n";

static void fail(const char *what)
{
	fprintf(stderr, "bench-load: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void show_usage(void)
{
	fputs(usage, stderr);
#define ROW(name, text, what) fprintf(stderr, "  %-17s " what "\n", text);
	PACKET_KINDS(ROW)
#undef ROW
	exit(2);
}

static enum packet_kind kind_of(const char *word)
{
#define COMPARE(name, text, what)    \
	if (strcmp(word, text) == 0) \
		return PACKET_##name;
	PACKET_KINDS(COMPARE)
#undef COMPARE
	fprintf(stderr, "bench-load: no such kind: %s\n", word);
	show_usage();
	return PACKET_RANDOM;
}

static double number(const char *text)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end != '\0' || !(value >= 0 && value < 1e12)) {
		fprintf(stderr, "bench-load: not a number: %s\n", text);
		exit(2);
	}
	return value;
}

static void read_key(uint8_t key[static 32], const char *text)
{
	size_t size;

	if (sodium_base642bin(key, 32, text, strlen(text), NULL, &size, NULL,
	        sodium_base64_VARIANT_ORIGINAL) != 0 ||
	    size != 32) {
		fprintf(stderr, "bench-load: not a key: %s\n", text);
		exit(2);
	}
}

static void read_captured(struct options *o, const char *path)
{
	FILE *file = fopen(path, "rb");
	size_t size;

	o->captured = malloc(FILE_MOST);
	if (file == NULL || o->captured == NULL)
		fail(path);
	size = fread(o->captured, 1, FILE_MOST, file);
	fclose(file);
	o->recipe.captured = o->captured;
	o->recipe.captured_count = size / KNOCK_BYTES;
}

static void take_option(struct options *o, int option, const char *value)
{
	switch (option) {
	case 'r':
		o->rate = number(value);
		break;
	case 's':
		o->seconds = number(value);
		break;
	case 'f':
		o->source = value;
		break;
	case 'n':
		o->sources = (unsigned long)number(value);
		break;
	case 'p':
		read_captured(o, value);
		break;
	case 'k':
		read_key(o->recipe.server_public, value);
		break;
	case 'c':
		o->recipe.clients = (unsigned long)number(value);
		break;
	case 'i':
		o->recipe.first = (unsigned long)number(value);
		break;
	case 'h':
		o->recipe.hint = true;
		break;
	case 't':
		o->recipe.tag = true;
		read_key(o->recipe.shield_key, value);
		break;
	case 'm':
		o->recipe.count = (size_t)number(value);
		break;
	case 'w':
		o->write = value;
		break;
	case 'a':
		o->waits = true;
		break;
	default:
		show_usage();
	}
}

static void check(struct options *o)
{
	struct packet_recipe *r = &o->recipe;

	if (r->count == 0)
		r->count = r->kind == PACKET_VALID ? (size_t)(o->rate * o->seconds) : POOL;
	if (((r->kind == PACKET_COPY || r->kind == PACKET_PREFIX) && r->captured_count == 0) ||
	    r->count == 0 || r->clients == 0 || o->sources == 0) {
		fprintf(stderr, "bench-load: nothing to send: --packets, --count, --rate?\n");
		exit(2);
	}
}

/* What stands behind the options: kind, address, port. */
static char **read_options(struct options *o, int argc, char **argv)
{
	static const struct option longs[] = {{"rate", 1, NULL, 'r'}, {"seconds", 1, NULL, 's'},
	    {"source", 1, NULL, 'f'}, {"sources", 1, NULL, 'n'}, {"stride", 1, NULL, 'd'},
	    {"packets", 1, NULL, 'p'}, {"server-key", 1, NULL, 'k'}, {"clients", 1, NULL, 'c'},
	    {"first", 1, NULL, 'i'}, {"hint", 0, NULL, 'h'}, {"shield-key", 1, NULL, 't'},
	    {"count", 1, NULL, 'm'}, {"write", 1, NULL, 'w'}, {"wait", 0, NULL, 'a'},
	    {NULL, 0, NULL, 0}};
	int option;

	*o = (struct options){.seconds = 5, .sources = 1, .stride = 1, .recipe.clients = 1};
	while ((option = getopt_long(argc, argv, "", longs, NULL)) != -1)
		take_option(o, option, optarg);
	if (argc - optind != (o->write != NULL ? 1 : 3))
		show_usage();
	o->recipe.kind = kind_of(argv[optind]);
	check(o);
	return argv + optind;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void send_all(const struct options *o, struct packets *packets, struct wire *w)
{
	uint8_t first[WIRE_ADDRESS_BYTES] = {0}, source[WIRE_ADDRESS_BYTES];
	size_t address_size = o->source != NULL ? wire_address(first, o->source) : 0;
	bool counted = o->recipe.kind == PACKET_VALID; /* each is sent once */
	uint64_t made = 0, sent = 0;
	double start = now(), passed = 0;

	if (o->source != NULL && address_size != (w->ipv6 ? 16 : 4)) {
		fprintf(stderr, "bench-load: --source is of another family\n");
		exit(2);
	}
	while (counted ? made < o->recipe.count : passed < o->seconds) {
		double due = o->rate > 0 ? o->rate * passed : (double)(made + WIRE_BATCH);

		for (int i = 0;
		     i < WIRE_BATCH && (double)made < due && !(counted && made == o->recipe.count);
		     i++, made++) {
			packets_make(packets, wire_next(w), made);
			wire_source(w, source, first, (unsigned long)made % o->sources * o->stride);
			wire_add(w, packets_size(packets), source);
		}
		sent += wire_flush(w);
		passed = now() - start;
		if (o->rate > 0 && (double)made >= o->rate * passed)
			nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
		passed = now() - start;
	}
	printf("{\"sent\": %llu, \"refused_by_kernel\": %llu, \"seconds\": %.3f, \"pps\": %.0f}\n",
	    (unsigned long long)sent, (unsigned long long)(made - sent), passed,
	    (double)sent / passed);
}

static void write_all(const struct options *o, struct packets *packets)
{
	FILE *file = fopen(o->write, "wb");
	uint8_t packet[PACKET_MOST];

	if (file == NULL)
		fail(o->write);
	for (uint64_t i = 0; i < o->recipe.count; i++) {
		packets_make(packets, packet, i);
		fwrite(packet, packets_size(packets), 1, file);
	}
	if (fclose(file) != 0)
		fail(o->write);
}

static void wait_for_start(void)
{
	puts("ready");
	fflush(stdout);
	if (getchar() == EOF)
		exit(0);
}

int main(int argc, char **argv)
{
	static struct wire wire;
	struct options options;
	struct packets *packets;
	char **words;

	if (sodium_init() < 0)
		return 1;
	words = read_options(&options, argc, argv);
	prctl(PR_SET_TIMERSLACK, 1000UL);
	packets = packets_new(&options.recipe);
	if (options.write != NULL) {
		write_all(&options, packets);
	} else {
		wire_open(&wire, words[1], words[2], options.source != NULL);
		if (options.waits)
			wait_for_start();
		send_all(&options, packets, &wire);
	}
	packets_free(packets);
	free(options.captured);
	return fflush(stdout) == 0 ? 0 : 1;
}
