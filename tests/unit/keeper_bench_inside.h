/* What the parts of the keeper's bench share; tests go by keeper_bench.h alone. */
#ifndef TESTS_KEEPER_BENCH_INSIDE_H
#define TESTS_KEEPER_BENCH_INSIDE_H

#include "fw/fw.h"
#include "keeper_bench.h"
#include "openspa_case.h"
#include "proto/openme.h"

extern struct bench {
	struct keeper keeper;
	struct message_audit audit[BENCH_AUDIT_MOST];
	size_t audit_count;
	struct message_stranger stranger;
	struct bench_config config;
	struct bench_config in_force;
	uint64_t generation;
	int64_t real_ns, boot_ns, asleep_ns;
	int64_t desk_pause_ns, repair_ns;                       /* as they were set last */
	struct channel main, doorman, desk, runner, privileged; /* the far ends */
	int journal;
	struct held *held;
	struct counters counted; /* by bench_outcome */
	struct message_knock last;
	enum bench_client last_by;
	struct openspa_case keys;
	uint8_t server_secret[OPENME_SECRET_BYTES];
} bench;

void bench_sign_secret(uint8_t secret[static OPENME_SIGN_BYTES], enum bench_client by);
void bench_uuid(uint8_t uuid[static DEVICE_UUID_BYTES], enum bench_device device);

struct ports bench_ports(struct bench_what what);

/* The firewall in memory: empty, and nothing installed. */
void bench_fw_reset(void);
/* As if it had been opened. */
void bench_fw_put_into(struct fw *fw);

#endif
