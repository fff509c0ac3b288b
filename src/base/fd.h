/* fd: what every writer of whole files needs of a descriptor. */
#ifndef MT_BASE_FD_H
#define MT_BASE_FD_H

#include <stdbool.h>

#include "base/str.h"

/* All bytes, however often a signal comes in between. False: errno says why; part of them may be written. */
bool fd_write(int fd, struct str bytes);
/* The names in a directory are on disk: a new file survives a power cut only when its name does, too. False:
 * errno says why. */
bool fd_sync_directory(const char *directory);
/* The same of the directory that path lies in. */
bool fd_sync_parent(const char *path);

#endif
