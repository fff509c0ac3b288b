/* rows: see rows.h. */
#include "learn/rows.h"

#include <stdint.h>
#include <string.h>

#include "learn/blas.h"

/* Above this many columns h no longer stays in the first cache, and BLAS is the better one. */
#define NARROW 128
#define LANES 4
#define TILE 8 /* columns of h that are summed up in registers at a time: two vectors */

typedef double vec __attribute__((vector_size(LANES * sizeof(double))));

#define INLINE static inline __attribute__((always_inline))

/* Through memory: vectors as parameters of calls would be another ABI with AVX and without. */
INLINE void
vec_load(vec *v, const double *p)
{
	memcpy(v, p, sizeof(*v));
}

INLINE void
vec_add(double *p, const vec *v)
{
	vec sum;
	vec_load(&sum, p);
	sum += *v;
	memcpy(p, &sum, sizeof(sum));
}

INLINE void
dot_body(const double *x, size_t n, size_t cols, const double *b, double *z)
{
	size_t whole = cols / LANES * LANES;
	for (size_t i = 0; i < n; i++, x += cols) {
		vec sum = { b[0], 0, 0, 0 }, v, w;
		for (size_t k = 0; k < whole; k += LANES) {
			vec_load(&v, x + k);
			vec_load(&w, b + 1 + k);
			sum += v * w;
		}
		double rest = 0;
		for (size_t k = whole; k < cols; k++)
			rest += x[k] * b[k + 1];
		z[i] = (sum[0] + sum[1]) + (sum[2] + sum[3]) + rest;
	}
}

INLINE void
add_body(const double *x, size_t n, size_t cols, const double *r, double *g)
{
	size_t whole = cols / LANES * LANES;
	for (size_t k = 0; k < whole; k += LANES) {
		vec even = { 0 }, odd = { 0 }, v, w;
		const double *row = x + k;
		size_t i = 0;
		for (; i + 2 <= n; i += 2, row += 2 * cols) {
			vec_load(&v, row);
			vec_load(&w, row + cols);
			even += v * r[i];
			odd += w * r[i + 1];
		}
		if (i < n) {
			vec_load(&v, row);
			even += v * r[i];
		}
		even += odd;
		vec_add(g + 1 + k, &even);
	}
	for (size_t i = 0; i < n; i++) {
		g[0] += r[i];
		for (size_t k = whole; k < cols; k++)
			g[k + 1] += r[i] * x[i * cols + k];
	}
}

/* Four rows of h by TILE columns, each sum a variable of its own so that it stays in a register. */
INLINE void
tile_body(const double *s, size_t n, size_t width, size_t j, size_t k, double *h)
{
	vec a0 = { 0 }, a1 = { 0 }, b0 = { 0 }, b1 = { 0 }, c0 = { 0 }, c1 = { 0 }, d0 = { 0 }, d1 = { 0 };
	const double *row = s;
	for (size_t i = 0; i < n; i++, row += width) {
		vec v0, v1;
		vec_load(&v0, row + k);
		vec_load(&v1, row + k + LANES);
		a0 += v0 * row[j];
		a1 += v1 * row[j];
		b0 += v0 * row[j + 1];
		b1 += v1 * row[j + 1];
		c0 += v0 * row[j + 2];
		c1 += v1 * row[j + 2];
		d0 += v0 * row[j + 3];
		d1 += v1 * row[j + 3];
	}
	double *out = h + j * width + k;
	vec_add(out, &a0);
	vec_add(out + LANES, &a1);
	vec_add(out + width, &b0);
	vec_add(out + width + LANES, &b1);
	vec_add(out + 2 * width, &c0);
	vec_add(out + 2 * width + LANES, &c1);
	vec_add(out + 3 * width, &d0);
	vec_add(out + 3 * width + LANES, &d1);
}

INLINE void
square_body(const double *s, size_t n, size_t p, double *h)
{
	size_t width = rows_width(p);
	for (size_t j = 0; j < p; j += LANES)
		for (size_t k = 0; k < j + LANES; k += TILE)
			tile_body(s, n, width, j, k, h);
}

INLINE void
scale_body(const double *x, size_t n, size_t cols, const double *root, double *s)
{
	size_t width = rows_width(cols + 1);
	for (size_t i = 0; i < n; i++, x += cols, s += width) {
		s[0] = root[i];
		for (size_t k = 0; k < cols; k++)
			s[k + 1] = root[i] * x[k];
	}
}

#define BODIES(suffix, attributes)                                                                        \
	attributes static void dot_##suffix(const double *x, size_t n, size_t cols, const double *b,      \
					    double *z)                                                    \
	{                                                                                                 \
		dot_body(x, n, cols, b, z);                                                               \
	}                                                                                                 \
	attributes static void add_##suffix(const double *x, size_t n, size_t cols, const double *r,      \
					    double *g)                                                    \
	{                                                                                                 \
		add_body(x, n, cols, r, g);                                                               \
	}                                                                                                 \
	attributes static void square_##suffix(const double *s, size_t n, size_t p, double *h)            \
	{                                                                                                 \
		square_body(s, n, p, h);                                                                  \
	}                                                                                                 \
	attributes static void scale_##suffix(const double *x, size_t n, size_t cols, const double *root, \
					      double *s)                                                  \
	{                                                                                                 \
		scale_body(x, n, cols, root, s);                                                          \
	}

BODIES(any, )
#if defined(__x86_64__)
BODIES(avx2, __attribute__((target("avx2,fma"))))

typedef double vec8 __attribute__((vector_size(TILE * sizeof(double))));

/* Squares are most of the work: with AVX-512 in tiles of eight by eight, each row of them one register. */
__attribute__((target("avx512f"))) static void
square_avx512(const double *s, size_t n, size_t p, double *h)
{
	size_t width = rows_width(p);
	for (size_t j = 0; j < p; j += TILE)
		for (size_t k = 0; k <= j; k += TILE) {
			vec8 a0 = { 0 }, a1 = { 0 }, a2 = { 0 }, a3 = { 0 }, v;
			vec8 a4 = { 0 }, a5 = { 0 }, a6 = { 0 }, a7 = { 0 };
			const double *row = s;
			for (size_t i = 0; i < n; i++, row += width) {
				memcpy(&v, row + k, sizeof(v));
				a0 += v * row[j];
				a1 += v * row[j + 1];
				a2 += v * row[j + 2];
				a3 += v * row[j + 3];
				a4 += v * row[j + 4];
				a5 += v * row[j + 5];
				a6 += v * row[j + 6];
				a7 += v * row[j + 7];
			}
			const vec8 *const sums[TILE] = { &a0, &a1, &a2, &a3, &a4, &a5, &a6, &a7 };
			for (size_t m = 0; m < TILE; m++) {
				double *out = h + (j + m) * width + k;
				memcpy(&v, out, sizeof(v));
				v += *sums[m];
				memcpy(out, &v, sizeof(v));
			}
		}
}
#define DISPATCH(f, ...)                                                                         \
	(__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? f##_avx2(__VA_ARGS__) \
									 : f##_any(__VA_ARGS__))
#else
#define DISPATCH(f, ...) f##_any(__VA_ARGS__)
#endif

void
rows_dot(const double *x, size_t n, size_t cols, const double *b, double *z)
{
	DISPATCH(dot, x, n, cols, b, z);
}

void
rows_add(const double *x, size_t n, size_t cols, const double *r, double *g)
{
	DISPATCH(add, x, n, cols, r, g);
}

size_t
rows_width(size_t p)
{
	return (p + TILE - 1) / TILE * TILE;
}

void
rows_scale(const double *x, size_t n, size_t cols, const double *root, double *s)
{
	DISPATCH(scale, x, n, cols, root, s);
}

void
rows_square(const double *s, size_t n, size_t p, double *h)
{
	int width = (int)rows_width(p);
#if defined(__x86_64__)
	if (p <= NARROW && __builtin_cpu_supports("avx512f")) {
		square_avx512(s, n, p, h);
		return;
	}
#endif
	if (p <= NARROW)
		DISPATCH(square, s, n, p, h);
	else /* the upper triangle by columns is the lower one by rows */
		cblas_dsyrk(CblasColMajor, CblasUpper, CblasNoTrans, (int)p, (int)n, 1.0, s, width, 1.0, h,
			    width);
}
