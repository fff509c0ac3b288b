/* file: a whole file, replaced in one step. */
#ifndef MT_BASE_FILE_H
#define MT_BASE_FILE_H

#include <sys/types.h>

#include "base/err.h"
#include "base/str.h"

/* Modes of files that are new, less the umask. */
#define FILE_PRIVATE 0600 /* it may hold what profiles hold */
#define FILE_PUBLIC 0666

/*
 * Writes bytes beside path, syncs them, and renames: whoever opens path sees the old file or the new one,
 * whole, after a power cut, too, and who has the old one open keeps it. A file that is there gives its mode
 * and its group (its owner, too, where root writes) to the new one: who could read it can read on. Where the
 * group cannot be kept, the group that it gets instead may do no more than others may. A link is replaced by
 * a file. What is there and no regular file (a pipe, /dev/null) is written to.
 *
 * 0, or -1: the file is as it was, and nothing lies beside it. ERR_MISSING (no such directory), ERR_PERM,
 * ERR_FULL, ERR_LIMIT (a name too long), ERR_IO (or, as the text says, the file is new, and whether it would
 * survive a power cut is unknown).
 */
int file_replace(const char *path, struct str bytes, mode_t fresh, struct err *e);

#endif
