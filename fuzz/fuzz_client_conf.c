/* Any text as a client's file of profiles, or as the JSON of a QR code, which is one. What is
 * accepted is whole: each profile has a name by which it is found, a server and keys. */
#include <string.h>
#include <unistd.h>

#include "base/secret.h"
#include "files/client_conf.h"
#include "fuzz.h"

static void use(const struct client_conf *conf)
{
	struct conf_error error;

	must(client_conf_warning(conf) == NULL);
	for (size_t i = 0; i < client_conf_count(conf); i++) {
		const struct client_profile *p = client_conf_profile(conf, i);

		must(client_conf_named(conf, p->name, &error) == p);
		must(*p->server_host.text != '\0' && p->server_pubkey.given && p->public_key.given);
		must(memcmp(p->private_key.bytes + CLIENT_SECRET_BYTES / 2, p->public_key.bytes,
		         CLIENT_SECRET_BYTES / 2) == 0);
	}
	(void)client_conf_named(conf, "nobody\n", &error);
	(void)client_conf_named(conf, NULL, &error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conf_error error = {.text = ""};
	char path[FUZZ_PATH_BYTES];
	struct client_conf *conf;
	int fd = fuzz_file(data, size);

	must(secret_init());
	conf = client_conf_load(fuzz_path(path, fd), &error);
	must((conf == NULL) == (*error.text != '\0'));
	if (conf != NULL)
		use(conf);
	client_conf_free(conf);
	close(fd);
	return 0;
}
