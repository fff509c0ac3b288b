/* Arms: who gets which, how probable that was, and what it does to his copy. */
#include <math.h>

#include "base/json.h"
#include "test-tailor.h"

#define RECIPIENTS 100000

static const char SPLIT[] = NO_TRACKING "control_share = 10%\n"
					"arm control { }\narm a { weight = 1 }\narm b { weight = 2 }\n";

static void
ask_of(const struct fixture *f, int recipient, int message, struct tailor_arm_ask *ask)
{
	char who[32], what[32];
	snprintf(who, sizeof(who), "r%d@example.test", recipient);
	snprintf(what, sizeof(what), "<%d@shop.test>", message);
	const struct str assign[2] = { str_of(who), STR("c") }, copy[2] = { str_of(who), str_of(what) };
	*ask = (struct tailor_arm_ask){ .campaign = &f->conf->campaigns[0] };
	keyed_id(f->keys, "arm", assign, 2, ask->assign);
	keyed_id(f->keys, "arm draw", copy, 2, ask->seed);
}

/* Within 4.5 standard errors of the share: of a sound generator one in 100,000 is not. */
static void
assert_share(int count, int all, double share)
{
	double e = sqrt(share * (1 - share) * all);
	if (fabs(count - share * all) > 4.5 * e)
		fail_msg("%d of %d, should be %.4f", count, all, share);
}

static void
test_shares(void **state)
{
	struct fixture *f = fixture_new(SPLIT);
	const struct conf_arm *arms = f->conf->campaigns[0].arms;
	int count[3] = { 0 }, batch[3] = { 0 };
	(void)state;
	for (int i = 0; i < RECIPIENTS; i++) {
		struct tailor_arm_ask ask;
		struct tailor_arm arm;
		ask_of(f, i, 1, &ask);
		tailor_arm_choose(&ask, &arm);
		count[arm.arm - arms]++;
		assert_true(fabs(arm.propensity - (arm.arm == &arms[0]	 ? 0.1
						   : arm.arm == &arms[1] ? 0.3
									 : 0.6)) < 1e-12);
		/* No batch is skewed. */
		batch[arm.arm - arms]++;
		if (i % 1000 == 999) {
			assert_share(batch[0], 1000, 0.1);
			assert_share(batch[1], 1000, 0.3);
			memset(batch, 0, sizeof(batch));
		}
	}
	assert_share(count[0], RECIPIENTS, 0.1);
	assert_share(count[1], RECIPIENTS, 0.3);
	assert_share(count[2], RECIPIENTS, 0.6);
	fixture_free(f);
}

/* The same in every message, in any order; another campaign is another draw. */
static void
test_stable(void **state)
{
	struct fixture *f = fixture_new(SPLIT);
	int same = 0;
	(void)state;
	for (int i = 1999; i >= 0; i--) {
		struct tailor_arm_ask ask, later, other;
		struct tailor_arm x, y, z;
		ask_of(f, i, 1, &ask);
		ask_of(f, i, 2, &later);
		other = ask;
		for (int k = 0; k < 16; k++)
			other.assign[k] = ask.assign[15 - k];
		tailor_arm_choose(&ask, &x);
		tailor_arm_choose(&later, &y);
		tailor_arm_choose(&other, &z);
		assert_ptr_equal(x.arm, y.arm);
		assert_true(tailor_arm_early(&ask, &y) && y.arm == x.arm && y.propensity == x.propensity);
		same += x.arm == z.arm;
	}
	assert_share(same, 2000, 0.1 * 0.1 + 0.3 * 0.3 + 0.6 * 0.6);
	fixture_free(f);
}

/* A new arm takes its part from all others alike, a larger control keeps who was in it. */
static void
test_growth(void **state)
{
	struct fixture *f = fixture_new(SPLIT),
		       *more =
			   fixture_new(NO_TRACKING "control_share = 20%\narm control { }\narm a { weight = 1 "
						   "}\narm b { weight = 2 }\narm d { weight = 3 }\n");
	int left = 0, stayed = 0;
	(void)state;
	for (int i = 0; i < 20000; i++) {
		struct tailor_arm_ask ask, grown;
		struct tailor_arm x, y;
		ask_of(f, i, 1, &ask);
		ask_of(more, i, 1, &grown);
		tailor_arm_choose(&ask, &x);
		tailor_arm_choose(&grown, &y);
		if (x.arm->control)
			assert_true(y.arm->control);
		else if (!y.arm->control && strcmp(y.arm->name, "d") != 0)
			assert_string_equal(x.arm->name, y.arm->name);
		left += !x.arm->control && !y.arm->control && strcmp(y.arm->name, "d") == 0;
		stayed += !x.arm->control && !y.arm->control && strcmp(y.arm->name, "d") != 0;
	}
	assert_share(left, left + stayed, 0.5);
	fixture_free(more);
	fixture_free(f);
}

/* ---- policies ---- */

static struct policy *
learned_of(const struct fixture *f, size_t dim)
{
	const struct str arms[] = { STR("control"), STR("a"), STR("b") };
	const struct policy_shape shape = { .campaign = STR("c"),
					    .reward = STR("clicked"),
					    .window_ms = 1,
					    .dim = dim,
					    .ridge = 1,
					    .arms = arms,
					    .narms = 3 };
	struct err e = { 0 };
	struct policy *p = policy_new(&shape, &e);
	(void)f;
	for (int i = 0; i < 2000; i++) {
		double x = i / 3 % 2;
		policy_add(p, (size_t)i % 3, dim ? &x : NULL, i % 3 == 2 ? i % 10 == 0 : i % 90 == 1);
	}
	assert_int_equal(policy_finish(p, &e), 0);
	return p;
}

static void
policy_try(const char *kind, size_t dim, double best)
{
	char settings[256];
	snprintf(settings, sizeof(settings),
		 "%sfeatures = s\npolicy { kind = %s explore = 10%% epsilon = 30%% }\n", SPLIT, kind);
	struct fixture *f = fixture_try(settings, "features s { columns = { \"profile.x\" } }\n");
	assert_non_null(f->cache);
	const struct conf_arm *arms = f->conf->campaigns[0].arms;
	struct policy *p = learned_of(f, dim);
	double probability[3], x = 1, rates[3];
	int count[3] = { 0 };
	bool held = tailor_arm_rates(&f->conf->campaigns[0], p, rates);
	assert_int_equal(held, dim == 0);
	for (int i = 0; i < 20000; i++) {
		struct tailor_arm_ask ask;
		struct tailor_arm one, again;
		ask_of(f, i, 1, &ask);
		/* Nothing learned: the fixed split. */
		tailor_arm_choose(&ask, &one);
		assert_true(one.arm != NULL && fabs(one.propensity - 0.3 * (double)(one.arm - arms)) < 0.2);
		ask.policy = p;
		ask.rates = held ? rates : NULL;
		ask.row = dim ? &x : NULL;
		ask.nrow = dim ? dim - 1 : 0;
		assert_true(tailor_arm_probabilities(&ask, probability));
		assert_true(probability[0] == 0 && fabs(probability[1] + probability[2] - 1) < 1e-12);
		assert_true(probability[1] >= 0.05 - 1e-12 && probability[2] >= 0.05 - 1e-12);
		tailor_arm_choose(&ask, &one);
		tailor_arm_choose(&ask, &again);
		assert_ptr_equal(one.arm, again.arm);
		count[one.arm - arms]++;
		double of_arm = one.arm == &arms[0] ? 0.1 : 0.9 * probability[one.arm - arms];
		assert_true(fabs(one.propensity - of_arm) < 1e-12);
	}
	assert_share(count[0], 20000, 0.1);
	assert_share(count[2], 20000, 0.9 * probability[2]);
	assert_true(best < 0 || fabs(probability[2] - best) < 1e-9);
	policy_free(&p);
	fixture_free(f);
}

static void
test_policies(void **state)
{
	(void)state;
	policy_try("epsilon-greedy", 0, 0.9 * (0.7 + 0.3 * 2 / 3) + 0.05);
	policy_try("thompson", 0, -1);
	policy_try("linucb", 2, 0.95);
	policy_try("linear-thompson", 2, -1);
}

static void
test_greedy(void **state)
{
	struct fixture *f = fixture_try("scorers = { p }\npolicy { kind = greedy explore = 0 }\n"
					"arm a { score = sa }\narm b { score = sb }\narm d { score = sd }\n",
					"plugin p { }\n");
	struct tailor_score scores[3] = { { STR("sa"), 0.1 }, { STR("sb"), 0.3 }, { STR("sd"), NAN } };
	struct tailor_arm_ask ask;
	struct tailor_arm arm;
	(void)state;
	ask_of(f, 1, 1, &ask);
	ask.scores = scores;
	ask.nscores = 3;
	tailor_arm_choose(&ask, &arm);
	assert_string_equal(arm.arm->name, "b");
	assert_true(arm.propensity == 1);
	/* The plugin failed: the fixed split. */
	ask.nscores = 0;
	tailor_arm_choose(&ask, &arm);
	assert_true(fabs(arm.propensity - 1.0 / 3) < 1e-12);
	fixture_free(f);
}

/* What was decided stays, whatever was learned since; but not an arm that is gone. */
static void
test_kept(void **state)
{
	struct fixture *f = fixture_new(SPLIT);
	struct tailor_arm_ask ask;
	struct tailor_arm arm;
	struct str name;
	double p;
	(void)state;
	ask_of(f, 5, 1, &ask);
	ask.kept = STR("b");
	ask.kept_propensity = 0.125;
	tailor_arm_choose(&ask, &arm);
	assert_string_equal(arm.arm->name, "b");
	assert_true(arm.kept && arm.propensity == 0.125);
	struct str note = tailor_arm_note(&arm, STR("due 2026-03-29T09:00:00Z"), f->a);
	assert_true(str_eq(note, STR("arm b 0.125: due 2026-03-29T09:00:00Z")));
	assert_true(tailor_arm_noted(note, &name, &p) && str_eq(name, STR("b")) && p == 0.125);
	static const char *const NONE[] = { "",
					    "arm ",
					    "arm b",
					    "arm b: x",
					    "arm b 2: x",
					    "arm b 0: x",
					    "arm b nan: x",
					    "arm b 0.1x: y",
					    "due 1: arm b 0.1: x",
					    "arm  0.5: x",
					    "arm b  0.5: x" };
	for (size_t i = 0; i < sizeof(NONE) / sizeof(NONE[0]); i++)
		if (tailor_arm_noted(str_of(NONE[i]), &name, &p) && str_eq(name, STR("b")) && p != 0.5)
			fail_msg("%s", NONE[i]);
	/* It goes on waiting, for something else. */
	struct str again = tailor_arm_renote(note, STR("the disk is full: wait"), f->a);
	assert_true(str_eq(again, STR("arm b 0.125: the disk is full: wait")));
	assert_true(str_eq(tailor_arm_renote(again, STR("x"), f->a), STR("arm b 0.125: x")));
	assert_true(str_eq(tailor_arm_renote(note, STR("arm c 0.5: due"), f->a), STR("arm c 0.5: due")));
	assert_true(str_eq(tailor_arm_renote(STR("due"), STR("x"), f->a), STR("x")));
	ask.kept = STR("gone");
	tailor_arm_choose(&ask, &arm);
	assert_false(arm.kept);
	assert_string_not_equal(arm.arm->name, "gone");
	fixture_free(f);
}

/* ---- copies ---- */

static const char COPY[] =
    "scorers = { p }\nsend_if = \"click > 0.5\"\ndefaults { block = \"default\" }\n"
    "arm control { }\n"
    "arm b { subject = \"{{first}}, arm {{arm.name}} ☀\" values { block = \"<b>B</b>\" } }\n";

static const char MESSAGE[] =
    TEST_HEAD "Subject: {{missing_one}} as it was\nMIME-Version: 1.0\nContent-Type: text/html; "
	      "charset=utf-8\n\n<p>{{{block}}} {{arm.block}} {{arm.name}}</p>";

static void
test_copy(void **state)
{
	struct fixture *f = fixture_try(COPY, "plugin p { }\n");
	const struct conf_campaign *c = &f->conf->campaigns[0];
	struct value *vars = value_map_new(f->a);
	struct tailor_score low = { STR("click"), 0.1 }, high = { STR("click"), 0.9 };
	(void)state;
	value_map_set(f->a, vars, STR("block"), value_string(f->a, STR("plugin's")));
	f->in.arm = (struct tailor_arm){ .arm = &c->arms[1], .propensity = 0.9 };
	f->in.plugin_vars = vars;
	f->in.scores = &high;
	f->in.nscores = 1;
	copy_of(f, MESSAGE, "{\"first\": \"Ann\"}");
	assert_string_equal(header_of(f, "Subject"), "Ann, arm b =?UTF-8?B?4piA?=");
	assert_int_equal(header_count(f, "Subject"), 1);
	const char *text = text_of(f, "1");
	if (strstr(text, "<p><b>B</b> &lt;b&gt;B&lt;/b&gt; b</p>") == NULL)
		fail_msg("%s", text);
	assert_string_equal(f->plan.decision.arm, "b");
	assert_true(f->plan.decision.propensity == 0.9);
	/* send_if holds for arms, and not for the control. */
	f->in.scores = &low;
	assert_int_equal(render(f, NULL), 0);
	assert_int_equal(f->plan.decision.verdict, TAILOR_DROP);
	assert_string_equal(f->plan.decision.arm, "b");
	f->in.arm = (struct tailor_arm){ .arm = &c->arms[0], .propensity = 0.1 };
	f->in.plugin_vars = NULL;
	copy_of(f, MESSAGE, NULL);
	assert_string_equal(header_of(f, "Subject"), "as it was");
	assert_non_null(strstr(text_of(f, "1"), "<p>default  control</p>"));
	fixture_free(f);
}

/* The token says the arm, so that what comes back is the arm's. */
static void
test_token(void **state)
{
	struct fixture *f = fixture_new("arm b { }\n");
	struct token t;
	struct err e;
	(void)state;
	f->in.arm = (struct tailor_arm){ .arm = &f->conf->campaigns[0].arms[0], .propensity = 1 };
	copy_of(f, TEST_HEAD "Content-Type: text/plain\n\nhttps://a.test/x\n", NULL);
	const char *at = strstr(f->out.p, "https://t.test/c/");
	assert_non_null(at);
	at += strlen("https://t.test/c/");
	assert_int_equal(token_open(f->sealer, TOKEN_CLICK, str_make(at, strcspn(at, "\r\n ")), f->a, &t, &e),
			 0);
	assert_true(str_eq(t.arm, STR("b")));
	fixture_free(f);
}

static void
test_subject_mistakes(void **state)
{
	struct fixture *f = fixture_try("arm b {\n subject = \"{{#x}}\"\n}\n", "");
	(void)state;
	assert_null(f->cache);
	assert_non_null(strstr(f->e.text, "test.conf:4: arm \"b\": subject: line 1, column "));
	fixture_free(f);
	/* Without templates it is text. */
	f = fixture_new(NO_TRACKING "templates = no\narm b {\n subject = \"{{#x}}\"\n}\n");
	f->in.arm = (struct tailor_arm){ .arm = &f->conf->campaigns[0].arms[0], .propensity = 1 };
	copy_of(f, TEST_HEAD "\nx\n", NULL);
	assert_string_equal(header_of(f, "Subject"), "{{#x}}");
	fixture_free(f);
}

/* ---- the hour ---- */

static void
assert_due(struct fixture *f, const char *zone, const char *now, const char *due)
{
	char text[40];
	struct err e = { 0 };
	f->recipient.time_zone = zone;
	if (clock_parse_rfc3339(str_of(now), &f->in.now_ms, &e) != 0)
		fail_msg("%s", e.text);
	f->in.accepted_ms = f->in.accepted_ms ? f->in.accepted_ms : f->in.now_ms;
	tailor_decide(f->m, &f->in, f->a, &f->plan.decision);
	const struct tailor_decision *d = &f->plan.decision;
	assert_string_equal(d->verdict == TAILOR_LATER ? clock_format_rfc3339(d->due_ms, text) : "now", due);
}

static void
test_hour(void **state)
{
	struct fixture *f =
	    fixture_try(NO_TRACKING "arm b { send_hour = 9 }\narm n { send_hour = 2 }\narm x { }\n",
			"inject { target = \"127.0.0.1:26\" }");
	const struct conf_arm *arms = f->conf->campaigns[0].arms;
	(void)state;
	assert_int_equal(prepare(f, STR(TEST_HEAD "\nx\n")), 0);
	f->in.arm = (struct tailor_arm){ .arm = &arms[0], .propensity = 0.25 };
	assert_due(f, "Europe/Berlin", "2026-06-01T06:30:00Z", "2026-06-01T07:00:00Z");
	assert_string_equal(f->plan.decision.reason, "send-hour");
	assert_true(str_starts(f->plan.decision.text, STR("arm b 0.25: due 2026-06-01T07:00:00Z, 09:00 in")));
	/* When it is due it goes, and a little later, too. */
	assert_due(f, "Europe/Berlin", "2026-06-01T07:00:00Z", "now");
	assert_due(f, "Europe/Berlin", "2026-06-01T11:00:00Z", "now");
	f->in.accepted_ms = 0;
	assert_due(f, "Europe/Berlin", "2026-06-01T07:59:59Z", "now");
	f->in.accepted_ms = 0;
	assert_due(f, "Europe/Berlin", "2026-06-01T08:00:00Z", "2026-06-02T07:00:00Z");
	f->in.accepted_ms = 0;
	assert_due(f, "Pacific/Auckland", "2026-06-01T08:00:00Z", "2026-06-01T21:00:00Z");
	/* An hour that the clock skips is the next day's; of two the first counts. */
	f->in.arm.arm = &arms[1];
	f->in.accepted_ms = 0;
	assert_due(f, "Europe/Berlin", "2026-03-28T23:30:00Z", "2026-03-30T00:00:00Z");
	f->in.accepted_ms = 0;
	assert_due(f, "Europe/Berlin", "2026-10-24T23:30:00Z", "2026-10-25T00:00:00Z");
	f->in.arm.arm = &arms[2];
	f->in.accepted_ms = 0;
	assert_due(f, "Europe/Berlin", "2026-06-01T06:30:00Z", "now");
	fixture_free(f);
}

/* The campaign's hour is of those whose arm has none; learned, it is in the profile. */
static void
test_hour_of_campaign(void **state)
{
	struct fixture *f = fixture_try(NO_TRACKING "send_hour = learned\nquiet_hours = \"22:00-06:00\"\n"
						    "arm b { send_hour = 9 }\narm x { }\narm control { }\n",
					"inject { target = \"127.0.0.1:26\" }");
	const struct conf_arm *arms = f->conf->campaigns[0].arms;
	static const struct {
		const char *profile;
		int arm;
		const char *due;
	} V[] = {
		{ "{}", 1, "now" },
		{ "{\"learned\": {\"send_hour\": 18}}", 1, "2026-06-01T18:00:00Z" },
		{ "{\"learned\": {\"send_hour\": 18}}", 0, "2026-06-01T09:00:00Z" },
		{ "{\"learned\": {\"send_hour\": 18}}", 2, "now" },
		{ "{\"learned\": {\"send_hour\": 8}}", 1, "now" },
		{ "{\"learned\": {\"send_hour\": 7}}", 1, "2026-06-02T07:00:00Z" },
		{ "{\"learned\": {\"send_hour\": 23}}", 1, "2026-06-02T06:00:00Z" }, /* quiet then */
		{ "{\"learned\": {\"send_hour\": 24}}", 1, "now" },
		{ "{\"learned\": {\"send_hour\": -1}}", 1, "now" },
		{ "{\"learned\": {\"send_hour\": \"18\"}}", 1, "now" },
		{ "{\"learned\": 18, \"send_hour\": 18}", 1, "now" },
	};
	(void)state;
	assert_int_equal(prepare(f, STR(TEST_HEAD "\nx\n")), 0);
	for (size_t i = 0; i < sizeof(V) / sizeof(V[0]); i++) {
		assert_int_equal(json_parse(f->a, str_of(V[i].profile), NULL, &f->recipient.profile, NULL),
				 0);
		f->in.arm = (struct tailor_arm){ .arm = &arms[V[i].arm], .propensity = 0.5 };
		f->in.accepted_ms = 0;
		assert_due(f, "UTC", "2026-06-01T08:30:00Z", V[i].due);
	}
	fixture_free(f);
}

/* While it is not drawn, the campaign's hour is not waited for: that of the arm may come first. */
static void
test_hour_undecided(void **state)
{
	static const struct {
		const char *arms, *due;
	} V[] = {
		{ "arm b { send_hour = 9 }\narm x { }\n", "now" },
		{ "arm b { }\narm x { }\n", "2026-06-01T18:00:00Z" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(V) / sizeof(V[0]); i++) {
		char text[300];
		snprintf(text, sizeof(text), NO_TRACKING "send_hour = 18\npolicy { kind = thompson }\n%s",
			 V[i].arms);
		struct fixture *f = fixture_try(text, "inject { target = \"127.0.0.1:26\" }");
		assert_int_equal(prepare(f, STR(TEST_HEAD "\nx\n")), 0);
		assert_due(f, "UTC", "2026-06-01T08:30:00Z", V[i].due);
		fixture_free(f);
	}
}

/* Where one arm has an hour, what waits for anything keeps its arm, whichever it is. */
static void
test_waiting_keeps(void **state)
{
	struct fixture *f =
	    fixture_try(NO_TRACKING "quiet_hours = \"22:00-06:00\"\narm b { send_hour = 9 }\narm x { }\n",
			"inject { target = \"127.0.0.1:26\" }");
	(void)state;
	assert_int_equal(prepare(f, STR(TEST_HEAD "\nx\n")), 0);
	f->in.arm = (struct tailor_arm){ .arm = &f->conf->campaigns[0].arms[1], .propensity = 0.5 };
	assert_due(f, "UTC", "2026-06-01T23:00:00Z", "2026-06-02T06:00:00Z");
	assert_true(str_starts(f->plan.decision.text, STR("arm x 0.5: due ")));
	fixture_free(f);
}

/* Together with quiet hours and a delay that is too long. */
static void
test_hour_and_windows(void **state)
{
	struct fixture *f = fixture_try(
	    NO_TRACKING "send_window = { \"tue 09:30-12:00\" }\nmax_delay = 1d\narm b { send_hour = 9 }\n",
	    "inject { target = \"127.0.0.1:26\" }");
	(void)state;
	assert_int_equal(prepare(f, STR(TEST_HEAD "\nx\n")), 0);
	f->in.arm = (struct tailor_arm){ .arm = &f->conf->campaigns[0].arms[0], .propensity = 1 };
	assert_due(f, "UTC", "2026-06-01T23:00:00Z", "2026-06-02T09:30:00Z");
	assert_string_equal(f->plan.decision.reason, "send-window");
	/* Wednesday: the hour is on Thursday, the window five days later. */
	f->in.accepted_ms = 0;
	assert_due(f, "UTC", "2026-06-03T23:00:00Z", "now");
	assert_int_equal(f->plan.decision.verdict, TAILOR_DROP);
	assert_string_equal(f->plan.decision.reason, "too-late");
	fixture_free(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shares),
		cmocka_unit_test(test_stable),
		cmocka_unit_test(test_growth),
		cmocka_unit_test(test_policies),
		cmocka_unit_test(test_greedy),
		cmocka_unit_test(test_kept),
		cmocka_unit_test(test_copy),
		cmocka_unit_test(test_token),
		cmocka_unit_test(test_subject_mistakes),
		cmocka_unit_test(test_hour),
		cmocka_unit_test(test_hour_of_campaign),
		cmocka_unit_test(test_hour_undecided),
		cmocka_unit_test(test_waiting_keeps),
		cmocka_unit_test(test_hour_and_windows),
	};
	mail_init();
	return cmocka_run_group_tests_name("tailor-arm", tests, NULL, NULL);
}
