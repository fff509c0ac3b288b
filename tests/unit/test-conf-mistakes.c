/* Configuration: every kind of mistake, with its file and line. */
#include "test-conf.h"

/* Each of these texts has exactly one mistake, whose report begins like this. */
struct mistake {
	const char *text, *report;
};

static void
check_mistakes(const struct mistake *v, size_t n)
{
	struct buf b = { 0 };
	for (size_t i = 0; i < n; i++) {
		struct conf *c = load(v[i].text, &b);
		if (c)
			fail_msg("accepted: %s", v[i].text);
		size_t lines = 0;
		for (size_t k = 0; k < b.n; k++)
			lines += b.p[k] == '\n';
		if (strncmp(b.p, v[i].report, strlen(v[i].report)) != 0 || lines != 1)
			fail_msg("text: %s\nwant: %s\n got: %s", v[i].text, v[i].report, b.p);
		assert_non_null(strchr(b.p, ';')); /* says what to do */
	}
	buf_free(&b);
}
#define CHECK(v) check_mistakes((v), sizeof(v) / sizeof((v)[0]))

/* 32 categories fit on the page of preferences, beside transactional; one more is a mistake, with its line.
 */
static void
test_categories(void **state)
{
	struct buf text = { 0 }, report = { 0 };
	(void)state;
	buf_adds(&text,
		 STR("campaign t {\n\tcategory = transactional\n}\ncampaign u {\n\tcategory = c0\n}\n"));
	for (int i = 0; i < 32; i++)
		buf_printf(&text, "campaign n%d {\n\tcategory = c%d\n}\n", i, i);
	struct conf *c = load(text.p, &report);
	if (!c)
		fail_msg("%s", report.p);
	conf_free(&c);
	buf_adds(&text, STR("campaign more {\n\tcategory = surplus\n}\n"));
	const struct mistake V[] = { { text.p,
				       "t.conf:104: \"surplus\" is one category too many: recipients choose "
				       "among at most 32; use" } };
	CHECK(V);
	buf_free(&text);
	buf_free(&report);
}

/* ---- mistakes of form ---- */

static void
test_syntax(void **state)
{
	static const struct mistake V[] = {
		{ "state {\n\tmap_size = 1G\n",
		  "t.conf:1: section \"state\" opened here is never closed; add" },
		{ "\ncampaign a {\n\tlanguage = de\ncampaign b {\n}\n",
		  "t.conf:2: section \"campaign a\" opened here is not closed before line 4; add" },
		{ "plugin p {\n\toptions {\n\t\tx = 1\n}\n",
		  "t.conf:1: section \"plugin p\" opened here is never closed" },
		{ "state { }\n}\n", "t.conf:2: this } closes nothing" },
		{ "milter {\n\tsocket = \"unix:/x\n}\n",
		  "t.conf:2: the string that begins with \"unix:/x is not closed" },
		{ "# one\n/* two\n", "t.conf:2: the comment that begins here is not closed" },
		{ "keys {\n\tfile = \"/a\\qb\"\n}\n", "t.conf:2: unknown escape \"\\q\"" },
		{ "keys {\n\tfile = \"/a\\400\"\n}\n", "t.conf:2: unknown escape \"\\400\"" },
		{ "keys {\n\tfile = \"/a\\x0\"\n}\n", "t.conf:2: unknown escape \"\\x\"" },
		{ "keys {\n\tfile = \"/a\\x00\"\n}\n",
		  "t.conf:2: \"\\x00\": a value cannot hold a NUL byte" },
		{ "state {\n\tmap_size 1G\n}\n",
		  "t.conf:2: \"map_size\" lacks an = and a value; write map_size =" },
		{ "state {\n\tmap_size =\n\tmax_readers = 64\n}\n", "t.conf:2: \"map_size\" has no value" },
		{ "state {\n\tmap_size =\n}\n", "t.conf:2: \"map_size\" has no value" },
		{ "state {\n\tmap_size = 1G M\n}\n", "t.conf:2: \"M\" stands behind a value" },
		{ "state {\n\t\"map_size\" = 1G\n}\n",
		  "t.conf:2: \"map_size\" stands where a setting should begin" },
		{ "state {\n\tma|p = 1G\n}\n", "t.conf:2: \"ma|p\" is out of place" },
		{ "state\n{\n\t= 1G\n}\n", "t.conf:3: \"=\" is out of place" },
		{ "state {\n\t{ }\n}\n", "t.conf:2: \"{\" is out of place" },
		{ "campaign a {\n\tmatch_sender = { \"@a.b\"\n\t\"@c.d\" }\n}\n",
		  "t.conf:3: \"@c.d\" is out of place in the list" },
		{ "campaign a {\n\tmatch_sender = { \"@a.b\",\n\tlanguage = de\n}\n",
		  "t.conf:3: \"=\" is out of place in the list \"match_sender\" (line 2)" },
		{ "campaign a {\n\tmatch_sender = { ,\n}\n}\n",
		  "t.conf:2: \",\" is out of place in the list" },
		{ "cap a b {\n\tlimit = 5\n}\n", "t.conf:1: \"cap\" lacks an = and a value" },
		{ "state {\n\tmap_size = 1G\x01\n}\n", "t.conf:2: control character 0x01" },
		{ "# \xff\nstate { }\n", "t.conf:1: this line is not UTF-8" },
		{ "include\n", "t.conf:1: include names no file" },
	};
	(void)state;
	CHECK(V);
}

/* What a C string cannot hold would be cut off there. */
static void
test_nul(void **state)
{
	struct buf reports = { 0 };
	(void)state;
	struct conf *c = conf_load_text("t.conf", STR("\ncampaign c { category = \"x\0y\" }\n"), "/plugins",
					collect, &reports);
	assert_null(c);
	assert_string_equal(reports.p, "t.conf:2: this line holds a NUL byte; take it out\n");
	buf_free(&reports);
}

static void
test_schema(void **state)
{
	static const struct mistake V[] = {
		{ "milter {\n\tsokcet = \"unix:/x\"\n}\n",
		  "t.conf:2: unknown key \"sokcet\" in section \"milter\"; did you mean \"socket\"?" },
		{ "milter {\n\tSOCKET = \"unix:/x\"\n}\n",
		  "t.conf:2: unknown key \"SOCKET\" in section \"milter\"; did you mean" },
		{ "camapign x { }\n", "t.conf:1: unknown section \"camapign\"; did you mean \"campaign\"?" },
		{ "cap a {\n\tlimit = 0\n\tmax_message = 5\n}\n",
		  "t.conf:3: unknown key \"max_message\" in section \"cap\"; it belongs in section "
		  "\"milter\"" },
		{ "socket = \"unix:/x\"\n",
		  "t.conf:1: unknown key \"socket\"; it belongs in section \"milter\"" },
		{ "domain a.b { }\n",
		  "t.conf:1: unknown section \"domain\"; it belongs in section \"track\"" },
		{ "xyzzyplugh = 1\n", "t.conf:1: unknown key \"xyzzyplugh\"; take it out" },
		{ "xyzzyplugh {\n\ta = 1\n}\n", "t.conf:1: unknown section \"xyzzyplugh\"; take it out" },
		{ "\ncap { limit = 1 }\n", "t.conf:2: section \"cap\" lacks its name; write cap NAME {" },
		{ "state x { }\n", "t.conf:1: section \"state\" has no name; write state {" },
		{ "state = 5\n", "t.conf:1: \"state\" is a section; write state { … }" },
		{ "campaign = x\n", "t.conf:1: \"campaign\" is a section; write campaign NAME { … }" },
		{ "campaign c {\n\tdefaults = x\n}\n",
		  "t.conf:2: \"defaults\" is a section; write defaults { … }" },
		{ "campaign c {\n\tlanguage { }\n}\n",
		  "t.conf:2: \"language\" is a setting; write language = …" },
		{ "campaign c {\n\tlanguage = { de, en }\n}\n",
		  "t.conf:2: \"language\" takes one value, not a list" },
		{ "campaign c {\n\tlanguage += de\n}\n",
		  "t.conf:2: \"language\" takes one value; write = instead of +=" },
		{ "campaign c {\n\tdefaults {\n\t\ta = { b }\n\t}\n}\n",
		  "t.conf:3: \"a\" is no plain value; in section \"defaults\"" },
		{ "campaign c {\n\tdefaults {\n\t\ta += b\n\t}\n}\n", "t.conf:3: \"a\" is no plain value" },
		{ "campaign c {\n\tdefaults {\n\t\ta.b = c\n\t}\n}\n",
		  "t.conf:3: the field \"a.b\" has a dot in its name" },
		{ "campaign c {\n\tdefaults {\n\t\ta = \"\\x1b\"\n\t}\n}\n",
		  "t.conf:3: the value of \"a\" is" },
		{ "plugin p {\n\toptions {\n\t\ta = \"\\xff\"\n\t}\n}\n", "t.conf:3: the value of \"a\" is" },
		{ "include \"x.conf\"\n", "t.conf:1: \"x.conf\" cannot be included from a text in memory" },
		{ "state {\n\tinclude \"x.conf\"\n}\n", "t.conf:2: include stands within section \"state\"" },
	};
	(void)state;
	CHECK(V);
}

static void
test_duplicates(void **state)
{
	static const struct mistake V[] = {
		{ "cap a { limit = 0 }\ncap a { limit = 0 }\n",
		  "t.conf:2: cap \"a\" is there twice (first at t.conf:1)" },
		{ "plugin a { }\n\nplugin \"a\" { }\n",
		  "t.conf:3: plugin \"a\" is there twice (first at t.conf:1)" },
		{ "campaign a { }\ncampaign b { }\ncampaign a { }\n",
		  "t.conf:3: campaign \"a\" is there twice (first at t.conf:1)" },
		{ "state { }\nkeys { }\nstate { }\n",
		  "t.conf:3: section \"state\" is there twice (first at t.conf:1)" },
		{ "campaign a {\n\tlanguage = de\n\tlanguage = en\n}\n",
		  "t.conf:3: \"language\" is set twice (first at t.conf:2); keep one" },
		{ "campaign a {\n\tmatch_sender = { \"@a\" }\n\tmatch_sender = { \"@b\" }\n}\n",
		  "t.conf:3: \"match_sender\" is set twice (first at t.conf:2); keep one, or add to the list "
		  "with +=" },
		{ "campaign a {\n\tdefaults {\n\t\tx = 1\n\t\tx = 2\n\t}\n}\n",
		  "t.conf:4: \"x\" is set twice (first at t.conf:3)" },
		{ "track {\n\tdomain a.b { host = \"https://t\" }\n\tdomain A.B { host = \"https://t\" "
		  "}\n}\n",
		  "t.conf:3: domain \"a.b\" is there twice (first at t.conf:2)" },
		{ "campaign a {\n\tmatch_sender = { \"@a\", \"@A\" }\n}\n",
		  "t.conf:2: \"@A\" is in the list \"match_sender\" twice" },
	};
	(void)state;
	CHECK(V);
}

/* ---- mistakes of meaning ---- */

static void
test_values(void **state)
{
	static const struct mistake V[] = {
		{ "state {\n\tdirectory = \"var\"\n}\n",
		  "t.conf:2: \"var\" is no absolute path; begin it with /" },
		{ "state {\n\tmap_size = 5;\n}\n", "t.conf:2: \"5;\" is no size" },
		{ "state {\n\tmap_size = 64K\n}\n",
		  "t.conf:2: 64K is out of range for map_size; write 1M to" },
		{ "state {\n\tmax_readers = many\n}\n",
		  "t.conf:2: \"many\" is no whole number; write digits" },
		{ "state {\n\tmax_readers = 99999999999999999999\n}\n",
		  "t.conf:2: \"99999999999999999999\" is no whole number" },
		{ "milter {\n\tsocket_mode = 888\n}\n", "t.conf:2: \"888\" is no file mode; write octal" },
		{ "milter {\n\tsocket_mode = 07777\n}\n", "t.conf:2: \"07777\" is no file mode" },
		{ "milter {\n\tsocket_group = \"a b\"\n}\n", "t.conf:2: \"a b\" is no group" },
		{ "milter {\n\ttrust_authenticated = maybe\n}\n",
		  "t.conf:2: \"maybe\" is neither yes nor no" },
		{ "milter {\n\tdrain_timeout = 30\n}\n",
		  "t.conf:2: \"30\" is no duration; write a whole number and a unit" },
		{ "milter {\n\tdrain_timeout = 2d\n}\n",
		  "t.conf:2: 2d is out of range for drain_timeout; write 0ms to 1h" },
		{ "milter {\n\tlog_level = loud\n}\n",
		  "t.conf:2: \"loud\" is not known for log_level; write error, warning, info or debug" },
		{ "milter {\n\tlog_target = file\n}\n",
		  "t.conf:2: \"file\" is not known for log_target; write stderr or syslog" },
		{ "plugin p {\n\tdeadline = 0s\n}\n", "t.conf:2: \"0s\" has to be more than 0" },
		{ "plugin p {\n\tpath = \"\"\n}\n", "t.conf:2: the value \"\" is empty" },
		{ "plugin p {\n\tpath = \"a\\nb\"\n}\n",
		  "t.conf:2: the value \"a?b\" holds a control character" },
		{ "plugin p {\n\tpath = \"a\\xffb\"\n}\n", "t.conf:2: the value \"a" },
		{ "plugin \"p p\" { }\n", "t.conf:1: \"p p\" is no name for a plugin" },
		{ "campaign \"\" { }\n", "t.conf:1: \"\" is no name for a campaign" },
		{ "campaign a12345678901234567890123456789012345678901234567890123456789012345 { }\n",
		  "t.conf:1: \"a1234" },
		{ "track {\n\tdomain \"a..b\" { host = \"https://t\" }\n}\n",
		  "t.conf:2: \"a..b\" is no domain" },
		{ "track {\n\tdomain a.b { }\n}\n",
		  "t.conf:2: domain \"a.b\" has no host; add host = \"https://t.a.b\"" },
		{ "cap c {\n\tlimit = -1\n\twindow = 1d\n}\n",
		  "t.conf:2: \"-1\" is negative; write 0 to switch it off" },
		{ "cap c {\n\tlimit = 1\n\twindow = 0s\n}\n", "t.conf:3: \"0s\" has to be more than 0" },
		{ "cap c {\n\tlimit = 1\n\twindow = \"-1d\"\n}\n", "t.conf:3: \"-1d\" is negative" },
		{ "cap c {\n\twindow = 1d\n}\n", "t.conf:1: cap \"c\" has no limit; add limit" },
		{ "\ncap c {\n\tlimit = 3\n}\n", "t.conf:2: cap \"c\" has no window; add window" },
		{ "cap c {\n\tlimit = 0\n\taction = wait\n}\n",
		  "t.conf:3: \"wait\" is not known for action; write discard, reject or defer" },
		{ "cap c {\n\tlimit = 0\n\tscope = host\n}\n",
		  "t.conf:3: \"host\" is not known for scope; write recipient or domain" },
		{ "cap c {\n\tlimit = 0\n\tcategory = { a, transactional }\n}\n",
		  "t.conf:3: category \"transactional\" is never capped" },
		{ "cap c {\n\tlimit = 0\n\tcategory = { \"a b\" }\n}\n", "t.conf:3: \"a b\" is no name" },
	};
	(void)state;
	CHECK(V);
}

static void
test_campaign_values(void **state)
{
	static const struct mistake V[] = {
		{ "campaign c {\n\trecipients = many\n}\n",
		  "t.conf:2: \"many\" is not known for recipients; write one or split" },
		{ "campaign c {\n\tcategory = \"a b\"\n}\n", "t.conf:2: \"a b\" is no name" },
		{ "campaign c {\n\tmatch_sender = { \"shop.example\" }\n}\n",
		  "t.conf:2: \"shop.example\" is no sender" },
		{ "campaign c {\n\tmatch_sender = {\n\t\t\"@a\",\n\t\t\"a@b@c\"\n\t}\n}\n",
		  "t.conf:4: \"a@b@c\" is no sender" },
		{ "campaign c {\n\tmatch_sender = { \"a b@c\" }\n}\n", "t.conf:2: \"a b@c\" is no sender" },
		{ "campaign c {\n\tmatch_from_domain = { \"@shop.example\" }\n}\n",
		  "t.conf:2: \"@shop.example\" has an @" },
		{ "campaign c {\n\tmatch_from_domain = { \"bücher.example\" }\n}\n",
		  "t.conf:2: \"bücher.example\" is not ASCII; "
		  "write the domain in its xn-- form" },
		{ "campaign c {\n\texclude_hosts = { \"*.shop.example\" }\n}\n",
		  "t.conf:2: \"*.shop.example\" has a wildcard" },
		{ "campaign c {\n\texclude_hosts = { \"a/b\" }\n}\n", "t.conf:2: \"a/b\" is no domain" },
		{ "campaign c {\n\tmatch_listener = { \"a b\" }\n}\n", "t.conf:2: \"a b\" is no listener" },
		{ "campaign c {\n\tmatch_listener = { \"\" }\n}\n", "t.conf:2: \"\" is no listener" },
		{ "plugin click { }\ncampaign c {\n\tscorers = { clik }\n}\n",
		  "t.conf:3: there is no plugin \"clik\"; did you mean" },
		{ "features shop {\n\tcolumns = { hour }\n}\ncampaign c {\n\tfeatures = shopp\n}\n",
		  "t.conf:5: there is no features section \"shopp\"; did you mean" },
		{ "campaign c {\n\tfeatures = x\n}\n",
		  "t.conf:2: there is no features section \"x\"; add features x" },
		{ "\nfeatures x {\n}\n", "t.conf:2: features \"x\" has no columns; add" },
		{ "features x {\n\tcolumns = { \"\" }\n}\n", "t.conf:2: the column \"\" is empty" },
		{ "privacy {\n\tsensitive = { \"a b\" }\n}\n", "t.conf:2: \"a b\" is no field; write" },
		{ "campaign c {\n\tpersonalizers = { a-b }\n}\n",
		  "t.conf:2: there is no plugin \"a-b\"; add plugin a-b" },
		{ "campaign c {\n\tsend_if = \"click > 1\"\n}\n",
		  "t.conf:2: send_if needs a score and campaign \"c\" has no scorers" },
		{ "campaign c {\n\tscorers = { }\n\tsend_if = \"click > 1\"\n}\n",
		  "t.conf:3: send_if needs a score and the list" },
		{ "plugin p { }\ncampaign c {\n\tscorers = { p }\n\tsend_if = \"\"\n}\n",
		  "t.conf:4: the rule \"\" is empty" },
		{ "campaign c {\n\tmissing = defer\n}\n",
		  "t.conf:2: \"defer\" is not known for missing; write fallback or hold" },
		{ "campaign c {\n\ttracking_unknown = ask\n}\n",
		  "t.conf:2: \"ask\" is not known for tracking_unknown" },
		{ "campaign c {\n\tlink_lifetime = 0s\n}\n",
		  "t.conf:2: 0s is out of range for link_lifetime; write 1s to 20y" },
		{ "campaign c {\n\tunsubscribe_mailto = \"leave\"\n}\n",
		  "t.conf:2: \"leave\" is no mail address" },
		{ "campaign c {\n\tunsubscribe_mailto = \"mailto:a@b?x=>\"\n}\n",
		  "t.conf:2: \"mailto:a@b?x=>\" is no mail address" },
		{ "campaign c {\n\tfeedback_id = abcd\n}\n",
		  "t.conf:2: \"abcd\" does not do as feedback_id" },
		{ "campaign c {\n\tfeedback_id = a123456789012345\n}\n",
		  "t.conf:2: \"a123456789012345\" does not do as" },
		{ "campaign c {\n\tfeedback_id = \"abc:de\"\n}\n", "t.conf:2: \"abc:de\" does not do as" },
		{ "campaign c {\n\tlanguage = d\n}\n", "t.conf:2: \"d\" is no language tag" },
		{ "campaign c {\n\tlanguage = de_DE\n}\n", "t.conf:2: \"de_DE\" is no language tag" },
		{ "campaign c {\n\tlanguage = \"de-\"\n}\n", "t.conf:2: \"de-\" is no language tag" },
		{ "campaign c {\n\tlanguage = german\n}\n", "t.conf:2: \"german\" is no language tag" },
		{ "campaign c {\n\ttime_zone = \"Europe/Nowhere\"\n}\n",
		  "t.conf:2: time zone \"Europe/Nowhere\" is not known" },
		{ "campaign c {\n\ttime_zone = \"../../etc/passwd\"\n}\n", "t.conf:2: time zone" },
		{ "campaign c {\n\ttime_zone = \"/etc/localtime\"\n}\n", "t.conf:2: time zone" },
	};
	(void)state;
	CHECK(V);
}

#define LABEL "abcdefghijklmnopqrstuvwxyz012345678901234567890."
static void
test_inject(void **state)
{
	static const struct mistake V[] = {
		{ "inject {\n\ttarget = 10026\n}\n",
		  "t.conf:2: \"10026\" is no target; write host:port such as 127.0.0.1:10026" },
		{ "inject {\n\ttarget = \"unix:inject\"\n}\n",
		  "t.conf:2: the target \"unix:inject\" has no absolute path" },
		{ "inject {\n\thelo = \"a b\"\n}\n", "t.conf:2: \"a b\" is no host name" },
		{ "inject {\n\thelo = \"[127.0.0.1/8]\"\n}\n",
		  "t.conf:2: \"[127.0.0.1/8]\" is no host name" },
		{ "inject {\n\tconnections = 0\n}\n", "t.conf:2: " },
		{ "inject {\n\tconnections = 101\n}\n",
		  "t.conf:2: 101 is out of range for connections; write 1 to 100" },
		{ "inject {\n\trate = -1\n}\n", "t.conf:2: \"-1\" is negative; write 0 to switch it off" },
		{ "inject {\n\tdata_timeout = 0s\n}\n",
		  "t.conf:2: 0s is out of range for data_timeout; write 1s to 1h" },
		{ "inject {\n\tretry_min = 2h\n}\n", "t.conf:2: retry_min is longer than retry_max" },
		{ "inject {\n\tretry_max = 1s\n}\n", "t.conf:1: retry_min is longer than retry_max" },
		{ "inject {\n\treport_from = postmaster\n}\n",
		  "t.conf:2: \"postmaster\" is no mail address" },
		{ "inject {\n\treport_from = \"a..b@c\"\n}\n", "t.conf:2: \"a..b@c\" is no mail address" },
		{ "inject {\n\tretries = 3\n}\n", "t.conf:2: unknown key \"retries\" in section \"inject\"" },
		{ "campaign c {\n\treturn_path = \"news@\"\n}\n", "t.conf:2: \"news@\" is no mail address" },
		{ "campaign c {\n\treturn_path = \"returns1@a\"\n}\n",
		  "t.conf:2: the local part of \"returns1@a\" is longer than 7" },
		{ "campaign c {\n\treturn_path = \"a+b@a\"\n}\n",
		  "t.conf:2: the local part of \"a+b@a\" is longer than 7 characters or holds a +" },
		{ "campaign c {\n\treturn_path = \"bounces@" LABEL LABEL LABEL LABEL "abcde\"\n}\n",
		  "t.conf:2: \"bounces@abcdefghijklmnopqrstuvwxyz012345678901234567890.abcd…\" is longer "
		  "than 197" },
		{ "campaign c {\n\treturn_path = \".a@b\"\n}\n", "t.conf:2: \".a@b\" is no mail address" },
		{ "campaign c {\n\treturn_path = \"ü@b\"\n}\n", "t.conf:2: \"ü@b\" is no mail address" },
	};
	(void)state;
	CHECK(V);
}

#define TARGET "inject { target = \"localhost:25\" }\n"
static void
test_schedule(void **state)
{
	static const struct mistake V[] = {
		{ "campaign c {\n\tquiet_hours = \"22:00-08:00\"\n}\n",
		  "t.conf:2: quiet_hours makes copies wait, and there is no port to send them to later; add "
		  "inject" },
		{ "campaign c {\n\tsend_window = { mon }\n}\n", "t.conf:2: send_window makes copies wait" },
		{ "campaign c {\n\n\tstart = \"2026-12-01T09:00\"\n}\n",
		  "t.conf:3: start makes copies wait" },
		{ "inject {\n}\ncap c {\n\tlimit = 1\n\twindow = 1d\n\taction = defer\n}\n",
		  "t.conf:6: action = defer makes copies wait" },
		/* a wrong target is one mistake */
		{ "inject {\n\ttarget = x\n}\ncampaign c {\n\tsend_window = { mon }\n}\n",
		  "t.conf:2: \"x\" is no target" },
		{ TARGET "campaign c {\n\tquiet_hours = \"22-8\"\n}\n",
		  "t.conf:3: \"22-8\" is no time of day; write one such as" },
		{ TARGET "campaign c {\n\tquiet_hours = \"22:00-22:00\"\n}\n",
		  "t.conf:3: \"22:00-22:00\" begins when it ends" },
		{ TARGET "campaign c {\n\tquiet_hours = \"00:00-24:00\"\n}\n",
		  "t.conf:3: quiet_hours leave campaign \"c\" no time to send; shorten them" },
		{ TARGET "campaign c {\n\tquiet_hours = \"20:00-09:00\"\n"
			 "\tsend_window = { \"mon 22:00-07:00\", \"tue 08:00-09:00\" }\n}\n",
		  "t.conf:3: quiet_hours leave campaign \"c\" no time to send within its send_window; "
		  "shorten them, or widen" },
		{ TARGET "campaign c {\n\tsend_window = {\n\t\tmon,\n\t\t\"tuesday 09:00-10:00\"\n\t}\n}\n",
		  "t.conf:5: \"tuesday 09:00-10:00\" names no days of the week" },
		{ TARGET "campaign c {\n\tsend_window = { \"mon 10:00\" }\n}\n",
		  "t.conf:3: \"10:00\" is no time of day" },
		{ TARGET "campaign c {\n\tstart = tomorrow\n}\n",
		  "t.conf:3: \"tomorrow\" is no time; write it as 2026-03-29T09:00:00+02:00, or without" },
		{ TARGET "campaign c {\n\tstart = \"2026-02-29 09:00\"\n}\n",
		  "t.conf:3: \"2026-02-29 09:00\" is no time" },
		{ "campaign c {\n\tmax_delay = 1y\n}\n",
		  "t.conf:2: 1y is out of range for max_delay; write 0ms to 30d" },
	};
	(void)state;
	CHECK(V);
}

/* Many at once: all are reported, in the order of the file. */
static void
test_all_mistakes(void **state)
{
	static const char WANT[] = "t.conf:2: unknown key \"sokcet\"";
	struct buf b = { 0 };
	(void)state;
	assert_null(load("milter {\n sokcet = a\n log_level = loud\n drain_timeout\n max_message = x\n}\n"
			 "cap a {\n limit = -1\n}\ncampaign c {\n language = {}\n time_zone = X\n",
			 &b));
	static const int LINES[] = { 2, 3, 4, 5, 8, 10, 11, 12 };
	char *p = b.p;
	assert_memory_equal(p, WANT, strlen(WANT));
	for (size_t i = 0; i < sizeof(LINES) / sizeof(LINES[0]); i++) {
		char prefix[32];
		snprintf(prefix, sizeof(prefix), "t.conf:%d: ", LINES[i]);
		if (!p || strncmp(p, prefix, strlen(prefix)) != 0)
			fail_msg("want %s in:\n%s", prefix, b.p);
		p = strchr(p, '\n') + 1;
	}
	assert_int_equal(*p, '\0');
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_categories),
		cmocka_unit_test(test_syntax),
		cmocka_unit_test(test_nul),
		cmocka_unit_test(test_schema),
		cmocka_unit_test(test_duplicates),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_campaign_values),
		cmocka_unit_test(test_inject),
		cmocka_unit_test(test_schedule),
		cmocka_unit_test(test_all_mistakes),
	};
	return cmocka_run_group_tests_name("conf-mistakes", tests, NULL, NULL);
}
