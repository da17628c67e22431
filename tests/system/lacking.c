/* lacking WHAT... -- COMMAND: runs it as on a kernel, or in a container, that lacks something: a
 * filter answers for what is not there, with the error that the kernel would give. */
#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/landlock.h>
#include <linux/netlink.h>

#define CALL(name) SCMP_SYS(name)
#define INT(n, value)                                    \
	{                                                \
		n, SCMP_CMP_MASKED_EQ, 0xffffffff, value \
	}

static const struct lack {
	const char *name;
	int error;
	int call;
	unsigned int count;
	struct scmp_arg_cmp when[2];
} lacks[] = {
    {"landlock", ENOSYS, CALL(landlock_create_ruleset), 0, {{0}}},
    {"landlock-in-lsm", EOPNOTSUPP, CALL(landlock_create_ruleset), 0, {{0}}},
    {"landlock-by-filter", EPERM, CALL(landlock_create_ruleset), 0, {{0}}},
    /* There, but out of order: not one of the ways to be missing */
    {"landlock-broken", ENOMEM, CALL(landlock_restrict_self), 0, {{0}}},
    {"seccomp", EINVAL, CALL(seccomp), 0, {{0}}},
    {"seccomp", EINVAL, CALL(prctl), 1, {INT(0, PR_SET_SECCOMP)}},
    {"seccomp-call", ENOSYS, CALL(seccomp), 0, {{0}}},
    {"seccomp-call", EINVAL, CALL(prctl), 1, {INT(0, PR_SET_SECCOMP)}},
    {"ipv6", EAFNOSUPPORT, CALL(socket), 1, {INT(0, AF_INET6)}},
    {"nf_tables", EPROTONOSUPPORT, CALL(socket), 2,
        {INT(0, AF_NETLINK), INT(2, NETLINK_NETFILTER)}},
};

static int lack(scmp_filter_ctx filter, const char *name)
{
	int found = 0;

	for (size_t i = 0; i < sizeof lacks / sizeof *lacks; i++) {
		const struct lack *l = &lacks[i];

		if (strcmp(l->name, name) == 0 &&
		    seccomp_rule_add_array(filter, SCMP_ACT_ERRNO((uint32_t)l->error), l->call,
		        l->count, l->when) == 0)
			found++;
	}
	return found;
}

int main(int argc, char *argv[])
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int i = 1;

	if (filter == NULL || seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0) != 0)
		return 125;
	for (; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (lack(filter, argv[i]) == 0) {
			fprintf(stderr, "lacking: %s: not known\n", argv[i]);
			return 125;
		}
	if (i + 1 >= argc || seccomp_load(filter) != 0)
		return 125;
	execvp(argv[i + 1], argv + i + 1);
	return 126;
}
