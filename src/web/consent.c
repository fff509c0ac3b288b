/* consent: whether somebody is to be tracked. */
#include "base/log.h"
#include "web/private.h"

bool
consent_denied(struct store *s, const struct conf *conf, const uint8_t rk[16], struct str campaign,
	       struct arena *a)
{
	struct consent_record c;
	struct err e = { 0 };
	if (s == NULL)
		return false;
	int found = store_consent_get(s, rk, STR("tracking"), a, &c, &e);
	if (found < 0) {
		log_error("consent cannot be read, so nothing is recorded: %s", e.text);
		return true;
	}
	if (found == 1 && c.state != CONSENT_UNKNOWN)
		return c.state == CONSENT_DENIED;
	/* Its copies have no tracked link as long as the campaign says so; it may have changed its mind. */
	const struct conf_campaign *k = conf_campaign_find(conf, campaign);
	return k != NULL && k->tracking_unknown == CONF_CONSENT_DENY;
}
