/* A change of the firewall on trial: it is taken back unless somebody confirms it in time. What is
 * under way, or how the last one ended, stands in one file in the daemon's state directory, which
 * is made before anything is changed, has its full size then, and is written in place: a full disk
 * keeps nobody from ending it. */
#ifndef CMD_TRIAL_H
#define CMD_TRIAL_H

#include "base/clock.h"
#include "cmd/cli.h"
#include "cmd/login.h"

#define TRIAL_FILE        "trial"
#define TRIAL_PATH_BYTES  1024
#define TRIAL_TOKEN_BYTES 17
#define TRIAL_WORDS_BYTES 256

/* How long there is to confirm it: by default, at least, at most. */
#define TRIAL_WITHIN_NS (60 * NS_PER_SECOND)
#define TRIAL_LEAST_NS  NS_PER_SECOND
#define TRIAL_MOST_NS   (3600 * NS_PER_SECOND)

enum trial_state {
	TRIAL_NONE,
	TRIAL_CHANGING, /* the change is being made */
	TRIAL_WAITING,  /* it is made, and to be confirmed */
	TRIAL_CONFIRMED,
	TRIAL_TAKEN_BACK,
	TRIAL_FAILED, /* it was to be taken back, which did not work out */
	TRIAL_STATES
};

enum trial_kind { TRIAL_ACTIVATION, TRIAL_RELOAD, TRIAL_KINDS };

struct trial {
	uint64_t mark;    /* of this layout */
	uint32_t state;   /* enum trial_state */
	uint32_t kind;    /* enum trial_kind */
	int64_t began_ns; /* these two are CLOCK_BOOTTIME */
	int64_t until_ns;
	int64_t ended_ns; /* CLOCK_REALTIME */
	char boot_id[CLOCK_BOOT_ID_BYTES];
	char token[TRIAL_TOKEN_BYTES];  /* which one it is, in hexadecimal */
	char login[LOGIN_BYTES];        /* of whoever made the change; "": none by SSH */
	char service[TRIAL_PATH_BYTES]; /* as in cmd/service.h; of an activation */
	char config[TRIAL_PATH_BYTES];
	char previous[TRIAL_PATH_BYTES]; /* of a reload: the file that is to come back */
	char staged[TRIAL_PATH_BYTES];   /* that one's name until the trial is noted */
	char control[TRIAL_PATH_BYTES];
	char failure[TRIAL_WORDS_BYTES]; /* why it could not be taken back */
};

/* The file, open and locked: nobody else begins or ends a trial meanwhile. */
struct trial_file {
	int fd;
	struct trial trial; /* TRIAL_NONE where there is none that can be understood */
};

/* False, having said why, with cli->status set. */
bool trial_open(struct cli *cli, struct trial_file *f, const char *state_dir);
/* The same, but makes nothing: where there is no file there is no trial. */
bool trial_find(struct cli *cli, struct trial_file *f, const char *state_dir);
/* Writes all of it. The same. */
bool trial_put(struct cli *cli, struct trial_file *f);
/* Lets others have it. */
void trial_close(struct trial_file *f);

/* Whether it is of this start of the machine and has not ended. */
bool trial_is_open(const struct trial *t);
bool trial_is_of_this_boot(const struct trial *t);
/* How it has ended, or what is to be done, in a sentence. Returns `text`. */
const char *trial_text(const struct trial *t, char text[static 2 * TRIAL_WORDS_BYTES]);

/* --- trial_end.c. All with the file open; what comes of it stands in it afterwards. */

/* What it takes to make it last. False, having said why, with cli->status set. */
bool trial_confirm(struct cli *cli, struct trial_file *f);
/* What that is, of one that is confirmed: it may have been cut off. The same. */
bool trial_make_last(struct cli *cli, const struct trial_file *f);
/* Brings back what was before. The same. */
bool trial_take_back(struct cli *cli, struct trial_file *f);

/* --- trial_watch.c */

/* Has a process that no terminal ends take it back in time. False, having said why. */
bool trial_watch_start(struct cli *cli, const struct trial *t, const char *state_dir);
/* What that process does: until trial `token` has ended. */
enum cli_exit trial_watch(struct cli *cli, const char *token, const char *state_dir);
/* Waits for the end of trial `token`, as whoever has begun it, and says what it was. */
enum cli_exit trial_await(struct cli *cli, const char *token, const char *state_dir);

/* --- trial_begin.c */

struct trial_options {
	int64_t within_ns;
	const char *state_dir;
	bool no_wait;
};

/* False, having said why, with cli->status set, while another one is open. */
bool trial_is_free(struct cli *cli, const struct trial_options *o);
/* Begins one, of which `t` says kind, service, and previous file: notes it, and has it watched.
 * False, having said why, with cli->status set: nothing is to be changed then. */
bool trial_begin(struct cli *cli, const struct trial_options *o, struct trial *t);
/* The change is made: from now on it can be confirmed, and time runs. Says how, and waits for it
 * unless that is not wanted. */
enum cli_exit trial_made(struct cli *cli, const struct trial_options *o, const struct trial *t);
/* It could not be made. Brings back what was before, and keeps cli->status. */
enum cli_exit trial_not_made(struct cli *cli, const struct trial_options *o);

#endif
