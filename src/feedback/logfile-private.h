/* private: what logfile.c, logfile-old.c and logfile-source.c share. */
#ifndef MT_FEEDBACK_LOGFILE_PRIVATE_H
#define MT_FEEDBACK_LOGFILE_PRIVATE_H

#include "feedback/logfile.h"

#include <sys/stat.h>

/* ---- logfile-source.c: the bytes of one file, plain or compressed ---- */

struct source {
	int fd;	  /* -1: closed */
	void *gz; /* gzFile; NULL: plain */
	struct stat st;
	uint64_t at; /* bytes given so far */
	char head[LOGFILE_PRINT];
	size_t nhead;
	bool damaged; /* its compressed data ends wrongly */
};
/* 0, or errno. Symbolic links of rotated files are not followed. */
int source_open(struct source *s, const char *path, bool newest);
void source_close(struct source *s);
/* Up to n bytes; 0: its end; -1: errno. */
long source_read(struct source *s, char *p, size_t n);
/*
 * Opens path at place when the place is in it: 1; tail gets the bytes before it, as many as place is known
 * by. 0: it is not. -1: errno.
 */
int source_open_at(struct source *s, const char *path, bool newest, const struct logfile_place *place,
		   char tail[LOGFILE_PRINT]);
/* Still the same bytes before `at`. Plain files only. */
bool source_holds(const struct source *s, uint64_t at, const char *tail, size_t ntail);
uint64_t print_of(const char *p, size_t n);
static inline size_t
print_size(uint64_t offset)
{
	return offset < LOGFILE_PRINT ? (size_t)offset : LOGFILE_PRINT;
}

/* ---- logfile-old.c: which rotated files there are ---- */

struct old_file {
	char *path;
	int64_t changed_ms;
	dev_t dev;
	ino_t ino;
};
struct old_files {
	struct old_file *v; /* oldest first */
	size_t n;
};
void old_files_list(const char *path, struct old_files *out);
void old_files_free(struct old_files *l);

static inline int64_t
changed_ms(const struct stat *st)
{
	return (int64_t)st->st_mtim.tv_sec * 1000 + st->st_mtim.tv_nsec / 1000000;
}

#endif
