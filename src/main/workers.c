#include "main/workers.h"

#include <sched.h>
#include <sys/stat.h>

#include "bpf/load.h"
#include "intake/packet.h"
#include "intake/steer.h"
#include "main/spawn.h"
#include "proc/role.h"

#define BY_ITSELF_MOST 8

_Static_assert(DOORMEN_MOST == CONF_WORKERS_MOST, "as many as may be configured");
_Static_assert(DOORMEN_MOST <= KERNEL_SHIELD_RINGS_MOST, "each has its ring");

static unsigned int processors(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof set, &set) == 0 ? (unsigned int)CPU_COUNT(&set)
	                                                   : BY_ITSELF_MOST + 1;
}

unsigned int workers_wanted(const struct settings *s)
{
	unsigned int count = s->workers;

	if (count == CONF_WORKERS_AUTO)
		count = processors() - 1;
	if (s->workers == CONF_WORKERS_AUTO && count > BY_ITSELF_MOST)
		count = BY_ITSELF_MOST;
	return count == 0 ? 1 : count;
}

bool workers_owner(uid_t *out, const struct socket_store *store)
{
	for (size_t i = 0; i < store->count; i++) {
		struct stat st;

		if (store->kept[i].fd >= 0 && fstat(store->kept[i].fd, &st) == 0 &&
		    spawn_is_stranger(st.st_uid)) {
			*out = st.st_uid;
			return true;
		}
	}
	return spawn_last_stranger(out);
}

struct steer_key workers_key(const struct socket_store *store)
{
	struct steer_key key;

	for (size_t i = 0; i < store->count; i++)
		if (store->kept[i].fd >= 0 && packet_key_of(&key, store->kept[i].fd))
			return key;
	return steer_new_key();
}
