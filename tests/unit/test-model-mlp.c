/* test-model-mlp: files of neural networks, ours and PyTorch's, and the scores that come of them. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "score/mlp.h"

static const char *const columns[] = { "c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8", "c9" };

static float
noise(unsigned *seed)
{
	return (float)rand_r(seed) / (float)RAND_MAX * 2 - 1;
}

static struct model *
model_make(size_t cols, const size_t *hidden, size_t nhidden, unsigned seed)
{
	struct err e = { 0 };
	struct model *m = model_new("mlp", "click", columns, cols, MODEL_LOGIT, &e);
	if (!m)
		fail_msg("%s", e.text);
	struct mlp_state *s = mlp_state_new(m, hidden, nhidden);
	for (size_t l = 0; l < s->nlayers; l++) {
		struct mlp_layer *y = &s->layers[l];
		for (size_t o = 0; o < y->outputs; o++) {
			y->bias[o] = noise(&seed);
			for (size_t k = 0; k < y->inputs; k++)
				*mlp_weight(s, l, k, o) = noise(&seed) * .5f;
		}
	}
	return m;
}

/* By the definition, in doubles. */
static double
reference(const struct model *m, const double *row)
{
	const struct mlp_state *s = m->state;
	double in[200], out[200];
	for (size_t k = 0; k < m->ncolumns; k++)
		in[k] = isnan(row[k]) ? (double)s->missing[k] : row[k];
	for (size_t l = 0; l < s->nlayers; l++) {
		for (size_t o = 0; o < s->layers[l].outputs; o++) {
			out[o] = (double)s->layers[l].bias[o];
			for (size_t k = 0; k < s->layers[l].inputs; k++)
				out[o] += in[k] * (double)*mlp_weight(s, l, k, o);
			out[o] = l + 1 < s->nlayers ? fmax(out[o], 0) : out[o];
		}
		memcpy(in, out, s->layers[l].outputs * sizeof(*in));
	}
	return in[0];
}

static const struct {
	size_t cols, n, hidden[3];
} SHAPES[] = { { 1, 0, { 0 } },	    { 10, 0, { 0 } },		{ 3, 1, { 1 } },  { 10, 2, { 64, 64 } },
	       { 7, 2, { 17, 5 } }, { 10, 3, { 33, 130, 48 } }, { 2, 1, { 200 } } };
#define NSHAPES (sizeof(SHAPES) / sizeof(SHAPES[0]))

/* The definition's scores; and each row's alone as among others, to the last bit, whichever kernel computes.
 */
static void
scores(void **state)
{
	enum { ROWS = 150 };
	(void)state;
	for (size_t c = 0; c < NSHAPES; c++) {
		struct model *m = model_make(SHAPES[c].cols, SHAPES[c].hidden, SHAPES[c].n, 7 + (unsigned)c);
		struct mlp_state *s = m->state;
		double *rows = malloc(ROWS * m->ncolumns * sizeof(double)), z[ROWS], alone;
		unsigned seed = 3;
		void *scratch = malloc(model_scratch(m, ROWS)), *one = malloc(model_scratch(m, 1));
		s->missing[0] = .25f;
		for (size_t i = 0; i < ROWS * m->ncolumns; i++)
			rows[i] = i % 11 ? (double)noise(&seed) * 2 : NAN;
		for (size_t kernel = 0; (s->kernel = mlp_kernel_at(kernel)); kernel++) {
			for (size_t n = 1; n <= ROWS; n += n < 9 ? 1 : 47) {
				model_margins(m, rows, n, scratch, z);
				for (size_t i = 0; i < n; i++) {
					const double *row = rows + i * m->ncolumns;
					model_margins(m, row, 1, one, &alone);
					if (memcmp(&alone, &z[i], sizeof(alone)) != 0)
						fail_msg("%s, shape %zu, row %zu of %zu: %.9g, alone %.9g",
							 s->kernel->name, c, i, n, z[i], alone);
					double want = reference(m, row);
					if (!(fabs(z[i] - want) < 1e-5 * (1 + fabs(want))))
						fail_msg("%s, shape %zu, row %zu: %.9g, wanted %.9g",
							 s->kernel->name, c, i, z[i], want);
				}
			}
		}
		free(rows);
		free(scratch);
		free(one);
		model_free(&m);
	}
}

static void
round_trip(void **state)
{
	(void)state;
	for (size_t c = 0; c < NSHAPES; c++) {
		struct model *m = model_make(SHAPES[c].cols, SHAPES[c].hidden, SHAPES[c].n, 1);
		struct buf once = { 0 }, twice = { 0 };
		struct err e = { 0 };
		((struct mlp_state *)m->state)->missing[0] = c % 2 ? 3 : 0;
		model_print(m, &once);
		struct model *back = model_parse(buf_str(&once), &e);
		if (!back)
			fail_msg("%s", e.text);
		model_print(back, &twice);
		assert_true(back->checked && str_eq(buf_str(&once), buf_str(&twice)));
		buf_free(&once);
		buf_free(&twice);
		model_free(&m);
		model_free(&back);
	}
}

/* Huge rows and weights at the limit saturate; what comes out is a number. */
static void
extremes(void **state)
{
	static const size_t hidden[] = { 64, 200, 64 };
	struct model *m = model_make(10, hidden, 3, 4);
	struct mlp_state *s = m->state;
	(void)state;
	for (size_t l = 0; l < s->nlayers; l++)
		for (size_t o = 0; o < s->layers[l].outputs; o++)
			for (size_t k = 0; k < s->layers[l].inputs; k++)
				*mlp_weight(s, l, k, o) = (o + k) % 3 ? MLP_MAX : -MLP_MAX;
	double rows[3][10], p[3];
	for (int k = 0; k < 10; k++) {
		rows[0][k] = k % 2 ? 1e308 : -1e308;
		rows[1][k] = -1e308;
		rows[2][k] = NAN;
	}
	void *scratch = malloc(model_scratch(m, 3));
	for (size_t kernel = 0; (s->kernel = mlp_kernel_at(kernel)); kernel++) {
		model_apply(m, &rows[0][0], 3, scratch, p, 1);
		for (int i = 0; i < 3; i++)
			assert_true(p[i] >= 0 && p[i] <= 1);
	}
	free(scratch);
	model_free(&m);
}

/* A file with these tensors ("name rows columns", one a line; rows 0: a vector) of ones. */
static struct model *
parse_tensors(const char *lines, struct err *e)
{
	struct arena *a = arena_new(4096);
	struct value *meta = value_map_new(a);
	struct safetensor t[40];
	struct buf b = { 0 };
	float ones[4096];
	size_t n = 0;
	for (size_t i = 0; i < 4096; i++)
		ones[i] = 1;
	value_map_set(a, meta, STR("mailtailor"), value_string(a, STR("1")));
	value_map_set(a, meta, STR("kind"), value_string(a, STR("mlp")));
	value_map_set(a, meta, STR("score"), value_string(a, STR("s")));
	value_map_set(a, meta, STR("format"), value_string(a, STR("pt")));
	value_map_set(a, meta, STR("columns"), value_string(a, STR("[\"a\",\"b\"]")));
	while (*lines) {
		char name[64];
		size_t rows, cols;
		int used = 0;
		assert_int_equal(sscanf(lines, "%63s %zu %zu;%n", name, &rows, &cols, &used), 3);
		lines += used;
		t[n] = (struct safetensor){ .name = arena_str(a, str_of(name)),
					    .type = SAFETENSORS_F32,
					    .ndim = rows ? 2 : 1,
					    .shape = { rows ? rows : cols, cols },
					    .n = rows ? rows * cols : cols,
					    .data = ones };
		n++;
	}
	safetensors_print(&b, t, n, meta);
	struct model *m = model_parse(buf_str(&b), e);
	buf_free(&b);
	arena_free(&a);
	return m;
}

static void
names(void **state)
{
	static const struct {
		const char *tensors, *want; /* NULL: it loads */
		double z;		    /* of (1, 1) */
	} cases[] = {
		{ "0.weight 3 2;0.bias 0 3;2.weight 1 3;2.bias 0 1;", NULL, 10 },
		{ "10.bias 0 1;10.weight 1 3;9.bias 0 3;9.weight 3 2;", NULL, 10 },
		{ "layers.0.weight 3 2;layers.0.bias 0 3;layers.1.weight 1 3;layers.1.bias 0 1;", NULL, 10 },
		{ "net.seq.4.weight 1 2;net.seq.4.bias 0 1;missing 0 2;", NULL, 3 },
		{ "missing 0 2;", "no layers", 0 },
		{ "0.weight 3 2;0.bias 0 3;2.weight 1 3;", "layer 2 has no bias", 0 },
		{ "0.bias 0 3;", "layer 0 has no weight", 0 },
		{ "0.weight 3 2;0.bias 0 3;", "one output", 0 },
		{ "0.weight 1 3;0.bias 0 1;", "must have 2 columns", 0 },
		{ "0.weight 3 2;0.bias 0 3;2.weight 1 4;2.bias 0 1;", "must have 3 columns", 0 },
		{ "0.weight 3 2;0.bias 0 2;2.weight 1 3;2.bias 0 1;", "must have 3 elements", 0 },
		{ "0.weight 0 2;0.bias 0 1;", "must have 2 columns", 0 },
		{ "0.weight 1 2;0.bias 1 1;", "must have 1 elements", 0 },
		{ "0.weight 3 2;0.bias 0 3;a.2.weight 1 3;a.2.bias 0 1;", "different names", 0 },
		{ "0.weight 1 2;0.bias 0 1;1.running_mean 0 2;", "1.running_mean\" is no layer", 0 },
		{ "0.weight 1 2;0.bias 0 1;00.weight 1 2;", "two tensors", 0 },
		{ "fc1.weight 1 2;fc1.bias 0 1;", "is no layer", 0 },
		{ ".weight 1 2;", "is no layer", 0 },
		{ "9999999.weight 1 2;9999999.bias 0 1;", "is no layer", 0 },
		{ "0.weight 1 2;0.bias 0 1;missing 0 3;", "missing", 0 },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err e = { 0 };
		struct model *m = parse_tensors(cases[i].tensors, &e);
		if (!m != !!cases[i].want || (cases[i].want && !strstr(e.text, cases[i].want)))
			fail_msg("%s: %s", cases[i].tensors, m ? "loads" : e.text);
		if (m) {
			double z, row[2] = { 1, 1 };
			void *scratch = malloc(model_scratch(m, 1));
			model_margins(m, row, 1, scratch, &z);
			assert_true(z == cases[i].z);
			free(scratch);
		}
		model_free(&m);
	}
	/* More layers than there may be. */
	struct buf b = { 0 };
	struct err e = { 0 };
	for (int l = 0; l <= MLP_MAX_LAYERS; l++)
		buf_printf(&b, "%d.weight 2 2;%d.bias 0 2;", l, l);
	buf_addc(&b, '\0');
	assert_null(parse_tensors(b.p, &e));
	assert_non_null(strstr(e.text, "more than 16 layers"));
	buf_free(&b);
}

/* A weight that is no number or beyond the limit. */
static void
wild_weights(void **state)
{
	static const size_t hidden[] = { 4 };
	static const float wild[] = { NAN, INFINITY, -INFINITY, 1.1e15f, -1e30f };
	(void)state;
	for (size_t i = 0; i < sizeof(wild) / sizeof(wild[0]); i++) {
		for (int where = 0; where < 3; where++) {
			struct model *m = model_make(3, hidden, 1, 1);
			struct mlp_state *s = m->state;
			struct buf b = { 0 };
			struct err e = { 0 };
			*(where == 0   ? mlp_weight(s, 0, 2, 3)
			  : where == 1 ? &s->layers[1].bias[0]
				       : &s->missing[1]) = wild[i];
			model_print(m, &b);
			assert_null(model_parse(buf_str(&b), &e));
			buf_free(&b);
			model_free(&m);
		}
	}
}

/* What a column counts on all ways to the output. */
static void
importance(void **state)
{
	static const size_t hidden[] = { 2 };
	struct model *m = model_make(2, hidden, 1, 1);
	struct mlp_state *s = m->state;
	double out[2];
	(void)state;
	*mlp_weight(s, 0, 0, 0) = 2;
	*mlp_weight(s, 0, 0, 1) = -1;
	*mlp_weight(s, 0, 1, 0) = 0;
	*mlp_weight(s, 0, 1, 1) = .5f;
	*mlp_weight(s, 1, 0, 0) = 3;
	*mlp_weight(s, 1, 1, 0) = -4;
	m->kind->importance(m, out);
	assert_true(out[0] == 10 && out[1] == 2);
	model_free(&m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scores), cmocka_unit_test(round_trip),	  cmocka_unit_test(extremes),
		cmocka_unit_test(names),  cmocka_unit_test(wild_weights), cmocka_unit_test(importance),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
