/* files: whole files for the admin tool. */
#ifndef MT_MAIN_FILES_H
#define MT_MAIN_FILES_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

/* path "-": standard input. ERR_MISSING, ERR_PERM, ERR_LIMIT (more than max bytes), ERR_IO. */
int file_read(const char *path, size_t max, struct buf *out, struct err *e);
/*
 * Writes beside and renames, so that a reader never sees half a file; mode 0600, since it may hold profile
 * values. What is there and no regular file (a pipe, /dev/null) is written to.
 */
int file_write(const char *path, struct str bytes, struct err *e);

#endif
