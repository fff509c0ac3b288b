/* hours, persons, segments: smoothing against what is worked out by hand; what events and tables make of
 * persons; segments of shoppers of two kinds; files that are damaged. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "learn/random.h"
#include "learn/segments.h"

#define DAY INT64_C(86400000)
#define NOW (INT64_C(20500) * DAY)

static void
near(double got, double want, double tolerance)
{
	if (!(fabs(got - want) <= tolerance))
		fail_msg("%.12g, not %.12g within %g", got, want, tolerance);
}

static void
test_hours(void **state)
{
	(void)state;
	double n[HOURS] = { 0 }, all[HOURS], own[HOURS], gain, sum = 0;
	hours_add(n, 0, 1); /* over midnight */
	near(n[23], 0.25, 0);
	near(n[0], 0.5, 0);
	near(n[1], 0.25, 0);
	hours_add(n, 0, -1);
	hours_add(n, 0, -1); /* more than there is */
	near(n[0], 0, 0);
	/* Nothing known: all hours alike, and none is better. */
	hours_blend(n, 10, NULL, all);
	assert_int_equal(hours_best(all, &gain), 0);
	near(gain, 0, 1e-12);
	/* Many answer at 8; he answered twice at 20, and weight 10 keeps him with the many; then often. */
	for (int i = 0; i < 40; i++)
		hours_add(n, 8, 1);
	hours_blend(n, 10, NULL, all);
	near(all[8], (20 + 10.0 / 24) / 50, 1e-12);
	double his[HOURS] = { 0 };
	for (int i = 0; i < 2; i++)
		hours_add(his, 20, 1);
	hours_blend(his, 10, all, own);
	near(own[20], (1 + 10 * all[20]) / 12, 1e-12);
	assert_int_equal(hours_best(own, &gain), 8);
	for (int i = 0; i < 20; i++)
		hours_add(his, 20, 1);
	hours_blend(his, 10, all, own);
	assert_int_equal(hours_best(own, &gain), 20);
	near(gain, own[20] * 24 - 1, 1e-12);
	for (int h = 0; h < HOURS; h++)
		sum += own[h];
	near(sum, 1, 1e-12);
	hours_blend(his, 10, all, his); /* in place */
	assert_memory_equal(his, own, sizeof(own));
}

static void
happen(struct persons *p, uint8_t who, enum event_type type, enum event_class class, int64_t at_ms,
       double value)
{
	struct event_record r = {
		.event = { .at_ms = at_ms,
			   .type = type,
			   .class = class,
			   .link = type == EVENT_CLICKED || type == EVENT_RECLASSIFIED ? 1 : EVENT_NO_LINK,
			   .value_micros = (int64_t)(value * 1e6) }
	};
	memset(r.event.rk, who, sizeof(r.event.rk));
	persons_event(p, &r, "UTC");
}

static void
test_persons(void **state)
{
	(void)state;
	struct persons *p = persons_new();
	uint8_t rk[STORE_KEY_LEN];
	size_t n;
	memset(rk, 2, sizeof(rk));
	persons_zone(p, rk, "Asia/Tokyo");
	memset(rk, 9, sizeof(rk)); /* a profile, and nothing else */
	persons_zone(p, rk, "Europe/Berlin");
	persons_zone(p, rk, "Nowhere/Atall");
	happen(p, 1, EVENT_INJECTED, EVENT_UNKNOWN, NOW, 0);
	happen(p, 2, EVENT_INJECTED, EVENT_UNKNOWN, NOW, 0);
	happen(p, 1, EVENT_OPENED, EVENT_PROXY, NOW + 1, 0);
	happen(p, 1, EVENT_OPENED, EVENT_HUMAN, NOW + 1, 0);
	happen(p, 1, EVENT_CLICKED, EVENT_MACHINE, NOW + 2, 0);
	happen(p, 1, EVENT_CLICKED, EVENT_HUMAN, NOW + 2, 0);
	happen(p, 2, EVENT_CLICKED, EVENT_HUMAN, NOW + 2, 0); /* 09:00 in Tokyo */
	happen(p, 2, EVENT_CLICKED, EVENT_HUMAN, NOW + 3, 0);
	happen(p, 2, EVENT_RECLASSIFIED, EVENT_MACHINE, NOW + 4, 0);
	happen(p, 1, EVENT_PURCHASED, EVENT_UNKNOWN, NOW + 5 * DAY, 7);
	happen(p, 1, EVENT_PURCHASED, EVENT_UNKNOWN, NOW + DAY, 5.5); /* late, and twice that day */
	happen(p, 1, EVENT_PURCHASED, EVENT_UNKNOWN, NOW + DAY + 60000, 1);
	happen(p, 0, EVENT_PURCHASED, EVENT_UNKNOWN, NOW + DAY, 1); /* nobody's */
	const struct person *v = persons_finish(p, &n);
	assert_int_equal(n, 2);
	memset(rk, 1, sizeof(rk));
	const struct person *one = persons_find(p, rk);
	assert_non_null(one);
	assert_int_equal(one->purchases, 2);
	assert_int_equal(one->first_day, 20501);
	assert_int_equal(one->last_day, 20505);
	near(one->value, 13.5, 1e-9);
	near(one->sent, 1, 0);
	near(one->opened, 1, 0);
	near(one->clicked, 1, 0);
	assert_true(one->first_ms == NOW && one->last_ms == NOW + 5 * DAY);
	memset(rk, 2, sizeof(rk));
	const struct person *two = persons_find(p, rk);
	assert_true(two >= v && two < v + n && two != one);
	near(two->clicked, 1, 0);
	near(two->hours[9], 0.5, 0);
	near(two->hours[0], 0, 0);
	memset(rk, 9, sizeof(rk));
	assert_null(persons_find(p, rk));
	memset(rk, 77, sizeof(rk));
	assert_null(persons_find(p, rk));
	persons_free(&p);
	assert_null(p);
}

/* Half buy every other week and answer in the evening; half bought once, long ago, and answer in the
 * morning. */
static struct persons *
shoppers(size_t n)
{
	struct persons *p = persons_new();
	uint64_t seed = 3;
	for (size_t i = 0; i < n; i++) {
		bool keen = i % 2 == 0;
		struct event_record r = { .event = { .link = 1, .class = EVENT_HUMAN } };
		r.event.rk[0] = (uint8_t)(i + 1);
		r.event.rk[1] = (uint8_t)(i >> 8);
		r.event.rk[2] = 1;
		for (int k = 0; k < 12; k++) {
			int64_t day = NOW - (keen ? 5 + k * 14 + (int64_t)random_below(&seed, 5) : 300) * DAY;
			r.event.type = EVENT_INJECTED;
			r.event.at_ms = NOW - (k + 1) * 20 * DAY;
			persons_event(p, &r, "UTC");
			r.event.type = EVENT_CLICKED;
			r.event.at_ms += (keen ? 20 : 7) * 3600000;
			if (keen || k % 3 == 0)
				persons_event(p, &r, "UTC");
			r.event.type = EVENT_PURCHASED;
			r.event.at_ms = day + (keen ? 20 : 7) * 3600000;
			r.event.value_micros = 10000000;
			if (keen || k == 0)
				persons_event(p, &r, "UTC");
		}
	}
	return p;
}

static const struct segments_options options = {
	.k = 2, .seed = 1, .hour_weight = 10, .horizon_days = 90, .now_ms = NOW
};

static void
test_segments(void **state)
{
	(void)state;
	struct persons *p = shoppers(200);
	struct arena *a = arena_new(4096);
	struct segments s, back;
	struct err e = { 0 };
	struct buf text = { 0 }, again = { 0 };
	size_t n;
	const struct person *v = persons_finish(p, &n);
	assert_int_equal(n, 200);
	assert_int_equal(segments_train(v, n, &options, a, &s, &e), 0);
	assert_int_equal(s.groups.k, 2);
	assert_int_equal(s.buyers, 200);
	assert_true(s.has_value);
	struct rfm_score rfm[200];
	assert_int_equal(segments_rfm(v, n, NOW, rfm, &e), 0);
	struct segments_one keen, gone, one;
	segments_apply(&s, &v[0], NOW, &keen);
	segments_apply(&s, &v[1], NOW, &gone);
	for (size_t i = 0; i < n; i++) {
		segments_apply(&s, &v[i], NOW, &one);
		assert_int_equal(one.segment, i % 2 == 0 ? keen.segment : gone.segment);
		assert_int_equal(one.hour, i % 2 == 0 ? 20 : 7);
		assert_true(one.gain > 0.2);
	}
	assert_true(keen.segment != gone.segment);
	assert_true(keen.expected > gone.expected && keen.expected > 2);
	assert_true(keen.alive > 0.5 && keen.alive <= 1);
	assert_true(rfm[0].r > rfm[1].r && rfm[0].f > rfm[1].f && rfm[0].m > rfm[1].m);
	near(s.segment[keen.segment].purchases, 12, 1e-9);
	near(s.segment[gone.segment].clicked, 4, 1e-9);
	/* Who did nothing yet gets his segment's hour. */
	const struct person fresh = { .first_ms = NOW, .last_ms = NOW, .sent = 1 };
	segments_apply(&s, &fresh, NOW, &one);
	assert_false(one.has_value);
	assert_int_equal(one.hour, hours_best(s.segment[one.segment].hours, &one.gain));

	segments_print(&s, &text);
	assert_int_equal(segments_parse(buf_str(&text), a, &back, &e), 0);
	segments_print(&back, &again);
	assert_true(str_eq(buf_str(&text), buf_str(&again)));
	struct segments_one other;
	segments_apply(&back, &v[0], NOW, &other);
	assert_int_equal(other.segment, keen.segment);
	near(other.expected, keen.expected, 0);
	near(other.axis[0], keen.axis[0], 0);
	buf_free(&text);
	buf_free(&again);
	arena_free(&a);
	persons_free(&p);
}

/* Shoppers who all come alike and seldom: the fit ends at its bounds, and alpha, in weeks, far beyond them.
 */
static void
test_alike(void **state)
{
	(void)state;
	struct persons *p = persons_new();
	struct arena *a = arena_new(4096);
	struct segments s, back;
	struct segments_one one;
	struct err e = { 0 };
	struct buf text = { 0 };
	size_t n;
	for (int i = 0; i < 60; i++)
		for (int k = 0; k < 5; k++) {
			char who[8];
			snprintf(who, sizeof(who), "u%d", i);
			int64_t at = NOW - (100 + i + 700 * (4 - k)) * DAY;
			assert_int_equal(persons_purchase(p, str_of(who), at, 10, &e), 0);
		}
	const struct person *v = persons_finish(p, &n);
	assert_int_equal(segments_train(v, n, &options, a, &s, &e), 0);
	assert_true(s.has_value && s.value.alpha > 1e7);
	segments_print(&s, &text);
	if (segments_parse(buf_str(&text), a, &back, &e) != 0)
		fail_msg("%s", e.text);
	near(back.value.alpha, s.value.alpha, 0);
	segments_apply(&back, &v[0], NOW, &one);
	assert_true(one.expected > 0 && one.expected < 1 && one.alive >= 0 && one.alive <= 1);
	buf_free(&text);
	arena_free(&a);
	persons_free(&p);
}

/* Nobody came back; too few; and from a table. */
static void
test_few(void **state)
{
	(void)state;
	struct persons *p = persons_new();
	struct arena *a = arena_new(4096);
	struct segments s;
	struct segments_one one;
	struct err e = { 0 };
	size_t n;
	assert_int_equal(persons_purchase(p, STR(""), NOW, 1, &e), -1);
	assert_int_equal(persons_purchase(p, STR("a"), -1, 1, &e), -1);
	assert_int_equal(persons_purchase(p, STR("a"), NOW, NAN, &e), -1);
	assert_int_equal(persons_purchase(p, STR("a"), NOW - 9 * DAY, 3, &e), 0);
	const struct person *v = persons_finish(p, &n);
	assert_int_equal(segments_train(v, n, &options, a, &s, &e), -1);
	assert_int_equal(e.kind, ERR_INPUT);
	assert_int_equal(persons_purchase(p, STR("b"), NOW - 2 * DAY, 4, &e), 0);
	v = persons_finish(p, &n);
	assert_int_equal(segments_train(v, n, &options, a, &s, &e), 0);
	assert_false(s.has_value);
	segments_apply(&s, &v[0], NOW, &one);
	assert_false(one.has_value);
	near(one.gain, 0, 1e-12); /* a table knows no hours */
	struct buf text = { 0 };
	segments_print(&s, &text);
	assert_int_equal(segments_parse(buf_str(&text), a, &s, &e), 0);
	buf_free(&text);
	arena_free(&a);
	persons_free(&p);
}

/* Cut anywhere, or with a number changed, it is refused or makes something that can be applied. */
static void
test_damaged(void **state)
{
	(void)state;
	static const struct {
		const char *find, *put;
	} V[] = {
		{ "\"format\": 1", "\"format\": 2" },
		{ "\"horizon_days\": 90", "\"horizon_days\": 0" },
		{ "\"recency\"", "\"decency\"" },
		{ "\"r\": ", "\"r\": -" },
		{ "\"scale\": [", "\"scale\": [0, " },
		{ "\"segments\": [", "\"segment\": [" },
		{ "\"hours\": [", "\"hours\": [null, " },
		{ "\"bgnbd\"", "\"bg\"" },
		{ "\"hour_weight\": ", "\"hour_weight\": -" },
	};
	struct persons *p = shoppers(40);
	struct arena *a = arena_new(4096);
	struct segments s;
	struct segments_one one;
	struct err e = { 0 };
	struct buf text = { 0 };
	size_t n;
	const struct person *v = persons_finish(p, &n);
	assert_int_equal(segments_train(v, n, &options, a, &s, &e), 0);
	segments_print(&s, &text);
	for (size_t i = 0; i + 2 < text.n; i += 7) {
		assert_int_equal(segments_parse(str_sub(buf_str(&text), 0, i), a, &s, &e), -1);
		assert_int_equal(e.kind, ERR_CORRUPT);
	}
	for (size_t i = 0; i < sizeof(V) / sizeof(V[0]); i++) {
		struct buf bad = { 0 };
		const char *at = strstr(arena_cstr(a, buf_str(&text)), V[i].find);
		assert_non_null(at);
		const char *whole = arena_cstr(a, buf_str(&text));
		size_t from = (size_t)(strstr(whole, V[i].find) - whole);
		buf_add(&bad, whole, from);
		buf_adds(&bad, str_of(V[i].put));
		buf_adds(&bad, str_of(whole + from + strlen(V[i].find)));
		if (segments_parse(buf_str(&bad), a, &s, &e) != -1)
			fail_msg("%s was taken", V[i].put);
		assert_int_equal(e.kind, ERR_CORRUPT);
		buf_free(&bad);
	}
	uint64_t seed = 1;
	for (size_t i = 0; i < 2000; i++) {
		size_t k = random_below(&seed, text.n);
		char was = text.p[k];
		text.p[k] = "0123456789-e.]["[random_below(&seed, 15)];
		struct arena *own = arena_new(4096);
		if (segments_parse(buf_str(&text), own, &s, &e) == 0) {
			segments_apply(&s, &v[i % n], NOW, &one);
			assert_true(one.segment < s.groups.k && one.hour >= 0 && one.hour < HOURS);
		}
		arena_free(&own);
		text.p[k] = was;
	}
	buf_free(&text);
	arena_free(&a);
	persons_free(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hours), cmocka_unit_test(test_persons), cmocka_unit_test(test_segments),
		cmocka_unit_test(test_alike), cmocka_unit_test(test_few),     cmocka_unit_test(test_damaged),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
