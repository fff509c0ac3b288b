/*
 * locale: how languages write dates and money; after Unicode CLDR. Private to
 * src/template. The table is constant.
 */
#ifndef MT_TEMPLATE_LOCALE_H
#define MT_TEMPLATE_LOCALE_H

#include "base/str.h"

struct locale {
	const char *tag; /* "de", "de-CH" */
	const char *decimal, *group;
	bool group_from_5; /* 1234 is written without a separator, 12345 with */
	bool symbol_first;
	const char *symbol_gap;
	const char *months[12], *months_short[12];
	const char *days[7], *days_short[7]; /* from Sunday */
	const char *am, *pm;
	const char *ordinals; /* "en": st nd rd th; else the sign behind the number */
};

/* The best match for a BCP 47 tag: region, then language, then en. Never NULL. */
const struct locale *locale_find(const char *tag);

#endif
