/* Puts the shield's programs into the kernel. Main does, before its sandbox closes: nobody can ask
 * for bpf() later. */
#ifndef BPF_LOAD_H
#define BPF_LOAD_H

#include <stdbool.h>
#include <stdint.h>

#define KERNEL_SHIELD_WHY_BYTES 256

/* Descriptors; -1: there is none. */
struct kernel_shield_loaded {
	int xdp;     /* program */
	int socket;  /* program: the socket's filter */
	int control; /* pieces of memory to map (bpf/pages.h) */
	int addresses;
	int counts;
	int ring;        /* map: where the program for devices hands knocks over (intake/ring.h) */
	uint32_t xdp_id; /* of the program, for as long as the kernel has it */
};

#define KERNEL_SHIELD_NONE                \
	{                                 \
		-1, -1, -1, -1, -1, -1, 0 \
	}

/* What is loaded besides the socket's filter. */
enum kernel_shield_parts {
	KERNEL_SHIELD_FILTER, /* nothing */
	KERNEL_SHIELD_DEVICE, /* the program for devices */
	KERNEL_SHIELD_RING,   /* that, and it takes knocks past the stack */
};

/* For the knock port. False, and why not: the kernel's reason,
 * or what this build lacks. */
bool kernel_shield_load(struct kernel_shield_loaded *out, uint16_t port, bool one_interface,
    enum kernel_shield_parts parts, char why[static KERNEL_SHIELD_WHY_BYTES]);
void kernel_shield_unload(struct kernel_shield_loaded *loaded);

#endif
