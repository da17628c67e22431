#include "snapshot/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "snapshot/snapshot_check.h"

#define SNAPSHOT_MAGIC 0x50534e32U /* "PSN2" */
#define SNAPSHOT_SEALS (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)
#define SNAPSHOT_MOST  (1ULL << 30) /* bytes; a size_t anywhere */

/* Where the arrays stand; all offsets from the start of the file. */
struct plan {
	uint64_t clients;
	uint64_t policies;
	uint64_t ports;
	uint64_t cidrs;
	uint64_t devices;
	uint64_t rules;
	uint64_t by_key;
	uint64_t size;
};

/* Differs between builds whose structs differ in size (FNV-1a over the sizes). */
static uint32_t layout_number(void)
{
	static const size_t sizes[] = {sizeof(struct snapshot_header), sizeof(struct settings),
	    sizeof(struct client), sizeof(struct policy), sizeof(struct ports), sizeof(struct cidr),
	    sizeof(struct device), sizeof(struct openspa_rule)};
	uint32_t number = 2166136261U;

	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
		number = (number ^ (uint32_t)sizes[i]) * 16777619U;
	return number;
}

static uint64_t array_after(uint64_t *end, uint32_t count, size_t each)
{
	uint64_t start = (*end + 7) & ~7ULL;

	*end = start + (uint64_t)count * each; /* 2^32 elements of any of ours fit 64 bits */
	return start;
}

static struct plan plan_of(const struct snapshot_counts *n)
{
	struct plan p = {.size = sizeof(struct snapshot_header)};

	p.clients = array_after(&p.size, n->clients, sizeof(struct client));
	p.policies = array_after(&p.size, n->policies, sizeof(struct policy));
	p.ports = array_after(&p.size, n->ports, sizeof(struct ports));
	p.cidrs = array_after(&p.size, n->cidrs, sizeof(struct cidr));
	p.devices = array_after(&p.size, n->devices, sizeof(struct device));
	p.rules = array_after(&p.size, n->rules, sizeof(struct openspa_rule));
	p.by_key = array_after(&p.size, n->clients, sizeof(uint32_t));
	return p;
}

static bool write_at(int fd, const void *data, size_t size, uint64_t offset)
{
	const uint8_t *from = data;

	while (size > 0) {
		ssize_t written = pwrite(fd, from, size, (off_t)offset);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return false;
		from += written;
		size -= (size_t)written;
		offset += (uint64_t)written;
	}
	return true;
}

static int compare_keys(const void *a, const void *b)
{
	const struct client *const *left = a, *const *right = b;

	return memcmp((*left)->public_key, (*right)->public_key, CLIENT_KEY_BYTES);
}

/* Once, here, for all processes. */
static bool write_order(int fd, const struct client *clients, uint32_t count, uint64_t offset)
{
	const struct client **sorted = calloc((size_t)count + 1, sizeof *sorted);
	uint32_t *numbers = calloc((size_t)count + 1, sizeof *numbers);
	bool ok = sorted != NULL && numbers != NULL;

	for (uint32_t i = 0; ok && i < count; i++)
		sorted[i] = &clients[i];
	if (ok)
		qsort(sorted, count, sizeof *sorted, compare_keys);
	for (uint32_t i = 0; ok && i < count; i++)
		numbers[i] = (uint32_t)(sorted[i] - clients);
	ok = ok && write_at(fd, numbers, count * sizeof *numbers, offset);
	free(sorted);
	free(numbers);
	return ok;
}

static bool write_parts(int fd, const struct snapshot_parts *parts, const struct plan *plan)
{
	const struct snapshot_counts *n = &parts->counts;
	struct snapshot_header header;

	memset(&header, 0, sizeof header);
	header.magic = SNAPSHOT_MAGIC;
	header.layout = layout_number();
	header.generation = parts->generation;
	header.size = plan->size;
	header.settings = parts->settings;
	header.counts = *n;
	return write_at(fd, &header, sizeof header, 0) &&
	       write_at(fd, parts->clients, n->clients * sizeof *parts->clients, plan->clients) &&
	       write_at(
	           fd, parts->policies, n->policies * sizeof *parts->policies, plan->policies) &&
	       write_at(fd, parts->ports, n->ports * sizeof *parts->ports, plan->ports) &&
	       write_at(fd, parts->cidrs, n->cidrs * sizeof *parts->cidrs, plan->cidrs) &&
	       write_at(fd, parts->devices, n->devices * sizeof *parts->devices, plan->devices) &&
	       write_at(fd, parts->rules, n->rules * sizeof *parts->rules, plan->rules) &&
	       write_order(fd, parts->clients, n->clients, plan->by_key);
}

int snapshot_create(const struct snapshot_parts *parts)
{
	struct plan plan = plan_of(&parts->counts);
	int fd;

	if (plan.size > SNAPSHOT_MOST) {
		errno = EFBIG;
		return -1;
	}
	fd = memfd_create("postern-snapshot", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -1;
	if (ftruncate(fd, (off_t)plan.size) == 0 && write_parts(fd, parts, &plan) &&
	    fcntl(fd, F_ADD_SEALS, SNAPSHOT_SEALS) == 0)
		return fd;
	return fd_close(fd);
}

static bool header_sound(const struct snapshot_header *h, uint64_t size)
{
	return h->magic == SNAPSHOT_MAGIC && h->layout == layout_number() && h->size == size &&
	       plan_of(&h->counts).size == size;
}

/* Size of the file when nobody can change it and a snapshot can have that size, else 0. */
static size_t fixed_size(int fd)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat st;

	if (seals < 0 || (seals & SNAPSHOT_SEALS) != SNAPSHOT_SEALS || fstat(fd, &st) != 0 ||
	    st.st_size < (off_t)sizeof(struct snapshot_header) ||
	    (uint64_t)st.st_size > SNAPSHOT_MOST)
		return 0;
	return (size_t)st.st_size;
}

bool snapshot_begin(struct snapshot *out, int fd)
{
	size_t size = fixed_size(fd);
	const uint8_t *base;
	struct plan plan;
	void *mapped;

	memset(out, 0, sizeof *out);
	if (size == 0) {
		errno = EINVAL;
		return false;
	}
	/* Private: before Linux 6.7 a file with F_SEAL_WRITE cannot be mapped shared. Nothing is
	 * ever written, so the pages are the file's own all the same. */
	mapped = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (mapped == MAP_FAILED)
		return false;
	base = mapped;
	out->header = mapped;
	if (!header_sound(out->header, size))
		goto refuse;
	plan = plan_of(&out->header->counts);
	out->settings = &out->header->settings;
	out->clients = (const void *)(base + plan.clients);
	out->policies = (const void *)(base + plan.policies);
	out->ports = (const void *)(base + plan.ports);
	out->cidrs = (const void *)(base + plan.cidrs);
	out->devices = (const void *)(base + plan.devices);
	out->rules = (const void *)(base + plan.rules);
	out->by_key = (const void *)(base + plan.by_key);
	out->client_count = out->header->counts.clients;
	out->policy_count = out->header->counts.policies;
	out->device_count = out->header->counts.devices;
	if (snapshot_settings_sound(out->header))
		return true;
refuse:
	munmap(mapped, size);
	memset(out, 0, sizeof *out);
	errno = EBADMSG;
	return false;
}

int snapshot_check(struct snapshot *s, uint32_t most)
{
	uint32_t left = s->header == NULL ? 0 : snapshot_longest(s->header) - s->checked;
	uint32_t count = left < most ? left : most;

	if (s->header == NULL || !snapshot_elements_sound(s, s->checked, s->checked + count))
		return EBADMSG;
	s->checked += count;
	return count < left ? EAGAIN : 0;
}

bool snapshot_map(struct snapshot *out, int fd)
{
	if (!snapshot_begin(out, fd))
		return false;
	if (snapshot_check(out, UINT32_MAX) == 0)
		return true;
	snapshot_unmap(out);
	errno = EBADMSG;
	return false;
}

void snapshot_unmap(struct snapshot *s)
{
	union {
		const void *read;
		void *mapped;
	} base = {.read = s->header};

	if (s->header != NULL)
		munmap(base.mapped, (size_t)s->header->size);
	memset(s, 0, sizeof *s);
}

const struct ports *snapshot_ports(const struct snapshot *s, struct span span)
{
	return s->ports + span.first;
}

const struct cidr *snapshot_cidrs(const struct snapshot *s, struct span span)
{
	return s->cidrs + span.first;
}

const struct openspa_rule *snapshot_rules(const struct snapshot *s, struct span span)
{
	return s->rules + span.first;
}

int64_t snapshot_find_client(const struct snapshot *s, const uint8_t key[static CLIENT_KEY_BYTES])
{
	uint32_t from = 0, to = s->client_count;

	while (from < to) {
		uint32_t middle = from + (to - from) / 2, client = s->by_key[middle];
		int order = memcmp(key, s->clients[client].public_key, CLIENT_KEY_BYTES);

		if (order == 0)
			return client;
		if (order < 0)
			to = middle;
		else
			from = middle + 1;
	}
	return -1;
}

static int compare_uuid(const void *uuid, const void *device)
{
	return memcmp(uuid, ((const struct device *)device)->uuid, DEVICE_UUID_BYTES);
}

int64_t snapshot_find_device(const struct snapshot *s, const uint8_t uuid[static DEVICE_UUID_BYTES])
{
	const struct device *d =
	    bsearch(uuid, s->devices, s->device_count, sizeof *d, compare_uuid);

	return d == NULL ? -1 : d - s->devices;
}

uint32_t snapshot_holders(const struct snapshot *s)
{
	return s->client_count + s->device_count;
}

const char *snapshot_holder_name(const struct snapshot *s, uint32_t holder)
{
	return holder < s->client_count ? s->clients[holder].name
	                                : s->devices[holder - s->client_count].name;
}
