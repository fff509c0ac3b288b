/*
 * file: whole files, mapped (see model.h).
 *
 * What is mapped is a sealed copy in memory (memfd), not the file itself: pages of a file that somebody cuts
 * short in place, as `cp` and editors do, are gone, and the next look at one ends the daemon by SIGBUS; and
 * bytes that change after they were checked are believed. A private map of the file would not help: pages
 * that were not written to follow the file. The copy costs the file's size in memory, which a model in use
 * takes as page cache anyway, and is made once at each reload; that it is whole is what its checksum says.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "recommend/model.h"

#ifndef MFD_NOEXEC_SEAL /* Linux 6.3, glibc 2.39 */
#define MFD_NOEXEC_SEAL 0x0008U
#endif

/* A descriptor of n bytes of fd that nobody can change any more; -1 with *e. */
static int
copy_sealed(const char *path, int fd, size_t n, struct err *e)
{
	/* Kernels that are told to want it refuse a memory file that could be run; older ones do not know the
	 * flag. */
	const unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
	int copy = memfd_create("mailtailor-recommend", flags | MFD_NOEXEC_SEAL);
	if (copy < 0 && errno == EINVAL)
		copy = memfd_create("mailtailor-recommend", flags);
	if (copy < 0)
		return err_set(e, ERR_IO, "%s: no memory file for it: %s", path, strerror(errno));
	for (size_t done = 0; done < n;) {
		ssize_t got = sendfile(copy, fd, NULL, n - done);
		if (got > 0) {
			done += (size_t)got;
			continue;
		}
		if (got < 0 && errno == EINTR)
			continue;
		if (got == 0)
			err_set(e, ERR_INPUT, "%s: it became shorter while it was read; try again", path);
		else
			err_set(e, ERR_IO, "%s: it cannot be read into memory: %s", path, strerror(errno));
		goto bad;
	}
	if (fcntl(copy, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) == 0)
		return copy;
	err_set(e, ERR_IO, "%s: its copy in memory cannot be sealed: %s", path, strerror(errno));
bad:
	close(copy);
	return -1;
}

/* MAP_PRIVATE: until Linux 6.7 what is sealed against writes cannot be mapped as shared, not even for
 * reading. */
static int
map_copy(const char *path, int fd, struct mapped *out, struct err *e)
{
	int copy = copy_sealed(path, fd, out->n, e);
	if (copy < 0)
		return -1;
	out->p = mmap(NULL, out->n, PROT_READ, MAP_PRIVATE, copy, 0);
	int why = errno;
	close(copy);
	return out->p != MAP_FAILED ? 0 : err_set(e, ERR_IO, "%s: cannot be mapped: %s", path, strerror(why));
}

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
		rc = map_copy(path, fd, out, e);
	}
	if (rc != 0)
		*out = (struct mapped){ 0 };
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
