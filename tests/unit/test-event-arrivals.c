/* Events that arrive in crowds: queued in arrivals.mdb, moved into the log. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "test-event.h"

#define MANY 5000 /* more than one commit of the log takes */
#define PERSONS 300

/* Number i of a crowd, in which everybody is about several times. */
static struct event
one_of(uint32_t i)
{
	const uint32_t who = i * 2654435761U % PERSONS;
	struct event ev = event_of(i % 3 == 0 ? EVENT_CLICKED : EVENT_OPENED, who, who + 1);
	ev.at_ms = NOW + i;
	ev.class = EVENT_HUMAN;
	ev.campaign = STR("spring");
	be64_put(ev.idem, i + 1);
	if (ev.type == EVENT_CLICKED) {
		ev.link = (int)(i % 7);
		ev.url = STR("https://shop.example/");
	}
	return ev;
}

static void
crowd(struct event *v)
{
	for (uint32_t i = 0; i < MANY; i++)
		v[i] = one_of(i);
}

static void
arrive(struct fixture *f, const struct event *v, size_t n)
{
	if (event_arrive(f->s, v, n, &f->e) != 0)
		fail_msg("%s", f->e.text);
}

static void
assert_same_counts(struct fixture *f, const struct event_counter *want, enum event_type type)
{
	struct event_counter is = counted(f, STR("spring"), type, EVENT_HUMAN);
	assert_int_equal(is.count, want->count);
	assert_int_equal(is.unique, want->unique);
	assert_int_equal(is.unique_link, want->unique_link);
}

/* What is moved is what event_add makes of it: numbers aside, which are by recipient. */
static void
test_moved_as_if_added(void **state)
{
	struct fixture *f = *state;
	struct event *v = calloc(MANY, sizeof *v);
	crowd(v);
	add(f, v, MANY);
	const struct event_counter opens = counted(f, STR("spring"), EVENT_OPENED, EVENT_HUMAN),
				   clicks = counted(f, STR("spring"), EVENT_CLICKED, EVENT_HUMAN);
	other_directory(f);
	for (size_t i = 0; i < MANY; i += 100)
		arrive(f, v + i, 100);
	assert_int_equal(see(f, &(struct event_filter){ 0 })->n, 0);
	reopen(f, (int64_t)64 << 20); /* it is on disk */
	assert_int_equal(event_move_arrived(f->s, MANY, &f->e), MANY);
	assert_int_equal(event_move_arrived(f->s, MANY, &f->e), 0);
	assert_same_counts(f, &opens, EVENT_OPENED);
	assert_same_counts(f, &clicks, EVENT_CLICKED);
	struct seen *s = see(f, &(struct event_filter){ 0 });
	int64_t last[PERSONS] = { 0 };
	assert_int_equal(s->n, MANY);
	for (size_t i = 0; i < s->n; i++) { /* of each, in the order in which it happened */
		const uint64_t who = be64_get(s->v[i].event.rk + 8);
		assert_true(s->v[i].event.at_ms > last[who]);
		last[who] = s->v[i].event.at_ms;
	}
	free(v);
}

/* Who is killed while he moves them moves them again. */
static void
test_moved_again_counts_once(void **state)
{
	struct fixture *f = *state;
	struct event *v = calloc(MANY, sizeof *v);
	crowd(v);
	add(f, v + 1000, 1000);
	arrive(f, v, MANY);
	arrive(f, v, 10);
	assert_int_equal(event_move(f->s, 2 * MANY, &f->e), MANY + 10);
	assert_int_equal(see(f, &(struct event_filter){ 0 })->n, MANY);
	free(v);
}

static void
test_who_is_forgotten_does_not_arrive(void **state)
{
	struct fixture *f = *state;
	struct event v[2] = { one_of(1), one_of(2) };
	struct event_person p;
	arrive(f, v, 2);
	assert_int_equal(store_forget(f->s, v[0].rk, NULL, &f->e), 0);
	assert_int_equal(event_move_arrived(f->s, 10, &f->e), 0);
	assert_int_equal(event_person_get(f->s, v[0].rk, f->a, &p, &f->e), 0);
	assert_int_equal(event_person_get(f->s, v[1].rk, f->a, &p, &f->e), 1);
	assert_int_equal(counted(f, STR("spring"), v[0].type, EVENT_HUMAN).count +
			     counted(f, STR("spring"), v[1].type, EVENT_HUMAN).count,
			 v[0].type == v[1].type ? 4 : 2);
}

/* Large ones end a step of moving early; what lies behind them must not come back afterwards either. */
static void
test_who_is_forgotten_does_not_arrive_behind_large_ones(void **state)
{
	struct fixture *f = *state;
	enum { LARGE = 600 };
	struct event *v = calloc(LARGE, sizeof *v), last = one_of(LARGE);
	char *details = malloc(EVENT_MAX_DETAILS);
	struct event_person p;
	memset(details, 'x', EVENT_MAX_DETAILS);
	for (uint32_t i = 0; i < LARGE; i++) {
		v[i] = one_of(1);
		v[i].details = (struct str){ details, EVENT_MAX_DETAILS };
		be64_put(v[i].idem, i + 1);
	}
	arrive(f, v, LARGE);
	arrive(f, &last, 1);
	assert_int_equal(store_forget(f->s, last.rk, NULL, &f->e), 0);
	assert_int_equal(event_move(f->s, LARGE, &f->e), 0);
	assert_int_equal(event_person_get(f->s, last.rk, f->a, &p, &f->e), 0);
	assert_int_equal(event_person_get(f->s, v[0].rk, f->a, &p, &f->e), 1);
	free(details);
	free(v);
}

static void
test_all_or_none(void **state)
{
	struct fixture *f = *state;
	struct event v[3] = { one_of(1), one_of(2), one_of(3) };
	v[1].campaign = STR("a\x01");
	assert_int_equal(event_arrive(f->s, v, 3, &f->e), -1);
	assert_int_equal(f->e.kind, ERR_INPUT);
	assert_int_equal(event_move_arrived(f->s, 10, &f->e), 0);
	assert_int_equal(event_arrive(f->s, v, 0, &f->e), 0);
}

/* A directory of a version without that file, opened by who must not make it. */
static void
test_an_earlier_directory(void **state)
{
	struct fixture *f = *state;
	const struct event ev = one_of(1);
	char path[100];
	store_close(&f->s);
	snprintf(path, sizeof path, "%s/arrivals.mdb", f->dir);
	assert_int_equal(unlink(path), 0);
	f->s =
	    store_open(&(struct store_options){ .directory = f->dir, .map_size = (int64_t)64 << 20 }, &f->e);
	if (!f->s)
		fail_msg("%s", f->e.text);
	assert_int_equal(event_arrive(f->s, &ev, 1, &f->e), -1);
	assert_int_equal(f->e.kind, ERR_MISSING);
	assert_int_equal(event_move_arrived(f->s, 10, &f->e), 0);
	assert_int_equal(event_move(f->s, 10, &f->e), 0);
	add(f, &ev, 1);
	assert_int_equal(see(f, &(struct event_filter){ 0 })->n, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		EVENT_TEST(test_moved_as_if_added),
		EVENT_TEST(test_moved_again_counts_once),
		EVENT_TEST(test_who_is_forgotten_does_not_arrive),
		EVENT_TEST(test_who_is_forgotten_does_not_arrive_behind_large_ones),
		EVENT_TEST(test_all_or_none),
		EVENT_TEST(test_an_earlier_directory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
