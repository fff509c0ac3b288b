/* mlp: batches, epochs and when to stop (see mlp.h). */
#include "learn/mlp.h"

#include <math.h>
#include <string.h>

#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

#include "learn/blas.h"
#include "learn/mlp-net.h"
#include "learn/random.h"

#define MAX_BATCH 65536
#define MAX_CELL 1e12

struct train {
	const struct learn_data *d;
	const struct learn_mlp *o;
	const struct learn_progress *progress;
	struct arena *a;
	struct mlp_net *net;
	float *x, *y, *w;	  /* all rows; x with cols columns; w has mean 1, or is NULL */
	double *mean, *scale;	  /* cols: x = (d->x - mean) / scale */
	float *missing;		  /* cols, before that */
	size_t *order, n;	  /* rows to train on */
	size_t *valid, nvalid;	  /* rows to measure on */
	float *bx, *by, *bw;	  /* one batch */
	size_t done, total, best; /* epochs */
	double best_loss;
	uint64_t seed;
};

struct learn_mlp
learn_mlp_defaults(void)
{
	return (struct learn_mlp){ .nhidden = 2,
				   .hidden = { 64, 64 },
				   .link = MODEL_LOGIT,
				   .rate = 1e-3,
				   .batch = 64,
				   .epochs = 10 };
}

static int
options_check(const struct learn_mlp *o, struct err *e)
{
	if (o->nhidden > LEARN_MLP_MAX_HIDDEN)
		return err_set(e, ERR_INPUT, "there are more than %d hidden layers", LEARN_MLP_MAX_HIDDEN);
	for (size_t i = 0; i < o->nhidden; i++)
		if (o->hidden[i] == 0 || o->hidden[i] > MLP_MAX_WIDTH)
			return err_set(e, ERR_INPUT, "a hidden layer must have 1 to %d units", MLP_MAX_WIDTH);
	if (!(o->rate > 0 && o->rate <= 1) || !(o->l2 >= 0 && o->l2 <= 1e6))
		return err_set(e, ERR_INPUT, "rate must be in 0..1, l2 0 or more");
	if (!(o->dropout >= 0 && o->dropout <= .95) || !(o->prune >= 0 && o->prune < 1) ||
	    !(o->validation >= 0 && o->validation <= .9))
		return err_set(e, ERR_INPUT,
			       "dropout must be 0 to .95, prune 0 to below 1, validation 0 to .9");
	if (o->batch == 0 || o->batch > MAX_BATCH || o->epochs == 0)
		return err_set(e, ERR_INPUT, "there must be 1 to %d rows in a batch, and 1 epoch or more",
			       MAX_BATCH);
	return 0;
}

/* ---- data ---- */

/* Sums of the columns over the rows, and of their weights; with means, of squares about them. */
static void
columns_sum(const struct learn_data *d, const double *mean, double *sum, double *weight)
{
	for (size_t i = 0; i < d->rows; i++) {
		const double *x = d->x + i * d->cols;
		double w = d->w ? d->w[i] : 1;
		for (size_t k = 0; k < d->cols; k++) {
			double v = mean ? (x[k] - mean[k]) * (x[k] - mean[k]) : x[k];
			sum[k] += isnan(v) ? 0 : w * v;
			weight[k] += isnan(v) ? 0 : w;
		}
	}
}

/* Means of what is there, and standard deviations when asked for; a column that hardly changes has scale 1.
 */
static void
columns_measure(struct train *t)
{
	const struct learn_data *d = t->d;
	size_t cols = d->cols;
	double *sum = ARENA_ARRAY(t->a, double, 2 * cols), *square = sum + cols;
	double *weight = ARENA_ARRAY(t->a, double, 2 * cols);
	columns_sum(d, NULL, sum, weight);
	for (size_t k = 0; k < cols; k++) {
		t->scale[k] = 1;
		sum[k] = weight[k] > 0 ? sum[k] / weight[k] : 0;
		t->missing[k] = (float)sum[k];
	}
	if (!t->o->standardize)
		return;
	columns_sum(d, sum, square, weight + cols);
	for (size_t k = 0; k < cols; k++) {
		/* What floats cannot tell from no deviation would be noise, and the weights out of range. */
		double deviation = weight[k] > 0 ? sqrt(square[k] / weight[k]) : 0;
		t->mean[k] = sum[k];
		if (deviation > 1e-6 * fabs(sum[k]) && deviation > 1e-9)
			t->scale[k] = deviation;
	}
}

/* The rows of d behind the first `at`, which are there already; weights as shares of their mean. */
static int
rows_read(struct train *t, const struct learn_data *d, size_t at, struct err *e)
{
	size_t cols = d->cols;
	double weight = 0;
	for (size_t i = 0; i < d->rows; i++)
		weight += d->w ? d->w[i] / (double)d->rows : 1 / (double)d->rows;
	for (size_t i = 0; i < d->rows; i++) {
		float *x = t->x + (at + i) * cols;
		for (size_t k = 0; k < cols; k++) {
			double v = d->x[i * cols + k];
			v = ((isnan(v) ? (double)t->missing[k] : v) - t->mean[k]) / t->scale[k];
			if (!(fabs(v) <= MAX_CELL))
				return err_set(e, ERR_INPUT, "row %zu, column %zu: %g is out of range", i, k,
					       d->x[i * cols + k]);
			x[k] = (float)v;
		}
		t->y[at + i] = (float)d->y[i];
		if (t->w)
			t->w[at + i] = (float)(d->w ? d->w[i] / weight : 1);
	}
	return 0;
}

static int
data_read(struct train *t, struct err *e)
{
	const struct learn_data *d = t->d, *valid = t->o->valid;
	size_t cols = d->cols, more = valid ? valid->rows : 0, rows = d->rows + more;
	if (more > 0 && valid->cols != cols)
		return err_set(e, ERR_INPUT, "the rows to measure on have %zu columns, not %zu", valid->cols,
			       cols);
	if (more > 0 && learn_check(valid, t->o->link == MODEL_LOGIT, e) != 0)
		return err_prefix(e, "the rows to measure on");
	t->x = arena_alloc(t->a, rows * cols * sizeof(*t->x));
	t->y = arena_alloc(t->a, rows * sizeof(*t->y));
	t->w = d->w || (more > 0 && valid->w) ? arena_alloc(t->a, rows * sizeof(*t->w)) : NULL;
	t->mean = ARENA_ARRAY(t->a, double, cols);
	t->scale = ARENA_ARRAY(t->a, double, cols);
	t->missing = ARENA_ARRAY(t->a, float, cols);
	columns_measure(t);
	if (rows_read(t, d, 0, e) != 0)
		return -1;
	return more > 0 ? rows_read(t, valid, d->rows, e) : 0;
}

static void
shuffle(size_t *rows, size_t n, uint64_t *seed)
{
	for (size_t i = n; i > 1; i--) {
		size_t k = random_below(seed, i), kept = rows[i - 1];
		rows[i - 1] = rows[k];
		rows[k] = kept;
	}
}

/* Which rows are trained on, which measured on: those that the caller gave, or a part of the others. */
static int
split(struct train *t, struct err *e)
{
	size_t own = t->d->rows, more = t->o->valid ? t->o->valid->rows : 0;
	t->order = arena_alloc(t->a, (own + more) * sizeof(*t->order));
	for (size_t i = 0; i < own + more; i++)
		t->order[i] = i;
	t->nvalid = more > 0 ? more : (size_t)(t->o->validation * (double)own);
	t->n = own + more - t->nvalid;
	t->valid = t->order + t->n;
	if (more > 0)
		return 0;
	if (t->o->validation > 0 && (t->nvalid == 0 || t->n == 0))
		return err_set(e, ERR_INPUT, "%zu rows are too few for a validation split", own);
	if (t->nvalid > 0)
		shuffle(t->order, own, &t->seed);
	return 0;
}

/* Rows to bx, by, bw; those of the batch after it are asked for ahead, since they lie anywhere. */
static void
gather(struct train *t, const size_t *rows, size_t n, const size_t *end)
{
	size_t cols = t->d->cols, stride = mlp_pad(cols);
	for (size_t i = 0; i < n; i++) {
		const size_t *ahead = rows + i + n;
		if (ahead < end)
			for (size_t k = 0; k < cols; k += 16)
				__builtin_prefetch(t->x + *ahead * cols + k);
		memcpy(t->bx + i * stride, t->x + rows[i] * cols, cols * sizeof(float));
		t->by[i] = t->y[rows[i]];
		t->bw[i] = t->w ? t->w[rows[i]] : 1;
	}
}

/* ---- loss ---- */

/* Sum of the losses of a batch; its derivatives by z, for the mean, to dz. */
static double
batch_loss(struct train *t, size_t n)
{
	struct mlp_net *net = t->net;
	float share = 1 / (float)n;
	double sum = 0;
	for (size_t i = 0; i < n; i++) {
		float z = net->z[i], y = t->by[i], w = t->bw[i];
		if (t->o->link == MODEL_LOGIT) {
			float small = expf(-fabsf(z)), p = (z >= 0 ? 1 : small) / (1 + small);
			sum += (double)(w * (log1pf(small) + (z >= 0 ? z * (1 - y) : -z * y)));
			net->dz[i] = w * (p - y) * share;
		} else {
			sum += (double)(w * (z - y) * (z - y) / 2);
			net->dz[i] = w * (z - y) * share;
		}
	}
	return sum;
}

static double
weight_sum(const struct train *t, const size_t *rows, size_t n)
{
	double sum = 0;
	if (!t->w)
		return (double)n;
	for (size_t i = 0; i < n; i++)
		sum += (double)t->w[rows[i]];
	return sum;
}

/* NAN without a split. */
static double
validate(struct train *t)
{
	double sum = 0, weight = weight_sum(t, t->valid, t->nvalid);
	for (size_t at = 0; at < t->nvalid; at += t->o->batch) {
		size_t n = t->nvalid - at < t->o->batch ? t->nvalid - at : t->o->batch;
		gather(t, t->valid + at, n, t->valid + t->nvalid);
		net_forward(t->net, t->bx, mlp_pad(t->d->cols), n, false);
		sum += batch_loss(t, n);
	}
	return weight > 0 ? sum / weight : NAN;
}

/* ---- epochs ---- */

static double
epoch(struct train *t)
{
	double sum = 0, weight = weight_sum(t, t->order, t->n);
	size_t stride = mlp_pad(t->d->cols);
	shuffle(t->order, t->n, &t->seed);
	for (size_t at = 0; at < t->n; at += t->o->batch) {
		size_t n = t->n - at < t->o->batch ? t->n - at : t->o->batch;
		gather(t, t->order + at, n, t->order + t->n);
		net_forward(t->net, t->bx, stride, n, true);
		sum += batch_loss(t, n);
		net_step(t->net, t->bx, stride, n);
	}
	return weight > 0 ? sum / weight : 0;
}

/* Up to n epochs; the net has the best one's weights behind it, or the last one's without a split. */
static int
epochs(struct train *t, size_t n, struct err *e)
{
	t->best_loss = INFINITY;
	for (size_t i = 0, since = 0; i < n; i++) {
		double train = epoch(t), valid = validate(t);
		t->done++;
		learn_report(t->progress, &(struct learn_step){ t->done, t->total, train, valid });
		if (!isfinite(train))
			return err_set(e, ERR_LIMIT, "the loss is no number any more: rate is too large");
		if (isnan(valid))
			continue;
		since++;
		if (valid < t->best_loss) {
			t->best_loss = valid;
			t->best = t->done;
			since = 0;
			net_keep(t->net);
		}
		if (t->o->patience > 0 && since >= t->o->patience)
			break;
	}
	if (isfinite(t->best_loss))
		net_restore(t->net);
	return 0;
}

/* The trained network as a model; means and scales of the columns go into the first layer. */
static void
model_fill(const struct train *t, struct model *m)
{
	const struct mlp_net *net = t->net;
	struct mlp_state *s = mlp_state_new(m, t->o->hidden, t->o->nhidden);
	for (size_t l = 0; l < net->nlayers; l++) {
		const struct net_layer *y = &net->layers[l];
		for (size_t o = 0; o < y->out; o++) {
			double bias = (double)y->b.w[o];
			for (size_t k = 0; k < y->in; k++) {
				double w = (double)y->w.w[l + 1 == net->nlayers ? k : k * y->cols + o];
				w /= l == 0 ? t->scale[k] : 1;
				bias -= l == 0 ? w * t->mean[k] : 0;
				*mlp_weight(s, l, k, o) = (float)w;
			}
			s->layers[l].bias[o] = (float)bias;
		}
	}
	for (size_t k = 0; k < t->d->cols; k++) {
		bool holes = false;
		for (size_t i = 0; i < t->d->rows && !holes; i++)
			holes = isnan(t->d->x[i * t->d->cols + k]);
		s->missing[k] = holes ? t->missing[k] : 0;
	}
}

/*
 * Moments of units that are never on fade away by a factor per step, into numbers so small that the processor
 * computes with them a hundred times slower; here they count as 0.
 */
static unsigned
denormals_off(void)
{
#if defined(__SSE2__)
	unsigned was = _mm_getcsr();
	_mm_setcsr(was | 0x8040);
	return was;
#else
	return 0;
#endif
}

static void
denormals_restore(unsigned was)
{
#if defined(__SSE2__)
	_mm_setcsr(was);
#else
	(void)was;
#endif
}

static int
train_run(struct train *t, struct err *e)
{
	const struct learn_mlp *o = t->o;
	struct mlp_learn_kernel kernel;
	if (data_read(t, e) != 0 || split(t, e) != 0)
		return -1;
	if (!mlp_learn_kernel_at(o->kernel, &kernel))
		return err_set(e, ERR_INPUT, "this processor has no such kernel");
	t->net = net_new(t->a, t->d->cols, o, &kernel, &t->seed);
	t->bx = mlp_floats(t->a, o->batch * mlp_pad(t->d->cols));
	t->by = mlp_floats(t->a, o->batch);
	t->bw = mlp_floats(t->a, o->batch);
	t->total = o->epochs + (o->prune > 0 ? o->prune_epochs : 0);
	if (epochs(t, o->epochs, e) != 0)
		return -1;
	if (o->prune > 0) {
		net_prune(t->net, o->prune);
		return epochs(t, o->prune_epochs, e);
	}
	return 0;
}

struct model *
learn_mlp(const struct learn_data *d, const struct learn_names *names, const struct learn_mlp *o,
	  const struct learn_progress *p, struct err *e)
{
	struct model *m = NULL;
	if (learn_check(d, o->link == MODEL_LOGIT, e) != 0 || options_check(o, e) != 0)
		return NULL;
	openblas_set_num_threads(1);
	struct train t = { .d = d, .o = o, .progress = p, .a = arena_new(65536), .seed = o->seed };
	unsigned was = denormals_off();
	if (train_run(&t, e) == 0)
		m = model_new("mlp", names->score, names->columns, d->cols, o->link, e);
	denormals_restore(was);
	if (m)
		model_fill(&t, m);
	arena_free(&t.a);
	return m;
}
