/* Remedies are written for systemd; elsewhere they are said in the words of what starts services
 * there. */
#ifndef DOCTOR_REMEDY_H
#define DOCTOR_REMEDY_H

#define REMEDY_BYTES 512

enum service_manager {
	MANAGER_SYSTEMD,
	MANAGER_OPENRC,
	MANAGER_SCRIPTS, /* in /etc/init.d, as OpenWrt's */
	MANAGER_NONE
};

/* That of this host. */
enum service_manager service_manager(void);
/* `remedy`, with "systemctl VERB UNIT..." in it, which ends it or is followed by " &&" or " (", as
 * it is said here; without that, or where it would not fit into `text`, as it is. NULL: NULL. */
const char *remedy_for(
    const char *remedy, enum service_manager manager, char text[static REMEDY_BYTES]);

#endif
