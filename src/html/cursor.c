/* cursor: steps through bytes with opaque ranges in them. */
#include "html/html-private.h"

/* Ill-formed ranges (empty, backwards, behind us) are passed over, so that no caller can make us read
 * outside. */
static void
cursor_set_limit(struct html_cursor *c)
{
	while (c->nopaque > 0 && (c->opaque->start < c->pos || c->opaque->end <= c->opaque->start)) {
		c->opaque++;
		c->nopaque--;
	}
	c->limit = c->nopaque > 0 && c->opaque->start < c->end ? c->opaque->start : c->end;
}

void
cursor_init(struct html_cursor *c, const char *p, uint32_t from, uint32_t to, const struct html_range *opaque,
	    size_t nopaque)
{
	*c = (struct html_cursor){ .p = p, .pos = from, .end = to, .opaque = opaque, .nopaque = nopaque };
	cursor_set_limit(c);
}

void
cursor_skip_opaque(struct html_cursor *c)
{
	uint32_t end = c->opaque->end;

	c->pos = end < c->end ? end : c->end;
	c->opaque++;
	c->nopaque--;
	cursor_set_limit(c);
}

bool
cursor_find_since(struct html_cursor *c, char ch, uint32_t *literal)
{
	for (;;) {
		const char *hit = c->pos < c->limit ? memchr(c->p + c->pos, ch, c->limit - c->pos) : NULL;
		if (hit) {
			c->pos = (uint32_t)(hit - c->p);
			return true;
		}
		c->pos = c->limit;
		if (c->pos >= c->end)
			return false;
		cursor_skip_opaque(c);
		*literal = c->pos;
	}
}

bool
cursor_find(struct html_cursor *c, char ch)
{
	uint32_t literal;
	return cursor_find_since(c, ch, &literal);
}

bool
cursor_spells(const struct html_cursor *c, uint32_t ahead, const char *lit, uint32_t n)
{
	if (c->limit - c->pos < ahead || c->limit - c->pos - ahead < n)
		return false;
	for (uint32_t i = 0; i < n; i++)
		if (ascii_lower(c->p[c->pos + ahead + i]) != lit[i])
			return false;
	return true;
}
