/* What main opens for the roles and hands out with a configuration. */
#ifndef MAIN_CONFIG_PUSH_H
#define MAIN_CONFIG_PUSH_H

#include "conf/conf.h"
#include "main/socket_store.h"
#include "snapshot/snapshot.h"

struct config_push {
	int fd; /* of the snapshot */
	struct snapshot snapshot;
	int udp;                     /* openme's; -1: as before, or none */
	bool ring;                   /* knocks come by one, and by no socket */
	int udp6;                    /* the same of IPv6, where it is captured */
	int openspa;                 /* -1: as before, or none */
	int health;                  /* -1: as before, or none */
	int hints;                   /* file of the clients' hint keys; -1: none */
	struct hint_keys *hint_keys; /* its mapping, for whoever makes them; NULL: none */
};

#define CONFIG_PUSH_EMPTY                                                                 \
	{                                                                                 \
		.fd = -1, .udp = -1, .udp6 = -1, .openspa = -1, .health = -1, .hints = -1 \
	}

/* Maps a snapshot, whose descriptor it takes over, and makes a file for its clients' hint keys,
 * without which it goes where none is to be had. False, having said why. */
bool config_push_open(struct config_push *h, int snapshot);
/* Opens the sockets that the snapshot asks for, or takes them from the store, which is empty then:
 * once, since what they hang on needs a restart to change. False, having said why; a health port
 * that cannot be had is no failure. */
bool config_push_open_sockets(struct config_push *h, struct socket_store *store);
/* Closes our copies; safe on CONFIG_PUSH_EMPTY. */
void config_push_close(struct config_push *h);

#endif
