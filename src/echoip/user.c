#include "echoip/user.h"

#include <cap-ng.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/exit.h"
#include "base/log.h"

#define DEFAULT_USER "postern-echoip"
/* Where systemd takes its dynamic users from, too: by convention nobody's for long. */
#define UID_FIRST 61184
#define UID_LAST  65519

static bool find_unused(uid_t *uid, gid_t *gid)
{
	for (uid_t id = UID_LAST; id >= UID_FIRST; id--) {
		if (getpwuid(id) == NULL && getgrgid(id) == NULL) {
			*uid = id;
			*gid = id;
			log_line(LOG_LEVEL_WARN,
			    "there is no user " DEFAULT_USER ": running as unused uid %u", id);
			return true;
		}
	}
	log_line(LOG_LEVEL_ERROR, "there is no user " DEFAULT_USER " and no unused uid");
	return false;
}

static bool find_user(const char *name, uid_t *uid, gid_t *gid)
{
	const struct passwd *entry = getpwnam(name != NULL ? name : DEFAULT_USER);

	if (entry == NULL && name == NULL)
		return find_unused(uid, gid);
	if (entry == NULL) {
		log_event(LOG_LEVEL_ERROR, "there is no such user", "user", name, NULL);
		return false;
	}
	*uid = entry->pw_uid;
	*gid = entry->pw_gid;
	if (*uid != 0 && *gid != 0)
		return true;
	log_event(
	    LOG_LEVEL_ERROR, "not to be run with root's rights", "user", entry->pw_name, NULL);
	return false;
}

static int stay(const char *name)
{
	const struct passwd *entry = name != NULL ? getpwnam(name) : NULL;

	if (name != NULL && (entry == NULL || entry->pw_uid != getuid())) {
		log_event(LOG_LEVEL_ERROR, "only root can become another user", "user", name, NULL);
		return EXIT_PERMISSION;
	}
	if (getuid() != geteuid() || getgid() != getegid()) {
		log_line(LOG_LEVEL_ERROR, "not to be installed set-uid or set-gid");
		return EXIT_PERMISSION;
	}
	capng_clear(CAPNG_SELECT_ALL);
	/* The bounding set can only be cleared by who may; an empty permitted set and
	 * no_new_privs do as much. */
	if (capng_apply(CAPNG_SELECT_CAPS) == 0)
		return EXIT_DONE;
	log_line(LOG_LEVEL_ERROR, "cannot drop capabilities: %s", strerror(errno));
	return EXIT_FAILED;
}

int user_become(const char *name)
{
	uid_t uid = 0;
	gid_t gid = 0;

	if (geteuid() != 0)
		return stay(name);
	if (!find_user(name, &uid, &gid))
		return EXIT_CONFIG;
	capng_clear(CAPNG_SELECT_ALL);
	if (capng_change_id((int)uid, (int)gid, CAPNG_DROP_SUPP_GRP | CAPNG_CLEAR_BOUNDING) != 0) {
		log_line(LOG_LEVEL_ERROR, "cannot become uid %u: %s", uid, strerror(errno));
		return EXIT_PERMISSION;
	}
	if (getuid() != uid || geteuid() != uid || getgid() != gid || getegid() != gid ||
	    setuid(0) == 0) {
		log_line(LOG_LEVEL_ERROR, "root was not given up");
		return EXIT_FAILED;
	}
	return EXIT_DONE;
}
