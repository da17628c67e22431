/* Datagrams that have been read and not been judged yet, in memory that outlives the processes:
 * after a kill -9 the next doorman takes up what the last one had in its hands. It is written by
 * the doorman and the keeper, so neither believes what stands there: a datagram is one more from
 * outside. */
#ifndef INTAKE_HELD_H
#define INTAKE_HELD_H

#include "intake/record.h"
#include "intake/socket.h"

#define HELD_SLOTS (8 * SOCKET_BATCH)

struct held {
	uint64_t judged; /* the last that the keeper is through with: its number */
	struct {
		uint64_t number;      /* as it was handed to the keeper; 0: not yet */
		struct record record; /* size 0: nothing */
	} slots[HELD_SLOTS];
};

#define HELD_MOST 16 /* doormen */

/* A memory file with room for that of every doorman, that can neither grow nor shrink; what is not
 * used takes no memory. -1 with errno. */
int held_create(void);
/* Whether `fd`, which is from elsewhere, is such a file. */
bool held_is(int fd);
/* That of a doorman, by its number. With -1 memory of this process alone. NULL with errno. The
 * mapping lives as long as the process. */
struct held *held_map(int fd, unsigned int number);

#endif
