/* Whose the rules are that stand, for the guard that stays. It looks by sockets of its own, and has
 * another one own them, which others may be using. */
#ifndef FW_HOLD_H
#define FW_HOLD_H

#include <stdbool.h>

struct fw_hold;

/* `boot_id` as in fw_open. NULL, having said why. */
struct fw_hold *fw_hold_open(const char *boot_id);
/* Safe on NULL. */
void fw_hold_close(struct fw_hold *h);
/* Has `owner`, a netlink socket, own rules of ours that stand, with what is open in them; nothing
 * is said through it when it does already. 0: nobody else can change them; -EOPNOTSUPP: everybody
 * can; -EPERM: another of us has them, or `owner` is -1; -ENOENT: none stand. */
int fw_hold(struct fw_hold *h, int owner);
/* A descriptor that becomes readable when anybody changes rules of any kind. */
int fw_hold_watch(const struct fw_hold *h);
/* Reads what is to be read there. True when it is about our rules. */
bool fw_hold_changed(struct fw_hold *h);

#endif
