/* model: the file of a recommendation model, read and written (see model.h). Everything is checked here. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "recommend/private.h"

/* Weights and factors beyond this make no sense, and sums of RECOMMEND_MAX_HISTORY of them stay finite. */
#define MAX_NUMBER 1e15f
#define MAX_TENSORS 8

static int
number_read(const struct safetensors *st, const char *key, double min, double *out, struct err *e)
{
	char text[64], *end;
	struct str s = safetensors_text(st, key);
	if (s.n == 0 || s.n >= sizeof(text))
		return err_set(e, ERR_INPUT, "metadata \"%s\" is missing", key);
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	*out = strtod(text, &end);
	if (*end != '\0' || !(*out >= min && *out <= 1e9))
		return err_set(e, ERR_INPUT, "metadata \"%s\" must be a number from %g to 1e9", key, min);
	return 0;
}

static int
floats_check(const char *name, const float *v, size_t n, float min, struct err *e)
{
	for (size_t i = 0; i < n; i++)
		if (!(v[i] >= min && v[i] <= MAX_NUMBER))
			return err_set(e, ERR_INPUT, "tensor \"%s\": element %zu is out of range", name, i);
	return 0;
}

static int
ids_read(const struct safetensors *st, struct recommend_model *m, struct err *e)
{
	size_t bytes = 0;
	m->items = 0;
	if (!(m->id_end = tensor_in_place(st, "id.end", SAFETENSORS_I32, 1, &m->items, e)) ||
	    !(m->id_text = tensor_in_place(st, "id.text", SAFETENSORS_U8, 1, &bytes, e)))
		return -1;
	if (m->items > RECOMMEND_MAX_ITEMS)
		return err_set(e, ERR_LIMIT, "it has %zu items; %d are allowed", m->items,
			       RECOMMEND_MAX_ITEMS);
	if (ends_check("id.end", m->id_end, m->items, bytes, e) != 0)
		return -1;
	for (size_t i = 0; i < m->items; i++) {
		struct str id = recommend_id(m, i), last = i > 0 ? recommend_id(m, i - 1) : STR_NULL;
		if (id.n == 0 || id.n > RECOMMEND_MAX_ID || id_compare(last, id) >= 0)
			return err_set(e, ERR_INPUT, "item %zu: its id is empty, too long or out of order",
				       i);
	}
	return 0;
}

static int
rows_read(const struct safetensors *st, struct recommend_model *m, struct err *e)
{
	size_t n = 0;
	if (!(m->row_end = tensor_in_place(st, "row.end", SAFETENSORS_I32, 1, &m->items, e)) ||
	    !(m->row_item = tensor_in_place(st, "row.item", SAFETENSORS_I32, 1, &n, e)) ||
	    !(m->row_weight = tensor_in_place(st, "row.weight", SAFETENSORS_F32, 1, &n, e)) ||
	    ends_check("row.end", m->row_end, m->items, n, e) != 0 ||
	    floats_check("row.weight", m->row_weight, n, -MAX_NUMBER, e) != 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (m->row_item[i] < 0 || (size_t)m->row_item[i] >= m->items)
			return err_set(e, ERR_INPUT, "tensor \"row.item\": element %zu is no item", i);
	return 0;
}

static int
factors_read(const struct safetensors *st, struct recommend_model *m, struct err *e)
{
	size_t shape[2] = { m->items, 0 };
	if (!(m->factor = tensor_in_place(st, "factor", SAFETENSORS_F32, 2, shape, e)))
		return -1;
	m->factors = shape[1];
	if (m->factors > RECOMMEND_MAX_FACTORS)
		return err_set(e, ERR_LIMIT, "it has %zu factors; %d are allowed", m->factors,
			       RECOMMEND_MAX_FACTORS);
	shape[0] = m->factors;
	if (!(m->gram = tensor_in_place(st, "gram", SAFETENSORS_F32, 2, shape, e)) ||
	    floats_check("factor", m->factor, m->items * m->factors, -MAX_NUMBER, e) != 0 ||
	    floats_check("gram", m->gram, m->factors * m->factors, -MAX_NUMBER, e) != 0)
		return -1;
	return number_read(st, "alpha", 0, &m->alpha, e) == 0 &&
		       number_read(st, "regularization", 1e-6, &m->regularization, e) == 0
		   ? 0
		   : -1;
}

int
recommend_parse(struct arena *a, struct str bytes, struct recommend_model *m, struct err *e)
{
	struct safetensors st;
	*m = (struct recommend_model){ 0 };
	if (safetensors_parse(a, bytes, &st, e) != 0)
		return -1;
	int kind = recommend_kind_find(safetensors_text(&st, "kind"));
	if (!str_eq(safetensors_text(&st, "mailtailor"), STR(RECOMMEND_VERSION)) || kind < 0)
		return err_set(e, ERR_INPUT,
			       "it is no recommendation model of this version: its metadata must say "
			       "mailtailor \"1\" and kind popular, ease, knn or als");
	if (!st.checked)
		return err_set(e, ERR_INPUT, "it has no checksum");
	m->kind = (enum recommend_kind)kind;
	m->training = safetensors_text(&st, "training");
	if (ids_read(&st, m, e) != 0 ||
	    !(m->popularity = tensor_in_place(&st, "popularity", SAFETENSORS_F32, 1, &m->items, e)) ||
	    floats_check("popularity", m->popularity, m->items, 0, e) != 0)
		return -1;
	if (m->kind == RECOMMEND_EASE || m->kind == RECOMMEND_KNN)
		return rows_read(&st, m, e);
	return m->kind == RECOMMEND_ALS ? factors_read(&st, m, e) : 0;
}

/* ---- writing ---- */

static struct safetensor
vector(const char *name, enum safetensors_type type, size_t n, const void *data)
{
	return (struct safetensor){
		.name = str_of(name), .type = type, .ndim = 1, .shape = { n }, .n = n, .data = data
	};
}

static struct safetensor
matrix(const char *name, size_t rows, size_t cols, const float *data)
{
	return (struct safetensor){ .name = str_of(name),
				    .type = SAFETENSORS_F32,
				    .ndim = 2,
				    .shape = { rows, cols },
				    .n = rows * cols,
				    .data = data };
}

void
recommend_print(const struct recommend_model *m, struct buf *out)
{
	struct safetensor t[MAX_TENSORS];
	size_t n = 0;
	struct arena *a = arena_new(1024);
	struct value *meta = value_map_new(a);
	value_map_set(a, meta, STR("mailtailor"), value_string(a, STR(RECOMMEND_VERSION)));
	value_map_set(a, meta, STR("kind"), value_string(a, str_of(recommend_kind_name(m->kind))));
	if (m->training.n > 0)
		value_map_set(a, meta, STR("training"), value_string(a, m->training));
	t[n++] = vector("id.end", SAFETENSORS_I32, m->items, m->id_end);
	t[n++] = vector("popularity", SAFETENSORS_F32, m->items, m->popularity);
	if (m->row_end) {
		size_t k = (size_t)m->row_end[m->items - 1];
		t[n++] = vector("row.end", SAFETENSORS_I32, m->items, m->row_end);
		t[n++] = vector("row.item", SAFETENSORS_I32, k, m->row_item);
		t[n++] = vector("row.weight", SAFETENSORS_F32, k, m->row_weight);
	}
	if (m->factor) {
		t[n++] = matrix("factor", m->items, m->factors, m->factor);
		t[n++] = matrix("gram", m->factors, m->factors, m->gram);
		value_map_set(a, meta, STR("alpha"), value_string(a, arena_printf(a, "%.17g", m->alpha)));
		value_map_set(a, meta, STR("regularization"),
			      value_string(a, arena_printf(a, "%.17g", m->regularization)));
	}
	t[n++] = vector("id.text", SAFETENSORS_U8, (size_t)m->id_end[m->items - 1], m->id_text);
	safetensors_print(out, t, n, meta);
	arena_free(&a);
}
