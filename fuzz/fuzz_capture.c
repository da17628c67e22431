/* Any bytes as a capture file, looked at for each of its first packets. A datagram that is found
 * lies inside the file. */
#include <string.h>

#include "fuzz.h"
#include "main/capture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint16_t ports[2] = {54154, 22211};
	struct captured c;

	for (uint32_t number = 0; number < 4; number++) {
		if (capture_find(&c, data, size, number, ports) != NULL)
			continue;
		must(c.bytes >= data && c.size <= size - (size_t)(c.bytes - data));
		must(number == 0 || c.number == number);
		must(number != 0 || c.number == 0 || c.port == ports[0] || c.port == ports[1]);
	}
	return 0;
}
