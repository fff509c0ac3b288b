/*
 * eval: evaluates compiled rules. One pass over the steps with a stack of
 * truths whose depth the compiler has bounded; three-valued logic by Kleene.
 */
#include <assert.h>
#include <math.h>

#include "score/rule.h"

enum truth { TRUTH_FALSE, TRUTH_TRUE, TRUTH_UNKNOWN };

struct evaluation {
	score_look_fn *look;
	void *ctx;
	struct str first_missing;
	struct buf left, right; /* printed values */
};

/* False when the name is not there. The value is copied, see score_look_fn. */
static bool
operand_value(struct evaluation *ev, const struct rule_operand *o, struct value *out)
{
	const struct value *v = NULL;
	if (!o->is_name) {
		*out = o->literal;
		return true;
	}
	if (ev->look(ev->ctx, o->name, &v) && v) {
		*out = *v;
		return true;
	}
	if (!ev->first_missing.p)
		ev->first_missing = o->name;
	return false;
}

static enum truth
truth_of(bool b)
{
	return b ? TRUTH_TRUE : TRUTH_FALSE;
}

static bool
value_truth(const struct value *v)
{
	switch (v->type) {
	case VALUE_NULL:
		return false;
	case VALUE_BOOL:
		return v->b;
	case VALUE_INT:
		return v->i != 0;
	case VALUE_REAL:
		return v->r != 0 && !isnan(v->r);
	default:
		return value_length(v) > 0;
	}
}

static bool
value_is_number(const struct value *v)
{
	return v->type == VALUE_INT || v->type == VALUE_REAL;
}

static struct str
value_text(struct buf *b, const struct value *v)
{
	if (v->type == VALUE_STRING)
		return v->s;
	buf_reset(b);
	value_print(b, v);
	return buf_str(b);
}

/* -1, 0, 1, or 2 when the two cannot be ordered (and are unequal). */
static int
value_order(struct evaluation *ev, const struct value *l, const struct value *r)
{
	bool numbers = value_is_number(l) || value_is_number(r);
	if (numbers && l->type != VALUE_BOOL && r->type != VALUE_BOOL) {
		bool lok, rok;
		/* Two integers stay integers: long customer numbers differ in digits that a double has not.
		 */
		if (l->type == VALUE_INT && r->type == VALUE_INT)
			return (l->i > r->i) - (l->i < r->i);
		double a = value_number(l, &lok), b = value_number(r, &rok);
		if (!lok || !rok || isnan(a) || isnan(b))
			return 2;
		return (a > b) - (a < b);
	}
	if (l->type == VALUE_LIST || l->type == VALUE_MAP || r->type == VALUE_LIST || r->type == VALUE_MAP ||
	    l->type == VALUE_NULL || r->type == VALUE_NULL)
		return 2;
	if (l->type == VALUE_BOOL && r->type == VALUE_BOOL)
		return l->b == r->b ? 0 : 2;
	struct str a = value_text(&ev->left, l), b = value_text(&ev->right, r);
	size_t n = a.n < b.n ? a.n : b.n;
	int c = n > 0 ? memcmp(a.p, b.p, n) : 0;
	if (c != 0)
		return c < 0 ? -1 : 1;
	return (a.n > b.n) - (a.n < b.n);
}

static enum truth
eval_compare(struct evaluation *ev, const struct rule_step *s)
{
	struct value l, r;
	bool have_left = operand_value(ev, &s->left, &l);
	if (!operand_value(ev, &s->right, &r) || !have_left)
		return TRUTH_UNKNOWN;
	int order = value_order(ev, &l, &r);
	switch (s->op) {
	case RULE_EQ:
		return truth_of(order == 0);
	case RULE_NE:
		return truth_of(order != 0);
	case RULE_LT:
		return truth_of(order == -1);
	case RULE_LE:
		return truth_of(order == -1 || order == 0);
	case RULE_GT:
		return truth_of(order == 1);
	default:
		return truth_of(order == 1 || order == 0);
	}
}

static enum truth
eval_in(struct evaluation *ev, const struct rule_step *s)
{
	struct value l, r;
	bool found = false;
	if (!operand_value(ev, &s->left, &l))
		return TRUTH_UNKNOWN;
	if (s->op == RULE_IN) {
		for (size_t i = 0; i < s->nlist && !found; i++)
			found = value_order(ev, &l, &s->list[i].literal) == 0;
		return truth_of(found);
	}
	if (!operand_value(ev, &s->right, &r))
		return TRUTH_UNKNOWN;
	if (r.type != VALUE_LIST)
		return truth_of(value_order(ev, &l, &r) == 0);
	for (size_t i = 0; i < r.list.n && !found; i++)
		found = value_order(ev, &l, r.list.items[i]) == 0;
	return truth_of(found);
}

static enum truth
eval_test(struct evaluation *ev, const struct rule_step *s)
{
	struct value v;
	const struct value *found = NULL;
	switch (s->op) {
	case RULE_TRUE:
		return TRUTH_TRUE;
	case RULE_FALSE:
		return TRUTH_FALSE;
	case RULE_TRUTH:
		return operand_value(ev, &s->left, &v) ? truth_of(value_truth(&v)) : TRUTH_UNKNOWN;
	case RULE_EXISTS:
		return truth_of(ev->look(ev->ctx, s->left.name, &found) && found &&
				found->type != VALUE_NULL);
	case RULE_IN:
	case RULE_IN_NAME:
		return eval_in(ev, s);
	default:
		return eval_compare(ev, s);
	}
}

static enum truth
truth_and(enum truth a, enum truth b)
{
	if (a == TRUTH_FALSE || b == TRUTH_FALSE)
		return TRUTH_FALSE;
	return a == TRUTH_UNKNOWN || b == TRUTH_UNKNOWN ? TRUTH_UNKNOWN : TRUTH_TRUE;
}

static enum truth
truth_not(enum truth a)
{
	return a == TRUTH_UNKNOWN ? a : truth_of(a == TRUTH_FALSE);
}

int
score_rule_eval(const struct score_rule *r, score_look_fn *look, void *ctx, struct str *missing)
{
	struct evaluation ev = { .look = look, .ctx = ctx };
	enum truth stack[RULE_MAX_STACK];
	size_t n = 0;

	for (size_t i = 0; i < r->nsteps; i++) {
		const struct rule_step *s = &r->steps[i];
		switch (s->op) {
		case RULE_AND:
			assert(n >= 2);
			n--;
			stack[n - 1] = truth_and(stack[n - 1], stack[n]);
			break;
		case RULE_OR: /* De Morgan holds in Kleene's logic */
			assert(n >= 2);
			n--;
			stack[n - 1] = truth_not(truth_and(truth_not(stack[n - 1]), truth_not(stack[n])));
			break;
		case RULE_NOT:
			assert(n >= 1);
			stack[n - 1] = truth_not(stack[n - 1]);
			break;
		default:
			assert(n < RULE_MAX_STACK);
			stack[n++] = eval_test(&ev, s);
			break;
		}
	}
	assert(n == 1);
	buf_free(&ev.left);
	buf_free(&ev.right);
	if (missing)
		*missing = stack[0] == TRUTH_UNKNOWN ? ev.first_missing : STR_NULL;
	return stack[0] == TRUTH_TRUE ? 1 : stack[0] == TRUTH_FALSE ? 0 : -1;
}
