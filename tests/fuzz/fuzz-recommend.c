/*
 * fuzz-recommend: files of recommendation models and catalogs, as a foreign one could be. The first byte
 * picks: m, c   the rest is the file of a model, of a catalog M, C   the rest is sizes and contents of the
 * tensors of one, which is written with a right checksum: so contents are reached that random bytes would not
 * What is read is used: scores are finite, and something is picked.
 */
#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "recommend/pick.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* n bytes out of the input, zeros behind its end; aligned, in a. */
static void *
take(struct arena *a, struct str *in, size_t n)
{
	char *p = arena_zalloc(a, n);
	size_t have = in->n < n ? in->n : n;
	if (have > 0)
		memcpy(p, in->p, have);
	*in = str_sub(*in, have, in->n);
	return p;
}

static size_t
take_size(struct arena *a, struct str *in)
{
	return 1 + *(uint8_t *)take(a, in, 1) % 32;
}

static struct safetensor
tensor(struct arena *a, struct str *in, const char *name, enum safetensors_type type, size_t rows,
       size_t cols)
{
	struct safetensor t = {
		.name = str_of(name), .type = type, .ndim = cols ? 2 : 1, .shape = { rows, cols }
	};
	t.n = cols ? rows * cols : rows;
	t.data = take(a, in, t.n * safetensors_size(type));
	return t;
}

static struct str
file_make(struct arena *a, struct str in, bool catalog)
{
	struct value *meta = value_map_new(a);
	struct safetensor t[9];
	struct buf b = { 0 };
	size_t n = take_size(a, &in), text = take_size(a, &in), m = take_size(a, &in),
	       f = take_size(a, &in) % 8 + 1;
	size_t k = 0;
	const char *kind = recommend_kind_name((enum recommend_kind)(m % RECOMMEND_KINDS));
	value_map_set(a, meta, STR("mailtailor"), value_string(a, STR(RECOMMEND_VERSION)));
	value_map_set(a, meta, STR("kind"), value_string(a, catalog ? STR("catalog") : str_of(kind)));
	value_map_set(a, meta, STR("alpha"), value_string(a, STR("1")));
	value_map_set(a, meta, STR("regularization"), value_string(a, STR("1e-6")));
	if (catalog) {
		t[k++] = tensor(a, &in, "price", SAFETENSORS_F64, n, 0);
		t[k++] = tensor(a, &in, "stock", SAFETENSORS_I32, n, 0);
		t[k++] = tensor(a, &in, "text.end", SAFETENSORS_I32, n, CATALOG_FIELDS);
		t[k++] = tensor(a, &in, "text.bytes", SAFETENSORS_U8, 8 * text, 0);
	} else {
		t[k++] = tensor(a, &in, "id.end", SAFETENSORS_I32, n, 0);
		t[k++] = tensor(a, &in, "popularity", SAFETENSORS_F32, n, 0);
		t[k++] = tensor(a, &in, "row.end", SAFETENSORS_I32, n, 0);
		t[k++] = tensor(a, &in, "row.item", SAFETENSORS_I32, m, 0);
		t[k++] = tensor(a, &in, "row.weight", SAFETENSORS_F32, m, 0);
		t[k++] = tensor(a, &in, "factor", SAFETENSORS_F32, n, f);
		t[k++] = tensor(a, &in, "gram", SAFETENSORS_F32, f, f);
		t[k++] = tensor(a, &in, "id.text", SAFETENSORS_U8, text, 0);
	}
	safetensors_print(&b, t, k, meta);
	struct str out = arena_str(a, buf_str(&b));
	buf_free(&b);
	return out;
}

/* As files are mapped: aligned, and of exactly that size. */
static struct str
mapped(struct str bytes, void **memory)
{
	if (posix_memalign(memory, 64, bytes.n ? bytes.n : 1) != 0)
		abort();
	if (bytes.n > 0)
		memcpy(*memory, bytes.p, bytes.n);
	return str_make(*memory, bytes.n);
}

static void
use_model(const struct recommend_model *m)
{
	struct recommend_taken taken[3] = { { 0, 1 },
					    { (uint32_t)m->items - 1, 1e9f },
					    { (uint32_t)m->items / 2, 3 } };
	float *scores = malloc(m->items * sizeof(*scores));
	void *scratch = malloc(recommend_scratch(m));
	for (size_t n = 0; n <= 3; n++) {
		recommend_score(m, taken, n, scratch, scores);
		for (size_t i = 0; i < m->items; i++)
			assert(isfinite(scores[i]));
	}
	for (size_t i = 0; i < m->items; i++)
		assert(recommend_find(m, recommend_id(m, i)) == (long)i);
	free(scores);
	free(scratch);
}

static void
use_catalog(struct arena *a, const struct catalog *c)
{
	const struct pick_rules rules = { .count = 3, .max_price = INFINITY, .per_category = 1 };
	struct str bought = catalog_text(c, 0, CATALOG_ID);
	const struct pick_history h = { &bought, NULL, 1, 0 };
	uint32_t out[PICK_MAX];
	size_t personal;
	struct picker *p = picker_new(a, NULL, c, &rules, NULL);
	assert(p);
	struct pick_scratch *s = pick_scratch_new(p);
	size_t n = pick(p, &h, s, out, &personal);
	assert(n >= 1 && n <= 3 && personal == 0);
	for (size_t i = 0; i < n; i++)
		assert(out[i] < c->n && (c->n == 1 || out[i] != 0));
	pick_scratch_free(&s);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct recommend_model m;
	struct catalog c;
	void *memory = NULL;
	if (size == 0)
		return 0;
	struct arena *a = arena_new(4096);
	struct str in = str_make((const char *)data + 1, size - 1);
	bool catalog = data[0] == 'c' || data[0] == 'C';
	in = mapped(data[0] == 'M' || data[0] == 'C' ? file_make(a, in, catalog) : in, &memory);
	if (catalog && catalog_parse(a, in, &c, NULL) == 0)
		use_catalog(a, &c);
	if (!catalog && recommend_parse(a, in, &m, NULL) == 0)
		use_model(&m);
	free(memory);
	arena_free(&a);
	return 0;
}
