/* safetensors: reading (see safetensors.h). */
#include "score/safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "score/safetensors-private.h"

static const struct {
	const char *name;
	size_t size;
} TYPES[] = {
	[SAFETENSORS_F64] = { "F64", 8 }, [SAFETENSORS_F32] = { "F32", 4 },
	[SAFETENSORS_F16] = { "F16", 2 }, [SAFETENSORS_BF16] = { "BF16", 2 },
	[SAFETENSORS_I64] = { "I64", 8 }, [SAFETENSORS_I32] = { "I32", 4 },
	[SAFETENSORS_I16] = { "I16", 2 }, [SAFETENSORS_I8] = { "I8", 1 },
	[SAFETENSORS_U8] = { "U8", 1 },	  [SAFETENSORS_BOOL] = { "BOOL", 1 },
};
#define NTYPES (sizeof(TYPES) / sizeof(TYPES[0]))

/* Where each tensor's bytes are, to see that they leave no gap. */
struct span {
	size_t from, to;
};

size_t
safetensors_size(enum safetensors_type type)
{
	return TYPES[type].size;
}

const char *
safetensors_type_name(enum safetensors_type type)
{
	return TYPES[type].name;
}

static uint64_t
little_endian(const unsigned char *p, size_t n)
{
	uint64_t v = 0;
	for (size_t i = n; i > 0; i--)
		v = v << 8 | p[i - 1];
	return v;
}

/* A size out of JSON; false when it is none. */
static bool
size_read(const struct value *v, size_t *out)
{
	if (!v || v->type != VALUE_INT || v->i < 0 || (uint64_t)v->i > SAFETENSORS_MAX_FILE)
		return false;
	*out = (size_t)v->i;
	return true;
}

static int
shape_read(const struct value *v, struct safetensor *t, struct err *e)
{
	if (!v || v->type != VALUE_LIST || v->list.n > SAFETENSORS_MAX_DIMS)
		return err_set(e, ERR_INPUT, "\"shape\" must be a list of at most %d sizes",
			       SAFETENSORS_MAX_DIMS);
	t->ndim = v->list.n;
	t->n = 1;
	for (size_t i = 0; i < t->ndim; i++) {
		if (!size_read(v->list.items[i], &t->shape[i]))
			return err_set(e, ERR_INPUT, "\"shape\" has an item that is no size");
		if (t->shape[i] > 0 && t->n > SAFETENSORS_MAX_FILE / t->shape[i])
			return err_set(e, ERR_LIMIT, "it is larger than a file may be");
		t->n *= t->shape[i];
	}
	return 0;
}

static int
tensor_read(const struct value *v, struct str data, struct safetensor *t, struct span *s, struct err *e)
{
	const struct value *dtype = value_map_get(v, STR("dtype"));
	const struct value *offsets = value_map_get(v, STR("data_offsets"));
	size_t type = 0;
	if (v->type != VALUE_MAP || value_map_count(v) != 3 || !dtype || dtype->type != VALUE_STRING)
		return err_set(e, ERR_INPUT, "it must have dtype, shape and data_offsets, and nothing else");
	while (type < NTYPES && !str_eq(dtype->s, str_of(TYPES[type].name)))
		type++;
	if (type == NTYPES)
		return err_set(e, ERR_INPUT, "dtype \"%.*s\" is not supported",
			       STR_ARG(str_cut(dtype->s, 16)));
	t->type = (enum safetensors_type)type;
	if (shape_read(value_map_get(v, STR("shape")), t, e) != 0)
		return -1;
	if (!offsets || offsets->type != VALUE_LIST || offsets->list.n != 2 ||
	    !size_read(offsets->list.items[0], &s->from) || !size_read(offsets->list.items[1], &s->to))
		return err_set(e, ERR_INPUT, "\"data_offsets\" must be two offsets");
	if (s->from > s->to || s->to > data.n)
		return err_set(e, ERR_INPUT, "its data end at %zu of %zu bytes: the file is cut off", s->to,
			       data.n);
	if (s->to - s->from != t->n * TYPES[type].size)
		return err_set(e, ERR_INPUT, "its shape needs %zu bytes, it has %zu", t->n * TYPES[type].size,
			       s->to - s->from);
	t->data = data.p + s->from;
	return 0;
}

static int
metadata_check(const struct value *map, struct err *e)
{
	struct str key;
	const struct value *v;
	if (map->type != VALUE_MAP)
		return err_set(e, ERR_INPUT, "\"__metadata__\" must be an object");
	for (size_t i = 0; i < value_map_count(map); i++) {
		value_map_entry(map, i, &key, &v);
		if (v->type != VALUE_STRING)
			return err_set(e, ERR_INPUT, "metadata \"%.*s\" must be a text",
				       STR_ARG(str_cut(key, 64)));
	}
	return 0;
}

static int
span_compare(const void *a, const void *b)
{
	const struct span *x = a, *y = b;
	if (x->from != y->from)
		return x->from < y->from ? -1 : 1;
	return x->to < y->to ? -1 : x->to > y->to;
}

static int
spans_check(struct span *spans, size_t n, size_t size, struct err *e)
{
	size_t at = 0;
	qsort(spans, n, sizeof(*spans), span_compare);
	for (size_t i = 0; i < n; at = spans[i++].to)
		if (spans[i].from != at)
			return err_set(e, ERR_INPUT, "tensors overlap or leave a gap at byte %zu of the data",
				       at);
	if (at != size)
		return err_set(e, ERR_INPUT, "there are %zu bytes of data behind the last tensor", size - at);
	return 0;
}

static int
header_read(struct arena *a, const struct value *header, struct str data, struct safetensors *out,
	    struct err *e)
{
	struct str key;
	const struct value *v;
	size_t n = value_map_count(header);
	if (n > SAFETENSORS_MAX_TENSORS + 1)
		return err_set(e, ERR_LIMIT, "there are more than %d tensors", SAFETENSORS_MAX_TENSORS);
	struct span *spans = ARENA_ARRAY(a, struct span, n);
	out->tensors = ARENA_ARRAY(a, struct safetensor, n);
	for (size_t i = 0; i < n; i++) {
		value_map_entry(header, i, &key, &v);
		if (str_eq(key, STR("__metadata__"))) {
			if (metadata_check(v, e) != 0)
				return -1;
			out->metadata = v;
			continue;
		}
		out->tensors[out->n].name = key;
		if (tensor_read(v, data, &out->tensors[out->n], &spans[out->n], e) != 0)
			return err_prefix(e, "tensor \"%.*s\"", STR_ARG(str_cut(key, 64)));
		out->n++;
	}
	return spans_check(spans, out->n, data.n, e);
}

int
safetensors_parse(struct arena *a, struct str bytes, struct safetensors *out, struct err *e)
{
	const struct json_limits limits = { .max_bytes = SAFETENSORS_MAX_HEADER, .max_depth = 8 };
	const struct value *header = NULL;
	*out = (struct safetensors){ .metadata = value_map_new(a) };
	if (bytes.n < 8)
		return err_set(e, ERR_INPUT, "it is too short for a safetensors file");
	if (bytes.n > SAFETENSORS_MAX_FILE)
		return err_set(e, ERR_LIMIT, "it is larger than %zu MiB", SAFETENSORS_MAX_FILE >> 20);
	uint64_t length = little_endian((const unsigned char *)bytes.p, 8);
	struct str rest = str_sub(bytes, 8, bytes.n);
	if (length > rest.n || length == 0 || rest.p[0] != '{')
		return err_set(e, ERR_INPUT, "it is no safetensors file, or cut off within its header");
	if (length > SAFETENSORS_MAX_HEADER)
		return err_set(e, ERR_LIMIT, "its header is larger than %zu MiB",
			       SAFETENSORS_MAX_HEADER >> 20);
	if (json_parse(a, str_sub(rest, 0, (size_t)length), &limits, &header, e) != 0)
		return err_prefix(e, "header");
	if (header->type != VALUE_MAP)
		return err_set(e, ERR_INPUT, "its header is no object");
	if (header_read(a, header, str_sub(rest, (size_t)length, rest.n), out, e) != 0)
		return -1;
	struct str sum = safetensors_text(out, SAFETENSORS_CHECKSUM);
	if (!sum.p)
		return 0;
	if (checksum_verify(bytes, (size_t)length + 8, sum, e) != 0)
		return -1;
	out->checked = true;
	return 0;
}

/* All of fd, whose size st tells; a file that shrinks meanwhile is one that is cut off. */
static int
fd_read(int fd, char *p, size_t n, struct err *e)
{
	while (n > 0) {
		ssize_t got = read(fd, p, n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_set(e, ERR_IO, "%s", strerror(errno));
		if (got == 0)
			return err_set(e, ERR_INPUT, "it shrank while it was read");
		p += got;
		n -= (size_t)got;
	}
	return 0;
}

int
safetensors_read(struct arena *a, const char *path, struct safetensors *out, struct err *e)
{
	struct stat st;
	int rc = -1;
	/* O_NONBLOCK: a FIFO must not hold anybody up; it is no regular file and is refused below. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) != 0) {
		err_set(e,
			errno == ENOENT	  ? ERR_MISSING
			: errno == EACCES ? ERR_PERM
					  : ERR_IO,
			"%s", strerror(errno));
		goto out;
	}
	if (!S_ISREG(st.st_mode)) {
		err_set(e, ERR_INPUT, "it is not a regular file");
		goto out;
	}
	if ((uint64_t)st.st_size > SAFETENSORS_MAX_FILE) {
		err_set(e, ERR_LIMIT, "it is larger than %zu MiB", SAFETENSORS_MAX_FILE >> 20);
		goto out;
	}
	char *bytes = arena_alloc(a, (size_t)st.st_size + 1);
	if (fd_read(fd, bytes, (size_t)st.st_size, e) == 0)
		rc = safetensors_parse(a, str_make(bytes, (size_t)st.st_size), out, e);
out:
	if (fd >= 0)
		close(fd);
	return rc == 0 ? 0 : err_prefix(e, "%s", path);
}
