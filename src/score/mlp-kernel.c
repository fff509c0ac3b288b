/* mlp-kernel: see mlp-kernel.h. */
#include "score/mlp-kernel.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define LANES 4
#include "score/lanes.h"
#include "score/mlp-kernel-body.h"

#if defined(__x86_64__)
#undef LANES
#define LANES 8
#include "score/lanes.h"
#include "score/mlp-kernel-body.h"
#undef LANES
#define LANES 16
#include "score/lanes.h"
#include "score/mlp-kernel-body.h"
#endif

static const struct mlp_kernel KERNELS[] = {
#if defined(__x86_64__)
	{ "avx512", inputs_avx512, forward_avx512, dot_avx512 },
	{ "avx2", inputs_avx2, forward_avx2, dot_avx2 },
#endif
	{ "any", inputs_any, forward_any, dot_any },
};
#define NKERNELS (sizeof(KERNELS) / sizeof(KERNELS[0]))

static size_t
first(void)
{
#if defined(__x86_64__)
	bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
	if (avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
	    __builtin_cpu_supports("avx512dq"))
		return 0;
	return avx2 ? 1 : 2;
#else
	return 0;
#endif
}

const struct mlp_kernel *
mlp_kernel_at(size_t i)
{
	return first() + i < NKERNELS ? &KERNELS[first() + i] : NULL;
}

const struct mlp_kernel *
mlp_kernel_best(void)
{
	return mlp_kernel_at(0);
}
