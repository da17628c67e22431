/* Questions to the person at the terminal, or to whoever pipes the answers in. All of them are read
 * from one buffer, so that none of what is piped in gets lost between two questions. */
#ifndef CMD_QUESTION_H
#define CMD_QUESTION_H

#include "cmd/cli.h"

#define QUESTION_BYTES 512

/* Whether questions go to a person. */
bool question_to_person(void);
/* One line from standard input, without its end; "" for just Enter, and when the input has ended.
 * The words go to standard error. False with cli->status set. */
bool question_ask(struct cli *cli, char answer[static QUESTION_BYTES], const char *words);

#endif
