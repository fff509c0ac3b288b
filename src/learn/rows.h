/*
 * rows: products of a block of rows with a vector, and with itself, for narrow matrices (tens of columns),
 * where BLAS spends its time on packing and on the ends of its loops. Written over vectors of four; compiled
 * for what every machine has and for AVX2 with FMA (squares for AVX-512, too), chosen at run time.
 */
#ifndef MT_LEARN_ROWS_H
#define MT_LEARN_ROWS_H

#include <stddef.h>

/* z[i] = b[0] + b[1..]·x[i] */
void rows_dot(const double *x, size_t n, size_t cols, const double *b, double *z);
/* g[0] += Σ r[i], g[1..] += Σ r[i]·x[i] */
void rows_add(const double *x, size_t n, size_t cols, const double *r, double *g);

/* Columns of s and h below: p rounded up, so that vectors do not reach into the next row. */
size_t rows_width(size_t p);
/* s[i] = root[i]·(1, x[i]); s has rows_width(cols + 1) columns, those beyond are left as they are (zero). */
void rows_scale(const double *x, size_t n, size_t cols, const double *root, double *s);
/* h[j][k] += Σ s[i][j]·s[i][k] for k ≤ j < p, and for some k > j, too; h has rows_width(p)² cells. */
void rows_square(const double *s, size_t n, size_t p, double *h);

#endif
