/* What the audit log says of refused senders that nobody here knows. The doorman, which faces the
 * network, tells of them: all that it can cause is such lines, and no more than fit. */
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "base/clock.h"
#include "main/audit.h"
#include "proc/stranger.h"

/* Of each verdict, in a burst and then each so often: of eight verdicts, 35,000 lines a day. */
#define TOLD_BURST 30
#define TOLD_NS    (20 * NS_PER_SECOND)
#define COUNTS_NS  (60 * NS_PER_SECOND)
/* That may wait for the writer; the rest of its room is for others. */
#define ROOM_BYTES (1 << 17)

void audit_open_strangers(struct audit_strangers *s)
{
	for (int v = 0; v < VERDICT_COUNT; v++)
		s->told[v] = (struct rate){
		    .interval_ns = TOLD_NS, .burst = TOLD_BURST, .tokens = TOLD_BURST};
	s->counts = (struct rate){.interval_ns = COUNTS_NS, .burst = 1, .tokens = 1};
}

static bool is_sound(const struct message_stranger *m)
{
	if (m->verdict != VERDICT_COUNT && !stranger_is_told_of((enum verdict)m->verdict))
		return false;
	return m->protocol < RECORD_PROTOCOLS && (m->ahead_s == 0 || m->verdict == VERDICT_STALE);
}

/* What they tell of does not find the room taken that grants need. */
static bool has_room(const struct audit *a)
{
	int waiting = 0;

	return a->fd < 0 || ioctl(a->fd, SIOCOUTQ, &waiting) != 0 || waiting < ROOM_BYTES;
}

static bool write_left_out(struct audit *a)
{
	struct audit_line l;

	audit_line_left_out(&l, a->strangers.left_out);
	if (!audit_give(a, AUDIT_SET_STRANGERS, &l))
		return false;
	a->strangers.left_out = 0;
	return true;
}

static bool write_line(struct audit *a, const struct message_stranger *m)
{
	char source[ADDR_TEXT_BYTES];
	struct audit_line l;

	audit_line_begin(&l, "stranger", clock_real_ns());
	audit_line_text(&l, "rule", m->protocol == RECORD_OPENSPA ? "openspa" : "openme");
	audit_line_text(&l, "source", addr_text(&m->source, source));
	audit_line_number(&l, "source_port", m->source_port);
	audit_line_text(&l, "verdict", verdict_name((enum verdict)m->verdict));
	if (m->verdict == VERDICT_STALE)
		audit_line_number(&l, "ahead", m->ahead_s);
	return audit_give(a, AUDIT_SET_STRANGERS, &l);
}

static void count(struct audit_strangers *s, uint64_t more)
{
	s->left_out = more > UINT64_MAX - s->left_out ? UINT64_MAX : s->left_out + more;
}

bool audit_take_stranger(struct audit *a, const struct message_stranger *m)
{
	struct audit_strangers *s = &a->strangers;
	int64_t now_ns = clock_boot_ns();

	if (!is_sound(m))
		return false;
	count(s, m->left_out);
	if (m->verdict == VERDICT_COUNT)
		return true;
	/* Before the log is opened there are no limits yet, either. */
	if (s->counts.interval_ns == 0 || !rate_take(&s->told[m->verdict], now_ns) ||
	    !has_room(a) ||
	    (s->left_out > 0 && rate_take(&s->counts, now_ns) && !write_left_out(a)) ||
	    !write_line(a, m))
		count(s, 1);
	return true;
}

void audit_close_strangers(struct audit *a)
{
	if (a->strangers.left_out > 0)
		(void)write_left_out(a);
}
