/* uplift: see uplift.h. */
#include "score/uplift.h"

#include <string.h>

#define ALIGN ((size_t)64)

/* A part's kind is looked at before it is read: an uplift model within one could nest without end. */
static int
kind_check(struct str bytes, struct err *e)
{
	struct arena *a = arena_new(16384);
	struct safetensors st;
	int rc = safetensors_parse(a, bytes, &st, e);
	if (rc == 0 && str_eq(safetensors_text(&st, "kind"), str_of(model_uplift.name)))
		rc = err_set(e, ERR_INPUT, "it is of kind uplift itself");
	arena_free(&a);
	return rc;
}

static int
part_read(struct model *m, const char *name, struct str bytes, struct model **out, struct err *e)
{
	struct model *part = kind_check(bytes, e) == 0 ? model_parse(bytes, e) : NULL;
	bool same = part && part->ncolumns == m->ncolumns;
	for (size_t i = 0; same && i < m->ncolumns; i++)
		same = strcmp(part->columns[i], m->columns[i]) == 0;
	if (part && !same)
		err_set(e, ERR_INPUT, "its columns are others than those of the whole");
	if (!same) {
		model_free(&part);
		return err_prefix(e, "tensor \"%s\"", name);
	}
	*out = part;
	return 0;
}

/* The bytes are in m's arena already. */
static int
state_set(struct model *m, struct str treated, struct str control, const char *name, struct err *e)
{
	struct uplift_state *s = ARENA_NEW(m->arena, struct uplift_state);
	m->state = s;
	s->treated_bytes = treated;
	s->control_bytes = control;
	if (part_read(m, name, treated, &s->treated, e) != 0)
		return -1;
	if (control.p == NULL)
		return s->treated->link == MODEL_LOGIT
			   ? 0
			   : err_set(e, ERR_INPUT, "tensor \"%s\": it must be a model of labels", name);
	if (part_read(m, "control", control, &s->control, e) != 0)
		return -1;
	return s->control->link == s->treated->link
		   ? 0
		   : err_set(e, ERR_INPUT, "one of its models is of labels, the other of values");
}

static int
bytes_read(const struct safetensors *st, const char *name, struct str *out, struct err *e)
{
	size_t n = 0;
	const struct safetensor *t = safetensors_need(st, name, 1, &n, e);
	if (!t)
		return -1;
	if (t->type != SAFETENSORS_U8)
		return err_set(e, ERR_INPUT, "tensor \"%s\": its elements must be bytes (U8)", name);
	*out = str_make(t->data, t->n);
	return 0;
}

static int
uplift_parse(struct model *m, const struct safetensors *st, struct err *e)
{
	struct str first, control = STR_NULL;
	bool transformed = safetensors_find(st, "transformed") != NULL;
	if (m->link != MODEL_IDENTITY)
		return err_set(e, ERR_INPUT, "metadata \"link\" must be identity for kind uplift");
	if (transformed)
		return bytes_read(st, "transformed", &first, e) != 0
			   ? -1
			   : state_set(m, first, control, "transformed", e);
	if (bytes_read(st, "treated", &first, e) != 0 || bytes_read(st, "control", &control, e) != 0)
		return -1;
	return state_set(m, first, control, "treated", e);
}

static void
uplift_free(struct model *m)
{
	struct uplift_state *s = m->state;
	if (!s)
		return;
	model_free(&s->treated);
	model_free(&s->control);
}

/* Scores of control stand before the scratch of either model. */
static size_t
own_size(size_t nrows)
{
	return (nrows * sizeof(double) + ALIGN - 1) / ALIGN * ALIGN;
}

static size_t
uplift_scratch(const struct model *m, size_t nrows)
{
	const struct uplift_state *s = m->state;
	size_t one = model_scratch(s->treated, nrows),
	       two = s->control ? model_scratch(s->control, nrows) : 0;
	return own_size(nrows) + (one > two ? one : two);
}

static void
uplift_apply(const struct model *m, const double *rows, size_t nrows, void *scratch, double *z)
{
	const struct uplift_state *s = m->state;
	double *control = scratch;
	void *rest = (char *)scratch + own_size(nrows);
	model_apply(s->treated, rows, nrows, rest, z, 1);
	if (s->control)
		model_apply(s->control, rows, nrows, rest, control, 1);
	for (size_t i = 0; i < nrows; i++)
		z[i] = s->control ? z[i] - control[i] : 2 * z[i] - 1;
}

static struct safetensor
tensor_of(const char *name, struct str bytes)
{
	return (struct safetensor){ .name = str_of(name),
				    .type = SAFETENSORS_U8,
				    .ndim = 1,
				    .shape = { bytes.n },
				    .n = bytes.n,
				    .data = bytes.p };
}

static size_t
uplift_tensors(const struct model *m, struct arena *a, struct safetensor **out)
{
	const struct uplift_state *s = m->state;
	*out = ARENA_ARRAY(a, struct safetensor, 2);
	(*out)[0] = tensor_of(s->control ? "treated" : "transformed", s->treated_bytes);
	if (!s->control)
		return 1;
	(*out)[1] = tensor_of("control", s->control_bytes);
	return 2;
}

const struct model_kind model_uplift = {
	.name = "uplift",
	.parse = uplift_parse,
	.scratch = uplift_scratch,
	.apply = uplift_apply,
	.tensors = uplift_tensors,
	.free = uplift_free,
};

static struct str
bytes_of(const struct model *part, struct arena *a)
{
	struct buf b = { 0 };
	if (!part)
		return STR_NULL;
	model_print(part, &b);
	struct str s = arena_str(a, buf_str(&b));
	buf_free(&b);
	return s;
}

struct model *
uplift_model(const char *score, const struct model *treated, const struct model *control, struct err *e)
{
	struct model *m =
	    model_new(model_uplift.name, score, treated->columns, treated->ncolumns, MODEL_IDENTITY, e);
	if (!m)
		return NULL;
	struct str first = bytes_of(treated, m->arena), second = bytes_of(control, m->arena);
	if (state_set(m, first, second, control ? "treated" : "transformed", e) != 0)
		model_free(&m);
	return m;
}
