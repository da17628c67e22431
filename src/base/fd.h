#ifndef BASE_FD_H
#define BASE_FD_H

/* Closes it, unless it is -1, and leaves errno as it is. Always -1. */
int fd_close(int fd);

#endif
