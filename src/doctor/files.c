/* The configuration, and the folders and accounts that the daemon needs. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/trusted_file.h"
#include "conf/accounts.h"
#include "conf/client_index.h"
#include "doctor/doctor.h"

#define ROOM_LEAST (16ULL << 20) /* bytes: the replay guard's file, the index, what is shut */
#define ROOM_FINE  (64ULL << 20)

/* --- The configuration */

static struct conf *load(const struct doctor *d, struct conf_error *why)
{
	char *index = conf_index_path(d->state_dir);
	struct conf *conf = index == NULL ? conf_load(d->cli.config, why)
	                                  : conf_load_indexed(d->cli.config, index, NULL, why);

	free(index);
	return conf;
}

static void say_unusable(struct doctor *d, const struct conf_error *why)
{
	char remedy[1200];
	struct stat st;

	if (why->permission && !d->root) {
		report_say(&d->report, FINDING_UNKNOWN, "sudo postern doctor", "%s", why->text);
		return;
	}
	if (stat(d->cli.config, &st) != 0 && errno == ENOENT)
		snprintf(remedy, sizeof remedy, "postern init --server NAME_OR_ADDRESS");
	else
		snprintf(remedy, sizeof remedy, "mend it, then: postern config check");
	report_say(&d->report, FINDING_PROBLEM, remedy, "%s", why->text);
}

static void take_snapshot(struct doctor *d)
{
	d->snapshot_fd = conf_write_snapshot(d->conf, 1);
	if (d->snapshot_fd < 0 || snapshot_map(&d->snapshot, d->snapshot_fd))
		return;
	close(d->snapshot_fd);
	d->snapshot_fd = -1;
}

static void say_how_many(struct doctor *d)
{
	size_t clients = conf_client_count(d->conf);
	size_t devices = conf_has_openspa(d->conf) ? conf_device_count(d->conf) : 0;

	report_say(&d->report, FINDING_OK, NULL, "%s: %zu client%s, %zu device%s", d->cli.config,
	    clients, clients == 1 ? "" : "s", devices, devices == 1 ? "" : "s");
}

void doctor_configuration(struct doctor *d)
{
	struct conf_error why = {.text = ""};

	d->conf = load(d, &why);
	if (d->conf == NULL) {
		say_unusable(d, &why);
		return;
	}
	if (!conf_find_interface(d->conf, &why))
		report_say(&d->report, FINDING_PROBLEM,
		    "name one that is there in server.interface, then: systemctl restart posternd",
		    "%s", why.text);
	take_snapshot(d);
	for (size_t i = 0; i < conf_warning_count(d->conf); i++)
		report_say(&d->report, FINDING_WARNING, NULL, "%s", conf_warning(d->conf, i));
	say_how_many(d);
}

const struct settings *doctor_settings(const struct doctor *d)
{
	return d->snapshot_fd < 0 ? NULL : d->snapshot.settings;
}

/* --- Folders */

static void check_room(struct doctor *d)
{
	struct statvfs v;
	unsigned long long room;

	if (statvfs(d->state_dir, &v) != 0)
		return;
	room = (unsigned long long)v.f_bfree * v.f_frsize;
	if ((v.f_flag & ST_RDONLY) != 0)
		report_say(&d->report, FINDING_PROBLEM,
		    "mount it for writing, or another one there, or: posternd --state-dir",
		    "%s is on a file system that cannot be written", d->state_dir);
	else if (room < ROOM_LEAST || (v.f_files > 0 && v.f_ffree < 16))
		report_say(&d->report, FINDING_PROBLEM, "make room on that file system",
		    "%s has room for %llu MiB and %llu files: what must outlive the daemon may get "
		    "lost",
		    d->state_dir, room >> 20, (unsigned long long)v.f_ffree);
	else if (room < ROOM_FINE)
		report_say(&d->report, FINDING_WARNING, "make room on that file system",
		    "%s has room for %llu MiB only", d->state_dir, room >> 20);
	else
		report_say(&d->report, FINDING_OK, NULL, "%s has room", d->state_dir);
}

static void check_state_folder(struct doctor *d)
{
	static const struct trusted wanted = {.type = S_IFDIR,
	    .owner = OWNER_ROOT,
	    .denied = 077,
	    .others_may = "look into it or change it",
	    .remedy = "chmod go="};
	char why[TRUSTED_TEXT_BYTES], remedy[600] = "chown root: and chmod 0700 of that folder";
	struct stat st;

	if (lstat(d->state_dir, &st) != 0 && errno == ENOENT) {
		report_say(&d->report, FINDING_OK, NULL,
		    "%s is not there yet; the daemon makes it when it first starts", d->state_dir);
		return;
	}
	if (lstat(d->state_dir, &st) != 0) {
		report_say(
		    &d->report, FINDING_UNKNOWN, NULL, "%s: %s", d->state_dir, strerror(errno));
		return;
	}
	if (strcspn(d->state_dir, " '\"\\$`;&|<>()*?[]#~\n") == strlen(d->state_dir))
		snprintf(remedy, sizeof remedy, "chown root: %.200s && chmod 0700 %.200s",
		    d->state_dir, d->state_dir);
	if (!trusted_stat(&wanted, &st, d->state_dir, why))
		report_say(&d->report, FINDING_PROBLEM, remedy, "%s: %s", d->state_dir, why);
	else
		check_room(d);
}

/* --- Accounts */

static void check_account(struct doctor *d)
{
	if (accounts_uid(ACCOUNTS_FOLDER, CONF_SERVICE_USER) != (uid_t)-1)
		report_say(&d->report, FINDING_OK, NULL, "the user %s is there", CONF_SERVICE_USER);
	else
		report_say(&d->report, FINDING_WARNING,
		    "useradd --system --user-group --shell /usr/sbin/nologin " CONF_SERVICE_USER,
		    "there is no user %s: the daemon's processes run as uids that nobody has",
		    CONF_SERVICE_USER);
}

void doctor_files(struct doctor *d)
{
	check_state_folder(d);
	check_account(d);
}
