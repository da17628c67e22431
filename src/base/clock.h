/* CLOCK_REALTIME judges a packet's timestamp and a client's expiry; CLOCK_BOOTTIME everything
 * else. Callers read the clock once per event and pass the value on, so tests choose it. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#define NS_PER_SECOND 1000000000LL
#define NS_PER_MS     1000000LL

int64_t clock_real_ns(void);
int64_t clock_boot_ns(void);
/* For how long the machine has slept since it was started. CLOCK_BOOTTIME goes on meanwhile; what
 * the kernel times by its own ticks, such as elements of nftables' sets, does not. */
int64_t clock_asleep_ns(void);

/* Processor time of this thread, whoever else has had the processor meanwhile. */
int64_t clock_spent_ns(void);

struct timespec clock_timespec(int64_t ns);

#define CLOCK_BOOT_ID_BYTES 40
/* What this start of the machine is called, filled up with zeros. False with errno. */
bool clock_boot_id(char id[static CLOCK_BOOT_ID_BYTES]);

#define CLOCK_TEXT_BYTES 32
/* RFC 3339 UTC with whole seconds, "2026-11-21T10:00:00Z". Returns `text`. */
const char *clock_text(int64_t real_ns, char text[static CLOCK_TEXT_BYTES]);

#endif
