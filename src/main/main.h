/* The first process: reads the configuration, opens what the others need, starts them, and waits.
 * It never sees a packet and never touches the firewall. */
#ifndef MAIN_MAIN_H
#define MAIN_MAIN_H

#include "base/log.h"
#include "conf/conf.h"

struct main_options {
	const char *config;
	const char *state_dir;
	const char *control;
	const char *sessions_file; /* as openme writes it; NULL: none */
	enum log_level log_level;
	enum log_format log_format;
};

/* Runs the daemon; the value is the exit status. */
int role_main(const struct main_options *options);

#endif
