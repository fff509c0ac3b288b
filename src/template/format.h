/*
 * format: dates and money for helpers. Private to src/template.
 */
#ifndef MT_TEMPLATE_FORMAT_H
#define MT_TEMPLATE_FORMAT_H

#include "template/render.h"

/* The helpers' run functions; see helper.h. */
int format_date(struct render *r, const struct helper_args *a, const struct value **out);
int format_money(struct render *r, const struct helper_args *a, const struct value **out);

#endif
