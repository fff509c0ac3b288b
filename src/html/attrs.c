/* attrs: what an attribute's value is for, and the attributes by which senders opt a link out of tracking. */
#include "html/html-private.h"

static const struct {
	struct str name;
	struct str element; /* absent: any */
	enum html_attr_kind kind;
} kinds[] = {
	{ STR("href"), STR_NULL, ATTR_HREF },
	{ STR("src"), STR_NULL, ATTR_URL },
	{ STR("style"), STR_NULL, ATTR_STYLE },
	{ STR("background"), STR_NULL, ATTR_URL },
	{ STR("srcset"), STR_NULL, ATTR_SRCSET },
	{ STR("imagesrcset"), STR_NULL, ATTR_SRCSET },
	{ STR("xlink:href"), STR_NULL, ATTR_XLINK_HREF },
	{ STR("action"), STR_NULL, ATTR_URL },
	{ STR("formaction"), STR_NULL, ATTR_URL },
	{ STR("poster"), STR_NULL, ATTR_URL },
	{ STR("cite"), STR_NULL, ATTR_URL },
	{ STR("longdesc"), STR_NULL, ATTR_URL },
	{ STR("lowsrc"), STR_NULL, ATTR_URL },
	{ STR("dynsrc"), STR_NULL, ATTR_URL },
	{ STR("codebase"), STR_NULL, ATTR_URL },
	{ STR("classid"), STR_NULL, ATTR_URL },
	{ STR("manifest"), STR_NULL, ATTR_URL },
	{ STR("profile"), STR_NULL, ATTR_URL },
	{ STR("usemap"), STR_NULL, ATTR_URL },
	{ STR("ping"), STR_NULL, ATTR_URL },
	{ STR("o:href"), STR_NULL, ATTR_URL },
	{ STR("data"), STR("object"), ATTR_URL },
	{ STR("srcdoc"), STR_NULL, ATTR_SCRIPT }, /* a whole document inside: no escape fits */
};

enum html_attr_kind
attr_kind(struct str element, struct str name)
{
	if (name.n < 3 || name.n > 11)
		return ATTR_PLAIN;
	char c = ascii_lower(name.p[0]);
	if (c == 'o' && ascii_lower(name.p[1]) == 'n')
		return ATTR_SCRIPT;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (kinds[i].name.n == name.n && kinds[i].name.p[0] == c && str_caseeq(kinds[i].name, name) &&
		    (!kinds[i].element.p || str_caseeq(kinds[i].element, element)))
			return kinds[i].kind;
	return ATTR_PLAIN;
}

static const struct {
	struct str name;
	const char *value; /* NULL: the attribute alone says it, unless its value denies it */
} opt_outs[] = {
	{ STR("data-notrack"), NULL },
	{ STR("clicktracking"), "off" },	  /* SendGrid */
	{ STR("data-msys-clicktrack"), "0" },	  /* SparkPost */
	{ STR("ses:no-track"), NULL },		  /* Amazon SES */
	{ STR("mautic:disable-tracking"), NULL }, /* Mautic */
	{ STR("data-pm-no-track"), NULL },	  /* Postmark */
	{ STR("mc:disable-tracking"), NULL },	  /* Mandrill */
	{ STR("disable-tracking"), "true" },	  /* Mailgun */
};

static bool
denies(struct str v)
{
	return str_caseeq(v, STR("false")) || str_caseeq(v, STR("no")) || str_caseeq(v, STR("0"));
}

bool
attrs_opt_out(const char *src, const struct html_attr *attrs, uint32_t nattrs)
{
	for (uint32_t i = 0; i < nattrs; i++) {
		const struct html_attr *a = &attrs[i];
		struct str name = str_make(src + a->name_start, a->name_end - a->name_start);
		struct str value = str_trim(str_make(src + a->value_start, a->value_end - a->value_start));
		if (a->duplicate || name.n < 12)
			continue;
		for (size_t k = 0; k < sizeof(opt_outs) / sizeof(opt_outs[0]); k++) {
			if (!str_caseeq(name, opt_outs[k].name))
				continue;
			if (opt_outs[k].value ? str_caseeq(value, str_of(opt_outs[k].value)) : !denies(value))
				return true;
		}
	}
	return false;
}
