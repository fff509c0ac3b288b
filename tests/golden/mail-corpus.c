/*
 * mail-corpus FILE|DIR…: parses every file as a message and checks that the
 * parts' ranges lie in bounds and in each other, and that a text part written
 * again without an edit is the same bytes. One line per failure; exit 1 on any.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/buf.h"
#include "mail/mail.h"

static struct {
	size_t files, parts, identical, unsupported, misfit, refused, failures;
	bool verbose;
} sum;

static void
fail(const char *file, const char *path, const char *what)
{
	printf("FAIL %s part %s: %s\n", file, path, what);
	sum.failures++;
}

static bool
read_file(const char *path, struct buf *b)
{
	FILE *f = fopen(path, "rb");
	char tmp[65536];
	size_t n;

	if (!f)
		return false;
	buf_reset(b);
	while ((n = fread(tmp, 1, sizeof(tmp), f)) > 0)
		buf_add(b, tmp, n);
	fclose(f);
	return true;
}

static struct mail_chunk
cut(const struct mail_text *t, size_t start, size_t end)
{
	struct mail_chunk c;

	mail_chunk_cut(t, start, end, &c);
	return c;
}

/* Writes the text as three stretches in a row; no edit, so the same bytes must come out. */
static void
check_text(struct arena *a, struct mail_writer *w, const char *file, const struct mail_part *p,
	   struct str body)
{
	static struct buf out;
	struct mail_text t;
	struct mail_chunk c;
	struct err e;
	size_t cuts[4] = { 0 };
	enum mail_status st = MAIL_OK;

	if (mail_text_decode(a, p, body, &t, &e) < 0) {
		sum.unsupported++;
		if (sum.verbose)
			printf("left %s part %s: %s\n", file, p->path, e.text);
		return;
	}
	for (int i = 1; i < 3; i++)
		cuts[i] = t.utf8.n * (size_t)i / 3;
	cuts[3] = t.utf8.n;
	for (int i = 1; i < 3; i++) /* to a character boundary */
		while (cuts[i] > cuts[i - 1] && ((unsigned char)t.utf8.p[cuts[i]] & 0xc0) == 0x80)
			cuts[i]--;
	for (size_t i = 0; i < t.utf8.n; i++)
		if (t.raw_at[i] > t.raw_at[i + 1]) {
			fail(file, p->path, "the map runs backwards");
			return;
		}
	for (int way = 0; way < 2; way++) {
		buf_reset(&out);
		mail_writer_begin(w, &out, &t);
		if (way == 0) {
			c = cut(&t, 0, t.utf8.n);
			st = mail_writer_chunk(w, &c);
		}
		for (int i = 0; way == 1 && i < 3 && st == MAIL_OK; i++) {
			c = cut(&t, cuts[i], cuts[i + 1]);
			st = mail_writer_chunk(w, &c);
		}
		if (st == MAIL_OK)
			st = mail_writer_end(w);
		if (st != MAIL_OK) {
			sum.misfit++;
			if (sum.verbose)
				printf("left %s part %s: does not fit as it stands (long line or state)\n",
				       file, p->path);
			return;
		}
		if (!str_eq(buf_str(&out), body)) {
			fail(file, p->path,
			     way == 0 ? "not the same bytes" : "not the same bytes in three stretches");
			return;
		}
	}
	sum.identical++;
}

static void
check_part(struct arena *a, struct mail_writer *w, const char *file, const struct mail *m,
	   const struct mail_part *p, size_t from, size_t to)
{
	size_t at = p->body_start;

	sum.parts++;
	if (p->head_start < from || p->head_end < p->head_start || p->body_start < p->head_end ||
	    p->body_end < p->body_start || p->body_end > to) {
		fail(file, p->path, "ranges out of bounds");
		return;
	}
	for (size_t i = p->head_end; i < p->body_start; i++)
		if (m->bytes.p[i] != '\r' && m->bytes.p[i] != '\n')
			fail(file, p->path, "no empty line between header and body");
	for (const struct mail_part *c = p->child; c; c = c->next) {
		if (c->head_start < at)
			fail(file, c->path, "overlaps what stands before it");
		check_part(a, w, file, m, c, p->body_start, p->body_end);
		at = c->body_end;
	}
	if (p->role == MAIL_ROLE_TEXT || p->role == MAIL_ROLE_HTML || p->role == MAIL_ROLE_AMP)
		check_text(a, w, file, p, str_sub(m->bytes, p->body_start, p->body_end));
}

static void
check_file(struct arena *a, struct mail_writer *w, const char *file)
{
	static struct buf message;
	struct mail m;
	struct err e;

	if (!read_file(file, &message)) {
		fail(file, "-", "cannot be read");
		return;
	}
	sum.files++;
	if (mail_parse(a, buf_str(&message), NULL, &m, &e) < 0) {
		sum.refused++;
		if (sum.verbose)
			printf("refused %s: %s\n", file, e.text);
	} else {
		if (sum.verbose && m.root->role == MAIL_ROLE_DATA && m.root->cte == MAIL_CTE_OTHER)
			printf("opaque %s: its structure cannot be followed\n", file);
		check_part(a, w, file, &m, m.root, 0, message.n);
	}
	arena_reset(a);
}

static void
check_path(struct arena *a, struct mail_writer *w, const char *path, int depth)
{
	struct dirent **names;
	struct stat st;
	int n;

	if (stat(path, &st) < 0) {
		fail(path, "-", "is not there");
		return;
	}
	if (!S_ISDIR(st.st_mode)) {
		check_file(a, w, path);
		return;
	}
	n = depth < 20 ? scandir(path, &names, NULL, alphasort) : 0;
	for (int i = 0; i < n; i++) {
		char sub[4096];

		if (names[i]->d_name[0] != '.' &&
		    snprintf(sub, sizeof(sub), "%s/%s", path, names[i]->d_name) < (int)sizeof(sub))
			check_path(a, w, sub, depth + 1);
		free(names[i]);
	}
	if (n > 0)
		free(names);
}

int
main(int argc, char **argv)
{
	struct arena *a = arena_new(1 << 20);
	struct mail_writer *w;
	int i = 1;

	mail_init();
	w = mail_writer_new();
	if (argc > 1 && strcmp(argv[1], "-v") == 0) {
		sum.verbose = true;
		i++;
	}
	if (i >= argc) {
		fprintf(stderr, "usage: mail-corpus [-v] FILE|DIR...\n");
		return 64;
	}
	for (; i < argc; i++)
		check_path(a, w, argv[i], 0);
	printf(
	    "%zu files, %zu parts, %zu identical, %zu left alone (unsupported), %zu left alone (long lines), "
	    "%zu refused (limits), %zu failures\n",
	    sum.files, sum.parts, sum.identical, sum.unsupported, sum.misfit, sum.refused, sum.failures);
	mail_writer_free(&w);
	arena_free(&a);
	return sum.failures > 0;
}
