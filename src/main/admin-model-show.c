/* admin-model-show: what a model uses and where it comes from; the model for other programs. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "main/admin-model.h"
#include "score/logistic.h"

static void
put_text(struct arena *a, struct value *map, const char *key, const char *text)
{
	value_map_set(a, map, str_of(key), value_string(a, arena_str(a, str_of(text))));
}

static const char *
calibration_name(const struct model *m)
{
	return m->calibration.platt ? "platt" : m->calibration.npoints > 0 ? "isotonic" : "none";
}

/* Columns with what they count for, in the model's order. */
static const struct value *
columns_value(const struct model *m, struct arena *a)
{
	struct value *list = value_list(a, m->ncolumns);
	double *importance = ARENA_ARRAY(a, double, m->ncolumns);
	if (m->kind->importance)
		m->kind->importance(m, importance);
	for (size_t i = 0; i < m->ncolumns; i++) {
		struct value *map = value_map_new(a);
		put_text(a, map, "column", m->columns[i]);
		if (m->kind->importance)
			value_map_set(a, map, STR("importance"), value_real(a, importance[i]));
		list->list.items[i] = map;
	}
	return list;
}

static const struct value *
show_value(const struct model *m, const char *path, struct arena *a)
{
	struct value *map = value_map_new(a);
	const char *const *names;
	size_t n = model_history_list(path, a, &names);
	struct value *history = value_list(a, n);
	put_text(a, map, "file", path);
	put_text(a, map, "kind", m->kind->name);
	put_text(a, map, "score", m->score);
	put_text(a, map, "predicts", m->link == MODEL_LOGIT ? "probability" : "value");
	put_text(a, map, "calibration", calibration_name(m));
	value_map_set(a, map, STR("checksum"), value_bool(m->checked));
	value_map_set(a, map, STR("columns"), columns_value(m, a));
	value_map_set(a, map, STR("training"), m->training);
	for (size_t i = 0; i < n; i++)
		history->list.items[i] = value_string(a, str_of(names[i]));
	value_map_set(a, map, STR("history"), history);
	return map;
}

/* One line for each figure, maps within maps as "test.auc"; lists (the loss curve) by their length. */
static void
figures_print(const struct value *map, const char *prefix)
{
	struct buf text = { 0 };
	for (size_t i = 0; i < value_map_count(map); i++) {
		struct str key;
		const struct value *v;
		char name[160];
		value_map_entry(map, i, &key, &v);
		snprintf(name, sizeof(name), "%s%.*s", prefix, STR_ARG(str_cut(key, 60)));
		if (v->type == VALUE_MAP) {
			snprintf(name + strlen(name), sizeof(name) - strlen(name), ".");
			if (strlen(name) < 120)
				figures_print(v, name);
			continue;
		}
		buf_reset(&text);
		if (v->type == VALUE_LIST && v->list.n > 8)
			buf_printf(&text, "%zu values", v->list.n);
		else
			json_print(&text, v);
		str_tame(name, strlen(name));
		printf("  %-36s %s\n", name, text.p ? text.p : "");
	}
	buf_free(&text);
}

static void
show_text(const struct model *m, const char *path, struct arena *a)
{
	static const struct admin_column columns[] = { { "COLUMN", ADMIN_COL_TEXT },
						       { "WEIGHT", ADMIN_COL_NUMBER } };
	double *importance = ARENA_ARRAY(a, double, m->ncolumns);
	const char *const *names;
	printf("%s: %s, score \"%s\" (a %s), calibration %s, %s\n\n", path, m->kind->name, m->score,
	       m->link == MODEL_LOGIT ? "probability" : "value", calibration_name(m),
	       m->checked ? "checksum agrees" : "no checksum");
	struct admin_table *t = admin_table_new(columns, m->kind->importance ? 2 : 1);
	if (m->kind->importance)
		m->kind->importance(m, importance);
	for (size_t i = 0; i < m->ncolumns; i++) {
		struct str weight = arena_printf(a, "%.6g", importance[i]);
		const char *cells[] = { m->columns[i], weight.p };
		admin_table_row(t, cells);
	}
	admin_table_print(t, stdout, false);
	admin_table_free(&t);
	if (value_map_count(m->training) > 0) {
		printf("\ntraining\n");
		figures_print(m->training, "");
	}
	size_t n = model_history_list(path, a, &names);
	printf("%s", n ? "\nhistory\n" : "");
	for (size_t i = 0; i < n; i++)
		printf("  %s\n", names[i]);
}

int
model_show(const struct model_request *rq)
{
	struct err e = { 0 };
	struct model *m = model_load(rq->args[0], &e);
	if (!m)
		return admin_fail(&e);
	struct arena *a = arena_new(16384);
	if (rq->json) {
		struct buf out = { 0 };
		json_print_pretty(&out, show_value(m, rq->args[0], a));
		puts(out.p);
		buf_free(&out);
	} else {
		show_text(m, rq->args[0], a);
	}
	arena_free(&a);
	model_free(&m);
	return EX_OK;
}

/* ---- export ---- */

/* The weights file of plugin logistic: Platt's curve goes into the weights, steps have no place there. */
static int
weights_print(const struct model *m, struct buf *out, struct err *e)
{
	const struct logistic_state *s = m->state;
	const struct model_calibration *c = &m->calibration;
	double scale = c->platt ? c->a : 1, shift = c->platt ? c->b : 0;
	if (m->kind != &model_logistic || m->link != MODEL_LOGIT)
		return err_set(e, ERR_UNSUPPORTED, "only logistic regression can be written as weights");
	if (c->npoints > 0)
		return err_set(e, ERR_UNSUPPORTED,
			       "it has an isotonic calibration, which weights cannot express");
	buf_adds(out, STR("{\n\t\"score\": "));
	json_print_string(out, str_of(m->score));
	buf_printf(out, ",\n\t\"intercept\": %.17g,\n\t\"features\": [", scale * s->intercept + shift);
	for (size_t i = 0; i < m->ncolumns; i++) {
		buf_printf(out, "%s\n\t\t{ \"name\": ", i ? "," : "");
		json_print_string(out, str_of(m->columns[i]));
		buf_printf(out, ", \"weight\": %.17g, \"missing\": %.17g }", scale * s->weights[i],
			   s->missing[i]);
	}
	buf_adds(out, STR("\n\t]\n}\n"));
	return 0;
}

int
model_export(const struct model_request *rq)
{
	struct err e = { 0 };
	struct buf out = { 0 };
	struct model *m = model_load(rq->args[0], &e);
	int rc = m ? 0 : -1;
	if (rc == 0 && strcmp(rq->format, "json") == 0)
		rc = weights_print(m, &out, &e);
	else if (rc == 0 && strcmp(rq->format, "safetensors") == 0)
		model_print(m, &out);
	else if (rc == 0)
		rc = err_set(&e, ERR_USAGE, "--format %s: json or safetensors", rq->format);
	if (rc == 0)
		rc = file_replace(rq->out, buf_str(&out), FILE_PUBLIC, &e);
	buf_free(&out);
	model_free(&m);
	return rc == 0 ? EX_OK : admin_fail(&e);
}
