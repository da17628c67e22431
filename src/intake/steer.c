#include "intake/steer.h"

#include <string.h>
#include <sys/socket.h>

#include "base/secret.h"

enum { STEP_MASK, STEP_FACTOR };

struct steer_key steer_new_key(void)
{
	struct steer_key key;

	secret_random(&key, sizeof key);
	key.factor |= 1;
	return key;
}

void steer_put_steps(
    struct sock_filter out[static STEER_STEPS], const struct steer_key *key, uint32_t count)
{
	const struct sock_filter steps[STEER_STEPS] = {
	    [STEP_MASK] = BPF_STMT(BPF_ALU | BPF_XOR | BPF_K, key->mask),
	    [STEP_FACTOR] = BPF_STMT(BPF_ALU | BPF_MUL | BPF_K, key->factor),
	    BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 16),
	    BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, count),
	};

	memcpy(out, steps, sizeof steps);
}

bool steer_key_of(struct steer_key *out, const struct sock_filter steps[static STEER_STEPS])
{
	*out = (struct steer_key){steps[STEP_MASK].k, steps[STEP_FACTOR].k};
	return (out->factor & 1) != 0;
}

bool socket_steer(int fd, uint32_t count, uint32_t offset)
{
	const struct steer_key key = steer_new_key();
	/* A datagram that ends before is the first socket's. */
	struct sock_filter steps[STEER_STEPS + 2] = {
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset),
	    [STEER_STEPS + 1] = BPF_STMT(BPF_RET | BPF_A, 0),
	};
	const struct sock_fprog program = {sizeof steps / sizeof *steps, steps};

	steer_put_steps(steps + 1, &key, count);
	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof program) == 0;
}
