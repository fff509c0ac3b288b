/*
 * escape: values for the place where they stand. Private to src/template.
 */
#ifndef MT_TEMPLATE_ESCAPE_H
#define MT_TEMPLATE_ESCAPE_H

#include "template/template.h"

/* Where in a URL the next value stands. */
enum url_place { URL_START, URL_PATH, URL_QUERY };

/* True when s prints as it is in that place: nothing has to be copied. */
bool escape_is_clean(enum tpl_escape escape, bool raw, struct str s);
void escape_add(struct buf *out, enum tpl_escape escape, bool raw, enum url_place url, struct str s);
/* The place behind `text`, which has just been added to the URL. */
enum url_place escape_url_after(enum url_place before, struct str text);

#endif
