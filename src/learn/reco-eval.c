/* reco-eval: how good recommendations are (see reco.h). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "learn/reco.h"

#define MAX_TOP 100

struct judging {
	const struct recommend_model *m;
	const struct reco_data *train, *test;
	enum reco_bought bought;
	size_t top;
	void *scratch;
	float *scores;
	struct recommend_taken *history;
	double sum, squares, recall, hits;
	size_t users;
};

static size_t
begin_of(const struct reco_data *d, size_t user)
{
	return user == 0 ? 0 : d->end[user - 1];
}

static bool
has(const struct reco_data *d, size_t user, uint32_t item)
{
	size_t low = begin_of(d, user), high = d->end[user];
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (d->item[mid] == item)
			return true;
		if (d->item[mid] < item)
			low = mid + 1;
		else
			high = mid;
	}
	return false;
}

static void
user_score(struct judging *j, size_t user)
{
	size_t from = begin_of(j->train, user), n = j->train->end[user] - from;
	for (size_t k = 0; k < n; k++)
		j->history[k] =
		    (struct recommend_taken){ j->train->item[from + k], j->train->count[from + k] };
	if (j->bought == RECO_AGAIN)
		memcpy(j->scores, j->m->popularity, j->m->items * sizeof(*j->scores));
	else
		recommend_score(j->m, j->history, n, j->scratch, j->scores);
	for (size_t k = 0; k < n; k++) {
		float *s = &j->scores[j->history[k].item];
		/* Popularity is below the number of customers: it only decides between equal counts. */
		if (j->bought == RECO_AGAIN)
			*s += j->history[k].count * (float)j->train->users;
		else if (j->bought == RECO_NEW)
			*s = -INFINITY;
	}
}

/* The `top` best in best[], best first; equal ones: the lower item. Returns how many. */
static size_t
top_find(const float *scores, size_t items, size_t top, uint32_t *best)
{
	size_t n = 0;
	for (size_t i = 0; i < items; i++) {
		if (scores[i] == -INFINITY || (n == top && scores[i] <= scores[best[n - 1]]))
			continue;
		size_t at = n < top ? n++ : n - 1;
		for (; at > 0 && scores[best[at - 1]] < scores[i]; at--)
			best[at] = best[at - 1];
		best[at] = (uint32_t)i;
	}
	return n;
}

static void
user_judge(struct judging *j, size_t user)
{
	uint32_t best[MAX_TOP];
	size_t tests = 0, hits = 0;
	double gain = 0, ideal = 0;
	for (size_t k = begin_of(j->test, user); k < j->test->end[user]; k++)
		tests += j->bought != RECO_NEW || !has(j->train, user, j->test->item[k]);
	if (tests == 0 || j->train->end[user] == begin_of(j->train, user))
		return;
	user_score(j, user);
	size_t n = top_find(j->scores, j->m->items, j->top, best);
	for (size_t r = 0; r < n; r++)
		if (has(j->test, user, best[r])) {
			gain += 1 / log2((double)r + 2);
			hits++;
		}
	for (size_t r = 0; r < tests && r < j->top; r++)
		ideal += 1 / log2((double)r + 2);
	j->users++;
	j->sum += gain / ideal;
	j->squares += gain / ideal * (gain / ideal);
	j->recall += (double)hits / (double)tests;
	j->hits += hits > 0;
}

int
reco_evaluate(const struct recommend_model *m, const struct reco_data *train, const struct reco_data *test,
	      enum reco_bought bought, size_t top, struct reco_figures *out, struct err *e)
{
	struct arena *a = arena_new(65536);
	struct judging j = { .m = m, .train = train, .test = test, .bought = bought, .top = top };
	if (top == 0 || top > MAX_TOP) {
		arena_free(&a);
		return err_set(e, ERR_INPUT, "judge by 1 to %d recommendations", MAX_TOP);
	}
	j.scratch = arena_alloc(a, recommend_scratch(m));
	j.scores = ARENA_ARRAY(a, float, m->items);
	j.history = ARENA_ARRAY(a, struct recommend_taken, m->items);
	for (size_t u = 0; u < train->users; u++)
		user_judge(&j, u);
	arena_free(&a);
	double n = (double)j.users, mean = n > 0 ? j.sum / n : 0;
	*out = (struct reco_figures){ .users = j.users };
	if (j.users == 0)
		return err_set(e, ERR_INPUT, "no customer took something before the split and %s after it",
			       bought == RECO_NEW ? "something new" : "something");
	out->ndcg = mean;
	out->ndcg_se = sqrt(fmax(j.squares / n - mean * mean, 0) / n);
	out->recall = j.recall / n;
	out->hit = j.hits / n;
	return 0;
}
