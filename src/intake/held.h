/* Datagrams that have been read and not been judged yet, in memory that outlives the processes:
 * after a kill -9 the next doorman takes up what the last one had in its hands, and what waited
 * there for its turn. It is written by the doorman and the keeper, so neither believes what stands
 * there: a datagram is one more from outside. */
#ifndef INTAKE_HELD_H
#define INTAKE_HELD_H

#include <stddef.h>

#include "intake/record.h"
#include "intake/socket.h"

#define HELD_SLOTS (8 * SOCKET_BATCH)

/* Places of those that wait: of one length for each protocol, which they were checked for. */
#define HELD_KNOCKS        2048
#define HELD_REQUESTS      256
#define HELD_KNOCK_BYTES   165
#define HELD_REQUEST_BYTES RECORD_BYTES_MAX

struct held_head {
	uint64_t arrived; /* the higher, the later */
	struct addr source, local;
	uint16_t source_port;
	uint16_t size; /* 0: nothing waits here */
	int64_t arrived_ns;
};

struct held {
	uint64_t judged; /* the last that the keeper is through with: its number */
	struct {
		uint64_t number; /* as it was handed to the keeper; 0: not yet */
		uint64_t arrived;
		struct record record; /* size 0: nothing */
	} slots[HELD_SLOTS];
	struct {
		struct held_head head;
		uint8_t bytes[HELD_KNOCK_BYTES];
	} knocks[HELD_KNOCKS];
	struct {
		struct held_head head;
		uint8_t bytes[HELD_REQUEST_BYTES];
	} requests[HELD_REQUESTS];
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

/* Whether no datagram has ever been in the hands of a doorman with it. */
bool held_is_fresh(const struct held *h);

/* How many of a protocol may wait. */
size_t held_places(enum record_protocol protocol);
/* Puts one of the right size at a place of its protocol. */
void held_put(struct held *h, size_t place, const struct record *r, uint64_t arrived);
/* Moves what waits to the first places, what came first to the very first. */
void held_sort(struct held *h, enum record_protocol protocol);
uint64_t held_arrived(struct held *h, enum record_protocol protocol, size_t place);
/* Copies from there and empties it. False when nothing of the right size stands there. */
bool held_take(struct held *h, enum record_protocol protocol, size_t place, struct record *r);

#endif
