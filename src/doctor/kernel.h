/* Judgements about the kernel, apart from it. */
#ifndef DOCTOR_KERNEL_H
#define DOCTOR_KERNEL_H

#include <stdint.h>

#include "doctor/report.h"

/* Of the table of connections: how full it is. */
enum finding connections_judge(uint64_t count, uint64_t most);

#endif
