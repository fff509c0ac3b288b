/* mlp-kernel-body: the kernels of mlp-kernel.h for one instruction set (see lanes.h). */

/* Inputs first: max() of x86 gives its second argument where the first is NAN, which none is. */
INLINE void
FN(forward_tile)(const float *x, size_t xstride, size_t in, const float *w, const float *bias, size_t out,
		 float *y, const int rows, const int cols)
{
	VEC acc[TILE_ROWS * TILE_COLS > ROW_COLS ? TILE_ROWS * TILE_COLS : ROW_COLS];
	UNROLL
	for (int r = 0; r < rows; r++) {
		UNROLL
		for (int c = 0; c < cols; c++)
			acc[r * cols + c] = FN(load)(bias + c * LANES);
	}
	FN(tile)(acc, x, xstride, 1, in, w, out, rows, cols);
	UNROLL
	for (int r = 0; r < rows; r++) {
		UNROLL
		for (int c = 0; c < cols; c++) {
			VEC v = vec_min(vec_max(acc[r * cols + c], vec_set(0)), vec_set(MLP_MAX));
			FN(store)(y + (size_t)r * out + c * LANES, v);
		}
	}
}

/* Four rows at a time, in columns as wide as the registers allow; those left over one by one. */
FAST static void
FN(forward)(const float *x, size_t xstride, size_t rows, size_t in, const float *w, const float *bias,
	    size_t out, float *y)
{
	size_t i = 0, c;
	for (; i + TILE_ROWS <= rows; i += TILE_ROWS, x += TILE_ROWS * xstride, y += TILE_ROWS * out) {
		for (c = 0; c + TILE_COLS * LANES <= out; c += TILE_COLS * LANES)
			FN(forward_tile)(x, xstride, in, w + c, bias + c, out, y + c, TILE_ROWS, TILE_COLS);
		for (; c < out; c += LANES)
			FN(forward_tile)(x, xstride, in, w + c, bias + c, out, y + c, TILE_ROWS, 1);
	}
	for (; i < rows; i++, x += xstride, y += out) {
		for (c = 0; c + ROW_COLS * LANES <= out; c += ROW_COLS * LANES)
			FN(forward_tile)(x, xstride, in, w + c, bias + c, out, y + c, 1, ROW_COLS);
		for (; c < out; c += LANES)
			FN(forward_tile)(x, xstride, in, w + c, bias + c, out, y + c, 1, 1);
	}
}

FAST static void
FN(dot)(const float *x, size_t rows, size_t in, const float *w, float bias, float *z)
{
	for (size_t i = 0; i < rows; i++, x += in) {
		VEC sum = vec_set(0);
		float total = bias;
		for (size_t k = 0; k < in; k += LANES)
			sum = vec_fma(FN(load)(x + k), FN(load)(w + k), sum);
		UNROLL
		for (int k = 0; k < LANES; k++)
			total += sum[k];
		z[i] = total;
	}
}
