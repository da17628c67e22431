#include "conf/accounts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

#define FILE_BYTES_MOST (4U << 20)
#define MEMBERS_MOST    64
#define PEOPLE_FROM     1000
#define NOBODY          65534

/* --- A file, and the fields of its lines */

struct lines {
	char *text;
	char *next;
};

static bool lines_open(struct lines *l, const char *folder, const char *name)
{
	char path[512];
	struct stat st;
	int fd = -1;
	ssize_t got = -1;

	*l = (struct lines){NULL, NULL};
	if ((size_t)snprintf(path, sizeof path, "%s/%s", folder, name) < sizeof path)
		fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    st.st_size <= (off_t)FILE_BYTES_MOST)
		l->text = calloc(1, (size_t)st.st_size + 1);
	if (l->text != NULL)
		got = fd_read(fd, l->text, (size_t)st.st_size);
	fd_close(fd);
	l->next = l->text;
	return got >= 0;
}

static void lines_close(struct lines *l)
{
	free(l->text);
}

/* Splits the next line at its colons; fields that are not there are "". False at the end. */
static bool lines_next(struct lines *l, char **fields, size_t count)
{
	static char nothing[1];
	char *line = strsep(&l->next, "\n");

	if (line == NULL)
		return false;
	for (size_t i = 0; i < count; i++) {
		fields[i] = strsep(&line, ":");
		if (fields[i] == NULL)
			fields[i] = nothing;
	}
	return true;
}

static bool read_id(uint32_t *id, const char *text)
{
	char *end;
	unsigned long number;

	errno = 0;
	number = strtoul(text, &end, 10);
	*id = (uint32_t)number;
	return *text >= '0' && *text <= '9' && *end == '\0' && errno == 0 && number < UINT32_MAX;
}

/* --- Accounts */

struct account {
	const char *name;
	uid_t uid;
	gid_t gid;
	bool person;
};

static bool ends_with(const char *text, const char *end)
{
	size_t length = strlen(text), least = strlen(end);

	return length >= least && strcmp(text + length - least, end) == 0;
}

/* Lines that are none, such as NIS's, are passed over: nsswitch.conf says that there are others. */
static bool next_account(struct lines *l, struct account *out)
{
	char *f[7];

	while (lines_next(l, f, 7)) {
		if (!read_id(&out->uid, f[2]) || !read_id(&out->gid, f[3]))
			continue;
		out->name = f[0];
		out->person = out->uid >= PEOPLE_FROM && out->uid != NOBODY &&
		              !ends_with(f[6], "/nologin") && !ends_with(f[6], "/false");
		return true;
	}
	return false;
}

bool accounts_have_people(const char *folder, uid_t self, char why[static ACCOUNTS_TEXT_BYTES])
{
	struct account a;
	struct lines l;
	bool found = !lines_open(&l, folder, "passwd");

	snprintf(why, ACCOUNTS_TEXT_BYTES, "%s/passwd cannot be read", folder);
	while (!found && next_account(&l, &a)) {
		found = a.person && a.uid != self;
		snprintf(why, ACCOUNTS_TEXT_BYTES, "%s has an account", a.name);
	}
	lines_close(&l);
	return found;
}

uid_t accounts_uid(const char *folder, const char *name)
{
	uid_t uid = (uid_t)-1;
	struct account a;
	struct lines l;

	if (lines_open(&l, folder, "passwd")) {
		while (uid == (uid_t)-1 && next_account(&l, &a))
			uid = strcmp(a.name, name) == 0 ? a.uid : uid;
	}
	lines_close(&l);
	return uid;
}

/* --- A group */

struct group {
	char *name; /* where they point to: `entry` and `shadow` */
	char *members[MEMBERS_MOST];
	bool known[MEMBERS_MOST]; /* an account of that name was seen */
	size_t count;
	char *why;
	struct lines entry;
	struct lines shadow;
};

static bool fail(const struct group *g, const char *text)
{
	snprintf(g->why, ACCOUNTS_TEXT_BYTES, "%s", text);
	return false;
}

static bool add_members(struct group *g, char *list)
{
	char *name;

	while ((name = strsep(&list, ",")) != NULL) {
		if (*name == '\0')
			continue;
		if (g->count == MEMBERS_MOST)
			return fail(g, "its group has more members than are looked through");
		g->members[g->count++] = name;
	}
	return true;
}

/* With a password everybody who knows it can enter the group. */
static bool has_password(const char *text)
{
	return *text != '\0' && *text != '!' && *text != '*' && strcmp(text, "x") != 0;
}

static bool add_shadow(struct group *g, const char *folder)
{
	char *f[4];

	if (!lines_open(&g->shadow, folder, "gshadow"))
		return true;
	while (lines_next(&g->shadow, f, 4)) {
		if (strcmp(f[0], g->name) != 0)
			continue;
		if (has_password(f[1]))
			return fail(g, "its group has a password");
		return add_members(g, f[2]) && add_members(g, f[3]);
	}
	return true;
}

static bool find_group(struct group *g, const char *folder, gid_t gid)
{
	bool found = false;
	char *f[4];
	gid_t id;

	if (!lines_open(&g->entry, folder, "group"))
		return fail(g, "the file of groups cannot be read");
	/* Each line of that gid counts: two names may have one. */
	while (lines_next(&g->entry, f, 4)) {
		if (!read_id(&id, f[2]) || id != gid)
			continue;
		if (has_password(f[1]))
			return fail(g, "its group has a password");
		if (found)
			return fail(g, "its group has two names");
		found = true;
		g->name = f[0];
		if (!add_members(g, f[3]))
			return false;
	}
	return found ? add_shadow(g, folder) : fail(g, "its group has no entry on this host");
}

static bool is_member(struct group *g, const struct account *a, gid_t gid)
{
	bool member = a->gid == gid;

	for (size_t i = 0; i < g->count; i++) {
		if (strcmp(g->members[i], a->name) != 0)
			continue;
		member = true;
		g->known[i] = true;
	}
	return member;
}

static bool members_are_services(struct group *g, const char *folder, gid_t gid)
{
	struct lines l;
	struct account a;
	bool ok = lines_open(&l, folder, "passwd") || fail(g, "the accounts cannot be read");

	while (ok && next_account(&l, &a)) {
		if (!is_member(g, &a, gid) || !a.person)
			continue;
		snprintf(g->why, ACCOUNTS_TEXT_BYTES, "%s is in its group, %s", a.name, g->name);
		ok = false;
	}
	for (size_t i = 0; i < g->count && ok; i++) {
		if (g->known[i])
			continue;
		snprintf(g->why, ACCOUNTS_TEXT_BYTES,
		    "%s is in its group, %s, and has no account in %s/passwd", g->members[i],
		    g->name, folder);
		ok = false;
	}
	lines_close(&l);
	return ok;
}

/* --- Other sources */

/* The sources of one database: whether the files are among them; the others go to `others`. */
static bool read_sources(char *list, char others[static ACCOUNTS_TEXT_BYTES])
{
	bool files = false, action = false;
	char *word;

	while ((word = strsep(&list, " \t")) != NULL) {
		size_t used = strlen(others);

		if (*word == '#')
			break;
		action = action || *word == '[';
		if (!action && (strcmp(word, "files") == 0 || strcmp(word, "compat") == 0))
			files = true;
		if (!action && *word != '\0' && strcmp(word, "files") != 0 &&
		    strstr(others, word) == NULL)
			snprintf(others + used, ACCOUNTS_TEXT_BYTES - used, "%s%s",
			    used == 0 ? "" : ", ", word);
		if (action)
			action = *word == '\0' || word[strlen(word) - 1] != ']';
	}
	return files;
}

/* False when the files are not asked for accounts and groups. Without nsswitch.conf they are. */
static bool files_count(const char *folder, char others[static ACCOUNTS_TEXT_BYTES])
{
	static const char *const databases[] = {"passwd", "group", "initgroups"};
	struct lines l;
	char *f[2];
	bool ok = true;

	*others = '\0';
	if (lines_open(&l, folder, "nsswitch.conf")) {
		while (ok && lines_next(&l, f, 2)) {
			for (size_t i = 0; i < sizeof databases / sizeof *databases; i++) {
				if (strcmp(f[0], databases[i]) == 0)
					ok = read_sources(f[1], others) && ok;
			}
		}
	}
	lines_close(&l);
	return ok;
}

bool accounts_group_of_services(const char *folder, gid_t gid,
    char name[static ACCOUNTS_TEXT_BYTES], char why[static ACCOUNTS_TEXT_BYTES])
{
	char others[ACCOUNTS_TEXT_BYTES];
	struct group g = {.why = why};
	bool ok = find_group(&g, folder, gid) && members_are_services(&g, folder, gid) &&
	          (files_count(folder, others) ||
	              fail(&g, "nsswitch.conf takes accounts or groups from elsewhere"));

	if (ok) {
		snprintf(name, ACCOUNTS_TEXT_BYTES, "%s", g.name);
		snprintf(why, ACCOUNTS_TEXT_BYTES, "%s", others);
	}
	lines_close(&g.entry);
	lines_close(&g.shadow);
	return ok;
}
