/* Puts the shield's programs into the kernel. Main does, before its sandbox closes: nobody can ask
 * for bpf() later. */
#ifndef BPF_LOAD_H
#define BPF_LOAD_H

#include <stdbool.h>
#include <stdint.h>

#define KERNEL_SHIELD_WHY_BYTES 256

#define KERNEL_SHIELD_RINGS_MOST 16

/* Descriptors; -1: there is none. */
struct kernel_shield_loaded {
	int xdp;     /* program */
	int socket;  /* program: the socket's filter */
	int control; /* pieces of memory to map (bpf/pages.h) */
	int addresses;
	int counts;
	uint32_t xdp_id; /* of the program, for as long as the kernel has it */
	uint32_t rings;  /* how many there are */
	/* Maps: where the program for devices hands knocks over (intake/ring.h), one for each
	 * doorman. */
	int ring[KERNEL_SHIELD_RINGS_MOST];
};

#define KERNEL_SHIELD_NONE                                                            \
	{                                                                             \
		.xdp = -1, .socket = -1, .control = -1, .addresses = -1, .counts = -1 \
	}

/* What is loaded besides the socket's filter. */
enum kernel_shield_parts {
	KERNEL_SHIELD_FILTER, /* nothing */
	KERNEL_SHIELD_DEVICE, /* the program for devices */
	KERNEL_SHIELD_RING,   /* that, and it takes knocks past the stack */
};

struct kernel_shield_wanted {
	uint16_t port;      /* of knocks */
	bool one_interface; /* the program is for the devices of one that is named */
	enum kernel_shield_parts parts;
	uint32_t doormen; /* KERNEL_SHIELD_RING: how many rings; 1 to KERNEL_SHIELD_RINGS_MOST */
};

/* False, and why not: the kernel's reason, or what this build lacks. */
bool kernel_shield_load(struct kernel_shield_loaded *out, const struct kernel_shield_wanted *wanted,
    char why[static KERNEL_SHIELD_WHY_BYTES]);
void kernel_shield_unload(struct kernel_shield_loaded *loaded);

#endif
