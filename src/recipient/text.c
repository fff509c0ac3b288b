/* text: see text.h. */
#include "recipient/text.h"

#include "base/clock.h"
#include "base/json.h"
#include "token/hex.h"

void
text_set(struct arena *a, struct value *map, const char *key, struct str s)
{
	value_map_set(a, map, str_of(key), s.p ? value_string(a, arena_str(a, s)) : &VALUE_NULL_V);
}

void
text_set_int(struct arena *a, struct value *map, const char *key, int64_t i)
{
	value_map_set(a, map, str_of(key), value_int(a, i));
}

void
text_set_time(struct arena *a, struct value *map, const char *key, int64_t ms)
{
	char text[40];
	text_set(a, map, key, ms ? str_of(clock_format_rfc3339(ms, text)) : STR_NULL);
}

void
text_set_hex(struct arena *a, struct value *map, const char *key, const uint8_t *p, size_t n)
{
	struct buf hex = { 0 };
	hex_print(&hex, p, n);
	text_set(a, map, key, buf_str(&hex));
	buf_free(&hex);
}

static void
set_merge_data(struct arena *a, struct value *v, struct str text)
{
	const struct value *data = NULL;
	struct err e = { 0 };
	if (text.n > 0 && json_parse(a, text, NULL, &data, &e) != 0)
		text_set(a, v, "data", text);
	else
		value_map_set(a, v, STR("data"), data ? data : &VALUE_NULL_V);
}

/* An empty string stands for "was not given". */
static struct str
given(bool opened, struct str s)
{
	return opened && s.n > 0 ? s : STR_NULL;
}

void
text_set_job(struct arena *a, struct value *v, const struct spool_job *j, const struct job_payload *p)
{
	bool live = spool_live(j->state), has = p != NULL;
	char id[26];
	spool_id(&j->key, id);
	text_set(a, v, "id", str_of(id));
	text_set(a, v, "campaign", j->campaign);
	text_set(a, v, "state", str_of(spool_state_name(j->state)));
	text_set_time(a, v, "due", live ? j->due_ms : 0);
	text_set_time(a, v, "ended", live ? 0 : j->due_ms);
	text_set_int(a, v, "attempts", j->attempts);
	text_set(a, v, "reason", j->reason);
	text_set(a, v, "note", given(true, j->note));
	text_set_time(a, v, "accepted", j->accepted_ms);
	text_set_time(a, v, "first_due", j->first_due_ms);
	value_map_set(a, v, STR("report"), value_bool(j->report));
	text_set_hex(a, v, "recipient_hash", j->key.rk, sizeof(j->key.rk));
	text_set(a, v, "address", has ? given(true, p->address) : STR_NULL);
	text_set(a, v, "notify", has ? given(true, p->notify) : STR_NULL);
	text_set(a, v, "orcpt", has ? given(true, p->orcpt) : STR_NULL);
	set_merge_data(a, v, has ? given(true, p->data) : STR_NULL);
}
