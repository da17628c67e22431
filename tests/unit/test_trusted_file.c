#include <errno.h>
#include <fcntl.h>

#include "base/trusted_file.h"
#include "conf_help.h"

static char why[TRUSTED_TEXT_BYTES];

static bool resolves(const char *name, enum trusted_owner owner)
{
	char *path = trusted_resolve(in_folder(name), S_IFREG, owner, why);
	bool found = path != NULL;

	free(path);
	return found;
}

static void refuses(const char *name, enum trusted_owner owner, const char *reason)
{
	*why = '\0';
	assert_false(resolves(name, owner));
	assert_non_null(strstr(why, reason));
	assert_int_equal(errno, 0);
}

/* A file, and a link to it from a folder beside. */
static void make_files(void)
{
	assert_int_equal(mkdir(in_folder("in"), 0755), 0);
	assert_int_equal(mkdir(in_folder("beside"), 0755), 0);
	write_bytes("in/file", "", 0, 0755);
	assert_int_equal(symlink(in_folder("in/file"), in_folder("beside/link")), 0);
}

static void the_file_behind_a_link_is_found(void **state)
{
	char *path;

	(void)state;
	make_files();
	path = trusted_resolve(in_folder("beside/link"), S_IFREG, OWNER_ROOT_OR_SELF, why);
	assert_non_null(path);
	assert_string_equal(path + strlen(path) - strlen("/in/file"), "/in/file");
	free(path);
}

static void what_others_may_write_is_refused(void **state)
{
	static const mode_t unsafe[] = {0775, 0757, 0777};

	(void)state;
	make_files();
	for (size_t i = 0; i < sizeof unsafe / sizeof *unsafe; i++) {
		assert_int_equal(chmod(in_folder("in/file"), unsafe[i]), 0);
		refuses("beside/link", OWNER_ROOT_OR_SELF, "/in/file: mode 07");
		assert_non_null(strstr(why, "lets others write it; take that away: chmod go-w /"));
		assert_int_equal(chmod(in_folder("in/file"), 0755), 0);
		assert_int_equal(chmod(in_folder("in"), unsafe[i]), 0);
		refuses("beside/link", OWNER_ROOT_OR_SELF, "/in: mode 07");
		assert_int_equal(strncmp(why, "its folder /", 12), 0);
		assert_int_equal(chmod(in_folder("in"), 0755), 0);
	}
	assert_int_equal(chmod(in_folder("in"), 01777), 0);
	assert_true(resolves("in/file", OWNER_ROOT_OR_SELF));
	assert_int_equal(chmod(in_folder("in/file"), 01777), 0);
	refuses("in/file", OWNER_ROOT_OR_SELF, "mode 1777"); /* sticky spares folders alone */
}

static void a_stranger_must_own_nothing_on_the_way(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	make_files();
	assert_int_equal(chown(in_folder("in/file"), 12345, 0), 0);
	refuses("in/file", OWNER_ROOT_OR_SELF, "belongs to user 12345; it must belong to root or");
	assert_int_equal(chown(in_folder("in/file"), 0, 0), 0);
	assert_int_equal(chown(in_folder("in"), 12345, 0), 0);
	refuses("in/file", OWNER_ROOT_OR_SELF, "/in: belongs to user 12345");
}

static void ones_own_is_not_roots(void **state)
{
	bool own, roots;

	(void)state;
	make_files();
	assert_int_equal(chmod(folder, 0755), 0);
	if (chown(in_folder("in"), 12345, 0) != 0 || seteuid(12345) != 0)
		skip();
	own = resolves("in/file", OWNER_ROOT_OR_SELF);
	roots = resolves("in/file", OWNER_ROOT);
	assert_int_equal(seteuid(0), 0);
	assert_true(own);
	assert_false(roots);
	assert_non_null(strstr(why, "belongs to user 12345; it must belong to root: chown it"));
}

static void what_is_no_file_is_refused(void **state)
{
	(void)state;
	make_files();
	refuses("in", OWNER_ROOT_OR_SELF, "/in: not a regular file");
	assert_false(resolves("in/missing", OWNER_ROOT_OR_SELF));
	assert_int_equal(errno, ENOENT);
	assert_non_null(strstr(why, "/in/missing: No such file"));
}

static void a_folder_is_opened_or_refused(void **state)
{
	static const struct trusted wanted = {
	    .type = S_IFDIR, .denied = 022, .others_may = "add to it", .remedy = "chmod 700"};
	int fd;

	(void)state;
	make_files();
	fd = trusted_folder_open(&wanted, in_folder("in"), O_PATH, why);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(chmod(in_folder("in"), 01777), 0);
	assert_int_equal(trusted_folder_open(&wanted, in_folder("in"), O_PATH, why), -1);
	assert_int_equal(errno, 0);
	assert_non_null(
	    strstr(why, "mode 1777 lets others add to it; take that away: chmod 700 /"));
	assert_int_equal(trusted_folder_open(&wanted, in_folder("in/file"), O_PATH, why), -1);
	assert_int_equal(errno, ENOTDIR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(the_file_behind_a_link_is_found),
	    TEST(what_others_may_write_is_refused),
	    TEST(a_stranger_must_own_nothing_on_the_way),
	    TEST(ones_own_is_not_roots),
	    TEST(what_is_no_file_is_refused),
	    TEST(a_folder_is_opened_or_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
