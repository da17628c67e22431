#include "base/rate.h"

#include "base/clock.h"

struct rate rate_of(uint32_t per_second, uint32_t burst)
{
	return (struct rate){
	    .interval_ns = NS_PER_SECOND / per_second, .burst = burst, .tokens = burst};
}

bool rate_take(struct rate *r, int64_t now_ns)
{
	int64_t earned = (now_ns - r->last_ns) / r->interval_ns;

	if (earned >= (int64_t)(r->burst - r->tokens)) {
		r->tokens = r->burst;
		r->last_ns = now_ns;
	} else if (earned > 0) {
		r->tokens += (uint32_t)earned;
		r->last_ns += earned * r->interval_ns;
	}
	if (r->tokens == 0)
		return false;
	r->tokens--;
	return true;
}
