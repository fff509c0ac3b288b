/* safetensors: elements as numbers (see safetensors.h). */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "score/safetensors.h"

/* IEEE 754 binary16, by its fields. */
static double
half(uint16_t h)
{
	int exponent = h >> 10 & 31;
	double fraction = h & 1023;
	double v;
	if (exponent == 31)
		v = fraction > 0 ? NAN : INFINITY;
	else if (exponent == 0)
		v = ldexp(fraction, -24);
	else
		v = ldexp(fraction + 1024, exponent - 25);
	return h & 0x8000 ? -v : v;
}

static double
brain_float(uint16_t b)
{
	uint32_t bits = (uint32_t)b << 16;
	float f;
	memcpy(&f, &bits, sizeof(f));
	return f;
}

#define GET(type, p, i)                                                        \
	({                                                                     \
		type v_;                                                       \
		memcpy(&v_, (const char *)(p) + (i) * sizeof(v_), sizeof(v_)); \
		v_;                                                            \
	})

static double
element(const struct safetensor *t, size_t i)
{
	switch (t->type) {
	case SAFETENSORS_F64:
		return GET(double, t->data, i);
	case SAFETENSORS_F32:
		return GET(float, t->data, i);
	case SAFETENSORS_F16:
		return half(GET(uint16_t, t->data, i));
	case SAFETENSORS_BF16:
		return brain_float(GET(uint16_t, t->data, i));
	case SAFETENSORS_I64:
		return (double)GET(int64_t, t->data, i);
	case SAFETENSORS_I32:
		return GET(int32_t, t->data, i);
	case SAFETENSORS_I16:
		return GET(int16_t, t->data, i);
	case SAFETENSORS_I8:
		return GET(int8_t, t->data, i);
	case SAFETENSORS_U8:
	case SAFETENSORS_BOOL:
		return GET(uint8_t, t->data, i);
	}
	return NAN;
}

static int
wrong(const struct safetensor *t, size_t i, const char *what, struct err *e)
{
	return err_set(e, ERR_INPUT, "tensor \"%.*s\": element %zu %s", STR_ARG(str_cut(t->name, 64)), i,
		       what);
}

int
safetensors_doubles(const struct safetensor *t, double *out, struct err *e)
{
	for (size_t i = 0; i < t->n; i++) {
		out[i] = element(t, i);
		if (!isfinite(out[i]))
			return wrong(t, i, "is not finite", e);
	}
	return 0;
}

int
safetensors_floats(const struct safetensor *t, float *out, struct err *e)
{
	for (size_t i = 0; i < t->n; i++) {
		out[i] = (float)element(t, i);
		if (!isfinite(out[i]))
			return wrong(t, i, "is not finite as a float", e);
	}
	return 0;
}

int
safetensors_ints(const struct safetensor *t, int32_t *out, struct err *e)
{
	for (size_t i = 0; i < t->n; i++) {
		double v = element(t, i);
		if (!(v >= INT32_MIN && v <= INT32_MAX) || v != nearbyint(v))
			return wrong(t, i, "is no 32-bit integer", e);
		out[i] = (int32_t)v;
	}
	return 0;
}

const struct safetensor *
safetensors_find(const struct safetensors *st, const char *name)
{
	for (size_t i = 0; i < st->n; i++)
		if (str_eq(st->tensors[i].name, str_of(name)))
			return &st->tensors[i];
	return NULL;
}

struct str
safetensors_text(const struct safetensors *st, const char *key)
{
	const struct value *v = value_map_get(st->metadata, str_of(key));
	return v ? v->s : STR_NULL;
}

const struct safetensor *
safetensors_need(const struct safetensors *st, const char *name, size_t ndim, size_t *shape, struct err *e)
{
	const struct safetensor *t = safetensors_find(st, name);
	if (!t) {
		err_set(e, ERR_INPUT, "tensor \"%s\" is missing", name);
		return NULL;
	}
	if (t->ndim != ndim) {
		err_set(e, ERR_INPUT, "tensor \"%s\" has %zu dimensions, not %zu", name, t->ndim, ndim);
		return NULL;
	}
	for (size_t i = 0; i < ndim; i++) {
		if (shape[i] == 0)
			shape[i] = t->shape[i];
		if (t->shape[i] != shape[i] || t->shape[i] == 0) {
			err_set(e, ERR_INPUT, "tensor \"%s\": dimension %zu is %zu, not %zu", name, i + 1,
				t->shape[i], shape[i]);
			return NULL;
		}
	}
	return t;
}
