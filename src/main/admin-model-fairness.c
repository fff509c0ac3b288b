/* mailtailor model fairness: do groups of recipients fare alike? */
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "learn/fairness.h"
#include "main/admin-model.h"
#include "recipient/recipient.h"
#include "report/stats.h"

#define FEWEST 30	/* copies of a group that is compared */
#define FOUR_FIFTHS 0.8 /* 29 CFR 1607.4 D, Uniform Guidelines on Employee Selection Procedures */

struct judging {
	const struct model_request *rq;
	struct recipient_source src;
	struct arena *arena; /* of one recipient */
	struct model_log log;
	struct admin_table *table;
	size_t gaps;
};

static struct str
group_of(void *ctx, const uint8_t rk[STORE_KEY_LEN])
{
	struct judging *j = ctx;
	const struct value *profile, *v;
	struct recipient_key key;
	struct buf b = { 0 };
	arena_reset(j->arena);
	memcpy(key.b, rk, sizeof(key.b));
	if (recipient_profile_of(&j->src, &key, j->arena, &profile, NULL) != 1)
		return STR_NULL;
	v = value_path(profile, str_of(j->rq->by));
	if (!v || v->type == VALUE_NULL || v->type == VALUE_LIST || v->type == VALUE_MAP)
		return STR_NULL;
	value_print(&b, v);
	struct str out = arena_str(j->arena, str_cut(buf_str(&b), 64));
	buf_free(&b);
	return out;
}

static void
on_progress(void *ctx, uint64_t number)
{
	struct judging *j = ctx;
	progress_update(j->log.progress, number);
}

/* ---- comparing ---- */

/* What one group got of one thing; how it compares with the group that got most of it. */
struct share {
	const char *group;
	int64_t n;
	double value;
	bool best, few;
	struct stats_interval difference; /* from the best, with 95 % */
};

static const char *
number(struct arena *a, double v)
{
	return isnan(v) ? NULL : arena_printf(a, "%.4g", v).p;
}

/* A gap is said where four fifths are not reached and chance does not explain it. */
static void
share_show(struct judging *j, struct arena *a, const char *what, const struct share *s, double most)
{
	double ratio = most > 0 ? s->value / most : NAN;
	bool gap = !s->best && !s->few && ratio < FOUR_FIFTHS && s->difference.high < 0;
	const char *cells[] = { what,
				s->group,
				arena_printf(a, "%lld", (long long)s->n).p,
				number(a, s->value),
				number(a, s->few ? NAN : ratio),
				number(a, s->best || s->few ? NAN : s->difference.value),
				number(a, s->best || s->few ? NAN : s->difference.low),
				number(a, s->best || s->few ? NAN : s->difference.high),
				gap ? "yes" : "no" };
	admin_table_row(j->table, cells);
	if (!gap)
		return;
	j->gaps++;
	admin_say("warning: %s: \"%s\" gets %.0f %% of what others get (%.4g less, 95 %% interval %.4g to "
		  "%.4g)",
		  what, s->group, 100 * ratio, -s->difference.value, -s->difference.high, -s->difference.low);
}

/* k of n in each group. */
static void
rates_show(struct judging *j, struct arena *a, const char *what, const char *const *groups, const int64_t *k,
	   const int64_t *n, size_t ngroups)
{
	size_t best = ngroups;
	for (size_t i = 0; i < ngroups; i++)
		if (n[i] >= FEWEST &&
		    (best == ngroups || (double)k[i] / (double)n[i] > (double)k[best] / (double)n[best]))
			best = i;
	for (size_t i = 0; i < ngroups; i++) {
		struct share s = { .group = groups[i], .n = n[i], .best = i == best, .few = n[i] < FEWEST };
		s.value = n[i] > 0 ? (double)k[i] / (double)n[i] : NAN;
		if (!s.best && !s.few)
			s.difference = stats_newcombe(k[i], n[i], k[best], n[best], STATS_Z95);
		share_show(j, a, what, &s, best < ngroups ? (double)k[best] / (double)n[best] : NAN);
	}
}

/* Mean scores; Welch's standard error. */
static void
scores_show(struct judging *j, struct arena *a, const struct fairness *f)
{
	const struct fairness_group *best = NULL;
	for (size_t i = 0; i < f->ngroups; i++)
		if (f->groups[i].scored >= FEWEST && (!best || f->groups[i].score_mean > best->score_mean))
			best = &f->groups[i];
	for (size_t i = 0; i < f->ngroups; i++) {
		const struct fairness_group *g = &f->groups[i];
		struct share s = {
			.group = g->name, .n = g->scored, .best = g == best, .few = g->scored < FEWEST
		};
		if (g->scored == 0)
			continue;
		s.value = g->score_mean;
		if (best && !s.best && !s.few) {
			double se =
			    sqrt(g->score_var / (double)g->scored + best->score_var / (double)best->scored);
			double d = g->score_mean - best->score_mean;
			s.difference = (struct stats_interval){ d, d - STATS_Z95 * se, d + STATS_Z95 * se };
		}
		share_show(j, a, "score", &s, best ? best->score_mean : NAN);
	}
}

static void
fairness_show(struct judging *j, const struct fairness *f)
{
	static const struct admin_column COLUMNS[] = {
		{ "WHAT", ADMIN_COL_TEXT },	{ "GROUP", ADMIN_COL_TEXT },
		{ "COPIES", ADMIN_COL_NUMBER }, { "VALUE", ADMIN_COL_NUMBER },
		{ "RATIO", ADMIN_COL_NUMBER },	{ "DIFFERENCE", ADMIN_COL_NUMBER },
		{ "LOW", ADMIN_COL_NUMBER },	{ "HIGH", ADMIN_COL_NUMBER },
		{ "GAP", ADMIN_COL_BOOL },
	};
	struct arena *a = f->arena;
	const char **names = ARENA_ARRAY(a, const char *, f->ngroups);
	int64_t *n = ARENA_ARRAY(a, int64_t, f->ngroups), *k = ARENA_ARRAY(a, int64_t, f->ngroups);
	j->table = admin_table_new(COLUMNS, 9);
	for (size_t i = 0; i < f->ngroups; i++) {
		names[i] = f->groups[i].name;
		k[i] = f->groups[i].selected;
		n[i] = f->groups[i].considered;
	}
	rates_show(j, a, "mailed", names, k, n, f->ngroups);
	for (size_t i = 0; i < f->ngroups; i++)
		n[i] = f->groups[i].selected;
	for (size_t arm = 0; arm < f->narms && f->narms > 1; arm++) {
		for (size_t i = 0; i < f->ngroups; i++)
			k[i] = f->groups[i].arms[arm];
		rates_show(j, a, f->arms[arm][0] ? arena_printf(a, "arm %s", f->arms[arm]).p : "no arm",
			   names, k, n, f->ngroups);
	}
	scores_show(j, a, f);
	admin_table_print(j->table, stdout, j->rq->json);
	admin_table_free(&j->table);
	if (f->unknown + f->erased > 0)
		admin_say("%lld copies are in no group: nothing is known of \"%s\"; %lld went to erased "
			  "recipients",
			  (long long)f->unknown, j->rq->by, (long long)f->erased);
	if (j->gaps == 0 && f->ngroups > 1)
		admin_say("no gap: every group gets four fifths of what others get, or chance explains it");
}

static int
judge(struct judging *j)
{
	struct err e = { 0 };
	int64_t since;
	int rc = model_since(j->rq, clock_now_ms(), &since);
	if (rc != EX_OK)
		return rc;
	const struct fairness_request ask = { .campaigns = &j->rq->campaign,
					      .ncampaigns = j->rq->campaign != NULL,
					      .since_ms = since,
					      .group = group_of,
					      .progress = on_progress,
					      .ctx = j };
	j->log.progress = progress_start("events", j->log.events);
	struct fairness *f = fairness_read(j->log.store, &ask, &e);
	progress_end(&j->log.progress);
	if (!f)
		return admin_fail(&e);
	fairness_show(j, f);
	if (f->ngroups == 0 && f->unknown + f->erased == 0)
		admin_say("the event log has no copies%s%s%s to compare; see `mailtailor events tail`",
			  j->rq->campaign ? " of campaign \"" : "", j->rq->campaign ? j->rq->campaign : "",
			  j->rq->campaign ? "\"" : "");
	fairness_free(&f);
	return EX_OK;
}

int
model_fairness(const struct model_request *rq)
{
	struct judging j = { .rq = rq, .arena = arena_new(4096) };
	struct sealer *sealer = NULL;
	int rc = model_log_open(&j.log, rq->conf_path, rq->campaign);
	if (rc == EX_OK) {
		sealer = sealer_new(j.log.keys);
		j.src = (struct recipient_source){
			.store = j.log.store, .keys = j.log.keys, .sealer = sealer, .conf = j.log.conf
		};
		rc = judge(&j);
	}
	sealer_free(&sealer);
	model_log_close(&j.log);
	arena_free(&j.arena);
	return rc;
}
