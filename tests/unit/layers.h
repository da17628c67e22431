/* Linked into a test program in place of what a sandbox is made by: leaves out layers of it, so
 * that the others are seen alone. The programs that are installed have nothing of this. */
#ifndef TESTS_LAYERS_H
#define TESTS_LAYERS_H

#include <stdbool.h>

extern bool layer_rights; /* user, groups and capabilities */
extern bool layer_files;  /* Landlock */
extern bool layer_calls;  /* seccomp */

#endif
