#ifndef BASE_FD_H
#define BASE_FD_H

#include <stdbool.h>
#include <sys/types.h>

/* Closes it, unless it is -1, and leaves errno as it is. Always -1. */
int fd_close(int fd);
/* Up to `size` bytes, less only at the end of the file; -1 with errno. */
ssize_t fd_read(int fd, void *data, size_t size);
/* Whether a folder has never held a file; false, too, where the file system does not tell. */
bool fd_folder_is_fresh(int folder);
/* Has one that was fresh count as such in spite of the file that was just made in it. */
void fd_folder_keep_fresh(int folder);

#endif
