/* admin-model-train: learns a model from a table, judges it, writes it. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "learn/calibrate.h"
#include "learn/train.h"
#include "main/admin-model.h"
#include "score/column.h"

/* Most points of the loss curve that a file keeps. */
#define CURVE 200
#define SEED 1

/* What is seen of training while it goes on, and its loss curve. */
struct watch {
	struct progress *progress;
	char label[80];
	struct buf steps; /* of struct learn_step */
};

static void
watch_step(void *ctx, const struct learn_step *s)
{
	struct watch *w = ctx;
	buf_add(&w->steps, s, sizeof(*s));
	if (!w->progress)
		w->progress = progress_start(w->label, s->total);
	if (isfinite(s->valid_loss))
		snprintf(w->label, sizeof(w->label), "training, loss %.5f, validation %.5f", s->train_loss,
			 s->valid_loss);
	else
		snprintf(w->label, sizeof(w->label), "training, loss %.5f", s->train_loss);
	progress_flow(w->progress, s->done, s->total, -1);
}

static const struct value *
number_or_null(struct arena *a, double v)
{
	return isfinite(v) ? value_real(a, v) : &VALUE_NULL_V;
}

/* [[step, training loss, validation loss], …]; of many steps some, evenly, and the last. */
static const struct value *
curve_value(const struct watch *w, struct arena *a)
{
	const struct learn_step *steps = (const struct learn_step *)(const void *)w->steps.p;
	size_t n = w->steps.n / sizeof(*steps), points = n < CURVE ? n : CURVE;
	struct value *list = value_list(a, points);
	for (size_t i = 0; i < points; i++) {
		const struct learn_step *s = &steps[points > 1 ? i * (n - 1) / (points - 1) : 0];
		struct value *row = value_list(a, 3);
		row->list.items[0] = value_int(a, (int64_t)s->done);
		row->list.items[1] = number_or_null(a, s->train_loss);
		row->list.items[2] = number_or_null(a, s->valid_loss);
		list->list.items[i] = row;
	}
	return list;
}

static int
calibrate(const struct model_source *s, struct model *m, const struct learn_data *valid, struct err *e)
{
	if (s->spec.calibrate == SPEC_PLAIN)
		return 0;
	if (valid->rows == 0)
		return err_set(e, ERR_INPUT,
			       "calibration needs rows for validation (\"valid\" of \"split\", or --valid)");
	double *z = calloc(valid->rows, sizeof(*z));
	void *scratch = malloc(model_scratch(m, valid->rows));
	if (!z || !scratch)
		abort();
	model_margins(m, valid->x, valid->rows, scratch, z);
	int rc = s->spec.calibrate == SPEC_PLATT
		     ? calibrate_platt(m, z, valid->y, valid->w, valid->rows, e)
		     : calibrate_isotonic(m, z, valid->y, valid->w, valid->rows, e);
	free(z);
	free(scratch);
	return rc;
}

/* What a model's file says about how it came to be. */
static void
training_put(struct model *m, const struct model_source *s, const struct learn_data *parts,
	     const struct watch *w)
{
	static const char *const names[] = { "train_rows", "valid_rows", "test_rows" };
	static const char *const calibrations[] = { "none", "platt", "isotonic" };
	struct value *map = value_map_new(m->arena);
	/* What the trainer has to say stays. */
	for (size_t i = 0; i < value_map_count(m->training); i++) {
		struct str key;
		const struct value *v;
		value_map_entry(m->training, i, &key, &v);
		value_map_set(m->arena, map, key, v);
	}
	for (int i = 0; i < LEARN_PARTS; i++)
		value_map_set(m->arena, map, str_of(names[i]), value_int(m->arena, (int64_t)parts[i].rows));
	value_map_set(m->arena, map, STR("options"), value_copy(m->arena, s->spec.model));
	value_map_set(m->arena, map, STR("split"), value_copy(m->arena, s->split));
	value_map_set(m->arena, map, STR("calibrate"),
		      value_string(m->arena, str_of(calibrations[s->spec.calibrate])));
	value_map_set(m->arena, map, STR("loss"), curve_value(w, m->arena));
	m->training = map;
}

/* Figures on the test rows into the file, and shown. */
static int
judge_and_write(struct model *m, const struct model_request *rq, const struct learn_data *test)
{
	struct judgement *j = NULL;
	struct buf bytes = { 0 };
	struct err e = { 0 };
	int code = EX_OK;
	if (test->rows > 0) {
		struct value *map = (struct value *)(uintptr_t)m->training;
		j = judge_make(m, rq->out, test, NULL, NULL, NULL, "test rows", SEED);
		value_map_set(m->arena, map, STR("test"), judge_figures(j, m->arena));
	}
	model_print(m, &bytes);
	if (file_replace(rq->out, buf_str(&bytes), FILE_PUBLIC, &e) != 0)
		code = admin_fail(&e);
	else if (j)
		code = model_judgement_show(j, rq);
	else
		admin_say("no rows are held out, so nothing can be said of how good it is");
	judge_free(&j);
	buf_free(&bytes);
	return code;
}

/* What is held out is looked at before training, which may take hours. */
static int
labels_check(const struct model_source *s, const struct learn_data *parts)
{
	struct err e = { 0 };
	if (s->value)
		return EX_OK;
	if (learn_labels_check(&parts[LEARN_TRAIN], "training rows", &e) != 0) {
		admin_say("nothing can be learned: %s; take more rows, or another \"split\" of the "
			  "specification (--test, --valid)",
			  e.text);
		return EX_DATAERR;
	}
	if (parts[LEARN_TEST].rows > 0 && learn_labels_check(&parts[LEARN_TEST], "test rows", &e) != 0) {
		admin_say("nothing could be said of how good it is: %s; hold out others (\"split\" of the "
			  "specification, --test), or none",
			  e.text);
		return EX_DATAERR;
	}
	return EX_OK;
}

#define SHOWN_COLUMNS 10

/* Column k of the training rows is the same in all of them. */
static bool
column_constant(const struct learn_data *d, size_t k)
{
	double first = d->x[k];
	for (size_t i = 1; i < d->rows; i++) {
		double v = d->x[i * d->cols + k];
		if (isnan(first) ? !isnan(v) : v != first)
			return false;
	}
	return true;
}

/* A value that was misspelt is none of any row: its column is there, and says nothing. */
static void
columns_warn(const struct learn_set *set, const struct learn_data *d)
{
	size_t n = 0;
	for (size_t k = 0; k < d->cols && d->rows > 0; k++) {
		if (!column_constant(d, k) || ++n > SHOWN_COLUMNS)
			continue;
		if (isnan(d->x[k]))
			admin_say("warning: column \"%s\" is missing in all %zu training rows",
				  set->columns[k], d->rows);
		else
			admin_say("warning: column \"%s\" is %g in all %zu training rows%s", set->columns[k],
				  d->x[k], d->rows,
				  d->x[k] == 0 && strstr(set->columns[k], "| is ")
				      ? ": that value never occurs"
				      : "");
	}
	if (n > SHOWN_COLUMNS)
		admin_say("warning: so are %zu more columns", n - SHOWN_COLUMNS);
}

static int
train_set(struct model_source *s, const struct learn_set *set)
{
	struct learn_data parts[LEARN_PARTS];
	struct watch w = { .label = "training" };
	const struct learn_progress progress = { watch_step, &w };
	const struct learn_names names = { s->spec.score, set->columns };
	struct err e = { 0 };
	int code;
	for (int i = 0; i < LEARN_PARTS; i++)
		parts[i] = learn_set_part(set, (enum learn_part)i);
	if ((code = labels_check(s, parts)) != EX_OK)
		return code;
	columns_warn(set, &parts[LEARN_TRAIN]);
	const struct train_job job = { .train = &parts[LEARN_TRAIN],
				       .valid = &parts[LEARN_VALID],
				       .names = &names,
				       .link = s->value ? MODEL_IDENTITY : MODEL_LOGIT,
				       .options = s->spec.model,
				       .progress = &progress };
	struct model *m = train(s->spec.kind, &job, &e);
	progress_end(&w.progress);
	if (m && calibrate(s, m, &parts[LEARN_VALID], &e) != 0)
		model_free(&m);
	if (m) {
		training_put(m, s, parts, &w);
		code = judge_and_write(m, s->rq, &parts[LEARN_TEST]);
	} else {
		code = admin_fail(&e);
	}
	model_free(&m);
	buf_free(&w.steps);
	return code;
}

/* Where there is a configuration, what it marks as sensitive is not learned from. */
static int
sensitive_check(const struct model_source *s)
{
	struct score_columns *columns;
	struct err e = { 0 };
	const char *field;
	if (s->events) /* its features section was held against that */
		return EX_OK;
	if (!s->rq->conf_path && access(admin_conf_path(NULL), F_OK) != 0)
		return EX_OK;
	struct conf *conf = admin_conf(s->rq->conf_path);
	if (!conf)
		return EX_CONFIG;
	int code = EX_OK;
	ptrdiff_t k = -1;
	if (score_columns_compile(s->arena, s->spec.columns, s->spec.ncolumns, &columns, &e) != 0)
		code = admin_fail(&e);
	else
		k = score_columns_find_field(columns, conf->privacy.sensitive.v, conf->privacy.sensitive.n,
					     &field);
	if (k >= 0) {
		admin_say("column \"%s\" reads \"%s\", which privacy marks as sensitive; take it out",
			  s->spec.columns[k], field);
		code = EX_CONFIG;
	}
	conf_free(&conf);
	return code;
}

int
model_train(const struct model_request *rq)
{
	struct model_source s;
	int code = model_source_open(&s, rq);
	struct err e = { 0 };
	if (code == EX_OK && !trainer_find(s.spec.kind, &e))
		code = admin_fail(&e);
	if (code == EX_OK)
		code = sensitive_check(&s);
	struct learn_set *set = code == EX_OK ? model_source_read(&s, NULL, 0, &code) : NULL;
	if (set)
		code = train_set(&s, set);
	learn_set_free(&set);
	model_source_close(&s);
	return code;
}
