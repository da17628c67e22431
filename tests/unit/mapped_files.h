/* What this process holds: how many mappings of files of that name, and how many descriptors. */
#ifndef MAPPED_FILES_H
#define MAPPED_FILES_H

unsigned int mapped_files(const char *name);
unsigned int open_files(void);

#endif
