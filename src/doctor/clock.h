/* The judgement of a clock, apart from the clock. */
#ifndef DOCTOR_CLOCK_H
#define DOCTOR_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "doctor/report.h"

struct clock_facts {
	int64_t now_ns;        /* what it says, since the Unix epoch */
	int64_t not_before_ns; /* it has been later already */
	int64_t window_ns;     /* by how much a knock may be off */
	int64_t error_ns;      /* by how much the kernel holds it to be off at most */
	bool synchronised;     /* something keeps it right */
};

struct clock_judgement {
	enum finding what;
	const char *text;   /* never NULL */
	const char *remedy; /* NULL: none is needed */
};

struct clock_judgement clock_judge(const struct clock_facts *f);

#endif
