/* The process that administrators talk to: answers the control socket, and accepts and closes
 * connections to the health port. It sees no packet, no key and no rule, and waits for nobody: not
 * for the keeper, whom it asks for what it shows, and not for a tool that does not read. */
#ifndef DESK_DESK_H
#define DESK_DESK_H

#include "bpf/pages.h"
#include "ctl/control.h"
#include "proc/counters.h"
#include "proc/process.h"
#include "proc/sandbox.h"

#define DESK_CONVERSATIONS 16
#define DESK_VIEWERS       2 /* of them, for who may only look */

enum conversation_state {
	CONVERSATION_FREE,
	CONVERSATION_OPEN,    /* its request is awaited */
	CONVERSATION_QUEUED,  /* wants sessions, and waits for its turn */
	CONVERSATION_SHOWN,   /* gets sessions: one at a time */
	CONVERSATION_STATS,   /* gets statistics */
	CONVERSATION_RELOADS, /* waits for a reload: one at a time */
};

/* A tool that has connected. */
struct conversation {
	struct desk *desk;
	struct loop_source source;
	enum conversation_state state;
	bool viewer;      /* may only look, and gives way to those who may more */
	bool awaits_room; /* to be told more; otherwise what can be read is its end */
	size_t stats_sent;
	int64_t until_ns; /* CLOCK_BOOTTIME; it is ended when nothing has come of it by then */
};

struct desk {
	struct process process;
	struct peer keeper;
	struct loop_source control; /* listener */
	struct loop_source health;  /* listener; fd -1: none */
	struct loop_source tick;
	const struct counters *doormen_counters; /* of each */
	const struct counters *keeper_counters;
	unsigned int doormen;
	const struct kernel_shield_counts *shield_counts; /* NULL: no program counts */
	struct snapshot config;
	uid_t allowed_uid;
	uid_t viewer_uid; /* 0: nobody */
	struct conversation conversations[DESK_CONVERSATIONS];
	struct message_status status; /* as main has told it */
	bool reload_asked;            /* of main, which has not done it yet */
	bool keeper_asked;            /* and has not answered yet */
	uint64_t queue_dropped;       /* the most that was told of it */
	struct message_sessions page; /* what it has answered, and how much of it was passed on */
	uint32_t page_sent;
	uint64_t shown_generation; /* of the first page for whom is being shown; 0: none yet */
};

/* Its whole life; the exit status. */
int desk_run(void);

MESSAGES_TO_DESK(MESSAGE_DECLARE)

/* --- conversation.c */

/* Takes the next one who has connected; `ready` is called with it when there is something to read,
 * or room to write. */
void conversation_accept(struct desk *d, void (*ready)(void *conversation));
/* The one in that state, or NULL. */
struct conversation *conversation_in(struct desk *d, enum conversation_state state);
/* Whose turn it is to get sessions, of those who wait; NULL: nobody waits. */
struct conversation *conversation_next(struct desk *d);
/* Ends the viewer that gets sessions, if one does, so that somebody who may more need not wait. */
void conversation_end_viewer(struct desk *d);
/* Whether it may ask for that. */
bool conversation_may_ask(const struct conversation *c, enum control_type type);
void conversation_end(struct conversation *c);
void conversation_end_with_fault(
    struct conversation *c, enum control_fault fault, const char *text);
/* Sends a record without waiting. False: there is no room for it now (EAGAIN), or nobody there. */
bool conversation_send(struct conversation *c, const struct control_record *record);
/* The same for a STAT. */
bool conversation_send_stat(struct conversation *c, const char *name, uint64_t value);
/* Waits until the tool can take more, or again for its end. */
void conversation_await_room(struct conversation *c, bool room);
/* Sends DONE and ends it. */
void conversation_end_done(struct conversation *c);
/* Something came of it: its time starts anew. */
void conversation_progress(struct conversation *c);
/* Ends those whose time is over. */
void conversation_check(struct desk *d);

/* --- requests.c */

/* What a tool has asked for. */
void request_serve(struct conversation *c, enum control_type type);
/* Shows sessions to whoever is next, as far as the keeper has told them. */
void request_show_sessions(struct desk *d);

/* --- stats.c */

/* Shows statistics as far as there is room; to be called again when there is more. */
void request_show_stats(struct conversation *c);

#endif
