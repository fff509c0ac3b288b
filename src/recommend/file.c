/* file: whole files, mapped, and replaced by new ones (see model.h). */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "recommend/model.h"

int
mapped_open(const char *path, struct mapped *out, struct err *e)
{
	struct stat st;
	/* O_NONBLOCK: whoever names a pipe is told so, and does not wait for a writer. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), rc = 0;
	*out = (struct mapped){ 0 };
	if (fd < 0)
		return err_set(e,
			       errno == ENOENT	 ? ERR_MISSING
			       : errno == EACCES ? ERR_PERM
						 : ERR_IO,
			       "%s: %s", path, strerror(errno));
	if (fstat(fd, &st) != 0)
		rc = err_set(e, ERR_IO, "%s: %s", path, strerror(errno));
	else if (!S_ISREG(st.st_mode))
		rc = err_set(e, ERR_INPUT, "%s: no regular file", path);
	else if (st.st_size <= 0 || (uint64_t)st.st_size > SAFETENSORS_MAX_FILE)
		rc = err_set(e, ERR_INPUT, "%s: %s", path,
			     st.st_size <= 0 ? "it is empty" : "it is larger than 256 MiB");
	if (rc == 0) {
		out->n = (size_t)st.st_size;
		out->p = mmap(NULL, out->n, PROT_READ, MAP_SHARED, fd, 0);
		if (out->p == MAP_FAILED) {
			rc = err_set(e, ERR_IO, "%s: cannot be mapped: %s", path, strerror(errno));
			*out = (struct mapped){ 0 };
		}
	}
	close(fd);
	return rc;
}

void
mapped_close(struct mapped *m)
{
	if (m->p)
		munmap(m->p, m->n);
	*m = (struct mapped){ 0 };
}

int
recommend_replace(const char *path, struct str bytes, struct err *e)
{
	char beside[PATH_MAX];
	if (snprintf(beside, sizeof(beside), "%s.XXXXXX", path) >= (int)sizeof(beside))
		return err_set(e, ERR_INPUT, "%.100s…: the name is too long", path);
	int fd = mkostemp(beside, O_CLOEXEC);
	if (fd < 0)
		return err_set(e, errno == EACCES ? ERR_PERM : ERR_IO, "%s: cannot write beside it: %s", path,
			       strerror(errno));
	bool ok = fd_write(fd, bytes) && fchmod(fd, 0644) == 0 && fsync(fd) == 0;
	int why = errno;
	if (close(fd) != 0 && ok) {
		ok = false;
		why = errno;
	}
	if (ok && rename(beside, path) != 0) {
		ok = false;
		why = errno;
	}
	if (!ok) {
		unlink(beside);
		return err_set(e, why == ENOSPC ? ERR_FULL : ERR_IO, "%s: %s", path, strerror(why));
	}
	return fd_sync_parent(path) ? 0 : err_set(e, ERR_IO, "%s: %s", path, strerror(errno));
}
