/* The process that faces the network. */
#ifndef DOORMAN_DOORMAN_H
#define DOORMAN_DOORMAN_H

/* Its whole life; the exit status. */
int doorman_run(void);

#endif
