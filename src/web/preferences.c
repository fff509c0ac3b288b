/*
 * preferences: which kinds of mail, how often, and whether what he does with it may be recorded. A GET
 * changes nothing; see optout.c.
 */
#include "base/json.h"
#include "base/log.h"
#include "web/private.h"

static void
set_text(struct request *rq, struct value *m, const char *key, struct str s)
{
	value_map_set(rq->arena, m, str_of(key), value_string(rq->arena, s));
}

/* The configuration bounds them. */
static const struct conf_list *
categories(const struct request *rq)
{
	return &rq->site->epoch->conf->categories;
}

static struct str
mail_topic(struct request *rq, struct str category)
{
	return arena_printf(rq->arena, "mail:%.*s", STR_ARG(category));
}

/* Is he mailed in this category, as far as he himself has a say in it? */
static bool
wants(const struct store_view *v, struct str topic, struct str category)
{
	for (size_t i = 0; i < v->nsuppressions_own; i++)
		if (str_eq(v->suppressions[i].category, category) || v->suppressions[i].category.n == 0 ||
		    str_eq(v->suppressions[i].category, STR("*")))
			return false;
	for (size_t i = 0; i < v->nconsents; i++)
		if (v->consents[i].state == CONSENT_DENIED &&
		    (str_eq(v->consents[i].topic, topic) || str_eq(v->consents[i].topic, STR("mail"))))
			return false;
	return true;
}

static bool
view(struct request *rq, struct store_view *v)
{
	struct store *s = web_store(rq->web);
	const struct store_view_request q = { .rk = rq->token.recipient.b, .now_ms = rq->now_ms };
	struct err e = { 0 };
	if (s != NULL && store_view(s, &q, rq->arena, v, &e) == 0)
		return true;
	if (s != NULL)
		log_error("preferences cannot be read: %s", e.text);
	respond_unavailable(rq);
	return false;
}

/* "week" of "at-most:week" */
static struct str
often_word(size_t i)
{
	struct str topic = recipient_wish_topic(i);
	return str_sub(topic, str_find_char(topic, ':') + 1, topic.n);
}

/* "any" or one of these words; anything else leaves it as it is. How many records. */
static size_t
often_save(struct request *rq, struct consent_record out[RECIPIENT_WISHES])
{
	struct str often = form_get(rq->form, STR("often"));
	bool known = str_eq(often, STR("any"));
	for (size_t i = 0; i < RECIPIENT_WISHES; i++) {
		bool wished = str_eq(often, often_word(i));
		known = known || wished;
		out[i] = (struct consent_record){ recipient_wish_topic(i),
						  wished ? CONSENT_GRANTED : CONSENT_DENIED, rq->now_ms,
						  STR("preferences") };
	}
	return known ? RECIPIENT_WISHES : 0;
}

static void
preferences_show(struct request *rq, const struct store_view *v)
{
	struct arena *a = rq->arena;
	struct value *m = value_map_new(a);
	const struct conf_list *all = categories(rq);
	struct value *list = value_list(a, all->n);
	for (size_t i = 0; i < all->n; i++) {
		struct value *c = value_map_new(a);
		struct str name = str_of(all->v[i]);
		set_text(rq, c, "name", name);
		value_map_set(a, c, STR("wanted"), value_bool(wants(v, mail_topic(rq, name), name)));
		list->list.items[i] = c;
	}
	value_map_set(a, m, STR("categories"), list);
	enum consent_state tracking = CONSENT_UNKNOWN;
	for (size_t i = 0; i < v->nconsents; i++)
		if (str_eq(v->consents[i].topic, STR("tracking")))
			tracking = v->consents[i].state;
	value_map_set(a, m, STR("tracking_granted"), value_bool(tracking == CONSENT_GRANTED));
	value_map_set(a, m, STR("tracking_denied"), value_bool(tracking == CONSENT_DENIED));
	const struct conf_cap *wish = recipient_wish_of(v->consents, v->nconsents);
	for (size_t i = 0; i < RECIPIENT_WISHES; i++)
		value_map_set(a, m, arena_printf(a, "often_%.*s", STR_ARG(often_word(i))),
			      value_bool(wish == recipient_wish_cap(i)));
	value_map_set(a, m, STR("often_any"), value_bool(wish == NULL));
	set_text(rq, m, "unsubscribe", optout_link(rq, TOKEN_UNSUBSCRIBE));
	respond_page(rq, MHD_HTTP_OK, PAGE_PREFERENCES, m);
}

/*
 * The form says what he wants to get; what it shows and he left unticked he does not want. It says what it
 * shows, too ("shown"): of a category that came to the configuration since he has said nothing. A category
 * that he ticks again is taken out of suppression too, if he himself put it there: bounces and complaints
 * stay.
 */
static void
preferences_save(struct request *rq, const struct store_view *v)
{
	struct arena *a = rq->arena;
	struct str tracking = form_get(rq->form, STR("tracking"));
	const struct conf_list *all = categories(rq);
	size_t nc = 0, nl = 0;
	struct consent_record *c = ARENA_ARRAY(a, struct consent_record, all->n + 1 + RECIPIENT_WISHES);
	struct str *lifted = ARENA_ARRAY(a, struct str, v->nsuppressions_own + 1);
	bool any = false, told = form_get(rq->form, STR("shown")).n > 0;
	for (size_t i = 0; i < all->n; i++) {
		struct str name = str_of(all->v[i]);
		bool wanted = form_has(rq->form, STR("category"), name);
		if (!wanted && told && !form_has(rq->form, STR("shown"), name))
			continue;
		any = any || wanted;
		c[nc++] =
		    (struct consent_record){ mail_topic(rq, name), wanted ? CONSENT_GRANTED : CONSENT_DENIED,
					     rq->now_ms, STR("preferences") };
	}
	for (size_t i = 0; i < v->nsuppressions_own && nl < QUEUE_MAX_LIST; i++) {
		const struct suppression_record *s = &v->suppressions[i];
		bool his = s->reason == SUPPRESS_UNSUBSCRIBE && !str_eq(s->category, STR("*"));
		if (his && (s->category.n == 0 ? any : form_has(rq->form, STR("category"), s->category)))
			lifted[nl++] = s->category;
	}
	if (str_eq(tracking, STR("yes")) || str_eq(tracking, STR("no")))
		c[nc++] =
		    (struct consent_record){ STR("tracking"),
					     str_eq(tracking, STR("yes")) ? CONSENT_GRANTED : CONSENT_DENIED,
					     rq->now_ms, STR("preferences") };
	nc += often_save(rq, c + nc);
	rq->change.consents = c;
	rq->change.nconsents = nc;
	rq->change.lifted = lifted;
	rq->change.nlifted = nl;
	struct event *ev = optout_event(rq, EVENT_CONSENT, STR("page"));
	struct buf details = { 0 };
	buf_adds(&details, STR("{"));
	for (size_t i = 0; i < nc; i++) {
		if (i > 0)
			buf_addc(&details, ',');
		json_print_string(&details, c[i].topic);
		buf_printf(&details, ":\"%s\"", c[i].state == CONSENT_GRANTED ? "granted" : "denied");
	}
	buf_adds(&details, STR("}"));
	ev->details = arena_str(a, buf_str(&details));
	buf_free(&details);
	respond_page(rq, MHD_HTTP_OK, PAGE_SAVED, NULL);
}

void
preferences_handle(struct request *rq)
{
	struct store_view v;
	if (!request_token(rq, TOKEN_PREFERENCES) ||
	    (rq->route.method == METHOD_POST && owndata_handle(rq)) || !view(rq, &v))
		return;
	if (rq->route.method != METHOD_POST)
		preferences_show(rq, &v);
	else if (form_get(rq->form, STR("save")).n > 0)
		preferences_save(rq, &v);
	else
		respond_page(rq, MHD_HTTP_BAD_REQUEST, PAGE_BAD_REQUEST, NULL);
}
