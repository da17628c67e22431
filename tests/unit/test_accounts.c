/* Who is in a group, by files of the test's making. */
#include "conf_help.h"

#include "conf/accounts.h"

#define SYSTEM                                                                 \
	"root:x:0:0::/root:/bin/bash\nopenme:x:998:998::/:/usr/sbin/nologin\n" \
	"postgres:x:110:110::/var:/bin/bash\n"

static char name[ACCOUNTS_TEXT_BYTES], why[ACCOUNTS_TEXT_BYTES];

static bool fine(const char *passwd, const char *group)
{
	write_text("passwd", passwd);
	write_text("group", group);
	return accounts_group_of_services(folder, 998, name, why);
}

static void refuses(const char *passwd, const char *group, const char *reason)
{
	assert_false(fine(passwd, group));
	assert_string_equal(why, reason);
}

static void a_group_of_a_service_is_fine(void **state)
{
	(void)state;
	assert_true(fine(SYSTEM, "openme:x:998:\n"));
	assert_string_equal(name, "openme");
	assert_string_equal(why, "");
	assert_true(fine(SYSTEM, "other:x:5:alice\nopenme:!:998:postgres,,root"));
	assert_true(fine(SYSTEM "ftp:x:1001:998::/srv:/bin/false\nnobody:x:65534:998::/:/bin/sh\n",
	    "openme::998:ftp\n"));
}

static void people_are_not(void **state)
{
	(void)state;
	refuses(SYSTEM "alice:x:1000:998::/home/alice:/bin/sh\n", "openme:x:998:\n",
	    "alice is in its group, openme");
	refuses(SYSTEM "alice:x:1000:100::/home/alice:\n", "openme:x:998:root,alice\n",
	    "alice is in its group, openme");
	refuses(SYSTEM "alice:x:60001:100::/:/usr/bin/zsh", "openme:x:998:alice",
	    "alice is in its group, openme");
	assert_true(fine(SYSTEM "alice:x:1000:100::/home/alice:/bin/sh\n", "openme:x:998:\n"));
}

static void what_cannot_be_known_is_not(void **state)
{
	static char many[70 * 3 + 20] = "openme:x:998:";

	(void)state;
	for (int i = 0; i < 65; i++)
		memcpy(many + strlen(many), "a,", sizeof "a,");
	refuses(SYSTEM, many, "its group has more members than are looked through");
	refuses(SYSTEM, "other:x:99:\n", "its group has no entry on this host");
	refuses(SYSTEM, "openme:x:998:\nstaff:x:998:\n", "its group has two names");
	refuses(SYSTEM, "openme:$6$x:998:\n", "its group has a password");
	assert_false(fine(SYSTEM, "openme:x:998:eve\n"));
	assert_non_null(strstr(why, "eve is in its group, openme, and has no account in "));
	assert_int_equal(unlink(in_folder("passwd")), 0);
	assert_false(accounts_group_of_services(folder, 998, name, why));
	assert_string_equal(why, "the accounts cannot be read");
	assert_int_equal(unlink(in_folder("group")), 0);
	assert_false(accounts_group_of_services(folder, 998, name, why));
	assert_string_equal(why, "the file of groups cannot be read");
}

static void gshadow_counts(void **state)
{
	(void)state;
	write_text("gshadow", "openme:!::\n");
	assert_true(fine(SYSTEM, "openme:x:998:\n"));
	write_text("gshadow", "openme:$6$salt$hash::\n");
	refuses(SYSTEM, "openme:x:998:\n", "its group has a password");
	write_text("gshadow", "openme:!:alice:\n");
	refuses(SYSTEM "alice:x:1000:100::/:/bin/sh", "openme:x:998:\n",
	    "alice is in its group, openme");
	write_text("gshadow", "openme:!::alice\n");
	refuses(SYSTEM "alice:x:1000:100::/:/bin/sh", "openme:x:998:\n",
	    "alice is in its group, openme");
}

static void other_sources_are_named(void **state)
{
	(void)state;
	write_text("nsswitch.conf", "passwd: files\ngroup:\tfiles [SUCCESS=merge] files # sss\n");
	assert_true(fine(SYSTEM, "openme:x:998:\n"));
	assert_string_equal(why, "");
	write_text("nsswitch.conf", "hosts: dns\npasswd: files  sss\ngroup: compat systemd sss\n");
	assert_true(fine(SYSTEM, "openme:x:998:\n"));
	assert_string_equal(why, "sss, compat, systemd");
	write_text("nsswitch.conf", "passwd: files\ngroup: ldap [NOTFOUND=return] \n");
	refuses(SYSTEM, "openme:x:998:\n", "nsswitch.conf takes accounts or groups from elsewhere");
	write_text("nsswitch.conf", "passwd:\ngroup: files\n");
	refuses(SYSTEM, "openme:x:998:\n", "nsswitch.conf takes accounts or groups from elsewhere");
}

static void lines_that_are_none_do_no_harm(void **state)
{
	(void)state;
	assert_true(fine("\n::::\n+::::::\nx:y:1:\nroot:x:0:0\n" SYSTEM,
	    "\nopenme\n:x:\nopenme:x:-1:\nopenme:x:998x:\nopenme:x:4294967296998:\nopenme:x:998"));
}

static void people_are_found(void **state)
{
	(void)state;
	write_text("passwd", SYSTEM);
	assert_false(accounts_have_people(folder, 0, why));
	assert_int_equal(accounts_uid(folder, "openme"), 998);
	assert_true(accounts_uid(folder, "postern") == (uid_t)-1);
	write_text("passwd", SYSTEM "node:x:1000:1000::/:/bin/bash\n");
	assert_true(accounts_have_people(folder, 0, why));
	assert_string_equal(why, "node has an account");
	assert_false(accounts_have_people(folder, 1000, why));
	assert_int_equal(unlink(in_folder("passwd")), 0);
	assert_true(accounts_have_people(folder, 1000, why));
	assert_true(accounts_uid(folder, "root") == (uid_t)-1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_group_of_a_service_is_fine),
	    TEST(people_are_not),
	    TEST(what_cannot_be_known_is_not),
	    TEST(gshadow_counts),
	    TEST(other_sources_are_named),
	    TEST(lines_that_are_none_do_no_harm),
	    TEST(people_are_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
