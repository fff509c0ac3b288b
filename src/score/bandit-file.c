/* bandit-file: what an algorithm knows as a safetensors file, and back (see bandit.h). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "score/bandit.h"
#include "score/safetensors.h"

#define VERSION "1"
/* Numbers of a state are cut off here: their products stay finite. */
#define MAX_NUMBER 1e100
/* By how much two halves of a symmetric matrix may differ after many updates, against its diagonal. */
#define ASYMMETRY 1e-6

enum { ARRAYS = 7 };

/* Those of b, in the order of the file; settings are three numbers of their own. */
static size_t
arrays(const struct bandit *b, const char **names, double **data, size_t *sizes)
{
	size_t n = 0;
#define PUT(name, field, size) (names[n] = (name), data[n] = b->field, sizes[n++] = (size))
	PUT("share", share, b->narms);
	PUT("prior", prior, 2 * b->narms);
	PUT("count", count, b->narms);
	PUT("reward", reward, b->narms);
	if (b->dim > 0) {
		PUT("inverse", inverse, b->narms * b->dim * b->dim);
		PUT("b", b, b->narms * b->dim);
		PUT("theta", theta, b->narms * b->dim);
	}
#undef PUT
	return n;
}

void
bandit_print(const struct bandit *b, struct buf *out)
{
	struct arena *a = arena_new(16384);
	struct value *metadata = value_map_new(a);
	struct safetensor t[ARRAYS + 1];
	const double settings[3] = { b->lambda, b->alpha, b->epsilon };
	const char *names[ARRAYS];
	double *data[ARRAYS];
	size_t sizes[ARRAYS], n = arrays(b, names, data, sizes);
	for (size_t i = 0; i < n; i++)
		t[i] = (struct safetensor){ .name = str_of(names[i]),
					    .type = SAFETENSORS_F64,
					    .ndim = 1,
					    .shape = { sizes[i] },
					    .n = sizes[i],
					    .data = data[i] };
	t[n] = (struct safetensor){ .name = STR("settings"),
				    .type = SAFETENSORS_F64,
				    .ndim = 1,
				    .shape = { 3 },
				    .n = 3,
				    .data = settings };
	n++;
	value_map_set(a, metadata, STR("mailtailor-bandit"), value_string(a, STR(VERSION)));
	value_map_set(a, metadata, STR("kind"), value_string(a, str_of(bandit_kind_name(b->kind))));
	safetensors_print(out, t, n, metadata);
	arena_free(&a);
}

/* ---- reading ---- */

static int
numbers(const struct safetensors *st, const char *name, size_t n, double *out, struct err *e)
{
	const struct safetensor *t = safetensors_need(st, name, 1, &n, e);
	if (!t || safetensors_doubles(t, out, e) != 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (!(fabs(out[i]) <= MAX_NUMBER))
			return err_set(e, ERR_INPUT, "tensor \"%s\": element %zu is out of range", name, i);
	return 0;
}

static int
inverse_check(const struct bandit *b, double *m, struct err *e)
{
	const size_t n = b->dim;
	for (size_t k = 0; k < b->narms && n > 0; k++) {
		const double *inverse = b->inverse + k * n * n;
		for (size_t i = 0; i < n; i++)
			for (size_t j = 0; j < i; j++) {
				double off = fabs(inverse[i * n + j] - inverse[j * n + i]);
				double scale = fabs(inverse[i * n + i]) + fabs(inverse[j * n + j]);
				if (!(off <= ASYMMETRY * scale))
					return err_set(e, ERR_INPUT, "arm %zu: its matrix is not symmetric",
						       k);
			}
		memcpy(m, inverse, n * n * sizeof(*m));
		if (policy_cholesky(m, n) != 0)
			return err_set(e, ERR_INPUT, "arm %zu: its matrix is not positive definite", k);
	}
	return 0;
}

static int
counts_check(const struct bandit *b, struct err *e)
{
	double all = 0;
	for (size_t k = 0; k < b->narms; k++) {
		bool rate = b->kind != BANDIT_THOMPSON || (b->reward[k] >= 0 && b->reward[k] <= b->count[k]);
		if (!(b->count[k] >= 0 && b->share[k] >= 0 && b->prior[2 * k] > 0 &&
		      b->prior[2 * k + 1] > 0 && rate))
			return err_set(e, ERR_INPUT, "arm %zu: its share, prior, count or rewards cannot be",
				       k);
		all += b->share[k];
	}
	return fabs(all - 1) < 1e-9 ? 0 : err_set(e, ERR_INPUT, "the shares of the arms do not sum to 1");
}

/* What sizes the file speaks of: of the arms by their counts, of a row by b. */
static int
shape_read(const struct safetensors *st, struct bandit_shape *shape, struct err *e)
{
	size_t arms = 0, row = 0;
	double settings[3];
	int kind = bandit_kind_find(safetensors_text(st, "kind"));
	if (!str_eq(safetensors_text(st, "mailtailor-bandit"), STR(VERSION)) || kind < 0)
		return err_set(e, ERR_INPUT, "it is no state of a bandit algorithm of this program");
	if (!safetensors_need(st, "count", 1, &arms, e) || numbers(st, "settings", 3, settings, e) != 0)
		return -1;
	if (arms == 0 || arms > POLICY_MAX_ARMS)
		return err_set(e, ERR_LIMIT, "there must be 1 to %d arms", POLICY_MAX_ARMS);
	if (safetensors_find(st, "b") && !safetensors_need(st, "b", 1, &row, e))
		return -1;
	if (row % arms != 0)
		return err_set(e, ERR_INPUT, "tensor \"b\" does not fit the number of arms");
	*shape = (struct bandit_shape){ .kind = (enum bandit_kind)kind,
					.narms = arms,
					.dim = row / arms,
					.lambda = settings[0],
					.alpha = settings[1],
					.epsilon = settings[2] };
	return 0;
}

static struct bandit *
state_read(const struct safetensors *st, struct arena *scratch, struct err *e)
{
	struct bandit_shape shape;
	const char *names[ARRAYS];
	double *data[ARRAYS];
	size_t sizes[ARRAYS];
	if (shape_read(st, &shape, e) != 0)
		return NULL;
	struct bandit *b = bandit_new(&shape, e);
	if (!b)
		return NULL;
	size_t n = arrays(b, names, data, sizes);
	int rc = st->n == n + 1 ? 0 : err_set(e, ERR_INPUT, "there are tensors that no state has");
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = numbers(st, names[i], sizes[i], data[i], e);
	if (rc != 0 || counts_check(b, e) != 0 ||
	    inverse_check(b, ARENA_ARRAY(scratch, double, b->dim * b->dim), e) != 0)
		bandit_free(&b);
	return b;
}

struct bandit *
bandit_parse(struct str bytes, struct err *e)
{
	struct arena *a = arena_new(16384);
	struct safetensors st;
	struct bandit *b = NULL;
	if (bytes.n > BANDIT_MAX_FILE)
		err_set(e, ERR_LIMIT, "it has more than %zu bytes", BANDIT_MAX_FILE);
	else if (safetensors_parse(a, bytes, &st, e) == 0)
		b = state_read(&st, a, e);
	arena_free(&a);
	return b;
}
