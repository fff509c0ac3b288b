/*
 * boundary: would new text be read as a line between parts? A value could
 * hold the sender's boundary, or a soft line break fall right before it.
 */
#include "mail/mail_private.h"

struct str
mail_delimiter_of(struct str message, const struct mail_part *p)
{
	size_t end = p->head_start, start;

	while (end > 0 && ascii_isspace(message.p[end - 1]))
		end--;
	for (start = end; start > 0 && message.p[start - 1] != '\n'; start--)
		;
	return str_sub(message, start, end);
}

static bool
is_delimiter(struct str line, struct str delimiter)
{
	struct str rest;

	if (!str_starts(line, delimiter))
		return false;
	rest = str_trim(str_sub(line, delimiter.n, line.n));
	return rest.n == 0 || str_eq(rest, STR("--"));
}

/* Almost never, and that is sooner known than where its lines begin. */
static bool
mentions_delimiter(const struct mail *m, const struct mail_part *p, struct str body)
{
	for (const struct mail_part *up = p; up->parent; up = up->parent)
		if (str_find(body, mail_delimiter_of(m->bytes, up)) < body.n)
			return true;
	return false;
}

bool
mail_part_delimits(const struct mail *m, const struct mail_part *p, struct str body)
{
	if (!mentions_delimiter(m, p, body))
		return false;
	for (size_t at = 0; at < body.n;) {
		struct str rest = str_sub(body, at, body.n);
		size_t n = str_find_char(rest, '\n');

		if (n >= 2 && rest.p[0] == '-' && rest.p[1] == '-')
			for (const struct mail_part *up = p; up->parent; up = up->parent)
				if (is_delimiter(str_sub(rest, 0, n), mail_delimiter_of(m->bytes, up)))
					return true;
		at += n + 1;
	}
	return false;
}
