/* What main opens for the roles and hands out with a configuration. */
#ifndef MAIN_CONFIG_PUSH_H
#define MAIN_CONFIG_PUSH_H

#include "conf/conf.h"
#include "main/socket_store.h"
#include "proc/role.h"
#include "snapshot/snapshot.h"

struct config_push {
	int fd; /* of the snapshot */
	struct snapshot snapshot;
	unsigned int doormen;
	/* For each doorman; -1: as before, or none. */
	int udp[DOORMEN_MOST]; /* openme's */
	int openspa[DOORMEN_MOST];
	int udp6[DOORMEN_MOST];      /* openme's of IPv6, where it is captured */
	bool rings;                  /* knocks come by these, and by no socket */
	int health;                  /* -1: as before, or none */
	int hints;                   /* file of the clients' hint keys; -1: none */
	struct hint_keys *hint_keys; /* its mapping, for whoever makes them; NULL: none */
};

struct config_push config_push_empty(void);

/* Maps a snapshot, whose descriptor it takes over, and makes a file for its clients' hint keys,
 * without which it goes where none is to be had. False, having said why. */
bool config_push_open(struct config_push *h, int snapshot);
/* Opens the sockets that the snapshot asks for, or takes them from the store, which is empty then:
 * once, since what they hang on needs a restart to change. False, having said why; a health port
 * that cannot be had is no failure. */
bool config_push_open_sockets(struct config_push *h, struct socket_store *store);
#define CONFIG_PUSH_SOCKETS (3 * DOORMEN_MOST + 1)
/* Takes all sockets out of it. */
void config_push_take_sockets(struct config_push *h, int out[static CONFIG_PUSH_SOCKETS]);
/* Closes our copies; safe on an empty one. */
void config_push_close(struct config_push *h);

#endif
