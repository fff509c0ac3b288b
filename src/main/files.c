/* files: see files.h. */
#include "main/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

int
file_read(const char *path, size_t max, struct buf *out, struct err *e)
{
	bool in = strcmp(path, "-") == 0;
	int fd = in ? 0 : open(path, O_RDONLY | O_CLOEXEC), rc = 0;
	if (fd < 0)
		return err_set(e,
			       errno == ENOENT	 ? ERR_MISSING
			       : errno == EACCES ? ERR_PERM
						 : ERR_IO,
			       "%s: %s", path, strerror(errno));
	buf_reset(out);
	buf_add(out, "", 0); /* p is never NULL, even for an empty file */
	for (;;) {
		char block[65536];
		ssize_t n = read(fd, block, sizeof(block));
		if (n == 0)
			break;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			rc = err_set(e, ERR_IO, "%s: %s", path, strerror(errno));
			break;
		}
		if ((size_t)n > max - out->n) {
			rc = err_set(e, ERR_LIMIT, "%s: larger than %zu bytes", path, max);
			break;
		}
		buf_add(out, block, (size_t)n);
	}
	if (!in)
		close(fd);
	return rc;
}

/* A name of its own beside path. -1 with *e. */
static int
temporary_open(const char *path, char *temp, size_t size, struct err *e)
{
	if (snprintf(temp, size, "%s.%d.tmp", path, (int)getpid()) >= (int)size)
		return err_set(e, ERR_LIMIT, "%s: the name is too long", path);
	int fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	return fd >= 0 ? fd
		       : err_set(e, errno == EACCES ? ERR_PERM : ERR_IO, "%s: %s", temp, strerror(errno));
}

int
file_write(const char *path, struct str bytes, struct err *e)
{
	char temp[4096] = "";
	struct stat st;
	/* A device or pipe is written to: a rename would put a file in its place. */
	bool inside = stat(path, &st) == 0 && !S_ISREG(st.st_mode);
	int fd = inside ? open(path, O_WRONLY | O_CLOEXEC) : temporary_open(path, temp, sizeof(temp), e);
	if (fd < 0)
		return inside ? err_set(e, ERR_IO, "%s: %s", path, strerror(errno)) : -1;
	bool ok = fd_write(fd, bytes);
	ok = close(fd) == 0 && ok;
	if (ok && (inside || rename(temp, path) == 0))
		return 0;
	err_set(e, ERR_IO, "%s: %s", path, strerror(errno));
	if (!inside)
		unlink(temp);
	return -1;
}
