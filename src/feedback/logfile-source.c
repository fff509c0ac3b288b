/* logfile-source: the bytes of one log file, plain or compressed by gzip. */
#include "feedback/logfile-private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

/* What a compressed log may become: a bound for what lies there by mistake, or ill will. */
#define GZ_MAX (UINT64_C(1) << 38)

/* FNV-1a: tells files apart; nobody gains anything by making two alike. */
uint64_t
print_of(const char *p, size_t n)
{
	uint64_t h = 14695981039346656037u;
	for (size_t i = 0; i < n; i++)
		h = (h ^ (unsigned char)p[i]) * 1099511628211u;
	return h;
}

int
source_open(struct source *s, const char *path, bool newest)
{
	*s = (struct source){ .fd = -1 };
	/* not blocking: somebody may have put a pipe there */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | (newest ? 0 : O_NOFOLLOW));
	if (fd < 0)
		return errno;
	if (fstat(fd, &s->st) != 0 || !S_ISREG(s->st.st_mode)) {
		close(fd);
		return EINVAL;
	}
	s->fd = fd;
	if (!newest && str_ends(str_of(path), STR(".gz")) && !(s->gz = gzdopen(fd, "rb"))) {
		source_close(s);
		return ENOMEM;
	}
	return 0;
}

void
source_close(struct source *s)
{
	if (s->gz)
		gzclose_r((gzFile)s->gz); /* and the descriptor */
	else if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	s->gz = NULL;
}

static long
gz_read(struct source *s, char *p, size_t n)
{
	int got = s->at < GZ_MAX ? gzread((gzFile)s->gz, p, (unsigned)n) : 0;
	if (got < 0 || s->at >= GZ_MAX)
		s->damaged = true;
	return got > 0 ? got : 0;
}

long
source_read(struct source *s, char *p, size_t n)
{
	long got;
	if (s->gz) {
		got = gz_read(s, p, n);
	} else {
		do
			got = pread(s->fd, p, n, (off_t)s->at);
		while (got < 0 && errno == EINTR);
	}
	if (got > 0 && s->at == s->nhead && s->nhead < LOGFILE_PRINT) {
		size_t more = LOGFILE_PRINT - s->nhead;
		more = more < (size_t)got ? more : (size_t)got;
		memcpy(s->head + s->nhead, p, more);
		s->nhead += more;
	}
	if (got > 0)
		s->at += (uint64_t)got;
	return got;
}

bool
source_holds(const struct source *s, uint64_t at, const char *tail, size_t ntail)
{
	char there[LOGFILE_PRINT];
	return pread(s->fd, there, ntail, (off_t)(at - ntail)) == (ssize_t)ntail &&
	       memcmp(there, tail, ntail) == 0;
}

/* Reads on to offset; tail: the last ntail bytes before it. */
static bool
gz_skip(struct source *s, uint64_t offset, char *tail, size_t ntail)
{
	char chunk[65536];
	size_t kept = 0;
	while (s->at < offset) {
		uint64_t want = offset - s->at;
		long got = source_read(s, chunk, want < sizeof chunk ? (size_t)want : sizeof chunk);
		if (got <= 0)
			return false;
		/* at most ntail bytes: of what was kept, and of this */
		size_t n = (size_t)got < ntail ? (size_t)got : ntail;
		size_t old = kept + n > ntail ? ntail - n : kept;
		memmove(tail, tail + (kept - old), old);
		memcpy(tail + old, chunk + (got - (long)n), n);
		kept = old + n;
	}
	return kept == ntail;
}

static bool
plain_skip(struct source *s, uint64_t offset, char *tail, size_t ntail)
{
	if ((uint64_t)s->st.st_size < offset)
		return false;
	long got = source_read(s, tail, ntail); /* head, since it begins at 0 */
	if (got != (long)ntail)
		return false;
	s->at = offset;
	return pread(s->fd, tail, ntail, (off_t)(offset - ntail)) == (ssize_t)ntail;
}

int
source_open_at(struct source *s, const char *path, bool newest, const struct logfile_place *place,
	       char tail[LOGFILE_PRINT])
{
	size_t n = print_size(place->offset);
	int rc = source_open(s, path, newest);
	if (rc != 0) {
		errno = rc;
		return rc == ENOENT ? 0 : -1;
	}
	bool is = s->gz ? gz_skip(s, place->offset, tail, n) : plain_skip(s, place->offset, tail, n);
	if (is && print_of(s->head, n) == place->head && print_of(tail, n) == place->tail)
		return 1;
	source_close(s);
	return 0;
}
