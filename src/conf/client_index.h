/* The index: what was read from the configuration's files the last time, so that an unchanged file
 * is not parsed again and a key that was vetted is not vetted again. The files stay the only truth:
 * the index can be deleted at any time, and one that is damaged, that others could have written, or
 * that belongs to another version, configuration or server's key is refused as a whole. */
#ifndef CONF_CLIENT_INDEX_H
#define CONF_CLIENT_INDEX_H

#include "conf/conf.h"

#define CONF_INDEX_FILE    "clients.index" /* in the state directory */
#define CONF_INDEX_FOLDER  "/var/lib/postern"
#define CONF_INDEX_DEFAULT CONF_INDEX_FOLDER "/" CONF_INDEX_FILE

/* What a load made of the index. */
struct conf_index_report {
	uint32_t vetted;   /* keys that were not known from the index */
	uint32_t clients;  /* that were parsed, so not taken from the index */
	uint32_t files;    /* of clients.d that were parsed */
	uint32_t kept;     /* files, the main file too, that were not */
	bool written;      /* there is a new index now */
	bool permission;   /* there is none for want of rights */
	char refused[600]; /* why the index that was there is not believed; "": it is, or none is */
	/* Why a new one could not be written; "": it was, or none was wanted, or the state
	 * directory is fresh or missing: the daemon must use it first. */
	char failed[600];
};

/* As conf_load, with the help of the index, if it is there and may be read; `report` may be NULL.
 */
struct conf *conf_load_indexed(const char *path, const char *index_path,
    struct conf_index_report *report, struct conf_error *error);
/* The same, and writes a new index when the old one was refused, or more than `most` clients or
 * files were parsed. One that cannot be written is no failure. */
struct conf *conf_load_renewing(const char *path, const char *index_path, uint32_t most,
    struct conf_index_report *report, struct conf_error *error);
#define CONF_INDEX_ALWAYS 0 /* `most`: even when nothing was parsed */
#define CONF_INDEX_WORTH  1000

/* conf_load_renewing when it is worth it; what becomes of the index stands in the log. */
struct conf *conf_load_prepared(const char *path, const char *index_path, struct conf_error *error);
/* The same for the index alone: whoever loads the configuration with it afterwards is spared the
 * slow part. False, with *error filled, only when the configuration cannot be loaded. */
bool conf_index_prepare(const char *config_path, const char *index_path, struct conf_error *error);

/* `state_dir`/clients.index, allocated; NULL when memory is short. */
char *conf_index_path(const char *state_dir);

#endif
