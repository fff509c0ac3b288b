/*
 * learn-tasks: a task of the reference protocol, from its table to the figures, beside what was measured
 * elsewhere.
 *     learn-tasks linear TABLE.csv SPEC.json COEFFICIENTS.json CLICK.json TASK
 * Logistic regression: coefficients to 1e-6, log-loss and AUC of the test rows to 1e-4.
 *     learn-tasks mlp TABLE.csv SPEC.json CLICK.json TASK SEEDS [AUC LOGLOSS]
 * The protocol's neural network with as many seeds: means and deviations beside the reference's; AUC at
 * least, log-loss at most so much where that is given.
 *     learn-tasks gbdt TABLE.csv SPEC.json CLICK.json TASK AUC BEST
 * Boosted trees by the protocol (HGBtuned) and by the customary defaults (GB: 100 trees of depth 3, rate .1),
 * beside the reference's and, by paired bootstrap, beside logistic regression: AUC of the first at least so
 * much, and of the best of the three.
 */
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "learn/csv.h"
#include "learn/gbdt.h"
#include "learn/metric.h"
#include "learn/mlp.h"
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

/* An entry [mean, deviation] of the reference. */
static double
figure_of(const struct value *root, const char *task, const char *name, size_t i)
{
	bool ok = false;
	const struct value *v =
	    value_map_get(value_map_get(value_map_get(root, str_of(task)), STR("MLP")), str_of(name));
	return v && v->type == VALUE_LIST && i < v->list.n ? value_number(v->list.items[i], &ok) : NAN;
}

static void
mean_deviation(const double *v, size_t n, double *out)
{
	out[0] = out[1] = 0;
	for (size_t i = 0; i < n; i++)
		out[0] += v[i] / (double)n;
	for (size_t i = 0; i < n; i++)
		out[1] += (v[i] - out[0]) * (v[i] - out[0]) / (double)n;
	out[1] = sqrt(out[1]);
}

static int
mlp(const struct task *t, const struct value *click, const char *task, size_t seeds, double auc_least,
    double loss_most)
{
	const struct learn_names names = { t->spec.score, t->set->columns };
	struct learn_mlp o = learn_mlp_defaults();
	double *auc = ARENA_ARRAY(t->a, double, seeds), *loss = ARENA_ARRAY(t->a, double, seeds);
	double a[2], l[2];
	struct err e = { 0 };
	for (size_t i = 0; i < seeds; i++) {
		o.seed = i + 1;
		struct model *m = learn_mlp(&t->train, &names, &o, NULL, &e);
		if (!m)
			die("training", &e);
		const struct metric_data d = { task_score(t, m), t->test.y, NULL, t->test.rows };
		auc[i] = metric_auc(&d);
		loss[i] = metric_logloss(&d);
		printf("seed %zu: AUC %.6f, log-loss %.6f\n", i + 1, auc[i], loss[i]);
		model_free(&m);
	}
	mean_deviation(auc, seeds, a);
	mean_deviation(loss, seeds, l);
	printf("%zu seeds: AUC %.4f ± %.4f (reference %.4f ± %.4f), log-loss %.4f ± %.4f (%.4f ± %.4f)\n",
	       seeds, a[0], a[1], figure_of(click, task, "auc", 0), figure_of(click, task, "auc", 1), l[0],
	       l[1], figure_of(click, task, "logloss", 0), figure_of(click, task, "logloss", 1));
	return a[0] >= auc_least && l[0] <= loss_most ? 0 : 1;
}

#define DRAWS 400

/* Says how a model does, beside the reference's and beside logistic regression; its AUC. */
static double
beside(const struct task *t, const char *name, const double *p, const double *logistic,
       const struct value *click, const char *task)
{
	const struct metric_data d = { p, t->test.y, NULL, t->test.rows };
	double auc = metric_auc(&d);
	printf("%-8s AUC %.6f (reference %.6f), log-loss %.6f (%.6f)", name, auc,
	       figure(click, task, name, "auc"), metric_logloss(&d), figure(click, task, name, "logloss"));
	if (p != logistic) {
		struct metric_difference by =
		    metric_compare(p, logistic, d.y, NULL, d.n, METRIC_AUC, DRAWS, 1);
		printf("; AUC less logistic's %+.4f ± %.4f: %s", by.difference, by.se,
		       by.verdict > 0	? "ahead"
		       : by.verdict < 0 ? "behind"
					: "neither ahead nor behind");
	}
	putchar('\n');
	return auc;
}

static int
gbdt(const struct task *t, const struct value *click, const char *task, double auc_least, double best_least)
{
	const struct learn_names names = { t->spec.score, t->set->columns };
	struct learn_gbdt o[2] = { learn_gbdt_defaults(), learn_gbdt_defaults() };
	const char *const called[] = { "HGBtuned", "GB" };
	struct err e = { 0 };
	double auc[2];
	struct model *m = task_train(t); /* the specification's own: logistic regression */
	const double *logistic = task_score(t, m);
	double best = beside(t, "LR", logistic, logistic, click, task);
	model_free(&m);
	o[1].trees = 100;
	o[1].depth = 3;
	o[1].rate = .1;
	o[1].min_rows = 1;
	for (size_t i = 0; i < 2; i++) {
		m = learn_gbdt(&t->train, &names, &o[i], NULL, NULL, &e);
		if (!m)
			die("training", &e);
		auc[i] = beside(t, called[i], task_score(t, m), logistic, click, task);
		best = auc[i] > best ? auc[i] : best;
		model_free(&m);
	}
	printf("AUC %.6f (reference %.6f), best of the three models %.6f\n", auc[0],
	       figure(click, task, called[0], "auc"), best);
	return auc[0] >= auc_least && best >= best_least ? 0 : 1;
}

int
main(int argc, char **argv)
{
	bool linear_task = argc == 7 && strcmp(argv[1], "linear") == 0;
	bool mlp_task = (argc == 7 || argc == 9) && strcmp(argv[1], "mlp") == 0;
	bool gbdt_task = argc == 8 && strcmp(argv[1], "gbdt") == 0;
	if (!linear_task && !mlp_task && !gbdt_task) {
		fputs("usage: learn-tasks linear TABLE SPEC COEFFICIENTS CLICK TASK\n"
		      "       learn-tasks mlp TABLE SPEC CLICK TASK SEEDS [AUC LOGLOSS]\n"
		      "       learn-tasks gbdt TABLE SPEC CLICK TASK AUC BEST\n",
		      stderr);
		return 64;
	}
	struct task t = task_read(argv[2], argv[3]);
	int rc;
	if (linear_task)
		rc = linear(&t, json_file(t.a, argv[4]), json_file(t.a, argv[5]), argv[6]);
	else if (mlp_task)
		rc = mlp(&t, json_file(t.a, argv[4]), argv[5], strtoul(argv[6], NULL, 10),
			 argc == 9 ? atof(argv[7]) : 0, argc == 9 ? atof(argv[8]) : INFINITY);
	else
		rc = gbdt(&t, json_file(t.a, argv[4]), argv[5], atof(argv[6]), atof(argv[7]));
	learn_set_free(&t.set);
	arena_free(&t.a);
	return rc;
}
