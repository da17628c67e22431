/* Any text as the server's configuration, or as a file of clients.d beside a small one. What is
 * accepted can be shown, and what is laid out for the other processes passes their checks.
 *
 * OpenSPA's section names files. /proc/self/fd/100 is a server's key. */
#include <string.h>
#include <unistd.h>

#include "base/secret.h"
#include "conf/private.h"
#include "files/show.h"
#include "fuzz.h"
#include "vectors.h"

#define KEY_FD 100
#define PATH   "/nonexistent/postern/config.yaml"

static FILE *nowhere;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *key = openspa_v1_vectors[0].server_private_key_pem;

	(void)argc;
	(void)argv;
	must(secret_init());
	must(dup2(fuzz_file(key, strlen(key)), KEY_FD) == KEY_FD);
	nowhere = fopen("/dev/null", "w");
	must(nowhere != NULL);
	return 0;
}

static void use(const struct conf *conf)
{
	struct snapshot s;
	size_t count = 0;
	int fd;

	for (size_t i = 0; i < conf_client_count(conf); i++)
		count += !conf_client(conf, i)->aside;
	must(conf_show(conf, nowhere));
	fd = conf_write_snapshot(conf, 1);
	must(fd >= 0 && snapshot_map(&s, fd));
	must(s.client_count == count);
	snapshot_unmap(&s);
	close(fd);
}

static struct conf *load_clients(const char *text, struct conf_error *error)
{
	static const char main_file[] =
	    "server:\n  private_key: yFtxDt7NWSTRynh28tcnRKq1rsbTBOjxBxSHFkrbkl4=\n";
	const struct conf_overlay overlay = {"fuzz.yaml", text};
	struct conf *conf = conf_load_text(PATH, main_file, strlen(main_file), error);

	must(conf != NULL);
	if (clients_load_folder(conf, &overlay, error) && check_clients(conf, error))
		return conf;
	conf_free(conf);
	return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);
	struct conf_error error = {.text = ""};
	struct conf *conf = conf_load_text(PATH, text, size, &error);

	must((conf == NULL) == (*error.text != '\0'));
	if (conf != NULL)
		use(conf);
	conf_free(conf);

	error.text[0] = '\0';
	conf = load_clients(text, &error);
	must((conf == NULL) == (*error.text != '\0'));
	if (conf != NULL)
		use(conf);
	conf_free(conf);
	free(text);
	return 0;
}
