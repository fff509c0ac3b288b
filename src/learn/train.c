/* train: see train.h. */
#include "learn/train.h"

#include <math.h>
#include <stdio.h>

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

static const struct trainer TRAINERS[] = {
	{ "logistic", "linear: logistic regression, or ridge for values", (const char *const[]){ "l2", NULL },
	  logistic_train },
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
			return err_set(e, ERR_INPUT, "kind %s has no option \"%.*s\"", t->kind,
				       STR_ARG(str_cut(key, 64)));
	}
	return 0;
}

struct model *
train(struct str kind, const struct train_job *job, struct err *e)
{
	char known[128] = "";
	size_t n = 0;
	for (size_t i = 0; i < NTRAINERS; i++) {
		if (str_eq(kind, str_of(TRAINERS[i].kind)))
			return options_check(&TRAINERS[i], job->options, e) == 0 ? TRAINERS[i].train(job, e)
										 : NULL;
		n += (size_t)snprintf(known + n, sizeof(known) - n, "%s%s", n ? ", " : "", TRAINERS[i].kind);
	}
	err_set(e, ERR_INPUT, "kind \"%.*s\" cannot be trained; there are: %s", STR_ARG(str_cut(kind, 32)),
		known);
	return NULL;
}
