/*
 * hostvalue: the part of the host table that reads JSON files and values.
 * struct mt_value is struct value under the name that plugins know.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "plugin/set.h"

#define FILE_MAX ((size_t)16 << 20)

/* ---- files ---- */

/* A root that plugins own: the value first, so that both have one address. */
struct json_root {
	struct value v;
	struct arena *arena;
};

static void
error_put(struct mt_error *error, const char *where, const char *what)
{
	if (error)
		snprintf(error->text, sizeof(error->text), "%.200s%s%.280s", where, *where ? ": " : "", what);
}

static struct mt_value *
json_root_new(struct str text, const char *where, struct mt_error *error)
{
	struct err e = { 0 };
	const struct value *v = NULL;
	const struct json_limits limits = { .max_bytes = FILE_MAX, .max_depth = 32 };
	struct arena *a = arena_new(text.n + 1024);
	struct json_root *root = ARENA_NEW(a, struct json_root);
	if (json_parse(a, text, &limits, &v, &e) != 0) {
		error_put(error, where, e.text);
		arena_free(&a);
		return NULL;
	}
	root->v = *v;
	root->arena = a;
	return (struct mt_value *)root;
}

static struct mt_value *
host_json_text(const struct mt_host *host, const char *text, size_t n, struct mt_error *error)
{
	(void)host;
	return json_root_new(n == MT_NUL ? str_of(text) : str_make(text, n), "", error);
}

/* Reads all of fd, up to max bytes and one more. */
static int
fd_read(int fd, size_t max, struct buf *out)
{
	while (out->n <= max) {
		buf_reserve(out, 65536);
		ssize_t n = read(fd, out->p + out->n, 65536);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return (int)n;
		out->n += (size_t)n;
	}
	return 0;
}

static int
host_file_path(const struct mt_host *host, const char *path, char *out, size_t size)
{
	const struct plugin *p = (const struct plugin *)host;
	int n = snprintf(out, size, "%s%s", path[0] == '/' ? "" : p->set->directory, path);
	return n >= 0 && (size_t)n < size ? 0 : -1;
}

static struct mt_value *
host_json_file(const struct mt_host *host, const char *path, size_t max_bytes, struct mt_error *error)
{
	char full[PATH_MAX];
	struct stat st;
	struct buf text = { 0 };
	struct mt_value *root = NULL;
	size_t max = max_bytes > 0 && max_bytes < FILE_MAX ? max_bytes : FILE_MAX;

	if (host_file_path(host, path, full, sizeof(full)) != 0) {
		error_put(error, path, "the path is too long");
		return NULL;
	}
	/* O_NONBLOCK: a FIFO must not hold up the start; it is no regular file and is refused below. */
	int fd = open(full, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) != 0) {
		error_put(error, full, strerror(errno));
		goto out;
	}
	if (!S_ISREG(st.st_mode)) {
		error_put(error, full, "is not a regular file");
		goto out;
	}
	if (fd_read(fd, max, &text) != 0) {
		error_put(error, full, strerror(errno));
		goto out;
	}
	if (text.n > max) {
		error_put(error, full, "the file is larger than allowed");
		goto out;
	}
	root = json_root_new(buf_str(&text), full, error);
out:
	buf_free(&text);
	if (fd >= 0)
		close(fd);
	return root;
}

static void
host_json_free(struct mt_value *root)
{
	if (root) {
		struct arena *a = ((struct json_root *)root)->arena;
		arena_free(&a);
	}
}

/* ---- values ---- */

static const struct value *
value_in(const struct mt_value *v)
{
	return v ? (const struct value *)v : &VALUE_NULL_V;
}

static enum mt_type
host_value_type(const struct mt_value *v)
{
	static const enum mt_type types[] = {
		[VALUE_NULL] = MT_NULL,	  [VALUE_BOOL] = MT_BOOL,     [VALUE_INT] = MT_INTEGER,
		[VALUE_REAL] = MT_NUMBER, [VALUE_STRING] = MT_STRING, [VALUE_LIST] = MT_LIST,
		[VALUE_MAP] = MT_MAP,
	};
	return types[value_in(v)->type];
}

static int
host_value_string(const struct mt_value *v, struct mt_str *out)
{
	const struct value *in = value_in(v);
	bool ok = in->type == VALUE_STRING;
	*out = ok ? (struct mt_str){ in->s.p, in->s.n } : (struct mt_str){ "", 0 };
	return ok;
}

static int
host_value_number(const struct mt_value *v, double *out)
{
	const struct value *in = value_in(v);
	bool ok = false;
	*out = 0;
	if (in->type == VALUE_INT || in->type == VALUE_REAL)
		*out = value_number(in, &ok);
	return ok;
}

static int
host_value_integer(const struct mt_value *v, int64_t *out)
{
	const struct value *in = value_in(v);
	bool ok = in->type == VALUE_INT;
	*out = ok ? in->i : 0;
	return ok;
}

static int
host_value_bool(const struct mt_value *v)
{
	return value_in(v)->type == VALUE_BOOL && value_in(v)->b;
}

static size_t
host_value_count(const struct mt_value *v)
{
	return value_in(v)->type == VALUE_STRING ? 0 : value_length(value_in(v));
}

static const struct mt_value *
host_value_item(const struct mt_value *v, size_t i)
{
	const struct value *in = value_in(v), *out = NULL;
	struct str key;
	if (in->type == VALUE_LIST && i < in->list.n)
		out = in->list.items[i];
	else if (i < value_map_count(in))
		value_map_entry(in, i, &key, &out);
	return (const struct mt_value *)out;
}

static struct mt_str
host_value_key(const struct mt_value *v, size_t i)
{
	const struct value *in = value_in(v), *out;
	struct str key = STR("");
	if (i < value_map_count(in))
		value_map_entry(in, i, &key, &out);
	return (struct mt_str){ key.p, key.n };
}

static const struct mt_value *
host_value_get(const struct mt_value *v, const char *key)
{
	return key ? (const struct mt_value *)value_map_get(value_in(v), str_of(key)) : NULL;
}

void
host_values_fill(struct mt_host *h)
{
	h->json_file = host_json_file;
	h->file_path = host_file_path;
	h->json_text = host_json_text;
	h->json_free = host_json_free;
	h->value_type = host_value_type;
	h->value_string = host_value_string;
	h->value_number = host_value_number;
	h->value_integer = host_value_integer;
	h->value_bool = host_value_bool;
	h->value_count = host_value_count;
	h->value_item = host_value_item;
	h->value_key = host_value_key;
	h->value_get = host_value_get;
}
