/* A snapshot in which any bytes were changed, as another process would map it. What is taken
 * leads nowhere outside.
 *
 * Input: how much is cut off; then changes: offset, byte. */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/secret.h"
#include "conf/conf.h"
#include "conf/private.h"
#include "fuzz.h"

static const char text[] =
    "server:\n  private_key: yFtxDt7NWSTRynh28tcnRKq1rsbTBOjxBxSHFkrbkl4=\n"
    "  targets: [10.0.0.0/8]\n"
    "ports:\n  web: [80/tcp, 8080-8090/tcp]\n"
    "clients:\n"
    "  alice:\n    ed25519_pubkey: HHsu0kwsn16vLIT8lBustEQlDdXmCgBNGX8naInlGyg=\n"
    "    allowed_ports: [web, 22/tcp]\n"
    "  bob:\n    ed25519_pubkey: 0gkY1zX/NtQPYv2sEEH85GrSG6bVjJrGVukEi9aL6Wo=\n"
    "    targets: [2001:db8::/32]\n";

static uint8_t whole[16384];
static size_t whole_size;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct conf_error error;
	struct conf *conf;
	ssize_t got;
	int fd;

	(void)argc;
	(void)argv;
	must(secret_init());
	conf = conf_load_text("/nonexistent/config.yaml", text, strlen(text), &error);
	must(conf != NULL);
	fd = conf_write_snapshot(conf, 1);
	got = pread(fd, whole, sizeof whole, 0);
	must(got > 0 && got < (ssize_t)sizeof whole);
	whole_size = (size_t)got;
	close(fd);
	conf_free(conf);
	return 0;
}

static int sealed_file(const uint8_t *data, size_t size)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	must(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	must(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0);
	return fd;
}

/* Reads all that can be reached. */
static void walk(const struct snapshot *s)
{
	volatile uint8_t last = 0;

	for (uint32_t i = 0; i < snapshot_holders(s); i++)
		must(strnlen(snapshot_holder_name(s, i), CLIENT_NAME_BYTES) < CLIENT_NAME_BYTES);
	for (uint32_t i = 0; i < s->client_count; i++) {
		const struct client *c = &s->clients[i];
		const struct cidr *targets = snapshot_cidrs(s, c->target_list);

		must(c->policy < s->policy_count);
		must(snapshot_find_client(s, c->public_key) == i);
		for (uint32_t j = 0; j < c->target_list.count; j++)
			last = targets[j].address.bytes[0];
	}
	for (uint32_t i = 0; i < s->policy_count; i++) {
		const struct ports *ports = snapshot_ports(s, s->policies[i].ports);

		for (uint32_t j = 0; j < s->policies[i].ports.count; j++)
			must(ports[j].first <= ports[j].last);
	}
	(void)last;
	(void)snapshot_find_device(s, whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t changed[sizeof whole];
	struct reader r = reader_of(data, size);
	size_t cut = reader_u16(&r);
	struct snapshot s;
	int fd;

	memcpy(changed, whole, whole_size);
	while (r.left >= 3) {
		size_t where = reader_u16(&r) % whole_size;

		changed[where] = reader_u8(&r);
	}
	fd = sealed_file(changed, whole_size - cut % whole_size);
	if (snapshot_map(&s, fd)) {
		walk(&s);
		snapshot_unmap(&s);
	} else {
		must(size > 2 || cut % whole_size != 0);
	}
	close(fd);
	return 0;
}
