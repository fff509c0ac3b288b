/* verify: the file is read from its first line to its last. */
#include "audit/private.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct verifying {
	struct audit_report *r;
	const struct audit_head *expect;
	audit_each *each;
	void *ctx;
	uint64_t line;
	bool stop;
};

static bool
same(const struct audit_head *a, const struct audit_head *b)
{
	return a->seq == b->seq && memcmp(a->hash, b->hash, AUDIT_HASH_HEX) == 0;
}

/* A crash leaves the beginning of a record. Whoever makes a whole one look like that leaves a gap: the record
 * behind it has the next number, if nobody was there. */
static bool
is_unfinished(struct str s)
{
	static const struct str begin = STR("{\"seq\":");
	size_t n = s.n < begin.n ? s.n : begin.n;
	return memcmp(s.p, begin.p, n) == 0 && !str_ends(s, STR("\"}"));
}

static void
line_see(struct verifying *v, struct str s)
{
	v->line++;
	if (s.n > 0 && is_unfinished(s)) {
		v->r->unfinished++;
		return;
	}
	const char *what = audit_line_check(s, &v->r->head);
	if (what) {
		v->r->bad_line = v->line;
		v->r->what = what;
		v->stop = true;
		return;
	}
	if (v->expect && same(&v->r->head, v->expect))
		v->r->expected_found = true;
	v->stop = v->each && !v->each(v->ctx, s);
}

/* Of a line that is too long only the beginning is kept. */
static bool
line_read(FILE *f, struct buf *b)
{
	int c;
	buf_reset(b);
	while ((c = getc_unlocked(f)) != EOF && c != '\n')
		if (b->n <= AUDIT_MAX_LINE)
			buf_addc(b, (char)c);
	return c != EOF || b->n > 0;
}

int
audit_verify(const char *directory, const struct audit_head *expect, audit_each *each, void *ctx,
	     struct audit_report *r, struct err *e)
{
	char path[PATH_MAX];
	struct buf b = { 0 };
	struct verifying v = { .r = r, .expect = expect, .each = each, .ctx = ctx };
	*r = (struct audit_report){ 0 };
	audit_head_begin(&r->head);
	if (snprintf(path, sizeof path, "%s/" AUDIT_FILE, directory) >= (int)sizeof path)
		return err_set(e, ERR_CONFIG, "state %s: too long a name", directory);
	FILE *f = fopen(path, "re");
	if (!f)
		return err_set(
		    e,
		    errno == ENOENT   ? ERR_MISSING
		    : errno == EACCES ? ERR_PERM
				      : ERR_IO,
		    "%s: %s%s", path, strerror(errno),
		    errno == ENOENT ? "; nothing was done yet that is written there, or it was removed" : "");
	while (!v.stop && line_read(f, &b))
		line_see(&v, buf_str(&b));
	int rc = ferror(f) ? err_set(e, ERR_IO, "%s: cannot be read: %s", path, strerror(errno)) : 0;
	fclose(f);
	buf_free(&b);
	return rc;
}
