/*
 * page: the pages that recipients see, made of templates (the same language as in mail) and texts by
 * language.
 *
 *   DIR/NAME.html        template; {{text.KEY}} is in the reader's language, the rest are the page's values
 *   DIR/layout.html      is around all of them: {{> body}}
 *   DIR/text/LANG.json   {"KEY": "text"}; en.json has every key, and stands in where another has none
 *
 * Threads: struct pages is immutable.
 */
#ifndef MT_WEB_PAGE_H
#define MT_WEB_PAGE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/value.h"

enum page {
	PAGE_UNSUBSCRIBE, /* asks; POST does it */
	PAGE_UNSUBSCRIBED,
	PAGE_PREFERENCES,
	PAGE_SAVED,
	PAGE_WRONG_ADDRESS, /* it is not the one that the mail was sent to */
	PAGE_TRIES,	    /* too many addresses were tried */
	PAGE_ERASED,
	PAGE_GONE,	/* the link is too old */
	PAGE_NOT_FOUND, /* every token that is none, and every path that is none */
	PAGE_BAD_REQUEST,
	PAGE_UNAVAILABLE, /* nothing was changed: try again */
	PAGES
};

struct pages;
/* NULL with *e: says which file is missing or wrong, and where. */
struct pages *pages_load(const char *directory, struct err *e);
void pages_free(struct pages **p);
/* The best language for an Accept-Language header (RFC 9110 12.5.4; absent: English): a static index. */
size_t pages_language(const struct pages *p, struct str accept_language);
const char *pages_language_tag(const struct pages *p, size_t language);
/* Appends the page. values: a map, or NULL. */
int pages_render(const struct pages *p, enum page page, size_t language, const struct value *values,
		 struct buf *out, struct err *e);

#endif
