/* catalog: the file of items, read and written (see catalog.h). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "recommend/catalog.h"
#include "recommend/private.h"

static const char *const FIELDS[CATALOG_FIELDS] = { "id", "title", "url", "image", "currency", "category" };
static const size_t LIMITS[CATALOG_FIELDS] = {
	RECOMMEND_MAX_ID, CATALOG_MAX_TITLE, CATALOG_MAX_URL, CATALOG_MAX_URL, 3, CATALOG_MAX_CATEGORY
};

const char *
catalog_field_name(enum catalog_field f)
{
	return (unsigned)f < CATALOG_FIELDS ? FIELDS[f] : NULL;
}

struct str
catalog_text(const struct catalog *c, size_t item, enum catalog_field f)
{
	size_t i = item * CATALOG_FIELDS + f, from = i == 0 ? 0 : (size_t)c->end[i - 1];
	return str_make(c->text + from, (size_t)c->end[i] - from);
}

long
catalog_find(const struct catalog *c, struct str id)
{
	size_t low = 0, high = c->n;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int x = id_compare(catalog_text(c, mid, CATALOG_ID), id);
		if (x == 0)
			return (long)mid;
		if (x < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return -1;
}

/* ---- one entry ---- */

static bool
is_url(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] <= ' ' || strchr("\"<>\\^`{|}", s.p[i]))
			return false;
	return (str_starts(s, STR("https://")) && s.n > 8) || (str_starts(s, STR("http://")) && s.n > 7);
}

static bool
is_currency(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < 'A' || s.p[i] > 'Z')
			return false;
	return s.n == 3;
}

static int
text_check(struct str s, enum catalog_field f, struct err *e)
{
	bool must = f == CATALOG_ID || f == CATALOG_TITLE || f == CATALOG_URL;
	if (s.n == 0)
		return must ? err_set(e, ERR_INPUT, "%s is missing", FIELDS[f]) : 0;
	if (s.n > LIMITS[f])
		return err_set(e, ERR_LIMIT, "%s has %zu bytes; %zu are allowed", FIELDS[f], s.n, LIMITS[f]);
	if (!str_is_utf8(s))
		return err_set(e, ERR_INPUT, "%s is not UTF-8", FIELDS[f]);
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f)
			return err_set(e, ERR_INPUT, "%s has a control character", FIELDS[f]);
	if ((f == CATALOG_URL || f == CATALOG_IMAGE) && !is_url(s))
		return err_set(e, ERR_INPUT, "%s is no http or https URL", FIELDS[f]);
	if (f == CATALOG_CURRENCY && !is_currency(s))
		return err_set(e, ERR_INPUT, "currency is not as ISO 4217 spells it, such as EUR");
	return 0;
}

int
catalog_entry_check(const struct catalog_entry *x, struct err *e)
{
	for (int f = 0; f < CATALOG_FIELDS; f++)
		if (text_check(x->text[f], (enum catalog_field)f, e) != 0)
			return -1;
	if (!(x->price == -1 || (x->price >= 0 && x->price <= CATALOG_MAX_PRICE)))
		return err_set(e, ERR_INPUT, "price must be from 0 to %g", CATALOG_MAX_PRICE);
	if (x->price >= 0 && x->text[CATALOG_CURRENCY].n == 0)
		return err_set(e, ERR_INPUT, "a price needs a currency");
	return x->stock >= -1 ? 0 : err_set(e, ERR_INPUT, "stock must be at least 0");
}

/* ---- reading ---- */

static int
texts_check(const struct catalog *c, size_t bytes, struct err *e)
{
	if (ends_check("text.end", c->end, c->n * CATALOG_FIELDS, bytes, e) != 0)
		return -1;
	for (size_t i = 0; i < c->n; i++) {
		struct catalog_entry x = { .price = c->price[i], .stock = c->stock[i] };
		for (int f = 0; f < CATALOG_FIELDS; f++)
			x.text[f] = catalog_text(c, i, (enum catalog_field)f);
		if (catalog_entry_check(&x, e) != 0)
			return err_prefix(e, "item %zu", i);
		if (i > 0 && id_compare(catalog_text(c, i - 1, CATALOG_ID), x.text[CATALOG_ID]) >= 0)
			return err_set(e, ERR_INPUT, "item %zu: its id is out of order", i);
	}
	return 0;
}

int
catalog_parse(struct arena *a, struct str bytes, struct catalog *c, struct err *e)
{
	struct safetensors st;
	size_t shape[2] = { 0, CATALOG_FIELDS }, text = 0;
	*c = (struct catalog){ 0 };
	if (safetensors_parse(a, bytes, &st, e) != 0)
		return -1;
	if (!str_eq(safetensors_text(&st, "mailtailor"), STR(RECOMMEND_VERSION)) ||
	    !str_eq(safetensors_text(&st, "kind"), STR("catalog")) || !st.checked)
		return err_set(
		    e, ERR_INPUT,
		    "it is no catalog of this version: write one with `mailtailor catalog import`");
	if (!(c->price = tensor_in_place(&st, "price", SAFETENSORS_F64, 1, &c->n, e)))
		return -1;
	if (c->n > CATALOG_MAX_ITEMS)
		return err_set(e, ERR_LIMIT, "it has %zu items; %d are allowed", c->n, CATALOG_MAX_ITEMS);
	shape[0] = c->n;
	if (!(c->stock = tensor_in_place(&st, "stock", SAFETENSORS_I32, 1, &c->n, e)) ||
	    !(c->end = tensor_in_place(&st, "text.end", SAFETENSORS_I32, 2, shape, e)) ||
	    !(c->text = tensor_in_place(&st, "text.bytes", SAFETENSORS_U8, 1, &text, e)))
		return -1;
	return texts_check(c, text, e);
}

/* ---- writing ---- */

static int
by_id(const void *pa, const void *pb)
{
	const struct catalog_entry *a = pa, *b = pb;
	int c = id_compare(a->text[CATALOG_ID], b->text[CATALOG_ID]);
	return c != 0 ? c : (a->line > b->line) - (a->line < b->line);
}

int
catalog_sort(struct catalog_entry *v, size_t n, uint64_t *line, struct err *e)
{
	if (n > 0)
		qsort(v, n, sizeof(*v), by_id);
	for (size_t i = 1; i < n; i++)
		if (str_eq(v[i - 1].text[CATALOG_ID], v[i].text[CATALOG_ID])) {
			*line = v[i].line;
			return err_set(e, ERR_INPUT, "id \"%.*s\" is there already, in line %llu",
				       STR_ARG(v[i].text[CATALOG_ID]), (unsigned long long)v[i - 1].line);
		}
	return 0;
}

int
catalog_print(const struct catalog_entry *v, size_t n, struct buf *out, struct err *e)
{
	struct buf price = { 0 }, stock = { 0 }, end = { 0 }, text = { 0 };
	int rc = 0;
	for (size_t i = 0; i < n && rc == 0; i++) {
		buf_add(&price, &v[i].price, sizeof(v[i].price));
		buf_add(&stock, &v[i].stock, sizeof(v[i].stock));
		for (int f = 0; f < CATALOG_FIELDS; f++) {
			buf_adds(&text, v[i].text[f]);
			int32_t at = (int32_t)text.n;
			buf_add(&end, &at, sizeof(at));
		}
		if (text.n + price.n + stock.n + end.n > SAFETENSORS_MAX_FILE - SAFETENSORS_MAX_HEADER)
			rc = err_set(e, ERR_LIMIT, "the catalog is larger than 256 MiB");
	}
	if (rc == 0) {
		struct arena *a = arena_new(1024);
		struct value *meta = value_map_new(a);
		value_map_set(a, meta, STR("mailtailor"), value_string(a, STR(RECOMMEND_VERSION)));
		value_map_set(a, meta, STR("kind"), value_string(a, STR("catalog")));
		const struct safetensor t[] = {
			{ STR("price"), SAFETENSORS_F64, 1, { n }, n, price.p },
			{ STR("stock"), SAFETENSORS_I32, 1, { n }, n, stock.p },
			{ STR("text.end"),
			  SAFETENSORS_I32,
			  2,
			  { n, CATALOG_FIELDS },
			  n * CATALOG_FIELDS,
			  end.p },
			{ STR("text.bytes"), SAFETENSORS_U8, 1, { text.n }, text.n, text.p },
		};
		safetensors_print(out, t, sizeof(t) / sizeof(t[0]), meta);
		arena_free(&a);
	}
	buf_free(&price);
	buf_free(&stock);
	buf_free(&end);
	buf_free(&text);
	return rc;
}
