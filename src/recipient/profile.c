/* profile: profile records, sealed JSON in the store. */
#include "base/json.h"
#include "recipient/recipient-private.h"

/* As deep as json_parse allows by default: what is written can be read back. */
#define MAX_DEPTH 32

static int
text_check(struct str s, struct err *e)
{
	if (s.n > 0 && memchr(s.p, '\0', s.n))
		return err_set(e, ERR_INPUT, "profile: a text holds a NUL byte");
	if (!str_is_utf8(s))
		return err_set(e, ERR_INPUT, "profile: a text is not UTF-8");
	return 0;
}

static int
value_check(const struct value *v, int depth, struct err *e)
{
	if (depth > MAX_DEPTH)
		return err_set(e, ERR_LIMIT, "profile: nested deeper than %d levels", MAX_DEPTH);
	if (v->type == VALUE_STRING)
		return text_check(v->s, e);
	if (v->type == VALUE_LIST)
		for (size_t i = 0; i < v->list.n; i++)
			if (value_check(v->list.items[i], depth + 1, e) != 0)
				return -1;
	if (v->type == VALUE_MAP)
		for (size_t i = 0; i < value_map_count(v); i++) {
			struct str key;
			const struct value *item;
			value_map_entry(v, i, &key, &item);
			if (text_check(key, e) != 0 || value_check(item, depth + 1, e) != 0)
				return -1;
		}
	return 0;
}

static int
key_of(const struct recipient_source *src, struct str address, struct arena *a, struct recipient_key *rk,
       struct err *e)
{
	struct str normal;
	if (address_normalize(a, address, &normal, e) != 0)
		return -1;
	recipient_key_of(src->keys, normal, rk);
	return 0;
}

int
recipient_profile_put_of(const struct recipient_source *src, const struct recipient_key *rk,
			 const struct value *profile, struct err *e)
{
	struct buf json = { 0 }, sealed = { 0 };
	int rc = -1;
	if (profile->type != VALUE_MAP)
		return err_set(e, ERR_INPUT, "profile: not a JSON object");
	if (value_check(profile, 1, e) != 0)
		return -1;
	json_print(&json, profile);
	if (json.n > RECIPIENT_MAX_PROFILE)
		err_set(e, ERR_LIMIT, "profile: %zu bytes of JSON, more than the %zu allowed", json.n,
			RECIPIENT_MAX_PROFILE);
	else if (sealer_seal_data(src->sealer, PROFILE_PURPOSE, rk, buf_str(&json), &sealed) != 0)
		err_set(e, ERR_BUG, "profile: cannot be sealed");
	else
		rc = store_profile_put(src->store, rk->b, buf_str(&sealed), e);
	buf_free(&json);
	buf_free(&sealed);
	return rc;
}

int
recipient_profile_put(const struct recipient_source *src, struct str address, const struct value *profile,
		      struct err *e)
{
	struct arena *a = arena_new(1024);
	struct recipient_key rk;
	int rc = key_of(src, address, a, &rk, e);
	if (rc == 0)
		rc = recipient_profile_put_of(src, &rk, profile, e);
	arena_free(&a);
	return rc;
}

int
profile_open(const struct recipient_source *src, const struct recipient_key *rk, struct str sealed,
	     struct arena *a, const struct value **out, struct err *e)
{
	struct buf plain = { 0 };
	struct err why = { 0 };
	int rc = -1;
	if (sealer_open_data(src->sealer, PROFILE_PURPOSE, rk, sealed, &plain, e) != 0)
		goto out;
	if (json_parse(a, buf_str(&plain), NULL, out, &why) != 0)
		err_set(e, ERR_CORRUPT, "profile: %s", why.text);
	else if ((*out)->type != VALUE_MAP)
		err_set(e, ERR_CORRUPT, "profile: not a JSON object");
	else
		rc = 0;
out:
	buf_free(&plain);
	return rc;
}

int
recipient_profile_of(const struct recipient_source *src, const struct recipient_key *rk, struct arena *a,
		     const struct value **profile, struct err *e)
{
	struct str sealed;
	*profile = value_map_new(a);
	int found = store_profile_get(src->store, rk->b, a, &sealed, e);
	if (found == 1 && profile_open(src, rk, sealed, a, profile, e) != 0)
		return -1;
	return found;
}

int
recipient_profile_get(const struct recipient_source *src, struct str address, struct arena *a,
		      const struct value **profile, struct err *e)
{
	struct recipient_key rk;
	*profile = value_map_new(a);
	return key_of(src, address, a, &rk, e) == 0 ? recipient_profile_of(src, &rk, a, profile, e) : -1;
}
