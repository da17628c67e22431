#include "conf/secret_readers.h"

#include <errno.h>
#include <stdio.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "conf/accounts.h"

/* With an access control list the group's bits are a mask, and say nothing of the group. */
static bool has_list(int fd)
{
	return fgetxattr(fd, "system.posix_acl_access", NULL, 0) >= 0 ||
	       (errno != ENODATA && errno != EOPNOTSUPP);
}

/* root:openme 0640, as openme's package has it. */
static bool group_is_of_services(const struct stat *st, char text[static READERS_TEXT_BYTES])
{
	char name[ACCOUNTS_TEXT_BYTES], why[ACCOUNTS_TEXT_BYTES];

	if (!accounts_group_of_services(ACCOUNTS_FOLDER, st->st_gid, name, why)) {
		snprintf(text, READERS_TEXT_BYTES, "%s", why);
		return false;
	}
	snprintf(text, READERS_TEXT_BYTES,
	    "its group, %.64s, can read the private key; nobody is in it but accounts of "
	    "services%s%s%s; chmod 600 when the group needs it no more",
	    name, *why == '\0' ? "" : " (members by ", why,
	    *why == '\0' ? "" : " are not looked at)");
	return true;
}

/* Its rights are not for those who use it to change. */
bool secret_mounted_for_us(int fd, const struct stat *st, char why[static READERS_TEXT_BYTES])
{
	struct statvfs mount;

	return st->st_uid == 0 && fstatvfs(fd, &mount) == 0 && (mount.f_flag & ST_RDONLY) != 0 &&
	       secret_container_is_ours(geteuid(), why);
}

bool secret_readers_fine(int fd, const struct stat *st, char text[static READERS_TEXT_BYTES])
{
	bool group_alone = (st->st_mode & 077) == 040;

	*text = '\0';
	if (has_list(fd)) {
		snprintf(text, READERS_TEXT_BYTES, "it has an access control list: setfacl -b");
		return false;
	}
	if (group_alone && group_is_of_services(st, text))
		return true;
	if (!secret_mounted_for_us(fd, st, text))
		return false;
	snprintf(text, READERS_TEXT_BYTES,
	    "mode %04o lets everybody in this container at the private key; it is mounted "
	    "read-only, and nobody else is here",
	    st->st_mode & 07777U);
	return true;
}
