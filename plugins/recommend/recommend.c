/*
 * recommend: a personalizer that fills {{#recommendations}} with items of a shop's catalog that go with what
 * the recipient bought (see recommend.md).
 */
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "mailtailor_plugin.h"
#include "recommend/pick.h"

#define MAX_NAME 64
#define MAX_IDS RECOMMEND_MAX_HISTORY

struct recommend {
	const struct mt_host *host;
	struct arena *arena;
	char name[MAX_NAME + 1], counted[MAX_NAME + 16]; /* variables */
	char profile[MAX_NAME + 16];			 /* field with ids; empty: none */
	struct pick_rules rules;
	struct mapped files[2];
	struct catalog catalog;
	struct recommend_model model;
	struct picker *picker;
};

/* What a thread works with. */
struct scratch {
	struct pick_scratch *pick;
	struct str bought[2 * MAX_IDS], viewed[MAX_IDS];
	struct buf text;
};

/* ---- options ---- */

static int
fail(struct mt_error *error, const char *option, const char *what)
{
	snprintf(error->text, sizeof(error->text), "option \"%.64s\": %.300s", option, what);
	return -1;
}

static int
number(const struct mt_option *o, double min, double max, double *out, struct mt_error *error)
{
	char what[100], *end;
	*out = strtod(o->value, &end);
	if (end != o->value && *end == '\0' && *out >= min && *out <= max)
		return 0;
	snprintf(what, sizeof(what), "must be a number from %g to %g", min, max);
	return fail(error, o->name, what);
}

static int
whole(const struct mt_option *o, size_t min, size_t max, size_t *out, struct mt_error *error)
{
	double v;
	if (number(o, (double)min, (double)max, &v, error) != 0)
		return -1;
	*out = (size_t)v;
	return v == floor(v) ? 0 : fail(error, o->name, "must be a whole number");
}

static int
yes_or_no(const struct mt_option *o, bool *out, struct mt_error *error)
{
	*out = strcmp(o->value, "yes") == 0;
	return *out || strcmp(o->value, "no") == 0 ? 0 : fail(error, o->name, "must be yes or no");
}

static int
bought(const struct mt_option *o, enum pick_bought *out, struct mt_error *error)
{
	static const char *const WORDS[] = { "exclude", "allow", "first" };
	for (int i = 0; i < 3; i++)
		if (strcmp(o->value, WORDS[i]) == 0) {
			*out = (enum pick_bought)i;
			return 0;
		}
	return fail(error, o->name, "must be exclude, allow or first");
}

static int
variable(const struct mt_option *o, char *out, bool dots, struct mt_error *error)
{
	size_t n = strlen(o->value);
	bool ok = n > 0 && n <= MAX_NAME;
	for (size_t i = 0; ok && i < n; i++) {
		char c = o->value[i];
		ok = ascii_isalpha(c) || c == '_' ||
		     (i > 0 && (ascii_isdigit(c) || c == '-' || (dots && c == '.')));
	}
	if (!ok)
		return fail(error, o->name, "must be a name of letters, digits, _ and -, at most 64");
	memcpy(out, o->value, n + 1);
	return 0;
}

struct paths {
	const char *catalog, *model;
};

static int
option_read(struct recommend *self, struct paths *paths, const struct mt_option *o, struct mt_error *error)
{
	struct pick_rules *r = &self->rules;
	const char *n = o->name;
	if (strcmp(n, "catalog") == 0)
		return paths->catalog = o->value, 0;
	if (strcmp(n, "model") == 0)
		return paths->model = o->value, 0;
	if (strcmp(n, "name") == 0)
		return variable(o, self->name, false, error);
	if (strcmp(n, "profile_field") == 0) {
		char field[MAX_NAME + 1];
		int rc = variable(o, field, true, error);
		if (rc == 0)
			snprintf(self->profile, sizeof(self->profile), "profile.%s", field);
		return rc;
	}
	if (strcmp(n, "count") == 0)
		return whole(o, 1, PICK_MAX, &r->count, error);
	if (strcmp(n, "per_category") == 0)
		return whole(o, 1, PICK_MAX, &r->per_category, error);
	if (strcmp(n, "min_price") == 0)
		return number(o, 0, CATALOG_MAX_PRICE, &r->min_price, error);
	if (strcmp(n, "max_price") == 0)
		return number(o, 0, CATALOG_MAX_PRICE, &r->max_price, error);
	if (strcmp(n, "in_stock") == 0)
		return yes_or_no(o, &r->in_stock, error);
	if (strcmp(n, "views") == 0)
		return yes_or_no(o, &r->views, error);
	if (strcmp(n, "bought") == 0)
		return bought(o, &r->bought, error);
	snprintf(
	    error->text, sizeof(error->text),
	    "unknown option \"%.64s\"; there are: catalog, model, name, count, bought, in_stock, min_price, "
	    "max_price, per_category, views, profile_field",
	    n);
	return -1;
}

/* ---- life ---- */

static int
file_open(struct recommend *self, const char *path, struct mapped *m, struct str *bytes, struct err *e)
{
	char full[PATH_MAX];
	if (self->host->file_path(self->host, path, full, sizeof(full)) != 0)
		return err_set(e, ERR_INPUT, "%.100s: the path is too long", path);
	if (mapped_open(full, m, e) != 0)
		return -1;
	*bytes = str_make(m->p, m->n);
	return 0;
}

static int
files_open(struct recommend *self, const struct paths *paths, struct err *e)
{
	struct str bytes;
	if (file_open(self, paths->catalog, &self->files[0], &bytes, e) != 0)
		return -1;
	if (catalog_parse(self->arena, bytes, &self->catalog, e) != 0)
		return err_prefix(e, "%s", paths->catalog);
	if (!paths->model)
		return 0;
	if (file_open(self, paths->model, &self->files[1], &bytes, e) != 0)
		return -1;
	if (recommend_parse(self->arena, bytes, &self->model, e) != 0)
		return err_prefix(e, "%s", paths->model);
	return 0;
}

static void
recommend_destroy(void *instance)
{
	struct recommend *self = instance;
	mapped_close(&self->files[0]);
	mapped_close(&self->files[1]);
	arena_free(&self->arena);
	free(self);
}

/* Ids that do not match are a mistake that would be seen in nothing but dull mail. */
static void
say_known(const struct recommend *self)
{
	char text[200];
	size_t known, n = picker_items(self->picker, &known);
	snprintf(text, sizeof(text), "%zu items can be recommended, of which the model knows %zu", n, known);
	self->host->log(self->host, self->files[1].p && known == 0 ? MT_LOG_WARNING : MT_LOG_INFO, text);
}

static void *
recommend_create(const struct mt_host *host, const struct mt_option *options, size_t noptions,
		 struct mt_error *error)
{
	struct recommend *self = calloc(1, sizeof(*self));
	struct paths paths = { 0 };
	struct err e = { 0 };
	if (!self) {
		snprintf(error->text, sizeof(error->text), "out of memory");
		return NULL;
	}
	self->host = host;
	self->arena = arena_new(65536);
	self->rules = (struct pick_rules){ .count = 4, .in_stock = true, .max_price = INFINITY };
	snprintf(self->name, sizeof(self->name), "recommendations");
	for (size_t i = 0; i < noptions; i++)
		if (option_read(self, &paths, &options[i], error) != 0)
			goto bad;
	snprintf(self->counted, sizeof(self->counted), "%s_personal", self->name);
	if (!paths.catalog) {
		snprintf(error->text, sizeof(error->text),
			 "option \"catalog\" is missing: the file that `mailtailor catalog import` wrote");
		goto bad;
	}
	if (files_open(self, &paths, &e) == 0)
		self->picker = picker_new(self->arena, self->files[1].p ? &self->model : NULL, &self->catalog,
					  &self->rules, &e);
	if (!self->picker) {
		snprintf(error->text, sizeof(error->text), "%.500s", e.text);
		goto bad;
	}
	say_known(self);
	return self;
bad:
	recommend_destroy(self);
	return NULL;
}

static int
recommend_thread_init(void *instance, void **thread, struct mt_error *error)
{
	const struct recommend *self = instance;
	struct scratch *s = calloc(1, sizeof(*s));
	if (s && (s->pick = pick_scratch_new(self->picker))) {
		*thread = s;
		return 0;
	}
	free(s);
	snprintf(error->text, sizeof(error->text), "out of memory");
	return -1;
}

static void
recommend_thread_fini(void *instance, void *thread)
{
	struct scratch *s = thread;
	(void)instance;
	if (!s)
		return;
	pick_scratch_free(&s->pick);
	buf_free(&s->text);
	free(s);
}

/* ---- one recipient ---- */

/* Ids out of a list of texts, or of objects with "item" or "id". */
static size_t
ids_read(const struct mt_host *h, const struct mt_value *list, struct str *out, size_t max)
{
	size_t n = 0, count = h->value_count(list);
	for (size_t i = 0; h->value_type(list) == MT_LIST && i < count && n < max; i++) {
		const struct mt_value *v = h->value_item(list, i);
		struct mt_str s;
		if (h->value_string(v, &s) || h->value_string(h->value_get(v, "item"), &s) ||
		    h->value_string(h->value_get(v, "id"), &s))
			out[n++] = str_make(s.p, s.n);
	}
	return n;
}

static void
text_print(struct buf *b, const struct recommend *self, size_t item, enum catalog_field f)
{
	buf_printf(b, "%s\"%s\":", f == CATALOG_ID ? "{" : ",", catalog_field_name(f));
	json_print_string(b, catalog_text(&self->catalog, item, f));
}

static void
item_print(struct buf *b, const struct recommend *self, size_t item)
{
	double price = self->catalog.price[item];
	for (int f = 0; f < CATALOG_FIELDS; f++)
		text_print(b, self, item, (enum catalog_field)f);
	/* As exact as a double's text can be: cents stay cents. */
	if (price >= 0)
		buf_printf(b, ",\"price\":%.15g", price);
	buf_addc(b, '}');
}

static int
recommend_run(void *instance, void *thread, const struct mt_request *rq, struct mt_error *error)
{
	const struct recommend *self = instance;
	struct scratch *s = thread;
	const struct mt_host *h = rq->host;
	const struct mt_value *past = h->get_history(rq);
	struct pick_history history = { .bought = s->bought, .viewed = s->viewed };
	uint32_t items[PICK_MAX];
	size_t personal;
	(void)error;
	history.nbought = ids_read(h, h->value_get(past, "purchased"), s->bought, MAX_IDS);
	if (self->profile[0])
		history.nbought +=
		    ids_read(h, h->get_value(rq, self->profile), s->bought + history.nbought, MAX_IDS);
	history.nviewed = ids_read(h, h->value_get(past, "viewed"), s->viewed, MAX_IDS);
	size_t n = pick(self->picker, &history, s->pick, items, &personal);
	buf_reset(&s->text);
	for (size_t i = 0; i < n; i++) {
		buf_addc(&s->text, i == 0 ? '[' : ',');
		item_print(&s->text, self, items[i]);
	}
	buf_addc(&s->text, ']');
	return h->set_json(rq, self->name, s->text.p, s->text.n) == 0 &&
		       h->set_integer(rq, self->counted, (int64_t)personal) == 0
		   ? 0
		   : -1;
}

MT_PLUGIN_DECLARE_FLAGS(MT_KIND_PERSONALIZER, MT_SHORT | MT_HISTORY, "recommend", "1.0", recommend_create,
			recommend_destroy, recommend_thread_init, recommend_thread_fini, recommend_run, NULL,
			NULL)
