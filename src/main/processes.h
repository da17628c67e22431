/* The inside of main, for the files that it is made of. */
#ifndef MAIN_PROCESSES_H
#define MAIN_PROCESSES_H

#include "base/loop.h"
#include "ctl/control.h"
#include "main/audit.h"
#include "main/cgroups.h"
#include "main/config_push.h"
#include "main/control_socket.h"
#include "main/hint_maker.h"
#include "main/kernel_shield.h"
#include "main/ladder.h"
#include "main/loader.h"
#include "main/main.h"
#include "main/programs.h"
#include "main/public_address.h"
#include "main/socket_store.h"
#include "proc/peer.h"
#include "snapshot/kept_config.h"

/* Main has one for each role, and behind them the doormen but the first; both runners are started
 * only where programs are asked. */
#define FIRST_ROLE ((enum role)(ROLE_MAIN + 1))
#define CHILDREN   (ROLE_COUNT + DOORMEN_MOST - 1)

#define EARLIER_MOST 32

struct child {
	enum role role;
	pid_t pid;   /* 0: not running */
	bool failed; /* ended by a signal, or with a status that is not 0 */
	struct peer peer;
	struct main_process *main;
	bool ready_awaited;  /* READY, as the answer to what it was told */
	int error;           /* that it came with */
	unsigned int silent; /* pings since it last answered one; 0: it owes none */
	int task_outcome;    /* enum runner_outcome of the task it was given; -1: not yet */
};

struct interface_watch {
	struct loop_source source;        /* netlink; fd -1: every interface is heard */
	int sockets[CONFIG_PUSH_SOCKETS]; /* those of the doormen and the desk; -1: none */
	bool gone;
	bool failed; /* to bind the sockets */
};

/* Who has asked for a reload, or a stop. */
struct asker {
	enum { ASKED_BY_SIGNAL, ASKED_BY_CONTROL } how;
	uid_t uid;
};

struct main_process {
	const struct main_options *options;
	message_handler *const *handlers; /* main_handlers */
	struct loop loop;
	struct loop_source signals;
	struct child children[CHILDREN];
	unsigned int doormen;        /* how many, from the start to the end */
	pid_t earlier[EARLIER_MOST]; /* children of whoever executed main, which are not ours */
	size_t earlier_count;
	struct programs programs;   /* the same from the start to the end */
	struct cgroups cgroups;     /* of the programs */
	struct settings settings;   /* in force */
	unsigned int without;       /* layers of the other processes' sandboxes, by bit */
	struct conf_text interface; /* as the file calls it; settings has its own name */
	uint32_t clients;
	uint32_t devices;
	uint64_t generation;
	struct snapshot in_force; /* the configuration, for what the next one changes */
	struct audit audit;
	struct asker asker, next_asker, desk_asker; /* of the reload under way, or the last one */
	int control;                                /* listener */
	struct viewer viewer;
	struct socket_store store;
	int firewall; /* netlink socket of the keeper's, which owns our rules; -1: none */
	struct loop_source lease; /* connection to the guard that shares it; fd -1: there is none */
	enum control_guard guard; /* THERE: it has said so */
	int held; /* of doorman and keeper: what they have in their hands; -1: none */
	struct interface_watch watch;
	struct kernel_shield shield;
	int exit_status;
	struct loop_source heartbeat; /* timer */
	struct loader loader;
	struct kept_config kept; /* the file, before it was read */
	struct hint_maker hints;
	int64_t reload_began_ns;
	bool reload_for_desk, reload_again; /* that which is under way; another one after it */
	struct loop_source reload;          /* timer: the desk's turn */
	bool reload_wanted;                 /* by the desk */
	bool reload_desk_waits;             /* its turn has come while another one was under way */
	int64_t next_reload_ns;             /* CLOCK_BOOTTIME; the desk has to wait until then */
	bool keeper_gets_on;                /* with stopping, it says */
	pid_t sessions_writer;              /* 0: none */
	struct public_address public;       /* as learned at the start */
	struct message_status told;         /* to the desk; all zeros: nothing yet */
	int64_t started_s, reloaded_s;      /* since the Unix epoch; 0: not yet */
	uint32_t reloads, reloads_refused;
	bool reload_refused; /* the last one */
};

MESSAGES_TO_MAIN(MESSAGE_DECLARE)

/* Something that the daemon cannot go on with: leaves the loop. */
void main_fail(struct main_process *m, enum role role, const char *what);
/* The same when a role's channel has closed: says which process has ended, and how. */
void main_lost(struct main_process *m, enum role role);
/* Whether a signal to stop waits to be read. */
bool main_is_to_stop(const struct main_process *m);
#define READY_TIMEOUT_MS 10000
/* Waits for a role's READY; false with errno when it has failed, or did not come, or the daemon is
 * to stop. */
bool main_wait_ready(struct child *child, int timeout_ms);
/* Has the privileged runner run serverStart or serverStop, and waits. True when it went well, or
 * where none is configured; otherwise the log says what happened. */
bool main_server_task(struct main_process *m, enum runner_task task);

/* A doorman by its number, from 0. */
struct child *main_doorman(struct main_process *m, unsigned int number);

/* To whom the messages of the processes go; their context is a struct child. */
extern message_handler *const main_handlers[MESSAGE_COUNT];

/* Starts all roles that are needed, as in `settings`, and waits until their sandboxes are closed.
 * False, having said why. */
bool main_start_roles(struct main_process *m, const struct snapshot *snapshot);
/* Before any is started, for the stop ends what has become a child of main meanwhile. */
void main_note_earlier_children(struct main_process *m);
/* Tells the service manager that stopping takes its time. */
void main_extend_stop(const struct main_process *m);
/* Ends them, the keeper first: it takes the rules away, if that is to be, and then this is true. */
bool main_stop_roles(struct main_process *m);

struct config_push;
/* Hands a configuration to those who follow it, and takes it for the one in force. False when the
 * old one is still in force everywhere, or the daemon is stopping. */
bool main_push_config(
    struct main_process *m, const struct message_secret *secret, const struct config_push *h);
/* Has the configuration read again, and taken over when it has been; once more after that, where it
 * is being read already: for it may have been changed since. `for_desk`: tells the desk, which has
 * asked for it. */
void main_reload(struct main_process *m, bool for_desk);
/* What is to be read: at the start, or again. The next generation. */
struct load_task main_load_task(struct main_process *m);
/* The desk wants a reload: it comes by a timer, one at a time, and not too often. */
void main_want_reload(struct main_process *m);
bool main_open_reload(struct main_process *m);

/* Keeps the configuration that was handed out, which becomes the one in force: takes the mapping
 * out of `h`. */
void main_keep_config(struct main_process *m, struct config_push *h);

/* --- audit_config.c */

/* The audit log is written from now on, and says that the daemon has started. */
void main_audit_start(struct main_process *m);
/* Says what the configuration in force changes of the one before, and who wanted that. */
void main_audit_config(struct main_process *m, const struct snapshot *before);
void main_audit_refused(struct main_process *m, const char *why);
/* Says that the daemon ends, and ends the audit log. */
void main_audit_stop(struct main_process *m, bool taken_away);

/* --- ladder.c */

/* Tells the service manager, and the desk for whoever asks it, what the daemon does without. */
void main_tell_status(struct main_process *m);
/* Tells the desk alone how the daemon is, if that is not what it knows; also each second. */
void main_tell_desk(struct main_process *m);

/* --- interface_watch.c */

/* Keeps the sockets in `h` bound to the interface, from now on and in the loop. False, having said
 * why. */
bool main_watch_interface(struct main_process *m, struct config_push *h);
/* Looks whether it is still the same device; also each second. */
void main_check_interface(struct main_process *m);

/* --- kernel_shield.c */

/* Has the shield attached to devices, from now on and in the loop. False, having said why. */
bool main_watch_shield(struct main_process *m);
/* Has it taken away from them: before the keeper is told to stop. */
void main_remove_shield(const struct main_process *m);
/* Looks at devices and addresses anew. */
void main_check_shield(struct main_process *m);

/* --- lease.c */

/* Has the guard that stays lend us the socket that owns our rules, or makes one where none stays.
 * False, having said why, when another daemon has it. */
bool main_take_lease(struct main_process *m);
/* In the loop, from now on. */
bool main_keep_lease(struct main_process *m);
/* Each second: a guard that has come back is handed the socket, and not waited for. */
void main_renew_lease(struct main_process *m);
/* `taken_away`: the rules, which the guard must not put back. */
void main_end_lease(struct main_process *m, bool taken_away);

/* --- heartbeat.c */

/* Pings the roles from now on, in the loop; who does not answer is killed, and the daemon ends. */
bool main_open_heartbeat(struct main_process *m);
/* One beat, where the loop does not run: their answers are the caller's to read. */
void main_ping_all(struct main_process *m);
/* Tells the service manager's watchdog, if there is one, that main still gets on. */
void main_feed_watchdog(void);

#endif
