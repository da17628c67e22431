/* What reading and writing the index's file share. */
#ifndef CONF_INDEX_FORM_H
#define CONF_INDEX_FORM_H

#include <stdint.h>

#include "conf/client_index.h"
#include "conf/index_file.h"

#define INDEX_BYTES_MOST (INT64_C(1) << 31)
#define INDEX_HEAD_BYTES 32

/* A mark with the number of the form, and the version of the program: another one may read the same
 * text differently, or vet keys by other rules. */
extern const char index_head[INDEX_HEAD_BYTES];

/* The folder that it stands in, when nobody else can put another file there; -1 with `why`, which
 * is empty when there is none, or none that we may look into. */
int index_folder_open(const char *path, char why[static INDEX_WHY_BYTES]);
/* The last part of a path. */
const char *index_name(const char *path);

#endif
