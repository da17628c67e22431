/* What the processes say to each other. One table: who may say it to whom, in which phase, which
 * descriptors may go with it, how long it is, and which function takes it. Anything else is fatal
 * to the one that receives it: a process that breaks the rules has been taken over or is broken.
 *
 * All processes are of one build (proc/hello.h), so bodies are plain structs. */
#ifndef PROC_MESSAGE_H
#define PROC_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "admit/verdict.h"
#include "base/clock.h"
#include "grant/opening.h"
#include "intake/record.h"
#include "proc/program.h"
#include "proc/role.h"
#include "proto/rsa_value.h"
#include "snapshot/snapshot.h"

/* START until the process has given up its privileges, then RUN. */
enum phase { PHASE_START = 1, PHASE_RUN = 2 };

/* Descriptors go by name. A channel is named for the process at its far end. */
#define MESSAGE_FD_NAMES(X)  \
	X(DOORMAN)           \
	X(KEEPER)            \
	X(DESK)              \
	X(RUNNER)            \
	X(PRIVILEGED_RUNNER) \
	X(DOORMAN_COUNTERS)  \
	X(KEEPER_COUNTERS)   \
	X(RULE_JOURNAL)      \
	X(REPLAY)            \
	X(HELD)              \
	X(SHIELD_CONTROL)    \
	X(SHIELD_COUNTS)     \
	X(SHIELD_PROGRAM)    \
	X(RING)              \
	X(NETWORKS)          \
	X(FIREWALL)          \
	X(CONTROL)           \
	X(HEALTH)            \
	X(SNAPSHOT)          \
	X(OPENME)            \
	X(OPENME6)           \
	X(OPENSPA)           \
	X(HINTS)

enum message_fd {
#define X(name) FD_##name,
	MESSAGE_FD_NAMES(X)
#undef X
	    FD_COUNT,
};

#define FD_SET_OF(name) (1U << FD_##name)
#define NO_FDS          0U
#define BEGIN_DOORMAN_FDS                                                    \
	(FD_SET_OF(KEEPER) | FD_SET_OF(DOORMAN_COUNTERS) | FD_SET_OF(HELD) | \
	    FD_SET_OF(SHIELD_CONTROL) | FD_SET_OF(NETWORKS) | FD_SET_OF(RING))
#define BEGIN_KEEPER_FDS                                                                           \
	(FD_SET_OF(DOORMAN) | FD_SET_OF(DESK) | FD_SET_OF(RUNNER) | FD_SET_OF(PRIVILEGED_RUNNER) | \
	    FD_SET_OF(KEEPER_COUNTERS) | FD_SET_OF(RULE_JOURNAL) | FD_SET_OF(REPLAY) |             \
	    FD_SET_OF(HELD) | FD_SET_OF(FIREWALL) | FD_SET_OF(SHIELD_PROGRAM))
#define BEGIN_DESK_FDS                                                                  \
	(FD_SET_OF(KEEPER) | FD_SET_OF(DOORMAN_COUNTERS) | FD_SET_OF(KEEPER_COUNTERS) | \
	    FD_SET_OF(CONTROL) | FD_SET_OF(SHIELD_COUNTS))
#define BEGIN_RUNNER_FDS   FD_SET_OF(KEEPER)
#define SNAPSHOT_FDS       FD_SET_OF(SNAPSHOT)
#define SOCKET_FDS         (FD_SET_OF(OPENME) | FD_SET_OF(OPENME6) | FD_SET_OF(OPENSPA))
#define CONFIG_DOORMAN_FDS (SNAPSHOT_FDS | SOCKET_FDS | FD_SET_OF(HINTS))
#define CONFIG_DESK_FDS    (SNAPSHOT_FDS | FD_SET_OF(HEALTH))
#define MESSAGE_FDS_MOST   10 /* with one message */

/*        message            from               to      phase  descriptors  body  taken by */
#define MESSAGES_TO_MAIN(X)                                                                   \
	X(DOORMAN_READY, DOORMAN, MAIN, RUN, NO_FDS, message_outcome, main_take_ready)        \
	X(KEEPER_READY, KEEPER, MAIN, RUN, NO_FDS, message_outcome, main_take_ready)          \
	X(DESK_READY, DESK, MAIN, RUN, NO_FDS, message_outcome, main_take_ready)              \
	X(RUNNER_READY, RUNNER, MAIN, RUN, NO_FDS, message_outcome, main_take_ready)          \
	X(PRIVILEGED_RUNNER_READY, PRIVILEGED_RUNNER, MAIN, RUN, NO_FDS, message_outcome,     \
	    main_take_ready)                                                                  \
	X(DOORMAN_ALIVE, DOORMAN, MAIN, RUN, NO_FDS, message_empty, main_take_alive)          \
	X(KEEPER_ALIVE, KEEPER, MAIN, RUN, NO_FDS, message_empty, main_take_alive)            \
	X(DESK_ALIVE, DESK, MAIN, RUN, NO_FDS, message_empty, main_take_alive)                \
	X(RUNNER_ALIVE, RUNNER, MAIN, RUN, NO_FDS, message_empty, main_take_alive)            \
	X(PRIVILEGED_RUNNER_ALIVE, PRIVILEGED_RUNNER, MAIN, RUN, NO_FDS, message_empty,       \
	    main_take_alive)                                                                  \
	X(KEEPER_STOPPING, KEEPER, MAIN, RUN, NO_FDS, message_empty, main_take_stopping)      \
	X(SHIELD_ATTACHED, KEEPER, MAIN, RUN, NO_FDS, message_shield_attached,                \
	    main_take_shield_attached)                                                        \
	X(RELOAD_WANTED, DESK, MAIN, RUN, NO_FDS, message_asker, main_take_reload_wanted)     \
	X(AUDIT, KEEPER, MAIN, RUN, NO_FDS, message_audit, main_take_audit)                   \
	X(DOORMAN_STRANGER, DOORMAN, MAIN, RUN, NO_FDS, message_stranger, main_take_stranger) \
	X(KEEPER_STRANGER, KEEPER, MAIN, RUN, NO_FDS, message_stranger, main_take_stranger)   \
	X(SERVER_TASK_DONE, PRIVILEGED_RUNNER, MAIN, RUN, NO_FDS, message_server_task,        \
	    main_take_task_done)

#define MESSAGES_TO_DOORMAN(X)                                                                  \
	X(BEGIN_DOORMAN, MAIN, DOORMAN, START, BEGIN_DOORMAN_FDS, message_begin, doorman_begin) \
	X(CONFIG_DOORMAN, MAIN, DOORMAN, RUN, CONFIG_DOORMAN_FDS, message_secret,               \
	    doorman_take_config)                                                                \
	X(STOP_DOORMAN, MAIN, DOORMAN, RUN, NO_FDS, message_empty, doorman_take_stop)           \
	X(CHECK_DOORMAN, MAIN, DOORMAN, RUN, SNAPSHOT_FDS, message_empty, process_take_check)   \
	X(PING_DOORMAN, MAIN, DOORMAN, RUN, NO_FDS, message_empty, process_take_ping)           \
	X(KNOCK_BACK, KEEPER, DOORMAN, RUN, NO_FDS, message_knock_back, doorman_take_back)      \
	X(GRANTED, KEEPER, DOORMAN, RUN, NO_FDS, message_granted, doorman_take_granted)

#define MESSAGES_TO_KEEPER(X)                                                                      \
	X(BEGIN_KEEPER, MAIN, KEEPER, START, BEGIN_KEEPER_FDS, message_begin, keeper_begin)        \
	X(DOORMAN_JOINS, MAIN, KEEPER, RUN, FD_SET_OF(DOORMAN), message_empty,                     \
	    keeper_take_doorman)                                                                   \
	X(CONFIG_KEEPER, MAIN, KEEPER, RUN, SNAPSHOT_FDS, message_empty, keeper_take_config)       \
	X(CHECK_KEEPER, MAIN, KEEPER, RUN, SNAPSHOT_FDS, message_empty, process_take_check)        \
	X(PING_KEEPER, MAIN, KEEPER, RUN, NO_FDS, message_empty, process_take_ping)                \
	X(SHIELD_ATTACH, MAIN, KEEPER, RUN, NO_FDS, message_shield_attach,                         \
	    keeper_take_shield_attach)                                                             \
	X(STOP_KEEPER, MAIN, KEEPER, RUN, NO_FDS, message_stop, keeper_take_stop)                  \
	X(KNOCK, DOORMAN, KEEPER, RUN, NO_FDS, message_knock, keeper_take_knock)                   \
	X(SESSIONS_WANTED, DESK, KEEPER, RUN, NO_FDS, message_cursor, keeper_take_sessions_wanted) \
	X(RAN, RUNNER, KEEPER, RUN, NO_FDS, runner_reply, keeper_take_program_result)              \
	X(RULED, PRIVILEGED_RUNNER, KEEPER, RUN, NO_FDS, runner_reply, keeper_take_rule_result)

#define MESSAGES_TO_DESK(X)                                                               \
	X(BEGIN_DESK, MAIN, DESK, START, BEGIN_DESK_FDS, message_begin, desk_begin)       \
	X(CONFIG_DESK, MAIN, DESK, RUN, CONFIG_DESK_FDS, message_empty, desk_take_config) \
	X(PING_DESK, MAIN, DESK, RUN, NO_FDS, message_empty, process_take_ping)           \
	X(RELOAD_DONE, MAIN, DESK, RUN, NO_FDS, message_text, desk_take_reload_done)      \
	X(STATUS, MAIN, DESK, RUN, NO_FDS, message_status, desk_take_status)              \
	X(SESSIONS, KEEPER, DESK, RUN, NO_FDS, message_sessions, desk_take_sessions)

#define MESSAGES_TO_RUNNERS(X)                                                                \
	X(BEGIN_RUNNER, MAIN, RUNNER, START, BEGIN_RUNNER_FDS, runner_settings, runner_begin) \
	X(PING_RUNNER, MAIN, RUNNER, RUN, NO_FDS, message_empty, process_take_ping)           \
	X(RUN, KEEPER, RUNNER, RUN, NO_FDS, runner_request, runner_take_request)              \
	X(BEGIN_PRIVILEGED_RUNNER, MAIN, PRIVILEGED_RUNNER, START, BEGIN_RUNNER_FDS,          \
	    runner_settings, runner_begin)                                                    \
	X(PING_PRIVILEGED_RUNNER, MAIN, PRIVILEGED_RUNNER, RUN, NO_FDS, message_empty,        \
	    process_take_ping)                                                                \
	X(RULE, KEEPER, PRIVILEGED_RUNNER, RUN, NO_FDS, runner_request, runner_take_request)  \
	X(SERVER_TASK, MAIN, PRIVILEGED_RUNNER, RUN, NO_FDS, message_server_task,             \
	    runner_take_server_task)

#define MESSAGES(X)            \
	MESSAGES_TO_MAIN(X)    \
	MESSAGES_TO_DOORMAN(X) \
	MESSAGES_TO_KEEPER(X)  \
	MESSAGES_TO_DESK(X)    \
	MESSAGES_TO_RUNNERS(X)

struct message_empty {
	uint8_t zero;
};

/* What a role needs to know before its sandbox closes. The channels of the two runners, and the
 * rule journal, are there when they are needed. */
struct message_begin {
	uid_t control_uid;           /* desk: who may ask, besides root */
	uid_t viewer_uid;            /* desk: who may look, and no more; 0: nobody */
	bool openspa;                /* doorman, keeper: libcrypto is made ready before, too */
	enum conf_firewall firewall; /* keeper: opened before the sandbox closes */
	uint32_t patience_ms; /* keeper: the most that a runner which is well takes to answer */
	uint8_t doormen; /* keeper, desk: how many there are; the first one's channel comes with
	                    this, the others' with DOORMAN_JOINS, in their order */
	uint8_t number;  /* doorman: its own, from 0 */
	char boot_id[CLOCK_BOOT_ID_BYTES]; /* keeper: of the machine */
};

/* The sockets come at the start only, the file of hint keys (client/hint_keys.h) each time that
 * there are clients. The health listener goes to the desk, when it changes. */
struct message_secret {
	uint8_t secret[32]; /* all zeros without openme */
	/* The one in force, the one before it; all zeros: none. */
	uint8_t shield_key[32], shield_key_old[32];
	bool openspa;
	struct rsa_secret rsa;
};

/* The first READY of a process: its sandbox is closed. Each later one answers a CHECK, a CONFIG, or
 * the doorman's STOP: it reads no more, and has handed on what it could. */
struct message_outcome {
	int32_t error;   /* errno, 0: done */
	uint8_t without; /* layers of its sandbox, by bit */
};

/* How the daemon is, when it is ready and when that changes. */
struct message_status {
	uint8_t without;     /* layers of all sandboxes, by bit */
	uint8_t guard;       /* enum control_guard */
	uint8_t shield;      /* enum control_shield */
	uint8_t intake;      /* enum control_intake */
	uint8_t roles;       /* that run, by bit */
	uint8_t silent;      /* of those: one of the role does not answer */
	bool reload_refused; /* the last one */
	uint32_t reloads, reloads_refused;
	int64_t started_s, reloaded_s; /* since the Unix epoch; 0: not yet */
};

/* serverStart, before the first configuration is handed out, and serverStop, after the keeper has
 * gone. Answered once: with what became of it. */
struct message_server_task {
	uint8_t task;    /* RUNNER_SERVER_START or RUNNER_SERVER_STOP */
	uint8_t outcome; /* enum runner_outcome, of the answer */
};

/* The shield's program is to be attached to a device, or taken away from there. Answered once. */
struct message_shield_attach {
	int32_t index;
	bool away;
};

struct message_shield_attached {
	int32_t index;
	int32_t error; /* errno, 0: done */
	uint8_t mode;  /* enum attach_mode */
};

/* Who asks for a reload, as the kernel says. */
struct message_asker {
	uid_t uid;
};

/* What goes to the audit log, as the keeper knows it. */
enum audit_kind {
	AUDIT_GRANT,
	AUDIT_RENEWAL,
	AUDIT_END,
	AUDIT_REFUSAL,
	AUDIT_LEFT_OUT, /* `left_out` alone, at the keeper's end */
	AUDIT_KINDS
};

/* Why a grant has ended. */
enum audit_end {
	AUDIT_END_EXPIRED, /* its time was over */
	AUDIT_END_REVOKED, /* these three by a new configuration */
	AUDIT_END_GONE,    /* nobody has its key any more */
	AUDIT_END_CHANGED, /* its holder may have nothing open, or not that */
	AUDIT_END_STOPPED, /* with the daemon, which took its rules away */
	AUDIT_END_FAILED,  /* a program did not open it */
	AUDIT_ENDS
};

#define AUDIT_PORTS_MOST 8
struct message_audit {
	uint8_t kind;    /* enum audit_kind */
	uint8_t end;     /* enum audit_end; END */
	uint8_t verdict; /* enum verdict; REFUSAL */
	bool openspa;    /* it came as a request of OpenSPA's */
	bool by_program; /* a script or helper decided, or told the key */
	bool more_ports; /* than fit here */
	uint8_t port_count;
	uint16_t source_port;
	char client[CLIENT_NAME_BYTES];
	struct addr address; /* that it is open for; REFUSAL: was asked for */
	struct addr source;  /* of the knock; END: none */
	struct ports ports[AUDIT_PORTS_MOST];
	int64_t real_ns;   /* these three are CLOCK_REALTIME */
	int64_t since_ns;  /* END, RENEWAL: when it began */
	int64_t until_ns;  /* GRANT, RENEWAL */
	uint32_t renewals; /* of that grant so far */
	uint64_t left_out; /* such messages before this one, for limits or for want of room */
};

/* A refusal of somebody who is not known, for the audit log: no name and no text, for the doorman
 * is believed in nothing. */
struct message_stranger {
	uint8_t
	    verdict; /* enum verdict, one of STRANGER_VERDICTS; VERDICT_COUNT: `left_out` alone */
	uint8_t protocol; /* enum record_protocol */
	uint16_t source_port;
	struct addr source;
	int32_t ahead_s;   /* STALE: of what the packet states before the clock; others: 0 */
	uint64_t left_out; /* such refusals before this one, for limits or for want of room */
};

struct message_stop {
	bool keep_rules;
};

#define MESSAGE_TEXT_BYTES 1000
struct message_text {
	int32_t fault; /* enum control_fault, 0: done */
	char text[MESSAGE_TEXT_BYTES];
};

/* By what the doorman takes a knock for a client's. Any number may arrive: it may lie. */
enum guess { GUESS_NONE, GUESS_SOURCE, GUESS_HINT };

struct message_knock {
	uint64_t generation; /* of the snapshot that `holder` is an index of */
	uint32_t holder;
	uint8_t guessed; /* enum guess; not 0: the doorman has not tried the signature */
	uint8_t key[32]; /* that sealed the packet */
	/* What it states: the doorman's note to itself, for a knock that comes back. */
	int64_t timestamp_ns;
	struct addr target;
	struct record record;
};

/* A knock that was not judged, whole, so that the doorman need not keep what it has handed on. One
 * that was judged is answered by nothing: most are, and each answer would cost a wake-up. */
struct message_knock_back {
	bool stale_config;          /* the doorman's configuration is older than the keeper's */
	struct message_knock knock; /* otherwise: the guess was wrong */
};

/* An OpenSPA request was granted and the firewall has confirmed: say so to whoever asked. */
struct message_granted {
	struct rsa_public signer_key;
	struct addr source; /* of the request, and where the answer goes */
	struct addr local;
	uint16_t source_port;
	struct ports ports;
	uint16_t duration_s;
	uint16_t silent; /* not 0: no answer goes out */
};

struct message_cursor {
	uint32_t next; /* where to go on: 0 at first */
};

/* What is known of one client or device at one address: that it has something open, or was here. */
enum session_kind { SESSION_OPEN, SESSION_OVERDUE, SESSION_SEEN };

struct message_session {
	uint8_t kind;           /* enum session_kind */
	struct opening opening; /* SEEN: the address alone; OVERDUE: ended */
	char name[CLIENT_NAME_BYTES];
	int64_t real_ns; /* OPEN: since when; SEEN: when last */
};

#define MESSAGE_SESSIONS_MOST 32
struct message_sessions {
	uint64_t generation; /* of the snapshot that policies are indices of */
	uint32_t count;
	uint32_t next; /* cursor for more; 0: that was all */
	struct message_session sessions[MESSAGE_SESSIONS_MOST];
};

enum message_type {
#define X(id, from, to, phase, fds, body, handler) MESSAGE_##id,
	MESSAGES(X)
#undef X
	    MESSAGE_COUNT,
};

union message_body {
#define X(id, from, to, phase, fds, body, handler) struct body id;
	MESSAGES(X)
#undef X
};

/* -1: not there. */
struct message_fds {
	int fd[FD_COUNT];
};

struct message {
	enum message_type type;
	union message_body body;
	struct message_fds fds; /* the receiver's to close */
};

struct message_fds message_fds_none(void);
/* Takes one out, which is the caller's then. */
int message_fds_take(struct message_fds *fds, enum message_fd name);
/* Closes those that nobody has taken. */
void message_fds_close(struct message_fds *fds);

/* A handler: false ends the process. It takes the descriptors that it keeps; the others are closed
 * and the message is wiped when it returns. */
#define MESSAGE_DECLARE(id, from, to, phase, fds, body, handler) \
	bool handler(void *context, const struct body *m, struct message_fds *fds_);

typedef bool message_handler(void *context, struct message *m);

/* For the one file of a process that receives: functions that hand a message to its handler by its
 * own type, and their table, indexed by type. */
#define MESSAGE_TAKE(id, from, to, phase, fds_, body_, handler) \
	static bool take_##id(void *context, struct message *m) \
	{                                                       \
		return handler(context, &m->body.id, &m->fds);  \
	}
#define MESSAGE_ENTRY(id, from, to, phase, fds, body, handler) [MESSAGE_##id] = take_##id,

#endif
