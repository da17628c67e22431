/* Any packet on the control socket, as the daemon and the tool read it. There is one way to write a
 * record, so what is accepted comes back the same. */
#include <sodium.h>
#include <string.h>

#include "ctl/control.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t again[CONTROL_RECORD_BYTES];
	struct control_record record;

	if (!control_decode(&record, data, size)) {
		must(sodium_is_zero((const unsigned char *)&record, sizeof record));
		return 0;
	}
	must(size <= sizeof again && control_encode(again, &record) == size);
	must(memcmp(again, data, size) == 0);
	must(!control_is_request(record.type) || size == CONTROL_HEADER_BYTES);
	return 0;
}
