/* train: see train.h. */
#include "learn/train.h"

#include <math.h>
#include <stdio.h>

#include "base/buf.h"
#include "conf/conf.h"
#include "learn/gbdt.h"
#include "learn/mlp.h"
#include "score/gbdt.h"

static struct model *
logistic_train(const struct train_job *job, struct err *e)
{
	double l2 = 1;
	if (train_number(job, "l2", 0, 1e12, &l2, e) != 0)
		return NULL;
	if (job->link == MODEL_IDENTITY)
		return learn_ridge(job->train, job->names, l2, e);
	return learn_logistic(job->train, job->names, l2, job->progress, e);
}

/* "hidden": [64, 64] */
static int
hidden_read(const struct train_job *job, struct learn_mlp *o, struct err *e)
{
	const struct value *v = value_map_get(job->options, STR("hidden"));
	if (!v)
		return 0;
	if (v->type != VALUE_LIST || v->list.n > LEARN_MLP_MAX_HIDDEN)
		return err_set(e, ERR_INPUT, "option \"hidden\" must be a list of up to %d widths",
			       LEARN_MLP_MAX_HIDDEN);
	o->nhidden = v->list.n;
	for (size_t i = 0; i < v->list.n; i++) {
		const struct value *width = v->list.items[i];
		if (width->type != VALUE_INT || width->i < 1 || width->i > UINT16_MAX)
			return err_set(e, ERR_INPUT,
				       "option \"hidden\": width %zu must be an integer above 0", i + 1);
		o->hidden[i] = (size_t)width->i;
	}
	return 0;
}

static struct model *
mlp_train(const struct train_job *job, struct err *e)
{
	struct learn_mlp o = learn_mlp_defaults();
	size_t seed = 1, standardize = 0;
	o.link = job->link;
	o.valid = job->valid;
	if (hidden_read(job, &o, e) != 0 || train_number(job, "rate", 1e-9, 1, &o.rate, e) != 0 ||
	    train_number(job, "l2", 0, 1e6, &o.l2, e) != 0 ||
	    train_number(job, "dropout", 0, .95, &o.dropout, e) != 0 ||
	    train_count(job, "batch", 1, 65536, &o.batch, e) != 0 ||
	    train_count(job, "epochs", 1, 100000, &o.epochs, e) != 0 ||
	    train_number(job, "validation", 0, .9, &o.validation, e) != 0 ||
	    train_count(job, "patience", 0, 100000, &o.patience, e) != 0 ||
	    train_number(job, "prune", 0, .999, &o.prune, e) != 0 ||
	    train_count(job, "prune_epochs", 0, 100000, &o.prune_epochs, e) != 0 ||
	    train_count(job, "standardize", 0, 1, &standardize, e) != 0 ||
	    train_count(job, "seed", 0, SIZE_MAX, &seed, e) != 0)
		return NULL;
	o.standardize = standardize == 1;
	o.seed = seed;
	return learn_mlp(job->train, job->names, &o, job->progress, e);
}

static struct model *
gbdt_train(const struct train_job *job, struct err *e)
{
	struct learn_gbdt o = learn_gbdt_defaults();
	size_t seed = 1;
	o.link = job->link;
	o.valid = job->valid;
	if (train_count(job, "trees", 1, GBDT_MAX_TREES, &o.trees, e) != 0 ||
	    train_count(job, "leaves", 2, LEARN_GBDT_MAX_LEAVES, &o.leaves, e) != 0 ||
	    train_count(job, "depth", 0, GBDT_MAX_DEPTH, &o.depth, e) != 0 ||
	    train_count(job, "min_rows", 1, LEARN_GBDT_MAX_ROWS, &o.min_rows, e) != 0 ||
	    train_count(job, "bins", 2, 255, &o.bins, e) != 0 ||
	    train_number(job, "rate", 1e-9, 1, &o.rate, e) != 0 ||
	    train_number(job, "l2", 0, 1e12, &o.l2, e) != 0 ||
	    train_number(job, "min_gain", 0, 1e12, &o.min_gain, e) != 0 ||
	    train_number(job, "category_smooth", 0, 1e12, &o.category_smooth, e) != 0 ||
	    train_count(job, "category_rows", 0, LEARN_GBDT_MAX_ROWS, &o.category_rows, e) != 0 ||
	    train_number(job, "rows", 1e-9, 1, &o.rows, e) != 0 ||
	    train_number(job, "columns", 1e-9, 1, &o.columns, e) != 0 ||
	    train_number(job, "validation", 0, .9, &o.validation, e) != 0 ||
	    train_count(job, "patience", 0, GBDT_MAX_TREES, &o.patience, e) != 0 ||
	    train_count(job, "seed", 0, SIZE_MAX, &seed, e) != 0)
		return NULL;
	o.seed = seed;
	return learn_gbdt(job->train, job->names, &o, job->progress, NULL, e);
}

static const struct trainer TRAINERS[] = {
	{ "logistic", "linear: logistic regression, or ridge for values", (const char *const[]){ "l2", NULL },
	  logistic_train },
	{ "mlp", "neural network of ReLU layers",
	  (const char *const[]){ "hidden", "rate", "l2", "dropout", "batch", "epochs", "validation",
				 "patience", "prune", "prune_epochs", "standardize", "seed", NULL },
	  mlp_train },
	{ "gbdt", "boosted trees",
	  (const char *const[]){ "trees", "leaves", "depth", "min_rows", "bins", "rate", "l2", "min_gain",
				 "category_smooth", "category_rows", "rows", "columns", "validation",
				 "patience", "seed", NULL },
	  gbdt_train },
};
#define NTRAINERS (sizeof(TRAINERS) / sizeof(TRAINERS[0]))

const struct trainer *
trainer_at(size_t i)
{
	return i < NTRAINERS ? &TRAINERS[i] : NULL;
}

int
train_number(const struct train_job *job, const char *name, double low, double high, double *v, struct err *e)
{
	const struct value *o = value_map_get(job->options, str_of(name));
	bool ok = true;
	if (!o)
		return 0;
	double got = o->type == VALUE_STRING || o->type == VALUE_BOOL ? NAN : value_number(o, &ok);
	if (!ok || !(got >= low && got <= high))
		return err_set(e, ERR_INPUT, "option \"%s\" must be a number from %g to %g", name, low, high);
	*v = got;
	return 0;
}

int
train_count(const struct train_job *job, const char *name, size_t low, size_t high, size_t *v, struct err *e)
{
	const struct value *o = value_map_get(job->options, str_of(name));
	if (!o)
		return 0;
	if (o->type != VALUE_INT || o->i < 0 || (uint64_t)o->i < low || (uint64_t)o->i > high)
		return err_set(e, ERR_INPUT, "option \"%s\" must be an integer from %zu to %zu", name, low,
			       high);
	*v = (size_t)o->i;
	return 0;
}

/* Which option was meant, or all that there are. */
static int
option_unknown(const struct trainer *t, struct str key, struct err *e)
{
	struct buf known = { 0 };
	size_t n = 0;
	for (; t->options[n]; n++)
		buf_printf(&known, "%s%s", n ? ", " : "", t->options[n]);
	const char *near = conf_nearest(key, t->options, n);
	err_set(e, ERR_INPUT, "kind %s has no option \"%.*s\"%s%s%s; there are: %.*s", t->kind,
		STR_ARG(str_cut(key, 64)), near ? " (did you mean \"" : "", near ? near : "",
		near ? "\"?)" : "", STR_ARG(buf_str(&known)));
	buf_free(&known);
	return -1;
}

static int
options_check(const struct trainer *t, const struct value *options, struct err *e)
{
	for (size_t i = 0; i < value_map_count(options); i++) {
		struct str key;
		const struct value *v;
		size_t k = 0;
		value_map_entry(options, i, &key, &v);
		if (str_eq(key, STR("kind")))
			continue;
		while (t->options[k] && !str_eq(key, str_of(t->options[k])))
			k++;
		if (!t->options[k])
			return option_unknown(t, key, e);
	}
	return 0;
}

const struct trainer *
trainer_find(struct str kind, struct err *e)
{
	const char *names[NTRAINERS];
	char known[128] = "";
	size_t n = 0;
	for (size_t i = 0; i < NTRAINERS; i++) {
		if (str_eq(kind, str_of(TRAINERS[i].kind)))
			return &TRAINERS[i];
		names[i] = TRAINERS[i].kind;
		n += (size_t)snprintf(known + n, sizeof(known) - n, "%s%s", n ? ", " : "", names[i]);
	}
	const char *near = conf_nearest(kind, names, NTRAINERS);
	err_set(e, ERR_INPUT, "kind \"%.*s\" cannot be trained%s%s%s; there are: %s",
		STR_ARG(str_cut(kind, 32)), near ? " (did you mean \"" : "", near ? near : "",
		near ? "\"?)" : "", known);
	return NULL;
}

struct model *
train(struct str kind, const struct train_job *job, struct err *e)
{
	const struct trainer *t = trainer_find(kind, e);
	return t && options_check(t, job->options, e) == 0 ? t->train(job, e) : NULL;
}
