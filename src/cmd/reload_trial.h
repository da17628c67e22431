/* A reload on trial, and what a reload would change. */
#ifndef CMD_RELOAD_TRIAL_H
#define CMD_RELOAD_TRIAL_H

#include "cmd/trial.h"

/* The main file is put back, and reloaded, unless the reload is confirmed; files of clients stay as
 * they are. */
enum cli_exit reload_on_trial(struct cli *cli, const struct trial_options *how);

/* --- reload_dry_run.c */

/* Says what would be shut and opened, and whose grants would end. */
enum cli_exit reload_dry_run(struct cli *cli, const char *state_dir);

#endif
