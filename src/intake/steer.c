#include "intake/steer.h"

#include <linux/filter.h>
#include <sys/socket.h>

#include "base/secret.h"

bool socket_steer(int fd, uint32_t count, uint32_t offset)
{
	uint32_t key[2];
	/* A datagram that ends before is the first socket's. The upper half of the product hangs on
	 * all bits below it. */
	struct sock_filter steps[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset),
	    BPF_STMT(BPF_ALU | BPF_XOR | BPF_K, 0), BPF_STMT(BPF_ALU | BPF_MUL | BPF_K, 0),
	    BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 16), BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, count),
	    BPF_STMT(BPF_RET | BPF_A, 0)};
	const struct sock_fprog program = {sizeof steps / sizeof *steps, steps};

	secret_random(key, sizeof key);
	steps[1].k = key[0];
	steps[2].k = key[1] | 1;
	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof program) == 0;
}
