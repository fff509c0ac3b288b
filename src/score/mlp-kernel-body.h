/* mlp-kernel-body: the kernels of mlp-kernel.h for one instruction set (see lanes.h). */

/* Half as many as there are floats: doubles are twice as wide. Beyond float's range they become infinite. */
FAST static void
FN(inputs)(const double *rows, size_t n, size_t cols, const float *missing, float *x, size_t stride)
{
	typedef double wide __attribute__((vector_size(LANES * 4), aligned(8), may_alias));
	typedef float half __attribute__((vector_size(LANES * 2)));
	typedef int half_mask __attribute__((vector_size(LANES * 2)));
	const half high = (half){ 0 } + MLP_MAX;
	for (size_t i = 0; i < n; i++, rows += cols, x += stride) {
		size_t k = 0;
		for (; k + LANES / 2 <= cols; k += LANES / 2) {
			half v = __builtin_convertvector(*(const wide *)(rows + k), half), m;
			memcpy(&m, missing + k, sizeof(m));
			half_mask above = v > high, below = v < -high, none = v != v;
			half_mask other = above | below | none;
			v = (half)((above & (half_mask)high) | (below & (half_mask)-high) |
				   (none & (half_mask)m) | (~other & (half_mask)v));
			memcpy(x + k, &v, sizeof(v));
		}
		for (; k < cols; k++) {
			float v = (float)rows[k];
			x[k] = isnan(v) ? missing[k] : v > MLP_MAX ? MLP_MAX : v < -MLP_MAX ? -MLP_MAX : v;
		}
		for (; k < stride; k++)
			x[k] = 0;
	}
}

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
