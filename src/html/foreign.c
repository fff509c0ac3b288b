/*
 * foreign: whether a tag stands in SVG or MathML, where <style> and <title>
 * are ordinary elements and CDATA exists (13.2.6.5), told without a tree: a
 * stack of <svg>, <math> and of the elements in them that hold HTML again.
 * HTML tags that cannot stand in foreign content leave it, as they do in a
 * parser. Deeper than FOREIGN_DEPTH nothing more is pushed.
 */
#include <stdlib.h>

#include "html/html-private.h"

enum {
	IN_SVG = 1,
	IN_MATH,
	/* elements that hold HTML: */ IN_FOREIGN_OBJECT,
	IN_DESC,
	IN_TITLE,
	IN_MI,
	IN_MO,
	IN_MN,
	IN_MS,
	IN_MTEXT
};

static const struct str kind_name[] = {
	[IN_SVG] = STR("svg"),	   [IN_MATH] = STR("math"),   [IN_FOREIGN_OBJECT] = STR("foreignobject"),
	[IN_DESC] = STR("desc"),   [IN_TITLE] = STR("title"), [IN_MI] = STR("mi"),
	[IN_MO] = STR("mo"),	   [IN_MN] = STR("mn"),	      [IN_MS] = STR("ms"),
	[IN_MTEXT] = STR("mtext"),
};

/* Sorted. The start tags that "break out" (13.2.6.5), without <font>, which does so only with some
 * attributes. */
static const char *const breakout[] = {
	"b",	 "big",	  "blockquote", "body",	  "br",	  "center", "code",  "dd", "div",  "dl",   "dt",
	"em",	 "embed", "h1",		"h2",	  "h3",	  "h4",	    "h5",    "h6", "head", "hr",   "i",
	"img",	 "li",	  "listing",	"menu",	  "meta", "nobr",   "ol",    "p",  "pre",  "ruby", "s",
	"small", "span",  "strike",	"strong", "sub",  "sup",    "table", "tt", "u",	   "ul",   "var",
};

static int
name_cmp(const void *key, const void *elem)
{
	const struct str *k = key;
	const char *name = *(const char *const *)elem;

	for (size_t i = 0; i < k->n; i++) {
		int d = (unsigned char)ascii_lower(k->p[i]) - (unsigned char)name[i];
		if (d != 0 || name[i] == '\0')
			return d != 0 ? d : 1; /* a NUL in the input is no end of a name */
	}
	return name[k->n] ? -1 : 0;
}

static bool
breaks_out(struct str name)
{
	return bsearch(&name, breakout, sizeof(breakout) / sizeof(breakout[0]), sizeof(breakout[0]),
		       name_cmp) != NULL;
}

bool
foreign_inside(const struct html_foreign *f)
{
	return f->depth > 0 && f->kind[f->depth - 1] <= IN_MATH;
}

static void
foreign_push(struct html_foreign *f, int kind)
{
	if (f->depth < FOREIGN_DEPTH)
		f->kind[f->depth++] = (uint8_t)kind;
}

static void
foreign_leave(struct html_foreign *f)
{
	while (foreign_inside(f))
		f->depth--;
}

bool
foreign_start_tag(struct html_foreign *f, struct str name, bool self_closing)
{
	if (foreign_inside(f)) {
		if (breaks_out(name)) {
			foreign_leave(f);
			return false;
		}
		int first = f->kind[f->depth - 1] == IN_SVG ? IN_FOREIGN_OBJECT : IN_MI;
		int last = first == IN_MI ? IN_MTEXT : IN_TITLE;
		for (int k = first; k <= last && !self_closing; k++)
			if (str_caseeq(name, kind_name[k]))
				foreign_push(f, k);
		return true;
	}
	for (int k = IN_SVG; k <= IN_MATH && name.n >= 3 && name.n <= 4; k++) {
		if (str_caseeq(name, kind_name[k])) {
			if (!self_closing)
				foreign_push(f, k);
			return true;
		}
	}
	return false;
}

void
foreign_end_tag(struct html_foreign *f, struct str name)
{
	if (f->depth == 0)
		return;
	if (str_caseeq(name, kind_name[f->kind[f->depth - 1]]))
		f->depth--;
	else if (foreign_inside(f) &&
		 (breaks_out(name) || str_caseeq(name, STR("td")) || str_caseeq(name, STR("tr"))))
		foreign_leave(f); /* most likely closes the element around an <svg> that was never closed */
}
