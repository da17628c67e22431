#include "layers.h"

#include <cap-ng.h>
#include <grp.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <sys/syscall.h>

#ifndef LAYER_FILES
#define LAYER_FILES true
#endif
#ifndef LAYER_CALLS
#define LAYER_CALLS true
#endif

bool layer_rights = true;
bool layer_files = LAYER_FILES;
bool layer_calls = LAYER_CALLS;

int __real_seccomp_load(scmp_filter_ctx filter);
int __real_capng_apply(capng_select_t set);
int __real_capng_change_id(int uid, int gid, capng_flags_t flag);
int __real_setgroups(size_t count, const gid_t *groups);
long __real_syscall(long number, ...);

int __wrap_seccomp_load(scmp_filter_ctx filter)
{
	return layer_calls ? __real_seccomp_load(filter) : 0;
}

int __wrap_capng_apply(capng_select_t set)
{
	return layer_rights ? __real_capng_apply(set) : 0;
}

int __wrap_capng_change_id(int uid, int gid, capng_flags_t flag)
{
	return layer_rights ? __real_capng_change_id(uid, gid, flag) : 0;
}

int __wrap_setgroups(size_t count, const gid_t *groups)
{
	return layer_rights ? __real_setgroups(count, groups) : 0;
}

/* All six, whatever was given: they are in registers. */
long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f)
{
	if (number == SYS_landlock_restrict_self && !layer_files)
		return 0;
	return __real_syscall(number, a, b, c, d, e, f);
}
