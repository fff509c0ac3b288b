/*
 * What feedback_read makes of whole files, without sandbox and key ring.
 *
 *   feedback-corpus judge FIGURE DIR   DIR/messages against DIR/expected.json, where both reference parsers
 * agree; FIGURE: hard, class, recipient or type. Last line: the figure feedback-corpus none LIST DIR files
 * below DIR that are bounces or complaints and not in LIST feedback-corpus print FILE…        a line for each
 * finding
 */
#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "feedback/feedback.h"
#include "mail/mail.h"

static void
read_file(const char *path, struct buf *out)
{
	char chunk[65536];
	size_t n;
	FILE *f = fopen(path, "rb");
	if (!f) {
		perror(path);
		exit(74);
	}
	buf_reset(out);
	while ((n = fread(chunk, 1, sizeof chunk, f)) > 0)
		buf_add(out, chunk, n);
	fclose(f);
}

/* Strings of *f live in a, which the caller frees. */
static struct arena *
read_feedback(const char *path, struct feedback *f)
{
	struct buf file = { 0 };
	struct arena *a = arena_new(65536);
	read_file(path, &file);
	feedback_read(a, buf_str(&file), f);
	buf_free(&file);
	return a;
}

/* ---- judge ---- */

struct judge {
	const char *figure;
	size_t ok, all;
};

static struct str
text(const struct value *v, const char *key)
{
	const struct value *s = value_map_get(v, str_of(key));
	return s && s->type == VALUE_STRING ? s->s : STR_NULL;
}

static bool
flag(const struct value *v, const char *key)
{
	const struct value *s = value_map_get(v, str_of(key));
	return s && s->type == VALUE_BOOL && s->b;
}

/* 1 right, 0 wrong, -1: the two do not agree, or have nothing to say. */
static int
right(const struct judge *j, const struct feedback_item *it, const struct value *go, const struct value *p5)
{
	static const struct feedback_item missing = { .kind = FEEDBACK_NONE };
	struct str a = text(go, "status"), b = text(p5, "deliverystatus"), rcpt = text(p5, "recipient");
	struct str type = text(go, "feedbacktype");
	if (!it)
		it = &missing;
	if (strcmp(j->figure, "hard") == 0)
		return flag(go, "hardbounce") != flag(p5, "hardbounce")
			   ? -1
			   : it != &missing && it->hard == flag(go, "hardbounce");
	if (strcmp(j->figure, "class") == 0)
		return a.n == 0 || b.n == 0 || a.p[0] != b.p[0] ? -1 : it->status[0] == a.p[0];
	if (strcmp(j->figure, "recipient") == 0)
		return rcpt.n == 0 || str_starts(rcpt, STR("undisclosed-recipient"))
			   ? -1
			   : str_caseeq(it->recipient, rcpt);
	if (type.n == 0 || !str_eq(type, text(p5, "feedbacktype")))
		return -1;
	return it->kind == FEEDBACK_COMPLAINT && str_eq(str_of(it->type), type);
}

/* The finding about that recipient, else the i-th. */
static const struct feedback_item *
finding(const struct feedback *f, struct str rcpt, size_t i)
{
	for (size_t k = 0; k < f->n; k++)
		if (str_caseeq(f->items[k].recipient, rcpt))
			return &f->items[k];
	return i < f->n ? &f->items[i] : NULL;
}

static void
judge_file(struct judge *j, const char *dir, struct str name, const struct value *expected)
{
	const struct value *go = value_map_get(expected, STR("go_sisimai"));
	const struct value *p5 = value_map_get(expected, STR("p5_sisimai"));
	char path[4096];
	struct feedback f;
	if (!go || !p5 || go->type != VALUE_LIST || p5->type != VALUE_LIST || go->list.n != p5->list.n)
		return;
	snprintf(path, sizeof path, "%s/messages/%.*s", dir, STR_ARG(name));
	struct arena *a = read_feedback(path, &f);
	for (size_t i = 0; i < go->list.n; i++) {
		const struct value *e = p5->list.items[i];
		const struct feedback_item *it = finding(&f, text(e, "recipient"), i);
		int ok = right(j, it, go->list.items[i], e);
		if (ok < 0)
			continue;
		j->all++;
		j->ok += (size_t)ok;
		if (!ok)
			printf("%.*s: %s %s %.*s\n", STR_ARG(name),
			       it ? feedback_kind_name(it->kind) : "nothing",
			       it ? feedback_reason_name(it->reason) : "", STR_ARG(text(e, "reason")));
	}
	arena_free(&a);
}

static int
judge(const char *figure, const char *dir)
{
	struct judge j = { .figure = figure };
	struct arena *a = arena_new(65536);
	struct buf file = { 0 };
	struct err e = { 0 };
	const struct value *all;
	char path[4096];
	snprintf(path, sizeof path, "%s/expected.json", dir);
	read_file(path, &file);
	if (json_parse(a, buf_str(&file), NULL, &all, &e) != 0) {
		fprintf(stderr, "%s: %s\n", path, e.text);
		return 65;
	}
	for (size_t i = 0; i < value_map_count(all); i++) {
		struct str name;
		const struct value *v;
		value_map_entry(all, i, &name, &v);
		judge_file(&j, dir, name, v);
	}
	double percent = j.all ? 100.0 * (double)j.ok / (double)j.all : 0;
	double wanted = strcmp(figure, "recipient") == 0 ? 95 : strcmp(figure, "type") == 0 ? 100 : 97;
	printf("%zu of %zu, %.1f %%, at least %.0f %%\n", j.ok, j.all, percent, wanted);
	arena_free(&a);
	buf_free(&file);
	return j.all > 0 && percent >= wanted ? 0 : 1;
}

/* ---- none ---- */

static struct {
	struct str list;
	const char *dir;
	size_t files, wrong, known;
} none_state;

static int
none_file(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	struct feedback f;
	(void)st;
	(void)ftw;
	if (type != FTW_F)
		return 0;
	struct arena *a = read_feedback(path, &f);
	none_state.files++;
	if (f.items[0].kind == FEEDBACK_BOUNCE || f.items[0].kind == FEEDBACK_COMPLAINT) {
		struct str name = str_of(path + strlen(none_state.dir) + 1);
		struct str rest = none_state.list, line;
		bool known = false;
		while (str_split(&rest, '\n', &line))
			known = known || str_eq(line, name);
		none_state.known += known;
		none_state.wrong += !known;
		if (!known)
			printf("%.*s: %s\n", STR_ARG(name), feedback_kind_name(f.items[0].kind));
	}
	arena_free(&a);
	return 0;
}

static int
none(const char *list, const char *dir)
{
	struct buf file = { 0 };
	read_file(list, &file);
	none_state.list = buf_str(&file);
	none_state.dir = dir;
	if (nftw(dir, none_file, 16, FTW_PHYS) != 0)
		perror(dir);
	printf("%zu files, %zu bounces that are, %zu that are not\n", none_state.files, none_state.known,
	       none_state.wrong);
	buf_free(&file);
	return none_state.files == 0 || none_state.wrong > 0;
}

/* ---- print ---- */

static void
print(const char *path)
{
	struct feedback f;
	struct arena *a = read_feedback(path, &f);
	const char *base = strrchr(path, '/');
	for (size_t i = 0; i < f.n; i++) {
		const struct feedback_item *it = &f.items[i];
		printf("%s: %s %.*s %s %s %s%s%s\n", base ? base + 1 : path, feedback_kind_name(it->kind),
		       STR_ARG(it->recipient.n ? it->recipient : STR("-")), it->hard ? "hard" : "soft",
		       it->status[0] ? it->status : "-", feedback_reason_name(it->reason),
		       it->type[0] ? " " : "", it->type);
	}
	arena_free(&a);
}

int
main(int argc, char **argv)
{
	mail_init();
	if (argc == 4 && strcmp(argv[1], "judge") == 0)
		return judge(argv[2], argv[3]);
	if (argc == 4 && strcmp(argv[1], "none") == 0)
		return none(argv[2], argv[3]);
	if (argc > 2 && strcmp(argv[1], "print") == 0) {
		for (int i = 2; i < argc; i++)
			print(argv[i]);
		return 0;
	}
	fprintf(stderr, "usage: feedback-corpus judge FIGURE DIR | none LIST DIR | print FILE…\n");
	return 64;
}
