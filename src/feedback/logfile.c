/* logfile: lines, and which file comes next. See logfile.h. */
#include "feedback/logfile-private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "feedback/logline.h"

#define CHUNK 65536
#define CAP (LOGFILE_PRINT + LOGLINE_MAX + CHUNK)
/* Changes of file in one call: each is to a newer one, unless somebody plays with their times. */
#define STEPS_MAX (2 * LOGFILE_MAX_OLD)

struct logfile {
	char *path;
	bool newest, wait;
	struct source src; /* src.fd -1: the log is not there yet */
	char *buf;	   /* [0, begin): bytes before the next line, at least LOGFILE_PRINT of them */
	size_t begin, end;
	bool ended;    /* its end was seen: look whether it is still what it was before reading on */
	bool skipping; /* inside of a line that is too long */
	struct logfile_place before; /* where that began */
	int steps;
};

static uint64_t
offset_of(const struct logfile *f)
{
	return f->src.at - (f->end - f->begin);
}

/* ---- places ---- */

static int64_t
source_changed_ms(const struct source *s)
{
	struct stat st;
	return s->fd >= 0 && fstat(s->fd, &st) == 0 ? changed_ms(&st) : 0;
}

void
logfile_place(const struct logfile *f, struct logfile_place *out)
{
	if (f->skipping) {
		*out = f->before;
		return;
	}
	uint64_t offset = offset_of(f);
	size_t n = print_size(offset);
	*out = (struct logfile_place){ .offset = offset,
				       .head = print_of(f->src.head, n),
				       .tail = print_of(f->buf + f->begin - n, n),
				       .changed_ms =
					   f->src.fd >= 0 ? source_changed_ms(&f->src) : clock_now_ms() };
}

void
logfile_place_write(const struct logfile_place *p, const char *path, struct buf *out)
{
	buf_adds(out, STR("{\"log\":"));
	json_print_string(out, str_of(path));
	buf_printf(out,
		   ",\"offset\":%" PRIu64 ",\"head\":\"%016" PRIx64 "\",\"tail\":\"%016" PRIx64
		   "\",\"changed_ms\":%" PRId64 "}\n",
		   p->offset, p->head, p->tail, p->changed_ms);
}

static bool
get_int(const struct value *v, const char *key, int64_t *out)
{
	const struct value *i = value_map_get(v, str_of(key));
	if (!i || i->type != VALUE_INT || i->i < 0)
		return false;
	*out = i->i;
	return true;
}

static bool
get_hash(const struct value *v, const char *key, uint64_t *out)
{
	const struct value *s = value_map_get(v, str_of(key));
	char text[17], *end;
	if (!s || s->type != VALUE_STRING || s->s.n != 16)
		return false;
	memcpy(text, s->s.p, 16);
	text[16] = '\0';
	*out = strtoull(text, &end, 16);
	return *end == '\0';
}

int
logfile_place_read(struct str text, const char *path, struct logfile_place *out, struct err *e)
{
	struct arena *a = arena_new(1024);
	const struct value *v;
	int64_t offset;
	int rc = 0;
	*out = (struct logfile_place){ 0 };
	if (json_parse(a, text, NULL, &v, NULL) != 0 || v->type != VALUE_MAP ||
	    !get_int(v, "offset", &offset) || !get_int(v, "changed_ms", &out->changed_ms) ||
	    !get_hash(v, "head", &out->head) || !get_hash(v, "tail", &out->tail)) {
		rc = err_set(e, ERR_CORRUPT, "it says no place in a log");
	} else {
		const struct value *log = value_map_get(v, STR("log"));
		out->offset = (uint64_t)offset;
		if (!log || log->type != VALUE_STRING || !str_eq(log->s, str_of(path)))
			rc = err_set(e, ERR_CONFIG,
				     "this is about another log than %s; give each log a --state of its own",
				     path);
	}
	arena_free(&a);
	return rc;
}

/* ---- opening ---- */

static void
rewind_buffer(struct logfile *f, const char *tail, size_t ntail)
{
	memcpy(f->buf, tail, ntail);
	f->begin = f->end = ntail;
	f->ended = f->skipping = false;
}

static int
fail(const char *path, int code, struct err *e)
{
	return err_set(e,
		       code == EACCES || code == EPERM ? ERR_PERM
		       : code == ENOENT		       ? ERR_MISSING
						       : ERR_IO,
		       "log %s: %s", path, code == EINVAL ? "it is no regular file" : strerror(code));
}

/* From its beginning. A rotated file that cannot be opened is passed over. */
static int
open_first(struct logfile *f, const char *path, bool newest, struct err *e)
{
	source_close(&f->src);
	int rc = source_open(&f->src, path, newest);
	f->newest = newest;
	rewind_buffer(f, "", 0);
	if (rc == 0 || (newest && rc == ENOENT && f->wait))
		return 0;
	return fail(path, rc, e);
}

/* 1 it is there, and is open at the place; 0 not. */
static int
open_at(struct logfile *f, const char *path, bool newest, const struct logfile_place *place)
{
	char tail[LOGFILE_PRINT];
	struct source s;
	int r = source_open_at(&s, path, newest, place, tail);
	if (r != 1)
		return 0;
	source_close(&f->src);
	f->src = s;
	f->newest = newest;
	rewind_buffer(f, tail, print_size(place->offset));
	return 1;
}

/* l->v[i], or what comes behind it as far as it can be opened, or the log. */
static int
open_from(struct logfile *f, const struct old_files *l, size_t i, struct err *e)
{
	struct err own = { 0 };
	for (; i < l->n; i++) {
		if (open_first(f, l->v[i].path, false, &own) == 0)
			return 0;
		log_warn("%s; it is left out", own.text);
	}
	return open_first(f, f->path, true, e);
}

static size_t
since(const struct old_files *l, int64_t when_ms)
{
	size_t i = 0;
	while (i < l->n && l->v[i].changed_ms < when_ms)
		i++;
	return i;
}

/* The place is in one of them: 1. */
static int
open_old(struct logfile *f, const struct old_files *l, const struct logfile_place *place)
{
	for (size_t i = l->n; i > 0; i--)
		if (open_at(f, l->v[i - 1].path, false, place) == 1)
			return 1;
	return 0;
}

/* Wherever the place is now. Every file begins like one of which nothing was read: then time alone tells. */
static int
locate(struct logfile *f, const struct logfile_place *place, struct err *e)
{
	struct old_files l;
	int rc = 0;
	if (place->offset == 0 && place->changed_ms == 0)
		return open_first(f, f->path, true, e);
	if (place->offset > 0 && open_at(f, f->path, true, place) == 1)
		return 0;
	old_files_list(f->path, &l);
	if (place->offset == 0 || open_old(f, &l, place) != 1) {
		if (place->offset > 0)
			log_warn("log %s: the place up to which it was read is not there any more; what was "
				 "written since is read from its beginning",
				 f->path);
		rc = open_from(f, &l, since(&l, place->changed_ms), e);
	}
	old_files_free(&l);
	return rc;
}

/* The file that was written behind the one that is open. */
static int
step(struct logfile *f, struct err *e)
{
	struct old_files l;
	size_t i;
	if (f->steps++ >= STEPS_MAX)
		return open_first(f, f->path, true, e);
	old_files_list(f->path, &l);
	for (i = 0; i < l.n; i++)
		if (l.v[i].dev == f->src.st.st_dev && l.v[i].ino == f->src.st.st_ino)
			break;
	/* Compressed in the meantime, or deleted: then what changed later. */
	size_t next = i < l.n ? i + 1 : since(&l, source_changed_ms(&f->src) + 1);
	int rc = open_from(f, &l, next, e);
	old_files_free(&l);
	return rc;
}

struct logfile *
logfile_open(const char *path, const struct logfile_place *from, bool wait, struct err *e)
{
	static const struct logfile_place beginning;
	struct logfile *f = calloc(1, sizeof *f);
	if (!f || !(f->path = strdup(path)) || !(f->buf = malloc(CAP)))
		abort();
	f->src.fd = -1;
	f->wait = wait;
	if (locate(f, from ? from : &beginning, e) != 0)
		logfile_close(&f);
	else
		f->wait = true; /* between two files there may be none for a moment */
	return f;
}

void
logfile_close(struct logfile **fp)
{
	struct logfile *f = *fp;
	if (!f)
		return;
	source_close(&f->src);
	free(f->path);
	free(f->buf);
	free(f);
	*fp = NULL;
}

/* ---- lines ---- */

/* 1 there are more bytes; 0 its end; -1. */
static int
fill(struct logfile *f, struct err *e)
{
	if (f->begin > LOGFILE_PRINT) {
		size_t drop = f->begin - LOGFILE_PRINT;
		memmove(f->buf, f->buf + drop, f->end - drop);
		f->begin -= drop;
		f->end -= drop;
	}
	long got = source_read(&f->src, f->buf + f->end, CAP - f->end);
	if (got < 0)
		return err_set(e, ERR_IO, "log %s: %s", f->path, strerror(errno));
	f->end += (size_t)got;
	return got > 0;
}

static bool
line_take(struct logfile *f, struct str *line)
{
	for (;;) {
		const char *p = f->buf + f->begin, *nl = memchr(p, '\n', f->end - f->begin);
		size_t n = nl ? (size_t)(nl - p) : f->end - f->begin;
		bool whole = nl && !f->skipping && n <= LOGLINE_MAX;
		if (!nl && n <= LOGLINE_MAX && !f->skipping)
			return false;
		if (!nl && !f->skipping) {
			logfile_place(f, &f->before);
			f->skipping = true;
		}
		f->begin += nl ? n + 1 : n;
		if (!nl)
			return false;
		f->skipping = false;
		if (whole) {
			*line = str_make(p, n);
			return true;
		}
	}
}

/* The log may have been rotated, cut off, or begun anew while nobody looked. 1: read on; 0: nothing to do. */
static int
look_again(struct logfile *f, struct err *e)
{
	struct logfile_place place;
	struct stat now, there;
	size_t n = print_size(offset_of(f));
	if (f->src.fd < 0) {
		if (open_first(f, f->path, true, e) != 0)
			return -1;
		return f->src.fd >= 0;
	}
	if (fstat(f->src.fd, &now) != 0)
		return err_set(e, ERR_IO, "log %s: %s", f->path, strerror(errno));
	if ((uint64_t)now.st_size < f->src.at ||
	    !source_holds(&f->src, offset_of(f), f->buf + f->begin - n, n)) {
		logfile_place(f, &place);
		return locate(f, &place, e) == 0 ? 1 : -1;
	}
	if ((uint64_t)now.st_size > f->src.at)
		return 1;
	/* A new one is written to already: nobody writes to this one any more. */
	if (stat(f->path, &there) == 0 && there.st_size > 0 &&
	    (there.st_dev != f->src.st.st_dev || there.st_ino != f->src.st.st_ino)) {
		/* what came between the two looks */
		if (fstat(f->src.fd, &now) == 0 && (uint64_t)now.st_size > f->src.at)
			return 1;
		return step(f, e) == 0 ? 1 : -1;
	}
	return 0;
}

int
logfile_line(struct logfile *f, struct str *line, struct err *e)
{
	int r = 1;
	if (line_take(f, line))
		return 1;
	for (f->steps = 0; r == 1;) {
		if (f->src.fd < 0 || f->ended) {
			r = look_again(f, e);
			if (r != 1)
				break;
			f->ended = false;
		}
		r = fill(f, e);
		if (r == 1 && line_take(f, line))
			return 1;
		if (r != 0)
			continue;
		if (f->src.damaged)
			log_warn("log %s: a compressed file of it is damaged; its end is left out", f->path);
		if (f->newest) {
			f->ended = true;
			r = 1;
		} else {
			r = step(f, e) == 0 ? 1 : -1;
		}
	}
	return r;
}

int64_t
logfile_changed_ms(const struct logfile *f)
{
	return source_changed_ms(&f->src);
}

void
logfile_progress(const struct logfile *f, uint64_t *done, uint64_t *size)
{
	struct stat st;
	*done = f->src.fd >= 0 ? offset_of(f) : 0;
	*size = f->src.fd >= 0 && !f->src.gz && fstat(f->src.fd, &st) == 0 ? (uint64_t)st.st_size : 0;
}

bool
logfile_is_newest(const struct logfile *f)
{
	return f->newest;
}
