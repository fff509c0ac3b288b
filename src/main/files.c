/* files: see files.h. */
#include "main/files.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

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
