/* How many mappings of files of that name this process has. */
#ifndef MAPPED_FILES_H
#define MAPPED_FILES_H

unsigned int mapped_files(const char *name);

#endif
