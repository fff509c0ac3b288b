/*
 * append: records come in. The last record is looked for from the end of the file, under a lock that holds
 * other processes back until what follows it is on disk.
 */
#include "audit/private.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* So far from the end the last record begins, even behind a line that was left unfinished. */
#define LOOK_BACK (4 * AUDIT_MAX_LINE)

static int
failed(const char *directory, const char *what, struct err *e)
{
	int code = errno;
	bool full = code == ENOSPC || code == EDQUOT;
	return err_set(e,
		       full				 ? ERR_FULL
		       : code == EACCES || code == EPERM ? ERR_PERM
							 : ERR_IO,
		       "%s/" AUDIT_FILE ": %s: %s", directory, what, strerror(code));
}

static int
open_locked(const char *directory, struct err *e)
{
	char path[PATH_MAX];
	if (snprintf(path, sizeof path, "%s/" AUDIT_FILE, directory) >= (int)sizeof path)
		return err_set(e, ERR_CONFIG, "state %s: too long a name", directory);
	int fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return failed(directory, "cannot be opened", e);
	while (flock(fd, LOCK_EX) != 0)
		if (errno != EINTR) {
			failed(directory, "cannot be locked", e);
			close(fd);
			return -1;
		}
	return fd;
}

/* The last record in the end of the file; *ended: a newline stands last. False: there is none. */
static bool
last_record(struct str end, bool whole, struct audit_head *h, bool *ended)
{
	bool found = false;
	*ended = end.n == 0 || end.p[end.n - 1] == '\n';
	if (!whole) /* it begins within a line */
		end = str_sub(end, str_find_char(end, '\n') + 1, end.n);
	while (end.n > 0) {
		size_t n = str_find_char(end, '\n');
		struct audit_line l;
		if (audit_line_read(str_sub(end, 0, n), &l) && audit_line_sound(&l)) {
			audit_head_move(h, &l);
			found = true;
		}
		end = str_sub(end, n + 1, end.n);
	}
	return found;
}

static int
head_read(int fd, const char *directory, off_t size, struct audit_head *h, bool *ended, struct err *e)
{
	char bytes[LOOK_BACK];
	size_t want = size < LOOK_BACK ? (size_t)size : LOOK_BACK, got = 0;
	audit_head_begin(h);
	while (got < want) {
		ssize_t n = pread(fd, bytes + got, want - got, size - (off_t)(want - got));
		if (n <= 0 && errno != EINTR)
			return failed(directory, "cannot be read", e);
		got += n > 0 ? (size_t)n : 0;
	}
	bool whole = (off_t)want == size;
	if (!last_record(str_make(bytes, want), whole, h, ended) &&
	    !(whole && str_find_char(str_make(bytes, want), '\n') == want)) /* the first was never finished */
		return err_set(e, ERR_CORRUPT,
			       "%s/" AUDIT_FILE ": its end is no record; see what `mailtailor audit verify` "
			       "says, and move the file away to begin another",
			       directory);
	return 0;
}

/* All of it or nothing. */
static int
write_all(int fd, const char *directory, struct str bytes, off_t size, struct err *e)
{
	size_t done = 0;
	while (done < bytes.n) {
		ssize_t n = write(fd, bytes.p + done, bytes.n - done);
		if (n < 0 && errno != EINTR)
			break;
		done += n > 0 ? (size_t)n : 0;
	}
	if (done == bytes.n && fdatasync(fd) == 0)
		return 0;
	failed(directory, "cannot be written", e);
	/* What stands there half would be read as damage. When this fails, too, it is passed over as
	 * unfinished. */
	if (ftruncate(fd, size) == 0)
		fdatasync(fd);
	return -1;
}

int
audit_append(const char *directory, const struct audit_entry *v, size_t n, struct audit_head *head,
	     struct err *e)
{
	struct audit_head h;
	struct stat st;
	struct buf b = { 0 };
	bool ended = true;
	if (n == 0 || n > AUDIT_MAX_BATCH)
		return err_set(e, ERR_BUG, "audit: %zu records at once", n);
	int fd = open_locked(directory, e);
	if (fd < 0)
		return -1;
	int rc = fstat(fd, &st) == 0 ? head_read(fd, directory, st.st_size, &h, &ended, e)
				     : failed(directory, "cannot be read", e);
	if (rc == 0) {
		if (!ended)
			buf_addc(&b, '\n');
		for (size_t i = 0; i < n; i++)
			audit_line_add(&b, &v[i], &h);
		rc = write_all(fd, directory, buf_str(&b), st.st_size, e);
	}
	if (rc == 0 && head)
		*head = h;
	close(fd); /* the lock goes with it */
	buf_free(&b);
	return rc;
}
