/* The shield in the kernel: main puts its programs there before its sandbox closes, has the filter
 * look at the knock socket, tells the programs which addresses are ours, and has the keeper attach
 * the one for devices, also to those that come back. */
#ifndef MAIN_KERNEL_SHIELD_H
#define MAIN_KERNEL_SHIELD_H

#include "base/loop.h"
#include "bpf/attach.h"
#include "bpf/load.h"
#include "conf/links.h"
#include "ctl/control.h"
#include "snapshot/snapshot.h"

#define SHIELDED_MOST 32

struct shielded_device {
	int index;    /* 0: nothing here */
	bool present; /* of those that were seen last */
	bool asked;   /* the keeper has not answered yet */
	bool failed;  /* and is not asked again until the device is another */
	uint8_t mode; /* enum attach_mode */
};

struct kernel_shield {
	struct kernel_shield_loaded loaded;
	struct kernel_shield_addresses *addresses;
	struct loop_source source; /* netlink: links and addresses; fd -1: not watched */
	struct shielded_device devices[SHIELDED_MOST];
	bool overflow;             /* of addresses: said */
	bool no_device;            /* the same */
	bool filter;               /* looks at the socket */
	enum control_shield place; /* where junk is dropped first, at the least of the devices */
	enum control_intake intake;
};

#define KERNEL_SHIELD_EMPTY                                         \
	{                                                           \
		.loaded = KERNEL_SHIELD_NONE, .source = {.fd = -1 } \
	}

/* Takes away what an earlier daemon has left at devices, known by its note beside the control
 * socket, and loads what server.shield_at and server.intake ask for; what cannot be had is said,
 * and the next place is used. With intake: xdp its program is at the devices then, and knocks wait,
 * in a ring for each of the `doormen`, or loaded.rings is 0. False, having said why, when nothing
 * could be heard.
 */
bool kernel_shield_open(struct kernel_shield *k, const struct settings *settings,
    unsigned int doormen, const char *control);
/* For a start that fails: nobody would read what is taken from devices. */
void kernel_shield_let_go(struct kernel_shield *k);
/* Has the filter look at the sockets, one of each doorman (-1: there is none). */
void kernel_shield_filter(struct kernel_shield *k, const int sockets[], unsigned int count);

/* --- shield_open.c, for kernel_shield.c */

#define KERNEL_SHIELD_BEHIND "junk is dropped in the daemon alone"

/* Whether the program is to be there: at the one that is named, or each that is hardware, or looks
 * like it. */
bool kernel_shield_is_for(const char *interface, const struct link *link);
/* 0: a free place. NULL: there is none. */
struct shielded_device *kernel_shield_device(struct kernel_shield *k, int index);
const char *kernel_shield_refused(int error);
void kernel_shield_say_stands(const char *device, uint8_t mode);
/* By what the devices have: `place` and `intake`. Whether one of these has changed. */
bool kernel_shield_look(struct kernel_shield *k);
#endif
