/* test-learn-mlp: gradients against finite differences, and what training promises. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "learn/mlp-net.h"
#include "learn/random.h"

#define COLS 7
static const char *const columns[] = { "a", "b", "c", "d", "e", "f", "g" };
static const struct learn_names names = { "click", columns };

struct made {
	double *x, *y, *w;
	struct learn_data d;
};

/* Labels that no linear model can tell: whether the first two columns have the same sign, with noise. */
static struct made
make(size_t rows, double certain)
{
	uint64_t seed = 5;
	struct made m = { malloc(rows * COLS * sizeof(double)), malloc(rows * sizeof(double)), NULL, { 0 } };
	for (size_t i = 0; i < rows; i++) {
		for (size_t k = 0; k < COLS; k++)
			m.x[i * COLS + k] = random_unit(&seed) * 2 - 1;
		bool same = m.x[i * COLS] * m.x[i * COLS + 1] > 0;
		m.y[i] = random_unit(&seed) < certain ? same : !same;
	}
	m.d = (struct learn_data){ .rows = rows, .cols = COLS, .x = m.x, .y = m.y };
	return m;
}

static void
made_free(struct made *m)
{
	free(m->x);
	free(m->y);
	free(m->w);
}

static double
loss_of(const struct model *m, const struct learn_data *d)
{
	double *p = malloc(d->rows * sizeof(*p)), sum = 0;
	void *scratch = malloc(model_scratch(m, d->rows));
	model_apply(m, d->x, d->rows, scratch, p, 1);
	for (size_t i = 0; i < d->rows; i++)
		sum -= log(fmax(d->y[i] > 0 ? p[i] : 1 - p[i], 1e-15));
	free(scratch);
	free(p);
	return sum / (double)d->rows;
}

static struct model *
must_learn(const struct learn_data *d, const struct learn_mlp *o, const struct learn_progress *p)
{
	struct err e = { 0 };
	struct model *m = learn_mlp(d, &names, o, p, &e);
	if (!m)
		fail_msg("%s", e.text);
	return m;
}

static struct str
bytes_of(const struct model *m, struct buf *b)
{
	buf_reset(b);
	model_print(m, b);
	return buf_str(b);
}

/* ---- gradients ---- */

/* The mean log-loss of the net's weights, computed in doubles by the definition. */
static double
reference_loss(const struct mlp_net *net, const float *x, const double *y, size_t rows)
{
	double sum = 0;
	for (size_t i = 0; i < rows; i++) {
		double in[600], out[600];
		for (size_t k = 0; k < net->layers[0].in; k++)
			in[k] = (double)x[i * mlp_pad(net->layers[0].in) + k];
		for (size_t l = 0; l < net->nlayers; l++) {
			const struct net_layer *n = &net->layers[l];
			bool last = l + 1 == net->nlayers;
			for (size_t o = 0; o < n->out; o++) {
				out[o] = (double)n->b.w[o];
				for (size_t k = 0; k < n->in; k++)
					out[o] += in[k] * (double)n->w.w[last ? k : k * n->cols + o];
				if (!last && out[o] < 0)
					out[o] = 0;
			}
			memcpy(in, out, n->out * sizeof(*in));
		}
		sum += log1p(exp(-fabs(in[0]))) + (in[0] > 0 ? in[0] : 0) - y[i] * in[0];
	}
	return sum / (double)rows;
}

/* After one step from nothing Adam's first moment is (1 - beta1) times the gradient. */
static void
check_weights(const struct mlp_net *net, struct mlp_weights *w, size_t at, const float *moments,
	      const float *x, const double *y, size_t rows)
{
	float was = w->w[at], h = 1e-5f;
	w->w[at] = was + h;
	double up = reference_loss(net, x, y, rows), high = (double)w->w[at];
	w->w[at] = was - h;
	double down = reference_loss(net, x, y, rows), low = (double)w->w[at];
	w->w[at] = was;
	double want = (up - down) / (high - low), got = (double)moments[at] / .1;
	if (!(fabs(got - want) < 2e-4 + 2e-3 * fabs(want)))
		fail_msg("gradient %g, by differences %g", got, want);
}

static void
check_gradient(size_t kernel, bool blas, const size_t *hidden, size_t nhidden, size_t cols, size_t rows)
{
	struct learn_mlp o = learn_mlp_defaults();
	struct mlp_learn_kernel k;
	struct arena *a = arena_new(65536);
	uint64_t seed = 11;
	size_t stride = mlp_pad(cols);
	float *x = mlp_floats(a, rows * stride);
	double *y = ARENA_ARRAY(a, double, rows);
	assert_true(mlp_learn_kernel_at(kernel, &k));
	o.nhidden = nhidden;
	memcpy(o.hidden, hidden, nhidden * sizeof(*hidden));
	o.batch = rows;
	o.blas = blas;
	o.rate = 1e-30; /* the step leaves the weights where they are */
	struct mlp_net *net = net_new(a, cols, &o, &k, &seed);
	for (size_t i = 0; i < rows * stride; i++)
		x[i] = i % stride < cols ? (float)random_unit(&seed) * 2 - 1 : 0;
	for (size_t i = 0; i < rows; i++)
		y[i] = (double)random_below(&seed, 2);
	net_forward(net, x, stride, rows, true);
	for (size_t i = 0; i < rows; i++)
		net->dz[i] = (float)((1 / (1 + exp(-(double)net->z[i])) - y[i]) / (double)rows);
	net_step(net, x, stride, rows);
	for (size_t l = 0; l < net->nlayers; l++) {
		struct net_layer *n = &net->layers[l];
		for (size_t i = 0; i < 6; i++) {
			size_t in = random_below(&seed, n->in), out = random_below(&seed, n->out);
			size_t at = l + 1 == net->nlayers ? in : in * n->cols + out;
			check_weights(net, &n->w, at, n->w.m, x, y, rows);
			check_weights(net, &n->b, out, n->b.m, x, y, rows);
		}
	}
	arena_free(&a);
}

static void
gradients(void **state)
{
	static const struct {
		size_t n, hidden[3], cols, rows;
	} cases[] = { { 0, { 0 }, 5, 9 },	  { 1, { 3 }, 2, 1 },	     { 2, { 64, 64 }, 24, 64 },
		      { 2, { 70, 33 }, 11, 37 },  { 3, { 9, 17, 5 }, 1, 6 }, { 2, { 257, 256 }, 40, 7 },
		      { 2, { 128, 16 }, 100, 13 } };
	struct mlp_learn_kernel k;
	(void)state;
	for (size_t i = 0; mlp_learn_kernel_at(i, &k); i++)
		for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++)
			check_gradient(i, false, cases[c].hidden, cases[c].n, cases[c].cols, cases[c].rows);
	for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++)
		check_gradient(0, true, cases[c].hidden, cases[c].n, cases[c].cols, cases[c].rows);
}

/* Adam as the paper has it, on one layer without hidden ones, for some steps. */
static void
adam_steps(void **state)
{
	struct learn_mlp o = learn_mlp_defaults();
	struct mlp_learn_kernel k;
	float x[MLP_PAD] = { .5f, -1, 2 };
	(void)state;
	o.nhidden = 0;
	o.l2 = .01;
	for (size_t kernel = 0; mlp_learn_kernel_at(kernel, &k); kernel++) {
		struct arena *a = arena_new(4096);
		uint64_t seed = 3;
		struct mlp_net *net = net_new(a, 3, &o, &k, &seed);
		double w[3], m[3] = { 0 }, v[3] = { 0 };
		for (int i = 0; i < 3; i++)
			w[i] = (double)net->layers[0].w.w[i];
		for (int t = 1; t <= 20; t++) {
			net->dz[0] = (float)sin(t);
			net_step(net, x, MLP_PAD, 1);
			for (int i = 0; i < 3; i++) {
				double g = (double)x[i] * sin(t) + .01 * w[i];
				m[i] = .9 * m[i] + .1 * g;
				v[i] = .999 * v[i] + .001 * g * g;
				w[i] -=
				    1e-3 * m[i] / (1 - pow(.9, t)) / (sqrt(v[i] / (1 - pow(.999, t))) + 1e-8);
			}
		}
		for (int i = 0; i < 3; i++)
			if (fabs(w[i] - (double)net->layers[0].w.w[i]) > 2e-6)
				fail_msg("%s: %.9g, wanted %.9g", k.score->name,
					 (double)net->layers[0].w.w[i], w[i]);
		arena_free(&a);
	}
}

/* ---- training ---- */

/* Every kernel learns what no linear model can, to the noise in the labels; and the same twice. */
static void
learns(void **state)
{
	struct made train = make(6000, .95), test = make(2000, .95);
	struct learn_mlp o = learn_mlp_defaults();
	struct mlp_learn_kernel k;
	struct buf once = { 0 }, twice = { 0 };
	double bayes = -(.95 * log(.95) + .05 * log(.05));
	(void)state;
	o.epochs = 15;
	for (int blas = 0; blas < 2; blas++) {
		o.blas = blas;
		for (o.kernel = 0; mlp_learn_kernel_at(o.kernel, &k); o.kernel++) {
			struct model *m = must_learn(&train.d, &o, NULL),
				     *again = must_learn(&train.d, &o, NULL);
			double loss = loss_of(m, &test.d);
			if (!(loss < bayes + .08))
				fail_msg("%s: loss %g, that of the noise is %g", k.score->name, loss, bayes);
			assert_true(str_eq(bytes_of(m, &once), bytes_of(again, &twice)));
			model_free(&again);
			o.seed = 9;
			again = must_learn(&train.d, &o, NULL);
			assert_false(str_eq(buf_str(&once), bytes_of(again, &twice)));
			o.seed = 0;
			model_free(&again);
			model_free(&m);
		}
	}
	buf_free(&once);
	buf_free(&twice);
	made_free(&train);
	made_free(&test);
}

/* Without hidden layers it is logistic regression, and finds the same optimum. */
static void
no_hidden_layers(void **state)
{
	struct made m = make(3000, .9);
	struct learn_mlp o = learn_mlp_defaults();
	struct mlp_learn_kernel k;
	struct err e = { 0 };
	(void)state;
	for (size_t i = 0; i < 3000; i++)
		m.y[i] = m.x[i * COLS + 6] + m.x[i * COLS] * .5 + sin((double)i * 77) > 0;
	struct model *exact = learn_logistic(&m.d, &names, 1e-3, NULL, &e);
	o.nhidden = 0;
	o.rate = 1e-2;
	o.epochs = 30;
	for (o.kernel = 0; mlp_learn_kernel_at(o.kernel, &k); o.kernel++) {
		struct model *ours = must_learn(&m.d, &o, NULL);
		double loss = loss_of(ours, &m.d), best = loss_of(exact, &m.d);
		if (!(loss < best + 1e-3))
			fail_msg("%s: loss %g, of the optimum %g", k.score->name, loss, best);
		model_free(&ours);
	}
	model_free(&exact);
	made_free(&m);
}

/* A share of the outputs is 0, others at another step; the rest is scaled so that the sum stays. */
static void
dropout(void **state)
{
	enum { N = 1 << 16 };
	struct mlp_learn_kernel k;
	float *h = malloc(N * sizeof(*h)), *first = malloc(N * sizeof(*h));
	(void)state;
	for (size_t kernel = 0; mlp_learn_kernel_at(kernel, &k); kernel++) {
		size_t zeros = 0, differ = 0;
		for (size_t i = 0; i < N; i++)
			h[i] = 2;
		k.drop(h, N, 77, (uint32_t)(.3f * 0x1p31f), 1 / .7f);
		for (size_t i = 0; i < N; i++) {
			zeros += h[i] == 0;
			assert_true(h[i] == 0 || fabsf(h[i] - 2 / .7f) < 1e-6f);
			if (kernel > 0)
				assert_true(h[i] == first[i]);
		}
		memcpy(first, h, N * sizeof(*h));
		assert_true(fabs((double)zeros / N - .3) < .01);
		for (size_t i = 0; i < N; i++)
			h[i] = 2;
		k.drop(h, N, 77 + N, (uint32_t)(.3f * 0x1p31f), 1 / .7f);
		for (size_t i = 0; i < N; i++)
			differ += (h[i] == 0) != (first[i] == 0);
		assert_true(fabs((double)differ / N - 2 * .3 * .7) < .01);
	}
	free(first);
	free(h);
}

struct curve {
	double train[400], valid[400];
	size_t n, total;
};

static void
curve_add(void *ctx, const struct learn_step *s)
{
	struct curve *c = ctx;
	c->train[c->n] = s->train_loss;
	c->valid[c->n++] = s->valid_loss;
	assert_int_equal(s->done, c->n);
	c->total = s->total;
}

/* Few rows, many epochs: it begins to know the rows by heart, is stopped, and gives the best epoch's weights;
 * dropout and l2 keep the training loss from falling as far. */
static void
early_stop(void **state)
{
	struct made train = make(300, .8), valid = make(3000, .8);
	struct learn_mlp o = learn_mlp_defaults();
	struct curve c = { 0 };
	const struct learn_progress p = { curve_add, &c };
	size_t best = 0;
	(void)state;
	for (size_t i = 0; i < 300; i++) /* other rows than those of train */
		valid.y[i] = valid.y[i + 300],
		memcpy(valid.x + i * COLS, valid.x + (i + 300) * COLS, COLS * 8);
	o.epochs = 400;
	o.patience = 7;
	o.valid = &valid.d;
	o.rate = 3e-3;
	struct model *m = must_learn(&train.d, &o, &p);
	for (size_t i = 0; i < c.n; i++)
		best = c.valid[i] < c.valid[best] ? i : best;
	assert_true(c.n < 400 && c.total == 400);
	assert_int_equal(c.n, best + 8);
	assert_true(fabs(loss_of(m, &valid.d) - c.valid[best]) < 1e-4);
	assert_true(c.train[c.n - 1] < c.train[0]);
	model_free(&m);
	/* A part of its own. */
	o.valid = NULL;
	o.validation = .2;
	c.n = 0;
	m = must_learn(&train.d, &o, &p);
	assert_true(c.n < 400 && !isnan(c.valid[0]));
	model_free(&m);
	o.patience = 0;
	o.validation = 0;
	o.epochs = 100;
	double last[3];
	for (int i = 0; i < 3; i++) {
		o.dropout = i == 1 ? .5 : 0;
		o.l2 = i == 2 ? .02 : 0;
		c.n = 0;
		m = must_learn(&train.d, &o, &p);
		assert_true(c.n == 100 && isnan(c.valid[0]));
		last[i] = loss_of(m, &train.d);
		model_free(&m);
	}
	assert_true(last[0] < last[1] && last[0] < last[2]);
	made_free(&train);
	made_free(&valid);
}

static void
pruning(void **state)
{
	struct made train = make(6000, .95), test = make(2000, .95);
	struct learn_mlp o = learn_mlp_defaults();
	size_t zeros[3] = { 0 };
	(void)state;
	o.epochs = 15;
	struct model *full = must_learn(&train.d, &o, NULL);
	o.prune = .7;
	struct model *cut = must_learn(&train.d, &o, NULL);
	o.prune_epochs = 5;
	struct model *tuned = must_learn(&train.d, &o, NULL);
	const struct mlp_state *s = tuned->state;
	for (size_t l = 0; l < 3; l++)
		for (size_t k = 0; k < s->layers[l].inputs; k++)
			for (size_t out = 0; out < s->layers[l].outputs; out++)
				zeros[l] += *mlp_weight(s, l, k, out) == 0;
	assert_int_equal(zeros[0], (size_t)(.7 * COLS * 64));
	assert_int_equal(zeros[1], (size_t)(.7 * 64 * 64));
	assert_int_equal(zeros[2], 0);
	double was = loss_of(full, &test.d), rough = loss_of(cut, &test.d), fine = loss_of(tuned, &test.d);
	if (!(fine < rough && fine < was + .03))
		fail_msg("loss %g, pruned %g, tuned %g", was, rough, fine);
	model_free(&full);
	model_free(&cut);
	model_free(&tuned);
	made_free(&train);
	made_free(&test);
}

/* Columns of any size when they are standardised; missing cells are their column's mean; weights count as
 * rows do; values instead of labels. */
static void
data_of_all_kinds(void **state)
{
	struct made m = make(4000, .95), test = make(1000, .95);
	struct learn_mlp o = learn_mlp_defaults();
	(void)state;
	o.epochs = 12;
	struct model *plain = must_learn(&m.d, &o, NULL);
	double was = loss_of(plain, &test.d);
	for (size_t i = 0; i < 4000; i++)
		m.x[i * COLS] = m.x[i * COLS] * 1000 + 5000;
	for (size_t i = 0; i < 1000; i++)
		test.x[i * COLS] = test.x[i * COLS] * 1000 + 5000;
	o.standardize = true;
	struct model *scaled = must_learn(&m.d, &o, NULL);
	assert_true(loss_of(scaled, &test.d) < was + .05);
	m.x[2] = m.x[COLS * 9 + 2] = NAN;
	struct model *holes = must_learn(&m.d, &o, NULL);
	const struct mlp_state *s = holes->state;
	assert_true(s->missing[2] != 0 && fabsf(s->missing[2]) < .1f && s->missing[0] == 0);
	assert_true(loss_of(holes, &test.d) < was + .05);
	/* Rows of weight 0 might as well say the contrary. */
	m.w = malloc(4000 * sizeof(double));
	for (size_t i = 0; i < 4000; i++) {
		m.w[i] = i % 2 ? 3 : 0;
		m.y[i] = i % 2 ? m.y[i] : 1 - m.y[i];
	}
	m.d.w = m.w;
	o.epochs = 25;
	struct model *weighted = must_learn(&m.d, &o, NULL);
	assert_true(loss_of(weighted, &test.d) < was + .1);
	o.link = MODEL_IDENTITY;
	for (size_t i = 0; i < 4000; i++)
		m.y[i] = 3 * fabs(m.x[i * COLS + 1]) - 1;
	struct model *values = must_learn(&m.d, &o, NULL);
	double out, row[COLS] = { 5000, .5, 0, 0, 0, 0, 0 };
	void *scratch = malloc(model_scratch(values, 1));
	model_apply(values, row, 1, scratch, &out, 1);
	assert_true(fabs(out - .5) < .2);
	free(scratch);
	model_free(&plain);
	model_free(&scaled);
	model_free(&holes);
	model_free(&weighted);
	model_free(&values);
	made_free(&m);
	made_free(&test);
}

static void
mistakes(void **state)
{
	struct made m = make(20, 1);
	struct err e = { 0 };
	(void)state;
#define REFUSED(change, want)                                       \
	do {                                                        \
		struct learn_mlp o = learn_mlp_defaults();          \
		change;                                             \
		assert_null(learn_mlp(&m.d, &names, &o, NULL, &e)); \
		if (!strstr(e.text, want))                          \
			fail_msg("%s: %s", #change, e.text);        \
	} while (0)
	REFUSED(o.nhidden = 16, "hidden layers");
	REFUSED(o.hidden[1] = 0, "units");
	REFUSED(o.hidden[0] = 5000, "units");
	REFUSED(o.rate = NAN, "rate");
	REFUSED(o.l2 = -1, "l2");
	REFUSED(o.dropout = 1, "dropout");
	REFUSED(o.prune = 1, "prune");
	REFUSED(o.batch = 0, "batch");
	REFUSED(o.epochs = 0, "epoch");
	REFUSED(o.validation = .01, "too few");
	REFUSED(o.kernel = 9, "kernel");
	m.x[3] = 1e300;
	REFUSED(o.seed = 1, "row 0, column 3");
	m.x[3] = 0;
	m.y[1] = .5;
	REFUSED(o.seed = 1, "neither 0 nor 1");
	made_free(&m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gradients),
		cmocka_unit_test(adam_steps),
		cmocka_unit_test(learns),
		cmocka_unit_test(dropout),
		cmocka_unit_test(early_stop),
		cmocka_unit_test(pruning),
		cmocka_unit_test(mistakes),
		cmocka_unit_test(no_hidden_layers),
		cmocka_unit_test(data_of_all_kinds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
