/* admin-trial: see admin-trial.h. */
#include "main/admin-trial.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct table {
	int fd;
	struct progress *progress;
};

static ssize_t
table_read(void *ctx, char *p, size_t n)
{
	return read(((struct table *)ctx)->fd, p, n);
}

static void
table_progress(void *ctx, uint64_t bytes)
{
	progress_update(((struct table *)ctx)->progress, bytes);
}

int
trial_table(const char *path, const struct trial_spec *spec, struct trial **out)
{
	bool in = strcmp(path, "-") == 0;
	struct table t = { .fd = in ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC) };
	const struct csv_source source = { table_read, &t, table_progress };
	struct err e = { 0 };
	struct stat st = { 0 };
	if (t.fd < 0 || fstat(t.fd, &st) != 0) {
		admin_say("%s: %s", path, strerror(errno));
		return errno == ENOENT ? EX_NOINPUT : errno == EACCES ? EX_NOPERM : EX_IOERR;
	}
	t.progress = progress_start("reading", S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0);
	*out = trial_read(&source, spec, &e);
	progress_end(&t.progress);
	if (!in)
		close(t.fd);
	if (*out)
		return EX_OK;
	err_prefix(&e, "%s", path);
	return admin_fail(&e);
}
