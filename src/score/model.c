/* model: files, and the table of kinds (see model.h). */
#include "score/model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "score/model-private.h"

static const struct model_kind *const KINDS[] = {
	&model_logistic,
	&model_uplift,
	&model_mlp,
	&model_gbdt,
};
#define NKINDS (sizeof(KINDS) / sizeof(KINDS[0]))

const char *
model_kind_name(size_t i)
{
	return i < NKINDS ? KINDS[i]->name : NULL;
}

static const struct model_kind *
kind_find(struct str name)
{
	for (size_t i = 0; i < NKINDS; i++)
		if (str_eq(name, str_of(KINDS[i]->name)))
			return KINDS[i];
	return NULL;
}

/* A plugin's score must have such a name, and rules read it by it. */
static bool
score_name_ok(struct str s)
{
	if (s.n == 0 || s.n > MODEL_MAX_NAME || !ascii_isalpha(s.p[0]))
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_isalpha(s.p[i]) && !ascii_isdigit(s.p[i]) && s.p[i] != '_' && s.p[i] != '-')
			return false;
	return true;
}

/* A column text is what a line of a list can be: not empty, no control characters, UTF-8. */
static bool
column_ok(struct str s)
{
	if (s.n == 0 || s.n > MODEL_MAX_COLUMN || !str_is_utf8(s))
		return false;
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
			return false;
	return true;
}

/* Names into m, copied. */
static int
model_name(struct model *m, struct str kind, struct str score, struct err *e)
{
	m->kind = kind_find(kind);
	if (!m->kind)
		return err_set(e, ERR_INPUT, "kind \"%.*s\" is not known", STR_ARG(str_cut(kind, 32)));
	if (!score_name_ok(score))
		return err_set(e, ERR_INPUT,
			       "the score's name must be a letter, then letters, digits, _ and -, at most %d",
			       MODEL_MAX_NAME);
	m->score = arena_cstr(m->arena, score);
	m->training = value_map_new(m->arena);
	return 0;
}

static int
columns_put(struct model *m, const struct str *columns, size_t n, struct err *e)
{
	const char **out = ARENA_ARRAY(m->arena, const char *, n);
	if (n == 0 || n > MODEL_MAX_COLUMNS)
		return err_set(e, ERR_INPUT, "there must be 1 to %d columns", MODEL_MAX_COLUMNS);
	for (size_t i = 0; i < n; i++) {
		if (!column_ok(columns[i]))
			return err_set(e, ERR_INPUT, "column %zu must be a text of 1 to %d bytes", i + 1,
				       MODEL_MAX_COLUMN);
		out[i] = arena_cstr(m->arena, columns[i]);
	}
	m->columns = out;
	m->ncolumns = n;
	return 0;
}

static struct model *
model_empty(void)
{
	struct arena *a = arena_new(16384);
	struct model *m = ARENA_NEW(a, struct model);
	m->arena = a;
	return m;
}

void
model_free(struct model **m)
{
	if (*m) {
		struct arena *a = (*m)->arena;
		if ((*m)->kind && (*m)->kind->free)
			(*m)->kind->free(*m);
		arena_free(&a);
	}
	*m = NULL;
}

struct model *
model_new(const char *kind, const char *score, const char *const *columns, size_t ncolumns,
	  enum model_link link, struct err *e)
{
	struct model *m = model_empty();
	struct str *texts = ARENA_ARRAY(m->arena, struct str, ncolumns);
	for (size_t i = 0; i < ncolumns; i++)
		texts[i] = str_of(columns[i]);
	m->link = link;
	if (model_name(m, str_of(kind), str_of(score), e) != 0 || columns_put(m, texts, ncolumns, e) != 0)
		model_free(&m);
	return m;
}

/* ---- reading ---- */

static int
columns_read(struct model *m, const struct safetensors *st, struct err *e)
{
	const struct json_limits limits = { .max_depth = 2 };
	const struct value *list = NULL;
	struct str text = safetensors_text(st, "columns");
	if (!text.p)
		return err_set(e, ERR_INPUT, "metadata \"columns\" is missing: which columns it is made for");
	if (json_parse(m->arena, text, &limits, &list, e) != 0)
		return err_prefix(e, "metadata \"columns\"");
	if (list->type != VALUE_LIST)
		return err_set(e, ERR_INPUT, "metadata \"columns\" must be a JSON list of texts");
	struct str *texts = ARENA_ARRAY(m->arena, struct str, list->list.n);
	for (size_t i = 0; i < list->list.n; i++) {
		const struct value *v = list->list.items[i];
		texts[i] = v->type == VALUE_STRING ? v->s : STR_NULL;
	}
	return columns_put(m, texts, list->list.n, e);
}

/* A key that is not known is misspelled, by somebody or by a bit that fell over ("cheaksum"). */
static int
keys_check(const struct safetensors *st, struct err *e)
{
	static const char
	    *const known[] = { "mailtailor",	     "kind",  "score", "columns", "link", "training",
			       SAFETENSORS_CHECKSUM, "format" /* PyTorch's */ };
	for (size_t i = 0; i < value_map_count(st->metadata); i++) {
		struct str key;
		const struct value *v;
		size_t k = 0;
		value_map_entry(st->metadata, i, &key, &v);
		while (k < sizeof(known) / sizeof(known[0]) && !str_eq(key, str_of(known[k])))
			k++;
		if (k == sizeof(known) / sizeof(known[0]))
			return err_set(e, ERR_INPUT, "metadata \"%.*s\" is not known",
				       STR_ARG(str_cut(key, 64)));
	}
	return 0;
}

static int
metadata_read(struct model *m, const struct safetensors *st, struct err *e)
{
	const struct json_limits limits = { .max_depth = 8 };
	struct str version = safetensors_text(st, "mailtailor");
	struct str link = safetensors_text(st, "link");
	struct str training = safetensors_text(st, "training");
	if (!version.p)
		return err_set(e, ERR_INPUT,
			       "it is no model of mailtailor: its metadata lack \"mailtailor\", the version");
	if (!str_eq(version, STR(MODEL_VERSION)))
		return err_set(e, ERR_INPUT,
			       "its layout has version \"%.*s\", this program knows " MODEL_VERSION,
			       STR_ARG(str_cut(version, 16)));
	if (keys_check(st, e) != 0 ||
	    model_name(m, safetensors_text(st, "kind"), safetensors_text(st, "score"), e) != 0 ||
	    columns_read(m, st, e) != 0)
		return -1;
	if (link.p && !str_eq(link, STR("logit")) && !str_eq(link, STR("identity")))
		return err_set(e, ERR_INPUT, "metadata \"link\" must be logit or identity");
	m->link = str_eq(link, STR("identity")) ? MODEL_IDENTITY : MODEL_LOGIT;
	if (!training.p)
		return 0;
	if (json_parse(m->arena, training, &limits, &m->training, e) != 0)
		return err_prefix(e, "metadata \"training\"");
	if (m->training->type != VALUE_MAP)
		return err_set(e, ERR_INPUT, "metadata \"training\" must be a JSON object");
	return 0;
}

static struct model *
model_finish(struct model *m, const struct safetensors *st, struct err *e)
{
	m->checked = st->checked;
	if (metadata_read(m, st, e) != 0 || calibration_read(m, st, e) != 0 || m->kind->parse(m, st, e) != 0)
		model_free(&m);
	return m;
}

struct model *
model_parse(struct str bytes, struct err *e)
{
	struct model *m = model_empty();
	struct safetensors st;
	if (safetensors_parse(m->arena, arena_str(m->arena, bytes), &st, e) == 0)
		return model_finish(m, &st, e);
	model_free(&m);
	return NULL;
}

struct model *
model_load(const char *path, struct err *e)
{
	struct model *m = model_empty();
	struct safetensors st;
	if (safetensors_read(m->arena, path, &st, e) != 0) {
		model_free(&m);
		return NULL;
	}
	m = model_finish(m, &st, e);
	if (!m)
		err_prefix(e, "%s", path);
	return m;
}

/* ---- writing ---- */

static void
text_set(struct arena *a, struct value *map, const char *key, struct str text)
{
	value_map_set(a, map, str_of(key), value_string(a, arena_str(a, text)));
}

static struct value *
metadata_make(const struct model *m, struct arena *a)
{
	struct value *map = value_map_new(a);
	struct buf text = { 0 };
	text_set(a, map, "mailtailor", STR(MODEL_VERSION));
	text_set(a, map, "kind", str_of(m->kind->name));
	text_set(a, map, "score", str_of(m->score));
	text_set(a, map, "link", m->link == MODEL_LOGIT ? STR("logit") : STR("identity"));
	for (size_t i = 0; i < m->ncolumns; i++) {
		buf_addc(&text, i ? ',' : '[');
		json_print_string(&text, str_of(m->columns[i]));
	}
	buf_addc(&text, ']');
	text_set(a, map, "columns", buf_str(&text));
	buf_reset(&text);
	json_print(&text, m->training);
	text_set(a, map, "training", buf_str(&text));
	buf_free(&text);
	return map;
}

void
model_print(const struct model *m, struct buf *out)
{
	struct arena *a = arena_new(16384);
	struct safetensor *own = NULL;
	size_t n = m->kind->tensors(m, a, &own);
	struct safetensor *all = ARENA_ARRAY(a, struct safetensor, n + MODEL_CALIBRATION_TENSORS);
	size_t k = calibration_tensors(m, a, all); /* of doubles: the widest first */
	memcpy(all + k, own, n * sizeof(*own));
	safetensors_print(out, all, k + n, metadata_make(m, a));
	arena_free(&a);
}
