/* admin-profile-desk: opening what the verbs about recipients need. */
#include "main/admin-profile.h"

#include "base/json.h"

int
desk_open(struct desk *d, const char *conf_path, enum desk_access access)
{
	int code = EX_CONFIG;
	*d = (struct desk){ .arena = arena_new(4096) };
	d->conf = admin_conf(conf_path);
	if (!d->conf)
		return EX_CONFIG;
	d->keys = admin_keys(d->conf, &code);
	if (!d->keys)
		return code;
	d->sealer = sealer_new(d->keys);
	d->store = admin_store(d->conf, access == DESK_READ, access == DESK_WRITE, &code);
	if (!d->store)
		return code;
	d->src = (struct recipient_source){
		.store = d->store,
		.keys = d->keys,
		.sealer = d->sealer,
		.conf = d->conf,
	};
	return EX_OK;
}

void
desk_close(struct desk *d)
{
	store_close(&d->store);
	sealer_free(&d->sealer);
	keyring_free(&d->keys);
	conf_free(&d->conf);
	arena_free(&d->arena);
}

int
subject_of(struct desk *d, const char *address, struct subject *out, struct err *e)
{
	if (address_normalize(d->arena, str_of(address), &out->address, e) != 0)
		return -1;
	out->domain = recipient_domain(out->address);
	recipient_key_of(d->keys, out->address, &out->key);
	domain_key_of(d->keys, out->domain, &out->domain_key);
	return 0;
}

void
desk_print_json(const struct value *v)
{
	struct buf b = { 0 };
	json_print_pretty(&b, v);
	buf_addc(&b, '\n');
	fwrite(b.p, 1, b.n, stdout);
	buf_free(&b);
}

int
consent_category_check(const struct conf *conf, const struct consent_record *c, struct err *e)
{
	if (c->state != CONSENT_GRANTED || !str_starts(c->topic, STR("mail:")))
		return 0;
	return admin_category(conf, str_sub(c->topic, 5, c->topic.n), e);
}

int
consent_word_parse(struct str word, enum consent_state *out)
{
	static const struct {
		const char *word;
		enum consent_state state;
	} words[] = { { "granted", CONSENT_GRANTED }, { "denied", CONSENT_DENIED },
		      { "unknown", CONSENT_UNKNOWN }, { "yes", CONSENT_GRANTED },
		      { "no", CONSENT_DENIED },	      { "true", CONSENT_GRANTED },
		      { "false", CONSENT_DENIED },    { "1", CONSENT_GRANTED },
		      { "0", CONSENT_DENIED } };
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (str_caseeq(word, str_of(words[i].word))) {
			*out = words[i].state;
			return 0;
		}
	return -1;
}
