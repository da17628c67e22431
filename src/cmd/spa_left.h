/* Folders of new OpenSPA clients that were not finished, because their makers were killed. */
#ifndef CMD_SPA_LEFT_H
#define CMD_SPA_LEFT_H

#include "cmd/cli.h"

/* A folder that is being filled has the sticky bit, which means nothing for its files. */
#define SPA_LEFT_MODE 01700
#define SPA_DONE_MODE 0700

/* Names those in `folder`; where a person is there to be asked, offers to remove them. */
void spa_left_look(struct cli *cli, const char *folder);

#endif
