/*
 * Fuzz target: JSON. What the quick way reads, jansson reads alike (asked by an escape in front, which is not
 * plain); what it reads is printed and read again. Keys and texts come back whole.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/json-plain.h"
#include "base/json.h"

static struct buf printed, again;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool holds)
{
	if (!holds)
		abort();
}

static void
compare(struct arena *a, struct str text, const struct value *plain)
{
	const struct json_limits lim = { .max_depth = 33 };
	const struct value *v = NULL;
	struct err e = { 0 };
	buf_reset(&again);
	buf_adds(&again, STR("[\"\\u0041\","));
	buf_adds(&again, text);
	buf_addc(&again, ']');
	must(json_parse(a, buf_str(&again), &lim, &v, &e) == 0 && v->list.n == 2);
	buf_reset(&printed);
	buf_reset(&again);
	json_print(&printed, plain);
	json_print(&again, v->list.items[1]);
	must(str_eq(buf_str(&printed), buf_str(&again)));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new(1024);
	struct str text = str_make((const char *)data, size);
	const struct value *plain = json_plain(a, text, 32), *v = NULL;
	struct err e = { 0 };
	if (plain != NULL)
		compare(a, text, plain);
	if (json_parse(a, text, NULL, &v, &e) == 0) {
		buf_reset(&printed);
		json_print(&printed, v);
		must(json_parse(a, buf_str(&printed), NULL, &v, &e) == 0);
	} else {
		must(plain == NULL && e.kind != 0);
	}
	arena_free(&a);
	return 0;
}
