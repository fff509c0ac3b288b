/*
 * Column texts, as features sections, model files and plugins have them. Each line of the input is one. What
 * compiles is worked out for recipients of all kinds, alone and together; what stands for several is written
 * out, and must compile; open columns are completed.
 */
#include <math.h>
#include <stdlib.h>

#include "base/json.h"
#include "score/column.h"

#define ROWS 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(bool ok)
{
	if (!ok)
		abort();
}

static const struct score_facts *
facts_make(struct arena *a)
{
	static const char text[] =
	    "{\"age\":41,\"x\":-0.0,\"big\":1e308,\"t\":\"12.5\",\"zip\":\"Rural\",\"list\":[1,\"a\"],"
	    "\"map\":{\"a\":{\"b\":true}},\"nul\":null,\"\":\"\"}";
	static const struct score_day days[] = { { 20000, SCORE_CLICKED, { "promo", 5 }, 3, 0 },
						 { 20514, SCORE_PURCHASED, { "", 0 }, 1, INT64_MAX } };
	static const struct score_behaviour did = {
		.count = { 1, INT64_MAX }, .last_ms = { 0, INT64_MAX, 1 }, .days = days, .ndays = 2
	};
	struct score_facts *f = ARENA_ARRAY(a, struct score_facts, ROWS);
	const struct value *profile = NULL;
	check(json_parse(a, str_of(text), NULL, &profile, NULL) == 0);
	f[1] = (struct score_facts){ .profile = profile,
				     .now_ms = INT64_C(1772440200000),
				     .time_zone = "Asia/Tokyo" };
	f[2] = (struct score_facts){
		.message = profile, .events = &did, .now_ms = -1, .arm = STR("b"), .campaign = STR("c")
	};
	f[3] = (struct score_facts){ .profile = profile,
				     .message = profile,
				     .events = &did,
				     .now_ms = INT64_C(1772440200000),
				     .category = STR("promo") };
	return f;
}

static void
open_check(struct arena *a, struct score_columns *c, const double *values)
{
	struct score_columns *fitted;
	struct err e = { 0 };
	const char *text;
	if (score_column_fit(a, c, 0, values, ROWS, &text, &e) != 0) {
		check(e.kind == ERR_INPUT || e.kind == ERR_LIMIT);
		return;
	}
	check(score_columns_compile(a, &text, 1, &fitted, &e) == 0 && !score_column_is_open(fitted, 0));
	for (size_t i = 0; i < ROWS; i++)
		check(!isinf(score_column_finish(c, 0, fitted, 0, values[i])));
}

static void
one_check(struct arena *a, const char *text, const struct score_facts *facts)
{
	static const char *const fields[] = { "age", "profile.map", "message.zip" };
	struct score_columns *c;
	struct err e = { 0 };
	const char *field;
	double together[ROWS], alone;
	if (score_columns_compile(a, &text, 1, &c, &e) != 0) {
		check(e.text[0] != '\0' && (e.kind == ERR_INPUT || e.kind == ERR_LIMIT));
		return;
	}
	score_matrix(c, facts, ROWS, a, together);
	for (size_t i = 0; i < ROWS; i++) {
		score_matrix(c, &facts[i], 1, a, &alone);
		check(isnan(alone) ? isnan(together[i]) : memcmp(&alone, &together[i], sizeof(alone)) == 0);
		check(!isinf(alone) && !(alone == 0 && signbit(alone)));
	}
	check(score_columns_find_field(c, fields, 3, &field) < 1);
	if (score_column_is_open(c, 0))
		open_check(a, c, together);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new(4096);
	const struct score_facts *facts = facts_make(a);
	struct str rest = { (const char *)data, size }, line;
	for (int i = 0; i < 16 && str_split(&rest, '\n', &line); i++) {
		const char *text = arena_cstr(a, line), **texts = NULL;
		size_t n = 0;
		one_check(a, text, facts);
		if (score_columns_expand(a, text, &texts, &n, NULL) != 0)
			continue;
		check(n > 0 && n <= SCORE_COLUMNS_MAX);
		struct score_columns *all;
		/* Written out they may be longer than a text may be. */
		struct err e = { 0 };
		check(score_columns_compile(a, texts, n, &all, &e) == 0 || e.kind == ERR_LIMIT);
	}
	arena_free(&a);
	return 0;
}
