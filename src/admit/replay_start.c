/* The file of the replay guard as a start finds it. Main puts it in order, before there is anybody
 * else; the keeper goes on with that. */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "admit/replay_file.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/secret.h"

/* The kernel writes what is mapped to the disk within half a minute or so. */
#define LOST_MOMENTS_NS (60 * NS_PER_SECOND)

int replay_memory_file(void)
{
	return memfd_create("postern-replay", MFD_CLOEXEC);
}

bool replay_file_reserve(int fd, uint32_t sets)
{
	off_t size = (off_t)REPLAY_FILE_BYTES(
	    ((uint64_t)sets + REPLAY_BLOCK - 1) / REPLAY_BLOCK * REPLAY_BLOCK);
	struct stat st;

	if (fstat(fd, &st) != 0)
		return false;
	errno = posix_fallocate(fd, 0, st.st_size > size ? st.st_size : size);
	return errno == 0;
}

/* --- Closing what is not known any more */

/* Whatever could have been admitted before this start is stamped no later. */
static int64_t closed_until(const struct replay_start *s, enum replay_kind kind)
{
	int64_t until;

	return __builtin_add_overflow(s->now_ns, s->window_ns[kind], &until) ? INT64_MAX : until;
}

static void close_all(struct replay *r, const struct replay_start *s, const char *why)
{
	char until[REPLAY_KINDS][CLOCK_TEXT_BYTES];

	for (int i = 0; i < REPLAY_KINDS; i++) {
		enum replay_kind kind = (enum replay_kind)i;

		replay_raise_floor(r, kind, closed_until(s, kind));
		clock_text(closed_until(s, kind), until[kind]);
	}
	log_event(LOG_LEVEL_ERROR,
	    "what was granted before this start is not known: whatever could have been is refused",
	    "file", "replay", "why", why, "knocks_stamped_until", until[REPLAY_CLIENT],
	    "requests_stamped_until", until[REPLAY_DEVICE], NULL);
}

/* --- A new file */

/* What it is comes last: what is cut short is closed by the next start. */
static void begin_anew(struct replay *r, const struct replay_start *s, const char *why)
{
	struct replay_header *h = r->header;

	memset(h, 0, REPLAY_PAGE);
	secret_random(h->key, sizeof h->key);
	r->marks = (struct replay_marks){
	    .clock_ns = INT64_MIN, .floor_ns = {[REPLAY_CLIENT] = INT64_MIN, INT64_MIN}};
	if (why != NULL)
		close_all(r, s, why);
	replay_save_marks(r);
	replay_save_marks(r);
	memcpy(h->boot_id, s->boot_id, sizeof h->boot_id);
	h->version = REPLAY_VERSION;
	h->magic = REPLAY_MAGIC;
}

/* --- One that was there */

static bool marks_sound(const struct replay *r, const struct replay_marks *m)
{
	return m->check == replay_marks_check(r, m) && m->used <= r->there;
}

/* Why the file as a whole says nothing, or NULL. */
static const char *whole_fault(struct replay *r, off_t size)
{
	const struct replay_header *h = r->header;
	const struct replay_marks *a = &h->marks[0], *b = &h->marks[1];
	bool a_sound, b_sound;

	if (size < REPLAY_PAGE)
		return "the file is too short";
	if (h->magic != REPLAY_MAGIC)
		return "the file is damaged";
	if (h->version != REPLAY_VERSION)
		return "the file is another version's";
	a_sound = marks_sound(r, a);
	b_sound = marks_sound(r, b);
	if (!a_sound && !b_sound)
		return "the file is damaged or cut off";
	r->marks = !b_sound || (a_sound && a->turn > b->turn) ? *a : *b;
	return NULL;
}

static bool all_zero(const struct replay_set *set)
{
	return sodium_is_zero((const uint8_t *)set, sizeof *set);
}

static bool holder_sound(const struct replay *r, const struct replay_set *set, bool new_boot)
{
	/* A power loss may have kept one that was new from getting to the disk. */
	return set->holder_check == replay_holder_check(r, set) || (new_boot && all_zero(set));
}

static bool all_holders_sound(const struct replay *r, bool new_boot)
{
	for (uint32_t i = 0; i < r->marks.used; i++)
		if (!holder_sound(r, &r->sets[i], new_boot))
			return false;
	return true;
}

static void close_damaged(struct replay *r, const struct replay_start *s, bool new_boot)
{
	uint32_t damaged = 0;

	for (uint32_t i = 0; i < r->marks.used; i++) {
		struct replay_set *set = &r->sets[i];

		if (!holder_sound(r, set, new_boot) || all_zero(set)) {
			replay_empty_set(r, set, 0, INT64_MIN);
		} else if (set->check != replay_set_check(r, set)) {
			replay_empty_set(
			    r, set, set->holder, closed_until(s, replay_kind_of(set->holder)));
			damaged++;
		}
	}
	if (damaged > 0)
		log_line(LOG_LEVEL_ERROR,
		    "what was granted to %u clients or devices is damaged in the file replay: each "
		    "is refused what it could have sent before this start",
		    damaged);
}

/* The last moments before a new boot may be lost, but nothing in them was stamped after it. With
 * a clock that is wrong, they end a while after the last that is known. */
static void check_clock(struct replay *r, const struct replay_start *s, bool new_boot)
{
	bool behind = s->now_ns < r->marks.clock_ns;
	char mark[CLOCK_TEXT_BYTES], now[CLOCK_TEXT_BYTES];
	int64_t floor_ns = new_boot ? s->boot_ns + REPLAY_TOLERANCE_NS : INT64_MIN;

	if (behind && new_boot)
		r->marks.clock_ns += LOST_MOMENTS_NS;
	if (behind && floor_ns < r->marks.clock_ns)
		floor_ns = r->marks.clock_ns;
	for (int kind = 0; kind < REPLAY_KINDS; kind++)
		replay_raise_floor(r, (enum replay_kind)kind, floor_ns);
	if (!behind)
		return;
	r->marks.clock_behind = 1;
	replay_save_marks(r);
	replay_save_marks(r);
	log_event(LOG_LEVEL_ERROR,
	    "the clock is behind the last knock that was granted: nothing is granted until it has "
	    "passed that; set it right, or remove the file replay while posternd is stopped",
	    "now", clock_text(s->now_ns, now), "last", clock_text(r->marks.clock_ns, mark), NULL);
}

/* What closes comes before what makes good: wherever this is cut short, the next start finds what
 * is to be closed. */
static void take_over(struct replay *r, const struct replay_start *s)
{
	bool new_boot = memcmp(r->header->boot_id, s->boot_id, sizeof s->boot_id) != 0;

	if (!all_holders_sound(r, new_boot))
		close_all(r, s, "a part of the file is damaged, and it cannot be told whose");
	close_damaged(r, s, new_boot);
	if (new_boot) /* by the clock of another one, and the machine was not killed alone */
		memset(r->header->pending, 0, sizeof r->header->pending);
	check_clock(r, s, new_boot);
	/* To both places, whichever of them was read. */
	replay_save_marks(r);
	replay_save_marks(r);
	memcpy(r->header->boot_id, s->boot_id, sizeof s->boot_id);
}

/* Maps the file, of that size. */
static bool map_file(struct replay *r, int fd, off_t size)
{
	*r = (struct replay){.fd = fd};
	if (size > REPLAY_PAGE)
		r->there = (uint32_t)(((size_t)size - REPLAY_PAGE) / sizeof(struct replay_set));
	return replay_map(r, r->there);
}

bool replay_prepare(int fd, const struct replay_start *s)
{
	const char *fault = s->origin == REPLAY_LOST ? "there is none that can be used" : NULL;
	struct replay r;
	struct stat st;

	if (fstat(fd, &st) != 0 || !replay_file_reserve(fd, 0) || !map_file(&r, fd, st.st_size))
		return false;
	if (s->origin == REPLAY_KEPT)
		fault = whole_fault(&r, st.st_size);
	if (s->origin == REPLAY_KEPT && fault == NULL)
		take_over(&r, s);
	else
		begin_anew(&r, s, fault);
	r.fd = -1; /* still the caller's */
	replay_close(&r);
	return true;
}

bool replay_open(struct replay *r, int fd)
{
	struct stat st;

	*r = (struct replay){.fd = fd};
	if (fstat(fd, &st) != 0 || !map_file(r, fd, st.st_size))
		return false;
	errno = EINVAL;
	if (whole_fault(r, st.st_size) != NULL || !replay_map(r, r->there))
		return false;
	replay_pending_open(r);
	return true;
}

bool replay_open_empty(struct replay *r, uint32_t holders, int64_t window_ns)
{
	const struct replay_start start = {
	    .origin = REPLAY_FIRST, .window_ns = {[REPLAY_CLIENT] = window_ns, window_ns}};
	int fd = replay_memory_file();

	*r = (struct replay){0};
	return fd >= 0 && replay_prepare(fd, &start) && replay_open(r, fd) &&
	       replay_configure(r, holders, start.window_ns);
}
