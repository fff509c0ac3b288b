/* column: column texts → compiled columns; see column.h for the grammar. */
#include "score/column-private.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const kind_names[SCORE_KINDS] = { "injected",  "opened",	"clicked",
						     "converted", "purchased",	"viewed",
						     "bounced",	  "complained", "unsubscribed" };
static const char *const hand_names[HANDS] = { "hour", "minute", "weekday", "day", "month" };
static const char *const fact_names[FACTS] = { "campaign", "category", "arm" };

const char *
score_kind_name(enum score_kind k)
{
	return kind_names[k];
}

/* ---- the text ---- */

int
column_wrong(const struct column_parse *p, const char *fmt, ...)
{
	char why[512];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	return err_set(p->e, ERR_INPUT, "column \"%.*s\": %s", STR_ARG(str_cut(p->text, 200)), why);
}

bool
column_at_end(const struct column_parse *p)
{
	return p->at >= p->text.n || (p->depth > 0 && p->text.p[p->at] == ')');
}

bool
column_at_mark(const struct column_parse *p, const char *set)
{
	struct str t = p->text;
	size_t i = p->at;
	return i < t.n && strchr(set, t.p[i]) != NULL && t.p[i] != '\0' && i > 0 &&
	       (t.p[i - 1] == ' ' || t.p[i - 1] == ')' || t.p[i - 1] == '"') &&
	       (i + 1 == t.n || t.p[i + 1] == ' ');
}

void
column_skip_spaces(struct column_parse *p)
{
	while (p->at < p->text.n && p->text.p[p->at] == ' ')
		p->at++;
}

static size_t
word_find(struct str s, const char *const *words, size_t n)
{
	size_t i = 0;
	while (i < n && !str_eq(s, str_of(words[i])))
		i++;
	return i;
}

/* ---- sources ---- */

/* "30d" → 30; 0: no such thing. */
static int
days_parse(struct str s)
{
	int n = 0;
	if (s.n < 2 || s.n > 3 || s.p[s.n - 1] != 'd')
		return 0;
	for (size_t i = 0; i + 1 < s.n; i++) {
		if (!ascii_isdigit(s.p[i]))
			return 0;
		n = n * 10 + (s.p[i] - '0');
	}
	return n <= 90 ? n : 0;
}

/* TYPE.Nd.count, TYPE.Nd.value, TYPE.recency, TYPE.count, sent-since-click; each may have @CATEGORY. */
static int
events_parse(struct column_parse *p, struct column *c)
{
	size_t at = str_find_char(c->path, '@');
	struct str rest = str_sub(c->path, 0, at), type, step = STR_NULL, last = STR_NULL;
	if (at < c->path.n) {
		c->category = str_sub(c->path, at + 1, c->path.n);
		c->own_category = str_eq(c->category, STR("campaign"));
	}
	c->source = FROM_EVENTS;
	if (str_eq(c->path, STR("sent-since-click"))) {
		c->measure = MEASURE_SINCE_CLICK;
		return 0;
	}
	str_split(&rest, '.', &type);
	size_t k = word_find(type, kind_names, SCORE_KINDS);
	c->kind = (enum score_kind)k;
	if (str_split(&rest, '.', &step) && str_split(&rest, '.', &last))
		c->days = days_parse(step);
	else
		last = step;
	bool windowed = last.p != step.p, ok = k < SCORE_KINDS && !rest.p && (!windowed || c->days > 0);
	if (str_eq(last, STR("count")) && (windowed || at == c->path.n))
		c->measure = MEASURE_COUNT;
	else if (str_eq(last, STR("value")) && windowed)
		c->measure = MEASURE_VALUE;
	else if (str_eq(last, STR("recency")) && !windowed)
		c->measure = MEASURE_RECENCY;
	else
		ok = false;
	if (!ok || (at < c->path.n && c->category.n == 0))
		return column_wrong(
		    p,
		    "\"events.%.*s\" counts nothing; write events.clicked.30d.count (or value), "
		    "events.clicked.recency, events.clicked.count or events.sent-since-click",
		    STR_ARG(str_cut(c->path, 100)));
	return 0;
}

static int
source_parse(struct column_parse *p, struct str name, struct column *c)
{
	static const struct {
		const char *prefix;
		enum column_source source;
	} prefixes[] = { { "profile.", FROM_PROFILE },
			 { "message.", FROM_MESSAGE },
			 { "decision.", FROM_DECISION },
			 { "events.", FROM_EVENTS } };
	size_t hand = word_find(name, hand_names, HANDS);
	*c = (struct column){ .source = FROM_EITHER, .path = arena_str(p->a, name) };
	if (name.n == 0)
		return column_wrong(p, "a source is missing; write for example profile.age");
	if (hand < HANDS) {
		c->source = FROM_CLOCK;
		c->hand = (enum column_hand)hand;
		return 0;
	}
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		struct str prefix = str_of(prefixes[i].prefix);
		if (!str_starts(name, prefix))
			continue;
		c->source = prefixes[i].source;
		c->path = str_sub(c->path, prefix.n, c->path.n);
	}
	if (c->source == FROM_DECISION) {
		size_t fact = word_find(c->path, fact_names, FACTS);
		c->fact = (enum column_fact)fact;
		if (fact == FACTS)
			return column_wrong(p, "there are decision.campaign, decision.category and "
					       "decision.arm, nothing else of a decision");
	}
	return c->source == FROM_EVENTS ? events_parse(p, c) : 0;
}

/* Behind "=": in quotes when what follows the closing one ends it, else up to " | ". */
static void
text_parse(struct column_parse *p, struct column *c)
{
	size_t from = p->at;
	c->one_hot = true;
	if (p->at < p->text.n && p->text.p[p->at] == '"') {
		size_t close = from + 1 + str_find_char(str_sub(p->text, from + 1, p->text.n), '"');
		p->at = close + 1;
		if (close < p->text.n) {
			column_skip_spaces(p);
			if (column_at_end(p) || column_at_mark(p, "|&*")) {
				c->text = arena_str(p->a, str_sub(p->text, from + 1, close));
				return;
			}
		}
		p->at = from;
	}
	while (!column_at_end(p) && !column_at_mark(p, "|"))
		p->at++;
	size_t to = p->at;
	while (to > from && !column_at_end(p) && p->text.p[to - 1] == ' ')
		to--;
	c->text = arena_str(p->a, str_sub(p->text, from, to));
}

static struct column *column_parse_text(struct column_parse *p);

static struct column *
term_parse(struct column_parse *p)
{
	struct column *c = ARENA_NEW(p->a, struct column);
	column_skip_spaces(p);
	if (p->at < p->text.n && p->text.p[p->at] == '(') {
		p->at++;
		if (++p->depth > COLUMN_MAX_DEPTH) {
			column_wrong(p, "parentheses are nested more than %d deep", COLUMN_MAX_DEPTH);
			return NULL;
		}
		if (!(c = column_parse_text(p)))
			return NULL;
		if (p->at >= p->text.n) {
			column_wrong(p, "a parenthesis is not closed");
			return NULL;
		}
		p->at++;
		p->depth--;
	} else {
		size_t from = p->at;
		while (!column_at_end(p) && p->text.p[p->at] != '=' && !column_at_mark(p, "|&*"))
			p->at++;
		if (source_parse(p, str_trim(str_sub(p->text, from, p->at)), c) != 0)
			return NULL;
		if (!column_at_end(p) && p->text.p[p->at] == '=') {
			p->at++;
			text_parse(p, c);
		}
	}
	column_skip_spaces(p);
	return c;
}

static int
steps_parse(struct column_parse *p, struct column *c)
{
	/* What was in parentheses has steps of its own, and goes on from there. */
	struct column_step *steps = ARENA_ARRAY(p->a, struct column_step, c->nsteps + COLUMN_MAX_STEPS);
	for (size_t i = 0; i < c->nsteps; i++)
		steps[i] = c->steps[i];
	c->steps = steps;
	for (size_t n = 0; column_at_mark(p, "|"); n++) {
		if (n == COLUMN_MAX_STEPS)
			return column_wrong(p, "more than %d steps", COLUMN_MAX_STEPS);
		p->at++;
		column_skip_spaces(p);
		if (column_step_parse(p, &c->steps[c->nsteps]) != 0)
			return -1;
		c->nsteps++;
	}
	if (!column_at_end(p))
		return column_wrong(p, "\"%.*s\" is too much; steps come behind \" | \"",
				    STR_ARG(str_cut(str_sub(p->text, p->at, p->text.n), 60)));
	c->open = c->nsteps;
	for (size_t i = 0; i < c->nsteps; i++) {
		enum column_op op = c->steps[i].op;
		if (op == OP_QUANTILE && (p->depth > 0 || c->open < c->nsteps))
			return column_wrong(p, "quantile comes once, and not in parentheses");
		if (op >= OP_ONE_HOT && (p->depth > 0 || i + 1 < c->nsteps))
			return column_wrong(p, "one-hot, hashes and bins come last, and not in parentheses");
		if (op == OP_QUANTILE)
			c->open = i;
	}
	return 0;
}

static struct column *
column_parse_text(struct column_parse *p)
{
	struct column *c = term_parse(p);
	if (c && column_at_mark(p, "&*")) {
		struct column *cross = ARENA_NEW(p->a, struct column);
		cross->source = p->text.p[p->at] == '&' ? FROM_JOIN : FROM_PRODUCT;
		cross->left = c;
		p->at++;
		if (!(cross->right = term_parse(p)))
			return NULL;
		c = cross;
	}
	return c && steps_parse(p, c) == 0 ? c : NULL;
}

/* NULL with e. text must live as long as a. */
static struct column *
column_compile(struct arena *a, struct str text, struct err *e)
{
	struct column_parse p = { .a = a, .text = text, .e = e };
	if (text.n > SCORE_COLUMN_MAX) {
		err_set(e, ERR_LIMIT, "column \"%.*s…\": %zu bytes; at most %d are possible",
			STR_ARG(str_cut(text, 60)), text.n, SCORE_COLUMN_MAX);
		return NULL;
	}
	if (!str_is_utf8(text) || str_find_char(text, '\n') < text.n) {
		column_wrong(&p, "is not one line of UTF-8");
		return NULL;
	}
	return column_parse_text(&p);
}

/* ---- lists ---- */

static void
needs_note(struct score_columns *c, const struct column *k)
{
	if (!k)
		return;
	c->need_events |= k->source == FROM_EVENTS;
	needs_note(c, k->left);
	needs_note(c, k->right);
}

int
score_columns_compile(struct arena *a, const char *const *texts, size_t n, struct score_columns **out,
		      struct err *e)
{
	struct score_columns *c = ARENA_NEW(a, struct score_columns);
	*out = NULL;
	if (n > SCORE_COLUMNS_MAX)
		return err_set(e, ERR_LIMIT, "%zu columns; at most %d are possible", n, SCORE_COLUMNS_MAX);
	c->texts = ARENA_ARRAY(a, const char *, n);
	c->columns = ARENA_ARRAY(a, struct column *, n);
	c->n = n;
	for (size_t k = 0; k < n; k++) {
		struct str text = arena_str(a, str_of(texts[k]));
		struct column *col = column_compile(a, text, e);
		if (!col)
			return -1;
		if (col->nsteps > 0 && col->steps[col->nsteps - 1].op >= OP_ONE_HOT)
			return err_set(e, ERR_INPUT,
				       "column \"%.*s\": its last step stands for several columns; "
				       "write each of them here, with is or eq",
				       STR_ARG(str_cut(text, 200)));
		c->texts[k] = text.p ? text.p : "";
		c->columns[k] = col;
		needs_note(c, col);
	}
	*out = c;
	return 0;
}

size_t
score_columns_count(const struct score_columns *c)
{
	return c->n;
}

const char *const *
score_columns_texts(const struct score_columns *c)
{
	return c->texts;
}

bool
score_column_is_category(const struct score_columns *c, size_t k)
{
	const struct column *col = c->columns[k];
	enum column_op last = col->nsteps > 0 ? col->steps[col->nsteps - 1].op : OP_NUMBER;
	return last == OP_CODE || last == OP_HASH || last == OP_BIN || last == OP_QUANTILE;
}

bool
score_columns_need_events(const struct score_columns *c)
{
	return c->need_events;
}

typedef bool column_is(const struct column *c);

static bool
is_arm(const struct column *c)
{
	return c->source == FROM_DECISION && c->fact == FACT_ARM;
}

static bool
is_clock(const struct column *c)
{
	return c->source == FROM_CLOCK;
}

/* c, or one that it is crossed of. */
static bool
column_any(const struct column *c, column_is *is)
{
	return c && (is(c) || column_any(c->left, is) || column_any(c->right, is));
}

static ptrdiff_t
columns_find(const struct score_columns *c, column_is *is)
{
	for (size_t k = 0; k < c->n; k++)
		if (column_any(c->columns[k], is))
			return (ptrdiff_t)k;
	return -1;
}

bool
score_column_reads_arm(const struct score_columns *c, size_t k)
{
	return column_any(c->columns[k], is_arm);
}

ptrdiff_t
score_columns_find_arm(const struct score_columns *c)
{
	return columns_find(c, is_arm);
}

ptrdiff_t
score_columns_find_clock(const struct score_columns *c)
{
	return columns_find(c, is_clock);
}

void
score_columns_hash(const struct score_columns *c, char out[SCORE_COLUMNS_HASH])
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);
	for (size_t k = 0; k < c->n; k++)
		/* The NUL behind each text keeps lists apart that only join alike. */
		for (const char *s = c->texts[k];; s++) {
			h = (h ^ (unsigned char)*s) * UINT64_C(0x100000001b3);
			if (*s == '\0')
				break;
		}
	snprintf(out, SCORE_COLUMNS_HASH, "%016llx", (unsigned long long)h);
}

/* ---- fields ---- */

static bool
column_reads(const struct column *c, struct str field)
{
	static const struct {
		const char *prefix;
		enum column_source other;
	} owners[] = { { "profile.", FROM_MESSAGE }, { "message.", FROM_PROFILE } };
	enum column_source other = FROM_CLOCK; /* where a field of that name is not meant */
	struct str path = field;
	if (!c)
		return false;
	for (size_t i = 0; i < 2; i++) {
		struct str prefix = str_of(owners[i].prefix);
		if (!str_starts(field, prefix))
			continue;
		path = str_sub(field, prefix.n, field.n);
		other = owners[i].other;
	}
	bool reads = (c->source == FROM_PROFILE || c->source == FROM_MESSAGE || c->source == FROM_EITHER) &&
		     c->source != other && str_starts(c->path, path) &&
		     (c->path.n == path.n || c->path.p[path.n] == '.');
	return reads || column_reads(c->left, field) || column_reads(c->right, field);
}

ptrdiff_t
score_columns_find_field(const struct score_columns *c, const char *const *fields, size_t n,
			 const char **field)
{
	for (size_t k = 0; k < c->n; k++)
		for (size_t i = 0; i < n; i++)
			if (column_reads(c->columns[k], str_of(fields[i]))) {
				*field = fields[i];
				return (ptrdiff_t)k;
			}
	return -1;
}

static int
profile_fields(const struct column *c, score_name_fn *each, void *ctx)
{
	int rc = 0;
	if (!c)
		return 0;
	if (c->source == FROM_PROFILE || c->source == FROM_EITHER)
		rc = each(ctx, c->path);
	if (rc == 0)
		rc = profile_fields(c->left, each, ctx);
	return rc != 0 ? rc : profile_fields(c->right, each, ctx);
}

int
score_columns_profile_fields(const struct score_columns *c, score_name_fn *each, void *ctx)
{
	int rc = 0;
	for (size_t k = 0; k < c->n && rc == 0; k++)
		rc = profile_fields(c->columns[k], each, ctx);
	return rc;
}

/* ---- texts that stand for several ---- */

static int
text_push(struct arena *a, const char ***out, size_t *n, struct str text, struct err *e)
{
	if (*n >= SCORE_COLUMNS_MAX)
		return err_set(e, ERR_LIMIT, "more than %d columns", SCORE_COLUMNS_MAX);
	if ((*n & (*n - 1)) == 0) { /* full at 0, 1, 2, 4, 8 … */
		const char **more = ARENA_ARRAY(a, const char *, *n > 0 ? 2 * *n : 1);
		for (size_t i = 0; i < *n; i++)
			more[i] = (*out)[i];
		*out = more;
	}
	(*out)[(*n)++] = arena_cstr(a, text);
	return 0;
}

static void
word_print(struct buf *b, struct str w)
{
	buf_addc(b, '"');
	for (size_t i = 0; i < w.n; i++) {
		if (w.p[i] == '"' || w.p[i] == '\\')
			buf_addc(b, '\\');
		buf_addc(b, w.p[i]);
	}
	buf_addc(b, '"');
}

/* The i-th of the columns that a step stands for. */
static void
several_print(struct buf *b, struct str text, const struct column_step *s, size_t i)
{
	static const char *const singular[] = { "is", "hash", "bin" };
	buf_adds(b, str_sub(text, 0, s->from));
	buf_adds(b, str_of(singular[s->op - OP_ONE_HOT]));
	if (s->op == OP_ONE_HOT) {
		buf_addc(b, ' ');
		word_print(b, s->words[i]);
		return;
	}
	for (size_t k = 0; k < s->n; k++) {
		buf_addc(b, ' ');
		value_print(b, &(struct value){ .type = VALUE_REAL, .r = s->numbers[k] });
	}
	buf_printf(b, " | eq %zu", i);
}

int
score_columns_expand(struct arena *a, const char *text, const char ***out, size_t *ndone, struct err *e)
{
	struct str t = arena_str(a, str_of(text));
	struct column *c = column_compile(a, t, e);
	struct buf b = { 0 };
	int rc = 0;
	if (!c)
		return -1;
	const struct column_step *s = c->nsteps > 0 ? &c->steps[c->nsteps - 1] : NULL;
	if (!s || s->op < OP_ONE_HOT)
		return text_push(a, out, ndone, t, e);
	size_t n = s->op == OP_ONE_HOT ? s->n : s->op == OP_HASHES ? (size_t)s->numbers[0] : s->n + 1;
	for (size_t i = 0; i < n && rc == 0; i++) {
		buf_reset(&b);
		several_print(&b, t, s, i);
		rc = text_push(a, out, ndone, buf_str(&b), e);
	}
	buf_free(&b);
	return rc;
}

/* ---- columns that training completes ---- */

bool
score_column_is_open(const struct score_columns *c, size_t k)
{
	return c->columns[k]->open < c->columns[k]->nsteps;
}

/* True when what comes out of the steps before the open one is a number or missing, never a text. */
static bool
gives_number(const struct column *c)
{
	return c->open > 0 || c->one_hot || c->source == FROM_CLOCK || c->source == FROM_EVENTS ||
	       c->source == FROM_PRODUCT;
}

bool
score_column_leads(const struct score_columns *c, size_t k, const struct score_columns *to, size_t j)
{
	const struct column *from = c->columns[k], *col = to->columns[j];
	struct str text = str_of(c->texts[k]), whole = str_of(to->texts[j]);
	if (from->open < from->nsteps) {
		text = str_trim(str_sub(text, 0, from->steps[from->open].from));
		text = str_trim(str_sub(text, 0, text.n - 1)); /* its "|" */
	}
	/* A one-hot's text that ends in spaces ends without them where steps follow. */
	bool more = str_starts(str_sub(whole, text.n, whole.n), STR(" | ")) && !str_ends(text, STR(" "));
	if (!str_starts(whole, text) || (whole.n > text.n && !more))
		return false;
	for (size_t i = from->open; i < col->open; i++) {
		enum column_op op = col->steps[i].op;
		bool of_texts = op == OP_IS || op == OP_CODE || op == OP_HASH || op == OP_IS_MISSING;
		/* What was a text is missing in the matrix. */
		if (of_texts && i == from->open && !gives_number(from))
			return false;
	}
	return true;
}

static int
double_cmp(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

int
score_column_fit(struct arena *a, const struct score_columns *c, size_t k, const double *values, size_t n,
		 const char **text, struct err *e)
{
	const struct column_step *s = &c->columns[k]->steps[c->columns[k]->open];
	double *sorted = ARENA_ARRAY(a, double, n), last;
	size_t m = 0, parts = (size_t)s->numbers[0], edges = 0;
	struct str whole = str_of(c->texts[k]);
	struct buf b = { 0 };
	int rc = 0;
	for (size_t i = 0; i < n; i++)
		if (values[i] == values[i])
			sorted[m++] = values[i];
	if (m == 0)
		return err_set(e, ERR_INPUT, "column \"%s\": there is no value to take quantiles of",
			       c->texts[k]);
	qsort(sorted, m, sizeof(*sorted), double_cmp);
	buf_adds(&b, str_sub(whole, 0, s->from));
	buf_adds(&b, STR("bin"));
	last = sorted[0];
	for (size_t i = 1; i < parts; i++) {
		double edge = sorted[i * m / parts];
		if (edge == last)
			continue;
		buf_addc(&b, ' ');
		value_print(&b, &(struct value){ .type = VALUE_REAL, .r = last = edge });
		edges++;
	}
	if (edges == 0) { /* all alike: one edge, which all reach */
		buf_addc(&b, ' ');
		value_print(&b, &(struct value){ .type = VALUE_REAL, .r = last });
	}
	buf_adds(&b, str_sub(whole, s->to, whole.n));
	*text = arena_cstr(a, buf_str(&b));
	if (b.n > SCORE_COLUMN_MAX)
		rc = err_set(e, ERR_LIMIT,
			     "column \"%s\": its edges take more than %d bytes; ask for fewer quantiles",
			     c->texts[k], SCORE_COLUMN_MAX);
	buf_free(&b);
	return rc;
}
