/* /data.json, all that the page shows. */
#ifndef WEB_DATA_H
#define WEB_DATA_H

#include <stdio.h>

#include "web/asker.h"
#include "web/history.h"

#define DATA_ROWS_MOST 256 /* of a table */

/* One JSON object; `host` is what this machine is called. Of grants and clients, as many as fit of
 * those that match `filter` (request_filter), and how many there are. Labels stand there as the
 * daemon tells them, in %XX form. Whether all was written is ferror()'s to tell. */
void data_print(
    FILE *to, const char *host, struct asker *a, const struct history *h, const char *filter);

#endif
