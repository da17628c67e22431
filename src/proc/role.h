/* The processes that the daemon is made of. */
#ifndef PROC_ROLE_H
#define PROC_ROLE_H

/* The two runners are there only where programs of the administrator's are asked. */
enum role {
	ROLE_MAIN,
	ROLE_DOORMAN,
	ROLE_KEEPER,
	ROLE_DESK,
	ROLE_RUNNER,
	ROLE_PRIVILEGED_RUNNER,
	ROLE_COUNT
};

#define DOORMEN_MOST 16 /* of one daemon; of the other roles there is one */

const char *role_name(enum role role);

#endif
