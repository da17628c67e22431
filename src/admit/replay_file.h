/* The file that the replay guard stands in: a page of its own, then sets of 1024 bytes, one for
 * each holder that has knocked, in no order. A page never holds half a set, so that a power loss
 * leaves each set as it was at some moment.
 *
 *   page 0   what the file is, its key, the boot that wrote it, marks, twice, and what is pending
 *   set      whose (a keyed hash), its floor, REPLAY_ENTRIES of stamp and keyed hash of the nonce
 *
 * Each part has its check. What is found damaged is closed for as long as something that stood in
 * it could be sent again: one set for its holder, anything else for everybody. */
#ifndef ADMIT_REPLAY_FILE_H
#define ADMIT_REPLAY_FILE_H

#include <stddef.h>

#include "admit/replay.h"
#include "base/clock.h"

#define REPLAY_PAGE    4096
#define REPLAY_BLOCK   16 /* sets by which the file grows */
#define REPLAY_MAGIC   UINT64_C(0x79616c7065727470)
#define REPLAY_VERSION 1
#define REPLAY_PENDING 64 /* more than one transaction of the firewall has */

/* What main has found in the state directory. */
enum replay_origin {
	REPLAY_KEPT,  /* a file, perhaps a damaged one */
	REPLAY_FIRST, /* none, and there never was one: nothing has been granted */
	REPLAY_LOST,  /* none that can be used: anything may have been granted */
};

struct replay_entry {
	int64_t timestamp_ns;
	uint64_t nonce; /* 0: free */
};

struct replay_set {
	uint64_t holder;
	uint64_t holder_check;
	int64_t floor_ns;
	uint64_t check; /* of floor and entries */
	struct replay_entry entries[REPLAY_ENTRIES];
};

/* Written by turns to two places: one of them is whole at every moment. */
struct replay_marks {
	uint64_t turn;
	int64_t clock_ns; /* of the last packet that was admitted */
	int64_t floor_ns[REPLAY_KINDS];
	uint32_t used;         /* sets */
	uint32_t clock_behind; /* not granting until the clock has passed clock_ns */
	uint64_t check;
};

/* Remembered and not granted yet, with the end of the grant (replay_pending.c). */
struct replay_pending {
	uint64_t holder; /* 0: nothing stands here */
	uint64_t nonce;
	struct addr source;
	int64_t until_ns; /* CLOCK_BOOTTIME */
	uint64_t check;
};

/* Without a check of its own: with another key no check holds, and another boot closes more. */
struct replay_header {
	uint64_t magic;
	uint64_t version;
	uint8_t key[16];
	char boot_id[CLOCK_BOOT_ID_BYTES];
	struct replay_marks marks[2];
	struct replay_pending pending[REPLAY_PENDING]; /* zero in files of before */
};

_Static_assert(sizeof(struct replay_set) == 1024, "four to a page");
_Static_assert(sizeof(struct replay_header) <= REPLAY_PAGE, "a page of its own");

#define REPLAY_FILE_BYTES(sets) (REPLAY_PAGE + (size_t)(sets) * sizeof(struct replay_set))

struct replay {
	int fd;
	struct replay_header *header;
	struct replay_set *sets;
	uint32_t there;    /* sets that the file has room for */
	uint32_t capacity; /* sets that it may grow to */
	struct replay_marks marks;
	int64_t window_ns[REPLAY_KINDS];
	uint32_t *index; /* number of a set + 1, by its holder */
	uint32_t index_mask;
	uint32_t index_used;
	uint32_t hand;          /* where a set that may be given away is looked for next */
	uint64_t pending_left;  /* places, as bits: of those that another process has left */
	uint64_t pending_begun; /* of those that are ours to settle */
};

struct replay_start {
	enum replay_origin origin;
	char boot_id[CLOCK_BOOT_ID_BYTES]; /* of the machine, since boot_ns by the clock */
	int64_t boot_ns;
	int64_t now_ns;
	int64_t window_ns[REPLAY_KINDS];
};

/* --- replay_start.c */

/* A file in memory, for want of a better one; -1 with errno. */
int replay_memory_file(void);
/* Has all of the file's blocks there, `sets` at least: what is written to a hole of a full disk is
 * fatal. False with errno. */
bool replay_file_reserve(int fd, uint32_t sets);
/* Closes what is not known any more, and says so: once, before it is used. False with errno. */
bool replay_prepare(int fd, const struct replay_start *start);
/* Maps `fd`, which it takes over and which was prepared. False with errno. */
bool replay_open(struct replay *r, int fd);
/* One that has seen nothing, in memory, for `holders` clients or devices. */
bool replay_open_empty(struct replay *r, uint32_t holders, int64_t window_ns);

/* --- replay_file.c */

/* Makes ready for that many holders; the file grows when they knock. False when memory is short. */
bool replay_configure(
    struct replay *r, uint32_t holders, const int64_t window_ns[static REPLAY_KINDS]);
/* Safe on a zeroed one. */
void replay_close(struct replay *r);

/* --- For replay.c */

uint64_t replay_holder_hash(const struct replay *r, const struct replay_packet *p);
uint64_t replay_nonce_hash(const struct replay *r, const struct replay_packet *p);
/* The holder's set, or NULL. */
struct replay_set *replay_find(const struct replay *r, uint64_t holder);
/* A set for a holder that has none: a new one, or one in which all is past. NULL: no room. */
struct replay_set *replay_take(struct replay *r, uint64_t holder, int64_t now_ns);
void replay_put_entry(
    const struct replay *r, struct replay_set *set, uint32_t i, int64_t stamp, uint64_t nonce);
void replay_put_floor(const struct replay *r, struct replay_set *set, int64_t floor_ns);
/* Writes the marks. After one call one of two places holds them, after two calls both. */
void replay_save_marks(struct replay *r);
/* True when the set and the marks are on the disk. */
bool replay_sync(const struct replay *r, const struct replay_set *set);
/* The clock has passed the mark that it was found behind at the start. */
void replay_clock_recovered(struct replay *r, int64_t now_ns);

/* --- replay_pending.c */

/* Finds what was left. */
void replay_pending_open(struct replay *r);
/* Whether it was left by another process, with that source, and has a second to go at least. */
bool replay_pending_was_left(
    const struct replay *r, uint64_t holder, uint64_t nonce, const struct addr *source);
/* Ours now, and pending until replay_settle. `begun` has no check yet. */
void replay_pending_begin(struct replay *r, const struct replay_pending *begun);
/* The same for one that was left; its end, 0 without. */
int64_t replay_pending_go_on(struct replay *r, uint64_t holder, uint64_t nonce);

/* --- Between replay_file.c and replay_start.c */

uint64_t replay_holder_check(const struct replay *r, const struct replay_set *set);
uint64_t replay_set_check(const struct replay *r, const struct replay_set *set);
void replay_empty_set(
    const struct replay *r, struct replay_set *set, uint64_t holder, int64_t floor_ns);
uint64_t replay_marks_check(const struct replay *r, const struct replay_marks *m);
/* For all of that kind; nothing when it stands higher already. */
void replay_raise_floor(struct replay *r, enum replay_kind kind, int64_t floor_ns);
/* Maps room for `capacity` sets and indexes those that are used. */
bool replay_map(struct replay *r, uint32_t capacity);

/* True for what has left the window for good; what is stamped ahead stays. */
bool replay_is_past(int64_t timestamp_ns, int64_t now_ns, int64_t window_ns);
static inline enum replay_kind replay_kind_of(uint64_t holder)
{
	return (enum replay_kind)(holder & 1);
}

#endif
