/* file: see file.h. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

static int
io_error(const char *path, int why, const char *what, struct err *e)
{
	enum err_kind kind = why == ENOENT				      ? ERR_MISSING
			     : why == EACCES || why == EPERM || why == EROFS  ? ERR_PERM
			     : why == ENOSPC || why == EDQUOT || why == EFBIG ? ERR_FULL
									      : ERR_IO;
	return err_set(e, kind, "%s: %s%s", path, what, strerror(why));
}

/* A device or pipe: a rename would put a file in its place. */
static int
write_into(const char *path, struct str bytes, struct err *e)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return io_error(path, errno, "", e);
	int why = fd_write(fd, bytes) ? 0 : errno;
	if (close(fd) != 0 && why == 0)
		why = errno;
	return why == 0 ? 0 : io_error(path, why, "", e);
}

static mode_t
fresh_mode(mode_t fresh)
{
	mode_t mask = umask(0);
	umask(mask);
	return fresh & ~mask;
}

/* Owner before mode: a change of owner may take bits away. */
static bool
rights_keep(int fd, const struct stat *old)
{
	mode_t mode = old->st_mode & 0777;
	if (geteuid() == 0 && fchown(fd, old->st_uid, old->st_gid) != 0)
		return false;
	if (geteuid() != 0 && fchown(fd, (uid_t)-1, old->st_gid) != 0)
		mode = (mode & 0707) | (mode & (mode << 3) & 0070);
	return fchmod(fd, mode) == 0;
}

int
file_replace(const char *path, struct str bytes, mode_t fresh, struct err *e)
{
	static const char BESIDE[] = "cannot be written beside it: ";
	char beside[PATH_MAX];
	struct stat old;
	bool there = stat(path, &old) == 0;
	if (there && !S_ISREG(old.st_mode))
		return write_into(path, bytes, e);
	if (snprintf(beside, sizeof(beside), "%s.XXXXXX", path) >= (int)sizeof(beside))
		return err_set(e, ERR_LIMIT, "%.100s…: the name is too long", path);
	int fd = mkostemp(beside, O_CLOEXEC);
	if (fd < 0)
		return io_error(path, errno, BESIDE, e);
	bool ok = fd_write(fd, bytes) &&
		  (there ? rights_keep(fd, &old) : fchmod(fd, fresh_mode(fresh)) == 0) && fsync(fd) == 0;
	int why = ok ? 0 : errno;
	if (close(fd) != 0 && why == 0)
		why = errno;
	if (why == 0 && rename(beside, path) != 0)
		why = errno;
	if (why != 0) {
		unlink(beside);
		return io_error(path, why, BESIDE, e);
	}
	return fd_sync_parent(path)
		   ? 0
		   : io_error(path, errno, "written, but its directory cannot be synced: ", e);
}
