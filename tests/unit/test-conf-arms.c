/* Configuration of arms and policies: what is read, and every kind of mistake with its file and line. */
#include "test-conf.h"

static void
test_read(void **state)
{
	struct buf b = { 0 };
	struct conf *c = load("inject { target = \"127.0.0.1:26\" }\n"
			      "plugin p { }\n"
			      "campaign a {\n"
			      " scorers = { p }\n"
			      " control_share = 0.025\n"
			      " policy { kind = greedy reward = converted window = 36h explore = 7.5% }\n"
			      " arm plain { control = on weight = 0 }\n"
			      " arm x { subject = \"{{a}}\" send_hour = 0 weight = 2.5 score = sx\n"
			      "  values { block = \"<b>\" } }\n"
			      " arm y { score = sy }\n"
			      "}\n"
			      "campaign b { arm control { } arm z { } }\n"
			      "campaign c { arm control { } control_share = 3% }\n"
			      "campaign d { arm u { } arm v { } }\n"
			      "campaign e { }\n",
			      &b);
	(void)state;
	assert_non_null(c);
	const struct conf_campaign *k = &c->campaigns[0];
	assert_int_equal(k->narms, 3);
	assert_ptr_equal(k->control, &k->arms[0]);
	assert_int_equal(k->control_share, 25000);
	assert_int_equal(k->policy.kind, CONF_POLICY_GREEDY);
	assert_int_equal(k->policy.reward, CONF_REWARD_CONVERTED);
	assert_int_equal(k->policy.window_ms, 36 * 3600000);
	assert_int_equal(k->policy.explore, 75000);
	assert_string_equal(k->arms[1].subject, "{{a}}");
	assert_int_equal(k->arms[1].send_hour, 1);
	assert_true(k->arms[1].weight == 2.5);
	assert_string_equal(k->arms[1].score, "sx");
	const struct value *v = value_map_get(k->arms[1].values, STR("block"));
	assert_true(v != NULL && str_eq(v->s, STR("<b>")));
	assert_int_equal(k->arms[2].send_hour, CONF_ANY_HOUR);
	assert_null(k->arms[2].subject);
	assert_true(k->arms[2].prior_successes == 1 && k->arms[2].prior_failures == 1);
	assert_ptr_equal(conf_arm_find(k, STR("y")), &k->arms[2]);
	assert_null(conf_arm_find(k, STR("control")));
	/* By its name; a control alone gets all; without one there is no share. */
	assert_ptr_equal(c->campaigns[1].control, &c->campaigns[1].arms[0]);
	assert_int_equal(c->campaigns[1].control_share, 100000);
	assert_int_equal(c->campaigns[1].policy.kind, CONF_POLICY_FIXED);
	assert_int_equal(c->campaigns[2].control_share, CONF_SHARE_ALL);
	assert_null(c->campaigns[3].control);
	assert_int_equal(c->campaigns[3].control_share, 0);
	assert_int_equal(c->campaigns[4].control_share, 0);
	assert_string_equal(conf_policy_name(CONF_POLICY_LINUCB), "linucb");
	assert_string_equal(conf_reward_name(CONF_REWARD_CLICKED), "clicked");
	conf_free(&c);
	buf_free(&b);
}

static void
test_mistakes(void **state)
{
	static const struct {
		const char *text, *report;
	} V[] = {
		{ "campaign a {\n arm control { }\n arm b { control = yes }\n}\n",
		  "t.conf:3: arm \"b\" is control, and so is arm \"control\" (t.conf:2); there" },
		{ "campaign a {\n control_share = 5%\n arm b { }\n}\n",
		  "t.conf:2: control_share is the share of an arm that is not there; add" },
		{ "campaign a {\n control_share = 100%\n arm control { }\n arm b { }\n}\n",
		  "t.conf:2: control_share leaves the other arms nobody; make" },
		{ "campaign a {\n control_share = 5\n arm control { }\n}\n",
		  "t.conf:2: 5 is out of range for control_share; write" },
		{ "campaign a {\n control_share = many\n arm control { }\n}\n",
		  "t.conf:2: \"many\" is no share; write" },
		{ "campaign a {\n control_share = \"5%%\"\n arm control { }\n}\n",
		  "t.conf:2: \"5%%\" is no share; write" },
		{ "campaign a {\n policy {\n  kind = thompson\n }\n}\n",
		  "t.conf:2: campaign \"a\" has a policy and no arms to choose from; add" },
		{ "campaign a {\n arm b { }\n policy {\n  kind = best\n }\n}\n",
		  "t.conf:4: \"best\" is not known for kind; write fixed, epsilon-greedy, " },
		{ "campaign a {\n arm b { }\n policy {\n  alpha = x\n }\n}\n",
		  "t.conf:4: \"x\" is no number; write" },
		{ "campaign a {\n arm b { }\n policy {\n  alpha = -1\n }\n}\n",
		  "t.conf:4: -1 is out of range for alpha; write 0 to 1000" },
		{ "campaign a {\n arm b { }\n policy {\n  ridge = nan\n }\n}\n",
		  "t.conf:4: \"nan\" is no number; write" },
		{ "plugin p { }\ncampaign a {\n scorers = { p }\n arm b {\n }\n policy { kind = greedy "
		  "}\n}\n",
		  "t.conf:4: arm \"b\" has no score, and policy \"greedy\" chooses by it; add" },
		{ "campaign a {\n arm b { score = s }\n policy { kind = greedy }\n}\n",
		  "t.conf:3: policy \"greedy\" needs scores and campaign \"a\" has no scorers; add" },
		{ "campaign a {\n arm b {\n  send_hour = 9\n }\n}\n",
		  "t.conf:3: send_hour makes copies wait, and there is no port to send them to later; add" },
		{ "campaign a {\n arm b { }\n policy { kind = linucb }\n}\n",
		  "t.conf:3: policy \"linucb\" goes by features and campaign \"a\" has none; add" },
		{ "inject { target = \"h:26\" }\ncampaign a {\n quiet_hours = \"22:00-08:00\"\n arm b {\n  "
		  "send_hour = 3\n }\n}\n",
		  "t.conf:5: quiet_hours and send_window let nothing leave in hour 3; choose" },
		{ "inject { target = \"h:26\" }\ncampaign a {\n arm b {\n  send_hour = 24\n }\n}\n",
		  "t.conf:4: \"24\" is not known for send_hour; write any, 0, 1" },
		{ "campaign a {\n arm b {\n  values { name = x }\n }\n}\n",
		  "t.conf:2: arm \"b\" has a value \"name\", and {{arm.name}} is the arm's name; give" },
		{ "campaign a {\n arm b {\n  values {\n   x.y = z\n  }\n }\n}\n",
		  "t.conf:4: the field \"x.y\" has a dot in its name; write" },
		{ "campaign a {\n arm b {\n  subject = \"\"\n }\n}\n",
		  "t.conf:3: the value \"\" is empty; write" },
		{ "campaign a {\n arm b { weight = 0 }\n}\n",
		  "t.conf:1: the arms of campaign \"a\" all have weight 0; give" },
		{ "campaign a {\n arm b { }\n arm b { }\n}\n",
		  "t.conf:3: arm \"b\" is there twice (first at t.conf:2); rename" },
		{ "campaign a {\n arm {\n }\n}\n",
		  "t.conf:2: section \"arm\" lacks its name; write arm NAME {" },
		{ "campaign a {\n arm \"b c\" { }\n}\n", "t.conf:2: \"b c\" is no name for an arm; use" },
		{ "campaign a {\n arm b {\n  subjct = x\n }\n}\n",
		  "t.conf:3: unknown key \"subjct\" in section \"arm\"; did you mean \"subject\"?" },
		{ "campaign a {\n explore = 5%\n}\n", "t.conf:2: unknown key \"explore\" in section "
						      "\"campaign\"; it belongs in section \"policy\"" },
		{ "arm b {\n}\n", "t.conf:1: unknown section \"arm\"; it belongs in section \"campaign\"" },
	};
	struct buf b = { 0 };
	(void)state;
	for (size_t i = 0; i < sizeof(V) / sizeof(V[0]); i++) {
		struct conf *c = load(V[i].text, &b);
		if (c)
			fail_msg("accepted: %s", V[i].text);
		if (strncmp(b.p, V[i].report, strlen(V[i].report)) != 0 || strchr(b.p, '\n') != b.p + b.n - 1)
			fail_msg("text: %s\nwant: %s\n got: %s", V[i].text, V[i].report, b.p);
		assert_non_null(strchr(b.p, ';'));
	}
	buf_free(&b);
}

static void
test_too_many(void **state)
{
	struct buf text = { 0 }, b = { 0 };
	(void)state;
	buf_adds(&text, STR("campaign a {\n"));
	for (int i = 0; i <= CONF_MAX_ARMS; i++)
		buf_printf(&text, "arm a%d { }\n", i);
	buf_adds(&text, STR("}\n"));
	assert_null(load(text.p, &b));
	assert_non_null(strstr(b.p, "t.conf:34: campaign \"a\" has more than 32 arms; "));
	buf_free(&text);
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_too_many),
	};
	return cmocka_run_group_tests_name("conf-arms", tests, NULL, NULL);
}
