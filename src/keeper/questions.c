/* Knocks about which a program of the administrator's has to be asked: whose key, or for how long.
 * Each waits in a slot; with the answer it is admitted once more, from the start. */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/secret.h"
#include "keeper/keeper.h"

#define WAITING_MOST     512
#define WAITING_OF_KIND  (WAITING_MOST / 2) /* for keys, and for durations */
#define WAITING_OF_ASKER 16

struct question_slot {
	uint32_t ticket; /* 0: free */
	uint32_t ticks;  /* until the answer is late */
	struct knock knock;
};

static void release(struct keeper_questions *q, struct question_slot *s)
{
	q->waiting--;
	secret_wipe(s, sizeof *s);
}

static bool same_request(const struct asked *a, const struct asked *b)
{
	return memcmp(a->nonce, b->nonce, sizeof a->nonce) == 0 &&
	       memcmp(a->device, b->device, sizeof a->device) == 0;
}

/* True when the two have to share. A device whose signature was verified pays for itself; before
 * that it is only named, by whoever the source is. */
static bool same_asker(const struct knock *a, const struct knock *b)
{
	if (a->question != b->question)
		return false;
	return a->question == QUESTION_KEY
	           ? addr_same_sender(&a->packet.record.source, &b->packet.record.source)
	           : memcmp(a->packet.asked.device, b->packet.asked.device, DEVICE_UUID_BYTES) == 0;
}

/* A free slot, unless the same request waits already: what a replay is, before it can be one. Nor
 * for who has enough of them; and strangers, who can ask for keys only, leave half of them. */
static struct question_slot *find_slot(
    struct keeper_questions *q, const struct knock *knock, enum verdict *why)
{
	struct question_slot *found = NULL;
	uint32_t of_asker = 0, of_kind = 0;

	*why = VERDICT_BUSY;
	for (size_t i = 0; i < WAITING_MOST; i++) {
		struct question_slot *s = &q->slots[i];

		if (s->ticket == 0) {
			found = found == NULL ? s : found;
			continue;
		}
		if (same_request(&s->knock.packet.asked, &knock->packet.asked)) {
			*why = VERDICT_REPLAYED;
			return NULL;
		}
		of_kind += s->knock.question == knock->question;
		of_asker += same_asker(&s->knock, knock);
	}
	return of_kind >= WAITING_OF_KIND || of_asker >= WAITING_OF_ASKER ? NULL : found;
}

static struct runner_request request_of(const struct knock *knock, uint32_t ticket)
{
	const struct asked *asked = &knock->packet.asked;
	struct runner_request r = {.ticket = ticket, .task = RUNNER_PUBLIC_KEY};

	memcpy(r.device, asked->device, sizeof r.device);
	if (knock->question == QUESTION_KEY)
		return r;
	r.task = RUNNER_AUTHORIZE;
	r.ports = asked->ports;
	r.behind_nat = asked->behind_nat;
	r.client_address = knock->target;
	r.server_address = asked->server;
	r.timestamp_s = asked->timestamp_ns / NS_PER_SECOND;
	return r;
}

void keeper_ask(struct keeper *k, const struct knock *knock)
{
	struct keeper_questions *q = &k->questions;
	enum verdict why = VERDICT_PROGRAM_FAILED;
	struct question_slot *s = q->runner.channel.fd < 0 ? NULL : find_slot(q, knock, &why);
	struct runner_request request;

	if (s == NULL) {
		keeper_report(k, why, knock);
		return;
	}
	if (++q->last_ticket == 0)
		q->last_ticket = 1;
	request = request_of(knock, q->last_ticket);
	if (!channel_try_send(&q->runner.channel, MESSAGE_RUN, &request)) {
		if (errno != EAGAIN)
			keeper_deserted(k);
		keeper_report(k, VERDICT_BUSY, knock);
		return;
	}
	s->ticket = q->last_ticket;
	s->ticks = k->patience;
	s->knock = *knock;
	q->waiting++;
	keeper_tick(k, true);
}

/* False, and the verdict, when the answer ends it. */
static bool take_program_result(struct knock *knock, const struct runner_reply *r, enum verdict *v)
{
	bool about_key = knock->question == QUESTION_KEY;

	switch (r->outcome) {
	case RUNNER_DONE:
		break;
	case RUNNER_REFUSED:
		*v = about_key ? VERDICT_UNKNOWN_SIGNER : VERDICT_NOT_AUTHORIZED;
		return false;
	case RUNNER_BUSY:
		*v = VERDICT_BUSY;
		return false;
	default:
		*v = VERDICT_PROGRAM_FAILED;
		return false;
	}
	if (!about_key) {
		knock->program_result.duration_s = r->duration_s;
		*v = VERDICT_NOT_AUTHORIZED;
		return r->duration_s > 0;
	}
	memcpy(knock->program_result.key.modulus, r->modulus, sizeof r->modulus);
	memcpy(knock->program_result.key.exponent, r->exponent, sizeof r->exponent);
	knock->program_result.has_key = true;
	*v = VERDICT_PROGRAM_FAILED;
	return codec_key_sound(&knock->program_result.key);
}

static void take_answer(struct keeper *k, const struct runner_reply *r)
{
	struct keeper_questions *q = &k->questions;
	struct knock *next = &k->judged;
	struct question_slot *s = NULL;
	enum verdict v;

	for (size_t i = 0; i < WAITING_MOST && s == NULL; i++) {
		if (r->ticket != 0 && q->slots[i].ticket == r->ticket)
			s = &q->slots[i];
	}
	if (s == NULL && q->late > 0) {
		q->late--;
		return;
	}
	if (s == NULL) {
		log_line(LOG_LEVEL_ERROR, "the runner answered what was not asked");
		keeper_deserted(k);
		return;
	}
	*next = s->knock;
	release(q, s);
	if (!take_program_result(next, r, &v))
		keeper_report(k, v, next);
	else if (keeper_admit(k, next) == VERDICT_ASKED)
		keeper_ask(k, next);
	codec_wipe(&next->packet);
	keeper_commit(k);
}

void keeper_questions_check(struct keeper *k)
{
	struct keeper_questions *q = &k->questions;

	for (size_t i = 0; i < WAITING_MOST && q->waiting > 0; i++) {
		struct question_slot *s = &q->slots[i];

		if (s->ticket == 0 || --s->ticks > 0)
			continue;
		keeper_report(k, VERDICT_PROGRAM_FAILED, &s->knock);
		release(q, s);
		q->late++;
	}
	if (q->late < LATE_MOST || k->stopping)
		return;
	log_line(LOG_LEVEL_ERROR, "the runner does not answer any more");
	keeper_deserted(k);
}

bool keeper_take_program_result(
    void *context, const struct runner_reply *m, struct message_fds *fds)
{
	struct keeper *k = context;

	(void)fds;
	if (!k->stopping)
		take_answer(k, m);
	return true;
}

bool keeper_questions_open(struct keeper *k, struct message_fds *fds)
{
	struct keeper_questions *q = &k->questions;

	q->runner.channel.fd = -1;
	if (fds->fd[FD_RUNNER] < 0)
		return true;
	q->slots = secret_alloc(WAITING_MOST * sizeof *q->slots);
	if (q->slots == NULL)
		return false;
	q->runner.closed = keeper_deserted;
	return process_open_peer(&k->process, &q->runner, ROLE_RUNNER, fds);
}
