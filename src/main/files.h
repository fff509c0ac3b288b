/* files: whole files for the admin tool. */
#ifndef MT_MAIN_FILES_H
#define MT_MAIN_FILES_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

/* path "-": standard input. ERR_MISSING, ERR_PERM, ERR_LIMIT (more than max bytes), ERR_IO. */
int file_read(const char *path, size_t max, struct buf *out, struct err *e);

#endif
