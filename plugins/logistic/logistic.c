/*
 * logistic: a scorer that applies logistic regression from a weights file
 * (see logistic.md), or from a model file that `mailtailor model` trained.
 * No BLAS: OpenBLAS brings libquadmath along, which hooks itself into printf, and with that glibc prints all
 * that the daemon prints the long way.
 */
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mailtailor_plugin.h"
#include "score/model-scorer.h"

#define MAX_FILE ((size_t)4 << 20)
#define MAX_FEATURES 4096
#define MAX_SCORES 64
#define MAX_NAME 256

/* One feature of one score. */
struct term {
	size_t column; /* in the rows */
	double weight;
	double mean, scale;
	double missing; /* standardised value that stands in for NAN */
};

struct weights {
	double intercept;
	struct term *terms;
	size_t nterms;
};

struct logistic {
	struct weights models[MAX_SCORES];
	char *scores[MAX_SCORES];
	size_t nmodels;
	char *features[MAX_FEATURES]; /* of all models, each once */
	size_t nfeatures;
	struct model *model; /* or NULL: the above is empty then */
};

/* ---- reading the weights ---- */

/* One object of the file, and where it stands, for messages. */
struct reading {
	const struct mt_host *host;
	struct mt_error *error;
	struct logistic *self;
	size_t model, feature;
	int in_feature;
};

static int
fail(struct reading *r, const char *what)
{
	if (r->in_feature)
		snprintf(r->error->text, sizeof(r->error->text), "weights: score %zu, feature %zu: %s",
			 r->model + 1, r->feature + 1, what);
	else
		snprintf(r->error->text, sizeof(r->error->text), "weights: score %zu: %s", r->model + 1,
			 what);
	return -1;
}

/* A number, or its default when there is none (`required`: no default). */
static int
read_number(struct reading *r, const struct mt_value *map, const char *key, int required, double *out)
{
	char what[80];
	const struct mt_value *v = r->host->value_get(map, key);
	if (r->host->value_type(v) == MT_NULL && !required)
		return 0;
	if (!r->host->value_number(v, out) || !isfinite(*out)) {
		snprintf(what, sizeof(what), "\"%s\" must be a number", key);
		return fail(r, what);
	}
	return 0;
}

static char *
read_name(struct reading *r, const struct mt_value *map, const char *key)
{
	struct mt_str s;
	char what[80];
	if (!r->host->value_string(r->host->value_get(map, key), &s) || s.n == 0 || s.n > MAX_NAME) {
		snprintf(what, sizeof(what), "\"%s\" must be a name of 1 to %d bytes", key, MAX_NAME);
		fail(r, what);
		return NULL;
	}
	char *out = malloc(s.n + 1);
	if (!out) {
		fail(r, "out of memory");
		return NULL;
	}
	memcpy(out, s.p, s.n);
	out[s.n] = '\0';
	return out;
}

/* Keys are few and fixed: a misspelled "weigth" must not count as 0. */
static int
check_keys(struct reading *r, const struct mt_value *map, const char *const *known)
{
	char what[160];
	if (r->host->value_type(map) != MT_MAP)
		return fail(r, "must be an object");
	for (size_t i = 0; i < r->host->value_count(map); i++) {
		struct mt_str key = r->host->value_key(map, i);
		size_t k = 0;
		while (known[k] && (strlen(known[k]) != key.n || memcmp(known[k], key.p, key.n) != 0))
			k++;
		if (!known[k]) {
			snprintf(what, sizeof(what), "unknown key \"%.*s\"", (int)(key.n > 64 ? 64 : key.n),
				 key.p);
			return fail(r, what);
		}
	}
	return 0;
}

/* The column of a feature; makes one for a new name. Takes the name over. */
static int
column_find(struct reading *r, char *name, size_t *column)
{
	struct logistic *self = r->self;
	for (*column = 0; *column < self->nfeatures; ++*column) {
		if (strcmp(self->features[*column], name) == 0) {
			free(name);
			return 0;
		}
	}
	if (self->nfeatures == MAX_FEATURES) {
		free(name);
		return fail(r, "too many features in the file");
	}
	self->features[self->nfeatures++] = name;
	return 0;
}

static int
read_feature(struct reading *r, const struct mt_value *v, struct term *t)
{
	static const char *const known[] = { "name", "weight", "mean", "scale", "missing", NULL };
	*t = (struct term){ .mean = 0, .scale = 1 };
	if (check_keys(r, v, known) != 0)
		return -1;
	char *name = read_name(r, v, "name");
	if (!name || column_find(r, name, &t->column) != 0)
		return -1;
	if (read_number(r, v, "weight", 1, &t->weight) != 0 || read_number(r, v, "mean", 0, &t->mean) != 0 ||
	    read_number(r, v, "scale", 0, &t->scale) != 0)
		return -1;
	if (!(t->scale > 0))
		return fail(r, "\"scale\" must be above 0");
	double missing = t->mean;
	if (read_number(r, v, "missing", 0, &missing) != 0)
		return -1;
	t->missing = (missing - t->mean) / t->scale;
	return isfinite(t->missing) ? 0 : fail(r, "\"missing\" is out of range");
}

static int
read_model(struct reading *r, const struct mt_value *v)
{
	static const char *const known[] = { "score", "intercept", "features", NULL };
	struct logistic *self = r->self;
	const struct mt_host *h = r->host;
	if (self->nmodels == MAX_SCORES)
		return fail(r, "too many scores in the file");
	if (check_keys(r, v, known) != 0)
		return -1;
	struct weights *m = &self->models[self->nmodels];
	char *score = read_name(r, v, "score");
	if (!score)
		return -1;
	self->scores[self->nmodels++] = score; /* from here on destroy frees what the model has */
	if (read_number(r, v, "intercept", 0, &m->intercept) != 0)
		return -1;
	const struct mt_value *features = h->value_get(v, "features");
	m->nterms = h->value_count(features);
	if (h->value_type(features) != MT_LIST || m->nterms == 0 || m->nterms > MAX_FEATURES)
		return fail(r, "\"features\" must be a list of 1 to 4096 objects");
	m->terms = calloc(m->nterms, sizeof(*m->terms));
	if (!m->terms)
		return fail(r, "out of memory");
	r->in_feature = 1;
	for (r->feature = 0; r->feature < m->nterms; r->feature++) {
		const struct mt_value *f = h->value_item(features, r->feature);
		if (read_feature(r, f, &m->terms[r->feature]) != 0)
			return -1;
	}
	r->in_feature = 0;
	return 0;
}

/* One object, or a list of them. */
static int
read_weights(struct reading *r, const struct mt_value *root)
{
	if (r->host->value_type(root) != MT_LIST)
		return read_model(r, root);
	size_t n = r->host->value_count(root);
	for (; r->model < n; r->model++) {
		if (read_model(r, r->host->value_item(root, r->model)) != 0)
			return -1;
	}
	return n > 0 ? 0 : fail(r, "the list is empty");
}

/* ---- the plugin ---- */

static void
logistic_destroy(void *instance)
{
	struct logistic *self = instance;
	if (!self)
		return;
	for (size_t i = 0; i < self->nmodels; i++) {
		free(self->models[i].terms);
		free(self->scores[i]);
	}
	for (size_t i = 0; i < self->nfeatures; i++)
		free(self->features[i]);
	model_free(&self->model);
	free(self);
}

/* The weights of a JSON file. */
static int
weights_create(struct logistic *self, const struct mt_host *host, const char *path, struct mt_error *error)
{
	struct reading r = { .host = host, .error = error, .self = self };
	struct mt_value *root = host->json_file(host, path, MAX_FILE, error);
	int rc = root ? read_weights(&r, root) : -1;
	host->json_free(root);
	return rc;
}

static void *
logistic_create(const struct mt_host *host, const struct mt_option *options, size_t noptions,
		struct mt_error *error)
{
	static const char suffix[] = ".safetensors";
	char path[PATH_MAX];
	if (model_scorer_file(host, options, noptions, path, sizeof(path), error) != 0)
		return NULL;
	struct logistic *self = calloc(1, sizeof(*self));
	if (!self) {
		snprintf(error->text, sizeof(error->text), "out of memory");
		return NULL;
	}
	size_t n = strlen(path), end = sizeof(suffix) - 1;
	int rc;
	if (n > end && strcmp(path + n - end, suffix) == 0) {
		self->model = model_scorer_create(host, options, noptions, "logistic", error);
		rc = self->model ? 0 : -1;
	} else {
		rc = weights_create(self, host, path, error);
	}
	if (rc == 0)
		return self;
	logistic_destroy(self);
	return NULL;
}

static int
logistic_shape(void *instance, struct mt_shape *shape, struct mt_error *error)
{
	struct logistic *self = instance;
	if (self->model)
		return model_scorer_shape(self->model, shape, error);
	shape->features = (const char *const *)self->features;
	shape->nfeatures = self->nfeatures;
	shape->scores = (const char *const *)self->scores;
	shape->nscores = self->nmodels;
	return 0;
}

static int
logistic_thread_init(void *instance, void **thread, struct mt_error *error)
{
	const struct logistic *self = instance;
	if (self->model)
		return model_scorer_thread_init(self->model, thread, error);
	*thread = NULL;
	return 0;
}

static void
logistic_thread_fini(void *instance, void *thread)
{
	(void)instance;
	free(thread);
}

static double
sigmoid(double z)
{
	/* The two forms keep exp() from overflowing. */
	return z >= 0 ? 1 / (1 + exp(-z)) : exp(z) / (1 + exp(z));
}

/* One chain of additions, whatever batch the row is in: a preview scores as the copy does, to the last bit.
 */
static double
row_score(const struct weights *m, const double *row)
{
	double z = 0;
	for (size_t k = 0; k < m->nterms; k++) {
		const struct term *t = &m->terms[k];
		double x = (row[t->column] - t->mean) / t->scale;
		z += t->weight * (isfinite(x) ? x : t->missing);
	}
	return sigmoid(z + m->intercept);
}

static int
logistic_score(void *instance, void *thread, const double *rows, size_t nrows, size_t nfeatures,
	       double *scores, struct mt_error *error)
{
	const struct logistic *self = instance;
	if (self->model)
		return model_scorer_score(self->model, thread, rows, nrows, nfeatures, scores, error);
	for (size_t i = 0; i < nrows; i++)
		for (size_t m = 0; m < self->nmodels; m++)
			scores[i * self->nmodels + m] = row_score(&self->models[m], rows + i * nfeatures);
	return 0;
}

MT_SHORT_SCORER("logistic", "1.0", logistic_create, logistic_destroy, logistic_thread_init,
		logistic_thread_fini, logistic_shape, logistic_score)
