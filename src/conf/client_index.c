#include "conf/client_index.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "conf/error.h"
#include "conf/file.h"
#include "conf/index_use.h"
#include "conf/private.h"

static void use_start(struct index_use *use, struct conf_index_report *report, bool recording)
{
	*use = (struct index_use){.report = report, .recording = recording, .complete = true};
	use->began_ns = clock_real_ns();
}

static void refuse(struct conf_index_report *report, const char *path, const char *why)
{
	snprintf(report->refused, sizeof report->refused, "%.90s: %s", path, why);
}

/* Why what was loaded cannot be believed, or not be loaded, for the index's sake; NULL: it can. */
static const char *index_problem(const struct index_use *use, const struct conf *conf)
{
	if (use->old.data == NULL)
		return NULL;
	if (use->damaged)
		return "it is damaged";
	if (conf != NULL &&
	    memcmp(use->old.server_key, conf->public_key, sizeof conf->public_key) != 0)
		return "it belongs to a server with another key";
	return NULL;
}

/* Without the index where that must not be used, and as if it had never been there. */
static struct conf *load(struct index_use *use, const char *path,
    const struct conf_overlay *overlay, const char *index_path, struct conf_error *error)
{
	char *config = realpath(path, NULL), why[INDEX_WHY_BYTES] = "";
	struct conf_index_report *report = use->report;
	bool recording = use->recording;
	const char *problem;
	struct conf *conf;

	/* Else the loader says what is wrong with it. */
	if (config != NULL && !index_file_read(&use->old, index_path, config, why) && *why != '\0')
		refuse(report, index_path, why);
	free(config);
	conf = conf_load_using(path, overlay, use, error);
	problem = index_problem(use, conf);
	if (problem == NULL)
		return conf;
	conf_free(conf);
	index_use_free(use);
	*report = (struct conf_index_report){0};
	*error = (struct conf_error){.text = ""};
	refuse(report, index_path, problem);
	use_start(use, report, recording);
	return conf_load_using(path, overlay, use, error);
}

static int by_key(const void *a, const void *b)
{
	return memcmp(a, b, CONF_KEY_BYTES);
}

/* All keys of a configuration that was accepted, in their order. A client without one has zeros,
 * which nobody has vetted. */
static bool put_keys(struct stream *keys, const struct conf *conf)
{
	for (size_t i = 0; i < conf->client_count; i++) {
		const struct conf_key *key = &conf->clients[i].ed25519_pubkey;

		if (key->given && !stream_put(keys, key->bytes, CONF_KEY_BYTES))
			return false;
	}
	if (keys->used > 0)
		qsort(keys->data, keys->used / CONF_KEY_BYTES, CONF_KEY_BYTES, by_key);
	return true;
}

static void write_index(struct index_use *use, const struct conf *conf, const char *index_path)
{
	struct conf_index_report *report = use->report;
	char *config = realpath(conf->path, NULL), why[INDEX_WHY_BYTES] = "not enough memory";

	errno = 0;
	use->parts.owner.config = config;
	memcpy(use->parts.owner.server_key, conf->public_key, sizeof conf->public_key);
	report->written = config != NULL && use->complete && put_keys(&use->parts.keys, conf) &&
	                  index_file_write(&use->parts, index_path, why);
	report->permission = !report->written && (errno == EACCES || errno == EPERM);
	if (!report->written && *why != '\0')
		snprintf(report->failed, sizeof report->failed, "%.90s: %s", index_path, why);
	free(config);
}

static struct conf *load_indexed(const char *path, const struct conf_overlay *overlay,
    const char *index_path, struct conf_index_report *report, struct conf_error *error)
{
	struct index_use use;
	struct conf *conf;

	use_start(&use, report, false);
	conf = load(&use, path, overlay, index_path, error);
	index_use_free(&use);
	return conf;
}

struct conf *conf_load_indexed(const char *path, const char *index_path,
    struct conf_index_report *report, struct conf_error *error)
{
	struct conf_index_report ignored;

	if (report == NULL)
		report = &ignored;
	*report = (struct conf_index_report){0};
	return load_indexed(path, NULL, index_path, report, error);
}

struct conf *conf_load_with(const char *path, const struct conf_overlay *overlay,
    const char *index_path, struct conf_error *error)
{
	struct conf_index_report ignored = {0};

	return load_indexed(path, overlay, index_path, &ignored, error);
}

struct conf *conf_load_renewing(const char *path, const char *index_path, uint32_t most,
    struct conf_index_report *report, struct conf_error *error)
{
	struct index_use use;
	struct conf *conf;

	*report = (struct conf_index_report){0};
	use_start(&use, report, true);
	conf = load(&use, path, NULL, index_path, error);
	if (conf != NULL && (most == CONF_INDEX_ALWAYS || *report->refused != '\0' ||
	                        report->vetted > most || use.gain > most))
		write_index(&use, conf, index_path);
	index_use_free(&use);
	return conf;
}

struct conf *conf_load_prepared(const char *path, const char *index_path, struct conf_error *error)
{
	struct conf_index_report report;
	struct conf *conf = conf_load_renewing(path, index_path, CONF_INDEX_WORTH, &report, error);
	char count[24];

	if (*report.refused != '\0')
		log_event(LOG_LEVEL_WARN, "the index of clients is not used", "why", report.refused,
		    NULL);
	if (*report.failed != '\0')
		log_event(LOG_LEVEL_WARN, "the index of clients cannot be written", "why",
		    report.failed, NULL);
	snprintf(count, sizeof count, "%u", report.vetted);
	if (report.written)
		log_event(LOG_LEVEL_INFO, "the index of clients was written", "file", index_path,
		    "keys_vetted", count, NULL);
	return conf;
}

bool conf_index_prepare(const char *config_path, const char *index_path, struct conf_error *error)
{
	struct conf *conf = conf_load_prepared(config_path, index_path, error);
	bool ok = conf != NULL;

	conf_free(conf);
	return ok;
}

char *conf_index_path(const char *state_dir)
{
	return file_join(state_dir, CONF_INDEX_FILE);
}
