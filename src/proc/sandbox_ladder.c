/* The layers that are not to be had everywhere: each is tried in a way that changes nothing. */
#include <errno.h>
#include <linux/landlock.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/filters.h"
#include "proc/sandbox.h"

static const struct {
	const char *name;
	const char *so; /* without it */
	const char *remedy;
} layers[SANDBOX_LAYERS] = {
    [SANDBOX_LANDLOCK] = {"landlock",
        "only their users and filters close files, TCP and signals to the processes, and "
        "openspa.script_writable does not hold",
        "a kernel with CONFIG_SECURITY_LANDLOCK=y and lsm=landlock,... on its command line, and "
        "in a container a filter that lets landlock_create_ruleset, landlock_add_rule and "
        "landlock_restrict_self by; or server.sandbox: best, to go on without it"},
    [SANDBOX_SECCOMP] = {"seccomp",
        "only their users and Landlock limit what the processes, scripts and helpers may call",
        "a kernel with CONFIG_SECCOMP_FILTER=y, and in a container a filter that lets seccomp by; "
        "or server.sandbox: best, to go on without it"},
    [SANDBOX_MEMORY] = {"locked memory", "the server's private key may get to swap",
        "a limit of what is needed, or more (LimitMEMLOCK=, ulimit -l, lxc.prlimit.memlock), or "
        "CAP_IPC_LOCK, and in a container a filter that lets mlock2 by; or server.sandbox: best, "
        "to go on without it"},
};

static bool takes_best;
static unsigned int without;

const char *sandbox_layer_name(enum sandbox_layer layer)
{
	return layers[layer].name;
}

void sandbox_take_best(bool best)
{
	takes_best = best;
}

/* Not built, not among lsm=, or refused by a container's filter: asking for the version cannot fail
 * in another way. */
static int lacks_landlock(void)
{
	if (syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) >= 1)
		return 0;
	return errno == ENOSYS || errno == EOPNOTSUPP || errno == EPERM || errno == EACCES ? errno
	                                                                                   : 0;
}

int sandbox_lacks(enum sandbox_layer layer)
{
	return layer == SANDBOX_LANDLOCK  ? lacks_landlock()
	       : layer == SANDBOX_SECCOMP ? filters_lacking()
	                                  : 0;
}

bool sandbox_is_left_out(enum sandbox_layer layer)
{
	return takes_best && sandbox_lacks(layer) != 0;
}

bool sandbox_goes_without(enum sandbox_layer layer, int err, const char *needed, sandbox_say *say)
{
	const char *need = needed != NULL ? "needed" : NULL;

	if (takes_best)
		say(LOG_LEVEL_WARN, "going on without a layer of the sandbox that is missing here",
		    "layer", layers[layer].name, "error", strerror(err), "so", layers[layer].so,
		    need, needed, NULL);
	else
		say(LOG_LEVEL_ERROR, "a layer of the sandbox is missing here", "layer",
		    layers[layer].name, "error", strerror(err), "remedy", layers[layer].remedy,
		    need, needed, NULL);
	without |= takes_best ? 1U << layer : 0;
	return takes_best;
}

unsigned int sandbox_without(void)
{
	return without;
}
