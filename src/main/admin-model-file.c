/*
 * admin-model-file: when a model's file is replaced, what was in use before stays in
 * PATH.history/000001.safetensors, 000002.safetensors …; one that was rolled back is there as
 * 000003-withdrawn.safetensors.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "main/admin-model.h"

#define SUFFIX ".safetensors"
#define WITHDRAWN "-withdrawn"
#define DIGITS 6

static int
io_error(const char *path, struct err *e)
{
	return err_set(e,
		       errno == EACCES || errno == EPERM ? ERR_PERM
		       : errno == ENOENT		 ? ERR_MISSING
							 : ERR_IO,
		       "%s: %s", path, strerror(errno));
}

/* ---- history ---- */

static int
name_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* "000012.safetensors", "000012-withdrawn.safetensors": its number; 0: another file. */
static unsigned long
entry_number(const char *name, bool *withdrawn)
{
	char *end;
	if (strspn(name, "0123456789") != DIGITS)
		return 0;
	unsigned long n = strtoul(name, &end, 10);
	*withdrawn = strncmp(end, WITHDRAWN, strlen(WITHDRAWN)) == 0;
	return strcmp(end + (*withdrawn ? strlen(WITHDRAWN) : 0), SUFFIX) == 0 ? n : 0;
}

size_t
model_history_list(const char *path, struct arena *a, const char *const **names)
{
	struct str directory = arena_printf(a, "%s.history", path);
	DIR *d = opendir(directory.p);
	struct buf list = { 0 };
	bool withdrawn;
	for (struct dirent *entry; d && (entry = readdir(d));) {
		const char *name = arena_cstr(a, str_of(entry->d_name));
		if (entry_number(name, &withdrawn) > 0)
			buf_add(&list, &name, sizeof(name));
	}
	if (d)
		closedir(d);
	size_t n = list.n / sizeof(char *);
	const char **out = ARENA_ARRAY(a, const char *, n);
	if (n > 0)
		memcpy(out, list.p, list.n);
	buf_free(&list);
	qsort(out, n, sizeof(*out), name_compare);
	*names = out;
	return n;
}

static unsigned long
last_number(const char *path, struct arena *a)
{
	const char *const *names;
	bool withdrawn;
	size_t n = model_history_list(path, a, &names);
	return n ? entry_number(names[n - 1], &withdrawn) : 0;
}

/* Links path into its history under the next number. */
static int
history_link(const char *path, const char *mark, struct arena *a, struct err *e)
{
	struct str directory = arena_printf(a, "%s.history", path);
	if (mkdir(directory.p, 0777) != 0 && errno != EEXIST)
		return io_error(directory.p, e);
	for (unsigned long n = last_number(path, a) + 1;; n++) {
		struct str name = arena_printf(a, "%s/%0*lu%s" SUFFIX, directory.p, DIGITS, n, mark);
		if (link(path, name.p) == 0)
			return fd_sync_directory(directory.p) ? 0 : io_error(directory.p, e);
		if (errno != EEXIST)
			return io_error(name.p, e);
	}
}

int
model_history_keep(const char *path, struct err *e)
{
	struct arena *a = arena_new(4096);
	int rc = access(path, F_OK) == 0 ? history_link(path, "", a, e) : 0;
	arena_free(&a);
	return rc;
}

/* Both names stand for one file: a promotion was cut off between keeping the old one and its replacement. */
static bool
same_file(const char *x, const char *y)
{
	struct stat a, b;
	return stat(x, &a) == 0 && stat(y, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

int
model_history_back(const char *path, struct arena *a, const char **name, struct err *e)
{
	const char *const *names;
	size_t n = model_history_list(path, a, &names);
	bool withdrawn = false;
	for (size_t i = n; i > 0; i--) {
		struct str old = arena_printf(a, "%s.history/%s", path, names[i - 1]);
		struct err why = { 0 };
		entry_number(names[i - 1], &withdrawn);
		if (withdrawn || same_file(path, old.p))
			continue;
		struct model *m = model_load(old.p, &why);
		if (!m) {
			admin_say("passed over: %s", why.text);
			continue;
		}
		model_free(&m);
		if (access(path, F_OK) == 0 && history_link(path, WITHDRAWN, a, e) != 0)
			return -1;
		if (rename(old.p, path) != 0)
			return io_error(path, e);
		if (name)
			*name = names[i - 1];
		return fd_sync_parent(path) ? 0 : io_error(path, e);
	}
	return err_set(e, ERR_MISSING, "%s: no model before this one is kept in %s.history", path, path);
}
