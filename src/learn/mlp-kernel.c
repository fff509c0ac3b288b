/* mlp-kernel: see mlp-kernel.h. */
#include "learn/mlp-kernel.h"

#include <math.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define LANES 4
#include "score/lanes.h"
#include "learn/mlp-kernel-body.h"

#if defined(__x86_64__)
#undef LANES
#define LANES 8
#include "score/lanes.h"
#include "learn/mlp-kernel-body.h"
#undef LANES
#define LANES 16
#include "score/lanes.h"
#include "learn/mlp-kernel-body.h"
#endif

#define KERNEL(set) back_##set, step_##set, adam_##set, transpose_##set, drop_##set, relu_##set, gate_##set

/* By the names that score/mlp-kernel.c gives: it has asked the processor. */
static struct mlp_learn_kernel
kernel_named(const struct mlp_kernel *score)
{
#if defined(__x86_64__)
	if (strcmp(score->name, "avx512") == 0)
		return (struct mlp_learn_kernel){ score, KERNEL(avx512) };
	if (strcmp(score->name, "avx2") == 0)
		return (struct mlp_learn_kernel){ score, KERNEL(avx2) };
#endif
	return (struct mlp_learn_kernel){ score, KERNEL(any) };
}

bool
mlp_learn_kernel_at(size_t i, struct mlp_learn_kernel *out)
{
	const struct mlp_kernel *score = mlp_kernel_at(i);
	if (score)
		*out = kernel_named(score);
	return score != NULL;
}
