/*
 * helper: the table and the small helpers. Dates and money are in format.c
 * and money.c.
 */
#include "template/helper.h"

#include <utf8proc.h>

#include "template/format.h"
#include "template/render.h"

/* Longer texts are no merge fields; the bound keeps nested helpers from multiplying them. */
#define MAX_TEXT ((size_t)1 << 20)

static bool
is_empty(const struct value *v)
{
	return !v || v->type == VALUE_NULL || (v->type == VALUE_STRING && v->s.n == 0);
}

/* The value as text: borrowed, or in the render's print buffer until the next call. */
static int
text_of(struct render *r, uint32_t at, const struct value *v, struct str *out)
{
	if (v && v->type == VALUE_STRING) {
		*out = v->s;
	} else {
		buf_reset(&r->scratch->print);
		if (v)
			print_value(&r->scratch->print, v);
		*out = buf_str(&r->scratch->print);
	}
	if (out->n > MAX_TEXT)
		return render_fail(r, at, "a helper's text is longer than 1 MB; shorten it");
	return 0;
}

/* ---- values ---- */

static int
run_default(struct render *r, const struct helper_args *a, const struct value **out)
{
	(void)r;
	*out = NULL;
	for (size_t i = 0; i < a->n; i++) {
		*out = a->v[i];
		if (!is_empty(*out))
			return 0;
	}
	/* An empty last resort is meant; a missing one is not. */
	if (*out && (*out)->type != VALUE_STRING)
		*out = NULL;
	return 0;
}

/* SendGrid: {{insert name "default=there"}} */
static int
run_insert(struct render *r, const struct helper_args *a, const struct value **out)
{
	*out = a->v[0];
	if (!is_empty(*out))
		return 0;
	*out = NULL;
	if (a->call->nhash > 0) {
		*out = a->hash[0];
	} else if (a->n > 1) {
		struct str s;
		if (text_of(r, a->at, a->v[1], &s) < 0)
			return -1;
		if (!str_starts(s, STR("default=")))
			return render_fail(r, a->at,
					   "insert: the second argument is written \"default=text\"");
		*out = temp_string(r->scratch->temp, str_sub(s, 8, s.n));
	}
	return 0;
}

static int
run_length(struct render *r, const struct helper_args *a, const struct value **out)
{
	const struct value *v = a->v[0];
	size_t n = v == &r->root ? render_map_count(r, v) : 0;
	if (v && v->type == VALUE_STRING)
		*out = render_member(r, v, STR("length"));
	else
		*out = temp_int(r->scratch->temp, (int64_t)(v && v != &r->root ? value_length(v) : n));
	return 0;
}

static int
run_lookup(struct render *r, const struct helper_args *a, const struct value **out)
{
	struct str key;
	if (text_of(r, a->at, a->v[1], &key) < 0)
		return -1;
	*out = render_member(r, a->v[0], key);
	return 0;
}

static int
run_log(struct render *r, const struct helper_args *a, const struct value **out)
{
	(void)r;
	(void)a;
	*out = NULL;
	return 0;
}

/* ---- comparisons ---- */

static bool
both_numbers(const struct value *a, const struct value *b, double *x, double *y)
{
	bool ok_a = false, ok_b = false;
	if (!a || !b || a->type == VALUE_BOOL || b->type == VALUE_BOOL)
		return false;
	*x = value_number(a, &ok_a);
	*y = value_number(b, &ok_b);
	return ok_a && ok_b;
}

static bool
is_number(const struct value *v)
{
	return v && (v->type == VALUE_INT || v->type == VALUE_REAL);
}

static bool
is_compound(const struct value *v)
{
	return v && (v->type == VALUE_LIST || v->type == VALUE_MAP);
}

/* 5 equals "5" and 5.0; two texts must be the same text; a missing value equals "". */
static int
values_equal(struct render *r, const struct helper_args *a, bool *equal)
{
	const struct value *x = a->v[0], *y = a->v[1];
	double m, n;
	struct str s, t;
	*equal = x == y;
	if (*equal || is_compound(x) || is_compound(y))
		return 0;
	if (is_number(x) && is_number(y) && x->type == VALUE_INT && y->type == VALUE_INT) {
		*equal = x->i == y->i;
		return 0;
	}
	if ((is_number(x) || is_number(y)) && both_numbers(x, y, &m, &n)) {
		*equal = m == n;
		return 0;
	}
	if (text_of(r, a->at, x, &s) < 0)
		return -1;
	if (!x || x->type != VALUE_STRING)
		s = temp_string(r->scratch->temp, s)->s;
	if (text_of(r, a->at, y, &t) < 0)
		return -1;
	*equal = str_eq(s, t);
	return 0;
}

static int
run_equals(struct render *r, const struct helper_args *a, const struct value **out)
{
	bool equal;
	if (values_equal(r, a, &equal) < 0)
		return -1;
	*out = value_bool(equal);
	return 0;
}

static int
run_not_equals(struct render *r, const struct helper_args *a, const struct value **out)
{
	bool equal;
	if (values_equal(r, a, &equal) < 0)
		return -1;
	*out = value_bool(!equal);
	return 0;
}

/* -1, 0, 1; 2 when the two cannot be compared. Numbers by value, other texts by bytes (dates as 2026-03-29
 * fit). */
static int
compare(const struct value *a, const struct value *b)
{
	double x, y;
	if (is_empty(a) || is_empty(b))
		return 2;
	if (both_numbers(a, b, &x, &y))
		return (x > y) - (x < y);
	if (a->type != VALUE_STRING || b->type != VALUE_STRING)
		return 2;
	size_t n = a->s.n < b->s.n ? a->s.n : b->s.n;
	int c = memcmp(a->s.p, b->s.p, n);
	return c ? (c > 0) - (c < 0) : (a->s.n > b->s.n) - (a->s.n < b->s.n);
}

static int
run_greater(struct render *r, const struct helper_args *a, const struct value **out)
{
	(void)r;
	*out = value_bool(compare(a->v[0], a->v[1]) == 1);
	return 0;
}

static int
run_less(struct render *r, const struct helper_args *a, const struct value **out)
{
	(void)r;
	*out = value_bool(compare(a->v[0], a->v[1]) == -1);
	return 0;
}

static int
run_and(struct render *r, const struct helper_args *a, const struct value **out)
{
	bool all = true;
	(void)r;
	for (size_t i = 0; i < a->n; i++)
		all = all && truth_handlebars(a->v[i]);
	*out = value_bool(all);
	return 0;
}

static int
run_or(struct render *r, const struct helper_args *a, const struct value **out)
{
	bool any = false;
	(void)r;
	for (size_t i = 0; i < a->n; i++)
		any = any || truth_handlebars(a->v[i]);
	*out = value_bool(any);
	return 0;
}

/* ---- letters ---- */

enum letters { LETTERS_UPPER, LETTERS_LOWER, LETTERS_FIRST };

/* Turkish and Azeri keep the dot of i. */
static bool
is_turkic(const char *language)
{
	struct str l = str_sub(str_of(language), 0, 2);
	return str_caseeq(l, STR("tr")) || str_caseeq(l, STR("az"));
}

static utf8proc_int32_t
change_point(utf8proc_int32_t u, enum letters how, bool turkic)
{
	if (turkic && how != LETTERS_LOWER && u == 'i')
		return 0x130;
	if (turkic && how == LETTERS_LOWER && u == 'I')
		return 0x131;
	if (how == LETTERS_LOWER)
		return utf8proc_tolower(u);
	return how == LETTERS_UPPER ? utf8proc_toupper(u) : utf8proc_totitle(u);
}

static void
change_letters(struct buf *b, struct str s, enum letters how, bool turkic)
{
	for (size_t i = 0; i < s.n;) {
		utf8proc_int32_t u;
		const utf8proc_uint8_t *p = (const utf8proc_uint8_t *)s.p + i;
		utf8proc_ssize_t n = utf8proc_iterate(p, (utf8proc_ssize_t)(s.n - i), &u);
		if (n <= 0) {
			buf_addc(b, s.p[i++]); /* ill-formed: as it is */
			continue;
		}
		i += (size_t)n;
		if (u == 0xDF && how == LETTERS_UPPER) {
			buf_add(b, "SS", 2);
			continue;
		}
		utf8proc_uint8_t code[4];
		utf8proc_ssize_t len = utf8proc_encode_char(change_point(u, how, turkic), code);
		buf_add(b, code, (size_t)len);
		if (how == LETTERS_FIRST) {
			buf_add(b, s.p + i, s.n - i);
			return;
		}
	}
}

static int
run_letters(struct render *r, const struct helper_args *a, const struct value **out, enum letters how)
{
	struct str s;
	*out = NULL;
	if (text_of(r, a->at, a->v[0], &s) < 0)
		return -1;
	if (s.n == 0)
		return 0;
	struct buf *b = &r->scratch->print;
	if (s.p == b->p)
		s = temp_string(r->scratch->temp, s)->s;
	buf_reset(b);
	change_letters(b, s, how, is_turkic(r->env->language));
	*out = temp_string(r->scratch->temp, buf_str(b));
	return 0;
}

static int
run_upper(struct render *r, const struct helper_args *a, const struct value **out)
{
	return run_letters(r, a, out, LETTERS_UPPER);
}

static int
run_lower(struct render *r, const struct helper_args *a, const struct value **out)
{
	return run_letters(r, a, out, LETTERS_LOWER);
}

static int
run_capitalize(struct render *r, const struct helper_args *a, const struct value **out)
{
	return run_letters(r, a, out, LETTERS_FIRST);
}

/* ---- the table ---- */

static const struct helper helpers[] = {
	{ .name = "if", .kind = HELPER_IF, .min = 1, .max = 1, .hash = "includeZero" },
	{ .name = "unless", .kind = HELPER_UNLESS, .min = 1, .max = 1, .hash = "includeZero" },
	{ .name = "each", .kind = HELPER_EACH, .min = 1, .max = 1 },
	{ .name = "with", .kind = HELPER_WITH, .min = 1, .max = 1 },
	{ .name = "lookup", .min = 2, .max = 2, .run = run_lookup },
	{ .name = "log", .min = 1, .max = TPL_MAX_ARGS, .empty_is_ok = true, .hash = "*", .run = run_log },
	{ .name = "default", .min = 2, .max = TPL_MAX_ARGS, .run = run_default },
	{ .name = "insert", .min = 1, .max = 2, .hash = "default", .run = run_insert },
	{ .name = "equals", .min = 2, .max = 2, .boolean = true, .run = run_equals },
	{ .name = "notEquals", .min = 2, .max = 2, .boolean = true, .run = run_not_equals },
	{ .name = "greaterThan", .min = 2, .max = 2, .boolean = true, .run = run_greater },
	{ .name = "lessThan", .min = 2, .max = 2, .boolean = true, .run = run_less },
	{ .name = "and", .min = 1, .max = TPL_MAX_ARGS, .boolean = true, .run = run_and },
	{ .name = "or", .min = 1, .max = TPL_MAX_ARGS, .boolean = true, .run = run_or },
	{ .name = "length", .min = 1, .max = 1, .boolean = true, .run = run_length },
	{ .name = "upper", .min = 1, .max = 1, .run = run_upper },
	{ .name = "lower", .min = 1, .max = 1, .run = run_lower },
	{ .name = "capitalize", .min = 1, .max = 1, .run = run_capitalize },
	{ .name = "formatDate", .min = 2, .max = 3, .hash = "timezone", .run = format_date },
	{ .name = "money", .min = 1, .max = 2, .run = format_money },
};

const struct helper *
helper_find(struct str name)
{
	for (size_t i = 0; i < sizeof helpers / sizeof *helpers; i++) {
		if (str_eq(name, str_of(helpers[i].name)))
			return &helpers[i];
	}
	return NULL;
}
