#include "conf_help.h"

#include <sys/socket.h>
#include <sys/un.h>

#include "files/server_files.h"
#include "files/write_file.h"

/* Whose profile has been handed over: the client is registered. */
static bool add_client(
    const char *path, const struct conf_new_client *client, struct conf_error *error)
{
	struct new_file file = {0};

	return conf_add_client(path, client, &file, error) && new_file_commit(&file, false);
}

static void others_must_not_read_or_write_it(void **state)
{
	static const mode_t unsafe[] = {0604, 0650, 0644, 0620, 0602, 0666, 0601};
	struct conf_error error;

	(void)state;
	for (size_t i = 0; i < sizeof unsafe / sizeof *unsafe; i++) {
		const char *path = write_bytes("config.yaml", SERVER, strlen(SERVER), unsafe[i]);

		assert_null(conf_load(path, &error));
		assert_non_null(
		    strstr(error.text, (unsafe[i] & 022) != 0 ? "chmod go-w" : "chmod 600"));
		assert_false(error.permission);
	}
	conf_free(conf_load(write_bytes("config.yaml", SERVER, strlen(SERVER), 0400), &error));
}

static void only_regular_files_are_read(void **state)
{
	struct conf_error error;

	(void)state;
	assert_int_equal(mkfifo(in_folder("fifo"), 0600), 0);
	assert_null(conf_load(in_folder("fifo"), &error));
	assert_non_null(strstr(error.text, "not a regular file"));
	assert_int_equal(mkdir(in_folder("dir"), 0700), 0);
	assert_null(conf_load(in_folder("dir"), &error));
	assert_non_null(strstr(error.text, "not a regular file"));
	assert_null(conf_load("/dev/null", &error));
	assert_non_null(strstr(error.text, "not a regular file"));
	assert_null(conf_load(in_folder("missing"), &error));
	assert_non_null(strstr(error.text, "there is no such file"));
	assert_false(error.permission);
}

static void a_folder_open_to_others_is_refused(void **state)
{
	static const mode_t modes[] = {0777, 0775, 0757};
	const char *path = write_text("config.yaml", SERVER);
	struct conf_error error;

	(void)state;
	for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
		assert_int_equal(chmod(folder, modes[i]), 0);
		assert_null(conf_load(path, &error));
		assert_non_null(strstr(error.text, "chmod go-w"));
		assert_non_null(strstr(error.text, ": its folder /"));
	}
	assert_int_equal(chmod(folder, 01777), 0);
	conf_free(loads(SERVER));
}

static void refused_for(const char *path, const char *word)
{
	struct conf_error error;

	assert_null(conf_load(path, &error));
	if (strstr(error.text, word) == NULL)
		fail_msg("%s", error.text);
	assert_null(strstr(error.text, "its folder its folder"));
}

/* Not the folder that is named alone: also those above it, and where a link leads. */
static void every_folder_on_the_way_is_looked_at(void **state)
{
	(void)state;
	assert_int_equal(mkdir(in_folder("above"), 0755), 0);
	assert_int_equal(mkdir(in_folder("above/in"), 0755), 0);
	write_text("above/in/config.yaml", SERVER);
	conf_free(loads(SERVER));
	assert_int_equal(symlink(in_folder("above/in/config.yaml"), in_folder("link")), 0);
	assert_int_equal(symlink(in_folder("above/in"), in_folder("way")), 0);
	assert_int_equal(chmod(in_folder("above"), 0775), 0);
	refused_for(in_folder("above/in/config.yaml"), "/above: mode 0775");
	refused_for(in_folder("link"), "/above: mode 0775");
	refused_for(in_folder("way/config.yaml"), "/above: mode 0775");
	assert_int_equal(chmod(in_folder("above"), 0755), 0);
	if (geteuid() != 0)
		return;
	assert_int_equal(chown(in_folder("above"), 1234, 1234), 0);
	refused_for(in_folder("link"), "/above: belongs to user 1234");
	assert_int_equal(chown(in_folder("above"), 0, 0), 0);
	assert_int_equal(chown(in_folder("above/in"), 1234, 1234), 0);
	refused_for(in_folder("link"), "/in: belongs to user 1234");
}

static void the_folder_of_clients_is_no_link(void **state)
{
	(void)state;
	write_text("config.yaml", SERVER);
	assert_int_equal(mkdir(in_folder("elsewhere"), 0755), 0);
	assert_int_equal(symlink(in_folder("elsewhere"), in_folder("clients.d")), 0);
	refused_for(in_folder("config.yaml"), "/clients.d: a link; it must be a folder");
}

static void a_huge_file_is_refused(void **state)
{
	const char *path = write_text("config.yaml", SERVER);
	struct conf_error error;

	(void)state;
	assert_int_equal(truncate(path, (512 << 20) + 1), 0);
	assert_null(conf_load(path, &error));
	assert_non_null(strstr(error.text, "larger than 512 MiB"));
	write_text("config.yaml", SERVER);
	assert_int_equal(mkdir(in_folder("clients.d"), 0755), 0);
	path = write_text("clients.d/a.yaml", "clients: {}");
	assert_int_equal(truncate(path, (16 << 20) + 1), 0);
	assert_null(conf_load(in_folder("config.yaml"), &error));
	assert_non_null(strstr(error.text, "clients.d/a.yaml: larger than 16 MiB"));
}

static void client_files_must_be_trusted_too(void **state)
{
	struct conf_error error;

	(void)state;
	write_text("config.yaml", SERVER);
	assert_int_equal(mkdir(in_folder("clients.d"), 0755), 0);
	write_bytes("clients.d/a.yaml", "clients: {}", 11, 0644);
	conf_free(loads(SERVER));
	write_bytes("clients.d/a.yaml", "clients: {}", 11, 0664);
	assert_null(conf_load(in_folder("config.yaml"), &error));
	assert_non_null(strstr(error.text, "chmod go-w"));
	write_bytes("clients.d/a.yaml", "clients: {}", 11, 0644);
	assert_int_equal(chmod(in_folder("clients.d"), 0775), 0);
	assert_null(conf_load(in_folder("config.yaml"), &error));
	assert_non_null(strstr(error.text, "lets others add clients"));
}

/* Each between two sound ones, so that the order of names does not matter. */
static void only_files_of_clients_stand_in_their_folder(void **state)
{
	char path[sizeof path_buffer[0]], odd[sizeof path_buffer[0]];
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)state;
	snprintf(path, sizeof path, "%s", write_text("config.yaml", SERVER));
	snprintf(odd, sizeof odd, "%s", in_folder("clients.d/m.yaml"));
	assert_int_equal(mkdir(in_folder("clients.d"), 0755), 0);
	write_bytes("clients.d/a.yaml", "clients: {}", 11, 0644);
	write_bytes("clients.d/z.yaml", "clients: {}", 11, 0644);
	assert_int_equal(mkfifo(odd, 0600), 0);
	refused_for(path, "/clients.d/m.yaml: not a regular file; take it out of there");
	assert_int_equal(unlink(odd), 0);
	assert_int_equal(mkdir(odd, 0700), 0);
	refused_for(path, "/clients.d/m.yaml: not a regular file; take it out of there");
	assert_int_equal(rmdir(odd), 0);
	snprintf(address.sun_path, sizeof address.sun_path, "%.100s", odd);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	close(fd);
	refused_for(path, "/clients.d/m.yaml: not a regular file; take it out of there");
	assert_int_equal(unlink(odd), 0);
	write_bytes("elsewhere.yaml", "clients: {}", 11, 0644);
	assert_int_equal(symlink("../elsewhere.yaml", odd), 0);
	refused_for(path, "/clients.d/m.yaml: a link; it must be the file itself");
	assert_int_equal(unlink(odd), 0);
	conf_free(loads(SERVER));
	if (geteuid() != 0)
		return;
	write_bytes("clients.d/m.yaml", "clients: {}", 11, 0644);
	assert_int_equal(chown(odd, 12345, 0), 0);
	refused_for(path, "/clients.d/m.yaml: belongs to user 12345");
}

static void a_stranger_must_not_own_it(void **state)
{
	const char *path = write_text("config.yaml", SERVER);
	struct conf_error error;

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(chown(path, 12345, 0), 0);
	assert_null(conf_load(path, &error));
	assert_non_null(strstr(error.text, "belongs to user 12345"));
}

static void an_unreachable_file_is_a_matter_of_rights(void **state)
{
	const char *path = write_text("config.yaml", SERVER);
	struct conf_error error;

	(void)state;
	assert_int_equal(chmod(path, 0000), 0);
	if (geteuid() == 0 && seteuid(12345) != 0)
		skip();
	assert_null(conf_load(path, &error));
	assert_true(error.permission);
	assert_int_equal(seteuid(getuid()), 0);
}

static const struct conf_initial initial = {
    .host = "gate.example.org", .udp_port = 5000, .firewall = "nft", .interface = "eth0"};

static void a_first_configuration_loads(void **state)
{
	const char *path = in_folder("new/config.yaml");
	struct conf_error error = {.text = ""};
	struct conf *a, *b;
	struct stat st;

	(void)state;
	assert_true(conf_write_initial(path, &initial, &error));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	a = conf_load(path, &error);
	assert_non_null(a);
	assert_string_equal(conf_server(a)->host.text, "gate.example.org");
	assert_int_equal(conf_server(a)->udp_port, 5000);
	assert_string_equal(conf_server(a)->interface.text, "eth0");
	assert_int_equal(conf_server(a)->drop_ports, 1);
	assert_string_equal(conf_server(a)->targets.items[0].text, "source");
	assert_false(conf_write_initial(path, &initial, &error));
	assert_non_null(strstr(error.text, "exists already"));

	assert_true(conf_write_initial(path, &(struct conf_initial){.force = true}, &error));
	b = conf_load(path, &error);
	assert_int_equal(conf_server(b)->udp_port, 54154);
	assert_memory_not_equal(conf_server_secret(a), conf_server_secret(b), 32);
	conf_free(a);
	conf_free(b);
}

static void a_bad_first_configuration_is_not_written(void **state)
{
	static const struct conf_initial bad[] = {
	    {.host = "a\"\nb: c"}, {.host = "-x"}, {.firewall = "pf"}, {.interface = "eth0\"\n"}};
	struct conf_error error;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_false(conf_write_initial(in_folder("config.yaml"), &bad[i], &error));
		assert_int_equal(access(in_folder("config.yaml"), F_OK), -1);
		assert_non_null(strstr(error.text, "expected"));
	}
}

static void writers_do_not_follow_links(void **state)
{
	struct conf_error error;
	struct conf_initial forced = initial;
	struct stat st;

	(void)state;
	write_text("victim", "precious");
	assert_int_equal(symlink(in_folder("victim"), in_folder("config.yaml")), 0);
	forced.force = true;
	assert_true(conf_write_initial(in_folder("config.yaml"), &forced, &error));
	assert_string_equal(read_text(in_folder("victim")), "precious");
	assert_int_equal(lstat(in_folder("config.yaml"), &st), 0);
	assert_true(S_ISREG(st.st_mode));
	/* a dangling link is not a missing file */
	assert_int_equal(symlink(in_folder("nowhere"), in_folder("other.yaml")), 0);
	assert_false(conf_write_initial(in_folder("other.yaml"), &initial, &error));
	assert_int_equal(access(in_folder("nowhere"), F_OK), -1);
}

static struct conf_new_client new_client(const char *name, const char *key)
{
	struct conf_new_client client = {.name = name, .expires_ns = NEVER_NS};

	assert_true(secret_from_base64(client.public_key, sizeof client.public_key, key));
	return client;
}

static void an_added_client_stands_in_its_own_file(void **state)
{
	static const char *const ports[] = {"22/tcp", "80", "web"};
	const char *path = write_text("config.yaml", SERVER "ports: {web: [443]}\n");
	struct conf_new_client client = new_client("true", CLIENT_0);
	struct conf_error error = {.text = ""};
	struct conf *conf;
	struct stat st;

	(void)state;
	client.ports = ports;
	client.port_count = 3;
	client.expires_ns = 1798761599500000000;
	assert_true(add_client(path, &client, &error));
	assert_int_equal(stat(in_folder("clients.d"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(stat(in_folder("clients.d/true.yaml"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	conf = conf_load(path, &error);
	assert_string_equal(conf_client(conf, 0)->name, "true");
	assert_memory_equal(conf_client(conf, 0)->ed25519_pubkey.bytes, client.public_key, 32);
	assert_int_equal(conf_client(conf, 0)->allowed_ports.count, 3);
	assert_string_equal(conf_client(conf, 0)->allowed_ports.items[1].text, "80");
	assert_true(conf_client(conf, 0)->expires == 1798761599500000000);
	conf_free(conf);
	client = new_client("bob", CLIENT_1);
	assert_true(add_client(path, &client, &error));
	assert_non_null(strstr(read_text(in_folder("clients.d/bob.yaml")), "- default"));
}

static void a_bad_addition_changes_nothing(void **state)
{
	static const char *const typo[] = {"wbe"}, *const evil[] = {"22/tcp\nevil: x"};
	const char *path =
	    write_text("config.yaml", SERVER "ports: {web: [443]}\nclients:\n  alice: "
	                                     "{ed25519_pubkey: " CLIENT_0 "}\n");
	struct conf_new_client client = new_client("bob", CLIENT_0);
	struct conf_error error;

	(void)state;
	assert_false(add_client(path, &client, &error));
	assert_non_null(strstr(error.text, "the key is that of client \"alice\""));
	client = new_client("alice", CLIENT_1);
	assert_false(add_client(path, &client, &error));
	assert_non_null(strstr(error.text, "config.yaml:5 already"));
	client = new_client("bob\n", CLIENT_1);
	assert_false(add_client(path, &client, &error));
	assert_non_null(strstr(error.text, "client name: found \"bob\\x0a\""));
	client = new_client("bob", CLIENT_1);
	client.port_count = 1;
	client.ports = typo;
	assert_false(add_client(path, &client, &error));
	assert_string_equal(error.text, "ports: found \"wbe\"; expected ports such as 22/tcp, or a "
	                                "group that `ports` names; did you mean \"web\"?");
	client.ports = evil;
	assert_false(add_client(path, &client, &error));
	client.port_count = 0;
	memset(client.public_key, 0, sizeof client.public_key);
	assert_false(add_client(path, &client, &error));
	assert_non_null(strstr(error.text, "not a usable Ed25519 public key"));
	assert_int_equal(access(in_folder("clients.d"), F_OK), -1);
}

static void a_revoked_client_stays_known(void **state)
{
	const char *main_text = SERVER "clients:\n  alice: {ed25519_pubkey: " CLIENT_0 "}\n";
	const char *path = write_text("config.yaml", main_text);
	struct conf_new_client client = new_client("bob", CLIENT_1);
	struct conf_error error = {.text = ""};
	struct conf *conf;

	(void)state;
	assert_true(add_client(path, &client, &error));
	assert_true(conf_revoke_client(path, "alice", 1795255200000000000, &error));
	assert_true(conf_revoke_client(path, "bob", 1795255200000000000, &error));
	assert_true(conf_revoke_client(path, "bob", 1795255201000000000, &error));
	assert_string_equal(read_text(path), main_text);
	conf = conf_load(path, &error);
	assert_int_equal(conf_client_count(conf), 2);
	for (size_t i = 0; i < 2; i++) {
		assert_true(conf_client(conf, i)->revoked.yes);
		assert_true(conf_client(conf, i)->revoked.when_ns == 1795255200000000000);
	}
	conf_free(conf);
	assert_false(conf_revoke_client(path, "alise", 0, &error));
	assert_string_equal(error.text, "no client \"alise\"; did you mean \"alice\"?");
	client = new_client("bob", CLIENT_2);
	assert_false(add_client(path, &client, &error));
	assert_non_null(strstr(error.text, "revoked"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(others_must_not_read_or_write_it),
	    TEST(only_regular_files_are_read),
	    TEST(a_folder_open_to_others_is_refused),
	    TEST(every_folder_on_the_way_is_looked_at),
	    TEST(the_folder_of_clients_is_no_link),
	    TEST(a_huge_file_is_refused),
	    TEST(client_files_must_be_trusted_too),
	    TEST(only_files_of_clients_stand_in_their_folder),
	    TEST(a_stranger_must_not_own_it),
	    TEST(an_unreachable_file_is_a_matter_of_rights),
	    TEST(a_first_configuration_loads),
	    TEST(a_bad_first_configuration_is_not_written),
	    TEST(writers_do_not_follow_links),
	    TEST(an_added_client_stands_in_its_own_file),
	    TEST(a_bad_addition_changes_nothing),
	    TEST(a_revoked_client_stays_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
