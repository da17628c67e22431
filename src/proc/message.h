/* What the processes say to each other. One table: who may say it to whom, in which phase, how long
 * it is and how many descriptors go with it. Anything else is fatal to the one that receives it:
 * a process that breaks the rules has been taken over or is broken.
 *
 * All processes are the same file executed again, so bodies are plain structs of this build. */
#ifndef PROC_MESSAGE_H
#define PROC_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "admit/verdict.h"
#include "base/log.h"
#include "grant/grant_table.h"
#include "intake/record.h"
#include "proc/program.h"
#include "proto/rsa_value.h"
#include "snapshot/snapshot.h"

/* The two runners are there only when programs of the administrator's are asked. */
enum role {
	ROLE_MAIN,
	ROLE_DOORMAN,
	ROLE_KEEPER,
	ROLE_DESK,
	ROLE_RUNNER,
	ROLE_PRIVILEGED_RUNNER,
	ROLE_COUNT
};

const char *role_name(enum role role);

/* START until the process has given up its privileges, then RUN. */
enum phase { PHASE_START = 1, PHASE_RUN = 2 };

#define MESSAGE_FDS_MOST 6

/*        message           from     to       phase  descriptors (at most)  body */
#define MESSAGES(X)                                                                                \
	X(BEGIN_DOORMAN, MAIN, DOORMAN, START, 2, struct message_begin)                            \
	X(BEGIN_KEEPER, MAIN, KEEPER, START, 6, struct message_begin)                              \
	X(BEGIN_DESK, MAIN, DESK, START, 4, struct message_begin)                                  \
	X(CONFIG_DOORMAN, MAIN, DOORMAN, RUN, 3, struct message_secret)                            \
	X(CONFIG_KEEPER, MAIN, KEEPER, RUN, 1, struct message_empty)                               \
	X(CONFIG_DESK, MAIN, DESK, RUN, 2, struct message_empty)                                   \
	X(STOP_KEEPER, MAIN, KEEPER, RUN, 0, struct message_stop)                                  \
	X(RELOAD_DONE, MAIN, DESK, RUN, 0, struct message_text)                                    \
	X(DOORMAN_READY, DOORMAN, MAIN, RUN, 0, struct message_outcome)                            \
	X(KEEPER_READY, KEEPER, MAIN, RUN, 0, struct message_outcome)                              \
	X(KEEPER_STOPPING, KEEPER, MAIN, RUN, 0, struct message_empty)                             \
	X(DESK_READY, DESK, MAIN, RUN, 0, struct message_outcome)                                  \
	X(RELOAD_WANTED, DESK, MAIN, RUN, 0, struct message_empty)                                 \
	X(KNOCK, DOORMAN, KEEPER, RUN, 0, struct message_knock)                                    \
	X(KNOCK_BACK, KEEPER, DOORMAN, RUN, 0, struct message_knock_back)                          \
	X(GRANTED, KEEPER, DOORMAN, RUN, 0, struct message_granted)                                \
	X(SESSIONS_WANTED, DESK, KEEPER, RUN, 0, struct message_cursor)                            \
	X(SESSIONS, KEEPER, DESK, RUN, 0, struct message_sessions)                                 \
	X(BEGIN_RUNNER, MAIN, RUNNER, START, 1, struct message_begin_runner)                       \
	X(BEGIN_PRIVILEGED_RUNNER, MAIN, PRIVILEGED_RUNNER, START, 1, struct message_begin_runner) \
	X(RUNNER_READY, RUNNER, MAIN, RUN, 0, struct message_outcome)                              \
	X(PRIVILEGED_RUNNER_READY, PRIVILEGED_RUNNER, MAIN, RUN, 0, struct message_outcome)        \
	X(SERVER_TASK, MAIN, PRIVILEGED_RUNNER, RUN, 0, struct message_server_task)                \
	X(SERVER_TASK_DONE, PRIVILEGED_RUNNER, MAIN, RUN, 0, struct message_server_task)           \
	X(RUN, KEEPER, RUNNER, RUN, 0, struct runner_request)                                      \
	X(RAN, RUNNER, KEEPER, RUN, 0, struct runner_reply)                                        \
	X(RULE, KEEPER, PRIVILEGED_RUNNER, RUN, 0, struct runner_request)                          \
	X(RULED, PRIVILEGED_RUNNER, KEEPER, RUN, 0, struct runner_reply)

struct message_empty {
	uint8_t zero;
};

/* Descriptors, doorman: keeper's channel, counters. Keeper: doorman's channel, desk's channel,
 * counters; then, if there is a runner, its channel; then, if there is a privileged runner that
 * makes rules, its channel and the file that the rules are kept in. Desk: keeper's channel,
 * doorman's counters, keeper's counters, control listener. */
struct message_begin {
	uid_t uid;
	gid_t gid;
	uid_t control_uid; /* desk: who may ask, besides root */
	enum log_level log_level;
	enum log_format log_format;
	bool openspa;                /* doorman, keeper: libcrypto is made ready before, too */
	enum conf_firewall firewall; /* keeper: opened before the sandbox closes */
	bool runner;                 /* keeper: there is one */
	bool privileged;             /* keeper: there is one, and it makes rules */
};

/* Descriptor: keeper's channel, but for a privileged runner that makes no rules. What the programs
 * run as is in `begin`: the runner's user is never root and should be nobody else's, neither
 * another role's nor a person's. The privileged runner's may be root, for programs that want to be
 * it; they have its two capabilities alone even so. */
struct message_begin_runner {
	struct message_begin begin;
	struct runner_settings settings;
};

/* With CONFIG_DOORMAN: snapshot, the UDP sockets (at the start only). CONFIG_KEEPER: snapshot.
 * CONFIG_DESK: snapshot, health listener (only when it changes). */
struct message_secret {
	bool openme; /* the first socket is openme's */
	uint8_t secret[32];
	bool openspa; /* the next socket is OpenSPA's */
	struct rsa_secret rsa;
};

/* The first READY of a process: its sandbox is closed. Each later one answers a CONFIG. */
struct message_outcome {
	int32_t error; /* errno, 0: done */
};

/* serverStart, before the first configuration is handed out, and serverStop, after the keeper has
 * gone. Answered once: with what became of it. */
struct message_server_task {
	uint8_t task;    /* RUNNER_SERVER_START or RUNNER_SERVER_STOP */
	uint8_t outcome; /* enum runner_outcome, of the answer */
};

struct message_stop {
	bool keep_rules;
};

#define MESSAGE_TEXT_BYTES 1000
struct message_text {
	int32_t fault; /* enum control_fault, 0: done */
	char text[MESSAGE_TEXT_BYTES];
};

struct message_knock {
	uint64_t generation; /* of the snapshot that `holder` is an index of */
	uint32_t holder;
	uint8_t guessed; /* 0 or not: the doorman has not tried the signature; no bool, for it may
	                    lie */
	uint8_t key[32]; /* that sealed the packet */
	int64_t timestamp_ns; /* the doorman's note to itself, for a knock that comes back */
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
	uint8_t protocol;
	uint16_t first_port;
	uint16_t last_port;
	uint16_t duration_s;
};

struct message_cursor {
	uint32_t next; /* where to go on: 0 at first */
};

/* What is known of one client or device at one address: that it has something open, or was here. */
enum session_kind { SESSION_OPEN, SESSION_OVERDUE, SESSION_SEEN };

struct message_session {
	uint8_t kind; /* enum session_kind */
	struct addr address;
	struct ledger_what what;
	char name[CLIENT_NAME_BYTES];
	uint32_t holder;        /* OPEN: of what the snapshot says that it may have */
	int64_t opened_real_ns; /* OPEN: since when; SEEN: when last */
	uint64_t remaining_ms;  /* OPEN */
};

#define MESSAGE_SESSIONS_MOST 32
struct message_sessions {
	uint64_t generation; /* of the snapshot that `holder` is an index of */
	uint32_t count;
	uint32_t next; /* cursor for more; 0: that was all */
	struct message_session sessions[MESSAGE_SESSIONS_MOST];
};

enum message_type {
#define X(id, from, to, phase, fds, body) MESSAGE_##id,
	MESSAGES(X)
#undef X
	    MESSAGE_COUNT,
};

union message_body {
#define X(id, from, to, phase, fds, body) body id;
	MESSAGES(X)
#undef X
};

struct message {
	enum message_type type;
	union message_body body;
	int fds[MESSAGE_FDS_MOST]; /* the receiver's to close; -1: none */
	size_t fd_count;
};

/* One end of a channel. */
struct channel {
	int fd;
	enum role self;
	enum role peer;
};

enum channel_result { CHANNEL_MESSAGE, CHANNEL_EMPTY, CHANNEL_CLOSED };

/* A connected pair; false with errno. */
bool channel_pair(int fds[static 2]);

/* `body` is the struct that the table names. Waits while the channel is full. False with errno
 * when the far end is gone. Sending what the table forbids aborts: it is a bug of ours. */
bool channel_send(const struct channel *c, enum message_type type, const void *body, const int *fds,
    size_t fd_count);
/* The same without descriptors and without waiting: false, EAGAIN, when the channel is full. */
bool channel_try_send(const struct channel *c, enum message_type type, const void *body);
/* Does not wait. A message that the table forbids in `phase` ends this process. */
enum channel_result channel_receive(const struct channel *c, struct message *m, enum phase phase);
/* The same, waiting up to `timeout_ms` (-1: for ever); EMPTY after that. */
enum channel_result channel_wait(
    const struct channel *c, struct message *m, enum phase phase, int timeout_ms);
/* Closes descriptors that came with a message. */
void message_close_fds(struct message *m);

#endif
