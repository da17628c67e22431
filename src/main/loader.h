/* Reads the configuration, in a child that main forks for each time. With many clients it takes
 * seconds, in which main goes on with its pings and hears signals; and the memory that it takes is
 * never main's. */
#ifndef MAIN_LOADER_H
#define MAIN_LOADER_H

#include "base/loop.h"
#include "conf/conf.h"
#include "main/main.h"
#include "main/programs.h"
#include "main/public_address.h"

/* What main needs of a configuration, besides the snapshot. */
struct loaded {
	struct message_secret secret;
	int fault;         /* enum control_fault; 0: it is sound */
	bool no_interface; /* that is the fault */
	struct conf_error why;
	struct programs programs;
	struct public_address public;
	struct conf_text interface; /* as the file calls it */
	enum conf_sandbox sandbox;
	int snapshot; /* its descriptor; -1: none, it has a fault */
};

/* What is read, and what stands beside it. */
struct load_task {
	const struct main_options *options;
	uint64_t generation;                 /* of the snapshot; 1: the daemon's start */
	const struct public_address *public; /* known; at the start it is asked for */
	const struct conf_text *interface; /* in force, which need not be there any more; as the */
	const char *interface_name;        /* file calls it, and its own name */
};

struct loader {
	pid_t pid; /* 0: it reads nothing */
	struct loop_source source;
	unsigned int idle; /* looks since it last did anything */
	int64_t worked_ns; /* processor time, until then */
};

/* Begins: from now on `source`, whose handler is the caller's, is ready when loader_take has
 * something to take. False with errno. */
bool loader_start(struct loader *l, const struct load_task *task);
/* Each second: ends one that does not get on. */
void loader_check(struct loader *l);
/* What it has read, in locked memory, for loaded_free; a child that has ended is a fault, too. NULL
 * with errno. */
struct loaded *loader_take(struct loader *l);
/* Once it has told, or while it reads. `accepted`: it says what in the configuration is hardly
 * meant, and then it ends; otherwise it just ends. */
void loader_end(struct loader *l, bool accepted);
/* All of it at once, for the start: the service manager is told to wait. */
struct loaded *loader_run(struct loader *l, const struct load_task *task);
/* Closes the snapshot's descriptor, too. Safe on NULL. */
void loaded_free(struct loaded *loaded);

#endif
