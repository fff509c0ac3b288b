/*
 * include: reads configuration files and follows `include` lines: globs, relative to the including file,
 * sorted by name; bounded in depth, number and size; loops and double inclusion are mistakes.
 */
#include "conf/conf-private.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Adds a file to the list; returns its index. */
static uint32_t
file_add(struct conf_work *w, const char *name, const char *from_name, int from_line)
{
	struct conf_file *f = conf_grow(&w->files, &w->nfiles, &w->files_cap, sizeof(*f));
	f->name = arena_cstr(w->arena, str_of(name));
	f->from_name = from_name;
	f->from_line = from_line;
	return (uint32_t)(w->nfiles - 1);
}

/* Reads all of fd into scratch. NULL or why not. */
static const char *
read_all(struct conf_work *w, int fd, struct stat *st, struct str *text)
{
	if (fstat(fd, st) != 0)
		return strerror(errno);
	if (!S_ISREG(st->st_mode))
		return "is no regular file";
	if (st->st_size > CONF_MAX_FILE)
		return "is larger than 4 MB";
	char *p = arena_alloc(w->scratch, (size_t)st->st_size + 1);
	size_t n = 0;
	while (n < (size_t)st->st_size) {
		ssize_t got = read(fd, p + n, (size_t)st->st_size - n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return strerror(errno);
		if (got == 0)
			break;
		n += (size_t)got;
	}
	p[n] = '\0';
	*text = str_make(p, n);
	return NULL;
}

static int
read_file(struct conf_work *w, const char *name, struct stat *st, struct str *text, const char **why)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0) {
		*why = strerror(errno);
		return -1;
	}
	*why = read_all(w, fd, st, text);
	close(fd);
	return *why ? -1 : 0;
}

int
conf_read_first(struct conf_work *w, const char *name)
{
	struct stat st;
	struct str text;
	const char *why;
	uint32_t f = file_add(w, name, "", 0);
	if (read_file(w, name, &st, &text, &why) != 0) {
		conf_wrong(w, f, 0,
			   "cannot read the configuration (%s); "
			   "create it, or name the right file with -c",
			   why);
		return -1;
	}
	w->files[f].dev = st.st_dev;
	w->files[f].ino = st.st_ino;
	w->files[f].open = true;
	conf_statements(w, f, text, 0);
	w->files[f].open = false;
	return 0;
}

/* True when the file was read before; reported. */
static bool
seen_before(struct conf_work *w, const char *name, const struct stat *st, uint32_t file, int line)
{
	for (size_t i = 0; i < w->nfiles; i++) {
		const struct conf_file *f = &w->files[i];
		if (f->dev != st->st_dev || f->ino != st->st_ino)
			continue;
		if (f->open)
			conf_wrong(w, file, line,
				   "include loop: \"%s\" is being read already; take this line out", name);
		else
			conf_wrong(w, file, line, "\"%s\" is included twice (first at %s:%d); keep one", name,
				   f->from_name, f->from_line);
		return true;
	}
	return false;
}

static void
include_file(struct conf_work *w, const char *name, uint32_t file, int line, int depth)
{
	struct stat st;
	struct str text;
	const char *why;
	if (w->nfiles >= CONF_MAX_FILES) {
		if (w->nfiles == CONF_MAX_FILES)
			conf_wrong(w, file, line, "more than %d files are included; put some together",
				   CONF_MAX_FILES);
		return;
	}
	if (read_file(w, name, &st, &text, &why) != 0) {
		conf_wrong(w, file, line, "cannot include \"%s\" (%s); create it or correct the name", name,
			   why);
		return;
	}
	if (seen_before(w, name, &st, file, line))
		return;
	uint32_t f = file_add(w, name, w->files[file].name, line);
	w->files[f].dev = st.st_dev;
	w->files[f].ino = st.st_ino;
	w->files[f].open = true;
	conf_statements(w, f, text, depth + 1);
	w->files[f].open = false;
}

/* The pattern with the including file's directory before it (that part taken literally when glob). */
static const char *
resolve(struct conf_work *w, uint32_t file, struct str pattern, bool glob)
{
	const char *from = w->files[file].name, *slash = strrchr(from, '/');
	if (pattern.p[0] == '/' || !slash)
		return arena_cstr(w->scratch, pattern);
	struct buf b = { 0 };
	for (const char *p = from; p <= slash; p++) {
		if (glob && strchr("*?[]\\", *p))
			buf_addc(&b, '\\');
		buf_addc(&b, *p);
	}
	buf_adds(&b, pattern);
	const char *out = arena_cstr(w->scratch, buf_str(&b));
	buf_free(&b);
	return out;
}

/* A directory that is not there matches nothing; one that cannot be read is a mistake. */
static int
glob_failed(const char *path, int error)
{
	(void)path;
	return error != ENOENT && error != ENOTDIR;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void
conf_include(struct conf_work *w, uint32_t file, int line, struct str pattern, int depth)
{
	const char *shown = conf_quote(w, pattern);
	if (w->no_files) {
		conf_wrong(w, file, line,
			   "\"%s\" cannot be included from a text in memory; take this line out", shown);
		return;
	}
	if (depth >= CONF_MAX_DEPTH) {
		conf_wrong(w, file, line,
			   "includes are nested deeper than %d; include \"%s\" from a file above",
			   CONF_MAX_DEPTH, shown);
		return;
	}
	if (pattern.n == 0) {
		conf_wrong(w, file, line, "include names no file; write include \"campaigns.d/*.conf\"");
		return;
	}
	if (!strpbrk(arena_cstr(w->scratch, pattern), "*?[")) {
		include_file(w, resolve(w, file, pattern, false), file, line, depth);
		return;
	}
	glob_t g = { 0 };
	int rc = glob(resolve(w, file, pattern, true), GLOB_NOSORT, glob_failed, &g);
	if (rc != 0 && rc != GLOB_NOMATCH)
		conf_wrong(w, file, line, "cannot look for files named \"%s\"; make the directory readable",
			   shown);
	if (rc == 0) {
		qsort(g.gl_pathv, g.gl_pathc, sizeof(*g.gl_pathv), by_name);
		for (size_t i = 0; i < g.gl_pathc; i++)
			include_file(w, g.gl_pathv[i], file, line, depth);
	}
	globfree(&g);
}
