/* The shield's program at devices: attached and taken away when main says so. */
#include <errno.h>

#include "bpf/attach.h"
#include "keeper/keeper.h"

void keeper_open_shield(struct keeper *k, struct message_fds *fds)
{
	k->shield_program = message_fds_take(fds, FD_SHIELD_PROGRAM);
	k->links = k->shield_program < 0 ? -1 : attach_open();
}

/* Which device is main's to say: it watches them. The program is the one of the start. */
bool keeper_take_shield_attach(
    void *context, const struct message_shield_attach *m, struct message_fds *fds)
{
	const struct keeper *k = context;
	struct message_shield_attached done = {.index = m->index, .error = EBADF};

	(void)fds;
	if (k->links >= 0 && m->away)
		done.error = attach_remove(k->links, m->index, k->shield_program);
	else if (k->links >= 0)
		done.mode =
		    (uint8_t)attach_program(k->links, m->index, k->shield_program, &done.error);
	return channel_send(&k->process.main.channel, MESSAGE_SHIELD_ATTACHED, &done, NULL);
}
