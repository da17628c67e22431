/* The control protocol between `postern` and the running daemon: a UNIX SOCK_SEQPACKET socket, one
 * record a packet. The tool sends one request; the daemon answers with any number of SESSION,
 * LAST_SEEN and STAT records and closes with DONE or ERROR.
 *
 * record = version u8, type u8, length u16 (of the body), body; integers are big-endian; a text is
 * its length (u8; u16 in ERROR) and that many bytes, none of them zero. */
#ifndef CTL_CONTROL_H
#define CTL_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "snapshot/snapshot.h"

#define CONTROL_PATH         "/run/postern/control"
#define CONTROL_VERSION      1
#define CONTROL_HEADER_BYTES 4
#define CONTROL_PORTS_MOST   64
#define CONTROL_NAME_BYTES   64   /* of a STAT, with the closing zero */
#define CONTROL_TEXT_BYTES   1001 /* of an ERROR, with the closing zero */
/* Holds any record; a packet that does not fit is no record. */
#define CONTROL_RECORD_BYTES 1024

enum control_type {
	/* requests, without a body */
	CONTROL_SESSIONS = 1, /* answered by SESSION for every grant, LAST_SEEN for every client,
	                       * and STAT: for CONTROL_GUARD, CONTROL_SHIELD, CONTROL_INTAKE, and
	                       * for every layer of the sandbox that the daemon does without */
	CONTROL_RELOAD = 2,   /* answered by STAT (what came of it) */
	CONTROL_STATS = 3,    /* answered by STAT */
	/* replies */
	CONTROL_SESSION = 65,
	CONTROL_LAST_SEEN = 66,
	CONTROL_STAT = 67,
	CONTROL_DONE = 68, /* no body */
	CONTROL_ERROR = 69,
};

/* One grant: `client` holds `ports` open for `address`. Overdue: it has ended, but the program that
 * has to shut the ports could not; the two times mean nothing then. */
struct control_session {
	char client[CLIENT_NAME_BYTES];
	struct addr address;
	int64_t opened_ns; /* CLOCK_REALTIME */
	uint64_t remaining_ms;
	uint16_t port_count;
	bool more; /* the client has more ranges than fit here */
	bool overdue;
	struct ports ports[CONTROL_PORTS_MOST];
};

/* The last knock of `client` that was accepted. */
struct control_last_seen {
	char client[CLIENT_NAME_BYTES];
	int64_t when_ns; /* CLOCK_REALTIME */
	struct addr address;
};

struct control_stat {
	char name[CONTROL_NAME_BYTES];
	uint64_t value;
};

/* Whether postern-guard will keep the rules from others when the daemon has ended: the value of the
 * STAT by that name. */
#define CONTROL_GUARD "postern-guard"
enum control_guard {
	CONTROL_GUARD_NONE, /* there was none, or there are no rules */
	CONTROL_GUARD_THERE,
	CONTROL_GUARD_GONE, /* it was there */
	CONTROL_GUARDS
};

/* Where junk is dropped first: the value of the STAT by that name. What passes there is looked at
 * again in all places behind it. */
#define CONTROL_SHIELD "shield"
enum control_shield {
	CONTROL_SHIELD_USER,
	CONTROL_SHIELD_SOCKET,
	CONTROL_SHIELD_GENERIC, /* at the device (XDP), by the stack */
	CONTROL_SHIELD_NATIVE,  /* at the device (XDP), by its driver */
	CONTROL_SHIELDS
};

/* How knocks are received: the value of the STAT by that name. */
#define CONTROL_INTAKE "intake"
enum control_intake {
	CONTROL_INTAKE_NONE, /* there is no openme */
	CONTROL_INTAKE_SOCKET,
	CONTROL_INTAKE_CAPTURE,
	CONTROL_INTAKE_XDP,
	CONTROL_INTAKE_XDP_IN_PART, /* a device is without the program, and deaf */
	CONTROL_INTAKE_XDP_NOWHERE, /* no device has it */
	CONTROL_INTAKES
};

/* Why a request was refused; the tool exits with that number. */
enum control_fault {
	CONTROL_FAULT_FAILED = 1,
	CONTROL_FAULT_PERMISSION = 77,
	CONTROL_FAULT_CONFIG = 78, /* the new configuration is bad, the old one stays in force */
};

struct control_error {
	enum control_fault fault;
	char text[CONTROL_TEXT_BYTES];
};

struct control_record {
	enum control_type type;
	union {
		struct control_session session;
		struct control_last_seen last_seen;
		struct control_stat stat;
		struct control_error error;
	};
};

/* Returns the size of the packet, or 0 when the record breaks a limit of the protocol (an empty or
 * unclosed text, too many ports, an unknown type). An ERROR text that does not fit is the caller's
 * to cut; control_error_of does. */
size_t control_encode(
    uint8_t packet[static CONTROL_RECORD_BYTES], const struct control_record *record);
/* False, and *out zeroed, for anything but exactly one record of this version. Texts are closed by
 * a zero but may hold any other byte: escape them before showing them to anyone. */
bool control_decode(struct control_record *out, const void *packet, size_t size);

bool control_is_request(enum control_type type);
/* An ERROR record with as much of `text` as fits. */
struct control_record control_error_of(enum control_fault fault, const char *text);

#endif
