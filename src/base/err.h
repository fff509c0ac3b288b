/*
 * err: a status and a text the admin can act on: what, where, what to do.
 * Functions that can fail take a struct err * (may be NULL when the caller
 * only wants the status), return 0 or -1 unless their header says otherwise,
 * and fill it on -1. Log once, where the error is handled.
 */
#ifndef MT_BASE_ERR_H
#define MT_BASE_ERR_H

#include <stdarg.h>

enum err_kind {
	ERR_NONE = 0,
	ERR_USAGE,	 /* EX_USAGE: the command line */
	ERR_INPUT,	 /* EX_DATAERR: bytes from outside are malformed */
	ERR_MISSING,	 /* EX_NOINPUT: file or record is not there */
	ERR_LIMIT,	 /* EX_DATAERR: larger or deeper than allowed */
	ERR_CONFIG,	 /* EX_CONFIG */
	ERR_PERM,	 /* EX_NOPERM: owner, mode, access */
	ERR_IO,		 /* EX_IOERR: disk, database */
	ERR_TEMP,	 /* EX_TEMPFAIL: busy, late; try again */
	ERR_FULL,	 /* EX_TEMPFAIL: disk or database is full: what is new must wait */
	ERR_CORRUPT,	 /* EX_DATAERR: our own data does not verify */
	ERR_UNSUPPORTED, /* EX_UNAVAILABLE */
	ERR_BUG,	 /* EX_SOFTWARE */
};

struct err {
	enum err_kind kind;
	char text[1024]; /* one line; err_set and err_prefix take control characters out */
};

/* Fills e (when not NULL) and returns -1, so `return err_set(e, …)` works. */
int err_set(struct err *e, enum err_kind kind, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Puts "prefix: " before the text already there; returns -1. */
int err_prefix(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The sysexits.h code for a kind; ERR_NONE gives 0. */
int err_exit_code(enum err_kind kind);

#endif
