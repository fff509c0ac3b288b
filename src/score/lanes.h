/*
 * lanes: vectors of floats for kernels that exist once for each instruction set. Not guarded: a kernel's
 * source defines LANES (16: AVX-512, 8: AVX2 with FMA, 4: what every machine of the architecture has) and
 * includes it, then the file that holds the kernels, for each in turn. Everything is static and FN(name) is
 * another name each time. Functions are compiled for their instruction set by attributes, never by the
 * flags of the build; whoever calls them has asked the processor.
 */
#undef VEC
#undef VEC_ANY
#undef MASK
#undef FN
#undef FAST
#undef INLINE
#undef TILE_COLS
#undef ROW_COLS
#undef vec_fma
#undef vec_max
#undef vec_min
#undef vec_sqrt
#undef vec_set

#define LANES_JOIN2(a, b) a##_##b
#define LANES_JOIN(a, b) LANES_JOIN2(a, b)

/*
 * VEC_ANY lies anywhere in memory. A product's tile: how many vectors wide it is with four rows, and with
 * one, which needs more of them to keep the multipliers busy.
 */
#if LANES == 16
typedef float vec16 __attribute__((vector_size(64)));
typedef float vec16_any __attribute__((vector_size(64), aligned(4), may_alias));
typedef int mask16 __attribute__((vector_size(64)));
#define VEC vec16
#define VEC_ANY vec16_any
#define MASK mask16
#define FN(name) LANES_JOIN(name, avx512)
#define FAST __attribute__((target("avx512f,avx512vl,avx512dq,avx2,fma")))
#define TILE_COLS 4
#define ROW_COLS 4
#define vec_fma(a, b, c) ((VEC)_mm512_fmadd_ps((__m512)(a), (__m512)(b), (__m512)(c)))
#define vec_max(a, b) ((VEC)_mm512_max_ps((__m512)(a), (__m512)(b)))
#define vec_min(a, b) ((VEC)_mm512_min_ps((__m512)(a), (__m512)(b)))
#define vec_sqrt(a) ((VEC)_mm512_sqrt_ps((__m512)(a)))
#define vec_set(x) ((VEC)_mm512_set1_ps(x))
#elif LANES == 8
typedef float vec8 __attribute__((vector_size(32)));
typedef float vec8_any __attribute__((vector_size(32), aligned(4), may_alias));
typedef int mask8 __attribute__((vector_size(32)));
#define VEC vec8
#define VEC_ANY vec8_any
#define MASK mask8
#define FN(name) LANES_JOIN(name, avx2)
#define FAST __attribute__((target("avx2,fma")))
#define TILE_COLS 2
#define ROW_COLS 8
#define vec_fma(a, b, c) ((VEC)_mm256_fmadd_ps((__m256)(a), (__m256)(b), (__m256)(c)))
#define vec_max(a, b) ((VEC)_mm256_max_ps((__m256)(a), (__m256)(b)))
#define vec_min(a, b) ((VEC)_mm256_min_ps((__m256)(a), (__m256)(b)))
#define vec_sqrt(a) ((VEC)_mm256_sqrt_ps((__m256)(a)))
#define vec_set(x) ((VEC)_mm256_set1_ps(x))
#else
typedef float vec4 __attribute__((vector_size(16)));
typedef float vec4_any __attribute__((vector_size(16), aligned(4), may_alias));
typedef int mask4 __attribute__((vector_size(16)));
#define VEC vec4
#define VEC_ANY vec4_any
#define MASK mask4
#define FN(name) LANES_JOIN(name, any)
#define FAST
#define TILE_COLS 2
#define ROW_COLS 8
#define vec_fma(a, b, c) ((a) * (b) + (c))
#define vec_max(a, b) FN(select)((a) > (b), (a), (b))
#define vec_min(a, b) FN(select)((a) < (b), (a), (b))
#define vec_sqrt(a) ((VEC){ sqrtf((a)[0]), sqrtf((a)[1]), sqrtf((a)[2]), sqrtf((a)[3]) })
#define vec_set(x) ((VEC){ x, x, x, x })
#endif

#define TILE_ROWS 4
#define INLINE FAST static inline __attribute__((always_inline, unused))
/* Loops over the registers of a tile must not remain loops, or the tile would live in memory. */
#ifdef __clang__
#define UNROLL _Pragma("unroll")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

INLINE VEC
FN(load)(const float *p)
{
	return *(const VEC_ANY *)p;
}

INLINE void
FN(store)(float *p, VEC v)
{
	*(VEC_ANY *)p = v;
}

/* a where the mask is all ones, b where it is 0. */
INLINE VEC
FN(select)(MASK m, VEC a, VEC b)
{
	return (VEC)((m & (MASK)a) | (~m & (MASK)b));
}

/*
 * acc[r][c] += Σ a[r·ar + k·ak] · b[k·bk + c·LANES …] over k < n: a tile of a product of matrices. Each
 * element is a chain of its own over k, one after the other, so it has the same bits in a tile of any size.
 */
INLINE void
FN(tile)(VEC *acc, const float *a, size_t ar, size_t ak, size_t n, const float *b, size_t bk, const int rows,
	 const int cols)
{
	for (size_t k = 0; k < n; k++, a += ak, b += bk) {
		VEC row[8];
		UNROLL
		for (int c = 0; c < cols; c++)
			row[c] = FN(load)(b + c * LANES);
		UNROLL
		for (int r = 0; r < rows; r++) {
			VEC x = vec_set(a[(size_t)r * ar]);
			UNROLL
			for (int c = 0; c < cols; c++)
				acc[r * cols + c] = vec_fma(x, row[c], acc[r * cols + c]);
		}
	}
}
