/*
 * logfile: the lines of a log that grows and is rotated, each once, from a remembered place on.
 *
 * A place is known by what stands before it, not by the file's name or number: a hash of the file's first
 * bytes and one of the bytes before the place. So it is found again after
 *   rename and create       mail.log → mail.log.1 (or mail.log-20261106), and a new mail.log
 *   copytruncate            mail.log copied to mail.log.1, then cut to nothing
 *   compression             mail.log.1.gz
 * What was written behind the place is read to its end there, then all that is newer, then the log itself.
 * When the place is nowhere (the file was deleted), reading begins with the oldest file that was written
 * since: lines may come twice then, none is missed that is still there.
 *
 * Rotated files are those beside the log whose names begin with its name and "." or "-", or have "-" or "."
 * and more before its suffix (mail-20261106.log); by the time of their last change, at most LOGFILE_MAX_OLD.
 *
 * Threads: one at a time.
 */
#ifndef MT_FEEDBACK_LOGFILE_H
#define MT_FEEDBACK_LOGFILE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#define LOGFILE_PRINT 256 /* bytes at either end that a place is known by */
#define LOGFILE_MAX_OLD 200

struct logfile_place {
	uint64_t offset;     /* bytes of the file as it was before it was compressed */
	uint64_t head, tail; /* hashes of its first bytes, of those before offset: up to LOGFILE_PRINT */
	int64_t changed_ms;  /* when that file was last written */
};

/* As JSON, with the log's name: appends. The other way: -1 with ERR_CORRUPT, or ERR_CONFIG when it is about
 * another log. */
void logfile_place_write(const struct logfile_place *p, const char *path, struct buf *out);
int logfile_place_read(struct str text, const char *path, struct logfile_place *out, struct err *e);

struct logfile;
/*
 * from: NULL for the log's beginning. The log may be missing as long as wait is true. NULL: ERR_MISSING,
 * ERR_PERM, ERR_IO.
 */
struct logfile *logfile_open(const char *path, const struct logfile_place *from, bool wait, struct err *e);
void logfile_close(struct logfile **f);

/*
 * 1: *line is the next line, without its end, until the next call. 0: there is no further one now; a line
 * without its end is left for later. -1: ERR_IO, ERR_PERM. Lines of more than LOGLINE_MAX bytes are left out.
 */
int logfile_line(struct logfile *f, struct str *line, struct err *e);

/* Behind the last line that was given. */
void logfile_place(const struct logfile *f, struct logfile_place *out);
/* When the file that is being read was last written: none of its lines is later. */
int64_t logfile_changed_ms(const struct logfile *f);
/* Of the file that is being read: bytes done, and its size (0: it is compressed). */
void logfile_progress(const struct logfile *f, uint64_t *done, uint64_t *size);
/* It is the log itself, not one of its rotated ones. */
bool logfile_is_newest(const struct logfile *f);

#endif
