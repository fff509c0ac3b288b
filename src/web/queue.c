/* queue: see queue.h. */
#include "web/queue.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

#define MAX_LINE ((size_t)64 << 10)
#define BATCH_BYTES ((size_t)8 << 20)

struct queue {
	char *path;
	int fd;
	off_t size;
	off_t done[2]; /* of enum queue_kind: up to there they were taken */
	struct buf lines;
};

static int
io_error(const struct queue *q, const char *what, struct err *e)
{
	return err_set(e, ERR_IO, "%s: cannot %s: %s", q->path, what, strerror(errno));
}

/* What a crash left half written was never answered: the next line must not grow on to it. */
static int
trim_tail(struct queue *q, struct err *e)
{
	char c = '\n';
	off_t end = q->size;
	while (end > 0 && (pread(q->fd, &c, 1, end - 1) != 1 || c != '\n'))
		end--;
	if (end != q->size && ftruncate(q->fd, end) != 0)
		return io_error(q, "cut off a half line", e);
	q->size = end;
	return 0;
}

struct queue *
queue_open(const char *path, struct err *e)
{
	struct queue *q = calloc(1, sizeof(*q));
	struct stat st;
	if (q == NULL || (q->path = strdup(path)) == NULL)
		abort();
	q->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (q->fd < 0 || fstat(q->fd, &st) != 0)
		io_error(q, "open it", e);
	else if (!S_ISREG(st.st_mode))
		err_set(e, ERR_CONFIG, "%s: this is no regular file; name another one as queue in track",
			path);
	else if (flock(q->fd, LOCK_EX | LOCK_NB) != 0)
		err_set(e, ERR_TEMP,
			"%s: another mailtailor-trackd uses it; name another file as queue in track", path);
	else {
		q->size = st.st_size;
		if (trim_tail(q, e) == 0)
			return q;
	}
	queue_close(&q);
	return NULL;
}

void
queue_close(struct queue **qp)
{
	struct queue *q = *qp;
	if (q == NULL)
		return;
	*qp = NULL;
	if (q->fd >= 0)
		close(q->fd);
	buf_free(&q->lines);
	free(q->path);
	free(q);
}

bool
queue_empty(const struct queue *q)
{
	return q->size == 0;
}

int
queue_write(struct queue *q, const struct queue_entry *v, size_t n, struct err *e)
{
	bool has[2] = { false, false };
	size_t done = 0;
	buf_reset(&q->lines);
	for (size_t i = 0; i < n; i++) {
		has[v[i].has_event ? QUEUE_EVENTS : QUEUE_CHANGES] = true;
		queue_entry_print(&v[i], &q->lines);
		buf_addc(&q->lines, '\n');
	}
	while (done < q->lines.n) {
		ssize_t wrote = pwrite(q->fd, q->lines.p + done, q->lines.n - done, q->size + (off_t)done);
		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote <= 0)
			break;
		done += (size_t)wrote;
	}
	if (done < q->lines.n || fdatasync(q->fd) != 0) {
		io_error(q, "write", e);
		if (ftruncate(q->fd, q->size) != 0)
			log_error("%s: cannot be cut back either", q->path);
		return -1;
	}
	for (int k = QUEUE_CHANGES; k <= QUEUE_EVENTS; k++)
		if (!has[k] && q->done[k] == q->size)
			q->done[k] += (off_t)done;
	q->size += (off_t)done;
	return 0;
}

/* ---- back into the database ---- */

struct batch {
	struct arena *arena;
	struct queue_entry *v;
	size_t n, max;
	enum queue_kind kind;
	off_t at; /* behind the last line that was read */
	off_t *done;
	uint64_t bad;
	queue_fn *fn;
	void *ctx;
};

static int
batch_flush(struct batch *b, struct err *e)
{
	int rc = b->n > 0 ? b->fn(b->ctx, b->v, b->n, e) : 0;
	b->n = 0;
	arena_reset(b->arena);
	if (rc == 0)
		*b->done = b->at;
	return rc;
}

static int
batch_line(struct batch *b, struct str line, struct err *e)
{
	struct queue_entry *q = &b->v[b->n];
	struct err bad = { 0 };
	if (queue_entry_parse(arena_str(b->arena, line), b->arena, q, &bad) != 0) {
		b->bad++;
		return 0;
	}
	b->n += q->has_event == (b->kind == QUEUE_EVENTS);
	return b->n == b->max || arena_size(b->arena) > BATCH_BYTES ? batch_flush(b, e) : 0;
}

/* A handle of its own: reading moves an offset. */
static FILE *
reader(struct queue *q, off_t from, struct err *e)
{
	int fd = open(q->path, O_RDONLY | O_CLOEXEC);
	FILE *f = fd >= 0 ? fdopen(fd, "r") : NULL;
	if (f == NULL && fd >= 0)
		close(fd);
	if (f != NULL && fseeko(f, from, SEEK_SET) == 0)
		return f;
	io_error(q, "read it", e);
	if (f != NULL)
		fclose(f);
	return NULL;
}

int
queue_drain(struct queue *q, enum queue_kind kind, size_t max, queue_fn *fn, void *ctx, struct err *e)
{
	struct batch b = { .max = max, .kind = kind, .fn = fn, .ctx = ctx };
	char *line = NULL;
	size_t cap = 0;
	ssize_t n = 0;
	if (q->done[kind] == q->size)
		return 0;
	FILE *f = reader(q, q->done[kind], e);
	int rc = f != NULL ? 0 : -1;
	b.arena = arena_new(65536);
	b.done = &q->done[kind];
	b.at = *b.done;
	b.v = calloc(max, sizeof(*b.v));
	if (b.v == NULL)
		abort();
	while (rc == 0 && (n = getline(&line, &cap, f)) > 0) {
		b.at += n;
		if ((size_t)n > MAX_LINE || line[n - 1] != '\n')
			b.bad++;
		else
			rc = batch_line(&b, str_make(line, (size_t)n - 1), e);
	}
	if (rc == 0 && ferror(f))
		rc = io_error(q, "read it", e);
	if (rc == 0)
		rc = batch_flush(&b, e);
	if (b.bad > 0 && kind == QUEUE_CHANGES) /* they come first, so it is said once */
		log_error("%s: %llu lines make no sense and are left out", q->path,
			  (unsigned long long)b.bad);
	if (f != NULL)
		fclose(f);
	free(line);
	free(b.v);
	arena_free(&b.arena);
	return rc;
}

int
queue_clear(struct queue *q, struct err *e)
{
	if (q->size == 0 || q->done[QUEUE_CHANGES] < q->size || q->done[QUEUE_EVENTS] < q->size)
		return 0;
	if (ftruncate(q->fd, 0) != 0 || fdatasync(q->fd) != 0)
		return io_error(q, "empty it", e);
	q->size = q->done[QUEUE_CHANGES] = q->done[QUEUE_EVENTS] = 0;
	return 0;
}
