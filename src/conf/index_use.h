/* The index while a configuration is loaded: what is taken from it, and what the next one is made
 * of. Every function does nothing, and knows nothing, where `use` is NULL. */
#ifndef CONF_INDEX_USE_H
#define CONF_INDEX_USE_H

#include "conf/client_index.h"
#include "conf/index_file.h"

struct index_use {
	struct conf_index_report *report;
	struct index_file old; /* `data` NULL: there is none */
	bool taking;           /* from it: keys are known */
	bool recording;        /* a new one is wanted */
	bool complete;         /* nothing of it was lost for want of memory */
	bool damaged;          /* the old one: what was half taken from it is to be thrown away */
	size_t gain;           /* clients and files that the new one spares us to parse */
	int64_t began_ns;
	struct stream nodes; /* of the file that is just read */
	uint32_t count;
	bool misfit; /* they have no place in the form: the file is not kept */
	struct index_parts parts;
};

void index_use_free(struct index_use *use);

/* Whether a client's key needs no vetting. Counts those that do. */
bool index_knows_key(struct index_use *use, const uint8_t key[static CONF_KEY_BYTES]);
/* Keeps a client that was read from a tree, key and value. */
void index_keep_client(struct index_use *use, const struct tree *tree, const struct node *key);

/* How much of the main file has to be parsed: all of it, or what stands before `clients`, which
 * then come from index_take_main. */
size_t index_match_main(const struct index_use *use, const struct tree_source *from);
bool index_take_main(struct conf *conf, struct conf_error *error);
/* Keeps what index_keep_client was given since the last file: all clients of the main file. */
void index_keep_main(
    struct index_use *use, const struct tree *tree, const struct tree_source *from);
/* Whether a file was last changed so long ago that a change since we began could not be
 * overlooked: file systems' clocks are coarse. */
bool index_settled(const struct index_use *use, const struct stat *st);
/* Forgets it. */
void index_forget_nodes(struct index_use *use);

/* Takes the clients of a file of clients.d that is as it was; `path` is one of conf->files. False:
 * it must be read. */
bool index_take_file(
    struct conf *conf, const struct file_folder *folder, const char *name, const char *path);
/* Keeps one that was read; `st` is from before that. */
void index_keep_file(struct index_use *use, const char *name, const struct stat *st);

#endif
