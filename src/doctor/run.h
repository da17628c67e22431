/* Asking a program of this host. */
#ifndef DOCTOR_RUN_H
#define DOCTOR_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Runs it by its name, found in the usual folders, without a shell, without input and with what it
 * complains of thrown away, as `uid` and no group of ours (0: as we are). What it prints is in
 * `out`, cut and closed by a zero. True when it ended by itself with 0, within five seconds. */
bool run_read(char *const argv[], uid_t uid, char *out, size_t size);

#endif
