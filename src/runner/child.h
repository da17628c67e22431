/* Starting one of the administrator's programs: whether its file can be trusted, and what it is
 * given: arguments, a small environment, three descriptors, limits, a session of its own. */
#ifndef RUNNER_CHILD_H
#define RUNNER_CHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/trusted_file.h"

struct runner_child {
	pid_t pid; /* leads its own session and process group */
	int in;    /* ours, not blocking: its standard input; -1: /dev/null */
	int out;   /* its standard output */
	int err;
};

struct runner_child_limits {
	bool resident;      /* no limit of processor time; has a standard input */
	uint32_t cpu_s;     /* of one process */
	uint32_t processes; /* of this user */
};

/* The file behind `path`, if it and every folder above it, and above the one that `path` stands in,
 * belong to root and nobody else may write them. False with the reason in `why`. */
bool runner_child_find(
    char **file, char **folder, const char *path, char why[static TRUSTED_TEXT_BYTES]);

/* Starts argv[0], a path as runner_child_find gave it, in `folder`. False with errno. What goes
 * wrong after that stands in its standard error, and its status is 127. */
bool runner_child_start(struct runner_child *out, char *const argv[], const char *folder,
    const struct runner_child_limits *limits);

#endif
