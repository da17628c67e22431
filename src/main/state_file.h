/* The files in the state directory that outlive the daemon: which rules programs have made, and
 * what the replay guard has seen. The keeper has them mapped. */
#ifndef MAIN_STATE_FILE_H
#define MAIN_STATE_FILE_H

#include "admit/replay_file.h"

/* Opens `rules` in the folder `path`, made when it is missing, and locks it for whoever holds the
 * descriptor. -1, having said why, also when another daemon has it, or others could change it. */
int rules_file_open(const char *path);
/* For a daemon without programs for rules: says so when there are some that nobody will shut. */
void rules_file_mind(const char *path);

/* Opens `replay` in the same way, with room for `holders`, and says in `origin` what was found: a
 * first start is one in a folder that has never held a file. What cannot be used is replaced; where
 * that fails, too, a file in memory does until the next start. Which of them it was is noted beside
 * the control socket, where it is gone with the boot: one that was not the last is not used. -1,
 * having said why, when another daemon has it. Before all other files of the folder. */
int replay_file_open(
    const char *path, const char *control, uint32_t holders, enum replay_origin *origin);

/* Opens `networks`, in which the doorman remembers from which networks clients have knocked; for so
 * many clients. Where it is of no use it is begun anew, and where that fails a file in memory does
 * until the next start; the log says so. -1 when there is none. */
int networks_file_open(const char *path, uint32_t clients);

#endif
