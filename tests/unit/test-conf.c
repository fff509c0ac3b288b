/* Configuration: what comes out, includes, printing and back, limits, documentation. */
#include "test-conf.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

/* A load that has to work. */
static struct conf *
load_ok(const char *text)
{
	struct buf b = { 0 };
	struct conf *c = load(text, &b);
	if (!c)
		fail_msg("refused: %s\n%s", text, b.p);
	assert_int_equal(b.n, 0);
	buf_free(&b);
	return c;
}

/* A string that libConfuse would leave open must not reach into the next load. */
static void
test_no_state_left(void **state)
{
	struct buf b = { 0 };
	static const char *const BAD[] = {
		"state { directory = \"/x", "state { directory = '/x",	"/* open",	"#",	      "#\n",
		"state { directory = \"${", "state { directory = \"\\", "\xef\xbb\xbf", "a = \"\\8\""
	};
	(void)state;
	for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++) {
		struct conf *c = load(BAD[i], &b);
		conf_free(&c);
		c = load_ok("state {\n directory = \"/y\"\n}\n");
		assert_string_equal(c->state.directory, "/y");
		conf_free(&c);
	}
	buf_free(&b);
}

static void
test_limits(void **state)
{
	struct buf text = { 0 }, b = { 0 };
	(void)state;
	buf_reserve(&text, CONF_MAX_FILE + 2);
	memset(text.p, ' ', CONF_MAX_FILE + 1);
	assert_null(conf_load_text("t.conf", str_make(text.p, CONF_MAX_FILE + 1), "", collect, &b));
	assert_string_equal(b.p, "t.conf: is larger than 4 MB; make it smaller\n");
	buf_reset(&b);
	struct conf *c = conf_load_text("t.conf", str_make(text.p, CONF_MAX_FILE), "", collect, &b);
	assert_non_null(c);
	conf_free(&c);

	buf_reset(&text);
	for (int i = 0; i < 500; i++)
		buf_printf(&text, "bad%d = 1\n", i);
	assert_null(load(text.p, &b));
	size_t lines = 0;
	for (size_t i = 0; i < b.n; i++)
		lines += b.p[i] == '\n';
	assert_int_equal(lines, CONF_MAX_MISTAKES + 1);
	assert_non_null(strstr(b.p, "t.conf: there are more mistakes; mend these first\n"));

	buf_reset(&text);
	buf_adds(&text, STR("campaign c {\n defaults {\n"));
	for (int i = 0; i < CONF_MAX_CHILDREN + 9; i++)
		buf_printf(&text, "f%d = 1\n", i);
	buf_adds(&text, STR("}\n}\n"));
	assert_null(load(text.p, &b));
	assert_non_null(strstr(b.p, "too many settings or sections in one place; at most 4096"));
	buf_free(&text);
	buf_free(&b);
}

/* ---- what comes out ---- */

static void
test_defaults(void **state)
{
	struct conf *c = load_ok("campaign c { }\nplugin p { }\n");
	uint8_t v6_loop[16] = { [15] = 1 }, v4_loop[16] = { [10] = 0xff, 0xff, 127, 9, 9, 9 },
		other[16] = { [10] = 0xff, 0xff, 128, 0, 0, 1 };
	(void)state;
	assert_string_equal(c->file, "t.conf");
	assert_string_equal(c->plugin_directory, "/plugins");
	assert_string_equal(c->state.directory, "/var/lib/mailtailor");
	assert_int_equal(c->state.map_size, 16LL << 30);
	assert_int_equal(c->state.max_readers, 1024);
	assert_string_equal(c->milter.socket, "unix:/run/mailtailor/milter.sock");
	assert_int_equal(c->milter.socket_mode, 0660);
	assert_null(c->milter.socket_group);
	assert_true(c->milter.trust_authenticated);
	assert_int_equal(c->milter.max_message, 50 << 20);
	assert_int_equal(c->milter.template_cache, 64 << 20);
	assert_int_equal(c->milter.drain_timeout_ms, 30000);
	assert_int_equal(c->milter.log_target, LOG_TO_STDERR);
	assert_int_equal(c->milter.log_level, LOG_LVL_INFO);
	assert_true(conf_trusts(c, v6_loop) && conf_trusts(c, v4_loop) && !conf_trusts(c, other));
	assert_null(c->track.host);
	assert_null(c->inject.target);
	assert_null(c->inject.host);
	assert_null(c->inject.unix_path);
	assert_null(c->inject.helo);
	assert_null(c->inject.report_from);
	assert_int_equal(c->inject.connections, 4);
	assert_int_equal(c->inject.rate, 0);
	assert_int_equal(c->inject.connect_timeout_ms, 10000);
	assert_int_equal(c->inject.command_timeout_ms, 300000);
	assert_int_equal(c->inject.data_timeout_ms, 600000);
	assert_int_equal(c->inject.retry_min_ms, 60000);
	assert_int_equal(c->inject.retry_max_ms, 3600000);
	assert_int_equal(c->inject.lifetime_ms, 5 * 86400000LL);
	assert_int_equal(c->inject.keep_ms, 7 * 86400000LL);
	assert_int_equal(c->feedback.trust_untokened, CONF_TRUST_NO);
	assert_int_equal(c->feedback.soft_limit, 5);
	assert_int_equal(c->feedback.soft_window_ms, 15 * 86400000LL);
	assert_int_equal(c->feedback.full_limit, 3);
	assert_int_equal(c->feedback.full_window_ms, 30 * 86400000LL);
	assert_int_equal(c->feedback.full_pause_ms, 30 * 86400000LL);
	assert_int_equal(c->feedback.ignore_relays.n, 0);
	assert_string_equal(c->feedback.maillog_state, "/var/lib/mailtailor/maillog.state");
	assert_string_equal(c->plugins[0].path, "p.so");
	assert_int_equal(c->plugins[0].deadline_ms, 50);
	assert_int_equal(c->plugins[0].pos.line, 2);
	const struct conf_campaign *k = conf_campaign_find(c, STR("c"));
	assert_non_null(k);
	assert_null(conf_campaign_find(c, STR("C")));
	assert_string_equal(k->category, "marketing");
	assert_true(k->templates && k->rewrite_to && k->track_opens && k->track_clicks &&
		    k->list_unsubscribe);
	assert_false(k->templates_amp || k->require_consent);
	assert_int_equal(k->missing, CONF_MISSING_FALLBACK);
	assert_int_equal(k->tracking_unknown, CONF_CONSENT_ALLOW);
	assert_int_equal(k->link_lifetime_ms, 2 * 365 * 86400000LL);
	assert_string_equal(k->language, "en");
	assert_string_equal(k->time_zone, "UTC");
	assert_int_equal(k->recipients, CONF_RECIPIENTS_SPLIT);
	assert_false(conf_splits(c, k)); /* there is no target */
	assert_null(k->return_path);
	assert_false(k->has_quiet_hours);
	assert_int_equal(k->nsend_windows, 0);
	assert_null(k->start);
	assert_int_equal(k->max_delay_ms, 3 * 86400000LL);
	assert_null(k->send_if);
	assert_null(k->feedback_id);
	assert_int_equal(k->ndefaults, 0);
	assert_int_equal(k->defaults->type, VALUE_MAP);
	assert_int_equal(k->pos.line, 1);
	conf_free(&c);
	assert_null(c);
	conf_free(&c);
}

static void
test_sockets(void **state)
{
	static const struct {
		const char *in, *out;
	} V[] = {
		{ "unix:/run/x", "unix:/run/x" },
		{ "local:/run/x", "unix:/run/x" },
		{ "/run/x", "unix:/run/x" },
		{ "inet:8891@127.0.0.1", "inet:8891@127.0.0.1" },
		{ "inet:127.0.0.1:8891", "inet:8891@127.0.0.1" },
		{ "inet:Localhost:8891", "inet:8891@localhost" },
		{ "inet6:8891@localhost", "inet6:8891@localhost" },
		{ "inet6:8891@::1", "inet6:8891@[::1]" },
		{ "inet:[::1]:8891", "inet6:8891@[::1]" },
		{ "inet6:8891@[::1]", "inet6:8891@[::1]" },
		{ "inet:8891", NULL },
		{ "inet:a:0", NULL },
		{ "inet:a:65536", NULL },
		{ "inet:a:x", NULL },
		{ "inet::80", NULL },
		{ "inet:", NULL },
		{ "unix:x", NULL },
		{ "unix:/", NULL },
		{ "tcp:1@a", NULL },
		{ "8891@localhost", NULL },
		{ "", NULL },
		{ "inet:1@a b", NULL },
		{ "inet:[::g]:80", NULL },
	};
	struct arena *a = arena_new(1024);
	(void)state;
	for (size_t i = 0; i < sizeof(V) / sizeof(V[0]); i++) {
		const char *why = NULL, *got = conf_socket(a, str_of(V[i].in), &why);
		if (V[i].out ? !got || strcmp(got, V[i].out) != 0 : got || !why || !strchr(why, ';'))
			fail_msg("%s → %s (%s)", V[i].in, got ? got : "NULL", why ? why : "");
	}
	arena_free(&a);
}

static void
test_targets(void **state)
{
	static const struct {
		const char *in, *out, *host, *path;
		int port;
	} V[] = {
		{ "127.0.0.1:10026", "127.0.0.1:10026", "127.0.0.1", NULL, 10026 },
		{ "[::1]:10026", "[::1]:10026", "::1", NULL, 10026 },
		{ "Localhost:25", "localhost:25", "localhost", NULL, 25 },
		{ "mx_1.example:65535", "mx_1.example:65535", "mx_1.example", NULL, 65535 },
		{ "unix:/run/inject", "unix:/run/inject", NULL, "/run/inject", 0 },
		{ "unix:/a:b", "unix:/a:b", NULL, "/a:b", 0 },
		{ "127.0.0.1", NULL, NULL, NULL, 0 },
		{ "127.0.0.1:0", NULL, NULL, NULL, 0 },
		{ "127.0.0.1:65536", NULL, NULL, NULL, 0 },
		{ "127.0.0.1:smtp", NULL, NULL, NULL, 0 },
		{ ":25", NULL, NULL, NULL, 0 },
		{ "::1:25", NULL, NULL, NULL, 0 },
		{ "[::g]:25", NULL, NULL, NULL, 0 },
		{ "25", NULL, NULL, NULL, 0 },
		{ "", NULL, NULL, NULL, 0 },
		{ "a b:25", NULL, NULL, NULL, 0 },
		{ "unix:run", NULL, NULL, NULL, 0 },
		{ "unix:/", NULL, NULL, NULL, 0 },
		{ "/run/inject", NULL, NULL, NULL, 0 },
	};
	struct arena *a = arena_new(1024);
	(void)state;
	for (size_t i = 0; i < sizeof(V) / sizeof(V[0]); i++) {
		const char *why = NULL;
		struct conf_endpoint got = { .text = conf_target(a, str_of(V[i].in), &why) };
		if (!got.text) {
			if (V[i].out || !why || !strchr(why, ';'))
				fail_msg("%s: %s", V[i].in, why ? why : "no reason");
			continue;
		}
		conf_target_split(a, str_of(got.text), &got);
		if (!V[i].out || strcmp(got.text, V[i].out) != 0 || got.port != V[i].port ||
		    !str_eq(str_of(got.host), str_of(V[i].host)) ||
		    !str_eq(str_of(got.unix_path), str_of(V[i].path)))
			fail_msg("%s → %s", V[i].in, got.text);
	}
	arena_free(&a);
}

static void
test_windows(void **state)
{
	static const struct {
		const char *in, *out;
	} V[] = {
		{ "mon-fri 09:00-17:30", "mon-fri 09:00-17:30" },
		{ "Sat 10:00-14:00", "sat 10:00-14:00" },
		{ "mon,wed,fri 00:00-24:00", "mon,wed,fri 00:00-24:00" },
		{ "fri-mon   22:00-02:00", "mon,fri-sun 22:00-02:00" },
		{ "sat,sun", "sat-sun 00:00-24:00" },
		{ "09:00-12:00", "mon-sun 09:00-12:00" },
		{ "tue-mon", "mon-sun 00:00-24:00" },
		{ "", NULL },
		{ "mon-fri 9:00-17:00", NULL },
		{ "mon-fri 09:00", NULL },
		{ "mon-fri 09:00-09:00", NULL },
		{ "mon-fri 24:00-09:00", NULL },
		{ "mon-fri 09:60-10:00", NULL },
		{ "mon-fri 09:00-24:01", NULL },
		{ "mon-fri 09:00-17:00 x", NULL },
		{ "monday 09:00-17:00", NULL },
		{ "mon- 09:00-17:00", NULL },
		{ "mon,, 09:00-17:00", NULL },
		{ "mon-tue-wed", NULL },
		{ " mon", NULL },
		{ "-", NULL },
	};
	struct arena *a = arena_new(1024);
	(void)state;
	for (size_t i = 0; i < sizeof(V) / sizeof(V[0]); i++) {
		struct conf_window window;
		struct buf b = { 0 };
		const char *why = NULL;
		int rc = conf_window_parse(a, str_of(V[i].in), &window, &why);
		if (rc == 0)
			conf_window_print(&b, &window);
		if (V[i].out ? rc != 0 || strcmp(b.p, V[i].out) != 0 : rc == 0 || !why || !strchr(why, ';'))
			fail_msg("%s → %s (%s)", V[i].in, rc == 0 ? b.p : "-1", why ? why : "");
		buf_free(&b);
	}
	arena_free(&a);
}

/* Days from 0, Monday; a night belongs to the day it begins on. */
static void
test_open(void **state)
{
	static const struct {
		int day, hour, minute;
		bool open;
	} V[] = {
		{ 0, 9, 0, true },    { 0, 8, 59, false },  { 0, 17, 29, true },  { 0, 17, 30, false },
		{ 4, 22, 29, false }, { 4, 22, 30, true },  { 4, 23, 59, true },  { 5, 0, 0, true },
		{ 5, 0, 59, true },   { 5, 1, 0, false },   { 5, 22, 30, false }, { 6, 12, 0, false },
		{ 0, 0, 30, false },  { 4, 12, 30, false }, /* quiet */
	};
	struct conf *c =
	    load_ok("inject { target = localhost:25 }\ncampaign c { quiet_hours = \"12:00-13:00\" "
		    "send_window = { \"mon-fri 09:00-17:30\", \"fri 22:30-01:00\" } }\n"
		    "campaign d { }\ncampaign e { quiet_hours = \"22:00-08:00\" }\n");
	(void)state;
	for (size_t i = 0; i < sizeof(V) / sizeof(V[0]); i++)
		if (conf_campaign_open(&c->campaigns[0], V[i].day, V[i].hour * 60 + V[i].minute) != V[i].open)
			fail_msg("day %d %02d:%02d", V[i].day, V[i].hour, V[i].minute);
	assert_true(conf_campaign_open(&c->campaigns[1], 3, 180));
	assert_false(conf_campaign_open(&c->campaigns[2], 3, 479));
	assert_true(conf_campaign_open(&c->campaigns[2], 3, 480));
	assert_true(conf_campaign_open(&c->campaigns[2], 3, 1319));
	assert_false(conf_campaign_open(&c->campaigns[2], 3, 1320));
	assert_true(conf_splits(c, &c->campaigns[0]));
	conf_free(&c);
}

static void
test_host_urls(void **state)
{
	static const struct {
		const char *in, *out;
	} V[] = {
		{ "https://t.example.com", "https://t.example.com" },
		{ "HTTPS://T.Example.com/", "https://t.example.com" },
		{ "http://127.0.0.1:8080/", "http://127.0.0.1:8080" },
		{ "http://[::1]:8080", "http://[::1]:8080" },
		{ "https://[::1]/", "https://[::1]" },
		{ "https://t.example.com/x", NULL },
		{ "https://t.example.com//", NULL },
		{ "https://t.example.com?x", NULL },
		{ "https://t.example.com#x", NULL },
		{ "https://a@t.example.com", NULL },
		{ "https://t.example.com:0", NULL },
		{ "https://t.example.com:", NULL },
		{ "https://t.example.com:99999", NULL },
		{ "https://", NULL },
		{ "https:///", NULL },
		{ "t.example.com", NULL },
		{ "ftp://t.example.com", NULL },
		{ "https://t ex", NULL },
		{ "javascript:alert(1)", NULL },
		{ "https://[::1", NULL },
		{ "https://[::1]x", NULL },
	};
	struct arena *a = arena_new(1024);
	(void)state;
	for (size_t i = 0; i < sizeof(V) / sizeof(V[0]); i++) {
		const char *why = NULL, *got = conf_host_url(a, str_of(V[i].in), &why);
		if (V[i].out ? !got || strcmp(got, V[i].out) != 0 : got || !why || !strchr(why, ';'))
			fail_msg("%s → %s (%s)", V[i].in, got ? got : "NULL", why ? why : "");
	}
	arena_free(&a);
}

static void
test_networks(void **state)
{
	static const struct {
		const char *in, *out;
	} V[] = {
		{ "10.0.0.0/8", "10.0.0.0/8" },
		{ "192.0.2.1", "192.0.2.1/32" },
		{ "0.0.0.0/0", "0.0.0.0/0" },
		{ "2001:db8::/32", "2001:db8::/32" },
		{ "[2001:db8::]/32", "2001:db8::/32" },
		{ "::1", "::1/128" },
		{ "::/0", "::/0" },
		{ "::ffff:10.0.0.0/104", "10.0.0.0/8" },
		{ "10.0.0.1/8", NULL },
		{ "2001:db8::1/32", NULL },
		{ "10.0.0.0/33", NULL },
		{ "::/129", NULL },
		{ "10.0.0.0/", NULL },
		{ "10.0.0.0/x", NULL },
		{ "10.0.0/8", NULL },
		{ "x", NULL },
		{ "", NULL },
		{ "10.0.0.0/-1", NULL },
		{ "10.0.0.0/0008", NULL },
	};
	struct arena *a = arena_new(1024);
	(void)state;
	for (size_t i = 0; i < sizeof(V) / sizeof(V[0]); i++) {
		struct conf_net net;
		struct buf b = { 0 };
		const char *why = NULL;
		int rc = conf_net_parse(a, str_of(V[i].in), &net, &why);
		if (rc == 0)
			conf_net_print(&b, &net);
		if (V[i].out ? rc != 0 || strcmp(b.p, V[i].out) != 0 : rc == 0 || !why || !strchr(why, ';'))
			fail_msg("%s → %s (%s)", V[i].in, rc == 0 ? b.p : "-1", why ? why : "");
		buf_free(&b);
	}
	arena_free(&a);
}

static void
test_trusts(void **state)
{
	static const struct {
		const char *net, *addr;
		bool in;
	} V[] = {
		{ "10.0.0.0/8", "::ffff:10.255.0.1", true },
		{ "10.0.0.0/8", "::ffff:11.0.0.1", false },
		{ "192.0.2.128/25", "::ffff:192.0.2.129", true },
		{ "192.0.2.128/25", "::ffff:192.0.2.127", false },
		{ "0.0.0.0/0", "::ffff:1.2.3.4", true },
		{ "0.0.0.0/0", "2001:db8::1", false },
		{ "2001:db8::/33", "2001:db8:7fff::1", true },
		{ "2001:db8::/33", "2001:db8:8000::1", false },
		{ "::1/128", "::1", true },
		{ "::1/128", "::2", false },
		{ "::/0", "::ffff:1.2.3.4", true },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(V) / sizeof(V[0]); i++) {
		char text[128];
		struct in6_addr addr;
		snprintf(text, sizeof(text), "milter { trusted_networks = { \"%s\" } }\n", V[i].net);
		struct conf *c = load_ok(text);
		assert_int_equal(inet_pton(AF_INET6, V[i].addr, &addr), 1);
		if (conf_trusts(c, addr.s6_addr) != V[i].in)
			fail_msg("%s in %s", V[i].addr, V[i].net);
		conf_free(&c);
	}
	struct conf *c = load_ok("milter { trusted_networks = {} }\n");
	assert_int_equal(c->milter.ntrusted, 0);
	conf_free(&c);
	c = load_ok("milter { trusted_networks += { 10.0.0.0/8 } }\n");
	assert_int_equal(c->milter.ntrusted, 3);
	conf_free(&c);
	c = load_ok("milter { trusted_networks = 10.0.0.0/8 trusted_networks += { 192.0.2.1, } }\n");
	assert_int_equal(c->milter.ntrusted, 2);
	conf_free(&c);
}

/* Values as written: quotes, escapes, ${…} left alone, comments of all kinds, words with odd signs. */
static void
test_strings(void **state)
{
	struct conf *c = load_ok("\xef\xbb\xbf# a\r\n//b\n/* c\n\"d\" { */ plugin p { // e\r\n"
				 "  path = /a//b#x\n"
				 "  options { a = \"x\\\"\\\\\\t\\x41\\101\\n\" b = 'it\\'s \\n' c = "
				 "\"${HOME} $x {{y}} #\" include = z }\n}\n");
	const struct conf_plugin *p = &c->plugins[0];
	(void)state;
	assert_string_equal(p->path, "/a//b");
	assert_int_equal(p->noptions, 4);
	assert_string_equal(p->option_values[0], "x\"\\\tAA\n");
	assert_string_equal(p->option_values[1], "it's \\n");
	assert_string_equal(p->option_values[2], "${HOME} $x {{y}} #");
	assert_string_equal(p->option_names[3], "include");
	assert_int_equal(p->pos.line, 4);
	conf_free(&c);
}

static void
test_lookups(void **state)
{
	struct conf *c = load_ok(
	    "track { host = \"https://t.example/\" domain Shop.Example { host = \"https://t.shop.example\" } "
	    "}\n"
	    "campaign a { defaults { name = x } }\n"
	    "campaign b { track_host = \"https://b.example\" unsubscribe_mailto = \"Leave@SHOP.example\" }\n"
	    "cap all { limit = 1 window = 1d }\ncap promo { limit = 1 window = 1d category = { promo } }\n");
	(void)state;
	assert_string_equal(conf_track_host(c, &c->campaigns[0], STR("example.com")), "https://t.example");
	assert_string_equal(conf_track_host(c, &c->campaigns[0], STR("SHOP.example")),
			    "https://t.shop.example");
	assert_string_equal(conf_track_host(c, &c->campaigns[0], STR("a.shop.example")), "https://t.example");
	assert_string_equal(conf_track_host(c, &c->campaigns[1], STR("shop.example")), "https://b.example");
	assert_string_equal(c->campaigns[1].unsubscribe_mailto, "mailto:Leave@shop.example");
	assert_true(conf_cap_covers(&c->caps[0], "marketing"));
	assert_false(conf_cap_covers(&c->caps[0], "transactional"));
	assert_true(conf_cap_covers(&c->caps[1], "promo"));
	assert_false(conf_cap_covers(&c->caps[1], "marketing"));
	const struct value *v = value_map_get(c->campaigns[0].defaults, STR("name"));
	assert_true(v && v->type == VALUE_STRING && str_eq(v->s, STR("x")));
	conf_free(&c);
}

/* ---- printing, and back ---- */

static char *
print_with(void (*print)(const struct conf *, FILE *), const struct conf *c)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);
	print(c, f);
	fclose(f);
	return text;
}

static void
check_round_trip(const struct conf *c)
{
	char *diff = print_with(conf_print_diff, c);
	struct buf b = { 0 }, first = { 0 }, second = { 0 };
	struct conf *again = conf_load_text("again", str_of(diff), c->default_plugin_directory, collect, &b);
	if (!again)
		fail_msg("does not load again:\n%s\n%s", diff, b.p);
	conf_print_all(c, &first);
	conf_print_all(again, &second);
	assert_string_equal(first.p, second.p);
	char *diff2 = print_with(conf_print_diff, again);
	assert_string_equal(diff, diff2);
	conf_free(&again);
	free(diff);
	free(diff2);
	buf_free(&b);
	buf_free(&first);
	buf_free(&second);
}

static const char EVERYTHING[] =
    "state { directory = \"/s\" map_size = 3G max_readers = 99 events_keep = 90d }\n"
    "milter { socket = inet:localhost:8891 socket_mode = 0600 socket_group = mail trusted_networks = { "
    "10.0.0.0/8, 2001:db8::/32 }\n"
    " trust_authenticated = no max_message = 1025K template_cache = 0 metrics = \"[::1]:8027\" drain_timeout "
    "= 1m "
    "log_target = syslog "
    "log_level = debug\n"
    " plugin_directory = \"/p\" }\n"
    "keys { file = \"/k\" }\n"
    "inject { target = localhost:26 helo = \"[127.0.0.1]\" connections = 9 rate = 100 connect_timeout = 2s "
    "command_timeout = 3s data_timeout = 4s\n"
    " retry_min = 5s retry_max = 6s lifetime = 1d keep = 2d report_from = \"postmaster@a.b\" }\n"
    "feedback { trust_untokened = soft soft_limit = 9 soft_window = 1d full_limit = 8 full_window = 2d "
    "full_pause = 3d ignore_relays = { \"127.0.0.1\" } maillog_state = \"/m\" }\n"
    "track { host = \"https://t.example\" listen = \"unix:/run/t\" private = \"[::1]:9\" socket_mode = 0600 "
    "trusted_proxies = { 10.0.0.0/8 } threads = 3 connections = 99 idle_timeout = 3s rate = 7 "
    "pages = \"/p\" queue = \"/q\" domain a.b { host = \"http://x\" } domain d { host = \"https://d\" "
    "} }\n"
    "shop s { generation = 2 }\n"
    "plugin p { path = \"/q.so\" deadline = 1s options { a = \"b\\\"\\\\\\n\\t$\" } }\nplugin q { path = "
    "\"q.so\" }\n"
    "cap c { category = { a, b } limit = 5 window = 90m scope = domain action = defer }\ncap off { limit = "
    "0 }\n"
    "privacy { sensitive = { gender, \"profile.age\" } }\n"
    "features f { columns = { \"profile.x | one-hot A \\\"B C\\\"\", hour } }\n"
    "campaign c { features = f category = promo recipients = one return_path = \"bounces@a.b\" quiet_hours = "
    "\"22:00-08:00\"\n"
    " send_window = { \"mon-fri 09:00-17:30\" } start = \"2026-12-01T09:00\" max_delay = 1d\n"
    " match_sender = { \"@a\", \"b@c\" } match_from_domain = { "
    "d } match_listener = { 10587 }\n"
    " personalizers = { p, q } scorers = { q } send_if = \"click >= 0.02\" fatigue = tired "
    "send_hour = learned templates = no templates_amp = "
    "yes missing = hold\n"
    " rewrite_to = no require_consent = yes track_opens = no track_clicks = no honeypot = yes "
    "tracking_unknown = deny\n"
    " track_host = \"https://z\" click_id = mtid exclude_hosts = { e } link_lifetime = 3w list_unsubscribe = "
    "no\n"
    " unsubscribe_mailto = \"a@b\" feedback_id = abcde language = pt-BR time_zone = \"Europe/Berlin\" "
    "defaults { x = \"y\" } control_share = 12.5%\n"
    " policy { kind = thompson reward = opened window = 1d explore = 0.05 epsilon = 20% alpha = 0.5 ridge = "
    "2 }\n"
    " arm base { control = yes }\n"
    " arm b { subject = \"{{name}}!\" send_hour = 9 weight = 2.5 score = s prior_successes = 3 "
    "prior_failures = "
    "97 values { block = \"<p>\" } } }\n";

static void
test_round_trip(void **state)
{
	struct conf *c = load_ok(EVERYTHING);
	(void)state;
	check_round_trip(c);
	/* That text sets every key there is to another value than its default. */
	char *diff = print_with(conf_print_diff, c);
	for (size_t i = 0; i < CONF_NSECTIONS; i++)
		for (size_t k = 0; k < CONF_SECTIONS[i].nkeys; k++)
			if (!strstr(diff, CONF_SECTIONS[i].keys[k].name))
				fail_msg("%s is not printed", CONF_SECTIONS[i].keys[k].name);
	free(diff);
	conf_free(&c);

	c = load_ok("state { directory = \"/var/lib/mailtailor\" }\nplugin p { path = \"p.so\" }\nmilter { "
		    "log_level = info }\n");
	diff = print_with(conf_print_diff, c);
	assert_string_equal(diff, "plugin \"p\" {\n}\n");
	free(diff);
	check_round_trip(c);
	conf_free(&c);
}

/* What is kept beside the databases moves with their directory, and is its default there. */
static void
test_files_of_the_state(void **state)
{
	struct conf *c = load_ok("state { directory = \"/srv/mt\" }\n");
	char *diff = print_with(conf_print_diff, c);
	(void)state;
	assert_string_equal(c->track.queue, "/srv/mt/trackd.queue");
	assert_string_equal(c->feedback.maillog_state, "/srv/mt/maillog.state");
	assert_string_equal(diff, "state {\n\tdirectory = \"/srv/mt\"\n}\n");
	free(diff);
	check_round_trip(c);
	conf_free(&c);
}

static void
test_json(void **state)
{
	struct conf *c = load_ok("state { max_readers = 99 }\ncap c { limit = 5 window = 7d }\n");
	char *json = print_with(conf_print_diff_json, c);
	(void)state;
	assert_non_null(strstr(json, "\"max_readers\": 99"));
	assert_non_null(strstr(json, "\"window\": \"7d\""));
	assert_null(strstr(json, "directory"));
	free(json);
	conf_free(&c);
}

/* ---- files ---- */

static char dir[64];

static int
make_dir(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/test-conf-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int
remove_dir(void **state)
{
	char cmd[128];
	(void)state;
	snprintf(cmd, sizeof(cmd), "rm -rf '%s'", dir);
	return system(cmd);
}

static const char *
path_of(const char *name)
{
	static char path[4][256];
	static int i;
	i = (i + 1) % 4;
	snprintf(path[i], sizeof(path[i]), "%s/%s", dir, name);
	return path[i];
}

static void
write_file(const char *name, const char *text)
{
	FILE *f = fopen(path_of(name), "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static struct conf *
load_file(const char *name, struct buf *b)
{
	buf_reset(b);
	return conf_load(path_of(name), "/plugins", collect, b);
}

/* The reports with the directory's name taken out. */
static void
check_reports(const struct buf *b, const char *want)
{
	struct buf short_form = { 0 };
	size_t n = strlen(dir) + 1;
	for (size_t i = 0; i < b->n;)
		if (i + n <= b->n && memcmp(b->p + i, dir, n - 1) == 0 && b->p[i + n - 1] == '/')
			i += n;
		else
			buf_addc(&short_form, b->p[i++]);
	if (strcmp(short_form.p ? short_form.p : "", want) != 0)
		fail_msg("want: %s\n got: %s", want, short_form.p ? short_form.p : "");
	buf_free(&short_form);
}

static void
test_include(void **state)
{
	struct buf b = { 0 };
	(void)state;
	assert_int_equal(mkdir(path_of("d"), 0700), 0);
	write_file("d/b.conf", "campaign b { }\n");
	write_file("d/a.conf", "campaign a { }\ninclude \"sub/x.inc\"\n");
	write_file("d/.hidden.conf", "nonsense\n");
	assert_int_equal(mkdir(path_of("d/sub"), 0700), 0);
	write_file("d/sub/x.inc", "campaign x { }\n");
	write_file("m.conf",
		   "include \"d/*.conf\"\ninclude(\"none/*.conf\")\ninclude d/none*\ncampaign z { }\n");
	struct conf *c = load_file("m.conf", &b);
	check_reports(&b, "");
	assert_non_null(c);
	assert_int_equal(c->ncampaigns, 4);
	assert_string_equal(c->campaigns[0].name, "a"); /* in the order of the text, files by name */
	assert_string_equal(c->campaigns[1].name, "x");
	assert_string_equal(c->campaigns[2].name, "b");
	assert_string_equal(c->campaigns[3].name, "z");
	assert_string_equal(c->campaigns[1].pos.file, path_of("d/sub/x.inc"));
	assert_string_equal(c->file, path_of("m.conf"));
	conf_free(&c);

	write_file("d/b.conf", "campaign a { }\ncampaign b {\n language = {}\n");
	assert_null(load_file("m.conf", &b));
	check_reports(
	    &b, "d/b.conf:1: campaign \"a\" is there twice (first at d/a.conf:1); rename one or take it out\n"
		"d/b.conf:2: section \"campaign b\" opened here is never closed; add the missing }\n"
		"d/b.conf:3: \"language\" takes one value, not a list; write language = … without { }\n");
	buf_free(&b);
}

static void
test_include_mistakes(void **state)
{
	struct buf b = { 0 };
	(void)state;
	assert_null(load_file("absent.conf", &b));
	check_reports(&b, "absent.conf: cannot read the configuration (No such file or directory); "
			  "create it, or name the right file with -c\n");
	assert_null(conf_load(dir, "", NULL, NULL));

	write_file("i.conf", "state { }\ninclude \"absent.conf\"\ninclude \"\"\n");
	assert_null(load_file("i.conf", &b));
	check_reports(&b, "i.conf:2: cannot include \"absent.conf\" (No such file or directory); create it "
			  "or correct the name\n"
			  "i.conf:3: include names no file; write include \"campaigns.d/*.conf\"\n");

	write_file("loop.conf", "include \"loop2.conf\"\n");
	write_file("loop2.conf", "\ninclude \"loop.conf\"\n");
	assert_null(load_file("loop.conf", &b));
	check_reports(
	    &b, "loop2.conf:2: include loop: \"loop.conf\" is being read already; take this line out\n");

	write_file("leaf.conf", "cap x { limit = 0 }\n");
	write_file("twice.conf", "include \"leaf.conf\"\n\ninclude \"le*.conf\"\n");
	assert_null(load_file("twice.conf", &b));
	check_reports(&b,
		      "twice.conf:3: \"leaf.conf\" is included twice (first at twice.conf:1); keep one\n");

	for (int i = 0; i <= CONF_MAX_DEPTH + 1; i++) {
		char name[32], text[64];
		snprintf(name, sizeof(name), "deep%d.conf", i);
		snprintf(text, sizeof(text), "include \"deep%d.conf\"\n", i + 1);
		write_file(name, i <= CONF_MAX_DEPTH ? text : "state { }\n");
	}
	assert_null(load_file("deep0.conf", &b));
	check_reports(
	    &b,
	    "deep8.conf:1: includes are nested deeper than 8; include \"deep9.conf\" from a file above\n");
	struct conf *c = load_file("deep2.conf", &b);
	assert_non_null(c);
	conf_free(&c);
	buf_free(&b);
}

/* The files that are shipped. */
static void
test_examples(void **state)
{
	struct buf b = { 0 };
	(void)state;
	if (access("conf/mailtailor.conf", R_OK) != 0) {
		print_message("SKIPPED: conf/mailtailor.conf is not here (run from the top directory)\n");
		skip();
	}
	struct conf *c = conf_load("conf/mailtailor.conf", "/plugins", collect, &b);
	if (!c)
		fail_msg("%s", b.p);
	assert_non_null(conf_campaign_find(c, STR("spring-sale")));
	assert_non_null(conf_campaign_find(c, STR("newsletter")));
	const struct conf_campaign *receipt = conf_campaign_find(c, STR("order-receipt"));
	assert_non_null(receipt);
	assert_string_equal(receipt->category, "transactional");
	check_round_trip(c);
	conf_free(&c);
	buf_free(&b);
}

static char *
read_all(const char *path)
{
	FILE *f = fopen(path, "r");
	char *text = calloc(1, 1 << 20);
	assert_non_null(text);
	if (f) {
		size_t n = fread(text, 1, (1 << 20) - 1, f);
		text[n] = '\0';
		fclose(f);
	}
	return text;
}

/* Every key is explained in the manual and stands in the examples, with its default. */
static void
test_documented(void **state)
{
	(void)state;
	if (access("contrib/man/mailtailor.conf.5", R_OK) != 0) {
		print_message("SKIPPED: contrib/man is not here (run from the top directory)\n");
		skip();
	}
	char *man = read_all("contrib/man/mailtailor.conf.5"), *main_file = read_all("conf/mailtailor.conf"),
	     *campaign = read_all("conf/campaigns.d/spring-sale.conf");
	for (size_t i = 0; i < CONF_NSECTIONS; i++) {
		const struct conf_section *s = &CONF_SECTIONS[i];
		char heading[64];
		snprintf(heading, sizeof(heading), "\n.It Ic %s", s->name);
		if (!strstr(man, heading) && !strstr(man, heading + 4))
			fail_msg("section %s is not in the manual", s->name);
		bool of_campaign =
		    strcmp(s->name, "campaign") == 0 || (s->parent && strcmp(s->parent, "campaign") == 0);
		const char *example = of_campaign ? campaign : main_file;
		for (size_t k = 0; k < s->nkeys; k++) {
			char item[96], line[96];
			snprintf(item, sizeof(item), "\n.It Cm %s ", s->keys[k].name);
			snprintf(line, sizeof(line), "%s = ", s->keys[k].name);
			if (!strstr(man, item))
				fail_msg("%s.%s is not in the manual", s->name, s->keys[k].name);
			if (!strstr(example, line))
				fail_msg("%s.%s is not in the example", s->name, s->keys[k].name);
		}
	}
	free(man);
	free(main_file);
	free(campaign);
}

/* ---- threads ---- */

static void *
load_many(void *arg)
{
	(void)arg;
	for (int i = 0; i < 50; i++) {
		struct conf *c = conf_load_text("t.conf", str_of(EVERYTHING), "/plugins", NULL, NULL);
		if (!c)
			return (void *)1;
		conf_free(&c);
		if (conf_load_text("t.conf", STR("state { x = \"a"), "", NULL, NULL))
			return (void *)1;
	}
	return NULL;
}

static void
test_threads(void **state)
{
	pthread_t t[4];
	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&t[i], NULL, load_many, NULL), 0);
	for (int i = 0; i < 4; i++) {
		void *bad = NULL;
		pthread_join(t[i], &bad);
		assert_null(bad);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_state_left),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_sockets),
		cmocka_unit_test(test_targets),
		cmocka_unit_test(test_windows),
		cmocka_unit_test(test_open),
		cmocka_unit_test(test_host_urls),
		cmocka_unit_test(test_networks),
		cmocka_unit_test(test_trusts),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_lookups),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_files_of_the_state),
		cmocka_unit_test(test_json),
		cmocka_unit_test_setup_teardown(test_include, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(test_include_mistakes, make_dir, remove_dir),
		cmocka_unit_test(test_examples),
		cmocka_unit_test(test_documented),
		cmocka_unit_test(test_threads),
	};
	return cmocka_run_group_tests_name("conf", tests, NULL, NULL);
}
