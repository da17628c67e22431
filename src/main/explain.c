#include "main/explain.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admit/replay_file.h"
#include "base/clock.h"
#include "base/exit.h"
#include "base/fd.h"
#include "base/secret.h"
#include "conf/values.h"
#include "main/config_push.h"
#include "proto/hint.h"
#include "proto/shield.h"
#ifdef HAVE_OPENSPA
#include "proto/rsa_key.h"
#endif

#define FILE_BYTES_MAX (256 << 20)

/* --- The two processes in one */

/* A signature by any client, as the doorman finds it in the end. */
static uint32_t find_signer(const struct snapshot *s, const struct knock *k)
{
	for (uint32_t i = 0; i < s->client_count; i++) {
		if (codec_verify_knock(&k->packet, s->clients[i].public_key))
			return i;
	}
	return DIRECTORY_NOBODY;
}

static bool fits(const struct conf_secret *secret, const uint8_t *packet, int64_t now_ns)
{
	struct shield_keys keys;
	bool found = false;

	shield_keys_of_half(
	    &keys, secret->bytes, secret->bytes == NULL ? 0 : 1, shield_half(now_ns));
	for (uint32_t i = 0; i < keys.count; i++)
		found |= shield_tag_fits(&keys.key[i], packet);
	secret_wipe(&keys, sizeof keys);
	return found;
}

/* As the doorman looks at it on arrival. False when the shield keeps it out. */
static bool explain_tag(
    struct explanation *x, const struct knock *k, const struct conf_server *server)
{
	const struct record *r = &k->packet.record;
	bool passed;

	if (x->config->settings->shield == CONF_SHIELD_OFF || r->protocol != RECORD_OPENME ||
	    !codec_right_size(r) || !codec_right_version(r) || !codec_well_formed(r))
		return true;
	x->tag_key = fits(&server->shield_key, r->bytes, x->now_ns)       ? "shield_key"
	             : fits(&server->shield_key_old, r->bytes, x->now_ns) ? "shield_key_old"
	                                                                  : NULL;
	passed = x->tag_key != NULL || x->config->settings->shield != CONF_SHIELD_REQUIRE;
	for (enum check check = CHECK_SIZE; check < CHECK_TAG; check++)
		explain_check(x, check, true, k);
	explain_check(x, CHECK_TAG, passed, k);
	return passed;
}

/* Of whom only knocks with a hint count. */
static bool is_found_by_hint(const struct snapshot *s, const struct knock *k, const uint8_t *secret)
{
	const struct asked *asked = &k->packet.asked;
	uint8_t key[HINT_KEY_BYTES];
	bool fits = hint_key_of_server(
	                key, secret, s->settings->public_key, s->clients[k->holder].public_key) &&
	            hint_fits(key, asked->nonce, asked->timestamp_ns, asked->target.bytes,
	                k->packet.record.bytes + 1);

	secret_wipe(key, sizeof key);
	return fits;
}

static enum verdict judge(
    struct explanation *x, struct knock *k, const struct codec_secrets *secrets)
{
	static struct budget budget;
	uint32_t holders = snapshot_holders(x->config);
	struct directory *directory = directory_new(x->config);
	struct grant_table *grants = grant_table_new(1, holders);
	struct replay replay;
	struct admission a = {.side = ADMIT_DOORMAN,
	    .config = x->config,
	    .secrets = secrets,
	    .budget = &budget,
	    .directory = directory,
	    .replay = &replay,
	    .holders = holders,
	    .grants = grants,
	    .now_ns = x->now_ns,
	    .trace = explain_check,
	    .trace_context = x};
	enum verdict v = VERDICT_NO_MEMORY;

	budget_init(&budget);
	if (replay_open_empty(&replay, holders, x->config->settings->replay_window_ns) &&
	    directory != NULL && grants != NULL)
		v = admit(&a, k);
	if (v == VERDICT_HANDED_ON && k->packet.record.protocol == RECORD_OPENME)
		k->holder = find_signer(x->config, k);
	if (v == VERDICT_HANDED_ON && k->holder != DIRECTORY_NOBODY &&
	    k->packet.record.protocol == RECORD_OPENME && x->config->clients[k->holder].hint_only &&
	    !is_found_by_hint(x->config, k, secrets->openme))
		k->holder = DIRECTORY_NOBODY;
	if (v == VERDICT_HANDED_ON) {
		a.side = ADMIT_KEEPER;
		v = admit(&a, k);
	}
	replay_close(&replay);
	grant_table_free(grants);
	directory_free(directory);
	/* The doorman tries every key before it says so. */
	return v == VERDICT_WRONG_SIGNER ? VERDICT_UNKNOWN_SIGNER : v;
}

static int conclude(const struct explanation *x, enum verdict v, const struct knock *k)
{
	char target[ADDR_TEXT_BYTES];

	if (v == VERDICT_GRANTED) {
		fputs("granted: opens ", stdout);
		explain_ports(x->config, k);
		printf(" for %s, for ", addr_text(&k->target, target));
		explain_seconds((double)k->duration_ns / 1e9);
		putchar('\n');
		return EXIT_DONE;
	}
	if (v == VERDICT_ASKED) {
		printf("undecided: a script or helper is asked for %s\n",
		    k->question == QUESTION_KEY ? "the device's key" : "how long");
		return EXIT_NO_ANSWER;
	}
	printf("refused: %s: %s\n", verdict_name(v), verdict_meaning(v));
	return EXIT_REFUSED;
}

/* By the port it was sent to; where nobody knows that, by its first byte. */
static enum record_protocol protocol_of(const struct captured *c, const struct settings *s)
{
	if (!s->openme || !s->openspa.enabled)
		return s->openme ? RECORD_OPENME : RECORD_OPENSPA;
	if (c->number > 0 && (c->port == s->udp_port || c->port == s->openspa.port))
		return c->port == s->openspa.port ? RECORD_OPENSPA : RECORD_OPENME;
	return c->size > 0 && c->bytes[0] == 0x10 ? RECORD_OPENSPA : RECORD_OPENME;
}

static int explain_knock(struct explanation *x, const struct addr *source, const struct conf *conf)
{
	const struct captured *c = x->packet;
	struct codec_secrets secrets = {.openme = conf_server_secret(conf)};
	struct knock *k = secret_alloc(sizeof *k);
	struct record *r;
	int status;

	if (k == NULL) {
		fputs("posternd: no locked memory to be had\n", stderr);
		return EXIT_FAILED;
	}
#ifdef HAVE_OPENSPA
	if (conf_has_openspa(conf))
		secrets.openspa = rsa_key_new(conf_openspa_secret(conf));
#endif
	r = &k->packet.record;
	r->source = *source;
	r->source_port = c->source_port;
	r->protocol = (uint8_t)protocol_of(c, x->config->settings);
	r->size = (uint16_t)(c->size > RECORD_BYTES_MAX ? RECORD_BYTES_MAX + 1 : c->size);
	memcpy(r->bytes, c->bytes, r->size > RECORD_BYTES_MAX ? RECORD_BYTES_MAX : r->size);
	status = conclude(
	    x, explain_tag(x, k, conf_server(conf)) ? judge(x, k, &secrets) : VERDICT_UNTAGGED, k);
#ifdef HAVE_OPENSPA
	rsa_key_free(secrets.openspa);
#endif
	secret_free(k);
	return status;
}

/* --- What is to be explained */

/* The caller frees *bytes. False, having said why. */
static bool read_file(uint8_t **bytes, size_t *size, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	ssize_t got = -1;

	*bytes = NULL;
	if (fd >= 0 && fstat(fd, &st) == 0) {
		errno = S_ISREG(st.st_mode) ? EFBIG : EINVAL;
		if (S_ISREG(st.st_mode) && st.st_size <= FILE_BYTES_MAX &&
		    (*bytes = malloc((size_t)st.st_size + 1)) != NULL)
			got = read(fd, *bytes, (size_t)st.st_size);
	}
	if (got < 0)
		fprintf(stderr, "posternd: %s: %s\n", path, strerror(errno));
	*size = got < 0 ? 0 : (size_t)got;
	fd_close(fd);
	return got >= 0;
}

static int usage_error(const char *what, const char *found)
{
	fprintf(stderr, "posternd: %s: \"%s\"\nTry \"posternd --help\".\n", what, found);
	return EXIT_USAGE;
}

static void introduce_packet(
    const struct explanation *x, const struct addr *source, const struct explain_options *o)
{
	const struct captured *c = x->packet;
	const struct settings *s = x->config->settings;
	char from[ADDR_TEXT_BYTES], to[ADDR_TEXT_BYTES];

	if (c->number > 0)
		printf("packet %u: from %s port %u to %s port %u\n", c->number,
		    addr_text(source, from), c->source_port, addr_text(&c->destination, to),
		    c->port);
	else
		printf("datagram: from %s\n", addr_text(source, from));
	printf("judged as of ");
	explain_time(x->now_ns);
	puts(o->at != NULL ? "" : c->has_time ? ", when it was captured" : ", now");
	if (c->number > 0 && c->port != (s->openme ? s->udp_port : s->openspa.port) &&
	    c->port != (s->openspa.enabled ? s->openspa.port : s->udp_port))
		printf("note: this server does not listen on port %u\n", c->port);
}

static int explain_file(
    const struct explain_options *o, const struct conf *conf, const struct snapshot *config)
{
	const struct settings *s = config->settings;
	const uint16_t ports[2] = {
	    s->openme ? s->udp_port : 0, s->openspa.enabled ? s->openspa.port : 0};
	struct captured packet;
	struct explanation x = {.config = config, .packet = &packet, .now_ns = clock_real_ns()};
	const char *why = NULL;
	struct addr source;
	uint8_t *bytes;
	size_t size;
	int status;

	if (o->at != NULL && !value_time(&x.now_ns, o->at, &why))
		return usage_error("--at is no time", o->at);
	if (o->source != NULL && !addr_parse(&source, o->source))
		return usage_error("--source is no address", o->source);
	if (!read_file(&bytes, &size, o->file))
		return EXIT_FAILED;
	why = capture_find(&packet, bytes, size, o->packet, ports);
	if (why != NULL) {
		fprintf(stderr, "posternd: %s: %s\n", o->file, why);
		status = EXIT_FAILED;
	} else if (o->source == NULL && packet.number == 0) {
		status =
		    usage_error("no capture, so --source must say where it came from", o->file);
	} else {
		if (o->source == NULL)
			source = packet.source;
		if (o->at == NULL && packet.has_time)
			x.now_ns = packet.time_ns;
		introduce_packet(&x, &source, o);
		status = explain_knock(&x, &source, conf);
	}
	free(bytes);
	return status;
}

int explain(const struct explain_options *options, struct conf *conf)
{
	static const struct addr nothing_found[2];
	struct config_push layout = config_push_empty();
	int status = EXIT_FAILED;

	/* What Echo-IP services would tell is not asked for: any address is taken for ours. */
	conf_set_public(conf, nothing_found);
	if (config_push_open(&layout, conf_write_snapshot(conf, 1)))
		status = explain_file(options, conf, &layout.snapshot);
	config_push_close(&layout);
	return status;
}
