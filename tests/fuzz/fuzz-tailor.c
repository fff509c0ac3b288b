/*
 * fuzz-tailor: any bytes as a campaign message, any values in the profile.
 * The input is the profile's values, one a line, up to a line "--", then the
 * message. The first byte chooses the campaign and the recipient's consent.
 * What must hold, whatever came in:
 * - a copy, a refusal, or an error with a text; the same twice gives the same
 *   bytes;
 * - of the header only known fields are added, none holds CR, NUL or an
 *   unfolded LF, and deletions do not move one another;
 * - a copy parses to the same structure; parts that are data keep their bytes;
 * - in HTML parts of messages without {{{ }}} no URL runs a script and no
 *   script element is more than before;
 * - lines that the message keeps under 998 stay there;
 * - with templates, tracking and list headers off, nothing but X-Mailtailor
 *   fields differs, and the data part that is in no copy.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/buf.h"
#include "html/html.h"
#include "tailor/tailor.h"

#define MUST(x) ((x) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char settings[] =
    "track { host = \"https://t.test\" }\ninject { target = \"localhost:25\" }\n"
    "campaign all { exclude_hosts = { ok.test }\n defaults { a = \"b\" } }\n"
    "campaign hold { missing = hold\n templates_amp = yes\n rewrite_to = no }\n"
    "campaign quiet { track_clicks = no\n track_opens = no\n list_unsubscribe = no\n feedback_id = \"shopx\" "
    "}\n"
    "campaign nothing { templates = no\n track_clicks = no\n track_opens = no\n list_unsubscribe = no\n"
    " rewrite_to = no }\n";

/* Made once: the process's own. */
static struct world {
	struct conf *conf;
	struct keyring *keys;
	struct sealer *sealer;
	struct tailor_cache *cache;
	struct tailor_scratch *scratch;
	struct arena *a;
} w;

static void
report(void *ctx, const char *text)
{
	(void)ctx;
	(void)text;
	abort();
}

static void
world_open(void)
{
	static const uint8_t seed[32] = "fuzz";
	mail_init();
	w.conf = conf_load_text("fuzz.conf", str_of(settings), "/nowhere", report, NULL);
	w.keys = keyring_ephemeral(seed);
	w.sealer = sealer_new(w.keys);
	w.cache = tailor_cache_new(w.conf, report, NULL);
	w.scratch = tailor_scratch_new();
	w.a = arena_new(1 << 20);
}

/* Values under the names that the corpus uses; the whole text under "all" too, line ends and NUL included. */
static const struct value *
profile_of(struct str text)
{
	static const char *const names[] = { "a",   "b",     "c", "name", "first_name",
					     "url", "email", "x", "y",	  "city" };
	struct value *p = value_map_new(w.a), *list = value_list(w.a, 3);
	struct str line, rest = text;
	size_t n = 0;
	value_map_set(w.a, p, STR("all"), value_string(w.a, text));
	for (size_t i = 0; i < 10 && str_split(&rest, '\n', &line); i++) {
		value_map_set(w.a, p, str_of(names[i]), value_string(w.a, line));
		if (n < 3)
			list->list.items[n++] = value_string(w.a, line);
	}
	value_map_set(w.a, p, STR("list"), list);
	return p;
}

static void
check_edits(const struct tailor_plan *plan)
{
	for (size_t i = 0; i < plan->nedits; i++) {
		const struct tailor_edit *e = &plan->edits[i];
		MUST(e->name[0] != '\0' && strpbrk(e->name, " \t\r\n:") == NULL);
		if (e->op == TAILOR_HEADER_DELETE) {
			MUST(e->index > 0 && e->value == NULL);
			for (size_t k = 0; k < i; k++)
				MUST(plan->edits[k].op != TAILOR_HEADER_DELETE ||
				     strcasecmp(plan->edits[k].name, e->name) ||
				     plan->edits[k].index > e->index);
			continue;
		}
		MUST((e->index > 0) == (e->op == TAILOR_HEADER_CHANGE));
		for (const char *p = e->value; *p; p++)
			MUST(*p != '\r' && (*p != '\n' || p[1] == ' ' || p[1] == '\t'));
	}
}

struct html_look {
	struct str s;
	size_t scripts;
};

static bool
look_token(void *ctx, const struct html_token *t)
{
	struct html_look *l = ctx;
	struct str name = str_sub(l->s, t->name_start, t->name_end);
	l->scripts += t->type == HTML_START_TAG && str_caseeq(name, STR("script"));
	return true;
}

static size_t
scripts_in(struct str html)
{
	struct html_look l = { html, 0 };
	html_tokenize(html, NULL, 0, look_token, &l);
	return l.scripts;
}

/* URLs that run scripts: the author's own may, so they are counted. */
static size_t
unsafe_in(struct str html)
{
	struct html_doc doc;
	struct buf b = { 0 };
	size_t n = 0;
	html_scan(w.a, html, NULL, 0, &doc);
	for (size_t i = 0; i < doc.nlinks + doc.nurls; i++) {
		bool link = i < doc.nlinks;
		const struct html_url *u = link ? NULL : &doc.urls[i - doc.nlinks];
		buf_reset(&b);
		html_attr_decode(&b, str_sub(html, link ? doc.links[i].start : u->start,
					     link ? doc.links[i].end : u->end));
		n += html_url_classify(buf_str(&b)) == HTML_URL_UNSAFE;
	}
	buf_free(&b);
	return n;
}

static bool
text_decode(const struct mail *m, const struct mail_part *p, struct str *out)
{
	struct mail_text t;
	struct err e;
	if (mail_text_decode(w.a, p, str_sub(m->bytes, p->body_start, p->body_end), &t, &e) != 0)
		return false;
	*out = t.utf8;
	return true;
}

static size_t
longest_line(struct str s)
{
	size_t longest = 0;
	struct str line;
	while (str_split(&s, '\n', &line))
		longest = line.n > longest ? line.n : longest;
	return longest;
}

static const struct mail_part *
part_next(const struct mail_part *p)
{
	if (p->child != NULL)
		return p->child;
	while (p != NULL && p->next == NULL)
		p = p->parent;
	return p ? p->next : NULL;
}

/* Could a template write an element by itself: {{{x}}}, {{&x}}, a tag's or attribute's own name, a section
 * around markup? */
static bool
is_raw(struct str s)
{
	return str_find(s, STR("{{{")) < s.n || str_find(s, STR("{{&")) < s.n ||
	       str_find(s, STR("<{{")) < s.n || str_find(s, STR("{{#")) < s.n ||
	       str_find(s, STR("{{^")) < s.n || str_find(s, STR("{{=")) < s.n ||
	       str_find(s, STR("{{>")) < s.n || str_find(s, STR("{{/")) < s.n ||
	       str_find(s, STR("{{ ")) < s.n || str_find(s, STR("{{~")) < s.n;
}

static void
check_structure(struct str before, struct str after)
{
	struct mail m, n;
	struct err e;
	if (mail_parse(w.a, before, NULL, &m, &e) != 0)
		return;
	MUST(mail_parse(w.a, after, NULL, &n, &e) == 0);
	const struct mail_part *p = m.root, *q = n.root;
	for (; p != NULL && q != NULL; p = part_next(p), q = part_next(q)) {
		struct str a, b, raw_p = str_sub(before, p->body_start, p->body_end),
				 raw_q = str_sub(after, q->body_start, q->body_end);
		/* a value may begin as PGP armour does, and the copy is then read so */
		if (p->role != q->role)
			return;
		if (p->role == MAIL_ROLE_DATA || p->role == MAIL_ROLE_PROTECTED)
			MUST(str_eq(raw_p, raw_q));
		if (p->role != MAIL_ROLE_TEXT && p->role != MAIL_ROLE_HTML)
			continue;
		if (longest_line(raw_p) < 990)
			MUST(longest_line(raw_q) <= 999);
		if (p->role != MAIL_ROLE_HTML || !text_decode(&m, p, &a) || is_raw(a) || !str_is_utf8(a))
			continue;
		MUST(text_decode(&n, q, &b));
		MUST(scripts_in(b) <= scripts_in(a));
		MUST(unsafe_in(b) <= unsafe_in(a));
	}
	MUST(p == NULL && q == NULL);
}

static void
copy_check(const struct tailor_message *m, const struct tailor_input *in, size_t campaign, struct str source)
{
	struct tailor_plan plan, again;
	struct err e = { 0 };
	struct buf one = { 0 }, two = { 0 }, strip = { 0 };
	if (tailor_render(m, in, w.scratch, w.a, &plan, &e) != 0) {
		MUST(e.kind != ERR_NONE && e.kind != ERR_BUG && e.text[0] != '\0');
		return;
	}
	if (plan.decision.verdict != TAILOR_SEND) {
		MUST(plan.decision.verdict != TAILOR_DROP && plan.decision.text.n > 0);
		MUST((plan.decision.verdict == TAILOR_LATER) == (plan.decision.due_ms > in->now_ms));
		return;
	}
	check_edits(&plan);
	tailor_write(m, &plan, &one);
	MUST(tailor_render(m, in, w.scratch, w.a, &again, &e) == 0);
	tailor_write(m, &again, &two);
	MUST(str_eq(buf_str(&one), buf_str(&two)));
	/* the data part is in no copy */
	tailor_message_strip(m, &strip);
	if (campaign == 3)
		MUST(!plan.body_changed || strip.n < source.n);
	check_structure(buf_str(&strip), buf_str(&one));
	buf_free(&one);
	buf_free(&two);
	buf_free(&strip);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct recipient_snapshot r = { .address = STR("ann@example.test"), .domain = STR("example.test") };
	struct tailor_message *m = NULL;
	struct err e = { 0 };
	if (w.conf == NULL)
		world_open();
	if (size == 0)
		return 0;
	arena_reset(w.a);
	struct str all = str_make((const char *)data + 1, size - 1);
	size_t cut = str_find(all, STR("\n--\n"));
	struct str values = cut < all.n ? str_sub(all, 0, cut) : STR("");
	struct str source = arena_str(w.a, cut < all.n ? str_sub(all, cut + 4, all.n) : all);
	size_t campaign = data[0] % 4;
	recipient_key_of(w.keys, r.address, &r.key);
	r.profile = profile_of(values);
	r.language = data[0] & 64 ? "ja" : "en";
	r.time_zone = "UTC";
	r.tracking = (enum tracking_consent)((data[0] >> 2) % 3);
	struct tailor_input in = {
		.recipient = &r, .sealer = w.sealer, .now_ms = 1774774800000, .explain = (data[0] & 32) != 0
	};
	if (tailor_prepare(w.cache, w.conf, &w.conf->campaigns[campaign], source, &m, &e) == 0)
		copy_check(m, &in, campaign, source);
	else
		MUST((e.kind == ERR_INPUT || e.kind == ERR_LIMIT) && e.text[0] != '\0');
	tailor_message_free(&m);
	return 0;
}
