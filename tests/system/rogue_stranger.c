/* A doorman that has been taken over, to be put in the place of postern-doorman. It serves nobody.
 * The first knock that reaches it makes it bad, by the word that stands where the nonce of its seal
 * is:
 *
 *   flood      tells of strangers as fast as main takes it
 *   granted    tells of one that was let in
 *   protocol   tells of one by a protocol that there is not
 *   ahead      tells of a clock where none was looked at
 *   revoked    tells of a client
 *   audit      says what the keeper alone may say */
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "proc/process.h"

#define WORD_AT    33 /* behind the version and the ephemeral key */
#define WORD_BYTES 12
#define FLOOD      20000

MESSAGES_TO_DOORMAN(MESSAGE_DECLARE)

struct doorman {
	struct process process;
	struct peer keeper;
	struct loop_source door;
	bool bad;
};

static bool is(const char *word, const char *how)
{
	return strncmp(word, how, WORD_BYTES) == 0;
}

static struct message_stranger one(unsigned int number)
{
	struct message_stranger m = {.verdict = VERDICT_UNKNOWN_SIGNER};

	memset(m.source.bytes + 10, 0xff, 2);
	memcpy(m.source.bytes + 12, &number, sizeof number);
	return m;
}

static void flood(const struct channel *main)
{
	for (unsigned int i = 0; i < FLOOD; i++) {
		const struct message_stranger m = one(i);

		channel_send(main, MESSAGE_DOORMAN_STRANGER, &m, NULL);
	}
}

static void be_bad(const struct channel *main, const char *word)
{
	const struct channel as_keeper = {main->fd, ROLE_KEEPER, ROLE_MAIN};
	static const struct message_audit grant = {.kind = AUDIT_GRANT, .client = "mallory"};
	struct message_stranger m = one(1);

	if (is(word, "flood"))
		flood(main);
	if (is(word, "audit"))
		channel_send(&as_keeper, MESSAGE_AUDIT, &grant, NULL);
	if (is(word, "granted"))
		m.verdict = VERDICT_GRANTED;
	else if (is(word, "revoked"))
		m.verdict = VERDICT_REVOKED;
	else if (is(word, "protocol"))
		m.protocol = RECORD_PROTOCOLS;
	else if (is(word, "ahead"))
		m.ahead_s = 1;
	else
		return;
	channel_send(main, MESSAGE_DOORMAN_STRANGER, &m, NULL);
}

static void knocked(void *context)
{
	struct doorman *d = context;
	char bytes[RECORD_BYTES_MAX] = {0};
	struct iovec part = {bytes, sizeof bytes};
	struct msghdr datagram = {.msg_iov = &part, .msg_iovlen = 1};
	char word[WORD_BYTES + 1] = "";

	if (recvmsg(d->door.fd, &datagram, MSG_DONTWAIT) <= 0 || d->bad)
		return;
	d->bad = true;
	memcpy(word, bytes + WORD_AT, WORD_BYTES);
	log_event(LOG_LEVEL_WARN, "rogue doorman", "how", word, NULL);
	be_bad(&d->process.main.channel, word);
	log_event(LOG_LEVEL_WARN, "rogue doorman is done", NULL);
}

bool doorman_begin(void *context, const struct message_begin *m, struct message_fds *fds)
{
	struct doorman *d = context;

	(void)m;
	return process_open_peer(&d->process, &d->keeper, ROLE_KEEPER, fds);
}

bool doorman_take_config(void *context, const struct message_secret *m, struct message_fds *fds)
{
	struct doorman *d = context;
	int fd = message_fds_take(fds, FD_OPENME);

	(void)m;
	if (fd >= 0) {
		d->door = (struct loop_source){fd, knocked, d};
		loop_add(&d->process.loop, &d->door);
	}
	process_report(&d->process, 0);
	return true;
}

bool doorman_take_stop(void *context, const struct message_empty *m, struct message_fds *fds)
{
	struct doorman *d = context;

	(void)m;
	(void)fds;
	process_report(&d->process, 0);
	return true;
}

bool doorman_take_back(void *context, const struct message_knock_back *m, struct message_fds *fds)
{
	(void)context;
	(void)m;
	(void)fds;
	return true;
}

bool doorman_take_granted(void *context, const struct message_granted *m, struct message_fds *fds)
{
	(void)context;
	(void)m;
	(void)fds;
	return true;
}

MESSAGES_TO_DOORMAN(MESSAGE_TAKE)

static message_handler *const handlers[MESSAGE_COUNT] = {MESSAGES_TO_DOORMAN(MESSAGE_ENTRY)};

int main(void)
{
	static struct doorman d;

	return process_run(&d.process, ROLE_DOORMAN, &sandbox_doorman, handlers, &d, NULL);
}
