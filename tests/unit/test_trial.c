/* What is on trial: its file, its beginning, who is logged in, and which ports a configuration
 * shuts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/secret.h"
#include "cmd/login.h"
#include "cmd/run.h"
#include "cmd/shut_ports.h"
#include "cmd/trial.h"

static char folder[32], path[64], said[64];
static struct cli cli = {.quiet = true, .config = "/a/config", .control = "/a/control"};

pid_t __real_fork(void);
pid_t __wrap_fork(void);

/* Which of the next ones fails, also of those of a child; 0: none. */
static unsigned int failing_fork;

pid_t __wrap_fork(void)
{
	if (failing_fork == 0 || --failing_fork > 0)
		return __real_fork();
	errno = EAGAIN;
	return -1;
}

static int set_up(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/trial-XXXXXX");
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(path, sizeof path, "%s/" TRIAL_FILE, folder);
	snprintf(said, sizeof said, "%s/said", folder);
	return secret_init() ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(folder);
}

/* --- The file */

static enum trial_state state_now(void)
{
	struct trial_file f;

	assert_true(trial_open(&cli, &f, folder));
	trial_close(&f);
	return (enum trial_state)f.trial.state;
}

static void put(const struct trial *t)
{
	struct trial_file f;

	assert_true(trial_open(&cli, &f, folder));
	f.trial = *t;
	assert_true(trial_put(&cli, &f));
	trial_close(&f);
}

static void damage(off_t at, uint8_t byte)
{
	int fd = open(path, O_WRONLY);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	close(fd);
}

static void it_comes_back(void **state)
{
	struct trial t = {
	    .state = TRIAL_WAITING, .kind = TRIAL_RELOAD, .config = "a", .token = "b"};
	struct trial_file f;

	(void)state;
	assert_int_equal(state_now(), TRIAL_NONE);
	assert_true(clock_boot_id(t.boot_id));
	put(&t);
	assert_true(trial_open(&cli, &f, folder));
	assert_true(trial_is_open(&f.trial));
	assert_string_equal(f.trial.config, "a");
	trial_close(&f);
}

/* For the daemon, to which it says that no file was lost. */
static void a_fresh_folder_stays_fresh(void **state)
{
	const struct timespec tick = {.tv_nsec = 20000000}; /* of a file system's clock, and more */
	int folder_fd = open(folder, O_RDONLY | O_DIRECTORY), other;

	(void)state;
	if (!fd_folder_is_fresh(folder_fd)) {
		close(folder_fd);
		skip(); /* the file system does not tell */
	}
	nanosleep(&tick, NULL);
	assert_int_equal(state_now(), TRIAL_NONE);
	assert_true(fd_folder_is_fresh(folder_fd));
	nanosleep(&tick, NULL);
	other = openat(folder_fd, "other", O_WRONLY | O_CREAT, 0600);
	assert_true(other >= 0);
	close(other);
	assert_int_equal(unlinkat(folder_fd, "other", 0), 0);
	assert_int_equal(state_now(), TRIAL_NONE);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(state_now(), TRIAL_NONE);
	assert_false(fd_folder_is_fresh(folder_fd));
	close(folder_fd);
}

static void one_of_another_start_is_not_open(void **state)
{
	struct trial t = {.state = TRIAL_WAITING, .boot_id = "another"};

	(void)state;
	assert_false(trial_is_open(&t));
}

static void damage_is_no_trial(void **state)
{
	static const size_t texts[][2] = {
#define TEXT(field) {offsetof(struct trial, field), sizeof(((struct trial *)NULL)->field)}
	    TEXT(boot_id), TEXT(token), TEXT(login), TEXT(service), TEXT(config), TEXT(previous),
	    TEXT(control), TEXT(failure)};
	const struct trial t = {.state = TRIAL_CONFIRMED};

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		put(&t);
		assert_int_equal(state_now(), TRIAL_CONFIRMED);
		for (size_t n = 0; n < texts[i][1]; n++)
			damage((off_t)(texts[i][0] + n), 'x');
		assert_int_equal(state_now(), TRIAL_NONE);
	}
	put(&t);
	damage(offsetof(struct trial, state), TRIAL_STATES);
	assert_int_equal(state_now(), TRIAL_NONE);
	put(&t);
	damage(offsetof(struct trial, kind), TRIAL_KINDS);
	assert_int_equal(state_now(), TRIAL_NONE);
	put(&t);
	damage(offsetof(struct trial, mark), 0xff);
	assert_int_equal(state_now(), TRIAL_NONE);
	put(&t);
	assert_int_equal(truncate(path, sizeof t - 1), 0);
	assert_int_equal(state_now(), TRIAL_NONE);
}

static void what_others_could_have_changed_is_refused(void **state)
{
	struct trial_file f;

	(void)state;
	put(&(struct trial){.state = TRIAL_CONFIRMED});
	assert_int_equal(chmod(path, 0660), 0);
	assert_false(trial_open(&cli, &f, folder));
	assert_int_equal(cli.status, CLI_PERMISSION);
	unlink(path);
	assert_int_equal(symlink("/dev/null", path), 0);
	assert_false(trial_open(&cli, &f, folder));
}

/* --- The beginning */

static const struct trial_options options = {.within_ns = TRIAL_WITHIN_NS, .state_dir = folder};

static void put_text(const char *name, const char *text)
{
	FILE *f = fopen(name, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void assert_text(const char *name, const char *text)
{
	char found[512] = "";
	FILE *f = fopen(name, "r");

	assert_non_null(f);
	assert_true(fread(found, 1, sizeof found - 1, f) > 0);
	assert_int_equal(fclose(f), 0);
	assert_non_null(strstr(found, text));
}

/* A reload, for which the file that is to come back is kept under a name of its own yet. */
static struct trial one_to_begin(void)
{
	struct trial t = {.kind = TRIAL_RELOAD};

	snprintf(t.previous, sizeof t.previous, "%s/previous", folder);
	snprintf(t.staged, sizeof t.staged, "%s/staged", folder);
	put_text(t.staged, "second");
	return t;
}

/* Why it does not begin, on standard error, is kept in a file. */
static void assert_not_begun(struct trial *t, const char *why)
{
	int error = dup(STDERR_FILENO), to = open(said, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	bool begun;

	assert_true(error >= 0 && dup2(to, STDERR_FILENO) >= 0);
	begun = trial_begin(&cli, &options, t);
	assert_true(dup2(error, STDERR_FILENO) >= 0);
	close(error);
	close(to);
	assert_false(begun);
	assert_int_equal(cli.status, CLI_FAILED);
	assert_text(said, why);
	unlink(said);
}

/* Both have seen before that there was none. */
static void the_second_of_two_takes_nothing_from_the_first(void **state)
{
	struct trial first = {.state = TRIAL_WAITING, .kind = TRIAL_RELOAD}, t = one_to_begin();

	(void)state;
	assert_true(clock_boot_id(first.boot_id));
	memcpy(first.previous, t.previous, sizeof first.previous);
	put_text(first.previous, "first");
	put(&first);
	assert_not_begun(&t, "first postern confirm, or postern rollback");
	assert_int_equal(state_now(), TRIAL_WAITING);
	assert_text(first.previous, "first");
	unlink(t.previous);
	unlink(t.staged);
}

static void none_that_nobody_would_take_back(void **state)
{
	struct trial t = one_to_begin();

	(void)state;
	failing_fork = 1;
	assert_not_begun(&t, "nothing was changed: cannot start what would take it back");
	assert_int_equal(failing_fork, 0);
	assert_int_equal(state_now(), TRIAL_NONE);
	assert_int_equal(access(t.previous, F_OK), -1);
	assert_int_equal(access(t.staged, F_OK), -1);
}

/* Neither the process in between nor the one that it starts. */
static void what_cannot_be_forked_is_noticed(void **state)
{
	static const char *const nothing[] = {"true", NULL}, *const nowhere[] = {"/a/b", NULL};

	(void)state;
	for (unsigned int nth = 1; nth <= 2; nth++) {
		failing_fork = nth;
		errno = 0;
		assert_false(run_apart(nothing));
		assert_int_equal(errno, EAGAIN);
	}
	failing_fork = 0;
	assert_false(run_apart(nowhere));
	assert_int_equal(errno, ENOENT);
	assert_true(run_apart(nothing));
}

/* --- The login */

static void logins_are_read(void **state)
{
	struct addr peer, expected;
	uint16_t port = 0;

	(void)state;
	assert_true(login_peer("192.0.2.1 50000 192.0.2.2 22", &peer, &port));
	assert_true(addr_parse(&expected, "192.0.2.1"));
	assert_true(addr_equal(&peer, &expected));
	assert_int_equal(port, 50000);
	assert_true(login_peer("fe80::1%eth0 7 fe80::2%eth0 22", &peer, &port));
	assert_true(addr_parse(&expected, "fe80::1"));
	assert_true(addr_equal(&peer, &expected));
	assert_false(login_peer("", &peer, &port));
	assert_false(login_peer("somebody 1 2 3", &peer, &port));
	assert_false(login_peer("192.0.2.1", &peer, &port));
	assert_false(login_peer("192.0.2.1 70000 192.0.2.2 22", &peer, &port));
}

/* --- Ports */

static const struct ports ports[] = {
    {6, 0, 22, 22}, {6, 0, 8000, 8010}, {17, 0, 53, 53}, {6, 0, 80, 80}, {6, 0, 65535, 65535}};

static struct shut_ports shut(struct settings settings)
{
	const struct snapshot_parts parts = {.generation = 1,
	    .settings = settings,
	    .counts = {.ports = sizeof ports / sizeof *ports},
	    .ports = ports};
	struct snapshot_header header = {.settings = settings};
	const struct snapshot s = {
	    .header = &header, .settings = &header.settings, .ports = parts.ports};

	return shut_ports_of(&s);
}

static void managed_ports_are_shut_where_they_are_dropped(void **state)
{
	static const struct shut_ports none;
	struct settings settings = {.drop_ports = true, .managed_ports = {0, 3}, .health_port = 7};
	struct shut_ports p = shut(settings);
	struct ports gained[8];

	(void)state;
	assert_int_equal(shut_ports_gained(gained, 8, &none, &p), 4);
	assert_memory_equal(&gained[0], (&(struct ports){6, 0, 7, 7}), sizeof *gained);
	assert_memory_equal(&gained[1], &ports[0], sizeof *gained);
	assert_memory_equal(&gained[2], &ports[1], sizeof *gained);
	assert_memory_equal(&gained[3], &ports[2], sizeof *gained);
	assert_int_equal(shut_ports_gained(gained, 8, &p, &none), 0);
	assert_int_equal(shut_ports_gained(gained, 0, &none, &p), 4);
	assert_true(shut_ports_tcp(&p, 8010));
	assert_false(shut_ports_tcp(&p, 8011));
	settings.drop_ports = false;
	p = shut(settings);
	assert_int_equal(shut_ports_gained(gained, 8, &none, &p), 1);
	settings.firewall = CONF_FIREWALL_NONE;
	p = shut(settings);
	assert_int_equal(shut_ports_gained(gained, 8, &none, &p), 0);
}

static void a_dark_host_shuts_all_but_what_it_allows(void **state)
{
	static const struct shut_ports none;
	const struct settings settings = {.guard = CONF_GUARD_ALL,
	    .guard_allow_ports = {3, 2},
	    .open_knock_port = true,
	    .openme = true,
	    .udp_port = 54154,
	    .openspa = {.enabled = true, .port = 22211}};
	const struct shut_ports p = shut(settings);
	struct ports gained[8];

	(void)state;
	assert_int_equal(shut_ports_gained(gained, 8, &none, &p), 5);
	assert_memory_equal(&gained[0], (&(struct ports){6, 0, 1, 79}), sizeof *gained);
	assert_memory_equal(&gained[1], (&(struct ports){6, 0, 81, 65534}), sizeof *gained);
	assert_memory_equal(&gained[2], (&(struct ports){17, 0, 1, 22210}), sizeof *gained);
	assert_memory_equal(&gained[3], (&(struct ports){17, 0, 22212, 54153}), sizeof *gained);
	assert_memory_equal(&gained[4], (&(struct ports){17, 0, 54155, 65535}), sizeof *gained);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	    TEST(it_comes_back),
	    TEST(a_fresh_folder_stays_fresh),
	    TEST(one_of_another_start_is_not_open),
	    TEST(damage_is_no_trial),
	    TEST(what_others_could_have_changed_is_refused),
	    TEST(the_second_of_two_takes_nothing_from_the_first),
	    TEST(none_that_nobody_would_take_back),
	    TEST(what_cannot_be_forked_is_noticed),
	    TEST(logins_are_read),
	    TEST(managed_ports_are_shut_where_they_are_dropped),
	    TEST(a_dark_host_shuts_all_but_what_it_allows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
