/* admin-model-evaluate: how good a model is, and whether it takes another one's place. */
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "main/admin-model.h"

#define SEED 1

int
model_judgement_show(const struct judgement *j, const struct model_request *rq)
{
	struct buf out = { 0 };
	struct err e = { 0 };
	int code = EX_OK;
	if (rq->json)
		judge_print_json(j, &out);
	else
		judge_print_text(j, &out);
	fwrite(out.p, 1, out.n, stdout);
	buf_reset(&out);
	if (rq->html) {
		judge_print_html(j, &out);
		if (file_replace(rq->html, buf_str(&out), FILE_PRIVATE, &e) != 0)
			code = admin_fail(&e);
	}
	buf_free(&out);
	return code;
}

/* ---- rows by a model's own columns ---- */

static bool
part_find(const char *name, const char **says, int *part)
{
	static const struct {
		const char *name, *says;
		int part;
	} parts[] = { { "test", "test rows", LEARN_TEST },
		      { "valid", "validation rows", LEARN_VALID },
		      { "train", "training rows", LEARN_TRAIN },
		      { "all", "rows", -1 } };
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (!name || strcmp(name, parts[i].name) == 0) {
			*says = parts[i].says;
			*part = parts[i].part;
			return true;
		}
	return false;
}

/* Rows as a model wants them; *set owns them. */
static int
rows_for(struct model_source *s, const struct model *m, int part, const char *says, struct learn_set **set,
	 struct learn_data *d)
{
	struct err e = { 0 };
	int code = EX_OK;
	*set = model_source_read(s, m->columns, m->ncolumns, &code);
	if (!*set)
		return code;
	*d = part < 0 ? (*set)->data : learn_set_part(*set, (enum learn_part)part);
	if (d->rows > 0 && (s->value || learn_labels_check(d, says, &e) == 0))
		return EX_OK;
	if (d->rows == 0)
		admin_say(
		    "there are no rows of that part to judge by; see \"split\" of the specification, or "
		    "--test");
	else
		admin_say(
		    "nothing can be said of how good it is: %s; give more rows, or another \"split\" of "
		    "the specification (--test)",
		    e.text);
	return EX_DATAERR;
}

/* A model beside another one (or NULL) on the same rows. */
struct bout {
	struct model *own, *other;
	struct learn_set *own_set, *other_set;
	struct judgement *j;
};

static void
bout_free(struct bout *b)
{
	judge_free(&b->j);
	learn_set_free(&b->own_set);
	learn_set_free(&b->other_set);
	model_free(&b->own);
	model_free(&b->other);
}

static int
bout_judge(struct bout *b, const struct model_request *rq, const char *other_name)
{
	struct model_source s;
	struct learn_data own, other = { 0 };
	const char *says;
	int part, code;
	if (!part_find(rq->part, &says, &part))
		return admin_misuse("--part %s: test, valid, train or all", rq->part);
	code = model_source_open(&s, rq);
	if (code == EX_OK && (b->own->link == MODEL_IDENTITY) != s.value)
		code = admin_misuse("the rows have %s, the model predicts %s", s.value ? "values" : "labels",
				    b->own->link == MODEL_LOGIT ? "labels" : "values");
	if (code == EX_OK)
		code = rows_for(&s, b->own, part, says, &b->own_set, &own);
	if (code == EX_OK && b->other)
		code = rows_for(&s, b->other, part, says, &b->other_set, &other);
	if (code == EX_OK)
		b->j = judge_make(b->own, rq->args[0], &own, b->other, other_name, &other, says, SEED);
	model_source_close(&s);
	return code;
}

int
model_evaluate(const struct model_request *rq)
{
	struct bout b = { 0 };
	struct err e = { 0 };
	int code = EX_OK;
	b.own = model_load(rq->args[0], &e);
	if (b.own && rq->against)
		b.other = model_load(rq->against, &e);
	if (!b.own || (rq->against && !b.other))
		code = admin_fail(&e);
	else if (b.other && b.other->link != b.own->link)
		code = admin_misuse("one of the models predicts labels, the other values");
	else
		code = bout_judge(&b, rq, rq->against);
	if (code == EX_OK)
		code = model_judgement_show(b.j, rq);
	bout_free(&b);
	return code;
}

/* ---- promote ---- */

static bool
metric_find(const char *name, enum metric_kind *kind)
{
	static const char *const names[METRIC_KINDS] = {
		[METRIC_AUC] = "auc",
		[METRIC_PRECISION] = "precision",
		[METRIC_LOGLOSS] = "logloss",
		[METRIC_BRIER] = "brier",
	};
	*kind = METRIC_LOGLOSS;
	for (int k = 0; name && k < METRIC_KINDS; k++)
		if (strcmp(names[k], name) == 0) {
			*kind = (enum metric_kind)k;
			return true;
		}
	return !name;
}

/* The one in use. One that is not there or cannot be read is none: what comes need only beat the mean. */
static int
in_use_load(struct bout *b, const char *path)
{
	struct err e = { 0 };
	b->other = model_load(path, &e);
	if (!b->other && e.kind == ERR_MISSING)
		return EX_OK;
	if (!b->other) {
		admin_say("the model in use cannot be used: %s", e.text);
		return e.kind == ERR_PERM || e.kind == ERR_IO ? err_exit_code(e.kind) : EX_OK;
	}
	if (strcmp(b->own->score, b->other->score) != 0) {
		admin_say(
		    "not promoted: it gives the score \"%s\", the one in use \"%s\", and rules read that",
		    b->own->score, b->other->score);
		return EX_DATAERR;
	}
	if (b->own->link != b->other->link) {
		admin_say("not promoted: one predicts labels, the other values");
		return EX_DATAERR;
	}
	return EX_OK;
}

/* Rows that it was trained on say nothing about it. */
static int
split_check(const struct model *m, const struct model_request *rq)
{
	const struct value *split = value_map_get(m->training, STR("split"));
	struct model_source s;
	struct buf own = { 0 }, here = { 0 };
	int code = model_source_open(&s, rq);
	if (code == EX_OK && !split) {
		admin_say("warning: its file does not say which rows it was trained on; they may be among "
			  "those that it is judged by");
	} else if (code == EX_OK) {
		json_print(&own, split);
		json_print(&here, s.split);
		if (!str_eq(buf_str(&own), buf_str(&here))) {
			admin_say(
			    "not promoted: it was trained with another \"split\" than the specification "
			    "has, so it may know the rows that it is to be judged by");
			code = EX_DATAERR;
		}
	}
	buf_free(&own);
	buf_free(&here);
	model_source_close(&s);
	return code;
}

/* gain: by how much it is better (below zero: worse), in the metric's own units. */
static void
refusal_say(const struct judgement *j, const char *metric, const struct model_request *rq, double gain,
	    double se, bool worse)
{
	const char *file = rq->args[0];
	if (j->other.p && worse)
		admin_say("not promoted: %s stays in use: %s has a %s that is worse by %.6f (SE %.6f) on %zu "
			  "held-out rows. Train it otherwise, or on more rows",
			  rq->to, file, metric, -gain, se, j->rows);
	else if (j->other.p)
		admin_say("not promoted: %s stays in use: %s has a %s that is %s by %.6f, no more than two "
			  "standard errors (%.6f each) on %zu held-out rows, so chance explains it. Judge on "
			  "more rows, or by another --metric; to put it in use all the same, copy it there",
			  rq->to, file, metric, gain < 0 ? "worse" : "better", fabs(gain), se, j->rows);
	else
		admin_say("not promoted: nothing is in use as %s, and %s has a %s that is %s by %.6f (SE "
			  "%.6f) than that of the mean label on %zu held-out rows; it must be better by more "
			  "than two standard errors. Train it otherwise, or on more rows",
			  rq->to, file, metric, gain < 0 ? "worse" : "better", fabs(gain), se, j->rows);
}

static void
verdict_say(const struct judgement *j, enum metric_kind kind, const struct model_request *rq)
{
	const struct metric_difference *d = &j->against[kind];
	const char *than = j->other.p ? "the model in use" : "the mean label";
	const char *metric = judge_metric_name(j, kind);
	double gain = d->difference * metric_direction(kind) + 0.0; /* no "-0" */
	if (d->verdict > 0)
		admin_say(
		    "promoted: its %s is better than that of %s by %.6f (SE %.6f) on %zu held-out rows. "
		    "Next: send SIGUSR1 to mailtailord (kill -USR1 PID); `mailtailor model rollback %s` "
		    "takes it back.",
		    metric, than, gain, d->se, j->rows, rq->to);
	else
		refusal_say(j, metric, rq, gain, d->se, d->verdict < 0);
}

static int
replace(const struct model *m, const struct model_request *rq)
{
	struct buf bytes = { 0 };
	struct err e = { 0 };
	int code = admin_audit_file(rq->conf_path, AUDIT_MODEL_PROMOTE, rq->to);
	model_print(m, &bytes);
	if (code == EX_OK && (model_history_keep(rq->to, &e) != 0 ||
			      file_replace(rq->to, buf_str(&bytes), FILE_PUBLIC, &e) != 0))
		code = admin_fail(&e);
	buf_free(&bytes);
	return code;
}

int
model_promote(const struct model_request *rq)
{
	struct bout b = { 0 };
	struct err e = { 0 };
	enum metric_kind kind;
	int code;
	if (!metric_find(rq->metric, &kind))
		return admin_misuse("--metric %s: logloss, auc, precision or brier", rq->metric);
	b.own = model_load(rq->args[0], &e);
	code = b.own ? in_use_load(&b, rq->to) : admin_fail(&e);
	if (code == EX_OK)
		code = split_check(b.own, rq);
	if (code == EX_OK)
		code = bout_judge(&b, rq, rq->to);
	if (code == EX_OK) {
		if (b.j->value)
			kind = METRIC_BRIER;
		if ((code = model_judgement_show(b.j, rq)) == EX_OK && b.j->against[kind].verdict > 0)
			code = replace(b.own, rq);
		if (code == EX_OK) {
			verdict_say(b.j, kind, rq);
			code = b.j->against[kind].verdict > 0 ? EX_OK : 1;
		}
	}
	bout_free(&b);
	return code;
}

int
model_rollback(const struct model_request *rq)
{
	struct arena *a = arena_new(4096);
	struct err e = { 0 };
	const char *name = NULL;
	const char *const *names;
	int code = EX_OK;
	/* Nothing is written down that cannot be done. */
	if (model_history_list(rq->args[0], a, &names) > 0)
		code = admin_audit_file(rq->conf_path, AUDIT_MODEL_ROLLBACK, rq->args[0]);
	if (code == EX_OK && model_history_back(rq->args[0], a, &name, &e) != 0)
		code = admin_fail(&e);
	if (code == EX_OK)
		admin_say(
		    "%s is the model of %s.history/%s again. Next: send SIGUSR1 to mailtailord (kill -USR1 "
		    "PID).",
		    rq->args[0], rq->args[0], name);
	arena_free(&a);
	return code;
}
