/* column-step: one step of a column text: its name and its arguments. */
#include "score/column-private.h"

#include <math.h>

/* What a step takes: exactly or at least so many numbers or words. */
static const struct shape {
	const char *name;
	bool words;
	size_t least, most;
} shapes[OPS] = {
	[OP_ADD] = { "add", false, 1, 1 },
	[OP_MUL] = { "mul", false, 1, 1 },
	[OP_DIV] = { "div", false, 1, 1 },
	[OP_LOG] = { "log", false, 0, 0 },
	[OP_LOG1P] = { "log1p", false, 0, 0 },
	[OP_CLIP] = { "clip", false, 2, 2 },
	[OP_NUMBER] = { "number", false, 0, 0 },
	[OP_MISSING] = { "missing", false, 1, 1 },
	[OP_IS_MISSING] = { "is-missing", false, 0, 0 },
	[OP_IS] = { "is", true, 1, 1 },
	[OP_CODE] = { "code", true, 1, COLUMN_MAX_WORDS },
	[OP_HASH] = { "hash", false, 1, 1 },
	[OP_BIN] = { "bin", false, 1, COLUMN_MAX_WORDS },
	[OP_QUANTILE] = { "quantile", false, 1, 1 },
	[OP_EQ] = { "eq", false, 1, 1 },
	[OP_ONE_HOT] = { "one-hot", true, 1, COLUMN_MAX_WORDS },
	[OP_HASHES] = { "hashes", false, 1, 1 },
	[OP_BINS] = { "bins", false, 1, COLUMN_MAX_WORDS },
};

/* 1 and *w: a word; 0: there is none any more; -1. */
static int
word_take(struct column_parse *p, struct str *w)
{
	struct buf b = { 0 };
	column_skip_spaces(p);
	if (column_at_end(p) || column_at_mark(p, "|"))
		return 0;
	if (p->text.p[p->at] != '"') {
		size_t from = p->at;
		while (!column_at_end(p) && p->text.p[p->at] != ' ')
			p->at++;
		*w = str_sub(p->text, from, p->at);
		return 1;
	}
	for (p->at++; p->at < p->text.n && p->text.p[p->at] != '"'; p->at++) {
		p->at += p->text.p[p->at] == '\\' && p->at + 1 < p->text.n;
		buf_addc(&b, p->text.p[p->at]);
	}
	*w = arena_str(p->a, buf_str(&b));
	buf_free(&b);
	if (p->at >= p->text.n)
		return column_wrong(p, "a quotation mark is not closed");
	p->at++;
	return 1;
}

static int
numbers_take(struct column_parse *p, struct column_step *s)
{
	s->numbers = ARENA_ARRAY(p->a, double, s->n);
	for (size_t i = 0; i < s->n; i++) {
		bool ok;
		const struct value v = { .type = VALUE_STRING, .s = s->words[i] };
		s->numbers[i] = value_number(&v, &ok) + 0.0;
		if (!ok)
			return column_wrong(p, "\"%.*s\" is no number", STR_ARG(str_cut(s->words[i], 40)));
	}
	return 0;
}

static bool
whole(double v, double least, double most)
{
	return v == floor(v) && v >= least && v <= most;
}

/* What the numbers have to be. */
static int
numbers_check(struct column_parse *p, const struct column_step *s)
{
	const double *v = s->numbers;
	if (s->op == OP_DIV && v[0] == 0)
		return column_wrong(p, "div by 0");
	if (s->op == OP_CLIP && v[0] > v[1])
		return column_wrong(p, "clip: the lower bound comes first");
	if ((s->op == OP_HASH || s->op == OP_HASHES) &&
	    !whole(v[0], 1, s->op == OP_HASH ? COLUMN_MAX_BUCKETS : SCORE_COLUMNS_MAX))
		return column_wrong(p, "%s: the number of buckets is a whole number from 1 to %d",
				    shapes[s->op].name,
				    s->op == OP_HASH ? COLUMN_MAX_BUCKETS : SCORE_COLUMNS_MAX);
	if (s->op == OP_QUANTILE && !whole(v[0], 2, 64))
		return column_wrong(p, "quantile: their number is a whole number from 2 to 64");
	for (size_t i = 1; i < s->n && (s->op == OP_BIN || s->op == OP_BINS); i++)
		if (v[i - 1] >= v[i])
			return column_wrong(p, "%s: edges ascend, each once", shapes[s->op].name);
	return 0;
}

int
column_step_parse(struct column_parse *p, struct column_step *s)
{
	struct str name, words[COLUMN_MAX_WORDS + 1];
	size_t op = 0;
	int more = 0;
	*s = (struct column_step){ .from = p->at };
	if (word_take(p, &name) <= 0)
		return column_wrong(p, "a step is missing behind \"|\"");
	while (op < OPS && !str_eq(name, str_of(shapes[op].name)))
		op++;
	if (op == OPS)
		return column_wrong(p,
				    "\"%.*s\" is no step; there are add, mul, div, log, log1p, clip, number, "
				    "missing, is-missing, is, code, hash, bin, quantile, eq, one-hot, hashes "
				    "and bins",
				    STR_ARG(str_cut(name, 40)));
	s->op = (enum column_op)op;
	s->to = p->at;
	while (s->n <= COLUMN_MAX_WORDS && (more = word_take(p, &words[s->n])) > 0) {
		s->n++;
		s->to = p->at;
	}
	if (s->n <= COLUMN_MAX_WORDS && more < 0)
		return -1;
	const struct shape *sh = &shapes[op];
	if (s->n < sh->least || s->n > sh->most)
		return column_wrong(p, "%s takes %zu%s %s%s, not %zu%s", sh->name, sh->least,
				    sh->most > sh->least ? " or more" : "", sh->words ? "text" : "number",
				    sh->least == 1 && sh->most == 1 ? "" : "s", s->n,
				    sh->words && sh->most == 1 ? " (texts with spaces go in \"quotes\")"
							       : "");
	s->words = ARENA_ARRAY(p->a, struct str, s->n);
	for (size_t i = 0; i < s->n; i++)
		s->words[i] = arena_str(p->a, words[i]);
	if (!sh->words && (numbers_take(p, s) != 0 || numbers_check(p, s) != 0))
		return -1;
	return 0;
}
