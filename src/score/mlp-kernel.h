/*
 * mlp-kernel: the products that neural networks of small layers are made of, in float32. BLAS spends its time
 * on packing and dispatch when a layer is 24 × 64 and a batch has 64 rows, and its results hang on the size
 * of the batch in the last bits. These do not: a row's result comes of that row and the weights alone.
 *
 * The same kernels exist for AVX-512, for AVX2 with FMA and for any machine; the processor is asked at run
 * time. Their results differ from each other in the last bits (FMA rounds once where others round twice).
 *
 * Widths are padded to MLP_PAD floats with weights 0, so what stands in the padding of results is 0, too.
 *
 * Threads: safe.
 */
#ifndef MT_SCORE_MLP_KERNEL_H
#define MT_SCORE_MLP_KERNEL_H

#include <stddef.h>

#define MLP_PAD 16
/*
 * Outputs of hidden layers and inputs are cut to this, weights beyond it are refused: 4,096 products of two
 * such numbers are still finite in float32.
 */
#define MLP_MAX 1e15f

static inline size_t
mlp_pad(size_t n)
{
	return (n + MLP_PAD - 1) / MLP_PAD * MLP_PAD;
}

struct mlp_kernel {
	const char *name;
	/* x[i][k] = rows[i][k], cut to -MLP_MAX … MLP_MAX, or missing[k] where it is NAN; k < cols; x has
	 * stride columns, those beyond cols become 0. */
	void (*inputs)(const double *rows, size_t n, size_t cols, const float *missing, float *x,
		       size_t stride);
	/*
	 * y[i][o] = relu(bias[o] + Σ x[i][k] · w[k][o]) for rows i, k < in, o < out; x has xstride columns,
	 * w and y have out, which is padded. y is aligned to 4 bytes at least, as everything.
	 */
	void (*forward)(const float *x, size_t xstride, size_t rows, size_t in, const float *w,
			const float *bias, size_t out, float *y);
	/* z[i] = bias + Σ x[i][k] · w[k], k < in, which is padded: x has in columns. */
	void (*dot)(const float *x, size_t rows, size_t in, const float *w, float bias, float *z);
};

/* The best one for this processor. */
const struct mlp_kernel *mlp_kernel_best(void);
/* All that this processor can run, best first; NULL behind the last: for tests and benchmarks. */
const struct mlp_kernel *mlp_kernel_at(size_t i);

#endif
