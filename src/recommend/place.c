/* place: tensors of a mapped file, used where they lie (see private.h). */
#include "recommend/private.h"

int
id_compare(struct str a, struct str b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int c = n > 0 ? memcmp(a.p, b.p, n) : 0;
	return c != 0 ? c : (a.n > b.n) - (a.n < b.n);
}

const void *
tensor_in_place(const struct safetensors *st, const char *name, enum safetensors_type type, size_t ndim,
		size_t *shape, struct err *e)
{
	const struct safetensor *t = safetensors_need(st, name, ndim, shape, e);
	if (!t)
		return NULL;
	if (t->type != type || (uintptr_t)t->data % safetensors_size(type) != 0) {
		err_set(e, ERR_INPUT, "tensor \"%s\" must be %s, aligned to its size", name,
			safetensors_type_name(type));
		return NULL;
	}
	return t->data;
}

int
ends_check(const char *name, const int32_t *end, size_t items, size_t n, struct err *e)
{
	for (size_t i = 0; i < items; i++)
		if (end[i] < 0 || (i > 0 && end[i] < end[i - 1]) || (size_t)end[i] > n)
			return err_set(e, ERR_INPUT, "tensor \"%s\": element %zu is out of order", name, i);
	return items > 0 && (size_t)end[items - 1] == n
		   ? 0
		   : err_set(e, ERR_INPUT, "tensor \"%s\" does not end with what it counts", name);
}
