/* mlp-kernel-body: the kernels of mlp-kernel.h for one instruction set (see score/lanes.h). */

/* ---- back through a layer ---- */

INLINE void
FN(back_tile)(const float *dy, size_t stride, size_t out, const float *wt, size_t in, const float *h,
	      float scale, float *dx, const int rows, const int cols)
{
	VEC acc[TILE_ROWS * TILE_COLS];
	UNROLL
	for (int i = 0; i < rows * cols; i++)
		acc[i] = vec_set(0);
	FN(tile)(acc, dy, stride, 1, out, wt, in, rows, cols);
	UNROLL
	for (int r = 0; r < rows; r++) {
		UNROLL
		for (int c = 0; c < cols; c++) {
			size_t at = (size_t)r * in + c * LANES;
			MASK on = FN(load)(h + at) > vec_set(0);
			FN(store)(dx + at, (VEC)(on & (MASK)(acc[r * cols + c] * scale)));
		}
	}
}

INLINE void
FN(back_rows)(const float *dy, size_t stride, size_t out, const float *wt, size_t in, const float *h,
	      float scale, float *dx, const int rows)
{
	size_t c = 0;
	for (; c + TILE_COLS * LANES <= in; c += TILE_COLS * LANES)
		FN(back_tile)(dy, stride, out, wt + c, in, h + c, scale, dx + c, rows, TILE_COLS);
	for (; c < in; c += LANES)
		FN(back_tile)(dy, stride, out, wt + c, in, h + c, scale, dx + c, rows, 1);
}

FAST static void
FN(back)(const float *dy, size_t stride, size_t rows, size_t out, const float *wt, size_t in, const float *h,
	 float scale, float *dx)
{
	size_t i = 0;
	for (; i + TILE_ROWS <= rows; i += TILE_ROWS) {
		FN(back_rows)(dy, stride, out, wt, in, h, scale, dx, TILE_ROWS);
		dy += TILE_ROWS * stride;
		h += TILE_ROWS * in;
		dx += TILE_ROWS * in;
	}
	for (; i < rows; i++, dy += stride, h += in, dx += in)
		FN(back_rows)(dy, stride, out, wt, in, h, scale, dx, 1);
}

/* ---- gradient and step ---- */

INLINE void
FN(update)(VEC g, size_t at, const struct mlp_weights *p, const struct mlp_adam *a)
{
	VEC w = FN(load)(p->w + at), m = FN(load)(p->m + at), v = FN(load)(p->v + at);
	g = vec_fma(vec_set(a->l2), w, g);
	m = vec_fma(vec_set(1 - a->beta1), g - m, m);
	v = vec_fma(vec_set(1 - a->beta2), g * g - v, v);
	VEC size = vec_fma(vec_sqrt(v), vec_set(a->root), vec_set(a->epsilon));
	FN(store)(p->m + at, m);
	FN(store)(p->v + at, v);
	FN(store)(p->w + at, w - vec_set(a->rate) * m / size);
}

INLINE void
FN(step_tile)(const float *x, size_t xstride, const float *dy, size_t rows, size_t out, size_t at,
	      const struct mlp_weights *w, const struct mlp_adam *adam, const int ins, const int cols)
{
	VEC acc[TILE_ROWS * TILE_COLS];
	UNROLL
	for (int i = 0; i < ins * cols; i++)
		acc[i] = vec_set(0);
	FN(tile)(acc, x, 1, xstride, rows, dy, out, ins, cols);
	UNROLL
	for (int k = 0; k < ins; k++) {
		UNROLL
		for (int c = 0; c < cols; c++)
			FN(update)(acc[k * cols + c], at + (size_t)k * out + c * LANES, w, adam);
	}
}

INLINE void
FN(step_rows)(const float *x, size_t xstride, const float *dy, size_t rows, size_t out, size_t at,
	      const struct mlp_weights *w, const struct mlp_adam *adam, const int ins)
{
	size_t c = 0;
	for (; c + TILE_COLS * LANES <= out; c += TILE_COLS * LANES)
		FN(step_tile)(x, xstride, dy + c, rows, out, at + c, w, adam, ins, TILE_COLS);
	for (; c < out; c += LANES)
		FN(step_tile)(x, xstride, dy + c, rows, out, at + c, w, adam, ins, 1);
}

FAST static void
FN(step)(const float *x, size_t xstride, const float *dy, size_t rows, size_t in, size_t out,
	 const struct mlp_weights *w, const struct mlp_adam *adam)
{
	const struct mlp_weights p = *w;
	const struct mlp_adam a = *adam;
	size_t k = 0;
	for (; k + TILE_ROWS <= in; k += TILE_ROWS)
		FN(step_rows)(x + k, xstride, dy, rows, out, k * out, &p, &a, TILE_ROWS);
	for (; k < in; k++)
		FN(step_rows)(x + k, xstride, dy, rows, out, k * out, &p, &a, 1);
}

FAST static void
FN(adam)(const float *g, size_t n, const struct mlp_weights *w, const struct mlp_adam *adam)
{
	const struct mlp_weights p = *w;
	const struct mlp_adam a = *adam;
	for (size_t i = 0; i < n; i += LANES)
		FN(update)(FN(load)(g + i), i, &p, &a);
}

/* ---- element by element ---- */

/* Four by four, so that both sides are touched in pieces. */
FAST static void
FN(transpose)(const float *w, size_t in, size_t out, float *wt)
{
	typedef float four __attribute__((vector_size(16)));
	typedef float four_any __attribute__((vector_size(16), aligned(4), may_alias));
	for (size_t k = 0; k < in; k += 4) {
		for (size_t o = 0; o < out; o += 4) {
			const float *p = w + k * out + o;
			four a = *(const four_any *)p, b = *(const four_any *)(p + out);
			four c = *(const four_any *)(p + 2 * out), d = *(const four_any *)(p + 3 * out);
			four ab = __builtin_shufflevector(a, b, 0, 4, 1, 5);
			four AB = __builtin_shufflevector(a, b, 2, 6, 3, 7);
			four cd = __builtin_shufflevector(c, d, 0, 4, 1, 5);
			four CD = __builtin_shufflevector(c, d, 2, 6, 3, 7);
			float *q = wt + o * in + k;
			*(four_any *)q = __builtin_shufflevector(ab, cd, 0, 1, 4, 5);
			*(four_any *)(q + in) = __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
			*(four_any *)(q + 2 * in) = __builtin_shufflevector(AB, CD, 0, 1, 4, 5);
			*(four_any *)(q + 3 * in) = __builtin_shufflevector(AB, CD, 2, 3, 6, 7);
		}
	}
}

/* The hash is lowbias32 (Wellons 2018, "Prospecting for hash functions"). */
FAST static void
FN(drop)(float *h, size_t n, uint32_t counter, uint32_t drop, float scale)
{
	typedef uint32_t words __attribute__((vector_size(LANES * 4)));
	words place = { 0 };
	for (uint32_t i = 0; i < LANES; i++)
		place[i] = counter + i;
	for (size_t i = 0; i < n; i += LANES, place += LANES) {
		words x = place;
		x ^= x >> 16;
		x *= 0x7feb352dU;
		x ^= x >> 15;
		x *= 0x846ca68bU;
		x ^= x >> 16;
		MASK keep = (MASK)(x >> 1) >= (MASK)(place * 0 + drop);
		FN(store)(h + i, (VEC)(keep & (MASK)(FN(load)(h + i) * scale)));
	}
}

FAST static void
FN(relu)(float *y, size_t rows, const float *bias, size_t out)
{
	for (size_t i = 0; i < rows; i++, y += out) {
		for (size_t o = 0; o < out; o += LANES) {
			VEC v = FN(load)(y + o) + FN(load)(bias + o);
			FN(store)(y + o, vec_min(vec_max(v, vec_set(0)), vec_set(MLP_MAX)));
		}
	}
}

FAST static void
FN(gate)(float *dx, size_t n, const float *h, float scale)
{
	for (size_t i = 0; i < n; i += LANES) {
		MASK on = FN(load)(h + i) > vec_set(0);
		FN(store)(dx + i, (VEC)(on & (MASK)(FN(load)(dx + i) * scale)));
	}
}
