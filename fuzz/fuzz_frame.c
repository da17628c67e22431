/* Any bytes as a captured IP packet. A datagram that is found lies inside it, and its checksums can
 * be looked at. */
#include "fuzz.h"
#include "intake/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct datagram d;

	if (frame_read(&d, data, size) != FRAME_DATAGRAM)
		return 0;
	must(d.bytes >= data + 28 && d.size <= size - (size_t)(d.bytes - data));
	must(!frame_is_intact(&d, data, true) || frame_is_intact(&d, data, false));
	return 0;
}
