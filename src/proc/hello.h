/* The first thing that a process hears: of which build its main is, and who it is to be. A process
 * of another build than main, as after half an upgrade, would take its messages for something else;
 * so it says so and ends. */
#ifndef PROC_HELLO_H
#define PROC_HELLO_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/log.h"

#define BUILD_ID_BYTES 16

extern const uint8_t build_id[BUILD_ID_BYTES];

/* The build id stays first in all builds to come. */
struct hello {
	uint8_t build_id[BUILD_ID_BYTES];
	uid_t uid;
	gid_t gid;
	struct log_settings log;
	bool best; /* sandbox_take_best */
};

/* Sends it with this build's id; false with errno. */
bool hello_send(int channel, struct hello hello);
/* Waits up to `timeout_ms`. False, having said why. */
bool hello_receive(int channel, struct hello *out, int timeout_ms);

#endif
