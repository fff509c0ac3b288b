/* logfile-old: the rotated files beside a log. */
#include "feedback/logfile-private.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Names beside the log that are looked at; a directory with more is no log directory. */
#define NAMES_MAX 100000

static bool
is_archive(struct str name)
{
	static const char *const others[] = { ".xz", ".zst", ".bz2", ".lz4", ".Z", ".tmp", ".lock", "~" };
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
		if (str_ends(name, str_of(others[i])))
			return false;
	return true;
}

/* base: "mail.log". "mail.log.1", "mail.log-20261106.gz", "mail-20261106.log". */
static bool
is_old(struct str name, struct str base)
{
	size_t dot = base.n;
	if (str_eq(name, base) || !is_archive(name))
		return false;
	if (str_starts(name, base))
		return name.p[base.n] == '.' || name.p[base.n] == '-';
	for (size_t i = base.n; i > 1 && dot == base.n; i--)
		if (base.p[i - 1] == '.')
			dot = i - 1;
	struct str stem = str_sub(base, 0, dot), suffix = str_sub(base, dot, base.n);
	if (str_ends(name, STR(".gz")))
		name.n -= 3;
	return suffix.n > 0 && name.n > base.n && str_starts(name, stem) && str_ends(name, suffix) &&
	       (name.p[dot] == '-' || name.p[dot] == '.');
}

/* Numbers rise with age, dates fall: of two changed at once, "log.2" is older than "log.1". */
static int
by_age(const void *pa, const void *pb)
{
	const struct old_file *a = pa, *b = pb;
	if (a->changed_ms != b->changed_ms)
		return a->changed_ms < b->changed_ms ? -1 : 1;
	size_t na = strlen(a->path), nb = strlen(b->path);
	if (na != nb)
		return na > nb ? -1 : 1;
	return strcmp(b->path, a->path);
}

static void
list_add(struct old_files *l, size_t *cap, char *path)
{
	struct stat st;
	if (lstat(path, &st) != 0 || !S_ISREG(st.st_mode)) {
		free(path);
		return;
	}
	if (l->n == *cap) {
		*cap = *cap ? *cap * 2 : 16;
		l->v = realloc(l->v, *cap * sizeof *l->v);
		if (!l->v)
			abort();
	}
	l->v[l->n++] = (struct old_file){ path, changed_ms(&st), st.st_dev, st.st_ino };
}

/* While it is being compressed a file is there twice: the plain one is whole. */
static void
drop_doubles(struct old_files *l)
{
	size_t kept = 0;
	for (size_t i = 0; i < l->n; i++) {
		struct str name = str_of(l->v[i].path);
		bool twice = false;
		for (size_t k = 0; k < l->n && str_ends(name, STR(".gz")) && !twice; k++)
			twice = l->v[k].path && str_eq(str_of(l->v[k].path), str_sub(name, 0, name.n - 3));
		if (twice) {
			free(l->v[i].path);
			l->v[i].path = NULL;
		}
	}
	for (size_t i = 0; i < l->n; i++)
		if (l->v[i].path)
			l->v[kept++] = l->v[i];
	l->n = kept;
}

void
old_files_list(const char *path, struct old_files *out)
{
	const char *slash = strrchr(path, '/');
	struct str base = str_of(slash ? slash + 1 : path);
	struct str dir = slash ? str_make(path, (size_t)(slash - path) + 1) : STR("./");
	char name[4096];
	size_t cap = 0, drop = 0;
	*out = (struct old_files){ 0 };
	snprintf(name, sizeof name, "%.*s", STR_ARG(dir));
	DIR *d = opendir(name);
	if (!d)
		return;
	struct dirent *x;
	for (int n = 0; n < NAMES_MAX && (x = readdir(d)) != NULL; n++) {
		if (!is_old(str_of(x->d_name), base))
			continue;
		snprintf(name, sizeof name, "%.*s%s", STR_ARG(dir), x->d_name);
		char *copy = strdup(name);
		if (!copy)
			abort();
		list_add(out, &cap, copy);
	}
	closedir(d);
	drop_doubles(out);
	if (out->n > 1)
		qsort(out->v, out->n, sizeof *out->v, by_age);
	for (; out->n - drop > LOGFILE_MAX_OLD; drop++)
		free(out->v[drop].path);
	if (drop > 0)
		memmove(out->v, out->v + drop, (out->n - drop) * sizeof *out->v);
	out->n -= drop;
}

void
old_files_free(struct old_files *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i].path);
	free(l->v);
	*l = (struct old_files){ 0 };
}
