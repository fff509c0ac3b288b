/* Whose copy it was, and what follows: proofs, forgeries, hard and soft, full mailboxes, complaints, repeats.
 */
#include "test-feedback.h"

#include "token/job.h"

/* ---- identifying ---- */

static struct identity
who_is(struct fixture *f, struct str to, const struct feedback *fb)
{
	struct identity who;
	if (identify(&f->src.id, &to, to.n > 0, fb, f->a, &who, &f->e) != 0)
		fail_msg("%s", f->e.text);
	return who;
}

static void
expect_copy(struct fixture *f, const struct identity *who, enum identity_proof proof, const char *address,
	    const uint8_t idem[16])
{
	struct recipient_key rk = key_of(f, address);
	assert_int_equal(who->proof, proof);
	assert_memory_equal(who->recipient.b, rk.b, 16);
	assert_true(who->whole);
	assert_memory_equal(who->copy, idem, 8);
	assert_true(str_eq(who->campaign, STR("spring")));
	assert_true(str_eq(who->category, STR("promo")));
	assert_true(str_eq(who->arm, STR("b")));
}

static void
test_return_path(void **state)
{
	struct fixture *f = *state;
	struct feedback fb = finding(f, FEEDBACK_BOUNCE, "other@b.example", FEEDBACK_UNKNOWN_USER, "5.1.1");
	uint8_t idem[16], second[16];
	struct str path = copy_make(f, "ann@a.example", 1, idem);
	copy_make(f, "ann@a.example", 2, second);
	struct identity who = who_is(f, path, &fb);
	expect_copy(f, &who, PROOF_RETURN_PATH, "ann@a.example", idem);

	/* from the fields of the message, from those of the returned one */
	addresses_add(f->a, &fb.origin.to, path);
	who = who_is(f, STR("desk@office.example"), &fb);
	expect_copy(f, &who, PROOF_RETURN_PATH, "ann@a.example", idem);
	fb.origin.path = fb.origin.to;
	fb.origin.to.n = 0;
	who = who_is(f, STR_NULL, &fb);
	expect_copy(f, &who, PROOF_RETURN_PATH, "ann@a.example", idem);

	/* a token whose copy is not on record any more names the recipient all the same */
	struct buf gone = { 0 };
	struct recipient_key rk = key_of(f, "bob@a.example");
	assert_int_equal(verp_address(f->src.id.sealer, "bounces@shop.example", &rk, idem, &gone, &f->e), 0);
	who = who_is(f, buf_str(&gone), &fb);
	assert_int_equal(who.proof, PROOF_RETURN_PATH);
	assert_memory_equal(who.recipient.b, rk.b, 16);
	assert_false(who.whole);
	assert_int_equal(who.campaign.n, 0);
	buf_free(&gone);
}

static void
test_forged_token(void **state)
{
	struct fixture *f = *state;
	const struct feedback fb =
	    finding(f, FEEDBACK_BOUNCE, "ann@a.example", FEEDBACK_UNKNOWN_USER, "5.1.1");
	uint8_t idem[16];
	char *path = arena_cstr(f->a, copy_make(f, "ann@a.example", 1, idem));
	size_t plus = str_find_char(str_of(path), '+');
	for (size_t i = plus + 1; i < plus + 1 + VERP_TOKEN_LEN; i++) {
		char kept = path[i];
		path[i] = kept == 'a' ? 'b' : 'a';
		assert_int_equal(who_is(f, str_of(path), &fb).proof, PROOF_NONE);
		path[i] = kept;
	}
	assert_int_equal(who_is(f, str_of(path), &fb).proof, PROOF_RETURN_PATH);
}

static void
test_unsubscribe_link(void **state)
{
	struct fixture *f = *state;
	struct feedback fb = finding(f, FEEDBACK_COMPLAINT, "x@a.example", FEEDBACK_OTHER, "");
	struct token t = { .purpose = TOKEN_UNSUBSCRIBE,
			   .recipient = key_of(f, "ann@a.example"),
			   .campaign = STR("spring"),
			   .category = STR("promo"),
			   .arm = STR("b") };
	uint8_t idem[16];
	struct buf url = { 0 };
	memset(idem, 7, sizeof idem);
	memcpy(t.copy, idem, 8);
	buf_adds(&url, STR("https://t.shop.example/u/"));
	assert_int_equal(token_seal(f->src.id.sealer, &t, &url, &f->e), 0);
	fb.origin.unsubscribe = buf_str(&url);
	struct identity who = who_is(f, STR_NULL, &fb);
	expect_copy(f, &who, PROOF_UNSUBSCRIBE, "ann@a.example", idem);
	/* a click is no unsubscription: another purpose opens nothing */
	buf_reset(&url);
	t.purpose = TOKEN_PREFERENCES;
	buf_adds(&url, STR("https://t.shop.example/u/"));
	assert_int_equal(token_seal(f->src.id.sealer, &t, &url, &f->e), 0);
	fb.origin.unsubscribe = buf_str(&url);
	assert_int_equal(who_is(f, STR_NULL, &fb).proof, PROOF_NONE);
	buf_free(&url);
}

static void
test_job_mark(void **state)
{
	struct fixture *f = *state;
	struct feedback fb = finding(f, FEEDBACK_BOUNCE, "ann@a.example", FEEDBACK_UNKNOWN_USER, "5.1.1");
	uint8_t idem[16];
	struct buf mark = { 0 };
	copy_make(f, "ann@a.example", 9, idem);
	assert_int_equal(job_mark_seal(f->keys, idem, NOW, &mark), 0);
	fb.origin.job = buf_str(&mark);
	struct identity who = who_is(f, STR_NULL, &fb);
	expect_copy(f, &who, PROOF_JOB, "ann@a.example", idem);
	/* the mark of Ann's copy in a report about Bob */
	fb.items->recipient = STR("bob@a.example");
	assert_int_equal(who_is(f, STR_NULL, &fb).proof, PROOF_NONE);
	buf_free(&mark);
}

/* ---- acting ---- */

static enum policy_outcome
act_at(struct fixture *f, struct str to, const struct feedback *fb, int64_t now)
{
	enum policy_outcome out[FEEDBACK_MAX_ITEMS];
	struct identity who = who_is(f, to, fb);
	if (policy_apply(&f->src, fb, &who, now, f->a, out, &f->e) != 0)
		fail_msg("%s", f->e.text);
	return out[0];
}

static void
test_hard(void **state)
{
	struct fixture *f = *state;
	const struct feedback fb =
	    finding(f, FEEDBACK_BOUNCE, "ann@a.example", FEEDBACK_UNKNOWN_USER, "5.1.1");
	struct suppression_record s;
	uint8_t idem[16];
	struct str path = copy_make(f, "ann@a.example", 1, idem);
	assert_int_equal(act_at(f, path, &fb, NOW), POLICY_SUPPRESSED);
	assert_true(suppressed(f, "ann@a.example", &s));
	assert_int_equal(s.reason, SUPPRESS_HARD_BOUNCE);
	assert_int_equal(s.until_ms, 0);
	assert_int_equal(s.at_ms, NOW);
	/* handed over again: one event */
	assert_int_equal(act_at(f, path, &fb, NOW + 5), POLICY_SUPPRESSED);
	struct events l = events_of(f);
	assert_int_equal(l.n, 1);
	assert_int_equal(l.v[0].type, EVENT_BOUNCED);
	assert_true(str_eq(l.v[0].reason, STR("hard")));
	assert_true(str_eq(l.v[0].campaign, STR("spring")));
	assert_memory_equal(l.v[0].copy, idem, 8);
	assert_true(str_eq(l.v[0].details,
			   STR("{\"proof\":\"return-path\",\"why\":\"unknown-user\",\"status\":\"5.1.1\"}")));
	assert_true(suppressed(f, "ann@a.example", &s));
	assert_int_equal(s.at_ms, NOW);
}

/* Whatever a report without a proof says, by default nothing follows, however many there are. */
static void
test_forged_bounces(void **state)
{
	struct fixture *f = *state;
	struct suppression_record s;
	uint8_t idem[16];
	copy_make(f, "ann@a.example", 1, idem);
	for (int i = 0; i < 50; i++) {
		struct feedback fb =
		    finding(f, FEEDBACK_BOUNCE, "ann@a.example", FEEDBACK_UNKNOWN_USER, "5.1.1");
		fb.origin.message_id = arena_printf(f->a, "<%d@x>", i);
		assert_int_equal(act_at(f, STR("bounces@shop.example"), &fb, NOW), POLICY_UNPROVED);
		fb.items->kind = FEEDBACK_COMPLAINT;
		fb.items->hard = false;
		strcpy(fb.items->type, "abuse");
		assert_int_equal(act_at(f, STR("bounces@shop.example"), &fb, NOW), POLICY_UNPROVED);
	}
	assert_false(suppressed(f, "ann@a.example", &s));
	assert_int_equal(events_of(f).n, 0);
}

static void
test_trust(void **state)
{
	struct fixture *f = *state;
	struct feedback fb = finding(f, FEEDBACK_BOUNCE, "ann@a.example", FEEDBACK_UNKNOWN_USER, "5.1.1");
	struct suppression_record s;
	f->conf.trust_untokened = CONF_TRUST_SOFT;
	for (int i = 0; i < 3; i++) {
		assert_false(suppressed(f, "ann@a.example", &s));
		fb.origin.message_id = arena_printf(f->a, "<%d@x>", i);
		/* the same report again counts once */
		for (int k = 0; k < 2; k++)
			assert_int_equal(act_at(f, STR_NULL, &fb, NOW),
					 i == 2 ? POLICY_SUPPRESSED : POLICY_RECORDED);
	}
	assert_true(suppressed(f, "ann@a.example", &s));
	assert_int_equal(s.reason, SUPPRESS_SOFT_BOUNCE);
	assert_int_equal(events_of(f).n, 3);
	/* a complaint is on record, and no more */
	fb = finding(f, FEEDBACK_COMPLAINT, "bob@a.example", FEEDBACK_OTHER, "");
	strcpy(fb.items->type, "abuse");
	assert_int_equal(act_at(f, STR_NULL, &fb, NOW), POLICY_RECORDED);
	assert_false(suppressed(f, "bob@a.example", &s));
	f->conf.trust_untokened = CONF_TRUST_YES;
	assert_int_equal(act_at(f, STR_NULL, &fb, NOW), POLICY_SUPPRESSED);
	assert_true(suppressed(f, "bob@a.example", &s));
	assert_int_equal(s.reason, SUPPRESS_COMPLAINT);
}

static void
test_soft(void **state)
{
	struct fixture *f = *state;
	const struct feedback fb = finding(f, FEEDBACK_BOUNCE, "ann@a.example", FEEDBACK_OTHER, "5.7.1");
	struct suppression_record s;
	uint8_t idem[16];
	/* two, then one that is outside of the window with the first of them */
	assert_int_equal(act_at(f, copy_make(f, "ann@a.example", 1, idem), &fb, NOW), POLICY_RECORDED);
	struct str second = copy_make(f, "ann@a.example", 2, idem);
	for (int i = 0; i < 5; i++) /* one copy counts once */
		assert_int_equal(act_at(f, second, &fb, NOW + 5 * DAY), POLICY_RECORDED);
	assert_int_equal(act_at(f, copy_make(f, "ann@a.example", 3, idem), &fb, NOW + 10 * DAY),
			 POLICY_RECORDED);
	assert_false(suppressed(f, "ann@a.example", &s));
	assert_int_equal(act_at(f, copy_make(f, "ann@a.example", 4, idem), &fb, NOW + 11 * DAY),
			 POLICY_SUPPRESSED);
	assert_true(suppressed(f, "ann@a.example", &s));
	assert_int_equal(s.reason, SUPPRESS_SOFT_BOUNCE);
	assert_int_equal(s.until_ms, 0);
	/* 0: never */
	f->conf.soft_limit = 0;
	for (uint8_t i = 0; i < 9; i++)
		assert_int_equal(act_at(f, copy_make(f, "bob@a.example", (uint8_t)(10 + i), idem), &fb, NOW),
				 POLICY_RECORDED);
	assert_false(suppressed(f, "bob@a.example", &s));
}

static void
test_full(void **state)
{
	struct fixture *f = *state;
	const struct feedback fb = finding(f, FEEDBACK_BOUNCE, "ann@a.example", FEEDBACK_FULL, "5.2.2");
	const struct feedback other = finding(f, FEEDBACK_BOUNCE, "ann@a.example", FEEDBACK_OTHER, "5.7.1");
	struct suppression_record s;
	uint8_t idem[16];
	assert_int_equal(act_at(f, copy_make(f, "ann@a.example", 1, idem), &fb, NOW), POLICY_RECORDED);
	/* they are counted apart */
	assert_int_equal(act_at(f, copy_make(f, "ann@a.example", 2, idem), &other, NOW), POLICY_RECORDED);
	assert_int_equal(act_at(f, copy_make(f, "ann@a.example", 3, idem), &other, NOW), POLICY_RECORDED);
	assert_false(suppressed(f, "ann@a.example", &s));
	assert_int_equal(act_at(f, copy_make(f, "ann@a.example", 4, idem), &fb, NOW + DAY),
			 POLICY_SUPPRESSED);
	assert_true(suppressed(f, "ann@a.example", &s));
	assert_int_equal(s.until_ms, NOW + 31 * DAY);
	/* that one ends; a hard bounce in the meantime stays */
	const struct feedback hard =
	    finding(f, FEEDBACK_BOUNCE, "ann@a.example", FEEDBACK_UNKNOWN_USER, "5.1.1");
	assert_int_equal(act_at(f, copy_make(f, "ann@a.example", 5, idem), &hard, NOW + 2 * DAY),
			 POLICY_SUPPRESSED);
	assert_true(suppressed(f, "ann@a.example", &s));
	assert_int_equal(s.reason, SUPPRESS_HARD_BOUNCE);
	assert_int_equal(s.until_ms, 0);
	assert_int_equal(act_at(f, copy_make(f, "ann@a.example", 6, idem), &fb, NOW + 2 * DAY),
			 POLICY_SUPPRESSED);
	assert_true(suppressed(f, "ann@a.example", &s));
	assert_int_equal(s.until_ms, 0);
}

static void
test_others(void **state)
{
	struct fixture *f = *state;
	struct suppression_record s;
	uint8_t idem[16];
	struct feedback fb = finding(f, FEEDBACK_BOUNCE, "ann@a.example", FEEDBACK_DELAYED, "4.4.1");
	struct str path = copy_make(f, "ann@a.example", 1, idem);
	assert_int_equal(act_at(f, path, &fb, NOW), POLICY_RECORDED);
	fb = finding(f, FEEDBACK_AUTO_REPLY, "ann@a.example", FEEDBACK_OTHER, "");
	assert_int_equal(act_at(f, path, &fb, NOW), POLICY_RECORDED);
	fb = finding(f, FEEDBACK_NONE, "ann@a.example", FEEDBACK_OTHER, "2.0.0");
	assert_int_equal(act_at(f, path, &fb, NOW), POLICY_NOTHING);
	fb = finding(f, FEEDBACK_COMPLAINT, "ann@a.example", FEEDBACK_OTHER, "");
	strcpy(fb.items->type, "auth-failure");
	assert_int_equal(act_at(f, path, &fb, NOW), POLICY_NOTHING);
	assert_false(suppressed(f, "ann@a.example", &s));
	struct events l = events_of(f);
	assert_int_equal(l.n, 2);
	assert_int_equal(l.v[0].type, EVENT_DEFERRED);
	assert_int_equal(l.v[1].type, EVENT_AUTO_REPLY);

	strcpy(fb.items->type, "abuse");
	assert_int_equal(act_at(f, path, &fb, NOW), POLICY_SUPPRESSED);
	assert_true(suppressed(f, "ann@a.example", &s));
	assert_int_equal(s.reason, SUPPRESS_COMPLAINT);
	fb = finding(f, FEEDBACK_COMPLAINT, "x@y.example", FEEDBACK_OTHER, "");
	strcpy(fb.items->type, "opt-out");
	assert_int_equal(act_at(f, copy_make(f, "bob@a.example", 2, idem), &fb, NOW), POLICY_SUPPRESSED);
	assert_true(suppressed(f, "bob@a.example", &s));
	assert_int_equal(s.reason, SUPPRESS_UNSUBSCRIBE);
	l = events_of(f);
	assert_int_equal(l.n, 4);
	assert_int_equal(l.v[2].type, EVENT_COMPLAINED);
	assert_true(str_eq(l.v[2].reason, STR("abuse")));
	assert_int_equal(l.v[3].type, EVENT_UNSUBSCRIBED);
}

/* What the recipient said is not overwritten by what a machine says: both stand, and he takes back only his
 * own. */
static void
test_standing(void **state)
{
	struct fixture *f = *state;
	struct recipient_key rk = key_of(f, "ann@a.example");
	const struct feedback fb =
	    finding(f, FEEDBACK_BOUNCE, "ann@a.example", FEEDBACK_UNKNOWN_USER, "5.1.1");
	struct suppression_record s = { STR(""), SUPPRESS_UNSUBSCRIBE, NOW - 1, STR("page"), 0 };
	uint8_t idem[16];
	assert_int_equal(store_suppression_put(f->src.id.store, rk.b, &s, &f->e), 0);
	assert_int_equal(act_at(f, copy_make(f, "ann@a.example", 1, idem), &fb, NOW), POLICY_SUPPRESSED);
	assert_true(suppressed(f, "ann@a.example", &s));
	assert_int_equal(s.reason, SUPPRESS_UNSUBSCRIBE);
	assert_true(str_eq(s.note, STR("page")));
	assert_int_equal(
	    store_suppression_remove(f->src.id.store, rk.b, STR(""), SUPPRESS_UNSUBSCRIBE, &f->e), 1);
	assert_true(suppressed(f, "ann@a.example", &s));
	assert_int_equal(s.reason, SUPPRESS_HARD_BOUNCE);
	assert_int_equal(s.at_ms, NOW);
}

/* A copy that was passed on to several: their reports say nothing about him unless all say it. */
static void
test_passed_on(void **state)
{
	struct fixture *f = *state;
	struct feedback_item items[3] = {
		{ .kind = FEEDBACK_BOUNCE,
		  .recipient = STR("one@list.example"),
		  .hard = true,
		  .status = "5.1.1" },
		{ .kind = FEEDBACK_BOUNCE,
		  .recipient = STR("two@list.example"),
		  .reason = FEEDBACK_OTHER,
		  .status = "5.7.1" },
		{ .kind = FEEDBACK_BOUNCE,
		  .recipient = STR("three@list.example"),
		  .hard = true,
		  .status = "5.1.1" },
	};
	struct feedback fb = { .items = items, .n = 3 };
	struct suppression_record s;
	uint8_t idem[16];
	enum policy_outcome out[3];
	struct identity who = who_is(f, copy_make(f, "ann@a.example", 1, idem), &fb);
	assert_int_equal(policy_apply(&f->src, &fb, &who, NOW, f->a, out, &f->e), 0);
	assert_int_equal(out[0], POLICY_NOTHING);
	assert_int_equal(out[1], POLICY_RECORDED);
	assert_int_equal(out[2], POLICY_NOTHING);
	assert_false(suppressed(f, "ann@a.example", &s));
	/* his own is among them */
	items[2].recipient = STR("ann@A.example");
	who = who_is(f, copy_make(f, "ann@a.example", 2, idem), &fb);
	assert_int_equal(policy_apply(&f->src, &fb, &who, NOW, f->a, out, &f->e), 0);
	assert_int_equal(out[2], POLICY_SUPPRESSED);
	assert_true(suppressed(f, "ann@a.example", &s));
	assert_false(suppressed(f, "one@list.example", &s));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		T(test_return_path), T(test_forged_token), T(test_unsubscribe_link),
		T(test_job_mark),    T(test_hard),	   T(test_forged_bounces),
		T(test_trust),	     T(test_soft),	   T(test_full),
		T(test_others),	     T(test_standing),	   T(test_passed_on),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
