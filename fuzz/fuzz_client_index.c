/* An index of clients in which any bytes were changed, with a hash that fits all the same: nothing
 * is read outside of it, and a configuration that it goes into passes the other processes' checks.
 *
 * Input: how; then the file itself without its hash, or how much is cut off, and changes: offset,
 * byte. */
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/secret.h"
#include "conf/index_use.h"
#include "conf/private.h"
#include "fuzz.h"

#define PATH "/nonexistent/postern/config.yaml"

static const char text[] =
    "server:\n  private_key: yFtxDt7NWSTRynh28tcnRKq1rsbTBOjxBxSHFkrbkl4=\n"
    "ports:\n  web: [80/tcp, 8080-8090/tcp]\n"
    "clients:\n"
    "  alice:\n    ed25519_pubkey: HHsu0kwsn16vLIT8lBustEQlDdXmCgBNGX8naInlGyg=\n"
    "    allowed_ports: [web, 22/tcp]\n    expires: 2030-01-01\n"
    "  bob:\n    ed25519_pubkey: 0gkY1zX/NtQPYv2sEEH85GrSG6bVjJrGVukEi9aL6Wo=\n"
    "    targets: 2001:db8::/32\n    revoked: no\n";

static uint8_t whole[8192];
static size_t whole_size; /* without the hash */

static void put_sound(struct index_use *use)
{
	static const char *const names[] = {"alice.yaml", "bob.yaml", "carol+revoked.yaml"};
	const struct file_identity identity = {1, 2, 3, 4, 5};

	use->parts.owner.config = PATH;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		must(index_put_file(&use->parts.files, names[i], &identity, 2,
		    use->parts.main_clients.data, use->parts.main_clients.used));
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct conf_index_report report = {0};
	struct index_use use = {.report = &report, .recording = true, .complete = true};
	char folder[] = "/tmp/postern-fuzz-XXXXXX", path[64], why[INDEX_WHY_BYTES];
	struct conf_error error;
	struct conf *conf;
	FILE *file;

	(void)argc;
	(void)argv;
	must(secret_init() && mkdtemp(folder) != NULL);
	conf = conf_load_text_using(PATH, text, strlen(text), &use, &error);
	must(conf != NULL);
	put_sound(&use);
	memcpy(use.parts.owner.server_key, conf->public_key, sizeof conf->public_key);
	conf_free(conf);
	snprintf(path, sizeof path, "%s/used", folder);
	usleep(20000); /* else the folder has the time at which it was made: a fresh one */
	fclose(fopen(path, "w"));
	unlink(path);
	snprintf(path, sizeof path, "%s/" CONF_INDEX_FILE, folder);
	must(index_file_write(&use.parts, path, why));
	index_use_free(&use);
	file = fopen(path, "r");
	whole_size = fread(whole, 1, sizeof whole, file) - INDEX_HASH_BYTES;
	fclose(file);
	unlink(path);
	rmdir(folder);
	return 0;
}

/* On the heap, with a hash behind it. */
static uint8_t *input_file(struct reader *r, size_t *size)
{
	bool given = reader_u8(r) % 2 == 0;
	size_t cut = given ? 0 : reader_u16(r) % whole_size;
	uint8_t *data;

	*size = given ? r->left : whole_size - cut;
	data = malloc(*size + INDEX_HASH_BYTES);
	must(data != NULL);
	if (given)
		reader_take(r, data, *size);
	else
		memcpy(data, whole, *size);
	while (r->left >= 3) {
		size_t where = reader_u16(r) % *size;

		data[where] = reader_u8(r);
	}
	crypto_generichash(data + *size, INDEX_HASH_BYTES, data, *size, NULL, 0);
	*size += INDEX_HASH_BYTES;
	return data;
}

/* Reads all that can be reached. */
static void walk(struct index_file file)
{
	static const char *const names[] = {"", "alice.yaml", "b", "bob.yaml", "carol", "z"};
	volatile uint8_t last = 0;

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		struct file_identity identity;
		struct index_clients clients;

		if (index_file_find(&file, names[i], &identity, &clients) && clients.nodes.left > 0)
			last = clients.nodes.data[clients.nodes.left - 1];
	}
	last = index_file_has_key(&file, whole);
	(void)last;
}

/* All but those that have no key of their own. */
static uint32_t served(const struct conf *conf)
{
	uint32_t count = 0;

	for (size_t i = 0; i < conf_client_count(conf); i++)
		count += conf_client(conf, i)->aside ? 0 : 1;
	return count;
}

static void use_conf(const struct conf *conf)
{
	struct snapshot s;
	int fd = conf_write_snapshot(conf, 1);

	must(fd >= 0 && snapshot_map(&s, fd));
	must(s.client_count == served(conf));
	snapshot_unmap(&s);
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conf_index_report report = {0};
	struct index_use use = {.report = &report, .recording = true, .complete = true};
	struct reader r = reader_of(data, size);
	bool untouched = size == 3 && data[0] % 2 == 1 && data[1] == 0 && data[2] == 0;
	struct conf_error error = {.text = ""};
	char why[INDEX_WHY_BYTES];
	struct conf *conf;
	uint8_t *file = input_file(&r, &size);

	if (!index_file_parse(&use.old, file, size, PATH, why)) {
		must(*why != '\0' && !untouched);
		return 0;
	}
	walk(use.old);
	conf = conf_load_text_using(PATH, text, strlen(text), &use, &error);
	must(conf == NULL ? use.damaged || *error.text != '\0' : !use.damaged);
	must(!untouched || (conf != NULL && report.vetted == 0 && report.kept == 1));
	if (conf != NULL)
		use_conf(conf);
	conf_free(conf);
	index_use_free(&use);
	return 0;
}
