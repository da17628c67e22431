/* Who has access now and who was seen when, as the daemon has told: kept in room of fixed size. */
#ifndef WEB_PEOPLE_H
#define WEB_PEOPLE_H

#include "ctl/ctl_client.h"

#define PEOPLE_MOST       16384 /* grants, and clients, that are kept; all are counted */
#define PEOPLE_PORTS_MOST 8

struct grant_shown {
	char label[CLIENT_NAME_BYTES]; /* any bytes may stand in it */
	struct addr address;
	int64_t opened_ns; /* CLOCK_REALTIME */
	uint64_t left_ms;  /* when it was asked */
	struct ports ports[PEOPLE_PORTS_MOST];
	uint8_t port_count;
	bool more; /* ports than fit */
	bool overdue;
};

struct client_shown {
	char label[CLIENT_NAME_BYTES]; /* likewise */
	struct addr address;
	int64_t seen_ns; /* CLOCK_REALTIME */
	bool has_grant;
};

struct people {
	struct grant_shown grants[PEOPLE_MOST];   /* those that end first stand first */
	struct client_shown clients[PEOPLE_MOST]; /* those seen last stand first */
	size_t grant_count, client_count;         /* of those that are kept */
	size_t grants_all, clients_all;
};

void people_clear(struct people *p);
/* Takes SESSION and LAST_SEEN; for ctl_ask, with the struct people as context. */
void people_take(void *people, const struct control_record *record);
/* When all have been taken: puts them in order. */
void people_order(struct people *p);

#endif
