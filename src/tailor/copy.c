/*
 * copy: one copy being made: its merge data in layers, its own URLs, what
 * tracking this recipient allows.
 *
 * Precedence, highest first: what mailtailor itself says (unsubscribe_url …),
 * the values of its arm, plugins, this recipient's data of this message, the message's own data, the
 * profile, the campaign's defaults.
 */
#include "tailor/private.h"

/* A Date further from now than this is not believed (a queue lifetime is 5 days). */
#define DATE_TRUST_MS (7 * 86400000LL)

static bool
tracking_allowed(const struct copy *c)
{
	switch (c->in->recipient->tracking) {
	case TRACKING_GRANTED:
		return true;
	case TRACKING_DENIED:
		return false;
	case TRACKING_UNKNOWN:
		break;
	}
	return c->m->campaign->tracking_unknown == CONF_CONSENT_ALLOW;
}

int
copy_token_url(struct copy *c, enum token_purpose purpose, uint16_t link, struct str url, struct buf *out,
	       struct err *e)
{
	const struct conf_campaign *k = c->m->campaign;
	struct token t = {
		.purpose = purpose,
		.recipient = c->in->recipient->key,
		.sent = c->sent,
		.campaign = str_of(k->name),
		.category = purpose == TOKEN_UNSUBSCRIBE || purpose == TOKEN_PREFERENCES ? str_of(k->category)
											 : STR(""),
		.arm = c->in->arm.arm ? str_of(c->in->arm.arm->name) : STR(""),
		.link = link,
		.url = url,
	};
	if (purpose == TOKEN_CLICK)
		t.expires = c->sent + (uint32_t)(k->link_lifetime_ms / 1000);
	memcpy(t.copy, c->in->recipient->idem, sizeof(t.copy));
	buf_adds(out, str_of(c->m->track_host));
	buf_addc(out, '/');
	buf_addc(out, (char)purpose);
	buf_addc(out, '/');
	return token_seal(c->in->sealer, &t, out, e);
}

static int
own_url(struct copy *c, enum token_purpose purpose, struct str *out, struct err *e)
{
	struct buf *b = &c->scratch->token;
	buf_reset(b);
	if (copy_token_url(c, purpose, 0, STR_NULL, b, e) != 0)
		return -1;
	*out = arena_str(c->arena, buf_str(b));
	return 0;
}

static const struct value *
scores_value(struct copy *c)
{
	struct value *v = value_map_new(c->arena);
	for (size_t i = 0; i < c->in->nscores; i++)
		value_map_set(c->arena, v, c->in->scores[i].name,
			      value_real(c->arena, c->in->scores[i].value));
	return v;
}

static const struct value *
arm_value(struct copy *c, const struct conf_arm *arm)
{
	struct value *v = value_map_new(c->arena);
	const struct value *one;
	struct str key;
	value_map_set(c->arena, v, STR("name"), value_string(c->arena, str_of(arm->name)));
	for (size_t i = 0; i < value_map_count(arm->values); i++) {
		value_map_entry(arm->values, i, &key, &one);
		value_map_set(c->arena, v, key, one);
	}
	return v;
}

static const struct value *
own_layer(struct copy *c)
{
	struct arena *a = c->arena;
	const struct recipient_snapshot *r = c->in->recipient;
	struct value *own = value_map_new(a), *rcpt = value_map_new(a), *camp = value_map_new(a);
	value_map_set(a, rcpt, STR("email"), value_string(a, r->address));
	value_map_set(a, rcpt, STR("domain"), value_string(a, r->domain));
	value_map_set(a, rcpt, STR("language"), value_string(a, str_of(r->language)));
	value_map_set(a, camp, STR("name"), value_string(a, str_of(c->m->campaign->name)));
	value_map_set(a, camp, STR("category"), value_string(a, str_of(c->m->campaign->category)));
	value_map_set(a, own, STR("recipient"), rcpt);
	value_map_set(a, own, STR("campaign"), camp);
	value_map_set(a, own, STR("scores"), scores_value(c));
	if (c->in->arm.arm != NULL)
		value_map_set(a, own, STR("arm"), arm_value(c, c->in->arm.arm));
	if (c->unsubscribe_url.n > 0)
		value_map_set(a, own, STR("unsubscribe_url"), value_string(a, c->unsubscribe_url));
	if (c->preferences_url.n > 0)
		value_map_set(a, own, STR("preferences_url"), value_string(a, c->preferences_url));
	return own;
}

static void
layer_add(struct copy *c, const struct value *v)
{
	if (v != NULL && v->type == VALUE_MAP)
		c->layers[c->nlayers++] = v;
}

int
copy_begin(struct copy *c, struct err *e)
{
	const struct conf_campaign *k = c->m->campaign;
	bool linkable = c->in->sealer != NULL && c->m->track_host != NULL;
	int64_t age = c->in->now_ms - c->m->date_ms;
	if (!linkable && (k->list_unsubscribe || k->track_clicks || k->track_opens))
		return err_set(e, ERR_CONFIG,
			       "campaign \"%s\": no tracking host for mail from \"%.*s\"; set host in track "
			       "{} (or list_unsubscribe, "
			       "track_clicks and track_opens = no)",
			       k->name, STR_ARG(c->m->from_domain));
	c->sent =
	    (uint32_t)((age > -DATE_TRUST_MS && age < DATE_TRUST_MS ? c->m->date_ms : c->in->now_ms) / 1000);
	c->track_clicks = linkable && k->track_clicks && tracking_allowed(c);
	c->track_opens = linkable && k->track_opens && tracking_allowed(c);
	if (linkable && own_url(c, TOKEN_UNSUBSCRIBE, &c->unsubscribe_url, e) != 0)
		return -1;
	if (linkable && c->m->uses_preferences && own_url(c, TOKEN_PREFERENCES, &c->preferences_url, e) != 0)
		return -1;
	layer_add(c, own_layer(c));
	if (c->in->arm.arm != NULL)
		layer_add(c, c->in->arm.arm->values);
	layer_add(c, c->in->plugin_vars);
	layer_add(c, c->in->data);
	layer_add(c, c->m->data);
	layer_add(c, c->in->recipient->profile);
	layer_add(c, k->defaults);
	explain_begin(c);
	return 0;
}
