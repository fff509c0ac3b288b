/* snapshot: how a recipient's records become the plain values that tailor reads. */
#include <stdlib.h>
#include <sys/random.h>

#include "base/json.h"
#include "recipient/recipient-private.h"
#include "score/score.h"

#define MAX_LANGUAGE 35 /* RFC 5646, 4.4.1 */
#define MAX_TIME_ZONE 64

void
recipient_cap_id(const struct keyring *keys, const struct conf_cap *cap, const struct recipient_key *rk,
		 const struct recipient_key *dk, uint8_t id[16])
{
	const struct recipient_key *scope = cap->scope == CONF_SCOPE_DOMAIN ? dk : rk;
	const struct str parts[2] = { str_of(cap->name), { (const char *)scope->b, sizeof scope->b } };
	uint8_t keyed[16];
	keyed_id(keys, "cap", parts, 2, keyed);
	/* The scope key in front keeps a recipient's caps and decisions neighbours on disk. */
	memcpy(id, scope->b, 8);
	memcpy(id + 8, keyed, 8);
}

/* The domain behind the last @: a quoted local part may hold another. */
struct str
recipient_domain(struct str address)
{
	size_t at = address.n;
	while (at > 0 && address.p[at - 1] != '@')
		at--;
	return str_sub(address, at, address.n);
}

static int
idem_make(const struct recipient_source *src, struct str message_id, const struct recipient_snapshot *r,
	  uint8_t idem[16], struct err *e)
{
	const struct str parts[3] = { str_of(src->campaign->name), message_id, r->address };
	if (message_id.n > 0) {
		keyed_id(src->keys, "copy", parts, 3, idem);
		return 0;
	}
	if (getrandom(idem, 16, 0) != 16)
		return err_set(e, ERR_TEMP, "no random numbers from the kernel");
	return 0;
}

static void
cap_add(const struct recipient_source *src, struct recipient_snapshot *r, const struct conf_cap *cap)
{
	struct snapshot_cap *sc = &r->caps[r->ncaps++];
	sc->cap = cap;
	recipient_cap_id(src->keys, cap, &r->key, &r->domain_key, sc->id);
}

/* Those of the configuration, and for now all that he may have wished. */
static void
snapshot_caps(const struct recipient_source *src, struct arena *a, struct recipient_snapshot *r)
{
	const struct conf *c = src->conf;
	r->caps = ARENA_ARRAY(a, struct snapshot_cap, c->ncaps + RECIPIENT_WISHES);
	for (size_t i = 0; i < c->ncaps; i++) {
		const struct conf_cap *cap = &c->caps[i];
		if (cap->limit <= 0 || !conf_cap_covers(cap, src->campaign->category))
			continue;
		cap_add(src, r, cap);
	}
	for (size_t i = 0; i < RECIPIENT_WISHES; i++)
		if (conf_cap_covers(recipient_wish_cap(i), src->campaign->category))
			cap_add(src, r, recipient_wish_cap(i));
}

void
snapshot_wish(struct recipient_snapshot *r, const struct conf_cap *wish)
{
	size_t kept = 0;
	for (size_t i = 0; i < r->ncaps; i++) {
		bool is_wish = false;
		for (size_t k = 0; k < RECIPIENT_WISHES; k++)
			is_wish = is_wish || r->caps[i].cap == recipient_wish_cap(k);
		if (!is_wish || r->caps[i].cap == wish)
			r->caps[kept++] = r->caps[i];
	}
	r->ncaps = kept;
}

int
snapshot_begin(const struct recipient_source *src, struct str address, struct str message_id, struct arena *a,
	       struct recipient_snapshot **out, struct err *e)
{
	struct recipient_snapshot *r = ARENA_NEW(a, struct recipient_snapshot);
	if (address_normalize(a, address, &r->address, e) != 0)
		return -1;
	r->domain = recipient_domain(r->address);
	recipient_key_of(src->keys, r->address, &r->key);
	domain_key_of(src->keys, r->domain, &r->domain_key);
	if (idem_make(src, message_id, r, r->idem, e) != 0)
		return -1;
	snapshot_caps(src, a, r);
	r->profile = value_map_new(a);
	*out = r;
	return 0;
}

#define LANGUAGE_EXTRA "-_"
#define TIME_ZONE_EXTRA "_+-/"

/* The profile's word under key when it is made of letters, digits and extra, else fallback. */
static const char *
profile_word(struct arena *a, const struct value *profile, struct str key, size_t max, const char *extra,
	     const char *fallback)
{
	const struct value *v = value_map_get(profile, key);
	if (!v || v->type != VALUE_STRING || v->s.n == 0 || v->s.n > max)
		return fallback;
	for (size_t i = 0; i < v->s.n; i++) {
		char c = v->s.p[i];
		if (!ascii_isalpha(c) && !ascii_isdigit(c) && (c == '\0' || !strchr(extra, c)))
			return fallback;
	}
	return arena_cstr(a, v->s);
}

void
snapshot_locale(const struct recipient_source *src, struct arena *a, struct recipient_snapshot *r)
{
	const struct conf_campaign *k = src->campaign;
	r->language = profile_word(a, r->profile, STR("language"), MAX_LANGUAGE, LANGUAGE_EXTRA,
				   k->language ? k->language : "en");
	r->time_zone = profile_word(a, r->profile, STR("time_zone"), MAX_TIME_ZONE, TIME_ZONE_EXTRA,
				    k->time_zone ? k->time_zone : "UTC");
}

static bool
language_known(struct arena *a, const char *word)
{
	char *tag = arena_cstr(a, str_of(word));
	for (char *p = tag; *p; p++)
		*p = *p == '_' ? '-' : *p; /* as POSIX locales are written */
	return conf_language_ok(str_of(tag));
}

/* True when there is nothing to check, or it is a word; *word is then NULL, or it. */
static bool
word_to_check(struct arena *a, const struct value *profile, struct str key, size_t max, const char *extra,
	      const char **word)
{
	const struct value *v = value_map_get(profile, key);
	*word = NULL;
	if (!v || v->type == VALUE_NULL || (v->type == VALUE_STRING && v->s.n == 0))
		return true;
	return (*word = profile_word(a, profile, key, max, extra, NULL)) != NULL;
}

static int
locale_wrong(const struct value *profile, const char *key, const char *what, struct err *e)
{
	struct buf b = { 0 };
	json_print(&b, value_map_get(profile, str_of(key)));
	err_set(e, ERR_INPUT, "%s: %.*s %s", key, STR_ARG(str_cut(buf_str(&b), 80)), what);
	buf_free(&b);
	return -1;
}

int
recipient_locale_check(const struct value *profile, struct err *e)
{
	struct arena *a = arena_new(256);
	struct score_time t;
	const char *word;
	int rc = 0;
	if (!word_to_check(a, profile, STR("language"), MAX_LANGUAGE, LANGUAGE_EXTRA, &word) ||
	    (word && !language_known(a, word)))
		rc = locale_wrong(profile, "language",
				  "is no language tag; write one such as en, de or pt-BR", e);
	else if (!word_to_check(a, profile, STR("time_zone"), MAX_TIME_ZONE, TIME_ZONE_EXTRA, &word) ||
		 (word && !score_local_time(0, word, &t)))
		rc = locale_wrong(profile, "time_zone",
				  "is not known here as a time zone; write one such as Europe/Berlin", e);
	arena_free(&a);
	return rc;
}

void
snapshot_arm(const struct recipient_source *src, struct recipient_snapshot *r, struct str sealed,
	     struct arena *a)
{
	struct str text = decision_open(src, r, a, sealed);
	const struct value *v = NULL;
	struct err e = { 0 };
	if (text.n == 0 || json_parse(a, text, NULL, &v, &e) != 0)
		return;
	const struct value *arm = value_map_get(v, STR("arm")), *p = value_map_get(v, STR("propensity"));
	bool ok = false;
	double propensity = p ? value_number(p, &ok) : 0;
	if (arm == NULL || arm->type != VALUE_STRING || !ok || !(propensity > 0 && propensity <= 1))
		return;
	r->arm = arm->s;
	r->propensity = propensity;
}

int
consent_state_parse(struct str word, enum consent_state *state)
{
	static const char *const names[] = { "unknown", "granted", "denied" };
	for (size_t i = 0; i < 3; i++)
		if (str_eq(word, str_of(names[i]))) {
			*state = (enum consent_state)i;
			return 0;
		}
	return -1;
}

bool
consent_topic_valid(struct str topic)
{
	if (str_eq(topic, STR("tracking")) || str_eq(topic, STR("mail")) || recipient_wish_find(topic) >= 0)
		return true;
	if (!str_starts(topic, STR("mail:")) || topic.n == 5 || topic.n > 69)
		return false;
	for (size_t i = 5; i < topic.n; i++) {
		char c = topic.p[i];
		if (!ascii_isalpha(c) && !ascii_isdigit(c) && c != '.' && c != '_' && c != '-')
			return false;
	}
	return true;
}

void
snapshot_consent(const struct recipient_source *src, struct recipient_snapshot *r, struct str topic,
		 enum consent_state state)
{
	const char *category = src->campaign->category;
	if (str_eq(topic, STR("tracking"))) {
		r->tracking = state == CONSENT_GRANTED	? TRACKING_GRANTED
			      : state == CONSENT_DENIED ? TRACKING_DENIED
							: TRACKING_UNKNOWN;
		return;
	}
	bool all = str_eq(topic, STR("mail")) && strcmp(category, "transactional") != 0;
	bool own = str_starts(topic, STR("mail:")) && str_eq(str_sub(topic, 5, topic.n), str_of(category));
	if (!all && !own)
		return;
	r->mail_denied |= state == CONSENT_DENIED;
	r->mail_granted |= state == CONSENT_GRANTED;
}
