/* What the keeper asks of a runner, and what it gets. A runner carries the administrator's own
 * programs: it holds no key and believes nothing it is told by them that does not parse whole.
 * Every field has a fixed size; text from a program never gets further than the runner.
 *
 * Two processes of the same code: `runner` asks (public key, authorization) and has no privileges;
 * the privileged one changes rules by script, and its programs have CAP_NET_ADMIN and CAP_NET_RAW.
 * Every request is answered once, in any order. The keeper sends with channel_try_send and takes a
 * full channel for RUNNER_BUSY; it waits for the answer to one rule of a grant before it asks the
 * next, schedules the removals, and asks again for what failed. */
#ifndef PROC_PROGRAM_H
#define PROC_PROGRAM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "snapshot/snapshot.h"

enum runner_task {
	RUNNER_PUBLIC_KEY,   /* userDirectoryService: the device's key */
	RUNNER_AUTHORIZE,    /* authorization: for how long */
	RUNNER_RULE_ADD,     /* ruleAdd */
	RUNNER_RULE_REMOVE,  /* ruleRemove */
	RUNNER_SERVER_START, /* serverStart: the privileged runner's, asked by main */
	RUNNER_SERVER_STOP,  /* serverStop */
	RUNNER_TASK_COUNT,
};

enum runner_outcome {
	RUNNER_DONE,
	RUNNER_REFUSED, /* it ran and said no, nothing, or nonsense */
	RUNNER_FAILED,  /* it could not be run, or ended badly */
	RUNNER_TIMEOUT,
	RUNNER_BUSY, /* nothing was run: the queue is full, or it waited there for a deadline */
};

/* A question. Fields that a task does not use are zero. */
struct runner_request {
	uint32_t ticket; /* the keeper's, handed back */
	uint8_t task;    /* enum runner_task */
	bool behind_nat;
	struct ports ports;
	uint16_t duration_s;
	uint8_t device[DEVICE_UUID_BYTES];
	struct addr client_address;
	struct addr server_address;
	int64_t timestamp_s;
};

struct runner_reply {
	uint32_t ticket;
	uint8_t outcome;      /* enum runner_outcome */
	uint16_t duration_s;  /* RUNNER_AUTHORIZE: 1..65535 */
	uint8_t modulus[256]; /* RUNNER_PUBLIC_KEY: big-endian */
	uint8_t exponent[8];
};

/* How one task is carried out. Lives in main's memory and goes to the runner before its sandbox
 * closes; paths are absolute. Tasks with the same helper share one process of it. */
#define RUNNER_PATH_BYTES 512
struct runner_program {
	uint8_t asked; /* enum conf_asked: SCRIPT or HELPER; NATIVE: not at all */
	char path[RUNNER_PATH_BYTES];
};

#define RUNNER_DEADLINE_MS_MOST (10 * 60 * 1000)
#define RUNNER_AT_ONCE_MOST     64
#define RUNNER_QUEUE_MOST       4096
#define RUNNER_OUTPUT_MOST      65536
struct runner_settings {
	struct runner_program programs[RUNNER_TASK_COUNT];
	uint32_t deadline_ms;  /* for one answer; 1..RUNNER_DEADLINE_MS_MOST */
	uint32_t most_at_once; /* scripts that run at the same time; 1..RUNNER_AT_ONCE_MOST */
	uint32_t queue_most;   /* questions of one kind that wait; 1..RUNNER_QUEUE_MOST */
	uint32_t output_most;  /* bytes a program may print for one answer; 1..RUNNER_OUTPUT_MOST */
	/* The one folder or file that programs may write to, if the user they run as may; "": all
	 * that this user may, nothing if that is root. They read and execute what the user may. */
	char writable[RUNNER_PATH_BYTES];
};

/* serverStart or serverStop: main's to ask, while all others are the keeper's. */
bool runner_task_is_mains(uint8_t task);
/* The privileged runner's, while all others are the runner's. */
bool runner_task_is_privileged(uint8_t task);
/* Whether everything is inside its bounds. */
bool runner_settings_fit(const struct runner_settings *s);
/* Leaves the programs that are the privileged runner's, or the runner's; the others are not asked.
 */
void runner_settings_keep(struct runner_settings *s, bool privileged);
/* Whether a rule is made by a program. */
bool runner_settings_make_rules(const struct runner_settings *s);
/* How many processes the programs of a runner may have together. */
uint32_t runner_settings_processes(const struct runner_settings *s);

#endif
