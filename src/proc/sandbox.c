#include "proc/sandbox.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/log_journal.h"
#include "proc/forbidden_call.h"
#include "proc/socket_call.h"

/* Built to be looked into, by a sanitizer or a debugger. */
#define OPEN (SANITIZED || !SANDBOXED)

/* Every right of the first Landlock, so that any kernel that has it will do. */
#define LANDLOCK_EVERYTHING (LANDLOCK_ACCESS_FS_MAKE_SYM * 2 - 1)

/* What changes a file or a folder, as of the first Landlock; truncating by name came later. */
#define CHANGES                                                                     \
	(LANDLOCK_EVERYTHING &                                                      \
	    ~(uint64_t)(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | \
	                LANDLOCK_ACCESS_FS_READ_DIR))
#define ACCESS_TRUNCATE (1U << 14)
/* Of later versions, too, and newer than some headers */
#define TCP_BIND_AND_CONNECT               3
#define SCOPE_ABSTRACT_SOCKETS_AND_SIGNALS 3
/* PR_SET_MDWE and its one flag, newer than some headers */
#define REFUSE_CODE       65
#define REFUSE_GAINING_IT 1UL
/* Of them, those that a rule for a single file may name. */
#define FILE_CHANGES (LANDLOCK_ACCESS_FS_WRITE_FILE | ACCESS_TRUNCATE)

static bool refuse_tracing(void)
{
	static const struct rlimit none = {0, 0};

	return (!SANDBOXED || setrlimit(RLIMIT_CORE, &none) == 0) &&
	       prctl(PR_SET_DUMPABLE, OPEN) == 0;
}

/* Main, which may have been started with less than root can have, keeps what is there. */
static bool is_to_keep(const struct sandbox_policy *policy, int capability)
{
	return !policy->as_started ||
	       capng_have_capability(CAPNG_PERMITTED, (unsigned int)capability) != 0;
}

static void choose_capabilities(const struct sandbox_policy *policy)
{
	capng_type_t sets = CAPNG_EFFECTIVE | CAPNG_PERMITTED;
	bool keep[CAP_LAST_CAP + 1] = {false};

	if (policy->executes)
		sets |= CAPNG_INHERITABLE;
	for (const int *c = policy->capabilities; c != NULL && *c != -1; c++)
		keep[*c] = is_to_keep(policy, *c);
	capng_clear(CAPNG_SELECT_BOTH);
	for (const int *c = policy->capabilities; c != NULL && *c != -1; c++) {
		if (keep[*c])
			capng_update(CAPNG_ADD, sets, (unsigned int)*c);
		if (policy->executes)
			capng_update(CAPNG_ADD, CAPNG_BOUNDING_SET, (unsigned int)*c);
	}
}

/* So that the programs have them, too, without being root. */
static bool pass_on_capabilities(const struct sandbox_policy *policy)
{
	for (const int *c = policy->capabilities; c != NULL && *c != -1; c++)
		if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, *c, 0, 0) != 0)
			return false;
	return true;
}

/* `uid` 0 stays. */
static bool drop_user(const struct sandbox_policy *policy, uid_t uid, gid_t gid)
{
	choose_capabilities(policy);
	if (uid != 0 && !policy->executes)
		return capng_change_id(
		           (int)uid, (int)gid, CAPNG_DROP_SUPP_GRP | CAPNG_CLEAR_BOUNDING) == 0;
	/* The bounding set first: it takes a capability that is given up here. */
	return capng_apply(CAPNG_SELECT_BOUNDS) == 0 &&
	       (uid == 0 ? setgroups(0, NULL) == 0 && capng_apply(CAPNG_SELECT_CAPS) == 0
	                 : capng_change_id((int)uid, (int)gid, CAPNG_DROP_SUPP_GRP) == 0) &&
	       (!policy->executes || pass_on_capabilities(policy));
}

static long landlock_version(void)
{
	return syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
}

/* All that this kernel's Landlock knows of, also where seccomp or the user stand before it. */
static bool close_files(void)
{
	long version = landlock_version();
	const struct {
		uint64_t files;
		uint64_t net;
		uint64_t scoped;
	} nothing = {LANDLOCK_EVERYTHING | (version >= 3 ? ACCESS_TRUNCATE : 0),
	    version >= 4 ? TCP_BIND_AND_CONNECT : 0,
	    version >= 6 ? SCOPE_ABSTRACT_SOCKETS_AND_SIGNALS : 0};
	long fd = syscall(SYS_landlock_create_ruleset, &nothing, sizeof nothing, 0);
	bool closed = fd >= 0 && syscall(SYS_landlock_restrict_self, fd, 0) == 0;

	fd_close((int)fd);
	return closed;
}

static bool allow(long ruleset, const char *path, uint64_t access)
{
	struct landlock_path_beneath_attr under = {
	    .allowed_access = access, .parent_fd = open(path, O_PATH | O_CLOEXEC)};
	struct stat st;
	bool allowed = under.parent_fd >= 0 && fstat(under.parent_fd, &st) == 0;

	if (allowed && !S_ISDIR(st.st_mode))
		under.allowed_access &= FILE_CHANGES;
	allowed = allowed && syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH,
	                         &under, 0) == 0;
	fd_close(under.parent_fd);
	return allowed;
}

bool sandbox_read_only(const char *writable)
{
	/* Not /dev/zero: shared, it is memory that no limit counts. */
	static const char *const always[] = {"/dev/null", "/dev/full"};
	struct landlock_ruleset_attr changes = {.handled_access_fs = CHANGES};
	long fd = -1;
	bool closed;

	if (!SANDBOXED || sandbox_is_left_out(SANDBOX_LANDLOCK))
		return true;
	if (landlock_version() >= 3)
		changes.handled_access_fs |= ACCESS_TRUNCATE;
	fd = syscall(SYS_landlock_create_ruleset, &changes, sizeof changes, 0);
	closed = fd >= 0;
	for (size_t i = 0; closed && i < sizeof always / sizeof *always; i++)
		closed = allow(fd, always[i], LANDLOCK_ACCESS_FS_WRITE_FILE);
	if (closed && *writable != '\0')
		closed = allow(fd, writable, changes.handled_access_fs);
	closed = closed && syscall(SYS_landlock_restrict_self, fd, 0) == 0;
	fd_close((int)fd);
	return closed;
}

static bool add_calls(scmp_filter_ctx filter, const int *const *lists, uint32_t action)
{
	for (const int *const *list = lists; *list != NULL; list++)
		for (const int *call = *list; *call != -1; call++)
			if (seccomp_rule_add(filter, action, *call, 0) != 0)
				return false;
	return true;
}

bool sandbox_hides_mmap(scmp_filter_ctx filter)
{
	return seccomp_arch_exist(filter, SCMP_ARCH_X86) == 0 ||
	       seccomp_arch_exist(filter, SCMP_ARCH_S390X) == 0;
}

bool sandbox_hides_socket(scmp_filter_ctx filter)
{
	return sandbox_hides_mmap(filter);
}

/* What every role may do in one way only. Roles may share a uid, and neither a signal nor fcntl's
 * F_SETOWN, which sends them, is to reach another; no memory becomes code. */
static bool allow_narrowly(scmp_filter_ctx filter)
{
	const struct scmp_arg_cmp self = SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0);
	const struct scmp_arg_cmp seals = SCMP_A1(SCMP_CMP_EQ, F_GET_SEALS, 0);
	const struct scmp_arg_cmp no_code = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
	/* A stream asks for that before its first line. */
	const struct scmp_arg_cmp terminal = SCMP_A1(SCMP_CMP_EQ, TCGETS, 0);
	/* i386 has mmap2 for it, s390x nothing: there it is let by as it is (see refuse_code). */
	bool hides = sandbox_hides_mmap(filter);
	bool is_needed = seccomp_arch_exist(filter, SCMP_ARCH_X86) != 0;
	const struct {
		int call;
		struct scmp_arg_cmp when;
	} calls[] = {{SCMP_SYS(tgkill), self}, {SCMP_SYS(tkill), self}, {SCMP_SYS(fcntl), seals},
	    {SCMP_SYS(fcntl64), seals}, {SCMP_SYS(ioctl), terminal}, {SCMP_SYS(mprotect), no_code},
	    {SCMP_SYS(mmap2), no_code}};

	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
		if (seccomp_rule_add_array(
		        filter, SCMP_ACT_ALLOW, calls[i].call, 1, &calls[i].when) != 0)
			return false;
	return !is_needed || seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap),
	                         hides ? 0 : 1, &no_code) == 0;
}

bool sandbox_allow(scmp_filter_ctx filter, const int *const *calls)
{
	return allow_narrowly(filter) && add_calls(filter, calls, SCMP_ACT_ALLOW);
}

/* Memory that can be written does not become code: in place of the filter where that cannot see
 * what is mapped, and behind it elsewhere. Before Linux 6.3 there is no such thing. */
static void refuse_code(void)
{
	prctl(REFUSE_CODE, REFUSE_GAINING_IT, 0, 0, 0);
}

/* The journal's descriptor can be written to, and no more: who sends by it may give an address, and
 * so reach sockets of others. Not where the filter cannot see which descriptor it is. */
static bool narrow_journal(int journal)
{
	static const int sends[] = {SCMP_SYS(sendmsg), SCMP_SYS(sendmmsg), SCMP_SYS(sendto)};
	const struct scmp_arg_cmp there =
	    SCMP_A0(SCMP_CMP_MASKED_EQ, 0xffffffffU, (scmp_datum_t)journal);
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	bool closed = filter != NULL;

	if (closed && !sandbox_hides_socket(filter)) {
		for (size_t i = 0; closed && i < sizeof sends / sizeof *sends; i++)
			closed =
			    seccomp_rule_add_array(filter, SCMP_ACT_TRAP, sends[i], 1, &there) == 0;
		closed = closed && seccomp_load(filter) == 0;
	}
	if (filter != NULL)
		seccomp_release(filter);
	return closed;
}

static bool close_calls(const struct sandbox_policy *policy, bool root)
{
	bool allows = policy->narrow == NULL;
	scmp_filter_ctx filter = seccomp_init(allows ? SCMP_ACT_TRAP : SCMP_ACT_ALLOW);
	bool closed = filter != NULL &&
	              (!allows || journal_fd() < 0 || narrow_journal(journal_fd())) &&
	              (allows ? forbidden_call_report() && sandbox_allow(filter, policy->calls)
	                      : socket_call_prepare() && policy->narrow(filter, root) &&
	                            add_calls(filter, policy->calls, SCMP_ACT_ERRNO(EPERM))) &&
	              seccomp_load(filter) == 0;

	if (filter != NULL)
		seccomp_release(filter);
	return closed;
}

static bool step(bool done, const char *what)
{
	if (!done)
		log_event(LOG_LEVEL_ERROR, "cannot close the sandbox", "step", what, "error",
		    strerror(errno), NULL);
	return done;
}

bool sandbox_give_up(int capability)
{
	return capng_get_caps_process() == 0 &&
	       capng_update(
	           CAPNG_DROP, CAPNG_EFFECTIVE | CAPNG_PERMITTED, (unsigned int)capability) == 0 &&
	       capng_apply(CAPNG_SELECT_CAPS) == 0;
}

bool sandbox_close(const struct sandbox_policy *policy, uid_t uid, gid_t gid)
{
	if (SANITIZED)
		log_line(LOG_LEVEL_WARN, "built with a sanitizer: no sandbox");
	if (!SANDBOXED)
		log_line(
		    LOG_LEVEL_ERROR, "built with -Dsandbox=off, for debugging only: NO SANDBOX");
	if (!OPEN && policy->narrow == NULL)
		refuse_code();
	/* Changing the user makes a process dumpable again: hence twice. */
	return step(refuse_tracing(), "core dumps") &&
	       step(drop_user(policy, uid, gid), "user and capabilities") &&
	       step(refuse_tracing(), "tracing") &&
	       step(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "no new privileges") &&
	       step(OPEN || uid == 0 || policy->executes || sandbox_is_left_out(SANDBOX_LANDLOCK) ||
	                close_files(),
	           "landlock") &&
	       step(OPEN || sandbox_is_left_out(SANDBOX_SECCOMP) || close_calls(policy, uid == 0),
	           "seccomp");
}
