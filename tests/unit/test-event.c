/*
 * test-event: the event log: what is stored, counted, unique, idempotent;
 * recipients, forgetting, retention, damage, full maps.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "store/spool.h"
#include "test-event.h"

/* ---- the log ---- */

static void
test_add_and_read_back(void **state)
{
	struct fixture *f = *state;
	struct event ev = event_of(EVENT_CLICKED, 1, 7);
	ev.class = EVENT_HUMAN;
	ev.reason = STR("browser");
	ev.campaign = STR("spring");
	ev.arm = STR("b");
	ev.domain = STR("example.com");
	ev.segment = STR("loyal");
	ev.category = STR("news");
	ev.source = STR("trackd");
	ev.link = 3;
	ev.url = STR("https://shop.example/a/b?who=anna@example.com#top");
	ev.currency = STR("EUR");
	ev.value_micros = -12990000;
	ev.details = STR("{\"agent\":\"x\"}");
	add(f, &ev, 1);
	struct seen *s = see(f, &(struct event_filter){ 0 });
	assert_int_equal(s->n, 1);
	const struct event_record *r = &s->v[0];
	assert_int_equal(r->number, 0);
	assert_true(r->unique && r->unique_link && !r->forgotten);
	assert_int_equal(r->event.at_ms, ev.at_ms);
	assert_int_equal(r->event.type, EVENT_CLICKED);
	assert_int_equal(r->event.class, EVENT_HUMAN);
	assert_memory_equal(r->event.rk, ev.rk, sizeof ev.rk);
	assert_memory_equal(r->event.copy, ev.copy, sizeof ev.copy);
	assert_int_equal(r->event.link, 3);
	assert_int_equal(r->event.value_micros, -12990000);
	const struct str is[] = { r->event.reason, r->event.campaign, r->event.arm,
				  r->event.domain, r->event.segment,  r->event.category,
				  r->event.source, r->event.currency, r->event.details };
	const struct str want[] = { ev.reason,	 ev.campaign, ev.arm,	   ev.domain, ev.segment,
				    ev.category, ev.source,   ev.currency, ev.details };
	for (size_t i = 0; i < sizeof is / sizeof is[0]; i++)
		assert_true(str_eq(is[i], want[i]));
	assert_int_equal(links(f, STR("spring")), 1);
	assert_string_equal(f->url, "https://shop.example/a/b");
	assert_int_equal(f->link, 3);
	assert_memory_equal(f->hash, r->event.url_hash, 8);
	assert_int_equal(links(f, STR("autumn")), 0);
}

static void
test_addresses_do_not_reach_the_link_table(void **state)
{
	struct fixture *f = *state;
	struct event ev = event_of(EVENT_CLICKED, 1, 1);
	ev.campaign = STR("spring");
	ev.url = STR("https://shop.example/for/anna@example.com/sale");
	add(f, &ev, 1);
	assert_int_equal(links(f, STR("spring")), 1);
	assert_string_equal(f->url, "https://shop.example/for");
	ev.url = STR("https://shop.example/out/anna%40example.com");
	add(f, &ev, 1);
	assert_int_equal(links(f, STR("spring")), 2);
}

static void
test_words_are_refused(void **state)
{
	struct fixture *f = *state;
	char longword[EVENT_MAX_WORD + 1];
	memset(longword, 'x', sizeof longword);
	const struct {
		struct event ev;
		enum err_kind kind;
		const char *says;
	} cases[] = {
		{ { .type = EVENT_OPENED, .link = -1, .campaign = { longword, sizeof longword } },
		  ERR_LIMIT,
		  "campaign" },
		{ { .type = EVENT_OPENED, .link = -1, .arm = STR("a\nb") }, ERR_INPUT, "arm" },
		{ { .type = EVENT_OPENED, .link = -1, .reason = STR("\xff") }, ERR_INPUT, "reason" },
		{ { .type = 0, .link = -1 }, ERR_INPUT, "type" },
		{ { .type = EVENT_TYPES, .link = -1 }, ERR_INPUT, "type" },
		{ { .type = EVENT_OPENED, .class = EVENT_CLASSES, .link = -1 }, ERR_INPUT, "class" },
		{ { .type = EVENT_OPENED, .link = -2 }, ERR_INPUT, "link" },
		{ { .type = EVENT_OPENED, .link = -1, .at_ms = -1 }, ERR_INPUT, "time" },
		{ { .type = EVENT_OPENED, .link = -1, .value_micros = 1 }, ERR_INPUT, "currency" },
		{ { .type = EVENT_OPENED, .link = -1, .currency = STR("Eur") }, ERR_INPUT, "currency" },
		{ { .type = EVENT_OPENED, .link = -1, .currency = STR("EUR"), .value_micros = INT64_MAX },
		  ERR_LIMIT,
		  "value" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct err e = { 0 };
		const struct event both[2] = { event_of(EVENT_OPENED, 1, 1), cases[i].ev };
		assert_int_equal(event_add(f->s, both, 2, NULL, &e), -1);
		assert_int_equal(e.kind, cases[i].kind);
		assert_non_null(strstr(e.text, cases[i].says));
		assert_non_null(strstr(e.text, "number 2"));
	}
	/* None of what stood beside them was added. */
	assert_int_equal(see(f, &(struct event_filter){ 0 })->n, 0);
}

static void
test_filters(void **state)
{
	struct fixture *f = *state;
	struct event v[6];
	for (int i = 0; i < 6; i++) {
		v[i] = event_of(i % 2 ? EVENT_OPENED : EVENT_INJECTED, 1 + (uint32_t)i / 2, 1);
		v[i].at_ms = NOW + i * 1000;
		v[i].campaign = i < 4 ? STR("spring") : STR("autumn");
	}
	add(f, v, 6);
	assert_int_equal(see(f, &(struct event_filter){ 0 })->n, 6);
	assert_int_equal(see(f, &(struct event_filter){ .from = 4 })->n, 2);
	assert_int_equal(f->next, 6);
	assert_int_equal(see(f, &(struct event_filter){ .from = 6 })->n, 0);
	assert_int_equal(f->next, 6);
	assert_int_equal(see(f, &(struct event_filter){ .since_ms = NOW + 1000, .until_ms = NOW + 3000 })->n,
			 2);
	assert_int_equal(see(f, &(struct event_filter){ .campaign = STR("autumn") })->n, 2);
	assert_int_equal(see(f, &(struct event_filter){ .campaign = STR("winter") })->n, 0);
	assert_int_equal(see(f, &(struct event_filter){ .types = EVENT_BIT(EVENT_OPENED) })->n, 3);
	struct seen *s = see(f, &(struct event_filter){ .rk = v[2].rk });
	assert_int_equal(s->n, 2); /* newest first */
	assert_int_equal(s->v[0].number, 3);
	assert_int_equal(s->v[1].number, 2);
}

/* ---- uniqueness ---- */

static void
test_unique(void **state)
{
	struct fixture *f = *state;
	struct event v[5];
	for (int i = 0; i < 5; i++) {
		v[i] = event_of(EVENT_CLICKED, 1, i == 4 ? 2 : 1);
		v[i].campaign = STR("spring");
		v[i].link = i == 1 ? 1 : 0;
		v[i].class = i == 3 ? EVENT_MACHINE : EVENT_HUMAN;
	}
	add(f, v, 2);
	add(f, v + 2, 3);
	struct seen *s = see(f, &(struct event_filter){ 0 });
	const bool unique[] = { true, false, false, true, true }, link[] = { true, true, false, true, true };
	for (int i = 0; i < 5; i++) {
		assert_int_equal(s->v[i].unique, unique[i]);
		assert_int_equal(s->v[i].unique_link, link[i]);
	}
	struct event_counter sum = counted(f, STR("spring"), EVENT_CLICKED, EVENT_HUMAN);
	assert_int_equal(sum.count, 4);
	assert_int_equal(sum.unique, 2);
	assert_int_equal(sum.unique_link, 3);
	sum = counted(f, STR("spring"), EVENT_CLICKED, EVENT_MACHINE);
	assert_int_equal(sum.count, 1);
}

/* What a scanner did at first is no person's; the person who comes after it is one. */
static void
test_taken_back(void **state)
{
	struct fixture *f = *state;
	static const struct {
		enum event_type type;
		int link;
		int64_t after_ms;
		enum event_class class;
		bool unique, unique_link;
	} rows[] = {
		{ EVENT_OPENED, -1, 0, EVENT_HUMAN, true, true },
		{ EVENT_CLICKED, 0, 1000, EVENT_HUMAN, true, true },
		{ EVENT_CLICKED, 1, 1000, EVENT_HUMAN, false, true },
		{ EVENT_CLICKED, 1, 2000, EVENT_MACHINE, true, true },
		/* A burst: the clicks go, the open stays. */
		{ EVENT_RECLASSIFIED, 0, 2000, EVENT_MACHINE, false, true },
		{ EVENT_RECLASSIFIED, 1, 2000, EVENT_MACHINE, true, true },
		/* Nothing is left to take. */
		{ EVENT_RECLASSIFIED, 1, 2000, EVENT_MACHINE, false, false },
		/* Now the person, and again. */
		{ EVENT_CLICKED, 1, 3600000, EVENT_HUMAN, true, true },
		{ EVENT_CLICKED, 1, 3700000, EVENT_HUMAN, false, false },
		/* A scanner's click, long after his first, which stays. */
		{ EVENT_CLICKED, 1, 7200000, EVENT_HUMAN, false, false },
		{ EVENT_RECLASSIFIED, 1, 7203000, EVENT_MACHINE, false, false },
		/* The open was too long ago, too. */
		{ EVENT_RECLASSIFIED, -1, 7203000, EVENT_MACHINE, false, false },
	};
	struct event v[sizeof rows / sizeof rows[0]];
	const size_t n = sizeof rows / sizeof rows[0];
	for (size_t i = 0; i < n; i++) {
		v[i] = event_of(rows[i].type, 1, 1);
		v[i].campaign = STR("spring");
		v[i].category = STR("promo");
		v[i].at_ms = NOW / DAY * DAY + rows[i].after_ms;
		v[i].link = rows[i].link;
		v[i].class = rows[i].class;
	}
	/* Cut anywhere it comes out the same. */
	add(f, v, 5);
	add(f, v + 5, n - 5);
	struct seen *s = see(f, &(struct event_filter){ 0 });
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(s->v[i].unique, rows[i].unique);
		assert_int_equal(s->v[i].unique_link, rows[i].unique_link);
	}
	/* Copies by persons: those counted less those taken back. */
	struct event_counter clicked = counted(f, STR("spring"), EVENT_CLICKED, EVENT_HUMAN),
			     back = counted(f, STR("spring"), EVENT_RECLASSIFIED, EVENT_MACHINE);
	assert_int_equal(clicked.unique - back.unique, 1);
	assert_int_equal(clicked.unique_link - back.unique_link, 1);
	struct event_person p;
	int64_t count, micros;
	assert_int_equal(event_person_get(f->s, v[0].rk, f->a, &p, &f->e), 1);
	event_person_window(&p, EVENT_CLICKED, STR("promo"), 1, v[0].at_ms, &count, &micros);
	/* Days know no firsts: two and two less, no third that is none's, then three and one less. */
	assert_int_equal(count, 2);
	event_person_window(&p, EVENT_OPENED, STR("promo"), 1, v[0].at_ms, &count, &micros);
	assert_int_equal(count, 0);
	struct event_verify_result r;
	assert_int_equal(event_verify(f->s, &(struct event_verify_request){ 0 }, &r, &f->e), 0);
	assert_int_equal(r.wrong_unique + r.wrong_counters + r.wrong_persons, 0);
}

static void
test_a_copy_says_what_it_was(void **state)
{
	struct fixture *f = *state;
	struct event sent = event_of(EVENT_INJECTED, 1, 1), open = event_of(EVENT_OPENED, 1, 1);
	sent.campaign = STR("spring");
	sent.arm = STR("b");
	sent.domain = STR("example.com");
	sent.segment = STR("loyal");
	sent.category = STR("news");
	add(f, &sent, 1);
	open.at_ms += 5000;
	add(f, &open, 1);
	struct seen *s = see(f, &(struct event_filter){ .types = EVENT_BIT(EVENT_OPENED) });
	assert_int_equal(s->n, 1);
	assert_true(str_eq(s->v[0].event.campaign, STR("spring")));
	assert_true(str_eq(s->v[0].event.arm, STR("b")));
	assert_true(str_eq(s->v[0].event.domain, STR("example.com")));
	assert_true(str_eq(s->v[0].event.segment, STR("loyal")));
	assert_true(str_eq(s->v[0].event.category, STR("news")));
	struct event_copy c;
	assert_int_equal(event_copy_get(f->s, sent.rk, sent.copy, f->a, &c, &f->e), 1);
	assert_true(str_eq(c.domain, STR("example.com")));
	assert_int_equal(c.nfirsts, 2);
	assert_int_equal(c.firsts[0].type, EVENT_INJECTED);
	assert_int_equal(c.firsts[1].type, EVENT_OPENED);
	assert_int_equal(c.firsts[1].at_ms, (NOW + 5000) / 1000 * 1000);
	assert_int_equal(event_copy_get(f->s, sent.rk, (const uint8_t *)"nosuchid", f->a, &c, &f->e), 0);
}

/* ---- adding twice ---- */

static void
test_idempotency_key(void **state)
{
	struct fixture *f = *state;
	struct event v[3];
	bool added[3];
	for (int i = 0; i < 3; i++) {
		v[i] = event_of(EVENT_PURCHASED, 1, 0);
		v[i].campaign = STR("spring");
		v[i].currency = STR("EUR");
		v[i].value_micros = 5000000;
		memcpy(v[i].idem, i < 2 ? "the same key...." : "another key.....", 16);
	}
	assert_int_equal(event_add(f->s, v, 3, added, &f->e), 0);
	assert_true(added[0] && !added[1] && added[2]);
	assert_int_equal(event_add(f->s, v, 3, added, &f->e), 0);
	assert_false(added[0] || added[1] || added[2]);
	struct event_counter sum = counted(f, STR("spring"), EVENT_PURCHASED, EVENT_UNKNOWN);
	assert_int_equal(sum.count, 2);
	assert_int_equal(sum.values[0].micros, 10000000);
	assert_int_equal(see(f, &(struct event_filter){ 0 })->n, 2);
}

static void
test_once(void **state)
{
	struct fixture *f = *state;
	struct event v[2] = { event_of(EVENT_INJECTED, 1, 1), event_of(EVENT_INJECTED, 1, 2) };
	bool added[2];
	v[0].once = v[1].once = true;
	add(f, &v[0], 1);
	assert_int_equal(event_add(f->s, v, 2, added, &f->e), 0);
	assert_true(!added[0] && added[1]);
	assert_int_equal(see(f, &(struct event_filter){ 0 })->n, 2);
}

/* ---- counters ---- */

static void
test_counters_by_every_dimension(void **state)
{
	struct fixture *f = *state;
	struct event v[4];
	for (int i = 0; i < 4; i++) {
		v[i] = event_of(EVENT_CONVERTED, 1 + (uint32_t)i, 1);
		v[i].campaign = STR("spring");
		v[i].arm = i < 2 ? STR("a") : STR("b");
		v[i].domain = i % 2 ? STR("a.example") : STR("b.example");
		v[i].at_ms = NOW + (i == 3 ? 3600000 : 0);
		v[i].currency = i == 0 ? STR("USD") : STR("EUR");
		v[i].value_micros = 1000000 * (i + 1);
	}
	add(f, v, 4);
	add(f, v, 4);
	assert_int_equal(count_rows(f, STR("spring"), 0, 0), 4);
	struct event_counter sum = counted(f, STR("spring"), EVENT_CONVERTED, EVENT_UNKNOWN);
	assert_int_equal(sum.count, 8);
	assert_int_equal(sum.unique, 4);
	assert_int_equal(count_rows(f, STR("spring"), hour(NOW) + 1, 0), 1);
	assert_int_equal(count_rows(f, STR("spring"), 0, hour(NOW) + 3600000), 3);
	assert_int_equal(count_rows(f, STR_NULL, 0, 0), 4);
	assert_int_equal(count_rows(f, STR("winter"), 0, 0), 0);
}

/* A batch and single events give the same. */
static void
test_batches_count_like_single_events(void **state)
{
	struct fixture *f = *state;
	enum { N = 3000 };
	struct event *v = calloc(N, sizeof *v);
	uint32_t x = 1;
	for (int i = 0; i < N; i++) {
		x = x * 1103515245u + 12345u;
		v[i] = event_of((enum event_type)(1 + (x >> 8) % 5), 1 + (x >> 12) % 50, 1 + (x >> 20) % 3);
		v[i].class = (enum event_class)((x >> 16) % 4);
		v[i].at_ms = NOW + (int64_t)((x >> 4) % 100000) * 1000;
		v[i].campaign = x % 3 ? STR("spring") : STR("autumn");
		v[i].domain = x % 7 ? STR("a.example") : STR("b.example");
		v[i].link = v[i].type == EVENT_CLICKED ? (int)((x >> 24) % 4) : EVENT_NO_LINK;
		v[i].once = v[i].type == EVENT_INJECTED;
		if (x % 11 == 0)
			be64_put(v[i].idem, 1 + x % 200);
	}
	for (int i = 0; i < N; i++)
		assert_int_equal(event_add(f->s, &v[i], 1, NULL, &f->e), 0);
	char *one = dump(f);
	other_directory(f);
	for (int i = 0; i < N; i += 1000)
		assert_int_equal(event_add(f->s, v + i, 1000, NULL, &f->e), 0);
	char *many = dump(f);
	assert_true(strlen(one) > 100000);
	assert_string_equal(one, many);
	free(one);
	free(many);
	free(v);
}

/* ---- recipients ---- */

static void
test_windows_of_a_recipient(void **state)
{
	struct fixture *f = *state;
	const int ago[] = { 0, 3, 6, 7, 29, 30, 89, 90, 200 };
	int64_t n, micros;
	for (size_t i = 0; i < sizeof ago / sizeof ago[0]; i++) {
		struct event ev = event_of(EVENT_PURCHASED, 1, 0);
		ev.at_ms = NOW - ago[i] * DAY;
		ev.category = i % 2 ? STR("shoes") : STR("hats");
		ev.currency = STR("EUR");
		ev.value_micros = 1000000;
		add(f, &ev, 1);
	}
	struct event_person p;
	struct event any = event_of(EVENT_OPENED, 1, 0);
	assert_int_equal(event_person_get(f->s, any.rk, f->a, &p, &f->e), 1);
	event_person_window(&p, EVENT_PURCHASED, STR_NULL, 7, NOW, &n, &micros);
	assert_int_equal(n, 3);
	assert_int_equal(micros, 3000000);
	event_person_window(&p, EVENT_PURCHASED, STR_NULL, 30, NOW, &n, &micros);
	assert_int_equal(n, 5);
	event_person_window(&p, EVENT_PURCHASED, STR_NULL, 90, NOW, &n, &micros);
	assert_int_equal(n, 7);
	event_person_window(&p, EVENT_PURCHASED, STR("shoes"), 90, NOW, &n, &micros);
	assert_int_equal(n, 3);
	const struct event_total *t = event_person_total(&p, EVENT_PURCHASED, EVENT_UNKNOWN);
	assert_int_equal(t->count, 9);
	assert_int_equal(t->last_ms, NOW);
	assert_null(event_person_total(&p, EVENT_CLICKED, EVENT_HUMAN));
}

static void
test_sent_since_click(void **state)
{
	struct fixture *f = *state;
	struct event_person p;
	struct event ev = event_of(EVENT_INJECTED, 1, 1), click = event_of(EVENT_CLICKED, 1, 1);
	for (int i = 0; i < 3; i++)
		add(f, &ev, 1);
	click.class = EVENT_MACHINE;
	add(f, &click, 1);
	assert_int_equal(event_person_get(f->s, ev.rk, f->a, &p, &f->e), 1);
	assert_int_equal(p.sent_since_click, 3);
	click.class = EVENT_HUMAN;
	add(f, &click, 1);
	add(f, &ev, 1);
	assert_int_equal(event_person_get(f->s, ev.rk, f->a, &p, &f->e), 1);
	assert_int_equal(p.sent_since_click, 1);
	/* A machine's clicks are no behaviour. */
	int64_t n, micros;
	event_person_window(&p, EVENT_CLICKED, STR_NULL, 7, NOW, &n, &micros);
	assert_int_equal(n, 1);
	ev = event_of(EVENT_OPENED, 99, 1);
	assert_int_equal(event_person_get(f->s, ev.rk, f->a, &p, &f->e), 0);
}

/* ---- forgetting ---- */

static void
fill_two(struct fixture *f, uint32_t each)
{
	for (uint32_t i = 0; i < each; i++) {
		struct event v[2] = { event_of(EVENT_CLICKED, 1, 1 + i), event_of(EVENT_CLICKED, 2, 1 + i) };
		for (int j = 0; j < 2; j++) {
			v[j].campaign = STR("spring");
			v[j].link = 0;
			v[j].details = STR("{}");
			v[j].url = STR("https://shop.example/");
			v[j].idem[0] = 1;
			be64_put(v[j].idem + 8, i * 2 + (uint32_t)j);
		}
		add(f, v, 2);
	}
}

static void
check_forgotten(struct fixture *f, uint32_t each)
{
	struct event_person p;
	struct event_copy c;
	struct event gone = event_of(EVENT_CLICKED, 1, 1), stays = event_of(EVENT_CLICKED, 2, 1);
	assert_int_equal(event_person_get(f->s, gone.rk, f->a, &p, &f->e), 0);
	assert_int_equal(event_copy_get(f->s, gone.rk, gone.copy, f->a, &c, &f->e), 0);
	assert_int_equal(event_person_get(f->s, stays.rk, f->a, &p, &f->e), 1);
	assert_int_equal(event_copy_get(f->s, stays.rk, stays.copy, f->a, &c, &f->e), 1);
	assert_int_equal(see(f, &(struct event_filter){ .rk = gone.rk })->n, 0);
	assert_int_equal(see(f, &(struct event_filter){ .rk = stays.rk })->n, each);
	struct seen *s = see(f, &(struct event_filter){ 0 });
	assert_int_equal(s->n, 2 * each);
	for (size_t i = 0; i < s->n; i++) {
		const struct event_record *r = &s->v[i];
		bool his = r->number % 2 == 0;
		assert_int_equal(r->forgotten, his);
		if (!his)
			continue;
		assert_true(event_zero(r->event.rk, 16) && event_zero(r->event.copy, 8));
		assert_true(event_zero(r->event.idem, 16) && event_zero(r->event.url_hash, 8));
		assert_int_equal(r->event.at_ms, hour(NOW));
		assert_int_equal(r->event.details.n, 0);
		assert_true(r->unique);
	}
	struct event_counter sum = counted(f, STR("spring"), EVENT_CLICKED, EVENT_UNKNOWN);
	assert_int_equal(sum.count, 2 * each);
	assert_int_equal(sum.unique, 2 * each);
}

static void
test_forget(void **state)
{
	struct fixture *f = *state;
	struct event gone = event_of(EVENT_CLICKED, 1, 1);
	size_t removed;
	fill_two(f, 700);
	assert_int_equal(event_forget(f->s, gone.rk, &removed, &f->e), 0);
	assert_int_equal(removed, 700 + 700 + 1);
	check_forgotten(f, 700);
	assert_int_equal(event_forget(f->s, gone.rk, &removed, &f->e), 0);
	assert_int_equal(removed, 0);
}

static void
test_store_forget_covers_events(void **state)
{
	struct fixture *f = *state;
	struct event gone = event_of(EVENT_CLICKED, 1, 1);
	size_t removed;
	fill_two(f, 5);
	assert_int_equal(store_forget(f->s, gone.rk, &removed, &f->e), 0);
	assert_int_equal(removed, 5 + 5 + 1);
	check_forgotten(f, 5);
}

/* A mover that had read his event before all of it happened: the event is not there again. */
static void
test_movers_bring_nobody_back(void **state)
{
	struct fixture *f = *state;
	struct event ev = event_of(EVENT_INJECTED, 1, 1), v[4];
	uint64_t numbers[4];
	struct event_person p;
	struct moving m = { .a = f->a, .v = v, .numbers = numbers, .max = 4 };
	ev.once = true;
	assert_int_equal(event_post(f->s, &ev, &f->e), 0);
	assert_int_equal(outbox_read(f->s, &f->s->books, &m, &f->e), 0);
	assert_int_equal(m.n, 1);
	assert_int_equal(store_forget(f->s, ev.rk, NULL, &f->e), 0);
	assert_int_equal(event_person_get(f->s, ev.rk, f->a, &p, &f->e), 0);
	assert_int_equal(outbox_add(f->s, &m, &f->e), 0);
	assert_int_equal(event_person_get(f->s, ev.rk, f->a, &p, &f->e), 0);
	/* One that is still queued is added. */
	assert_int_equal(event_post(f->s, &ev, &f->e), 0);
	m.n = 0;
	assert_int_equal(outbox_read(f->s, &f->s->books, &m, &f->e), 0);
	assert_int_equal(outbox_add(f->s, &m, &f->e), 0);
	assert_int_equal(event_person_get(f->s, ev.rk, f->a, &p, &f->e), 1);
}

/* A copy that the injector had in its hands is counted; whose it was is not told again. */
static void
test_ends_of_forgotten_jobs_name_nobody(void **state)
{
	struct fixture *f = *state;
	struct event ev = event_of(EVENT_INJECTED, 1, 1);
	struct event_person p;
	ev.once = true;
	ev.campaign = STR("spring");
	ev.queue_id = STR("4WxYz1Q2");
	struct spool_update u = { .state = SPOOL_SENT, .due_ms = NOW, .reason = "sent", .event = &ev };
	memcpy(u.key.rk, ev.rk, sizeof u.key.rk);
	assert_int_equal(spool_update(f->s, &u, 1, DAY, &f->e), 0);
	assert_false(u.found);
	assert_int_equal(event_move(f->s, 10, &f->e), 1);
	assert_int_equal(event_person_get(f->s, ev.rk, f->a, &p, &f->e), 0);
	struct event_counter sum = counted(f, STR("spring"), EVENT_INJECTED, EVENT_UNKNOWN);
	assert_int_equal(sum.count, 1);
}

/* A damaged event in the middle hides those before it from the chain, not from forgetting. */
static void
test_forget_goes_round_damage(void **state)
{
	struct fixture *f = *state;
	struct event gone = event_of(EVENT_CLICKED, 1, 1);
	size_t removed;
	fill_two(f, 300);
	damage(f, f->s->ev.log, 300);
	assert_int_equal(event_forget(f->s, gone.rk, &removed, &f->e), 0);
	assert_int_equal(removed, 299 + 300 + 1);
	struct seen *s = see(f, &(struct event_filter){ 0 });
	assert_int_equal(s->n, 599);
	assert_int_equal(f->skipped, 1);
	for (size_t i = 0; i < s->n; i++)
		assert_memory_not_equal(s->v[i].event.rk, gone.rk, 16);
}

/* ---- queues ---- */

static void
test_wire(void **state)
{
	struct fixture *f = *state;
	struct event ev = event_of(EVENT_BOUNCED, 7, 9), out;
	struct buf b = { 0 };
	ev.class = EVENT_MACHINE;
	ev.once = true;
	ev.link = 12;
	ev.value_micros = -5;
	ev.currency = STR("EUR");
	ev.campaign = STR("spring");
	ev.url = STR("https://shop.example/");
	ev.queue_id = STR("4WxYz");
	ev.details = STR("{}");
	event_encode(&ev, &b);
	assert_int_equal(event_decode(buf_str(&b), &out), 0);
	assert_memory_equal(out.rk, ev.rk, sizeof ev.rk);
	assert_memory_equal(out.copy, ev.copy, sizeof ev.copy);
	assert_true(out.once && out.type == ev.type && out.class == ev.class && out.link == 12);
	assert_int_equal(out.value_micros, -5);
	assert_true(str_eq(out.url, ev.url) && str_eq(out.queue_id, ev.queue_id));
	assert_true(str_eq(out.campaign, ev.campaign) && str_eq(out.details, ev.details));
	assert_int_equal(out.arm.n, 0);
	for (size_t n = 0; n < b.n; n++)
		assert_int_equal(event_decode((struct str){ b.p, n }, &out), -1);
	for (size_t i = 0; i < b.n; i++) {
		b.p[i] ^= 4;
		assert_int_equal(event_decode(buf_str(&b), &out), -1);
		b.p[i] ^= 4;
	}
	buf_free(&b);
	(void)f;
}

static void
reserve_one(struct fixture *f, uint32_t recipient, uint32_t copy, const struct event *ev,
	    enum reserve_status want)
{
	struct event of = event_of(EVENT_INJECTED, recipient, 0);
	struct reserve_request rq = {
		.now_ms = NOW, .decision_keep_ms = DAY, .decision = STR("d"), .event = ev
	};
	struct reserve_result out;
	memcpy(rq.rk, of.rk, sizeof rq.rk);
	be64_put(rq.idem, copy);
	if (store_reserve(f->s, &rq, f->a, &out, &f->e) != 0)
		fail_msg("%s", f->e.text);
	assert_int_equal(out.status, want);
}

static void
test_queued_events_are_moved(void **state)
{
	struct fixture *f = *state;
	for (uint32_t i = 1; i <= 10; i++) {
		struct event ev = event_of(EVENT_INJECTED, i, i);
		ev.once = true;
		ev.campaign = STR("spring");
		reserve_one(f, i, i, &ev, RESERVE_OK);
		/* A retry queues nothing. */
		reserve_one(f, i, i, &ev, RESERVE_AGAIN);
	}
	struct event other = event_of(EVENT_SUPPRESSED, 11, 11);
	other.once = true;
	other.reason = STR("consent");
	assert_int_equal(event_post(f->s, &other, &f->e), 0);
	other.campaign = STR("spring");
	assert_int_equal(event_post(f->s, &other, &f->e), 0);
	other.campaign = STR("a\x01");
	assert_int_equal(event_post(f->s, &other, &f->e), -1);
	assert_int_equal(see(f, &(struct event_filter){ 0 })->n, 0);
	reopen(f, (int64_t)64 << 20);
	assert_int_equal(event_move(f->s, 4, &f->e), 4);
	assert_int_equal(see(f, &(struct event_filter){ 0 })->n, 4);
	assert_int_equal(event_move(f->s, 100, &f->e), 8);
	assert_int_equal(event_move(f->s, 100, &f->e), 0);
	struct seen *s = see(f, &(struct event_filter){ 0 });
	assert_int_equal(s->n, 11); /* `once` holds for the queue too */
	for (size_t i = 0; i < 10; i++)
		assert_int_equal(s->v[i].event.copy[7], i + 1);
}

/* The event log is full: what queues goes on, and nothing is lost. */
static void
test_queues_wait_for_room(void **state)
{
	struct fixture *f = *state;
	char *details = malloc(EVENT_MAX_DETAILS);
	struct event big = event_of(EVENT_VIEWED, 1, 0), ev = event_of(EVENT_INJECTED, 2, 2);
	memset(details, 'x', EVENT_MAX_DETAILS);
	big.details = (struct str){ details, EVENT_MAX_DETAILS };
	reopen(f, (int64_t)1 << 20);
	while (event_add(f->s, &big, 1, NULL, &f->e) == 0)
		;
	ev.once = true;
	reserve_one(f, 2, 2, &ev, RESERVE_OK);
	ev.details = big.details; /* large, so that it cannot slip in */
	ev.copy[0] = 1;
	reserve_one(f, 2, 3, &ev, RESERVE_OK);
	assert_int_equal(event_move(f->s, 100, &f->e), -1);
	assert_int_equal(f->e.kind, ERR_FULL);
	assert_int_equal(see(f, &(struct event_filter){ .types = EVENT_BIT(EVENT_INJECTED) })->n, 0);
	reopen(f, (int64_t)8 << 20);
	assert_int_equal(event_move(f->s, 100, &f->e), 2);
	assert_int_equal(see(f, &(struct event_filter){ .types = EVENT_BIT(EVENT_INJECTED) })->n, 2);
	free(details);
}

static void
test_queue_ids(void **state)
{
	struct fixture *f = *state;
	struct event ev = event_of(EVENT_INJECTED, 3, 4);
	uint8_t rk[16], copy[8];
	ev.at_ms = clock_now_ms();
	ev.queue_id = STR("4WxYz1Q2");
	add(f, &ev, 1);
	assert_int_equal(event_queue_find(f->s, STR("4WxYz1Q2"), rk, copy, &f->e), 1);
	assert_memory_equal(rk, ev.rk, 16);
	assert_memory_equal(copy, ev.copy, 8);
	assert_int_equal(event_queue_find(f->s, STR("4WxYz1Q"), rk, copy, &f->e), 0);
	assert_true(str_eq(see(f, &(struct event_filter){ 0 })->v[0].event.queue_id, STR("4WxYz1Q2")));
	/* Used again by another copy, and old. */
	ev.at_ms -= EVENT_QUEUE_KEEP_MS + 1000;
	add(f, &ev, 1);
	assert_int_equal(event_queue_find(f->s, STR("4WxYz1Q2"), rk, copy, &f->e), 0);
	assert_int_equal(event_sweep(f->s, clock_now_ms(), INT64_C(1) << 50, 10, &f->e), 1);
	/* The MTA's log brings nobody back who was forgotten, and loses nobody who has the id now. */
	ev.at_ms = clock_now_ms();
	add(f, &ev, 1);
	struct event other = event_of(EVENT_INJECTED, 5, 6);
	other.at_ms = ev.at_ms;
	other.queue_id = STR("4Other");
	add(f, &other, 1);
	assert_int_equal(event_forget(f->s, ev.rk, NULL, &f->e), 0);
	assert_int_equal(event_queue_find(f->s, STR("4WxYz1Q2"), rk, copy, &f->e), 0);
	assert_int_equal(event_queue_find(f->s, STR("4Other"), rk, copy, &f->e), 1);
}

/* ---- retention ---- */

static void
test_sweep(void **state)
{
	struct fixture *f = *state;
	for (int i = 0; i < 100; i++) {
		struct event ev = event_of(EVENT_OPENED, 1 + (uint32_t)i, 1);
		ev.campaign = STR("spring");
		ev.at_ms = NOW + i * DAY;
		be64_put(ev.idem, 1 + (uint64_t)i);
		add(f, &ev, 1);
	}
	int total = 0, n;
	while ((n = event_sweep(f->s, NOW + 99 * DAY, 50 * DAY, 10, &f->e)) > 0) {
		assert_in_range(n, 1, 20);
		total += n;
	}
	assert_int_equal(n, 0);
	/* Round the table of copies. */
	for (int i = 0; i < 30; i++)
		total += event_sweep(f->s, NOW + 99 * DAY, 50 * DAY, 10, &f->e);
	assert_int_equal(total, 50 + 50);
	struct seen *s = see(f, &(struct event_filter){ 0 });
	assert_int_equal(s->n, 50);
	assert_int_equal(s->v[0].number, 50);
	assert_int_equal(counted(f, STR("spring"), EVENT_OPENED, EVENT_UNKNOWN).count, 100);
	struct event_stats st;
	assert_int_equal(event_stats(f->s, &st, &f->e), 0);
	assert_int_equal(st.persons_and_copies, 100 + 50);
	assert_int_equal(st.once, 100);
	/* Their time comes by the clock. */
	for (int i = 0; i < 12; i++)
		event_sweep(f->s, NOW * 2, INT64_C(1) << 60, 10, &f->e);
	assert_int_equal(event_stats(f->s, &st, &f->e), 0);
	assert_int_equal(st.once, 0);
	/* A shop may tell of something again for as long as it may be late with it: src/web/shop.c. */
	struct event order = event_of(EVENT_PURCHASED, 1, 1);
	order.source = STR("shop:web");
	order.idem[0] = 1;
	add(f, &order, 1);
	event_sweep(f->s, clock_now_ms() + 91 * DAY, INT64_C(1) << 60, 10, &f->e);
	assert_int_equal(event_stats(f->s, &st, &f->e), 0);
	assert_int_equal(st.once, 1);
	for (int i = 0; i < 3; i++)
		event_sweep(f->s, clock_now_ms() + 101 * DAY, INT64_C(1) << 60, 10, &f->e);
	assert_int_equal(event_stats(f->s, &st, &f->e), 0);
	assert_int_equal(st.once, 0);
	/* Numbers are not used again, not even when the log is empty. */
	while (event_sweep(f->s, NOW + 1000 * DAY, DAY, 1000, &f->e) > 0)
		;
	assert_int_equal(see(f, &(struct event_filter){ 0 })->n, 0);
	struct event ev = event_of(EVENT_OPENED, 1, 1);
	add(f, &ev, 1);
	assert_int_equal(see(f, &(struct event_filter){ 0 })->v[0].number, 101);
	/* What is gone ends a recipient's chain. */
	assert_int_equal(see(f, &(struct event_filter){ .rk = ev.rk })->n, 1);
}

/* One that a clock wrote which was wrong does not keep those behind it. */
static void
test_sweep_steps_over_the_future(void **state)
{
	struct fixture *f = *state;
	struct event late = event_of(EVENT_OPENED, 1, 1), ev = event_of(EVENT_OPENED, 2, 1);
	late.at_ms = NOW + 5000 * DAY;
	add(f, &late, 1);
	for (int i = 0; i < 5; i++)
		add(f, &ev, 1);
	while (event_sweep(f->s, NOW + 1000 * DAY, DAY, 1000, &f->e) > 0)
		;
	struct seen *s = see(f, &(struct event_filter){ 0 });
	assert_int_equal(s->n, 1);
	assert_int_equal(s->v[0].event.at_ms, late.at_ms);
	assert_int_equal(event_forget(f->s, ev.rk, NULL, &f->e), 0);
	assert_int_equal(event_forget(f->s, late.rk, NULL, &f->e), 0);
	assert_true(see(f, &(struct event_filter){ 0 })->v[0].forgotten);
}

/* ---- damage ---- */

static void
test_damage_is_skipped(void **state)
{
	struct fixture *f = *state;
	fill_two(f, 10);
	damage(f, f->s->ev.log, 4);
	assert_int_equal(see(f, &(struct event_filter){ 0 })->n, 19);
	assert_int_equal(f->skipped, 1);
	damage(f, f->s->ev.counter, 0);
	assert_int_equal(count_rows(f, STR("spring"), 0, 0), 0);
	/* The records of recipients and copies are begun afresh. */
	for (size_t i = 0; i < 22; i++)
		damage(f, f->s->ev.person, i);
	struct event ev = event_of(EVENT_CLICKED, 1, 1);
	struct event_person p;
	assert_int_equal(event_person_get(f->s, ev.rk, f->a, &p, &f->e), -1);
	assert_int_equal(f->e.kind, ERR_CORRUPT);
	ev.campaign = STR("spring");
	ev.link = 0;
	add(f, &ev, 1);
	assert_int_equal(event_person_get(f->s, ev.rk, f->a, &p, &f->e), 1);
	assert_int_equal(counted(f, STR("spring"), EVENT_CLICKED, EVENT_UNKNOWN).count, 1);
}

/* What a later version wrote is left alone and left out. */
static void
test_later_versions_are_skipped(void **state)
{
	struct fixture *f = *state;
	fill_two(f, 2);
	set_version(f, f->s->ev.log, 1, 99);
	assert_int_equal(see(f, &(struct event_filter){ 0 })->n, 3);
	assert_int_equal(f->skipped, 1);
}

static void
test_another_schema_is_refused(void **state)
{
	struct fixture *f = *state;
	set_schema(f, 7);
	struct store_options o = { .directory = f->dir, .create = true };
	store_close(&f->s);
	assert_null(store_open(&o, &f->e));
	assert_int_equal(f->e.kind, ERR_CONFIG);
	assert_non_null(strstr(f->e.text, "events.mdb has version 7"));
}

/* ---- limits of the database ---- */

static void
test_full_map(void **state)
{
	struct fixture *f = *state;
	struct event ev = event_of(EVENT_INJECTED, 1, 1);
	char *details = malloc(EVENT_MAX_DETAILS);
	int n = 0;
	memset(details, 'x', EVENT_MAX_DETAILS);
	ev.details = (struct str){ details, EVENT_MAX_DETAILS };
	ev.campaign = STR("spring");
	reopen(f, (int64_t)1 << 20);
	while (event_add(f->s, &ev, 1, NULL, &f->e) == 0)
		n++;
	assert_int_equal(f->e.kind, ERR_FULL);
	assert_non_null(strstr(f->e.text, "map_size"));
	assert_true(n > 10);
	/* Nothing half-written: the log and the counters agree; and with room it goes on. */
	assert_int_equal(see(f, &(struct event_filter){ 0 })->n, n);
	assert_int_equal(counted(f, STR("spring"), EVENT_INJECTED, EVENT_UNKNOWN).count, n);
	reopen(f, (int64_t)8 << 20);
	add(f, &ev, 1);
	assert_int_equal(see(f, &(struct event_filter){ 0 })->n, n + 1);
	free(details);
}

static void
test_without_the_file(void **state)
{
	struct fixture *f = *state;
	char path[128];
	struct event ev = event_of(EVENT_OPENED, 1, 1);
	struct event_person p;
	struct event_stats st;
	store_close(&f->s);
	snprintf(path, sizeof path, "%s/events.mdb", f->dir);
	assert_int_equal(remove(path), 0);
	struct store_options o = { .directory = f->dir, .map_size = (int64_t)8 << 20 };
	f->s = store_open(&o, &f->e);
	assert_non_null(f->s);
	assert_int_equal(see(f, &(struct event_filter){ 0 })->n, 0);
	assert_int_equal(count_rows(f, STR_NULL, 0, 0), 0);
	assert_int_equal(event_person_get(f->s, ev.rk, f->a, &p, &f->e), 0);
	assert_int_equal(event_stats(f->s, &st, &f->e), 0);
	assert_int_equal(event_sweep(f->s, NOW, DAY, 10, &f->e), 0);
	assert_int_equal(event_forget(f->s, ev.rk, NULL, &f->e), 0);
	assert_int_equal(event_add(f->s, &ev, 1, NULL, &f->e), -1);
	assert_int_equal(f->e.kind, ERR_MISSING);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		EVENT_TEST(test_add_and_read_back),
		EVENT_TEST(test_addresses_do_not_reach_the_link_table),
		EVENT_TEST(test_words_are_refused),
		EVENT_TEST(test_filters),
		EVENT_TEST(test_unique),
		EVENT_TEST(test_taken_back),
		EVENT_TEST(test_a_copy_says_what_it_was),
		EVENT_TEST(test_idempotency_key),
		EVENT_TEST(test_once),
		EVENT_TEST(test_counters_by_every_dimension),
		EVENT_TEST(test_batches_count_like_single_events),
		EVENT_TEST(test_windows_of_a_recipient),
		EVENT_TEST(test_sent_since_click),
		EVENT_TEST(test_forget),
		EVENT_TEST(test_store_forget_covers_events),
		EVENT_TEST(test_movers_bring_nobody_back),
		EVENT_TEST(test_ends_of_forgotten_jobs_name_nobody),
		EVENT_TEST(test_forget_goes_round_damage),
		EVENT_TEST(test_wire),
		EVENT_TEST(test_queued_events_are_moved),
		EVENT_TEST(test_queues_wait_for_room),
		EVENT_TEST(test_queue_ids),
		EVENT_TEST(test_sweep),
		EVENT_TEST(test_sweep_steps_over_the_future),
		EVENT_TEST(test_damage_is_skipped),
		EVENT_TEST(test_later_versions_are_skipped),
		EVENT_TEST(test_another_schema_is_refused),
		EVENT_TEST(test_full_map),
		EVENT_TEST(test_without_the_file),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
