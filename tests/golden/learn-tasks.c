/*
 * learn-tasks: a task of the reference protocol, from its table to the figures, beside what was measured
 * elsewhere.
 *     learn-tasks linear TABLE.csv SPEC.json COEFFICIENTS.json CLICK.json TASK
 * Logistic regression: coefficients to 1e-6, log-loss and AUC of the test rows to 1e-4.
 */
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/json.h"
#include "learn/csv.h"
#include "learn/metric.h"
#include "learn/train.h"
#include "score/logistic.h"

struct task {
	struct arena *a;
	struct spec spec;
	struct learn_set *set;
	struct learn_data train, test;
};

static void
die(const char *where, const struct err *e)
{
	fprintf(stderr, "%s: %s\n", where, e->text);
	exit(1);
}

static struct str
slurp(struct arena *a, const char *path)
{
	struct buf b = { 0 };
	FILE *f = fopen(path, "r");
	if (!f) {
		perror(path);
		exit(1);
	}
	for (int c; (c = getc(f)) != EOF;)
		buf_addc(&b, (char)c);
	fclose(f);
	struct str s = arena_str(a, buf_str(&b));
	buf_free(&b);
	return s;
}

static const struct value *
json_file(struct arena *a, const char *path)
{
	const struct value *v;
	struct err e = { 0 };
	if (json_parse(a, slurp(a, path), NULL, &v, &e) != 0)
		die(path, &e);
	return v;
}

static ssize_t
fd_read(void *ctx, char *p, size_t n)
{
	return read(*(int *)ctx, p, n);
}

static struct task
task_read(const char *table, const char *spec)
{
	struct task t = { .a = arena_new(65536) };
	struct err e = { 0 };
	int fd = open(table, O_RDONLY);
	struct csv_source source = { .read = fd_read, .ctx = &fd };
	if (spec_parse(t.a, slurp(t.a, spec), &t.spec, &e) != 0)
		die(spec, &e);
	t.set = csv_read(&source, &t.spec, &e);
	if (!t.set)
		die(table, &e);
	close(fd);
	t.train = learn_set_part(t.set, LEARN_TRAIN);
	t.test = learn_set_part(t.set, LEARN_TEST);
	return t;
}

static struct model *
task_train(const struct task *t)
{
	struct err e = { 0 };
	const struct learn_names names = { t->spec.score, t->set->columns };
	const struct train_job job = {
		.train = &t->train, .names = &names, .link = MODEL_LOGIT, .options = t->spec.model
	};
	struct model *m = train(t->spec.kind, &job, &e);
	if (!m)
		die("training", &e);
	return m;
}

/* Scores of the test rows, by way of the file that would be shipped. */
static double *
task_score(const struct task *t, const struct model *m)
{
	struct buf b = { 0 };
	struct err e = { 0 };
	double *p = ARENA_ARRAY(t->a, double, t->test.rows);
	model_print(m, &b);
	struct model *back = model_parse(buf_str(&b), &e);
	if (!back)
		die("the model's file", &e);
	void *scratch = malloc(model_scratch(back, t->test.rows));
	model_apply(back, t->test.x, t->test.rows, scratch, p, 1);
	free(scratch);
	model_free(&back);
	buf_free(&b);
	return p;
}

static double
figure(const struct value *root, const char *task, const char *model, const char *name)
{
	bool ok = false;
	const struct value *v =
	    value_map_get(value_map_get(value_map_get(root, str_of(task)), str_of(model)), str_of(name));
	double out = v ? value_number(v, &ok) : NAN;
	return ok ? out : NAN;
}

static int
linear(const struct task *t, const struct value *coefficients, const struct value *click, const char *task)
{
	struct model *m = task_train(t);
	const struct logistic_state *s = m->state;
	double worst = coefficients->list.n == t->train.cols + 1 ? 0 : INFINITY;
	bool ok;
	for (size_t k = 0; k < coefficients->list.n && isfinite(worst); k++) {
		double ours = k ? s->weights[k - 1] : s->intercept;
		worst = fmax(worst, fabs(ours - value_number(coefficients->list.items[k], &ok)));
	}
	const struct metric_data d = { task_score(t, m), t->test.y, NULL, t->test.rows };
	double auc = metric_auc(&d), loss = metric_logloss(&d);
	double auc_ref = figure(click, task, "LR", "auc"), loss_ref = figure(click, task, "LR", "logloss");
	model_free(&m);
	printf("%zu and %zu rows, %zu columns\n", t->train.rows, t->test.rows, t->train.cols);
	printf("AUC %.6f (reference %.6f), log-loss %.6f (reference %.6f), coefficients within %.1e\n", auc,
	       auc_ref, loss, loss_ref, worst);
	return worst < 1e-6 && fabs(auc - auc_ref) < 1e-4 && fabs(loss - loss_ref) < 1e-4 ? 0 : 1;
}

int
main(int argc, char **argv)
{
	if (argc != 7 || strcmp(argv[1], "linear") != 0) {
		fputs("usage: learn-tasks linear TABLE SPEC COEFFICIENTS CLICK TASK\n", stderr);
		return 64;
	}
	struct task t = task_read(argv[2], argv[3]);
	int rc = linear(&t, json_file(t.a, argv[4]), json_file(t.a, argv[5]), argv[6]);
	learn_set_free(&t.set);
	arena_free(&t.a);
	return rc;
}
