/* gbdt: boosting, tree by tree (see gbdt.h). */
#include <math.h>
#include <string.h>

#include "learn/gbdt-private.h"
#include "learn/random.h"

/* Gains on the held-out rows below this share of the loss are none. */
#define IMPROVEMENT 1e-7

struct learn_gbdt
learn_gbdt_defaults(void)
{
	return (struct learn_gbdt){
		.trees = 150,
		.leaves = 8,
		.min_rows = 100,
		.bins = 255,
		.rate = 0.05,
		.category_smooth = 10,
		.category_rows = 10,
		.rows = 1,
		.columns = 1,
		.patience = 10,
		.seed = 1,
	};
}

struct boosting {
	const struct learn_data *d; /* with the rows of o->valid behind */
	const struct learn_gbdt *o;
	struct gbdt_bins bins;
	struct gbdt_grower grower;
	struct gbdt_forest forest;
	struct gbdt_sum *sums;
	double *f;		 /* margins of all rows */
	uint32_t *train, *valid; /* rows */
	size_t ntrain, nvalid;
	uint32_t *seen, *rest; /* rows that a tree grows on, and those that it does not */
	uint32_t *columns;
	struct gbdt_pick pick;
	uint64_t random;
	size_t best; /* trees, by the loss of valid */
	double best_loss, best_train;
};

static int
options_check(const struct learn_gbdt *o, struct err *e)
{
	if (o->trees < 1 || o->trees > GBDT_MAX_TREES || o->leaves < 2 || o->leaves > LEARN_GBDT_MAX_LEAVES ||
	    o->depth > GBDT_MAX_DEPTH || o->trees > GBDT_MAX_NODES / (2 * o->leaves))
		return err_set(
		    e, ERR_LIMIT,
		    "trees must be 1 to %d, their leaves 2 to %d, their depth at most %d, all nodes "
		    "together at most %zu",
		    GBDT_MAX_TREES, LEARN_GBDT_MAX_LEAVES, GBDT_MAX_DEPTH, GBDT_MAX_NODES);
	if (o->min_rows < 1 || o->bins < 2 || o->bins > 255 || !(o->rate > 0 && o->rate <= 1))
		return err_set(
		    e, ERR_INPUT,
		    "rows of a leaf must be 1 or more, bins 2 to 255, the learning rate above 0 and "
		    "at most 1");
	if (!(o->l2 >= 0 && isfinite(o->l2)) || !(o->min_gain >= 0) || !(o->category_smooth >= 0))
		return err_set(e, ERR_INPUT, "l2, min_gain and category_smooth must be 0 or more");
	if (!(o->rows > 0 && o->rows <= 1) || !(o->columns > 0 && o->columns <= 1) ||
	    !(o->validation >= 0 && o->validation < 1))
		return err_set(e, ERR_INPUT,
			       "shares of rows and columns must be above 0 and at most 1, the one held out "
			       "below 1");
	return 0;
}

static int
boosting_init(struct boosting *b, struct arena *a, struct err *e)
{
	const struct learn_data *d = b->d;
	size_t own = d->rows - (b->o->valid ? b->o->valid->rows : 0);
	double share = own == d->rows ? b->o->validation : 0;
	b->random = b->o->seed;
	b->train = arena_alloc(a, d->rows * sizeof(*b->train));
	b->valid = arena_alloc(a, d->rows * sizeof(*b->valid));
	for (size_t i = 0; i < d->rows; i++) {
		if (i >= own || (share > 0 && random_unit(&b->random) < share))
			b->valid[b->nvalid++] = (uint32_t)i;
		else
			b->train[b->ntrain++] = (uint32_t)i;
	}
	if (b->ntrain == 0 || (share > 0 && b->nvalid == 0))
		return err_set(e, ERR_INPUT, "there are too few rows to hold some of them out");
	b->seen = arena_alloc(a, b->ntrain * sizeof(*b->seen));
	b->rest = arena_alloc(a, b->ntrain * sizeof(*b->rest));
	b->columns = arena_alloc(a, d->cols * sizeof(*b->columns));
	b->pick.columns = b->columns;
	b->sums = arena_alloc(a, d->rows * sizeof(*b->sums));
	b->f = arena_alloc(a, d->rows * sizeof(*b->f));
	gbdt_bins_make(a, d, b->o->bins, &b->bins);
	gbdt_grower_init(&b->grower, a, &b->bins, b->o, b->ntrain);
	return 0;
}

/* ---- what a tree sees ---- */

/* Of some at random, ascending (Knuth, TAOCP 2, 3.4.2, algorithm S): out[0..want), the others to rest. */
static void
sample(uint64_t *random, const uint32_t *from, size_t n, size_t want, uint32_t *out, uint32_t *rest)
{
	for (size_t i = 0, got = 0; i < n; i++) {
		uint32_t v = from ? from[i] : (uint32_t)i;
		if (random_below(random, n - i) < want - got)
			out[got++] = v;
		else if (rest)
			rest[i - got] = v;
	}
}

static size_t
share(double of, size_t n)
{
	size_t k = (size_t)llround(of * (double)n);
	return k < 1 ? 1 : k > n ? n : k;
}

/* One more tree. */
static void
boost(struct boosting *b)
{
	struct gbdt_units units;
	size_t seen = share(b->o->rows, b->ntrain);
	b->pick.n = share(b->o->columns, b->d->cols);
	if (seen < b->ntrain)
		sample(&b->random, b->train, b->ntrain, seen, b->seen, b->rest);
	else
		memcpy(b->seen, b->train, seen * sizeof(*b->seen));
	sample(&b->random, NULL, b->d->cols, b->pick.n, b->columns, NULL);
	gbdt_loss_sums(b->o->link, b->d, b->f, &units, b->sums);
	gbdt_grow(&b->grower, &units, b->sums, &b->pick, b->seen, seen, b->f);
	gbdt_grown_add(&b->grower, b->rest, b->ntrain - seen, b->f);
	gbdt_grown_add(&b->grower, b->valid, b->nvalid, b->f);
	gbdt_forest_add(&b->forest, &b->grower);
}

/* Whether to go on after this tree. */
static bool
judge(struct boosting *b, const struct learn_progress *p)
{
	size_t n = gbdt_forest_trees(&b->forest);
	double train = NAN, valid = NAN;
	if (b->nvalid > 0)
		valid = gbdt_loss_mean(b->o->link, b->d, b->f, b->valid, b->nvalid);
	if (p && p->step)
		train = gbdt_loss_mean(b->o->link, b->d, b->f, b->train, b->ntrain);
	learn_report(p, &(struct learn_step){ n, b->o->trees, train, valid });
	if (b->o->patience > 0 && n > 1 && b->nvalid > 0 && !(valid < b->best_loss * (1 - IMPROVEMENT)))
		return n - b->best < b->o->patience;
	b->best = n;
	b->best_loss = valid;
	b->best_train = train;
	/* A tree that is a leaf, on all rows: the next ones will be, too. */
	return b->grower.nnodes > 1 || b->o->rows < 1 || b->o->columns < 1;
}

static struct model *
finish(struct boosting *b, double base, const struct learn_names *names, struct learn_gbdt_fit *fit,
       struct err *e)
{
	struct model *m = model_new("gbdt", names->score, names->columns, b->d->cols, b->o->link, e);
	if (m && gbdt_forest_model(&b->forest, b->best, base, m, e) != 0)
		model_free(&m);
	if (!m || !fit)
		return m;
	fit->trees = b->best;
	fit->train_loss = b->best_train;
	fit->valid_loss = b->best_loss;
	return m;
}

/* The rows of both, or d itself when there are no others. */
static const struct learn_data *
join(struct arena *a, const struct learn_data *d, const struct learn_data *valid)
{
	if (!valid || valid->rows == 0)
		return d;
	struct learn_data *out = ARENA_NEW(a, struct learn_data);
	size_t rows = d->rows + valid->rows, cells = d->rows * d->cols;
	double *x = arena_alloc(a, rows * d->cols * sizeof(*x)), *y = arena_alloc(a, rows * sizeof(*y));
	double *w = arena_alloc(a, rows * sizeof(*w));
	memcpy(x, d->x, cells * sizeof(*x));
	memcpy(x + cells, valid->x, valid->rows * d->cols * sizeof(*x));
	for (size_t i = 0; i < rows; i++) {
		const struct learn_data *from = i < d->rows ? d : valid;
		size_t k = i < d->rows ? i : i - d->rows;
		y[i] = from->y[k];
		w[i] = from->w ? from->w[k] : 1;
	}
	*out = (struct learn_data){
		.rows = rows, .cols = d->cols, .x = x, .y = y, .categorical = d->categorical
	};
	out->w = d->w || valid->w ? w : NULL;
	return out;
}

static int
data_check(const struct learn_data *d, const struct learn_gbdt *o, struct err *e)
{
	const struct learn_data *v = o->valid;
	if (learn_check(d, o->link == MODEL_LOGIT, e) != 0 || options_check(o, e) != 0)
		return -1;
	if (v && v->rows > 0 && v->cols != d->cols)
		return err_set(e, ERR_INPUT, "the rows held out have other columns");
	if (v && v->rows > 0 && learn_check(v, o->link == MODEL_LOGIT, e) != 0)
		return err_prefix(e, "the rows held out");
	if (d->rows + (v ? v->rows : 0) > LEARN_GBDT_MAX_ROWS)
		return err_set(e, ERR_LIMIT, "boosted trees learn from at most %zu rows",
			       LEARN_GBDT_MAX_ROWS);
	return 0;
}

struct model *
learn_gbdt(const struct learn_data *d, const struct learn_names *names, const struct learn_gbdt *o,
	   const struct learn_progress *p, struct learn_gbdt_fit *fit, struct err *e)
{
	struct model *m = NULL;
	if (data_check(d, o, e) != 0)
		return NULL;
	struct arena *a = arena_new(65536);
	struct boosting *b = ARENA_NEW(a, struct boosting);
	*b = (struct boosting){ .d = join(a, d, o->valid), .o = o, .best_loss = NAN, .best_train = NAN };
	if (boosting_init(b, a, e) == 0) {
		double base = gbdt_loss_base(o->link, b->d, b->train, b->ntrain);
		for (size_t i = 0; i < b->d->rows; i++)
			b->f[i] = base;
		for (bool more = true; more && gbdt_forest_trees(&b->forest) < o->trees;) {
			boost(b);
			more = judge(b, p);
		}
		m = finish(b, base, names, fit, e);
		if (m && fit && fit->margins)
			memcpy(fit->margins, b->f, d->rows * sizeof(*b->f));
	}
	gbdt_forest_free(&b->forest);
	arena_free(&a);
	return m;
}
