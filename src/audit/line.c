/* line: one record as bytes. */
#include "audit/private.h"

#include <inttypes.h>
#include <openssl/sha.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"

static const char *const names[AUDIT_ACTIONS] = {
	[AUDIT_KEY_GENERATE] = "key.generate",
	[AUDIT_KEY_ROTATE] = "key.rotate",
	[AUDIT_KEY_RETIRE] = "key.retire",
	[AUDIT_KEY_SHOP] = "key.shop",
	[AUDIT_PROFILE_IMPORT] = "profile.import",
	[AUDIT_PROFILE_SET] = "profile.set",
	[AUDIT_PROFILE_CONSENT] = "profile.consent",
	[AUDIT_PROFILE_EXPORT] = "profile.export",
	[AUDIT_PROFILE_FORGET] = "profile.forget",
	[AUDIT_SUPPRESSION_ADD] = "suppression.add",
	[AUDIT_SUPPRESSION_REMOVE] = "suppression.remove",
	[AUDIT_SUPPRESSION_IMPORT] = "suppression.import",
	[AUDIT_CAMPAIGN_PAUSE] = "campaign.pause",
	[AUDIT_CAMPAIGN_RESUME] = "campaign.resume",
	[AUDIT_QUEUE_HOLD] = "queue.hold",
	[AUDIT_QUEUE_RELEASE] = "queue.release",
	[AUDIT_QUEUE_RETRY] = "queue.retry",
	[AUDIT_QUEUE_DROP] = "queue.drop",
	[AUDIT_MODEL_PROMOTE] = "model.promote",
	[AUDIT_MODEL_ROLLBACK] = "model.rollback",
	[AUDIT_EVENTS_IMPORT] = "events.import",
	[AUDIT_CATALOG_IMPORT] = "catalog.import",
	[AUDIT_CATALOG_TRAIN] = "catalog.train",
	[AUDIT_PRIVACY_UNSUBSCRIBE] = "privacy.unsubscribe",
	[AUDIT_PRIVACY_PREFERENCES] = "privacy.preferences",
	[AUDIT_PRIVACY_EXPORT] = "privacy.export",
	[AUDIT_PRIVACY_ERASE] = "privacy.erase",
	[AUDIT_PRIVACY_COMPLAINT] = "privacy.complaint",
	[AUDIT_DAEMON_START] = "daemon.start",
	[AUDIT_DAEMON_RELOAD] = "daemon.reload",
};

const char *
audit_action_name(enum audit_action a)
{
	return (unsigned)a < AUDIT_ACTIONS ? names[a] : "unknown";
}

int
audit_action_parse(struct str name)
{
	for (int i = 0; i < AUDIT_ACTIONS; i++)
		if (str_eq(name, str_of(names[i])))
			return i;
	return -1;
}

/* ---- writing ---- */

static void
hash_hex(struct str bytes, char out[AUDIT_HASH_HEX + 1])
{
	static const char digits[] = "0123456789abcdef";
	uint8_t md[SHA256_DIGEST_LENGTH];
	SHA256((const uint8_t *)bytes.p, bytes.n, md);
	for (size_t i = 0; i < sizeof md; i++) {
		out[2 * i] = digits[md[i] >> 4];
		out[2 * i + 1] = digits[md[i] & 15];
	}
	out[AUDIT_HASH_HEX] = '\0';
}

static void
add_text(struct buf *b, const char *name, struct str s, size_t max, bool null_when_empty)
{
	buf_printf(b, ",\"%s\":", name);
	if (s.n == 0 && null_when_empty)
		buf_adds(b, STR("null"));
	else
		json_print_string(b, str_cut(s, max));
}

void
audit_line_add(struct buf *b, const struct audit_entry *en, struct audit_head *h)
{
	char at[40];
	size_t start = b->n;
	h->seq++;
	buf_printf(b, "{\"seq\":%" PRIu64 ",\"prev\":\"%s\",\"at\":\"%s\"", h->seq, h->hash,
		   clock_format_rfc3339(en->at_ms, at));
	add_text(b, "actor", en->actor, AUDIT_MAX_ACTOR, false);
	buf_printf(b, ",\"action\":\"%s\",\"subject\":", audit_action_name(en->action));
	if (en->subject) {
		buf_addc(b, '"');
		for (int i = 0; i < 16; i++)
			buf_printf(b, "%02x", en->subject[i]);
		buf_addc(b, '"');
	} else {
		buf_adds(b, STR("null"));
	}
	add_text(b, "campaign", en->campaign, AUDIT_MAX_ACTOR, true);
	add_text(b, "details", en->details, AUDIT_MAX_DETAILS, false);
	hash_hex(str_sub(buf_str(b), start, b->n), h->hash);
	buf_printf(b, ",\"hash\":\"%s\"}\n", h->hash);
}

/* ---- checking ---- */

static const struct str SEQ = STR("{\"seq\":"), PREV = STR(",\"prev\":\""), AFTER_PREV = STR("\",\""),
			HASH = STR(",\"hash\":\""), END = STR("\"}");

static bool
take(struct str *s, struct str word)
{
	bool here = str_starts(*s, word);
	if (here)
		*s = str_sub(*s, word.n, s->n);
	return here;
}

/* Digits without a leading zero. */
static bool
take_number(struct str *s, uint64_t *n)
{
	size_t i = 0;
	*n = 0;
	while (i < s->n && i < 19 && ascii_isdigit(s->p[i]))
		*n = *n * 10 + (uint64_t)(s->p[i++] - '0');
	bool ok = i > 0 && s->p[0] != '0';
	*s = str_sub(*s, i, s->n);
	return ok;
}

static bool
is_hash(struct str s)
{
	bool ok = s.n == AUDIT_HASH_HEX;
	for (size_t i = 0; ok && i < s.n; i++)
		ok = ascii_isdigit(s.p[i]) || (s.p[i] >= 'a' && s.p[i] <= 'f');
	return ok;
}

bool
audit_line_read(struct str line, struct audit_line *l)
{
	const size_t tail = HASH.n + AUDIT_HASH_HEX + END.n;
	struct str s = line;
	if (line.n > AUDIT_MAX_LINE || line.n < tail || !take(&s, SEQ) || !take_number(&s, &l->seq) ||
	    !take(&s, PREV) || s.n < AUDIT_HASH_HEX + AFTER_PREV.n + tail)
		return false;
	l->prev = str_sub(s, 0, AUDIT_HASH_HEX);
	s = str_sub(s, AUDIT_HASH_HEX, s.n);
	if (!is_hash(l->prev) || !str_starts(s, AFTER_PREV))
		return false;
	l->body = str_sub(line, 0, line.n - tail);
	s = str_sub(line, line.n - tail, line.n);
	if (!take(&s, HASH))
		return false;
	l->hash = str_sub(s, 0, AUDIT_HASH_HEX);
	return is_hash(l->hash) && str_eq(str_sub(s, AUDIT_HASH_HEX, s.n), END);
}

bool
audit_line_sound(const struct audit_line *l)
{
	char hash[AUDIT_HASH_HEX + 1];
	hash_hex(l->body, hash);
	return memcmp(hash, l->hash.p, AUDIT_HASH_HEX) == 0;
}

void
audit_head_begin(struct audit_head *h)
{
	h->seq = 0;
	memset(h->hash, '0', AUDIT_HASH_HEX);
	h->hash[AUDIT_HASH_HEX] = '\0';
}

void
audit_head_move(struct audit_head *h, const struct audit_line *l)
{
	h->seq = l->seq;
	memcpy(h->hash, l->hash.p, AUDIT_HASH_HEX);
	h->hash[AUDIT_HASH_HEX] = '\0';
}

const char *
audit_line_check(struct str line, struct audit_head *before)
{
	struct audit_line l;
	if (!audit_line_read(line, &l))
		return "is no record";
	if (!audit_line_sound(&l))
		return "was altered: its hash is another";
	if (l.seq != before->seq + 1)
		return l.seq <= before->seq ? "stands there twice, or was moved"
					    : "does not follow the one before: records are missing";
	if (memcmp(l.prev.p, before->hash, AUDIT_HASH_HEX) != 0)
		return "does not follow the one before: that one was put there, or altered with its hash";
	audit_head_move(before, &l);
	return NULL;
}

int
audit_head_parse(struct str s, struct audit_head *h)
{
	if (!take_number(&s, &h->seq) || !take(&s, STR(":")) || !is_hash(s))
		return -1;
	memcpy(h->hash, s.p, AUDIT_HASH_HEX);
	h->hash[AUDIT_HASH_HEX] = '\0';
	return 0;
}
