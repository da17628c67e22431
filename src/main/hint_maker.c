#include "main/hint_maker.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/libc.h"
#include "base/log.h"
#include "base/secret.h"
#include "client/hint_keys.h"
#include "conf/hint_index.h"
#include "proc/child.h"

#define NICE        19
#define PROCESSOR_S 3600
#define PUBLISH_AT  64   /* keys made, some ms */
#define WORTH       1000 /* keys made, to be kept on disk: below that they are made at once */
#define FIRST       64   /* keys made by main itself */

_Static_assert(HINT_CLIENTS_MOST == CONF_MAX_CLIENTS, "there is a number for each client");

/* --- The child */

struct work {
	const char *state_dir;
	const uint8_t *secret;
	const struct snapshot *config;
	struct hint_keys *keys;
	struct snapshot old; /* of which there are keys already; zeroed: none */
	const struct hint_keys *old_keys;
	struct hint_index index;
};

/* Of main's descriptors. Those of its state are locked as long as one process has them. */
static bool keep_two(int one, int two)
{
	const int kept[] = {one < two ? one : two, one < two ? two : one};
	int from = STDERR_FILENO + 1;

	for (int i = 0; i < 2; i++) {
		if (kept[i] < from)
			continue;
		if (kept[i] > from &&
		    close_range((unsigned int)from, (unsigned int)kept[i] - 1, 0) != 0)
			return false;
		from = kept[i] + 1;
	}
	return close_range((unsigned int)from, ~0U, 0) == 0;
}

/* Main's signals, descriptors and rights are not its own, and it ends with main. Until it has given
 * up the sockets no next daemon can have them: it steps back after that. Its name comes last: what
 * has it, has nothing of main's any more. */
static bool leave_main(pid_t parent)
{
	sigset_t none;
	bool left;

	sigemptyset(&none);
	(void)child_limit(RLIMIT_CPU, PROCESSOR_S);
	capng_clear(CAPNG_SELECT_BOTH);
	left = child_tie_to(parent) && sigprocmask(SIG_SETMASK, &none, NULL) == 0 &&
	       prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && capng_apply(CAPNG_SELECT_CAPS) == 0 &&
	       close_range(STDERR_FILENO + 1, ~0U, 0) == 0;
	(void)setpriority(PRIO_PROCESS, 0, NICE);
	return left && prctl(PR_SET_NAME, "postern-hints") == 0;
}

/* Those of the last configuration, of which some may be missing, if the server's key is the same.
 */
static void open_old(struct work *w, const struct hint_maker *h)
{
	if (h->snapshot < 0 || h->keys < 0 || !snapshot_map(&w->old, h->snapshot))
		return;
	if (memcmp(w->old.settings->public_key, w->config->settings->public_key,
	        OPENME_PUBLIC_BYTES) == 0)
		w->old_keys = hint_keys_map(h->keys, w->old.client_count);
}

static void read_index(struct work *w)
{
	char why[INDEX_WHY_BYTES] = "", *path = hint_index_path(w->state_dir);

	if (path != NULL &&
	    !hint_index_read(&w->index, path, w->config->settings->public_key, why) && *why != '\0')
		log_event(LOG_LEVEL_WARN, "the index of hint keys is not used, and made anew",
		    "file", path, "why", why, NULL);
	free(path);
}

static const uint8_t *find_known(const struct work *w, const uint8_t *client)
{
	int64_t old = w->old_keys == NULL ? -1 : snapshot_find_client(&w->old, client);

	if (old >= 0 && old < hint_keys_ready(w->old_keys))
		return w->old_keys->keys[old];
	return hint_index_find(&w->index, client);
}

static void copy_known(const struct work *w)
{
	for (uint32_t i = 0; i < w->config->client_count; i++) {
		const uint8_t *known = find_known(w, w->config->clients[i].public_key);

		if (known != NULL)
			memcpy(w->keys->keys[i], known, HINT_KEY_BYTES);
	}
}

/* How many there were to make. */
static uint32_t make_others(const struct work *w)
{
	uint32_t made = 0;

	for (uint32_t i = 0; i < w->config->client_count; i++) {
		if (hint_keys_has(w->keys, i))
			continue;
		hint_key_of_server(w->keys->keys[i], w->secret, w->config->settings->public_key,
		    w->config->clients[i].public_key);
		if (++made % PUBLISH_AT == 0)
			hint_keys_publish(w->keys, i + 1);
	}
	hint_keys_publish(w->keys, w->config->client_count);
	return made;
}

/* So that the next start need not make them again. */
static void write_index(const struct work *w)
{
	const struct snapshot *s = w->config;
	struct hint_row *rows = calloc((size_t)s->client_count + 1, sizeof *rows);
	char why[INDEX_WHY_BYTES] = "not enough memory", *path = hint_index_path(w->state_dir);
	bool written = false;

	for (uint32_t i = 0; rows != NULL && i < s->client_count; i++) {
		memcpy(rows[i].client, s->clients[s->by_key[i]].public_key, sizeof rows[i].client);
		memcpy(rows[i].key, w->keys->keys[s->by_key[i]], sizeof rows[i].key);
	}
	if (rows != NULL && path != NULL)
		written =
		    hint_index_write(path, s->settings->public_key, rows, s->client_count, why);
	if (written)
		log_event(LOG_LEVEL_INFO, "the index of hint keys was written", "file", path, NULL);
	else
		log_event(LOG_LEVEL_WARN, "the index of hint keys cannot be written", "file", path,
		    "why", why, NULL);
	free(path);
	free(rows);
}

static _Noreturn void be_maker(const struct hint_maker *h, const struct main_options *options,
    struct message_secret *secret, const struct config_push *push, pid_t parent)
{
	bool apart = keep_two(h->snapshot, h->keys); /* first of all */
	uint8_t *own = secret_alloc(sizeof secret->secret);
	struct work w = {.state_dir = options->state_dir,
	    .secret = own,
	    .config = &push->snapshot,
	    .keys = push->hint_keys};

	if (own == NULL || !apart)
		child_give_up("cannot make hint keys");
	memcpy(own, secret->secret, sizeof secret->secret);
	secret_wipe(secret, sizeof *secret); /* this copy of it is not locked */
	open_old(&w, h);
	if (!leave_main(parent)) {
		if (getppid() != parent)
			_exit(0); /* main has ended: nobody needs them */
		child_give_up("cannot make hint keys");
	}
	read_index(&w);
	copy_known(&w);
	if (make_others(&w) >= WORTH)
		write_index(&w);
	secret_free(own);
	_exit(0);
}

/* --- Main */

void hint_maker_first(const struct message_secret *secret, struct config_push *push)
{
	const struct snapshot *s = &push->snapshot;
	const uint32_t count = s->client_count < FIRST ? s->client_count : FIRST;

	if (push->hints < 0)
		return;
	for (uint32_t i = 0; i < count; i++)
		hint_key_of_server(push->hint_keys->keys[i], secret->secret,
		    s->settings->public_key, s->clients[i].public_key);
	hint_keys_publish(push->hint_keys, count);
}

static void keep(struct hint_maker *h, const struct config_push *push)
{
	fd_close(h->snapshot);
	fd_close(h->keys);
	h->snapshot = h->keys = -1;
	if (push->hints < 0)
		return;
	h->snapshot = fcntl(push->fd, F_DUPFD_CLOEXEC, 0);
	h->keys = fcntl(push->hints, F_DUPFD_CLOEXEC, 0);
}

void hint_maker_start(struct hint_maker *h, const struct main_options *options,
    struct message_secret *secret, struct config_push *push)
{
	pid_t parent = getpid();

	hint_maker_end(h);
	if (push->hints >= 0) {
		h->pid = fork();
		if (h->pid == 0)
			be_maker(h, options, secret, push, parent);
		if (h->pid < 0)
			log_event(LOG_LEVEL_WARN, "cannot start what makes hint keys", "error",
			    strerror(errno), NULL);
	}
	if (h->pid < 0)
		h->pid = 0;
	keep(h, push);
}

void hint_maker_check(struct hint_maker *h)
{
	char how[40];
	int status;

	if (h->pid == 0 || waitpid(h->pid, &status, WNOHANG) != h->pid)
		return;
	h->pid = 0;
	if (status != 0)
		log_event(LOG_LEVEL_WARN,
		    "what makes hint keys has ended early: knocks are served, some of them slower",
		    "how", child_how_ended(how, sizeof how, status), "remedy", "postern reload",
		    NULL);
}

void hint_maker_end(struct hint_maker *h)
{
	if (h->pid == 0)
		return;
	kill(h->pid, SIGKILL);
	waitpid(h->pid, NULL, 0);
	h->pid = 0;
}
