/* mlp-net: one batch forth and back (see mlp-net.h). */
#include "learn/mlp-net.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "learn/blas.h"
#include "learn/random.h"

/*
 * From this many weights on OpenBLAS with the right kernels is the faster one (contrib/PERFORMANCE.md): a
 * layer no longer fits the second cache beside the rest, and blocking pays for packing.
 */
#define BLAS_WEIGHTS ((size_t)640 * 640)

static const float one = 1;

static struct mlp_weights
weights_new(struct arena *a, size_t n)
{
	return (struct mlp_weights){ mlp_floats(a, n), mlp_floats(a, n), mlp_floats(a, n) };
}

static void
layer_draw(struct net_layer *y, bool last, uint64_t *seed)
{
	double bound = 1 / sqrt((double)y->in);
	for (size_t o = 0; o < y->out; o++)
		for (size_t k = 0; k < y->in; k++)
			y->w.w[last ? k : k * y->cols + o] = (float)((random_unit(seed) * 2 - 1) * bound);
	for (size_t o = 0; o < y->out; o++)
		y->b.w[o] = (float)((random_unit(seed) * 2 - 1) * bound);
}

static void
layer_init(struct mlp_net *net, size_t l, const struct learn_mlp *o, uint64_t *seed)
{
	struct net_layer *y = &net->layers[l];
	bool last = l + 1 == net->nlayers;
	y->rows = last ? 1 : l == 0 ? y->in : mlp_pad(y->in);
	y->cols = last ? mlp_pad(y->in) : mlp_pad(y->out);
	y->w = weights_new(net->a, y->rows * y->cols);
	y->b = weights_new(net->a, mlp_pad(y->out));
	if (!last) {
		y->h = mlp_floats(net->a, net->batch * y->cols);
		y->wt = l > 0 ? mlp_floats(net->a, y->rows * y->cols) : NULL;
		y->blas = o->blas || y->in * y->out >= BLAS_WEIGHTS;
	}
	layer_draw(y, last, seed);
}

static void
transposed(struct mlp_net *net)
{
	for (size_t l = 1; l + 1 < net->nlayers; l++) {
		struct net_layer *y = &net->layers[l];
		if (!y->blas)
			net->kernel.transpose(y->w.w, y->rows, y->cols, y->wt);
	}
}

struct mlp_net *
net_new(struct arena *a, size_t cols, const struct learn_mlp *o, const struct mlp_learn_kernel *kernel,
	uint64_t *seed)
{
	struct mlp_net *net = ARENA_NEW(a, struct mlp_net);
	size_t widest = mlp_pad(1), largest = 0, weights = 0;
	net->a = a;
	net->kernel = *kernel;
	net->nlayers = o->nhidden + 1;
	net->batch = o->batch;
	net->rate = o->rate;
	net->dropout = (float)o->dropout;
	net->counter = (uint32_t)random_next(seed);
	net->power1 = net->power2 = 1;
	net->adam = (struct mlp_adam){ .beta1 = .9f, .beta2 = .999f, .epsilon = 1e-8f, .l2 = (float)o->l2 };
	for (size_t l = 0; l < net->nlayers; l++) {
		struct net_layer *y = &net->layers[l];
		y->in = l == 0 ? cols : o->hidden[l - 1];
		y->out = l < o->nhidden ? o->hidden[l] : 1;
		layer_init(net, l, o, seed);
		widest = y->cols > widest ? y->cols : widest;
		largest = y->blas && y->rows * y->cols > largest ? y->rows * y->cols : largest;
		weights += y->rows * y->cols + mlp_pad(y->out);
	}
	for (int i = 0; i < 2; i++)
		net->dh[i] = mlp_floats(a, net->batch * widest);
	net->g = mlp_floats(a, largest);
	net->z = mlp_floats(a, net->batch);
	net->dz = mlp_floats(a, net->batch);
	net->best = mlp_floats(a, weights);
	transposed(net);
	return net;
}

/* ---- forth ---- */

static void
layer_forward(struct mlp_net *net, const struct net_layer *y, const float *x, size_t stride, size_t rows)
{
	if (!y->blas) {
		net->kernel.score->forward(x, stride, rows, y->in, y->w.w, y->b.w, y->cols, y->h);
		return;
	}
	cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)rows, (int)y->cols, (int)y->in, 1, x,
		    (int)stride, y->w.w, (int)y->cols, 0, y->h, (int)y->cols);
	net->kernel.relu(y->h, rows, y->b.w, y->cols);
}

void
net_forward(struct mlp_net *net, const float *x, size_t stride, size_t rows, bool training)
{
	const struct net_layer *last = &net->layers[net->nlayers - 1];
	for (size_t l = 0; l + 1 < net->nlayers; l++) {
		const struct net_layer *y = &net->layers[l];
		layer_forward(net, y, x, stride, rows);
		if (training && net->dropout > 0) {
			net->kernel.drop(y->h, rows * y->cols, net->counter,
					 (uint32_t)(net->dropout * 0x1p31f), 1 / (1 - net->dropout));
			net->counter += (uint32_t)(rows * y->cols);
		}
		x = y->h;
		stride = y->cols;
	}
	net->kernel.score->dot(x, rows, stride, last->w.w, last->b.w[0], net->z);
}

/* ---- back ---- */

static void
layer_back(struct mlp_net *net, const struct net_layer *y, const float *dy, size_t rows,
	   const struct net_layer *below, float *dx)
{
	float scale = 1 / (1 - net->dropout);
	if (!y->blas) {
		net->kernel.back(dy, y->cols, rows, y->out, y->wt, y->rows, below->h, scale, dx);
		return;
	}
	cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)rows, (int)y->rows, (int)y->cols, 1, dy,
		    (int)y->cols, y->w.w, (int)y->cols, 0, dx, (int)y->rows);
	net->kernel.gate(dx, rows * y->rows, below->h, scale);
}

static void
layer_step(struct mlp_net *net, struct net_layer *y, const float *x, size_t stride, const float *dy,
	   size_t rows)
{
	struct mlp_adam plain = net->adam;
	plain.l2 = 0;
	if (y->blas) {
		cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)y->in, (int)y->cols, (int)rows, 1,
			    x, (int)stride, dy, (int)y->cols, 0, net->g, (int)y->cols);
		net->kernel.adam(net->g, y->in * y->cols, &y->w, &net->adam);
	} else {
		net->kernel.step(x, stride, dy, rows, y->in, y->cols, &y->w, &net->adam);
	}
	net->kernel.step(&one, 0, dy, rows, 1, y->cols, &y->b, &plain);
	for (size_t i = 0; y->mask && i < y->rows * y->cols; i++)
		y->w.w[i] *= y->mask[i];
}

/* The last layer has one output: its weights are a row, its gradient a combination of the rows of x. */
static void
last_step(struct mlp_net *net, struct net_layer *y, const float *x, size_t stride, size_t rows)
{
	float sum[MLP_PAD] = { 0 };
	struct mlp_adam plain = net->adam;
	plain.l2 = 0;
	for (size_t i = 0; i < rows; i++)
		sum[0] += net->dz[i];
	net->kernel.step(net->dz, 1, x, rows, 1, stride, &y->w, &net->adam);
	net->kernel.adam(sum, MLP_PAD, &y->b, &plain);
}

static void
adam_next(struct mlp_net *net)
{
	net->power1 *= (double)net->adam.beta1;
	net->power2 *= (double)net->adam.beta2;
	net->adam.rate = (float)(net->rate / (1 - net->power1));
	net->adam.root = (float)(1 / sqrt(1 - net->power2));
}

void
net_step(struct mlp_net *net, const float *x, size_t stride, size_t rows)
{
	size_t l = net->nlayers - 1;
	struct net_layer *y = &net->layers[l];
	const float *dy = net->dh[l % 2];
	adam_next(net);
	if (l == 0) {
		last_step(net, y, x, stride, rows);
		return;
	}
	net->kernel.back(net->dz, 1, rows, 1, y->w.w, y->cols, y[-1].h, 1 / (1 - net->dropout),
			 net->dh[l % 2]);
	last_step(net, y, y[-1].h, y[-1].cols, rows);
	while (l-- > 0) {
		y = &net->layers[l];
		if (l > 0)
			layer_back(net, y, dy, rows, y - 1, net->dh[l % 2]);
		layer_step(net, y, l > 0 ? y[-1].h : x, l > 0 ? y[-1].cols : stride, dy, rows);
		dy = net->dh[l % 2];
	}
	transposed(net);
}

/* ---- weights as a whole ---- */

void
net_keep(struct mlp_net *net)
{
	float *to = net->best;
	for (size_t l = 0; l < net->nlayers; l++) {
		const struct net_layer *y = &net->layers[l];
		size_t n = y->rows * y->cols, pad = mlp_pad(y->out);
		memcpy(to, y->w.w, n * sizeof(*to));
		memcpy(to + n, y->b.w, pad * sizeof(*to));
		to += n + pad;
	}
}

void
net_restore(struct mlp_net *net)
{
	const float *from = net->best;
	for (size_t l = 0; l < net->nlayers; l++) {
		struct net_layer *y = &net->layers[l];
		size_t n = y->rows * y->cols, pad = mlp_pad(y->out);
		memcpy(y->w.w, from, n * sizeof(*from));
		memcpy(y->b.w, from + n, pad * sizeof(*from));
		from += n + pad;
	}
	transposed(net);
}

static int
smaller(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;
	return (x > y) - (x < y);
}

static void
layer_prune(struct mlp_net *net, struct net_layer *y, double share)
{
	size_t n = y->in * y->out, at = 0, drop = (size_t)(share * (double)n);
	float *sizes = arena_alloc(net->a, n * sizeof(*sizes));
	if (drop == 0)
		return;
	for (size_t k = 0; k < y->in; k++)
		for (size_t o = 0; o < y->out; o++)
			sizes[at++] = fabsf(y->w.w[k * y->cols + o]);
	qsort(sizes, n, sizeof(*sizes), smaller);
	float edge = sizes[drop - 1];
	y->mask = mlp_floats(net->a, y->rows * y->cols);
	for (size_t i = 0; i < y->rows * y->cols; i++) {
		y->mask[i] = fabsf(y->w.w[i]) > edge;
		y->w.w[i] *= y->mask[i];
	}
}

void
net_prune(struct mlp_net *net, double share)
{
	for (size_t l = 0; l < net->nlayers; l++) {
		struct net_layer *y = &net->layers[l];
		size_t n = y->rows * y->cols;
		if (l + 1 < net->nlayers)
			layer_prune(net, y, share);
		memset(y->w.m, 0, n * sizeof(float));
		memset(y->w.v, 0, n * sizeof(float));
		memset(y->b.m, 0, mlp_pad(y->out) * sizeof(float));
		memset(y->b.v, 0, mlp_pad(y->out) * sizeof(float));
	}
	net->power1 = net->power2 = 1;
	transposed(net);
}
