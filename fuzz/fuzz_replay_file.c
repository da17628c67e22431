/* Any bytes as the state directory's file of the replay guard, or a sound one with any damage:
 * nothing that was granted gets in again, nor from elsewhere what a kill has cut off, and after its
 * window everybody does.
 *
 * Input: how; then the file itself, or its length and pairs of a place and what is flipped there.
 */
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admit/replay_file.h"
#include "base/bytes.h"
#include "base/secret.h"
#include "fuzz.h"

#define S       INT64_C(1000000000)
#define NOW     (INT64_C(1795206902) * S)
#define WINDOW  (60 * S)
#define GRANTED 70

enum { HOME = 1, ELSEWHERE };

static struct replay guard;

static struct replay_start start_of(enum replay_origin origin)
{
	return (struct replay_start){.origin = origin,
	    .boot_id = "this boot",
	    .boot_ns = NOW - 3600 * S,
	    .now_ns = NOW + S,
	    .window_ns = {[REPLAY_CLIENT] = WINDOW, WINDOW}};
}

static void open_guard(int fd, enum replay_origin origin)
{
	const struct replay_start start = start_of(origin);

	must(replay_prepare(fd, &start));
	must(replay_open(&guard, fd));
	must(replay_configure(&guard, 16, start.window_ns));
}

/* Every seventh is cut off by a kill before its grant: the last of them are left pending. */
static void settle(uint32_t n)
{
	if (n % 7 == 0)
		guard.pending_begun = 0;
	else
		replay_settle(&guard);
}

static enum verdict verdict_of(uint32_t n, uint8_t source, int64_t stamp, int64_t now)
{
	uint8_t holder[32] = {(uint8_t)(n % 5)}, nonce[REPLAY_NONCE_BYTES] = {(uint8_t)n};
	const struct replay_packet p = {
	    n % 4 == 0 ? REPLAY_DEVICE : REPLAY_CLIENT, holder, nonce, stamp, {{source}}};
	enum verdict v = replay_check(&guard, &p, now);
	int64_t until_ns = INT64_MAX;

	if (v == VERDICT_PASS)
		v = replay_remember(&guard, &p, now, &until_ns);
	settle(n);
	return v;
}

static int64_t stamp_of(uint32_t n)
{
	return NOW + (int64_t)n + (n % 3 == 0 ? 55 * S : 0);
}

static int sound_file(void)
{
	int fd = replay_memory_file();

	must(fd >= 0);
	open_guard(dup(fd), REPLAY_FIRST);
	for (uint32_t n = 0; n < GRANTED; n++)
		must(verdict_of(n, HOME, stamp_of(n), NOW + 1000) == VERDICT_PASS);
	replay_close(&guard);
	return fd;
}

static int damaged_file(struct reader *r)
{
	int fd = sound_file();
	struct stat st;
	uint8_t *bytes;

	if (reader_u8(r) % 2 == 0)
		must(ftruncate(fd, reader_u16(r)) == 0);
	must(fstat(fd, &st) == 0);
	if (st.st_size == 0)
		return fd;
	bytes = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	must(bytes != MAP_FAILED);
	while (r->left > 2) {
		size_t place = reader_u16(r);

		bytes[place % (size_t)st.st_size] ^= reader_u8(r);
	}
	munmap(bytes, (size_t)st.st_size);
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reader r = reader_of(data, size);
	int fd = reader_u8(&r) % 8 == 0 ? fuzz_file(r.data, r.left) : damaged_file(&r);

	for (int64_t later = 1; later <= 60; later += 59) {
		open_guard(dup(fd), REPLAY_KEPT);
		for (uint32_t n = 0; n < GRANTED; n++)
			must(
			    verdict_of(n, ELSEWHERE, stamp_of(n), NOW + later * S) != VERDICT_PASS);
		replay_close(&guard);
	}
	open_guard(fd, REPLAY_KEPT);
	for (uint32_t n = 0; n < 20; n++)
		must(verdict_of(100 + n, HOME, NOW + 62 * S, NOW + 62 * S) == VERDICT_PASS);
	replay_close(&guard);
	return 0;
}
