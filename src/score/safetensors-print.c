/* safetensors: writing, and the checksum (see safetensors.h). */
#include <assert.h>
#include <openssl/sha.h>
#include <string.h>

#include "base/json.h"
#include "score/safetensors-private.h"

#define HEX (2 * (size_t)SHA256_DIGEST_LENGTH)
#define PREFIX STR("sha256:")
#define ALIGN ((size_t)64)

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "tensors are written as they lie in memory");

static void
hex_print(const unsigned char *digest, char *out)
{
	static const char digits[] = "0123456789abcdef";
	for (size_t i = 0; i < SHA256_DIGEST_LENGTH; i++) {
		out[2 * i] = digits[digest[i] >> 4];
		out[2 * i + 1] = digits[digest[i] & 15];
	}
}

static void
checksum(struct str bytes, char *out)
{
	unsigned char digest[SHA256_DIGEST_LENGTH];
	SHA256((const unsigned char *)bytes.p, bytes.n, digest);
	hex_print(digest, out);
}

int
checksum_verify(struct str bytes, size_t header, struct str sum, struct err *e)
{
	char want[HEX];
	struct buf copy = { 0 };
	if (sum.n != PREFIX.n + HEX || !str_starts(sum, PREFIX))
		return err_set(e, ERR_INPUT, "its checksum is not of the form sha256:HEX");
	size_t at = str_find(str_sub(bytes, 0, header), sum);
	/* Digits that JSON escapes are not found, a second occurrence makes the hole a matter of choice. */
	if (at == header || str_find(str_sub(bytes, at + 1, header), sum) != header - at - 1)
		return err_set(e, ERR_INPUT, "its checksum is not there exactly once");
	buf_adds(&copy, bytes);
	memset(copy.p + at + PREFIX.n, '0', HEX);
	checksum(buf_str(&copy), want);
	buf_free(&copy);
	if (memcmp(want, sum.p + PREFIX.n, HEX) != 0)
		return err_set(
		    e, ERR_CORRUPT,
		    "it is damaged: its bytes do not agree with its checksum; take it from a backup "
		    "or train again");
	return 0;
}

static void
metadata_print(struct buf *out, const struct value *metadata)
{
	struct str key;
	const struct value *v;
	buf_adds(out, STR("{\"__metadata__\":{\"" SAFETENSORS_CHECKSUM "\":\"sha256:"));
	for (size_t i = 0; i < HEX; i++)
		buf_addc(out, '0');
	buf_addc(out, '"');
	for (size_t i = 0; i < value_map_count(metadata); i++) {
		value_map_entry(metadata, i, &key, &v);
		assert(v->type == VALUE_STRING);
		if (str_eq(key, STR(SAFETENSORS_CHECKSUM)))
			continue;
		buf_addc(out, ',');
		json_print_string(out, key);
		buf_addc(out, ':');
		json_print_string(out, v->s);
	}
	buf_addc(out, '}');
}

static void
tensor_print(struct buf *out, const struct safetensor *t, size_t *at)
{
	size_t bytes = t->n * safetensors_size(t->type);
	buf_addc(out, ',');
	json_print_string(out, t->name);
	buf_printf(out, ":{\"dtype\":\"%s\",\"shape\":[", safetensors_type_name(t->type));
	for (size_t i = 0; i < t->ndim; i++)
		buf_printf(out, "%s%zu", i ? "," : "", t->shape[i]);
	buf_printf(out, "],\"data_offsets\":[%zu,%zu]}", *at, *at + bytes);
	*at += bytes;
}

void
safetensors_print(struct buf *out, const struct safetensor *tensors, size_t n, const struct value *metadata)
{
	size_t begin = out->n, at = 0;
	unsigned char length[8];
	buf_add(out, "\0\0\0\0\0\0\0", 8);
	metadata_print(out, metadata);
	size_t hole = str_find(str_sub(buf_str(out), begin, out->n), STR("sha256:")) + PREFIX.n;
	for (size_t i = 0; i < n; i++)
		tensor_print(out, &tensors[i], &at);
	buf_addc(out, '}');
	while ((out->n - begin) % ALIGN != 0)
		buf_addc(out, ' ');
	for (size_t i = 0; i < sizeof(length); i++)
		length[i] = (unsigned char)((uint64_t)(out->n - begin - 8) >> (8 * i));
	memcpy(out->p + begin, length, sizeof(length));
	for (size_t i = 0; i < n; i++)
		buf_add(out, tensors[i].data, tensors[i].n * safetensors_size(tensors[i].type));
	char digits[HEX]; /* of the file with zeros in their place */
	checksum(str_sub(buf_str(out), begin, out->n), digits);
	memcpy(out->p + begin + hole, digits, HEX);
}
