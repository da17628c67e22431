/* Which of the shield's programs a daemon has put at devices: a file beside its control socket,
 * where it is gone with the boot. Not in the state directory, where the replay guard's is to be the
 * first.
 */
#ifndef BPF_NOTE_H
#define BPF_NOTE_H

#include <stdbool.h>
#include <stdint.h>

/* The id of the program that the daemon with this control socket has noted in this boot; 0: none,
 * or not to be believed: by somebody else's, programs of others could be taken away. */
uint32_t shield_note_read(const char *control);
/* In place of what was noted before. False with errno. */
bool shield_note_write(const char *control, uint32_t program);

#endif
