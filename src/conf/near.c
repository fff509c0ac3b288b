/* near: which name was probably meant by one that is not there. */
#include <stdlib.h>

#include "conf/conf.h"

#define NEAR_MAX 40

/* Edits (insert, delete, replace, swap of neighbours) that turn a into b; both at most NEAR_MAX bytes. */
static int
distance(struct str a, struct str b)
{
	int d[3][NEAR_MAX + 1];
	for (size_t j = 0; j <= b.n; j++)
		d[0][j] = (int)j;
	for (size_t i = 1; i <= a.n; i++) {
		int *now = d[i % 3], *last = d[(i - 1) % 3], *before = d[(i + 1) % 3];
		now[0] = (int)i;
		for (size_t j = 1; j <= b.n; j++) {
			char x = ascii_lower(a.p[i - 1]), y = ascii_lower(b.p[j - 1]);
			int best = last[j - 1] + (x != y);
			if (last[j] + 1 < best)
				best = last[j] + 1;
			if (now[j - 1] + 1 < best)
				best = now[j - 1] + 1;
			if (i > 1 && j > 1 && x == ascii_lower(b.p[j - 2]) && ascii_lower(a.p[i - 2]) == y &&
			    before[j - 2] + 1 < best)
				best = before[j - 2] + 1;
			now[j] = best;
		}
	}
	return d[a.n % 3][b.n];
}

const char *
conf_nearest(struct str typed, const char *const *names, size_t n)
{
	const char *best = NULL;
	int best_d = typed.n <= 3 ? 2 : typed.n <= 6 ? 3 : 4; /* has to be below */
	for (size_t i = 0; i < n; i++) {
		struct str name = str_of(names[i]);
		if (typed.n > NEAR_MAX || name.n > NEAR_MAX)
			continue;
		int d = distance(typed, name);
		if (d < best_d) {
			best_d = d;
			best = names[i];
		}
	}
	return best;
}

/* ---- what the configuration has names for ---- */

const char *
conf_campaign_nearest(const struct conf *c, struct str name)
{
	struct arena *a = arena_new(1024);
	const char **names = ARENA_ARRAY(a, const char *, c->ncampaigns);
	for (size_t i = 0; i < c->ncampaigns; i++)
		names[i] = c->campaigns[i].name;
	const char *near = conf_nearest(name, names, c->ncampaigns);
	arena_free(&a);
	return near;
}

/* Those of campaigns, of caps, and the one that is always there. */
static struct conf_list
categories_all(const struct conf *c, struct arena *a)
{
	size_t n = c->categories.n + 1, at = 0;
	for (size_t i = 0; i < c->ncaps; i++)
		n += c->caps[i].categories.n;
	struct conf_list all = { ARENA_ARRAY(a, const char *, n), n };
	all.v[at++] = "transactional";
	for (size_t k = 0; k < c->categories.n; k++)
		all.v[at++] = c->categories.v[k];
	for (size_t i = 0; i < c->ncaps; i++)
		for (size_t k = 0; k < c->caps[i].categories.n; k++)
			all.v[at++] = c->caps[i].categories.v[k];
	return all;
}

bool
conf_category_known(const struct conf *c, struct str name, const char **near)
{
	struct arena *a = arena_new(1024);
	const struct conf_list all = categories_all(c, a);
	bool known = all.n == 1; /* nothing has a category: what it may have later is not known */
	for (size_t i = 0; i < all.n && !known; i++)
		known = str_eq(name, str_of(all.v[i]));
	*near = known ? NULL : conf_nearest(name, all.v, all.n);
	arena_free(&a);
	return known;
}
