/* A short slice of the processor: who asks for one runs sooner after it was woken beside a busy
 * process, and no more in all. */
#ifndef PROC_SLICE_H
#define PROC_SLICE_H

#define SLICE_NS 100000 /* the shortest that the kernel gives */

/* Asks for it, for this process, which stays of the ordinary class and as nice as it is. Kernels
 * before 6.12 take no notice; where it is refused the log says so at debug level, no more. Before
 * the sandbox closes. */
void slice_shorten(void);

#endif
