/*
 * test-tailor-header: header edits, merge data, decisions and what --explain
 * shows.
 */
#include "base/json.h"
#include "test-tailor.h"

#define SCORER "plugin s {\npath = \"s.so\"\n}\n"
#define QUIET NO_TRACKING "list_unsubscribe = no\n"

/* Name: value as it is in the copy of a message whose header begins with fields. */
static const char *
field_in(struct fixture *f, const char *fields, const char *name, const char *profile)
{
	struct str m = arena_printf(f->a, "%sMessage-ID: <1@x.test>\n" TEST_DATE "\nbody\n", fields);
	copy_of(f, m.p, profile);
	return header_of(f, name);
}

#define FIELD(f, fields, name, profile, expected) \
	assert_string_equal(field_in(f, fields, name, profile), expected)

/* The same decoded, where either encoding of RFC 2047 will do. */
static void
decoded(struct fixture *f, const char *fields, const char *profile, const char *expected)
{
	const char *raw = field_in(f, fields, "Subject", profile);
	assert_true(str_is_ascii(str_of(raw)));
	assert_string_equal(mail_header_decode(f->a, str_of(raw)).p, expected);
}

static void
test_subject(void **state)
{
	struct fixture *f = fixture_new(QUIET);
	(void)state;
	FIELD(f, "Subject: Hi {{n}}\n", "Subject", "{\"n\":\"Ann\"}", "Hi Ann");
	FIELD(f, "Subject: Hi {{n}}, news\n", "Subject", "{}", "Hi, news");
	decoded(f, "Subject: Hi {{n}}\n", "{\"n\":\"Jörg\"}", "Hi Jörg");
	decoded(f, "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe_{{n}}?=\n", "{\"n\":\"山\"}", "Grüße 山");
	FIELD(f, "subject:\tHi\n {{n}}\n", "Subject", "{\"n\":\"Ann\"}", "Hi Ann");
	FIELD(f, "Subject: {{n}}\n", "Subject", "{\"n\":\"a\\r\\nBcc: x@y.test\\r\\n\\r\\n<b>\"}",
	      "a Bcc: x@y.test <b>");
	FIELD(f, "Subject: {{{n}}}\n", "Subject", "{\"n\":\"a\\nBcc: x\\u0007\\u2028\\u0085b\"}",
	      "a Bcc: x b");
	decoded(f, "Subject: {{n}}\n", "{\"n\":\"=?utf-8?q?x?=\"}", "=?utf-8?q?x?=");
	FIELD(f, "Subject: {{n}}&{{{n}}}\n", "Subject", "{\"n\":\"<&>\"}", "<&>&<&>");
	FIELD(f, "Subject: {{n}}\n", "Subject", "{}", "");
	FIELD(f, "Subject: plain =?x-bad?q?x?=\n", "Subject", "{}", "plain =?x-bad?q?x?=");
	FIELD(f, "Subject: s\nX-Info: {{n}}\nReceived: {{n}}\nDate: {{n}}\n", "X-Info", "{\"n\":1}", "1");
	assert_string_equal(header_of(f, "Received"), "{{n}}");
	for (size_t i = 0; i < f->plan.nedits; i++)
		assert_null(strchr(f->plan.edits[i].value ? f->plan.edits[i].value : "", '\r'));
	fixture_free(f);
}

static void
test_long_subject(void **state)
{
	struct fixture *f = fixture_new(QUIET);
	struct buf p = { 0 };
	(void)state;
	for (int i = 0; i < 5000; i++)
		buf_addc(&p, 'x');
	struct str profile = arena_printf(f->a, "{\"n\":\"%s\",\"m\":\"ä%s\"}", p.p, p.p);
	field_in(f, "Subject: {{n}} {{m}}\nFrom: \"{{n}} {{m}}\" <a@x.test>\n", "Subject", profile.p);
	struct str s = buf_str(&f->out), line;
	while (str_split(&s, '\n', &line))
		assert_true(line.n <= 998);
	buf_free(&p);
	fixture_free(f);
}

static void
test_addresses(void **state)
{
	struct fixture *f = fixture_new(QUIET "rewrite_to = no\n");
	(void)state;
	FIELD(f, "From: {{brand}} <news@x.test>\n", "From", "{\"brand\":\"Shop\"}", "Shop <news@x.test>");
	FIELD(f, "From: \"{{brand}}\" <news@x.test>\n", "From", "{\"brand\":\"Shop, Inc.\"}",
	      "\"Shop, Inc.\" <news@x.test>");
	FIELD(f, "From: =?utf-8?q?{{brand}}_=C3=BC?= <news@x.test>\n", "From", "{\"brand\":\"Ä\"}",
	      "=?UTF-8?B?w4Qgw7w=?= <news@x.test>");
	FIELD(f, "From: \"{{brand}}\" <news@x.test>\n", "From",
	      "{\"brand\":\"a\\\" <evil@y.test>,\\r\\nBcc: \"}",
	      "\"a\\\" <evil@y.test>, Bcc:\" <news@x.test>");
	FIELD(f, "From: \"{{brand}}\" <news@x.test>\n", "From", "{}", "news@x.test");
	FIELD(f, "Reply-To: \"{{a}}\" <a@x.test>, b@x.test, \"C {{c}}\" <c@x.test>\n", "Reply-To",
	      "{\"a\":\"A\"}", "A <a@x.test>,\n b@x.test,\n C <c@x.test>");
	FIELD(f, "To: \"{{a}}\" <list@x.test>\n", "To", "{\"a\":\"A\"}", "A <list@x.test>");
	/* what would leave half-rendered is refused */
	assert_int_equal(prepare(f, str_of("From: {{a}}@x.test\n\n")), -1);
	assert_int_equal(f->e.kind, ERR_INPUT);
	assert_non_null(strstr(f->e.text, "header From: only the name"));
	assert_int_equal(prepare(f, str_of("Cc: {{a}}\n\n")), -1);
	fixture_free(f);
	f = fixture_new(QUIET);
	FIELD(f, "From: a@x.test\nTo: {{email}}\n", "To", "{\"email\":\"evil@y.test\"}", "ann@example.test");
	fixture_free(f);
}

static void
test_to(void **state)
{
	struct fixture *f = fixture_new(QUIET);
	(void)state;
	FIELD(f, "To:  \"Ann  L.\"   <ann@Example.TEST> (x)\n", "To", "{\"name\":\"X\"}",
	      "\"Ann  L.\"   <ann@Example.TEST> (x)");
	FIELD(f, "To: list@x.test\n", "To", "{}", "ann@example.test");
	FIELD(f, "", "To", "{}", "ann@example.test");
	FIELD(f, "To: list@x.test\n", "To", "{\"first_name\":\"Ann\",\"last_name\":\"Lee\"}",
	      "Ann Lee <ann@example.test>");
	FIELD(f, "To: list@x.test\n", "To", "{\"first_name\":\"Ann\"}", "Ann <ann@example.test>");
	FIELD(f, "To: list@x.test\n", "To", "{\"name\":\" Ann Lee, PhD \"}",
	      "\"Ann Lee, PhD\" <ann@example.test>");
	FIELD(f, "To: \"{{first_name}}!\" <list@x.test>\n", "To", "{\"first_name\":\"Ann\",\"name\":\"X\"}",
	      "Ann! <ann@example.test>");
	FIELD(f, "To: \"{{nick}}\" <list@x.test>\n", "To", "{\"name\":\"Ann\"}", "Ann <ann@example.test>");
	FIELD(f, "To: ann@example.test, bob@example.test\n", "To", "{}", "ann@example.test");
	FIELD(f, "To: a@x.test\nTO: b@x.test\nCc: c@x.test\nto: d@x.test\n", "To", "{}", "ann@example.test");
	assert_int_equal(header_count(f, "To"), 1);
	assert_string_equal(header_of(f, "Cc"), "c@x.test");
	/* deletions from the last, so that none moves another */
	int last = 99;
	for (size_t i = 0; i < f->plan.nedits; i++)
		if (f->plan.edits[i].op == TAILOR_HEADER_DELETE) {
			assert_true(f->plan.edits[i].index < last);
			last = f->plan.edits[i].index;
		}
	assert_int_equal(last, 2);
	static const char *const refused[] = { "see https://evil.test", "a@b", "<b>", "www.evil.test", "" };
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct str p = arena_printf(f->a, "{\"name\":\"%s\"}", refused[i]);
		FIELD(f, "To: list@x.test\n", "To", p.p, "ann@example.test");
	}
	FIELD(f, "To: list@x.test\n", "To", "{\"name\":7}", "ann@example.test");
	FIELD(f, "To: list@x.test\n", "To", "{\"name\":\"a\\r\\nBcc: b\"}",
	      "\"a Bcc: b\" <ann@example.test>");
	fixture_free(f);
}

static void
test_list_headers(void **state)
{
	struct fixture *f =
	    fixture_new(NO_TRACKING "unsubscribe_mailto = \"mailto:out@x.test\"\nfeedback_id = \"shopx\"\n");
	(void)state;
	field_in(
	    f,
	    "List-Unsubscribe: <http://old.test>\nlist-unsubscribe: {{x}}\nList-Unsubscribe-Post: "
	    "x\nFeedback-ID: a:b\n"
	    "X-Mailtailor-Campaign: c\nX-MAILTAILOR-foo: {{x}}\nX-Mailtailer: stays\nList-Id: <l.x.test>\n",
	    "X", "{}");
	/* https first; the mail's subject holds the same token */
	const char *both = header_of(f, "List-Unsubscribe"), *token = strstr(both, "/u/") + 3;
	const int n = (int)strcspn(token, ">");
	char mailto[400];
	snprintf(mailto, sizeof(mailto), "%.*s>,\n <mailto:out@x.test?subject=unsubscribe%%20%.*s>", n, token,
		 n, token);
	assert_string_equal(token, mailto);
	assert_true(str_starts(links_opened(f, str_of(both)), STR("<<u>>,")));
	assert_string_equal(header_of(f, "List-Unsubscribe-Post"), "List-Unsubscribe=One-Click");
	assert_string_equal(header_of(f, "Feedback-ID"), "c:marketing:mailtailor:shopx");
	assert_string_equal(header_of(f, "X-Mailtailer"), "stays");
	assert_string_equal(header_of(f, "List-Id"), "<l.x.test>");
	assert_int_equal(header_count(f, "List-Unsubscribe"), 1);
	assert_int_equal(header_count(f, "List-Unsubscribe-Post"), 1);
	assert_int_equal(header_count(f, "Feedback-ID"), 1);
	assert_int_equal(header_count(f, "X-Mailtailor-Campaign") + header_count(f, "X-Mailtailor-Foo"), 0);
	fixture_free(f);
	f = fixture_new(QUIET);
	FIELD(f, "List-Unsubscribe: <http://old.test>\n", "List-Unsubscribe", "{}", "<http://old.test>");
	fixture_free(f);
}

/* One-click unsubscribing is for https (RFC 8058, 3.1). */
static void
test_one_click(void **state)
{
	static const char old[] = "From: a@x.test\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\n";
	struct fixture *f = fixture_new(NO_TRACKING);
	(void)state;
	field_in(f, old, "X", "{}");
	assert_int_equal(header_count(f, "List-Unsubscribe-Post"), 1);
	assert_true(str_starts(str_of(header_of(f, "List-Unsubscribe")), STR("<https://t.test/")));
	fixture_free(f);
	f = fixture_new(NO_TRACKING "track_host = \"http://t.plain.test\"\n");
	field_in(f, old, "X", "{}");
	assert_int_equal(header_count(f, "List-Unsubscribe-Post"), 0);
	assert_true(str_starts(str_of(header_of(f, "List-Unsubscribe")), STR("<http://t.plain.test/")));
	fixture_free(f);
}

/* Signatures and digests of what was edited go; of what was not they stay. */
static void
test_stale(void **state)
{
	static const char fields[] =
	    "From: a@x.test\nTo: ann@example.test\nDKIM-Signature: v=1;\n b=1\nSubject: s\n"
	    "DKIM-Signature: v=1; b=2\nContent-MD5: x\nContent-Length: 5\n";
	static const char *const names[] = { "DKIM-Signature", "Content-MD5", "Content-Length" };
	struct fixture *f = fixture_new(QUIET "rewrite_to = no\n");
	(void)state;
	struct str kept = arena_printf(f->a, "%sX-Mailtailor-Campaign: c\n\nbody\n", fields);
	struct str edited = arena_printf(f->a, "%s\n{{n}} body\n", fields);
	struct str named = arena_printf(f->a, "%sReply-To: {{n}} <a@x.test>\n\nbody\n", fields);
	copy_of(f, kept.p, "{}");
	assert_int_equal(header_count(f, "DKIM-Signature"), 2);
	for (size_t i = 0; i < 3; i++)
		assert_non_null(header_of(f, names[i]));
	copy_of(f, edited.p, "{}");
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(header_count(f, names[i]), 0);
	copy_of(f, named.p, "{}");
	assert_int_equal(header_count(f, "DKIM-Signature"), 0);
	assert_int_equal(header_count(f, "Content-MD5"), 1);
	fixture_free(f);
}

/* Applying the edits one after another, as an MTA does, gives what tailor_write gives. */
static void
test_edit_order(void **state)
{
	static const char *const message =
	    "X-A: {{n}}\nX-A: 2\nX-Mailtailor-A: 1\nX-A: {{n}}3\nTo: a@x.test\nX-Mailtailor-A: 2\nTo: "
	    "b@x.test\n"
	    "X-Mailtailor-A: 3\nTo: c@x.test\nList-Unsubscribe: 1\nSubject: {{n}}\nList-Unsubscribe: 2\n\nx";
	struct fixture *f = fixture_new(NO_TRACKING);
	struct {
		const char *name, *value;
	} h[64];
	size_t n = 0;
	(void)state;
	copy_of(f, message, "{\"n\":\"N\"}");
	struct mail mail;
	assert_int_equal(mail_parse(f->a, f->source, NULL, &mail, &f->e), 0);
	for (size_t i = 0; i < mail.root->fields.n; i++, n++) {
		h[n].name = arena_cstr(f->a, mail.root->fields.v[i].name);
		h[n].value = arena_cstr(f->a, str_trim(mail.root->fields.v[i].value));
	}
	for (size_t i = 0; i < f->plan.nedits; i++) {
		const struct tailor_edit *e = &f->plan.edits[i];
		size_t at = 0;
		for (int k = 0; e->op != TAILOR_HEADER_ADD && at < n; at++)
			if (strcasecmp(h[at].name, e->name) == 0 && ++k == e->index)
				break;
		if (e->op == TAILOR_HEADER_ADD)
			at = n++;
		assert_true(at < n);
		if (e->op == TAILOR_HEADER_DELETE) {
			memmove(&h[at], &h[at + 1], (--n - at) * sizeof(h[0]));
		} else {
			h[at].name = e->name;
			h[at].value = e->value;
		}
	}
	struct mail_fields out;
	mail_fields_split(f->a, str_sub(buf_str(&f->out), 0, str_find(buf_str(&f->out), STR("\n\n")) + 1),
			  &out);
	assert_int_equal(out.n, n);
	for (size_t i = 0; i < n; i++) {
		assert_string_equal(arena_cstr(f->a, str_trim(out.v[i].value)), h[i].value);
		assert_true(str_caseeq(out.v[i].name, str_of(h[i].name)));
	}
	fixture_free(f);
}

static void
test_data(void **state)
{
	struct fixture *f = fixture_new(QUIET);
	(void)state;
	FIELD(f, "X-Mailtailor-Data: {\"n\": \"A\",\n \"m\":\n\t{\"k\": [1, 2]}}\nSubject: {{n}}{{m.k.1}}\n",
	      "Subject", "{}", "A2");
	FIELD(f, "x-mailtailor-data: =?utf-8?q?{=22n=22:=22=C3=A4=22}?=\nSubject: {{n}}\n", "Subject", "{}",
	      "=?UTF-8?B?w6Q=?=");
	FIELD(f, "X-Mailtailor-Data: =?utf-8?b?eyJuIjoi?=\n =?utf-8?b?w6QifQ==?=\nSubject: {{n}}\n",
	      "Subject", "{}", "=?UTF-8?B?w6Q=?=");
	FIELD(f, "X-Mailtailor-Data: {\"n\":\"a\\r\\nBcc: x\"}\nSubject: {{n}}\n", "Subject", "{}",
	      "a Bcc: x");
	static const char *const bad[] = {
		"[1]",
		"1",
		"\"x\"",
		"null",
		"",
		"{",
		"{\"a\":1,\"a\":2}",
		"{\"a\":\"\\u0000\"}",
		"{a:1}",
		"{} {}",
		"{\"a\":1e999}",
		"{\"a\":99999999999999999999}",
		"{\"a\":\xff}",
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct str m = arena_printf(f->a, "X-Mailtailor-Data: %s\n\nx", bad[i]);
		if (prepare(f, m) == 0 || f->e.kind != ERR_INPUT ||
		    !str_starts(str_of(f->e.text), STR("X-Mailtailor-Data: ")))
			fail_msg("%s: %s", bad[i], f->e.text);
	}
	assert_int_equal(prepare(f, str_of("X-Mailtailor-Data: {}\nX-Mailtailor-Data: {}\n\n")), -1);
	struct buf deep = { 0 };
	buf_adds(&deep, STR("X-Mailtailor-Data: {\"a\":"));
	for (int i = 0; i < 40000; i++)
		buf_addc(&deep, '[');
	buf_adds(&deep, STR("\n\n"));
	assert_int_equal(prepare(f, buf_str(&deep)), -1);
	buf_free(&deep);
	fixture_free(f);
}

static void
expect(struct fixture *f, enum tailor_verdict verdict, const char *reason)
{
	struct tailor_decision d;
	tailor_decide(f->m, &f->in, f->a, &d);
	assert_int_equal(d.verdict, verdict);
	assert_string_equal(d.reason, reason);
	assert_string_equal(d.arm, "");
	assert_true(d.propensity >= 1.0);
}

/* What is learned of fatigue can only hold back: no score makes room in a cap, or undoes another reason. */
static void
test_fatigue(void **state)
{
	static const double V[] = { 1e30, 5, 1e-9, 0, -0.0, -3, -1e30 };
	struct fixture *f =
	    fixture_try("scorers = { s }\nfatigue = fatigue\narm a { }\narm control { }\n", SCORER);
	struct conf_cap cap = {
		.name = "day", .limit = 1, .window_ms = 86400000, .action = CONF_CAP_DISCARD
	};
	struct snapshot_cap used = { .cap = &cap };
	struct tailor_score score = { STR("fatigue"), 0 };
	struct recipient_snapshot *r = &f->recipient;
	(void)state;
	assert_int_equal(prepare(f, str_of(TEST_HEAD "\nx")), 0);
	r->caps = &used;
	r->ncaps = 1;
	f->in.scores = &score;
	for (size_t i = 0; i < sizeof(V) / sizeof(V[0]); i++) {
		score.value = V[i];
		f->in.nscores = 1;
		used.used = 0;
		expect(f, V[i] > 0 ? TAILOR_SEND : TAILOR_DROP, V[i] > 0 ? "send" : "fatigue");
		used.used = 1;
		expect(f, TAILOR_DROP, "cap");
		r->suppressed = true;
		r->suppressed_reason = "unsubscribe";
		expect(f, TAILOR_DROP, "suppressed");
		r->suppressed = false;
		f->in.nscores = 0; /* no model: the caps alone */
		expect(f, TAILOR_DROP, "cap");
		used.used = 0;
		expect(f, TAILOR_SEND, "send");
	}
	/* Control is never touched by what was learned; what has its places goes. */
	f->in.nscores = 1;
	static const struct {
		int arm;
		bool reserved;
		enum tailor_verdict verdict;
	} ARMS[] = { { 1, false, TAILOR_SEND }, { 0, false, TAILOR_DROP }, { 0, true, TAILOR_SEND } };
	for (size_t i = 0; i < sizeof(ARMS) / sizeof(ARMS[0]); i++) {
		struct tailor_decision d;
		f->in.arm = (struct tailor_arm){ .arm = &f->conf->campaigns[0].arms[ARMS[i].arm] };
		r->reserved = ARMS[i].reserved;
		tailor_decide(f->m, &f->in, f->a, &d);
		assert_int_equal(d.verdict, ARMS[i].verdict);
	}
	fixture_free(f);
}

/* send_if reads the profile, too. */
static void
test_send_if_profile(void **state)
{
	struct fixture *f = fixture_try("send_if = \"profile.learned.alive > 0.1\"\n", "");
	(void)state;
	assert_int_equal(prepare(f, str_of(TEST_HEAD "\nx")), 0);
	expect(f, TAILOR_SEND, "send"); /* not known */
	assert_int_equal(
	    json_parse(f->a, STR("{\"learned\":{\"alive\":0.05}}"), NULL, &f->recipient.profile, NULL), 0);
	expect(f, TAILOR_DROP, "send-if");
	assert_int_equal(
	    json_parse(f->a, STR("{\"learned\":{\"alive\":0.5}}"), NULL, &f->recipient.profile, NULL), 0);
	expect(f, TAILOR_SEND, "send");
	fixture_free(f);
}

static void
test_decide(void **state)
{
	struct fixture *f =
	    fixture_try(QUIET "scorers = { s }\nsend_if = \"click >= 0.5\"\nrequire_consent = yes\n", SCORER);
	struct conf_cap caps[2] = {
		{ .name = "week", .limit = 2, .window_ms = 604800000 },
		{ .name = "day", .limit = 1, .window_ms = 86400000, .action = CONF_CAP_REJECT }
	};
	struct snapshot_cap used[2] = { { .cap = &caps[0], .used = 1 }, { .cap = &caps[1], .used = 1 } };
	struct tailor_score score = { STR("click"), 0.1 };
	struct recipient_snapshot *r = &f->recipient;
	(void)state;
	assert_int_equal(prepare(f, str_of(TEST_HEAD "\nx")), 0);
	r->suppressed = r->mail_denied = true;
	r->suppressed_reason = "unsubscribe";
	r->caps = used;
	r->ncaps = 2;
	f->in.scores = &score;
	f->in.nscores = 1;
	expect(f, TAILOR_DROP, "suppressed");
	r->suppressed = false;
	expect(f, TAILOR_DROP, "consent");
	r->mail_denied = false;
	expect(f, TAILOR_DROP, "consent");
	r->mail_granted = true;
	expect(f, TAILOR_REFUSE, "cap");
	assert_int_equal(render(f, "{}"), 0);
	assert_string_equal(f->plan.decision.text.p, "cap \"day\" is full: 1 of 1 in 1d");
	used[0].used = 2;
	expect(f, TAILOR_DROP, "cap");
	r->reserved = true;
	expect(f, TAILOR_DROP, "send-if");
	score.value = 0.5;
	expect(f, TAILOR_SEND, "send");
	f->in.nscores = 0; /* the scorer failed: that costs its contribution, not the mail */
	expect(f, TAILOR_SEND, "send");
	r->reserved = false;
	used[0].used = used[1].used = 0;
	expect(f, TAILOR_SEND, "send");
	fixture_free(f);
	f = fixture_try("scorers = { s }\nsend_if = \"click >=\"\n", SCORER);
	assert_null(f->cache);
	assert_non_null(strstr(f->e.text, "test.conf:"));
	assert_non_null(strstr(f->e.text, "campaign \"c\": send_if: column "));
	fixture_free(f);
}

static void
test_tracking_host(void **state)
{
	struct fixture *f = fixture_new("");
	(void)state;
	assert_int_equal(prepare(f, str_of(TEST_HEAD "\nx")), 0);
	f->in.sealer = NULL;
	assert_int_equal(render(f, "{}"), -1);
	assert_int_equal(f->e.kind, ERR_CONFIG);
	assert_non_null(strstr(f->e.text, "no tracking host for mail from \"shop.test\""));
	fixture_free(f);
	f = fixture_new(QUIET);
	f->in.sealer = NULL;
	HTML(f, "<a href=\"{{unsubscribe_url}}\">", "{}", "<a href=\"\">");
	fixture_free(f);
}

static const char *
source_in(struct fixture *f, const char *variable)
{
	const struct value *v =
	    value_map_get(value_map_get(f->plan.explain, STR("variables")), str_of(variable));
	const struct value *s = value_map_get(v, STR("source"));
	if (s == NULL)
		fail_msg("%s is not explained", variable);
	return arena_cstr(f->a, s->s);
}

static void
test_explain(void **state)
{
	static const char message[] =
	    "X-Mailtailor-Data: {\"d\":1,\"l\":[5],\"long\":[1,2]}\n" TEST_HEAD
	    "Content-Type: text/html\n\n{{d}}{{p.q}}{{v.x.y}}{{v.z}}{{k}}{{gone}}{{recipient.email}}{{#each "
	    "l}}{{this}}{{@index}}"
	    "{{/each}}{{long.length}}<a href=\"https://x.test\">{{{b}}}<a href='{{bad}}'>";
	struct fixture *f = fixture_new("defaults {\nk = \"K\"\n}\n");
	struct conf_cap cap = { .name = "week", .limit = 2 };
	struct snapshot_cap used = { .cap = &cap, .used = 1 };
	struct tailor_score score = { STR("click"), 0.25 };
	struct buf b = { 0 };
	(void)state;
	f->in.explain = true;
	f->in.plugin_vars = json(f, "{\"v\":{\"x\":{\"y\":1},\"z\":2}}");
	f->in.plugin_sources = json(f, "{\"v.x\":\"hello\",\"v.z\":\"other\"}");
	f->in.scores = &score;
	f->in.nscores = 1;
	f->recipient.caps = &used;
	f->recipient.ncaps = 1;
	copy_of(f, message, "{\"p\":{\"q\":3},\"b\":\"<a href=https://y.test>\",\"bad\":\"javascript:x\"}");
	assert_string_equal(source_in(f, "d"), "message data");
	assert_string_equal(source_in(f, "p.q"), "profile");
	assert_string_equal(source_in(f, "v.x.y"), "plugin hello");
	assert_string_equal(source_in(f, "v.z"), "plugin other");
	assert_string_equal(source_in(f, "k"), "campaign defaults");
	assert_string_equal(source_in(f, "gone"), "missing");
	assert_string_equal(source_in(f, "recipient.email"), "mailtailor");
	assert_string_equal(source_in(f, "this"), "section");
	json_print(&b, f->plan.explain);
	assert_non_null(
	    strstr(b.p, "\"scores\":{\"click\":0.25},\"caps\":[{\"cap\":\"week\",\"used\":1,\"limit\":2}]"));
	assert_non_null(strstr(b.p, "\"links_wrapped\":2,\"urls_refused\":1"));
	assert_non_null(strstr(b.p, "\"long.length\":{\"value\":2,"));
	assert_non_null(strstr(b.p, "refused: unsafe scheme"));
	/* a copy that is not sent is explained too, and counted once when the part is rendered twice */
	f->recipient.suppressed = true;
	f->recipient.suppressed_reason = "hard-bounce";
	assert_int_equal(render(f, NULL), 0);
	assert_true(str_eq(value_map_get(f->plan.explain, STR("verdict"))->s, STR("drop")));
	f->recipient.suppressed = false;
	copy_of(f, message, "{\"d\":\"ä\",\"b\":\"山<a href=https://y.test>\"}");
	assert_int_equal(value_map_get(f->plan.explain, STR("links_wrapped"))->i, 2);
	buf_free(&b);
	fixture_free(f);
}

static void
test_preview(void **state)
{
	struct fixture *f = fixture_new("");
	struct tailor_template t = { .source = STR("Hi {{n}}, <a href=\"{{u}}\">"),
				     .language = "en",
				     .time_zone = "UTC" };
	(void)state;
	t.data = json(f, "{\"n\":\"<A>\",\"u\":\"javascript:x\"}");
	assert_int_equal(tailor_render_template(&t, f->scratch, &f->out, &f->e), 0);
	assert_string_equal(f->out.p, "Hi &lt;A&gt;, <a href=\"#\">");
	t.as = TAILOR_AS_TEXT;
	buf_reset(&f->out);
	assert_int_equal(tailor_render_template(&t, f->scratch, &f->out, &f->e), 0);
	assert_string_equal(f->out.p, "Hi <A>, <a href=\"javascript:x\">");
	t.as = TAILOR_AS_HEADER;
	t.source = STR("{{#if x}}");
	assert_int_equal(tailor_render_template(&t, f->scratch, &f->out, &f->e), -1);
	assert_true(str_starts(str_of(f->e.text), STR("line 1, column 1: ")));
	fixture_free(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fatigue),	      cmocka_unit_test(test_send_if_profile),
		cmocka_unit_test(test_subject),	      cmocka_unit_test(test_long_subject),
		cmocka_unit_test(test_addresses),     cmocka_unit_test(test_to),
		cmocka_unit_test(test_list_headers),  cmocka_unit_test(test_edit_order),
		cmocka_unit_test(test_data),	      cmocka_unit_test(test_decide),
		cmocka_unit_test(test_tracking_host), cmocka_unit_test(test_explain),
		cmocka_unit_test(test_preview),	      cmocka_unit_test(test_stale),
		cmocka_unit_test(test_one_click),
	};
	mail_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
