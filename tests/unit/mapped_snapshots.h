/* How many snapshots this process has mapped. */
#ifndef MAPPED_SNAPSHOTS_H
#define MAPPED_SNAPSHOTS_H

unsigned int mapped_snapshots(void);

#endif
