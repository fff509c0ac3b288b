/*
 * value: one written value → its C form, by the type its key has in the schema.
 * Every reason reads "what; what to do".
 */
#include "conf/conf-private.h"

#include <stdlib.h>
#include <string.h>

#include <glib.h>

#include "base/clock.h"

static int
fail(struct conf_work *w, const char **why, const char *fmt, const char *text)
{
	const char *shown = conf_quote(w, str_of(text)), *mark = strstr(fmt, "%s");
	*why = arena_printf(w->scratch, "%.*s%s%s", (int)(mark - fmt), fmt, shown, mark + 2).p;
	return -1;
}

bool
conf_name_ok(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_isalpha(s.p[i]) && !ascii_isdigit(s.p[i]) && !strchr("._-", s.p[i]))
			return false;
	return s.n >= 1 && s.n <= 64;
}

/* ---- numbers ---- */

static int
read_choice(struct conf_work *w, const struct conf_key *k, const char *text, const char **why, size_t *index)
{
	for (size_t i = 0; i < k->nchoices; i++)
		if (str_caseeq(str_of(text), str_of(k->choices[i]))) {
			*index = i;
			return 0;
		}
	struct buf b = { 0 };
	buf_printf(&b, "\"%s\" is not known for %s; write ", conf_quote(w, str_of(text)), k->name);
	for (size_t i = 0; i < k->nchoices; i++)
		buf_printf(&b, "%s%s", i == 0 ? "" : i + 1 == k->nchoices ? " or " : ", ", k->choices[i]);
	*why = arena_cstr(w->scratch, buf_str(&b));
	buf_free(&b);
	return -1;
}

static int
read_bool(struct conf_work *w, const char *text, bool *out, const char **why)
{
	static const char *const YES[] = { "yes", "true", "on" }, *const NO[] = { "no", "false", "off" };
	for (size_t i = 0; i < 3; i++) {
		if (str_caseeq(str_of(text), str_of(YES[i]))) {
			*out = true;
			return 0;
		}
		if (str_caseeq(str_of(text), str_of(NO[i]))) {
			*out = false;
			return 0;
		}
	}
	return fail(w, why, "\"%s\" is neither yes nor no; write one of them", text);
}

static int
read_int(const char *text, int64_t *out)
{
	char *end;
	struct str s = str_of(text);
	size_t i = s.n > 0 && s.p[0] == '-';
	if (i == s.n || s.n > 18)
		return -1;
	for (; i < s.n; i++)
		if (!ascii_isdigit(s.p[i]))
			return -1;
	*out = strtoll(text, &end, 10);
	return 0;
}

/* A bound as the key would be written. */
static const char *
bound(struct conf_work *w, const struct conf_key *k, int64_t v)
{
	struct buf b = { 0 };
	conf_value_print(&b, k, &v);
	const char *out = arena_cstr(w->scratch, buf_str(&b));
	buf_free(&b);
	return out;
}

static int
read_number(struct conf_work *w, const struct conf_key *k, const char *text, int64_t *out, const char **why)
{
	struct err e = { 0 };
	int64_t v = 0;
	int rc = k->type == KEY_SIZE	   ? size_parse(str_of(text), &v, &e)
		 : k->type == KEY_DURATION ? clock_parse_duration(str_of(text), &v, &e)
					   : read_int(text, &v);
	if (rc != 0 && k->type == KEY_INT)
		return fail(w, why, "\"%s\" is no whole number; write digits only", text);
	if (rc != 0 && text[0] == '-')
		return fail(w, why, "\"%s\" is negative; write a value that is not", text);
	if (rc != 0) {
		*why = arena_cstr(w->scratch, str_of(e.text));
		return -1;
	}
	if (v < k->min && k->min <= 1) {
		return k->min == 0
			   ? fail(w, why, "\"%s\" is negative; write 0 to switch it off, or more", text)
			   : fail(w, why, "\"%s\" has to be more than 0; write one such as 50ms or 7d", text);
	}
	if (v < k->min || v > k->max) {
		*why = arena_printf(w->scratch, "%s is out of range for %s; write %s to %s",
				    conf_quote(w, str_of(text)), k->name, bound(w, k, k->min),
				    bound(w, k, k->max))
			   .p;
		return -1;
	}
	*out = v;
	return 0;
}

/* "10%", "2.5 %", "0.1". */
static int
read_share(struct conf_work *w, const struct conf_key *k, const char *text, int64_t *out, const char **why)
{
	char *end;
	double v = strtod(text, &end);
	while (*end == ' ')
		end++;
	bool percent = *end == '%';
	double millionths = v * (percent ? 10000 : 1000000);
	if ((!ascii_isdigit(text[0]) && text[0] != '.') || strpbrk(text, "xXeEnN") || end[percent] != '\0')
		return fail(w, why, "\"%s\" is no share; write one such as 10% or 0.1", text);
	if (!(millionths >= (double)k->min && millionths <= (double)k->max)) {
		*why = arena_printf(w->scratch, "%s is out of range for %s; write 0%% to 100%%",
				    conf_quote(w, str_of(text)), k->name)
			   .p;
		return -1;
	}
	*out = (int64_t)(millionths + 0.5);
	return 0;
}

static int
read_real(struct conf_work *w, const struct conf_key *k, const char *text, double *out, const char **why)
{
	char *end;
	double v = strtod(text, &end);
	if ((!ascii_isdigit(text[0]) && !strchr(".-", text[0])) || strpbrk(text, "xXnN") || *end)
		return fail(w, why, "\"%s\" is no number; write one such as 2 or 0.5", text);
	if (!(v >= (double)k->min && v <= (double)k->max)) {
		*why =
		    arena_printf(w->scratch, "%s is out of range for %s; write %lld to %lld",
				 conf_quote(w, str_of(text)), k->name, (long long)k->min, (long long)k->max)
			.p;
		return -1;
	}
	*out = v;
	return 0;
}

static int
read_mode(struct conf_work *w, const char *text, int64_t *out, const char **why)
{
	char *end;
	unsigned long v = strtoul(text, &end, 8);
	if (!ascii_isdigit(text[0]) || *end || v > 0777)
		return fail(w, why, "\"%s\" is no file mode; write octal digits such as 0660", text);
	*out = (int64_t)v;
	return 0;
}

/* ---- texts ---- */

/* No language has a primary subtag of 4 to 8 letters, but "german" is often tried. */
bool
conf_language_ok(struct str s)
{
	struct str rest = s, tag;
	if (s.n > 35)
		return false;
	for (int n = 0; str_split(&rest, '-', &tag); n++) {
		if (tag.n < (n == 0 ? 2u : 1u) || tag.n > (n == 0 ? 3u : 8u))
			return false;
		for (size_t i = 0; i < tag.n; i++)
			if (!ascii_isalpha(tag.p[i]) && (n == 0 || !ascii_isdigit(tag.p[i])))
				return false;
	}
	return true;
}

/* GLib reads the name as a path below the zone database: only what can be a name there gets to it. */
static bool
zone_ok(const char *text)
{
	struct str s = str_of(text);
	if (s.n == 0 || s.n > 64 || text[0] == '/' || strstr(text, ".."))
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_isalpha(text[i]) && !ascii_isdigit(text[i]) && !strchr("/_+-:", text[i]))
			return false;
	GTimeZone *tz = g_time_zone_new_identifier(text);
	if (!tz)
		return false;
	g_time_zone_unref(tz);
	return true;
}

static bool
alnum_ok(struct str s, size_t min, size_t max)
{
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_isalpha(s.p[i]) && !ascii_isdigit(s.p[i]))
			return false;
	return s.n >= min && s.n <= max;
}

/* Local part and domain, or an empty local part ("@domain") where that is allowed. NULL: no address. */
static const char *
address(struct arena *a, struct str s, bool whole_domain)
{
	size_t at = s.n;
	while (at > 0 && s.p[at - 1] != '@')
		at--;
	if (at == 0 || (at == 1 && !whole_domain) || at - 1 > 64)
		return NULL;
	for (size_t i = 0; i + 1 < at; i++)
		if ((unsigned char)s.p[i] <= ' ' || s.p[i] == 0x7f || strchr("<>(),;:\\\"[]@", s.p[i]))
			return NULL;
	const char *domain = conf_domain(a, str_sub(s, at, s.n));
	return domain ? arena_printf(a, "%.*s%s", (int)at, s.p, domain).p : NULL;
}

/* "unsub@example.com" or "mailto:unsub@example.com?subject=…" → the URI. */
static int
read_mailbox(struct conf_work *w, const char *text, const char **out, const char **why)
{
	struct str s = str_of(text), scheme = STR("mailto:");
	if (str_casestarts(s, scheme))
		s = str_sub(s, scheme.n, s.n);
	size_t q = str_find_char(s, '?');
	const char *addr = address(w->arena, str_sub(s, 0, q), false);
	bool ok = addr != NULL && s.n <= 512;
	for (size_t i = q; i < s.n; i++)
		ok = ok && s.p[i] > ' ' && s.p[i] < 0x7f && !strchr("<>\",", s.p[i]);
	if (!ok)
		return fail(w, why,
			    "\"%s\" is no mail address; write \"unsubscribe@example.com\" or "
			    "\"mailto:unsubscribe@example.com?subject=unsubscribe\"",
			    text);
	*out = arena_printf(w->arena, "mailto:%s%.*s", addr, (int)(s.n - q), s.p + q).p;
	return 0;
}

/* The local part is a dot-atom of ASCII (RFC 5322 3.2.3) of at most max octets. NULL and *why otherwise. */
static const char *
read_address(struct conf_work *w, const char *text, size_t max, const char **why)
{
	struct str s = str_of(text);
	const char *addr = address(w->arena, s, false);
	size_t at = str_find_char(s, '@');
	bool ok = addr && s.p[0] != '.' && s.p[at - 1] != '.' && !strstr(text, "..");
	for (size_t i = 0; ok && i < at; i++)
		ok = ascii_isalpha(s.p[i]) || ascii_isdigit(s.p[i]) || strchr("!#$%&'*+-/=?^_`{|}~.", s.p[i]);
	if (!ok)
		fail(w, why, "\"%s\" is no mail address; write one such as bounces@example.com", text);
	else if (max < 64 && (at > max || memchr(s.p, '+', at)))
		ok = fail(w, why,
			  "the local part of \"%s\" is longer than 7 characters or holds a +; write one such "
			  "as "
			  "bounces@example.com, which leaves room for +TOKEN",
			  text) == 0;
	else if (max < 64 && s.n > CONF_RETURN_PATH_MAX)
		ok = fail(w, why,
			  "\"%s\" is longer than 197 characters, which leaves no room for +TOKEN; use a "
			  "shorter domain",
			  text) == 0;
	return ok ? addr : NULL;
}

/* What the injector says in EHLO: a domain or an address literal (RFC 5321 4.1.3). */
static const char *
read_helo(struct conf_work *w, const char *text, const char **why)
{
	struct str s = str_of(text);
	struct conf_net net;
	const char *ignored, *name = conf_domain(w->arena, s);
	if (!name && s.n > 2 && s.p[0] == '[' && s.p[s.n - 1] == ']') {
		struct str in = str_sub(s, 1, s.n - 1), v6 = STR("IPv6:");
		in = str_casestarts(in, v6) ? str_sub(in, v6.n, in.n) : in;
		if (str_find_char(in, '/') == in.n && conf_net_parse(w->scratch, in, &net, &ignored) == 0)
			name = arena_cstr(w->arena, s);
	}
	if (!name)
		fail(w, why, "\"%s\" is no host name; write one such as mail.example.com", text);
	return name;
}

static int
read_path(struct conf_work *w, const char *text, const char **out, const char **why)
{
	if (text[0] != '/')
		return fail(w, why, "\"%s\" is no absolute path; begin it with /", text);
	if (strlen(text) > 4095)
		return fail(w, why, "the path \"%s\" is too long; at most 4095 bytes", text);
	*out = arena_cstr(w->arena, str_of(text));
	return 0;
}

/* What stays as it was written: 0 when it will do for its key. */
static int
check_string(struct conf_work *w, const struct conf_key *k, const char *text, const char **why)
{
	struct str s = str_of(text);
	struct err e = { 0 };
	bool local;
	int64_t ms;
	switch (k->type) {
	case KEY_MOMENT:
		if (clock_parse_moment(s, &ms, &local, &e) == 0)
			return 0;
		*why = arena_cstr(w->scratch, str_of(e.text));
		return -1;
	case KEY_NAME:
		return conf_name_ok(s)
			   ? 0
			   : fail(w, why, "\"%s\" is no name; use 1 to 64 letters, digits, '.', '_' and '-'",
				  text);
	case KEY_GROUP:
		return conf_name_ok(s)
			   ? 0
			   : fail(w, why, "\"%s\" is no group; write the name of a group of this machine",
				  text);
	case KEY_FEEDBACK:
		return alnum_ok(s, 5, 15)
			   ? 0
			   : fail(w, why, "\"%s\" does not do as feedback_id; use 5 to 15 letters and digits",
				  text);
	case KEY_LANGUAGE:
		return conf_language_ok(s)
			   ? 0
			   : fail(w, why, "\"%s\" is no language tag; write one such as en, de or pt-BR",
				  text);
	case KEY_ZONE:
		return zone_ok(text)
			   ? 0
			   : fail(w, why,
				  "time zone \"%s\" is not known here; write one such as Europe/Berlin",
				  text);
	case KEY_RULE:
		return s.n > 0 && s.n <= 1024 ? 0
					      : fail(w, why,
						     "the rule \"%s\" is empty or longer than 1024 bytes; "
						     "write one such as \"click >= 0.02\"",
						     text);
	default:
		return s.n > 0
			   ? 0
			   : fail(w, why, "the value \"%s\" is empty; write one, or take the line out", text);
	}
}

static int
read_string(struct conf_work *w, const struct conf_key *k, const char *text, const char **out,
	    const char **why)
{
	struct str s = str_of(text);
	switch (k->type) {
	case KEY_PATH:
		return read_path(w, text, out, why);
	case KEY_MAILBOX:
		return read_mailbox(w, text, out, why);
	case KEY_SOCKET:
		*out = conf_socket(w->arena, s, why);
		break;
	case KEY_URL:
		*out = conf_host_url(w->arena, s, why);
		break;
	case KEY_TARGET:
		*out = conf_target(w->arena, s, why);
		break;
	case KEY_HELO:
		*out = read_helo(w, text, why);
		break;
	case KEY_ADDRESS:
		*out = read_address(w, text, 64, why);
		break;
	case KEY_RETURN_PATH:
		*out = read_address(w, text, CONF_RETURN_PATH_LOCAL, why);
		break;
	default:
		if (check_string(w, k, text, why) != 0)
			return -1;
		*out = arena_cstr(w->arena, s);
	}
	return *out ? 0 : -1;
}

/* ---- list entries ---- */

static int
read_entry(struct conf_work *w, const struct conf_key *k, const char *text, const char **out,
	   const char **why)
{
	struct str s = str_of(text);
	*out = NULL;
	switch (k->type) {
	case KEY_SENDERS:
		*out = address(w->arena, s, true);
		if (!*out)
			return fail(
			    w, why,
			    "\"%s\" is no sender; write an address (news@example.com) or a whole domain "
			    "(@example.com)",
			    text);
		return 0;
	case KEY_DOMAINS:
		*out = conf_domain(w->arena, s);
		if (!*out && str_starts(s, STR("*.")))
			return fail(w, why, "\"%s\" has a wildcard; write the bare domain", text);
		if (!*out && str_starts(s, STR("@")))
			return fail(w, why, "\"%s\" has an @; write the bare domain", text);
		if (!*out && !str_is_ascii(s))
			return fail(w, why, "\"%s\" is not ASCII; write the domain in its xn-- form", text);
		if (!*out)
			return fail(w, why, "\"%s\" is no domain; write one such as example.com", text);
		return 0;
	case KEY_LISTENERS:
		for (size_t i = 0; i < s.n; i++)
			if (s.p[i] <= ' ' || s.p[i] >= 0x7f)
				return fail(w, why,
					    "\"%s\" is no listener; write what the MTA's {daemon_port} or "
					    "{daemon_name} says, such as 10587",
					    text);
		if (s.n == 0 || s.n > 255)
			return fail(w, why, "\"%s\" is no listener; write 1 to 255 characters", text);
		break;
	case KEY_COLUMNS:
		if (s.n == 0 || s.n > 1024)
			return fail(w, why,
				    "the column \"%s\" is empty or longer than 1024 bytes; write one such as "
				    "\"profile.age\"",
				    text);
		break;
	case KEY_FIELDS:
		for (size_t i = 0; i < s.n; i++)
			if ((unsigned char)s.p[i] <= ' ' || s.p[i] == 0x7f)
				s.n = 0;
		if (s.n == 0 || s.n > 255)
			return fail(w, why,
				    "\"%s\" is no field; write one such as gender or profile.address.city",
				    text);
		break;
	case KEY_CATEGORIES:
		if (strcmp(text, "transactional") == 0)
			return fail(w, why, "category \"%s\" is never capped; take it out", text);
		/* fall through */
	default:
		if (!conf_name_ok(s))
			return fail(w, why,
				    "\"%s\" is no name; use 1 to 64 letters, digits, '.', '_' and '-'", text);
	}
	*out = arena_cstr(w->arena, s);
	return 0;
}

static int
read_net(struct conf_work *w, const char *text, void *slot, const char **why)
{
	struct conf_net net, **v = slot;
	size_t *n = (size_t *)((char *)slot + sizeof(*v));
	if (conf_net_parse(w->scratch, str_of(text), &net, why) != 0)
		return -1;
	(*v)[(*n)++] = net;
	return 0;
}

static int
read_window(struct conf_work *w, const char *text, void *slot, const char **why)
{
	struct conf_window window, **v = slot;
	size_t *n = (size_t *)((char *)slot + sizeof(*v));
	if (conf_window_parse(w->scratch, str_of(text), &window, why) != 0)
		return -1;
	(*v)[(*n)++] = window;
	return 0;
}

/* Ordinary settings are one line of text; what a browser or an MTA may choke on stays out. */
static int
check_bytes(struct conf_work *w, const char *text, const char **why)
{
	struct str s = str_of(text);
	if (s.n > CONF_MAX_VALUE)
		return fail(w, why, "the value \"%s\" is longer than 8192 bytes; shorten it", text);
	if (!str_is_utf8(s))
		return fail(w, why, "the value \"%s\" is not UTF-8; correct its \\x escapes", text);
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f)
			return fail(w, why, "the value \"%s\" holds a control character; take it out", text);
	return 0;
}

int
conf_value(struct conf_work *w, const struct conf_key *k, const char *text, void *slot, const char **why)
{
	size_t index = 0;
	if (check_bytes(w, text, why) != 0)
		return -1;
	switch (k->type) {
	case KEY_BOOL:
		return read_bool(w, text, slot, why);
	case KEY_INT:
	case KEY_SIZE:
	case KEY_DURATION:
		return read_number(w, k, text, slot, why);
	case KEY_SHARE:
		return read_share(w, k, text, slot, why);
	case KEY_REAL:
		return read_real(w, k, text, slot, why);
	case KEY_MODE:
		return read_mode(w, text, slot, why);
	case KEY_CHOICE:
		if (read_choice(w, k, text, why, &index) != 0)
			return -1;
		*(unsigned *)slot = (unsigned)index; /* gcc's and clang's enums without negative values */
		return 0;
	case KEY_HOURS:
		return conf_hours_parse(w->scratch, str_of(text), slot, why);
	case KEY_NETS:
		return read_net(w, text, slot, why);
	case KEY_WINDOWS:
		return read_window(w, text, slot, why);
	default:
		break;
	}
	if (k->type < KEY_LISTS)
		return read_string(w, k, text, slot, why);
	struct conf_list *list = slot;
	const char *entry;
	if (read_entry(w, k, text, &entry, why) != 0)
		return -1;
	list->v[list->n++] = entry;
	return 0;
}
