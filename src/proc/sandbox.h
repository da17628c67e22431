/* What each role may do once it runs: the policy is data, in sandbox_policy.c and sandbox_denied.c.
 * A sandbox that cannot be closed stops the start; which layers may be left out is said in
 * sandbox_ladder.c. */
#ifndef PROC_SANDBOX_H
#define PROC_SANDBOX_H

#include <seccomp.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/log.h"

struct sandbox_policy {
	/* Lists of system calls, closed by NULL; each closed by -1. They may be used, all others
	 * end the process; or, with `narrow`, they are refused and all others may be used, but for
	 * what it adds to the filter. */
	const int *const *calls;
	bool (*narrow)(scmp_filter_ctx filter, bool root);
	const int *capabilities; /* that it keeps, closed by -1; NULL: none */
	bool as_started;         /* of them only those that it was started with */
	bool executes; /* other programs: they get its capabilities; files by sandbox_read_only */
};

extern const struct sandbox_policy sandbox_doorman, sandbox_keeper, sandbox_desk;
extern const struct sandbox_policy sandbox_main, sandbox_runner, sandbox_privileged_runner;

/* Layers that a kernel may have been built without, or a container may withhold. */
enum sandbox_layer {
	SANDBOX_LANDLOCK,
	SANDBOX_SECCOMP,
	SANDBOX_MEMORY, /* that can be locked: found missing by who locks it */
	SANDBOX_LAYERS
};

const char *sandbox_layer_name(enum sandbox_layer layer);
/* 0, or the error that tells that there is no such layer here, which other errors do not. */
int sandbox_lacks(enum sandbox_layer layer);
/* From now on, in this process and those that it forks: a layer that is lacking is left out.
 * Otherwise no sandbox is closed without it. */
void sandbox_take_best(bool best);
bool sandbox_is_left_out(enum sandbox_layer layer);
/* Says that it is missing, by which error, how much of it is needed (or NULL), and what that means
 * or what to do. True when it is to be left out. `say` is as log_event. */
typedef void sandbox_say(enum log_level level, const char *message, ...);
bool sandbox_goes_without(enum sandbox_layer layer, int err, const char *needed, sandbox_say *say);
/* The layers that were said to be left out in this process: bit 1 << layer for each. */
unsigned int sandbox_without(void);

/* For a role that executes: takes away every way to change a file but `writable` and what stands
 * under it ("": nothing), /dev/null and /dev/full. False with errno. Before sandbox_close. */
bool sandbox_read_only(const char *writable);

/* Gives up a capability that the role could keep. Before sandbox_close. */
bool sandbox_give_up(int capability);

/* Fills a filter that ends the process with what is allowed, lists as in a policy, for the
 * architectures that it is for. sandbox_close does so. */
bool sandbox_allow(scmp_filter_ctx filter, const int *const *calls);

/* On some processors the arguments of mmap, and those of socket as C libraries call it, are in
 * memory, where no filter sees them. */
bool sandbox_hides_mmap(scmp_filter_ctx filter);
bool sandbox_hides_socket(scmp_filter_ctx filter);

/* Gives up, in this order and for good: core dumps and tracing, groups and user, capabilities,
 * new privileges, the file system (Landlock), system calls (seccomp). `uid` 0 keeps the user
 * (main, and a privileged runner that is to be root, which loses its capabilities all the same).
 * False when any of it failed; it has said which.
 *
 * A build with sanitizers, for tests only, keeps files, tracing and system calls open: at its end
 * a sanitizer starts a process that looks into this one. So does a build with -Dsandbox=off, for
 * debuggers, which says so as an error and leaves core dumps as they are; sandbox_read_only does
 * nothing there. */
bool sandbox_close(const struct sandbox_policy *policy, uid_t uid, gid_t gid);

#endif
