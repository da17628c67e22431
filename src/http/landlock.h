/* No file system any more, for a program that has opened all it needs. */
#ifndef HTTP_LANDLOCK_H
#define HTTP_LANDLOCK_H

#include <stdbool.h>

/* 0, or the error that tells that the kernel has no Landlock, or a container withholds it. */
int landlock_lacking(void);
/* From now on no file can be opened, made, changed or removed by its path, no TCP port bound or
 * connected to, and no signal sent to others, as far as this kernel's Landlock goes. Paths of UNIX
 * sockets can be connected to. After no_new_privs. False with errno. */
bool landlock_close(void);

#endif
