/* arms: each beside the control, and whether they are as large as they should be. */
#include "report/report-private.h"

#include <stdlib.h>

static int
arm_order(const void *x, const void *y)
{
	const struct report_arm *a = x, *b = y;
	if (a->control != b->control)
		return a->control ? -1 : 1;
	struct str m = a->group->name, n = b->group->name;
	int c = memcmp(m.p, n.p, m.n < n.n ? m.n : n.n);
	return c != 0 ? c : (m.n > n.n) - (m.n < n.n);
}

static struct report_arm *
arm_find(struct report *r, struct str name)
{
	for (size_t i = 0; i < r->narms; i++)
		if (str_eq(r->arms[i].group->name, name))
			return &r->arms[i];
	return NULL;
}

/* Events of copies of no arm are of no arm. */
static void
arms_list(struct report *r)
{
	const struct report_list *l = &r->lists[REPORT_BY_ARM];
	r->arms = ARENA_ARRAY(r->arena, struct report_arm, l->n);
	for (size_t i = 0; i < l->n; i++)
		if (l->v[i].name.n > 0)
			r->arms[r->narms++].group = &l->v[i];
}

static int
control_choose(struct report *r, const struct report_request *rq, struct err *e)
{
	qsort(r->arms, r->narms, sizeof *r->arms, arm_order);
	struct report_arm *control = arm_find(r, rq->control.p ? rq->control : STR("control"));
	if (!control && rq->control.p && !rq->configured)
		return err_set(e, ERR_INPUT, "there is no arm \"%.*s\" in this report", STR_ARG(rq->control));
	if (!control) {
		control = &r->arms[0];
		r->control_missing = arena_str(r->arena, rq->control);
	}
	control->control = true;
	qsort(r->arms, r->narms, sizeof *r->arms, arm_order);
	return 0;
}

/* The share of each arm as it came out; of the control as it should be when that is known. */
static void
shares_found(struct report *r, double control)
{
	double all = 0;
	for (size_t i = 0; i < r->narms; i++)
		all += (double)r->arms[i].group->figures[FIGURE_SENT].copies;
	double others = all - (double)r->arms[0].group->figures[FIGURE_SENT].copies;
	for (size_t i = 0; i < r->narms; i++) {
		double sent = (double)r->arms[i].group->figures[FIGURE_SENT].copies;
		r->arms[i].share = control <= 0 ? (all > 0 ? sent / all : 0)
				   : i == 0	? control
				   : others > 0 ? (1 - control) * sent / others
						: 0;
	}
}

/* By the configuration; true when there is something to test. */
static bool
shares_configured(struct report *r, const struct report_request *rq)
{
	double all = 0;
	bool known = rq->nshares > 0, control = str_eq(r->arms[0].group->name, rq->control);
	for (size_t i = 0; i < r->narms; i++)
		r->arms[i].share = 0;
	for (size_t i = 0; i < rq->nshares; i++) {
		struct report_arm *arm = arm_find(r, rq->shares[i].arm);
		known = known && arm != NULL;
		all += rq->shares[i].weight;
		if (arm)
			arm->share = rq->shares[i].weight;
	}
	for (size_t i = 0; i < r->narms; i++) {
		known = known && r->arms[i].share > 0;
		r->arms[i].share /= all > 0 ? all : 1;
	}
	if (known)
		return true;
	shares_found(r, control ? rq->control_share : 0);
	return control && rq->control_share > 0;
}

static int
shares_set(struct report *r, const struct report_request *rq, struct err *e)
{
	double all = 0;
	for (size_t i = 0; i < r->narms; i++)
		r->arms[i].share = rq->nshares > 0 ? 0 : 1.0 / (double)r->narms;
	for (size_t i = 0; i < rq->nshares; i++)
		all += rq->shares[i].weight;
	for (size_t i = 0; i < rq->nshares; i++) {
		struct report_arm *arm = arm_find(r, rq->shares[i].arm);
		if (!arm)
			return err_set(e, ERR_INPUT,
				       "a share of the arm \"%.*s\", which is not in this report",
				       STR_ARG(rq->shares[i].arm));
		arm->share += rq->shares[i].weight / all;
	}
	for (size_t i = 0; i < r->narms; i++)
		if (r->arms[i].share <= 0)
			return err_set(e, ERR_INPUT, "no share of the arm \"%.*s\" was given",
				       STR_ARG(r->arms[i].group->name));
	return 0;
}

/* By who was sent something: they are what the rates are of. */
static void
ratio_check(struct report *r, bool control_alone)
{
	int64_t *counts = ARENA_ARRAY(r->arena, int64_t, r->narms);
	double *shares = ARENA_ARRAY(r->arena, double, r->narms), all = 0;
	r->ratio_tested = true;
	for (size_t i = 0; i < r->narms; i++) {
		counts[i] = r->arms[i].group->figures[FIGURE_SENT].copies;
		shares[i] = r->arms[i].share;
		all += (double)counts[i];
	}
	/* Chi-square is no good for less (Cochran). */
	for (size_t i = 0; i < r->narms; i++)
		r->ratio_tested = r->ratio_tested && all * shares[i] >= 5;
	if (!r->ratio_tested)
		return;
	r->ratio_df = (int)r->narms - 1;
	r->ratio_p = stats_ratio(counts, shares, r->narms, &r->ratio_chi2);
	/* The others' shares are those that came out: only the control's can be wrong. */
	if (control_alone) {
		r->ratio_df = 1;
		r->ratio_p = stats_chi2_tail(r->ratio_chi2, 1);
	}
	r->ratio_mismatch = r->ratio_p < STATS_RATIO_ALPHA;
}

static void
rate_compare(struct report *r, size_t metric)
{
	enum report_rate rate = REPORT_COMPARED[metric];
	const struct report_group *c = r->arms[0].group;
	double *p = ARENA_ARRAY(r->arena, double, r->narms);
	size_t n = 0;
	int64_t k0 = report_rate_copies(c, rate), n0 = c->figures[FIGURE_SENT].copies;
	for (size_t i = 1; i < r->narms; i++) {
		struct report_compare *x = &r->arms[i].compare[metric];
		const struct report_group *g = r->arms[i].group;
		int64_t k = report_rate_copies(g, rate), all = g->figures[FIGURE_SENT].copies;
		x->possible = all > 0 && n0 > 0 && k <= all && k0 <= n0 && k >= 0 && k0 >= 0;
		if (!x->possible)
			continue;
		x->difference = stats_newcombe(k, all, k0, n0, STATS_Z95);
		x->test = stats_two(k, all, k0, n0);
		x->superior = stats_superior(k, all, k0, n0);
		p[n++] = x->test.p;
	}
	stats_holm(p, n);
	n = 0;
	for (size_t i = 1; i < r->narms; i++)
		if (r->arms[i].compare[metric].possible)
			r->arms[i].compare[metric].holm = p[n++];
}

int
arms_compare(struct report *r, const struct report_request *rq, struct err *e)
{
	/* Without figures there are no arms that could be wrong. */
	if (r->first_ms < 0)
		return 0;
	arms_list(r);
	if (r->narms < 2 && (rq->configured || (!rq->control.p && rq->nshares == 0))) {
		r->narms = 0;
		return 0;
	}
	if (r->narms == 0)
		return err_set(e, ERR_INPUT, "this report has no arms to compare");
	bool tested = true;
	if (control_choose(r, rq, e) != 0 || (!rq->configured && shares_set(r, rq, e) != 0))
		return -1;
	if (rq->configured)
		tested = shares_configured(r, rq);
	if (r->narms < 2) {
		r->narms = 0;
		return 0;
	}
	if (tested)
		ratio_check(r, rq->configured && rq->nshares == 0);
	for (size_t m = 0; m < REPORT_NCOMPARED; m++)
		rate_compare(r, m);
	return 0;
}
