/*
 * safetensors: named tensors and a few strings in one file, the format that PyTorch's users exchange
 * (https://github.com/huggingface/safetensors, "Format"):
 *
 *     8 bytes   length of the header, little-endian
 *     header    {"__metadata__": {"key": "text", …}, "name": {"dtype": "F32", "shape": [64, 24],
 *                "data_offsets": [begin, end]}, …}, spaces behind it
 *     data      the tensors, row-major, little-endian; offsets count from here and leave no gap
 *
 * Files are hostile: a header that does not describe its data to the last byte is refused, so a file that
 * was cut off or grew is, too. Ours also hold a checksum as metadata, "checksum": "sha256:HEX", the SHA-256
 * of the whole file with those 64 digits as zeros; where there is one it must agree.
 *
 * Threads: safe; a struct safetensors is immutable once read.
 */
#ifndef MT_SCORE_SAFETENSORS_H
#define MT_SCORE_SAFETENSORS_H

#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/value.h"

#define SAFETENSORS_MAX_FILE ((size_t)256 << 20)
#define SAFETENSORS_MAX_HEADER ((size_t)4 << 20)
#define SAFETENSORS_MAX_TENSORS 4096
#define SAFETENSORS_MAX_DIMS 4
#define SAFETENSORS_CHECKSUM "checksum"

/* Types of elements; those that the format has beside these are refused. */
enum safetensors_type {
	SAFETENSORS_F64,
	SAFETENSORS_F32,
	SAFETENSORS_F16,
	SAFETENSORS_BF16,
	SAFETENSORS_I64,
	SAFETENSORS_I32,
	SAFETENSORS_I16,
	SAFETENSORS_I8,
	SAFETENSORS_U8,
	SAFETENSORS_BOOL,
};

struct safetensor {
	struct str name;
	enum safetensors_type type;
	size_t ndim, shape[SAFETENSORS_MAX_DIMS]; /* ndim 0: one element */
	size_t n;				  /* elements */
	const void *data;			  /* not aligned: use the functions below */
};

struct safetensors {
	struct safetensor *tensors; /* in the order of the header */
	size_t n;
	const struct value *metadata; /* a map of strings; never NULL, may be empty */
	bool checked;		      /* there was a checksum, and it agrees */
};

/*
 * bytes are borrowed and must outlive *out, everything else is in a. ERR_INPUT (not of this format),
 * ERR_LIMIT, ERR_CORRUPT (the checksum does not agree).
 */
int safetensors_parse(struct arena *a, struct str bytes, struct safetensors *out, struct err *e);
/* A regular file, read into a. Also ERR_MISSING, ERR_PERM, ERR_IO. */
int safetensors_read(struct arena *a, const char *path, struct safetensors *out, struct err *e);

/* NULL when there is none. */
const struct safetensor *safetensors_find(const struct safetensors *st, const char *name);
/* Metadata by key; absent (p NULL) when there is none. */
struct str safetensors_text(const struct safetensors *st, const char *key);
/*
 * The tensor by name with exactly this shape (0 in shape: any size, which is put there), else NULL and
 * ERR_INPUT that says what is missing or wrong.
 */
const struct safetensor *
safetensors_need(const struct safetensors *st, const char *name, size_t ndim, size_t *shape, struct err *e);
/* Elements as other types, out[0..t->n). -1 (ERR_INPUT): one is not finite, or (ints) no integer, or out of
 * int32_t. */
int safetensors_doubles(const struct safetensor *t, double *out, struct err *e);
int safetensors_floats(const struct safetensor *t, float *out, struct err *e);
int safetensors_ints(const struct safetensor *t, int32_t *out, struct err *e);

/*
 * Writes tensors (data in this machine's order, which must be little-endian) and metadata (a map of strings;
 * a key "checksum" is ours to set) as a file. The data begin at a multiple of 64, each tensor at a multiple
 * of its element's size when they come with the widest first.
 */
void
safetensors_print(struct buf *out, const struct safetensor *tensors, size_t n, const struct value *metadata);

size_t safetensors_size(enum safetensors_type type); /* bytes of an element */
const char *safetensors_type_name(enum safetensors_type type);

#endif
