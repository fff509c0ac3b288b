/* logline: see logline.h. */
#include "feedback/logline.h"

#include "store/event.h"

#define QUEUE_ID_MIN 5
#define KEYS_MAX 24

/* ---- who says it ---- */

static bool
word_take(struct str *rest, struct str *word)
{
	size_t n = str_find_char(*rest, ' ');
	if (n == 0 || n == rest->n)
		return false;
	*word = str_sub(*rest, 0, n);
	*rest = str_sub(*rest, n + 1, rest->n);
	return true;
}

/* "<22>", and "1 " behind it where RFC 5424 is meant. */
static bool
priority_skip(struct str *rest)
{
	size_t n = 1;
	if (rest->n == 0 || rest->p[0] != '<')
		return false;
	while (n < rest->n && n < 5 && ascii_isdigit(rest->p[n]))
		n++;
	if (n == 1 || n == rest->n || rest->p[n] != '>')
		return false;
	*rest = str_sub(*rest, n + 1, rest->n);
	if (!str_starts(*rest, STR("1 ")))
		return false;
	*rest = str_sub(*rest, 2, rest->n);
	return true;
}

static bool
is_facility(struct str word)
{
	size_t dot = str_find_char(word, '.');
	for (size_t i = 0; i < word.n; i++)
		if (i != dot && !ascii_isalpha(word.p[i]) && !(i < dot && ascii_isdigit(word.p[i])))
			return false;
	return dot > 0 && dot + 1 < word.n;
}

/* NAME/…/AGENT */
static bool
agent_of(struct str name, struct str *agent)
{
	size_t slash = name.n;
	for (size_t i = 0; i < name.n; i++) {
		if (name.p[i] == '/')
			slash = i;
		if ((unsigned char)name.p[i] <= ' ' || name.p[i] == ':')
			return false;
	}
	if (slash == 0 || slash == name.n)
		return false;
	*agent = str_sub(name, slash + 1, name.n);
	return agent->n > 0;
}

/* "NAME/…/AGENT[123]:" */
static bool
tag_read(struct str tag, struct str *agent)
{
	if (tag.n < 2 || tag.p[tag.n - 1] != ':')
		return false;
	tag.n--;
	if (tag.p[tag.n - 1] == ']') {
		size_t n = tag.n - 1;
		while (n > 0 && ascii_isdigit(tag.p[n - 1]))
			n--;
		if (n == 0 || n == tag.n - 1 || tag.p[n - 1] != '[')
			return false;
		tag.n = n - 1;
	}
	return agent_of(tag, agent);
}

/* RFC 3164, and what daemons make of it: host and facility may lack. */
static bool
sender_read(struct str *rest, struct str *agent)
{
	struct str word;
	for (int i = 0; i < 3; i++) {
		if (!word_take(rest, &word))
			return false;
		if (word.p[word.n - 1] == ':') {
			if (!tag_read(word, agent))
				return false;
			break;
		}
		/* the first word may be a host, the second not */
		if (i == 2 || (i == 1 && !is_facility(word)))
			return false;
	}
	if (str_starts(*rest, STR("[ID "))) {
		size_t n = str_find(*rest, STR("] "));
		if (n == rest->n)
			return false;
		*rest = str_sub(*rest, n + 2, rest->n);
	}
	return true;
}

/* RFC 5424: HOST APP PID MSGID STRUCTURED MESSAGE. */
static bool
sender_read_5424(struct str *rest, struct str *agent)
{
	struct str host, name, pid, id;
	if (!word_take(rest, &host) || !word_take(rest, &name) || !word_take(rest, &pid) ||
	    !word_take(rest, &id) || !agent_of(name, agent))
		return false;
	if (str_starts(*rest, STR("- "))) {
		*rest = str_sub(*rest, 2, rest->n);
	} else { /* elements in brackets; a quoted value may hold an escaped one */
		size_t i = 0;
		bool quoted = false;
		if (rest->n == 0 || rest->p[0] != '[')
			return false;
		for (; i < rest->n; i++) {
			char c = rest->p[i];
			if (c == '\\')
				i++;
			else if (c == '"')
				quoted = !quoted;
			else if (c == ' ' && !quoted && rest->p[i - 1] == ']')
				break;
		}
		*rest = str_sub(*rest, i < rest->n ? i + 1 : rest->n, rest->n);
	}
	if (str_starts(*rest, STR("\xef\xbb\xbf")))
		*rest = str_sub(*rest, 3, rest->n);
	return true;
}

/* ---- what it says ---- */

static bool
queue_id_take(struct str *rest, struct str *id)
{
	size_t n = 0;
	while (n < rest->n && (ascii_isalpha(rest->p[n]) || ascii_isdigit(rest->p[n])))
		n++;
	if (n < QUEUE_ID_MIN || n > EVENT_MAX_QUEUE_ID || !str_starts(str_sub(*rest, n, rest->n), STR(": ")))
		return false;
	*id = str_sub(*rest, 0, n);
	*rest = str_sub(*rest, n + 2, rest->n);
	return true;
}

/* "<…>" with what is quoted in it left alone. */
static bool
address_take(struct str *rest, struct str *address)
{
	bool quoted = false;
	size_t i = 1;
	if (rest->n == 0 || rest->p[0] != '<')
		return false;
	for (; i < rest->n; i++) {
		char c = rest->p[i];
		if (quoted && c == '\\')
			i++;
		else if (c == '"')
			quoted = !quoted;
		else if (c == '>' && !quoted)
			break;
	}
	if (i >= rest->n)
		return false;
	*address = str_sub(*rest, 1, i);
	*rest = str_sub(*rest, i + 1, rest->n);
	return true;
}

static bool
key_take(struct str *rest, struct str *key)
{
	size_t n = 0;
	while (n < rest->n && (ascii_isalpha(rest->p[n]) || rest->p[n] == '_'))
		n++;
	if (n == 0 || n == rest->n || rest->p[n] != '=')
		return false;
	*key = str_sub(*rest, 0, n);
	*rest = str_sub(*rest, n + 1, rest->n);
	return true;
}

static bool
separator_take(struct str *rest)
{
	if (!str_starts(*rest, STR(", ")))
		return false;
	*rest = str_sub(*rest, 2, rest->n);
	return true;
}

/* "sent (TEXT)"; a syslog daemon may have cut it. */
static bool
status_read(struct str rest, struct logline *out)
{
	struct str word = str_sub(rest, 0, str_find(rest, STR(" (")));
	if (str_eq(word, STR("sent")))
		out->kind = LOGLINE_SENT;
	else if (str_eq(word, STR("bounced")))
		out->kind = LOGLINE_BOUNCED;
	else if (str_eq(word, STR("deferred")) || str_eq(word, STR("SOFTBOUNCE")))
		out->kind = LOGLINE_DEFERRED;
	else /* deliverable, undeliverable: a probe; and what is yet to come */
		return false;
	if (word.n == rest.n)
		return false;
	out->text = str_sub(rest, word.n + 2, rest.n);
	if (out->text.n > 0 && out->text.p[out->text.n - 1] == ')')
		out->text.n--;
	return true;
}

/* Behind "to=": the address, then keys, "status" the last of them. */
static bool
delivery_read(struct str rest, struct logline *out)
{
	struct str key;
	if (!address_take(&rest, &out->to) || out->to.n == 0)
		return false;
	for (int i = 0; i < KEYS_MAX; i++) {
		if (!separator_take(&rest) || !key_take(&rest, &key))
			return false;
		if (str_eq(key, STR("status")))
			return status_read(rest, out);
		if (str_eq(key, STR("to")))
			return false;
		if (str_eq(key, STR("orig_to"))) {
			if (out->orig_to.p || !address_take(&rest, &out->orig_to))
				return false;
			continue;
		}
		struct str value = str_sub(rest, 0, str_find(rest, STR(", ")));
		if (str_eq(key, STR("relay")))
			out->relay = value;
		else if (str_eq(key, STR("dsn")))
			out->dsn = value;
		rest = str_sub(rest, value.n, rest.n);
	}
	return false;
}

static bool
expiry_read(struct str rest, struct logline *out)
{
	out->kind = LOGLINE_EXPIRED;
	return address_take(&rest, &out->from) &&
	       (str_eq(rest, STR(", status=expired, returned to sender")) ||
		str_eq(rest, STR(", status=force-expired, returned to sender")));
}

static bool
is_delivery_agent(struct str agent)
{
	static const char *const names[] = { "smtp", "lmtp", "local", "virtual", "pipe", "error" };
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (str_eq(agent, str_of(names[i])))
			return true;
	return false;
}

bool
logline_parse(struct str line, struct logline *out)
{
	struct str key;
	*out = (struct logline){ 0 };
	if (line.n > LOGLINE_MAX)
		return false;
	if (line.n > 0 && line.p[line.n - 1] == '\r')
		line.n--;
	bool rfc5424 = priority_skip(&line);
	if (!logtime_read(&line, &out->at) ||
	    !(rfc5424 ? sender_read_5424(&line, &out->agent) : sender_read(&line, &out->agent)) ||
	    !queue_id_take(&line, &out->queue_id) || !key_take(&line, &key))
		return false;
	if (str_eq(out->agent, STR("qmgr")))
		return str_eq(key, STR("from")) && expiry_read(line, out);
	return is_delivery_agent(out->agent) && str_eq(key, STR("to")) && delivery_read(line, out);
}

bool
logline_relay_is(struct str relay, struct str host)
{
	size_t open = str_find_char(relay, '[');
	struct str inside = str_sub(relay, open + 1, relay.n);
	size_t close = str_find_char(inside, ']');
	if (host.n == 0)
		return false;
	return str_caseeq(str_sub(relay, 0, open), host) ||
	       (close < inside.n && str_caseeq(str_sub(inside, 0, close), host));
}
