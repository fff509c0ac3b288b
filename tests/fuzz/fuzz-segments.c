/* Segments as kept in a file: what is read can be applied, and comes out the same when it is written again.
 */
#include <math.h>
#include <stdlib.h>

#include "learn/segments.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(bool ok)
{
	if (!ok)
		abort();
}

static void
apply(const struct segments *s)
{
	static const struct person persons[] = {
		{ .first_ms = INT64_C(1700000000000), .last_ms = INT64_C(1760000000000), .sent = 9 },
		{ .first_ms = INT64_C(1700000000000),
		  .last_ms = INT64_C(1760000000000),
		  .first_day = 19700,
		  .last_day = 20300,
		  .purchases = 40,
		  .value = 1e9,
		  .sent = 1000,
		  .clicked = 7,
		  .hours = { [9] = 3 } },
	};
	for (size_t i = 0; i < 2; i++) {
		struct segments_one one;
		segments_apply(s, &persons[i], INT64_C(1770000000000), &one);
		check(one.segment < s->groups.k && one.hour >= 0 && one.hour < HOURS && isfinite(one.gain));
		check(!one.has_value || (one.alive >= 0 && one.alive <= 1));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new(4096);
	struct segments s, back;
	struct buf first = { 0 }, second = { 0 };
	struct err e = { 0 };
	if (segments_parse((struct str){ (const char *)data, size }, a, &s, &e) == 0) {
		apply(&s);
		segments_print(&s, &first);
		check(segments_parse(buf_str(&first), a, &back, &e) == 0);
		segments_print(&back, &second);
		check(str_eq(buf_str(&first), buf_str(&second)));
	} else {
		check(e.kind == ERR_CORRUPT);
	}
	buf_free(&first);
	buf_free(&second);
	arena_free(&a);
	return 0;
}
