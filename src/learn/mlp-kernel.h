/*
 * mlp-kernel: training's part of the kernels of neural networks (score/mlp-kernel.h has the rest and says
 * what they share). Gradient and update are one: a tile of the gradient is summed over the batch in
 * registers, goes into Adam there, and is never stored.
 *
 * Threads: safe.
 */
#ifndef MT_LEARN_MLP_KERNEL_H
#define MT_LEARN_MLP_KERNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "score/mlp-kernel.h"

/* Adam (Kingma, Ba 2015, algorithm 1) at one step t. */
struct mlp_adam {
	float rate;	    /* of the step: alpha / (1 - beta1^t) */
	float root;	    /* 1 / sqrt(1 - beta2^t) */
	float beta1, beta2; /* of the moments */
	float epsilon;
	float l2; /* l2 · w is added to the gradient */
};

/* Numbers that are learned, and Adam's moments of them. */
struct mlp_weights {
	float *w, *m, *v;
};

struct mlp_learn_kernel {
	const struct mlp_kernel *score; /* for the same instruction set */
	/*
	 * dx[i][k] = scale · Σ dy[i][o] · wt[o][k] where h[i][k] > 0, else 0, for rows i, o < out, k < in; dy
	 * has stride columns; wt, h and dx have in, which is padded.
	 */
	void (*back)(const float *dy, size_t stride, size_t rows, size_t out, const float *wt, size_t in,
		     const float *h, float scale, float *dx);
	/* One step for w[k][o], whose gradient is Σ x[i][k] · dy[i][o] over the rows; k < in, o < out, which
	 * is padded. x has xstride columns (0: all rows are the same), dy has out. */
	void (*step)(const float *x, size_t xstride, const float *dy, size_t rows, size_t in, size_t out,
		     const struct mlp_weights *w, const struct mlp_adam *adam);
	/* The same with the gradient g given; n is padded. */
	void (*adam)(const float *g, size_t n, const struct mlp_weights *w, const struct mlp_adam *adam);
	/* wt[o][k] = w[k][o]; both padded. */
	void (*transpose)(const float *w, size_t in, size_t out, float *wt);
	/* Dropout: each of h[0..n) becomes 0 with a chance of drop / 2^31, else scale times itself; by a hash
	 * of counter and place. n is padded. */
	void (*drop)(float *h, size_t n, uint32_t counter, uint32_t drop, float scale);
	/* y = min(relu(y + bias)), dx = scale · dx where h > 0: what BLAS leaves to do. Padded columns. */
	void (*relu)(float *y, size_t rows, const float *bias, size_t out);
	void (*gate)(float *dx, size_t n, const float *h, float scale);
};

/* Those that this processor can run, best first; false behind the last. */
bool mlp_learn_kernel_at(size_t i, struct mlp_learn_kernel *out);

#endif
