/*
 * test-dataset: decisions and what came of them, out of the event log; and that training sees, to the last
 * bit, what was scored: 10,000 decisions are made by the engine, kept, read back, and worked out again from
 * nothing but profiles and the events before each.
 */
#include <math.h>

#include "test-engine.h"

#include "base/json.h"
#include "learn/arms.h"
#include "learn/dataset.h"
#include "learn/trial.h"
#include "mail/mail.h"

#define DAY INT64_C(86400000)

struct journal {
	struct fixture *f;
	struct store *store;
	char dir[64];
};

static void
journal_open(struct journal *l, struct fixture *f, const char *conf)
{
	l->f = f;
	f->epoch = load(f, conf, true);
	if (!f->epoch)
		fail_msg("%s", f->reports);
	f->worker = engine_worker_get(f->epoch);
	strcpy(l->dir, "/tmp/test-dataset.XXXXXX");
	assert_non_null(mkdtemp(l->dir));
	struct store_options o = { .directory = l->dir, .create = true, .map_size = 256 << 20 };
	l->store = store_open(&o, &f->e);
	assert_non_null(l->store);
}

static void
journal_close(struct journal *l)
{
	store_close(&l->store);
	state_remove(l->dir);
}

static void
put(struct journal *l, const struct event *ev, size_t n)
{
	if (event_add(l->store, ev, n, NULL, &l->f->e) != 0)
		fail_msg("%s", l->f->e.text);
}

/* ---- outcomes ---- */

#define SMALL "track {\n host = \"https://t.test\"\n}\ncampaign c {\n}\n"

/* An event of recipient r about his copy number c (0: none). */
static struct event
event_of(uint8_t r, uint8_t c, enum event_type type, int64_t at_ms)
{
	struct event ev = { .at_ms = at_ms, .type = type, .link = EVENT_NO_LINK, .source = STR("test") };
	memset(ev.rk, r, sizeof(ev.rk));
	if (c > 0) {
		memset(ev.copy, c, sizeof(ev.copy));
		ev.copy[0] = r;
	}
	if (type == EVENT_CLICKED || type == EVENT_OPENED)
		ev.class = EVENT_HUMAN;
	if (type == EVENT_CLICKED)
		ev.link = 1;
	return ev;
}

static struct event
decision(uint8_t r, uint8_t c, const char *arm, const char *details, int64_t at_ms)
{
	struct event ev = event_of(r, c, EVENT_INJECTED, at_ms);
	ev.campaign = STR("c");
	ev.arm = str_of(arm);
	ev.details = str_of(details);
	return ev;
}

static struct event
machine(struct event ev)
{
	ev.class = EVENT_MACHINE;
	return ev;
}

static struct event
worth(struct event ev, int64_t micros)
{
	ev.currency = STR("EUR");
	ev.value_micros = micros;
	return ev;
}

/* Ten decisions, and all that can become of them. */
static void
journal_fill(struct journal *l)
{
	const char *plain = "{\"propensity\":0.25,\"scores\":{\"click\":0.5}}";
	struct event v[] = {
		event_of(1, 1, EVENT_CLICKED, NOW + 60000), /* in the log before its decision */
		decision(1, 1, "a", plain, NOW),
		decision(2, 1, "b", plain, NOW + 1),
		machine(event_of(2, 1, EVENT_CLICKED, NOW + 1000)),
		decision(3, 1, "a", plain, NOW + 2),
		event_of(3, 1, EVENT_CLICKED, NOW + 3 * DAY), /* too late */
		decision(4, 1, "b", plain, NOW + 3),
		event_of(4, 1, EVENT_CLICKED, NOW + 2000), /* a person's, and a machine's after all */
		event_of(4, 1, EVENT_RECLASSIFIED, NOW + 2500),
		decision(5, 1, "a", plain, NOW + 4),
		event_of(5, 1, EVENT_CLICKED, NOW + 2000), /* two links, one of them a machine's */
		event_of(5, 1, EVENT_CLICKED, NOW + 9000),
		event_of(5, 1, EVENT_RECLASSIFIED, NOW + 9500),
		decision(6, 1, "b", "", NOW + 5), /* nothing was kept */
		decision(6, 2, "a", plain, NOW + DAY),
		worth(event_of(6, 0, EVENT_PURCHASED, NOW + DAY / 2), 5000000), /* of the first copy */
		worth(event_of(6, 0, EVENT_PURCHASED, NOW + DAY + 1), 1250000), /* of the second */
		worth(event_of(6, 0, EVENT_PURCHASED, NOW + DAY + 2), 1250000),
		decision(7, 1, "a", "{\"propensity\":", NOW + DAY + 1), /* damaged */
		decision(8, 1, "a", plain, NOW + 9 * DAY),		/* young, and has his outcome */
		event_of(8, 1, EVENT_CLICKED, NOW + 9 * DAY + 5000),
		decision(9, 1, "a", plain, NOW + 9 * DAY + 1), /* young */
		event_of(9, 7, EVENT_CLICKED, NOW + 9 * DAY),  /* of a copy that nobody knows */
	};
	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		v[i].link = v[i].type == EVENT_RECLASSIFIED ? 1 : v[i].link;
		/* the same link twice is one event more, too */
		put(l, &v[i], 1);
	}
}

static struct dataset *
read_all(struct journal *l, enum event_type outcome, bool early)
{
	struct dataset_request rq = { .outcomes = EVENT_BIT(outcome),
				      .window_ms = 2 * DAY,
				      .now_ms = NOW + 10 * DAY,
				      .early = early,
				      .keys = l->f->epoch->keys };
	struct dataset *d = dataset_read(l->store, &rq, &l->f->e);
	if (!d)
		fail_msg("%s", l->f->e.text);
	return d;
}

static void
outcomes(void **state)
{
	static const bool clicked[] = { true, false, false, false, true, false, false };
	static const double bought[] = { 0, 0, 0, 0, 0, 5, 2.5 };
	struct journal l;
	journal_open(&l, *state, SMALL);
	journal_fill(&l);
	struct dataset *d = read_all(&l, EVENT_CLICKED, false);
	assert_int_equal(d->n, 7);
	assert_int_equal(d->young, 2);
	assert_int_equal(d->damaged, 1);
	for (size_t i = 0; i < d->n; i++) {
		assert_int_equal(d->rows[i].outcome, clicked[i]);
		/* An arm whose probability nobody wrote down. */
		assert_true(i == 5 ? isnan(d->rows[i].propensity) : d->rows[i].propensity == 0.25);
		assert_true(i == 5 ? isnan(d->rows[i].score) : d->rows[i].score == 0.5);
		assert_string_equal(d->rows[i].arm, i < 6 && i % 2 == 1 ? "b" : "a");
		assert_string_equal(d->rows[i].campaign, "c");
	}
	assert_ptr_equal(d->rows[0].arm, d->rows[2].arm);
	/* Who is the same can be told, who it is cannot. */
	struct event known = event_of(6, 1, EVENT_CLICKED, NOW);
	assert_memory_equal(d->rows[5].group, d->rows[6].group, DATASET_GROUP_LEN);
	assert_memory_not_equal(d->rows[4].group, d->rows[5].group, DATASET_GROUP_LEN);
	assert_memory_not_equal(d->rows[5].group, known.rk, DATASET_GROUP_LEN);
	dataset_free(&d);

	d = read_all(&l, EVENT_CLICKED, true);
	assert_int_equal(d->n, 8);
	assert_int_equal(d->young, 1);
	assert_true(d->rows[7].outcome);
	dataset_free(&d);

	/* Two types at once; and only what says of which copy it came. */
	struct dataset_request both = { .outcomes = EVENT_BIT(EVENT_CLICKED) | EVENT_BIT(EVENT_PURCHASED),
					.window_ms = 2 * DAY,
					.now_ms = NOW + 10 * DAY,
					.keys = l.f->epoch->keys };
	assert_non_null(d = dataset_read(l.store, &both, &l.f->e));
	for (size_t i = 0; i < d->n; i++)
		assert_int_equal(d->rows[i].outcome, clicked[i] || bought[i] > 0);
	dataset_free(&d);
	both.own_copy = true;
	assert_non_null(d = dataset_read(l.store, &both, &l.f->e));
	assert_true(d->rows[0].outcome && !d->rows[5].outcome && !d->rows[6].outcome);
	dataset_free(&d);

	d = read_all(&l, EVENT_PURCHASED, false);
	for (size_t i = 0; i < d->n; i++)
		assert_true(d->rows[i].value == bought[i] && d->rows[i].outcome == (bought[i] > 0));
	dataset_free(&d);
	journal_close(&l);
}

/* A propensity that cannot be read is missing, not certain; who weighs by it leaves the row out and says so.
 */
static void
propensities(void **state)
{
	static const char *const details[] = { "{\"propensity\":0.5}",	"{\"propensity\":\"none\"}",
					       "{\"propensity\":0}",	"{\"propensity\":-0.5}",
					       "{\"propensity\":2}",	"{\"propensity\":true}",
					       "{\"propensity\":null}", "{}" };
	static const char *const arms[] = { "a" };
	enum { N = sizeof(details) / sizeof(details[0]) };
	struct journal l;
	struct buf b = { 0 };
	journal_open(&l, *state, SMALL);
	for (uint8_t i = 0; i < N; i++) {
		struct event ev = decision((uint8_t)(i + 1), 1, "a", details[i], NOW + i);
		put(&l, &ev, 1);
	}
	struct event none = decision(N + 1, 1, "", "{}", NOW + N);
	put(&l, &none, 1);
	struct dataset *d = read_all(&l, EVENT_CLICKED, false);
	assert_int_equal(d->n, N + 1);
	for (size_t i = 1; i < N; i++)
		assert_true(isnan(d->rows[i].propensity));
	assert_true(d->rows[0].propensity == 0.5 && d->rows[N].propensity == 1);
	dataset_csv_row(d, 1, &b);
	assert_non_null(strstr(b.p, ",c,a,,"));
	struct trial *t = trial_of_dataset(d, arms, 1, false, &l.f->e);
	assert_non_null(t);
	assert_int_equal(t->data.rows, 1);
	assert_int_equal(t->no_propensity, N - 1);
	assert_int_equal(t->other, 1);
	trial_free(&t);
	/* Of an empty one the reason is said: here it is too early. */
	assert_null(trial_of_dataset(&(struct dataset){ .young = 3 }, arms, 1, false, &l.f->e));
	assert_string_equal(l.f->e.text, "no decision counts yet: 3 are younger than the window");
	buf_free(&b);
	dataset_free(&d);
	journal_close(&l);
}

/* Evaluation takes for a reward what learning does: conversions and purchases, of that copy. */
static void
rewards(void **state)
{
	const char *plain = "{\"propensity\":0.5}";
	struct journal l;
	journal_open(
	    &l, *state,
	    "track {\n host = \"https://t.test\"\n}\ninject {\n target = \"localhost:25\"\n}\n"
	    "campaign c {\n policy {\n reward = converted\n window = 2d\n}\n arm a {\n}\n arm b {\n}\n}\n");
	const struct conf_campaign *c = &l.f->epoch->conf->campaigns[0];
	struct event v[] = {
		decision(1, 1, "a", plain, NOW),
		event_of(1, 1, EVENT_CONVERTED, NOW + 1000),
		decision(2, 1, "a", plain, NOW + 1),
		worth(event_of(2, 1, EVENT_PURCHASED, NOW + 1000), 1000000),
		decision(3, 1, "b", plain,
			 NOW + 2), /* a click is none, a machine's is none, one too late is none */
		event_of(3, 1, EVENT_CLICKED, NOW + 1000),
		machine(event_of(3, 1, EVENT_CONVERTED, NOW + 1000)),
		event_of(3, 1, EVENT_CONVERTED, NOW + 3 * DAY),
		decision(4, 1, "b", plain, NOW + 3), /* of which mail the order came nobody can tell */
		worth(event_of(4, 0, EVENT_PURCHASED, NOW + 1000), 1000000),
	};
	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		v[i].campaign = STR("c");
		put(&l, &v[i], 1);
	}
	struct dataset_request rq = { .outcomes = learn_reward_types(c->policy.reward),
				      .own_copy = true,
				      .window_ms = c->policy.window_ms,
				      .now_ms = NOW + 10 * DAY,
				      .keys = l.f->epoch->keys };
	struct dataset *d = dataset_read(l.store, &rq, &l.f->e);
	assert_non_null(d);
	struct learn_arms_found found;
	const struct learn_arms_request ask = { .campaign = c, .now_ms = rq.now_ms };
	struct policy *p = learn_arms(l.store, &ask, &found, &l.f->e);
	assert_non_null(p);
	assert_int_equal(d->n, 4);
	for (size_t i = 0; i < d->n; i++)
		assert_int_equal(d->rows[i].outcome, i < 2);
	assert_int_equal(policy_arm_find(p, STR("a"))->rewards, 2);
	assert_int_equal(policy_arm_find(p, STR("b"))->rewards, 0);
	policy_free(&p);
	dataset_free(&d);
	journal_close(&l);
}

/* Those of one campaign, one time, certain columns; erased recipients have none. */
static void
chosen(void **state)
{
	static const char *const text = "profile.age", *const campaigns[] = { "c" };
	struct journal l;
	struct arena *a = arena_new(4096);
	struct score_columns *columns;
	struct event v[4];
	char hash[SCORE_COLUMNS_HASH], details[128];
	size_t removed;
	journal_open(&l, *state, SMALL);
	assert_int_equal(score_columns_compile(a, &text, 1, &columns, &l.f->e), 0);
	score_columns_hash(columns, hash);
	snprintf(details, sizeof(details), "{\"propensity\":1,\"features\":{\"%s\":[0.1]}}", hash);
	for (uint8_t i = 0; i < 4; i++)
		v[i] = decision((uint8_t)(i + 1), 1, "a", details, NOW + i * DAY);
	v[1].details = STR("{\"features\":{\"0123456789abcdef\":[0.1]}}");
	v[2].campaign = STR("other");
	put(&l, v, 4);
	struct dataset_request rq = { .campaigns = campaigns,
				      .ncampaigns = 1,
				      .columns = columns,
				      .outcomes = EVENT_BIT(EVENT_OPENED),
				      .window_ms = DAY,
				      .now_ms = NOW + 100 * DAY,
				      .keys = l.f->epoch->keys };
	struct dataset *d = dataset_read(l.store, &rq, &l.f->e);
	assert_non_null(d);
	assert_int_equal(d->n, 2);
	assert_int_equal(d->other_columns, 1);
	assert_true(d->x[0] == 0.1 && d->x[1] == 0.1);
	dataset_free(&d);
	rq.since_ms = NOW + DAY;
	rq.until_ms = NOW + 3 * DAY;
	rq.columns = NULL;
	assert_non_null(d = dataset_read(l.store, &rq, &l.f->e));
	assert_int_equal(d->n, 1);
	assert_int_equal(d->cols, 0);
	dataset_free(&d);
	rq.since_ms = rq.until_ms = 0;
	assert_int_equal(event_forget(l.store, v[3].rk, &removed, &l.f->e), 0);
	assert_non_null(d = dataset_read(l.store, &rq, &l.f->e));
	assert_int_equal(d->n, 2);
	assert_int_equal(d->erased, 1);
	dataset_free(&d);
	arena_free(&a);
	journal_close(&l);
}

static void
csv(void **state)
{
	static const char *const texts[] = { "profile.age", "profile.zip=\"a, b\"" };
	struct journal l;
	struct arena *a = arena_new(4096);
	struct score_columns *columns;
	struct buf b = { 0 };
	char hash[SCORE_COLUMNS_HASH], details[128];
	journal_open(&l, *state, SMALL);
	assert_int_equal(score_columns_compile(a, texts, 2, &columns, &l.f->e), 0);
	score_columns_hash(columns, hash);
	snprintf(details, sizeof(details), "{\"propensity\":0.5,\"features\":{\"%s\":[1e-5,null]}}", hash);
	struct event ev = decision(1, 1, "a", details, NOW);
	put(&l, &ev, 1);
	struct dataset_request rq = { .columns = columns,
				      .outcomes = EVENT_BIT(EVENT_OPENED),
				      .window_ms = DAY,
				      .now_ms = NOW + 100 * DAY,
				      .keys = l.f->epoch->keys };
	struct dataset *d = dataset_read(l.store, &rq, &l.f->e);
	assert_non_null(d);
	dataset_csv_head(d, &b);
	dataset_csv_row(d, 0, &b);
	char *group = strstr(b.p, "0.5,") + 4;
	for (size_t i = 0; i < 2 * DATASET_GROUP_LEN; i++) {
		assert_true(ascii_isdigit(group[i]) || (group[i] >= 'a' && group[i] <= 'f'));
		group[i] = 'x';
	}
	assert_string_equal(b.p, "at,campaign,arm,propensity,group,outcome,value,score,profile.age,"
				 "\"profile.zip=\"\"a, b\"\"\"\n"
				 "2026-03-29T09:00:00Z,c,a,0.5,xxxxxxxxxxxxxxxx,0,0,,1e-05,\n");
	buf_free(&b);
	dataset_free(&d);
	arena_free(&a);
	journal_close(&l);
}

/* ---- train and serve agree ---- */

#define PEOPLE 400
#define ROUNDS 25
#define DECISIONS (PEOPLE * ROUNDS)
#define BATCH 64
#define NCOLUMNS 20
#define CONF                                                                                             \
	"track {\n host = \"https://t.test\"\n}\ninject {\n target = \"localhost:25\"\n}\n"              \
	"features all {\n columns = {\n"                                                                 \
	" \"profile.x\", \"profile.x | div 3 | add 0.1\", \"profile.x | log1p\", \"profile.y | missing " \
	"-1\",\n"                                                                                        \
	" \"profile.y | is-missing\", \"profile.city | hash 1000\", \"profile.city | one-hot a \\\"b "   \
	"c\\\"\",\n"                                                                                     \
	" \"profile.city & decision.arm | hash 97\", \"(profile.x | bin 0 10) * hour\", \"hour\",\n"     \
	" \"weekday=1\", \"events.clicked.recency | log1p\", \"events.clicked.7d.count\",\n"             \
	" \"events.clicked.30d.count@promo\", \"events.purchased.90d.value\",\n"                         \
	" \"events.purchased.90d.value@campaign | log1p\", \"events.injected.30d.count\",\n"             \
	" \"events.sent-since-click\", \"profile.x | quantile 7 | eq 3\"\n }\n}\n"                       \
	"campaign c {\n category = promo\n features = all\n arm red {\n }\n arm blue {\n }\n}\n"

struct person {
	char address[40];
	const struct value *profile;
	struct recipient_key key;
	struct event did[256]; /* all that was told of him, in the order of the log */
	size_t ndid;
};

struct agree {
	struct journal l;
	const struct conf_campaign *c;
	const struct features *features;
	struct arena *a;
	struct person *people;
	unsigned seed;
	double *served;		   /* DECISIONS × NCOLUMNS, as they were at decision time */
	struct score_facts *facts; /* what the events before it say */
	uint8_t (*copy)[EVENT_COPY_LEN];
	size_t n;
};

/* Numbers of all sizes, with all their digits; and texts, and nothing. */
static const char *
number_text(struct agree *g, char out[40])
{
	double v = rand_r(&g->seed) / 7.0 / (1 + rand_r(&g->seed) % 1000000);
	switch (rand_r(&g->seed) % 8) {
	case 0:
		return "null";
	case 1:
		return "-0.0";
	case 2:
		snprintf(out, 40, "%.17ge%d", v, rand_r(&g->seed) % 560 - 280);
		break;
	case 3:
		snprintf(out, 40, "\"%.17g\"", -v);
		break;
	case 4:
		snprintf(out, 40, "%d", rand_r(&g->seed));
		break;
	default:
		snprintf(out, 40, "%.17g", v);
	}
	return out;
}

static void
person_make(struct agree *g, size_t i)
{
	static const char *const cities[] = { "a", "b c", "São Paulo", "" };
	struct person *p = &g->people[i];
	struct fixture *f = g->l.f;
	struct recipient_source src = { .store = g->l.store,
					.keys = f->epoch->keys,
					.sealer = f->worker->sealer,
					.conf = f->epoch->conf,
					.campaign = g->c };
	char x[40], y[40], text[256];
	snprintf(p->address, sizeof(p->address), "r%zu@example.test", i);
	snprintf(text, sizeof(text), "{\"x\":%s,\"y\":%s,\"city\":\"%s\",\"time_zone\":\"%s\"}",
		 number_text(g, x), number_text(g, y), cities[rand_r(&g->seed) % 4],
		 i % 2 ? "Asia/Kathmandu" : "America/New_York");
	assert_int_equal(json_parse(g->a, str_of(text), NULL, &p->profile, &f->e), 0);
	assert_int_equal(recipient_profile_put(&src, str_of(p->address), p->profile, &f->e), 0);
	recipient_key_of(f->epoch->keys, str_of(p->address), &p->key);
}

/* What people do between two rounds, before `until`. */
static bool
life(struct agree *g, struct person *p, int64_t until, struct event *out)
{
	unsigned what = (unsigned)rand_r(&g->seed) % 6;
	struct event ev = { .at_ms = until - 1 - rand_r(&g->seed) % (3 * DAY),
			    .link = EVENT_NO_LINK,
			    .source = STR("test"),
			    .category = what % 2 ? STR("promo") : STR("news") };
	ev.type = what < 3 ? EVENT_CLICKED : EVENT_PURCHASED;
	ev.class = what < 2 ? EVENT_HUMAN : what == 2 ? EVENT_MACHINE : EVENT_UNKNOWN;
	if (ev.type == EVENT_PURCHASED) {
		ev.currency = STR("EUR");
		ev.value_micros = rand_r(&g->seed);
	}
	memcpy(ev.rk, p->key.b, sizeof(ev.rk));
	assert_true(p->ndid + 2 < sizeof(p->did) / sizeof(p->did[0]));
	if (what < 5)
		*out = p->did[p->ndid++] = ev;
	return what < 5;
}

/* Counted by the test itself, out of nothing but the list of events. */
static const struct score_behaviour *
behaviour_of(struct agree *g, const struct person *p)
{
	static const struct {
		enum event_type type;
		enum score_kind kind;
	} kinds[] = { { EVENT_INJECTED, SCORE_INJECTED },
		      { EVENT_CLICKED, SCORE_CLICKED },
		      { EVENT_PURCHASED, SCORE_PURCHASED } };
	struct score_behaviour *b = ARENA_NEW(g->a, struct score_behaviour);
	struct score_day *days = ARENA_ARRAY(g->a, struct score_day, p->ndid);
	for (size_t i = 0; i < p->ndid; i++) {
		const struct event *ev = &p->did[i];
		if (ev->class == EVENT_MACHINE)
			continue;
		b->sent_since_click =
		    ev->type == EVENT_CLICKED ? 0 : b->sent_since_click + (ev->type == EVENT_INJECTED);
		for (size_t k = 0; k < 3; k++) {
			if (kinds[k].type != ev->type)
				continue;
			b->count[kinds[k].kind]++;
			if (ev->at_ms > b->last_ms[kinds[k].kind])
				b->last_ms[kinds[k].kind] = ev->at_ms;
			days[b->ndays++] = (struct score_day){ .day = (int32_t)(ev->at_ms / DAY),
							       .kind = kinds[k].kind,
							       .category = ev->category,
							       .count = 1,
							       .micros = ev->value_micros };
		}
	}
	b->days = days;
	return b;
}

/* Decisions for people from..from + n at now, made as one batch, told to the log. */
static void
decide(struct agree *g, size_t from, size_t n, int64_t now)
{
	struct fixture *f = g->l.f;
	struct engine_request rq[BATCH];
	struct engine_copy copies[BATCH];
	struct err errors[BATCH];
	struct event events[BATCH];
	for (size_t i = 0; i < n; i++)
		rq[i] = (struct engine_request){ .epoch = f->epoch,
						 .worker = f->worker,
						 .store = g->l.store,
						 .message = f->message,
						 .campaign = g->c,
						 .address = str_of(g->people[from + i].address),
						 .message_id = arena_printf(f->worker->arena, "<%lld@x>",
									    (long long)now),
						 .accepted_ms = now,
						 .own_copy = true,
						 .now_ms = now };
	assert_int_equal(engine_gather(rq, n, copies, errors), 0);
	for (size_t i = 0; i < n; i++) {
		struct person *p = &g->people[from + i];
		assert_int_equal(engine_render(&rq[i], &copies[i], &errors[i]), 0);
		engine_event(&rq[i], &copies[i], EVENT_INJECTED, "test", f->worker->arena, &events[i]);
		memcpy(g->served + g->n * NCOLUMNS,
		       engine_row(&rq[i], &copies[i], copies[i].plan.decision.arm),
		       NCOLUMNS * sizeof(double));
		memcpy(g->copy[g->n], events[i].copy, EVENT_COPY_LEN);
		g->facts[g->n] =
		    (struct score_facts){ .profile = p->profile,
					  .now_ms = now,
					  .time_zone =
					      copies[i].recipient->time_zone[0] == 'A' && (from + i) % 2
						  ? "Asia/Kathmandu"
						  : "America/New_York",
					  .events = behaviour_of(g, p),
					  .campaign = STR("c"),
					  .category = STR("promo"),
					  .arm = arena_str(g->a, events[i].arm) };
		p->did[p->ndid] = events[i];
		p->did[p->ndid].details = STR_NULL;
		p->did[p->ndid++].category = STR("promo");
		g->n++;
	}
	put(&g->l, events, n);
	engine_worker_put(f->epoch, &f->worker);
	f->worker = engine_worker_get(f->epoch);
}

static void
decisions_make(struct agree *g)
{
	for (int round = 0; round < ROUNDS; round++) {
		int64_t now = NOW + round * (5 * DAY + 3600000);
		struct event events[PEOPLE];
		size_t nevents = 0;
		for (size_t i = 0; i < PEOPLE; i++)
			nevents += life(g, &g->people[i], now, &events[nevents]);
		put(&g->l, events, nevents);
		/* In batches of 1, 2, … people, so that no row hangs on its neighbours. */
		for (size_t from = 0, n; from < PEOPLE; from += n) {
			n = 1 + (from * 7 + (size_t)round) % BATCH;
			n = from + n > PEOPLE ? PEOPLE - from : n;
			decide(g, from, n, now);
		}
	}
}

static void
differ(struct agree *g, const char *what, size_t i, size_t k, double got)
{
	double want = g->served[i * NCOLUMNS + k];
	if (isnan(want) ? !isnan(got) : memcmp(&want, &got, sizeof(got)) != 0)
		fail_msg("decision %zu, column %s: scored with %a, %s %a", i,
			 score_columns_texts(g->features->columns)[k], want, what, got);
}

static void
agree(void **state)
{
	struct agree *g = calloc(1, sizeof(*g));
	struct fixture *f = *state;
	journal_open(&g->l, f, CONF);
	g->c = &f->epoch->conf->campaigns[0];
	g->features = features_find(f->epoch->features, "all");
	g->a = arena_new(1 << 20);
	g->seed = 20260329;
	g->people = calloc(PEOPLE, sizeof(*g->people));
	g->served = calloc(DECISIONS * NCOLUMNS, sizeof(double));
	g->facts = calloc(DECISIONS, sizeof(*g->facts));
	g->copy = calloc(DECISIONS, sizeof(*g->copy));
	assert_int_equal(score_columns_count(g->features->columns), NCOLUMNS);
	assert_int_equal(tailor_prepare(f->epoch->cache, f->epoch->conf, g->c,
					STR("From: a@x.test\nSubject: x\nContent-Type: text/plain\n\nx\n"),
					&f->message, &f->e),
			 0);
	for (size_t i = 0; i < PEOPLE; i++)
		person_make(g, i);
	decisions_make(g);

	/* What training reads is what was scored … */
	struct dataset_request rq = { .columns = g->features->columns,
				      .outcomes = EVENT_BIT(EVENT_CLICKED),
				      .window_ms = DAY,
				      .now_ms = NOW + 1000 * DAY,
				      .keys = f->epoch->keys };
	struct dataset *d = dataset_read(g->l.store, &rq, &f->e);
	assert_non_null(d);
	assert_int_equal(d->n, DECISIONS);
	for (size_t i = 0; i < DECISIONS; i++)
		for (size_t k = 0; k < NCOLUMNS; k++)
			differ(g, "training reads", i, k, d->x[i * NCOLUMNS + k]);
	/* … and what anybody gets who works it out from profiles and events, all in one matrix. */
	double *again = calloc(DECISIONS * NCOLUMNS, sizeof(double));
	score_matrix(g->features->columns, g->facts, DECISIONS, g->a, again);
	size_t missing = 0, blue = 0;
	for (size_t i = 0; i < DECISIONS; i++) {
		blue += str_eq(g->facts[i].arm, STR("blue"));
		for (size_t k = 0; k < NCOLUMNS; k++) {
			differ(g, "worked out again", i, k, again[i * NCOLUMNS + k]);
			missing += isnan(again[i * NCOLUMNS + k]);
		}
	}
	/* Both arms and missing cells are there, or this compares less than it says. */
	assert_true(blue > DECISIONS / 3 && blue < DECISIONS * 2 / 3 && missing > DECISIONS / 10);

	/* A trainer's set: no arm, quantiles found in its own part; the model's texts say so, and serve the
	 * same. */
	struct learn_set *s = dataset_set(d, 0.1, 0.2, false, &f->e);
	struct score_columns *fitted;
	assert_non_null(s);
	assert_int_equal(s->data.cols, NCOLUMNS - 1);
	assert_int_equal(score_columns_compile(g->a, s->columns, NCOLUMNS - 1, &fitted, &f->e), 0);
	assert_int_equal(score_columns_find_arm(fitted), -1);
	assert_string_not_equal(s->columns[NCOLUMNS - 2], g->features->conf->columns.v[18]);
	score_matrix(fitted, g->facts, DECISIONS, g->a, again);
	for (size_t i = 0; i < DECISIONS * (NCOLUMNS - 1); i++)
		if (isnan(again[i]) ? !isnan(s->data.x[i])
				    : memcmp(&again[i], &s->data.x[i], sizeof(double)) != 0)
			fail_msg("cell %zu of a trainer is %a, a scorer is given %a", i, s->data.x[i],
				 again[i]);
	/* By time: 17.5 rounds of 25 to train on, and no moment in two parts. */
	size_t parts[LEARN_PARTS] = { 0 };
	for (size_t i = 0; i < s->data.rows; i++) {
		parts[s->part[i]]++;
		if (i > 0) {
			bool later = d->rows[i].at_ms > d->rows[i - 1].at_ms;
			assert_true(later || s->part[i] == s->part[i - 1]);
		}
	}
	assert_int_equal(parts[LEARN_TRAIN], 18 * PEOPLE);
	assert_int_equal(parts[LEARN_VALID], 2 * PEOPLE);
	assert_int_equal(parts[LEARN_TEST], 5 * PEOPLE);
	learn_set_free(&s);
	dataset_free(&d);
	free(again);
	free(g->people);
	free(g->served);
	free(g->facts);
	free(g->copy);
	arena_free(&g->a);
	journal_close(&g->l);
	free(g);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(outcomes, setup, teardown),
		cmocka_unit_test_setup_teardown(propensities, setup, teardown),
		cmocka_unit_test_setup_teardown(rewards, setup, teardown),
		cmocka_unit_test_setup_teardown(chosen, setup, teardown),
		cmocka_unit_test_setup_teardown(csv, setup, teardown),
		cmocka_unit_test_setup_teardown(agree, setup, teardown),
	};
	mail_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
