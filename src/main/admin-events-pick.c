/* admin-events-pick: which events a sub-verb is about. */
#include <string.h>

#include "base/clock.h"
#include "main/admin-events.h"
#include "token/hex.h"

int
events_time(const char *text, int64_t now_ms, int64_t *ms)
{
	struct str s = str_of(text);
	char day[64];
	bool local;
	int64_t ago;
	if (clock_parse_duration(s, &ago, NULL) == 0) {
		*ms = now_ms - ago;
		return 0;
	}
	if (s.n == 10 && snprintf(day, sizeof(day), "%sT00:00:00Z", text) > 0)
		s = str_of(day);
	return clock_parse_moment(s, ms, &local, NULL);
}

static int
type_add(struct events_pick *p, const char *arg)
{
	const char *names[EVENT_TYPES];
	int type = event_type_find(str_of(arg));
	if (type >= 0) {
		p->filter.types |= EVENT_BIT(type);
		return EX_OK;
	}
	for (int i = 1; i < EVENT_TYPES; i++)
		names[i - 1] = event_type_name((enum event_type)i);
	const char *near = admin_nearest(arg, names, EVENT_TYPES - 1);
	return near ? admin_misuse("--type %s: there is no such type of event; did you mean %s?", arg, near)
		    : admin_misuse("--type %s: there is no such type of event", arg);
}

int
events_pick_option(struct events_pick *p, int c, const char *arg)
{
	int64_t now = clock_now_ms();
	switch (c) {
	case 'S':
		return events_time(arg, now, &p->filter.since_ms) == 0
			   ? EX_OK
			   : admin_misuse("--since %s: a time like 2026-03-29T12:00:00Z, or 7d", arg);
	case 'U':
		return events_time(arg, now, &p->filter.until_ms) == 0
			   ? EX_OK
			   : admin_misuse("--until %s: a time like 2026-03-29T12:00:00Z, or 7d", arg);
	case 'C':
		p->filter.campaign = str_of(arg);
		return EX_OK;
	case 'T':
		return type_add(p, arg);
	case 'R':
		p->recipient = arg;
		return EX_OK;
	default:
		return -1;
	}
}

int
events_pick_ready(struct events_pick *p, const struct conf *conf)
{
	struct recipient_key key;
	struct err e = { 0 };
	struct str normal;
	int code = EX_OK;
	if (!p->recipient)
		return EX_OK;
	p->filter.rk = p->rk;
	if (hex_parse(str_of(p->recipient), p->rk, sizeof(p->rk)) == 0)
		return EX_OK;
	struct keyring *keys = admin_keys(conf, &code);
	if (!keys)
		return code;
	struct arena *a = arena_new(1024);
	if (address_normalize(a, str_of(p->recipient), &normal, &e) == 0) {
		recipient_key_of(keys, normal, &key);
		memcpy(p->rk, key.b, sizeof(p->rk));
	} else {
		code = admin_fail(&e);
	}
	arena_free(&a);
	keyring_free(&keys);
	return code;
}

int
events_pick_check(const struct events_pick *p, const struct conf *conf, struct store *s)
{
	/* It is text of the command line. "": those without a campaign. */
	return p->filter.campaign.n > 0 ? admin_campaign_known(conf, s, p->filter.campaign.p) : EX_OK;
}
