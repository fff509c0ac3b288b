/* language: which of the languages there are a reader wants most (Accept-Language, RFC 9110 12.5.4). */
#include "web/language.h"

/* ";q=0.8" → 800; malformed: 0. */
static int
quality(struct str params)
{
	struct str one;
	while (str_split(&params, ';', &one)) {
		one = str_trim(one);
		if (!str_casestarts(one, STR("q=")))
			continue;
		int q = 0, scale = 1000;
		for (size_t i = 2; i < one.n && i < 7; i++) {
			if (one.p[i] == '.' && i == 3)
				continue;
			if (!ascii_isdigit(one.p[i]))
				return 0;
			q += (one.p[i] - '0') * scale;
			scale /= 10;
		}
		return q <= 1000 ? q : 0;
	}
	return 1000;
}

static struct str
primary(struct str tag)
{
	return str_sub(tag, 0, str_find_char(tag, '-'));
}

size_t
language_choose(struct str accept, const struct str *tags, size_t n, size_t fallback)
{
	size_t best = fallback;
	int best_q = 0;
	struct str range;
	for (int seen = 0; seen < 50 && str_split(&accept, ',', &range); seen++) {
		size_t semicolon = str_find_char(range, ';');
		struct str tag = str_trim(str_sub(range, 0, semicolon));
		int q = quality(str_sub(range, semicolon + 1, range.n));
		if (tag.n == 0 || q <= best_q)
			continue;
		if (str_eq(tag, STR("*"))) {
			best = fallback;
			best_q = q;
			continue;
		}
		for (size_t i = 0; i < n; i++)
			if (str_caseeq(primary(tag), primary(tags[i]))) {
				best = i;
				best_q = q;
				break;
			}
	}
	return best;
}
