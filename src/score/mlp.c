/* mlp: files of neural networks, and applying them (see mlp.h). */
#include "score/mlp.h"

#include <math.h>
#include <string.h>

/* Rows that go through all layers at a time, so that what is between layers stays in the first cache. */
#define BLOCK 64
#define ALIGN ((size_t)64)

/* ---- state ---- */

float *
mlp_floats(struct arena *a, size_t n)
{
	uintptr_t p = (uintptr_t)arena_zalloc(a, n * sizeof(float) + ALIGN);
	return (float *)((p + ALIGN - 1) / ALIGN * ALIGN);
}

struct mlp_state *
mlp_state_new(struct model *m, const size_t *hidden, size_t nhidden)
{
	struct mlp_state *s = ARENA_NEW(m->arena, struct mlp_state);
	s->kernel = mlp_kernel_best();
	s->nlayers = nhidden + 1;
	s->missing = mlp_floats(m->arena, m->ncolumns);
	for (size_t l = 0; l < s->nlayers; l++) {
		struct mlp_layer *y = &s->layers[l];
		bool last = l == nhidden;
		y->inputs = l == 0 ? m->ncolumns : hidden[l - 1];
		y->outputs = last ? 1 : hidden[l];
		size_t width = mlp_pad(y->outputs);
		y->bias = mlp_floats(m->arena, width);
		y->weights = mlp_floats(m->arena, last ? mlp_pad(y->inputs) : y->inputs * width);
		if (!last && width > s->widest)
			s->widest = width;
	}
	m->state = s;
	return s;
}

float *
mlp_weight(const struct mlp_state *s, size_t l, size_t k, size_t o)
{
	const struct mlp_layer *y = &s->layers[l];
	return y->weights + (l + 1 == s->nlayers ? k : k * mlp_pad(y->outputs) + o);
}

/* ---- files ---- */

/* "PREFIX" + number + ".weight" */
struct layer_name {
	struct str prefix;
	unsigned number;
	const struct safetensor *weight, *bias;
};

static bool
name_read(struct str name, struct str suffix, struct str *prefix, unsigned *number)
{
	if (name.n <= suffix.n || !str_eq(str_sub(name, name.n - suffix.n, name.n), suffix))
		return false;
	size_t end = name.n - suffix.n, start = end;
	while (start > 0 && ascii_isdigit(name.p[start - 1]))
		start--;
	if (start == end || end - start > 6 || (start > 0 && name.p[start - 1] != '.'))
		return false;
	*number = 0;
	for (size_t i = start; i < end; i++)
		*number = *number * 10 + (unsigned)(name.p[i] - '0');
	*prefix = str_sub(name, 0, start);
	return true;
}

/* The layer of this prefix and number in its place; NULL with e. */
static struct layer_name *
name_put(struct layer_name *names, size_t *n, struct str prefix, unsigned number, struct err *e)
{
	size_t i = 0;
	while (i < *n && names[i].number < number)
		i++;
	if (*n > 0 && !str_eq(names[0].prefix, prefix)) {
		err_set(e, ERR_INPUT, "layers have different names: \"%.*s%u\" and \"%.*s%u\"",
			STR_ARG(str_cut(names[0].prefix, 64)), names[0].number, STR_ARG(str_cut(prefix, 64)),
			number);
		return NULL;
	}
	if (i < *n && names[i].number == number)
		return &names[i];
	if (*n == MLP_MAX_LAYERS) {
		err_set(e, ERR_LIMIT, "there are more than %d layers", MLP_MAX_LAYERS);
		return NULL;
	}
	memmove(names + i + 1, names + i, (*n - i) * sizeof(*names));
	names[i] = (struct layer_name){ prefix, number, NULL, NULL };
	++*n;
	return &names[i];
}

/* A tensor that nobody reads could be a layer that the scores lack. */
static int
names_read(const struct safetensors *st, struct layer_name *names, size_t *n, struct err *e)
{
	*n = 0;
	for (size_t i = 0; i < st->n; i++) {
		const struct safetensor *t = &st->tensors[i];
		struct str prefix;
		unsigned number;
		bool weight = name_read(t->name, STR(".weight"), &prefix, &number);
		if (!weight && !name_read(t->name, STR(".bias"), &prefix, &number)) {
			if (str_eq(t->name, STR("missing")) || str_starts(t->name, STR("calibration.")))
				continue;
			return err_set(e, ERR_INPUT,
				       "tensor \"%.*s\" is no layer: their names are N.weight and N.bias",
				       STR_ARG(str_cut(t->name, 64)));
		}
		struct layer_name *y = name_put(names, n, prefix, number, e);
		if (!y)
			return -1;
		if (weight ? y->weight : y->bias)
			return err_set(e, ERR_INPUT, "layer %u has two tensors of the same kind", number);
		*(weight ? &y->weight : &y->bias) = t;
	}
	return *n > 0 ? 0 : err_set(e, ERR_INPUT, "it has no layers: tensors 0.weight, 0.bias, …");
}

/* Shapes that follow from each other: columns → … → 1. */
static int
shapes_check(const struct model *m, const struct layer_name *names, size_t n, size_t *hidden, struct err *e)
{
	size_t inputs = m->ncolumns;
	for (size_t l = 0; l < n; l++) {
		const struct safetensor *w = names[l].weight, *b = names[l].bias;
		if (!w || !b)
			return err_set(e, ERR_INPUT, "layer %u has no %s", names[l].number,
				       w ? "bias" : "weight");
		if (w->ndim != 2 || w->shape[1] != inputs)
			return err_set(e, ERR_INPUT, "layer %u: the weights must have %zu columns",
				       names[l].number, inputs);
		if (w->shape[0] == 0 || w->shape[0] > MLP_MAX_WIDTH)
			return err_set(e, ERR_LIMIT, "layer %u must have 1 to %d outputs", names[l].number,
				       MLP_MAX_WIDTH);
		if (b->ndim != 1 || b->shape[0] != w->shape[0])
			return err_set(e, ERR_INPUT, "layer %u: the bias must have %zu elements",
				       names[l].number, w->shape[0]);
		hidden[l] = inputs = w->shape[0];
	}
	return inputs == 1 ? 0 : err_set(e, ERR_INPUT, "the last layer must have one output");
}

static int
range_check(const float *v, size_t n, const struct safetensor *t, struct err *e)
{
	for (size_t i = 0; i < n; i++)
		if (!(fabsf(v[i]) <= MLP_MAX))
			return err_set(e, ERR_INPUT, "tensor \"%.*s\": element %zu is out of range",
				       STR_ARG(str_cut(t->name, 64)), i);
	return 0;
}

static int
vector_read(const struct safetensor *t, float *out, struct err *e)
{
	return safetensors_floats(t, out, e) != 0 ? -1 : range_check(out, t->n, t, e);
}

static int
layer_read(const struct mlp_state *s, size_t l, const struct layer_name *name, struct arena *a, struct err *e)
{
	const struct mlp_layer *y = &s->layers[l];
	float *flat = ARENA_ARRAY(a, float, name->weight->n);
	if (vector_read(name->weight, flat, e) != 0 || vector_read(name->bias, y->bias, e) != 0)
		return -1;
	for (size_t o = 0; o < y->outputs; o++)
		for (size_t k = 0; k < y->inputs; k++)
			*mlp_weight(s, l, k, o) = flat[o * y->inputs + k];
	return 0;
}

static int
mlp_parse(struct model *m, const struct safetensors *st, struct err *e)
{
	struct layer_name names[MLP_MAX_LAYERS];
	size_t n, hidden[MLP_MAX_LAYERS], columns = m->ncolumns;
	int rc = 0;
	if (names_read(st, names, &n, e) != 0 || shapes_check(m, names, n, hidden, e) != 0)
		return -1;
	struct mlp_state *s = mlp_state_new(m, hidden, n - 1);
	struct arena *a = arena_new(65536);
	for (size_t l = 0; l < n && rc == 0; l++)
		rc = layer_read(s, l, &names[l], a, e);
	arena_free(&a);
	if (rc != 0 || !safetensors_find(st, "missing"))
		return rc;
	const struct safetensor *t = safetensors_need(st, "missing", 1, &columns, e);
	return t ? vector_read(t, s->missing, e) : -1;
}

static void
tensor_put(struct safetensor *t, struct str name, const float *data, size_t rows, size_t columns)
{
	*t = (struct safetensor){ .name = name, .type = SAFETENSORS_F32, .data = data };
	t->ndim = rows > 0 ? 2 : 1;
	t->shape[0] = rows > 0 ? rows : columns;
	t->shape[1] = rows > 0 ? columns : 0;
	t->n = rows > 0 ? rows * columns : columns;
}

static size_t
mlp_tensors(const struct model *m, struct arena *a, struct safetensor **out)
{
	const struct mlp_state *s = m->state;
	struct safetensor *all = ARENA_ARRAY(a, struct safetensor, 2 * s->nlayers + 1);
	size_t n = 0;
	bool missing = false;
	for (size_t l = 0; l < s->nlayers; l++) {
		const struct mlp_layer *y = &s->layers[l];
		float *flat = ARENA_ARRAY(a, float, y->inputs * y->outputs);
		for (size_t o = 0; o < y->outputs; o++)
			for (size_t k = 0; k < y->inputs; k++)
				flat[o * y->inputs + k] = *mlp_weight(s, l, k, o);
		tensor_put(&all[n++], arena_printf(a, "%zu.weight", 2 * l), flat, y->outputs, y->inputs);
		tensor_put(&all[n++], arena_printf(a, "%zu.bias", 2 * l), y->bias, 0, y->outputs);
	}
	for (size_t k = 0; k < m->ncolumns; k++)
		missing |= s->missing[k] != 0;
	if (missing)
		tensor_put(&all[n++], STR("missing"), s->missing, 0, m->ncolumns);
	*out = all;
	return n;
}

/* ---- scores ---- */

static size_t
block_rows(size_t nrows)
{
	return nrows < BLOCK ? nrows : BLOCK;
}

/* The inputs as floats, and what stands between two layers, twice. */
static size_t
mlp_scratch(const struct model *m, size_t nrows)
{
	const struct mlp_state *s = m->state;
	return block_rows(nrows) * (mlp_pad(m->ncolumns) + 2 * s->widest) * sizeof(float) +
	       BLOCK * sizeof(float);
}

static void
mlp_apply(const struct model *m, const double *rows, size_t nrows, void *scratch, double *z)
{
	const struct mlp_state *s = m->state;
	size_t stride = mlp_pad(m->ncolumns), most = block_rows(nrows), last = s->nlayers - 1;
	float *out = scratch, *x = out + BLOCK, *between[2] = { x + most * stride, NULL };
	between[1] = between[0] + most * s->widest;
	for (size_t at = 0; at < nrows; at += BLOCK) {
		size_t n = nrows - at < BLOCK ? nrows - at : BLOCK;
		const float *in = x;
		size_t in_stride = stride;
		s->kernel->inputs(rows + at * m->ncolumns, n, m->ncolumns, s->missing, x, stride);
		for (size_t l = 0; l < last; l++) {
			const struct mlp_layer *y = &s->layers[l];
			size_t width = mlp_pad(y->outputs);
			s->kernel->forward(in, in_stride, n, y->inputs, y->weights, y->bias, width,
					   between[l % 2]);
			in = between[l % 2];
			in_stride = width;
		}
		s->kernel->dot(in, n, in_stride, s->layers[last].weights, s->layers[last].bias[0], out);
		for (size_t i = 0; i < n; i++)
			z[at + i] = (double)out[i];
	}
}

/*
 * How much the margin moves with a column when all units are on: the product of the sizes of the weights on
 * all ways from the column to the output (Olden, Jackson 2002, without signs).
 */
static void
mlp_importance(const struct model *m, double *out)
{
	const struct mlp_state *s = m->state;
	struct arena *a = arena_new(65536);
	double *next = ARENA_ARRAY(a, double, 1);
	next[0] = 1;
	for (size_t l = s->nlayers; l-- > 0;) {
		const struct mlp_layer *y = &s->layers[l];
		double *own = ARENA_ARRAY(a, double, y->inputs);
		for (size_t k = 0; k < y->inputs; k++)
			for (size_t o = 0; o < y->outputs; o++)
				own[k] += fabs((double)*mlp_weight(s, l, k, o)) * next[o];
		next = own;
	}
	memcpy(out, next, m->ncolumns * sizeof(*out));
	arena_free(&a);
}

const struct model_kind model_mlp = {
	.name = "mlp",
	.parse = mlp_parse,
	.scratch = mlp_scratch,
	.apply = mlp_apply,
	.tensors = mlp_tensors,
	.importance = mlp_importance,
};
