/*
 * fuzz-learn: files that models are learned from and come in. The first byte picks the target:
 *   m  a model file, which then scores three rows and is written and read again
 *   s  a specification
 *   b  what a bandit algorithm knows, which then decides, learns and is written and read again
 *   c  a specification of policies to compare, on a small table
 *   t  a table, by a fixed specification; a small one is learned from
 * The checksum of model files is not in the way: one that lacks it loads.
 */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "learn/contest.h"
#include "learn/csv.h"
#include "learn/train.h"
#include "score/bandit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
fuzz_model(struct str bytes)
{
	struct err e = { 0 };
	struct buf once = { 0 }, twice = { 0 };
	struct model *m = model_parse(bytes, &e);
	assert(m || e.text[0]);
	if (!m)
		return;
	size_t n = m->ncolumns;
	double *rows = calloc(3 * n, sizeof(*rows)), scores[3];
	void *scratch = malloc(model_scratch(m, 3));
	for (size_t i = 0; i < n; i++) {
		rows[n + i] = NAN;
		rows[2 * n + i] = i % 2 ? 1e308 : -1e308;
	}
	model_apply(m, rows, 3, scratch, scores, 1);
	for (size_t i = 0; i < 3; i++)
		assert(isfinite(scores[i]) && (m->link != MODEL_LOGIT || (scores[i] >= 0 && scores[i] <= 1)));
	model_print(m, &once);
	struct model *back = model_parse(buf_str(&once), &e);
	assert(back);
	model_print(back, &twice);
	assert(str_eq(buf_str(&once), buf_str(&twice)));
	model_free(&back);
	model_free(&m);
	free(rows);
	free(scratch);
	buf_free(&once);
	buf_free(&twice);
}

static void
fuzz_bandit(struct str bytes)
{
	struct err e = { 0 };
	struct buf once = { 0 };
	double x[POLICY_MAX_COLUMNS + 1], p[POLICY_MAX_ARMS], sum = 0;
	struct bandit *b = bandit_parse(bytes, &e);
	assert(b || e.text[0]);
	if (!b)
		return;
	for (size_t i = 0; i < sizeof(x) / sizeof(x[0]); i++)
		x[i] = i % 3 ? 1 : -0.5;
	bandit_probabilities(b, x, p);
	for (size_t k = 0; k < b->narms; k++) {
		assert(p[k] >= 0);
		sum += p[k];
	}
	assert(fabs(sum - 1) < 1e-6);
	bandit_print(b, &once);
	struct bandit *back = bandit_parse(buf_str(&once), &e);
	assert(back);
	struct bandit_choice c = bandit_decide(back, x, 0.5);
	assert(c.arm < b->narms && c.propensity > 0);
	bandit_update(back, c.arm, x, 1);
	bandit_free(&back);
	bandit_free(&b);
	buf_free(&once);
}

static ssize_t
text_read(void *ctx, char *p, size_t n)
{
	struct str *rest = ctx;
	n = n < rest->n ? n : rest->n;
	memcpy(p, rest->p, n);
	*rest = str_sub(*rest, n, rest->n);
	return (ssize_t)n;
}

static void
fuzz_table(struct arena *a, struct str text)
{
	static const char spec_text[] =
	    "{\"score\":\"s\",\"label\":\"y >= 1\",\"weight\":\"w\",\"columns\":[\"profile.a | log1p | "
	    "missing 0\","
	    "\"profile.b | one-hot x y\",\"profile.a | quantile 3\",\"profile.b | hash 4\"],"
	    "\"split\":{\"by\":\"time\",\"field\":\"t\",\"test\":0.3,\"valid\":0.1}}";
	struct csv_source source = { .read = text_read, .ctx = &text };
	struct err e = { 0 };
	struct spec spec;
	assert(spec_parse(a, str_of(spec_text), &spec, &e) == 0);
	struct learn_set *s = csv_read(&source, &spec, &e);
	assert(s || e.text[0]);
	if (s && s->data.rows < 100) {
		struct learn_data d = learn_set_part(s, LEARN_TRAIN);
		const struct learn_names names = { "s", s->columns };
		const struct train_job job = { .train = &d, .names = &names, .options = spec.model };
		struct model *m = train(STR("logistic"), &job, &e);
		assert(m || e.text[0]);
		model_free(&m);
	}
	learn_set_free(&s);
}

static void
fuzz_contest(struct arena *a, struct str text)
{
	struct str table = STR("x,arm,y,p\n1,a,1,0.5\n0,b,0,0.5\n,b,1,0.25\n1,c,,1\n");
	struct csv_source source = { .read = text_read, .ctx = &table };
	struct err e = { 0 };
	struct trial_spec s;
	struct contest c;
	if (contest_spec(a, text, &s, &c, &e) != 0) {
		assert(e.text[0]);
		return;
	}
	struct trial *t = trial_read(&source, &s, &e);
	assert(t || e.text[0]);
	if (t && contest_run(&c, t, s.spec.kind, s.spec.model, NULL, &e) == 0)
		assert(c.why && (!c.recommended || c.best_constant));
	trial_free(&t);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a;
	struct err e = { 0 };
	struct spec spec;
	if (size < 1)
		return 0;
	a = arena_new(4096);
	struct str text = arena_str(a, str_make((const char *)data + 1, size - 1));
	if (data[0] == 'm')
		fuzz_model(text);
	else if (data[0] == 'b')
		fuzz_bandit(text);
	else if (data[0] == 'c')
		fuzz_contest(a, text);
	else if (data[0] == 's')
		assert(spec_parse(a, text, &spec, &e) == 0 || e.text[0]);
	else if (data[0] == 't')
		fuzz_table(a, text);
	arena_free(&a);
	return 0;
}
