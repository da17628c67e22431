/* Any text as an OSPA file. */
#include <string.h>
#include <unistd.h>

#include "base/secret.h"
#include "files/ospa.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conf_error error = {.text = ""};
	char path[FUZZ_PATH_BYTES];
	struct ospa ospa;
	int fd = fuzz_file(data, size);

	must(secret_init());
	if (ospa_load(&ospa, fuzz_path(path, fd), &error)) {
		must(*ospa.name != '\0' && ospa.port != 0);
		must(ospa.private_key != NULL && ospa.public_key != NULL &&
		     ospa.server_public_key != NULL);
		must(strnlen(ospa.echo_ip, sizeof ospa.echo_ip) < sizeof ospa.echo_ip);
		ospa_free(&ospa);
	} else {
		must(*error.text != '\0');
	}
	close(fd);
	return 0;
}
