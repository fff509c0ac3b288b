/* admin-model-source: where rows to learn from come from (see admin-model.h). */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "learn/csv.h"
#include "main/admin-model.h"
#include "main/files.h"

/* VALUE as JSON when it is some, else as a text. */
static const struct value *
setting_value(struct arena *a, struct str text)
{
	const struct json_limits limits = { .max_bytes = 65536, .max_depth = 4 };
	const struct value *v = NULL;
	return json_parse(a, text, &limits, &v, NULL) == 0 ? v : value_string(a, text);
}

/* The options of the specification's model, with those of the command line over them. */
static void
settings_apply(struct model_source *s)
{
	struct value *map = value_map_new(s->arena);
	for (size_t i = 0; i < value_map_count(s->spec.model); i++) {
		struct str key;
		const struct value *v;
		value_map_entry(s->spec.model, i, &key, &v);
		/* Another kind has other options. */
		if (!s->rq->kind || str_eq(s->spec.kind, str_of(s->rq->kind)))
			value_map_set(s->arena, map, key, v);
	}
	if (s->rq->kind)
		s->spec.kind = str_of(s->rq->kind);
	for (size_t i = 0; i < s->rq->nsettings; i++) {
		struct str text = str_of(s->rq->settings[i]);
		size_t eq = str_find_char(text, '=');
		value_map_set(s->arena, map, str_sub(text, 0, eq),
			      setting_value(s->arena, str_sub(text, eq + 1, text.n)));
	}
	s->spec.model = map;
}

static int
spec_open(struct model_source *s)
{
	struct err e = { 0 };
	struct buf text = { 0 };
	const struct value *root = NULL;
	int rc = file_read(s->rq->spec, SPEC_MAX_BYTES, &text, &e);
	if (rc == 0 && (rc = spec_parse(s->arena, buf_str(&text), &s->spec, &e)) != 0)
		err_prefix(&e, "%s", s->rq->spec);
	if (rc == 0 && json_parse(s->arena, buf_str(&text), NULL, &root, NULL) == 0)
		s->split = value_map_get(root, STR("split"));
	if (!s->split)
		s->split = value_map_new(s->arena);
	s->value = s->spec.label == NULL;
	buf_free(&text);
	return rc == 0 ? EX_OK : admin_fail(&e);
}

int
model_source_open(struct model_source *s, const struct model_request *rq)
{
	*s = (struct model_source){ .arena = arena_new(65536), .rq = rq };
	int code = rq->events ? model_events_open(s) : spec_open(s);
	if (code == EX_OK)
		settings_apply(s);
	return code;
}

void
model_source_close(struct model_source *s)
{
	model_events_close(s);
	arena_free(&s->arena);
}

struct table {
	int fd;
	struct progress *progress;
};

static ssize_t
table_read(void *ctx, char *p, size_t n)
{
	return read(((struct table *)ctx)->fd, p, n);
}

static void
table_progress(void *ctx, uint64_t bytes)
{
	progress_update(((struct table *)ctx)->progress, bytes);
}

static struct learn_set *
table_set(struct model_source *s, const char *const *columns, size_t ncolumns, int *code)
{
	bool in = strcmp(s->rq->csv, "-") == 0;
	struct table t = { .fd = in ? 0 : open(s->rq->csv, O_RDONLY | O_CLOEXEC) };
	const struct csv_source source = { table_read, &t, table_progress };
	struct err e = { 0 };
	struct stat st = { 0 };
	struct spec spec = s->spec;
	if (columns) {
		spec.columns = columns;
		spec.ncolumns = ncolumns;
	}
	if (t.fd < 0 || fstat(t.fd, &st) != 0) {
		admin_say("%s: %s", s->rq->csv, strerror(errno));
		*code = errno == ENOENT ? EX_NOINPUT : errno == EACCES ? EX_NOPERM : EX_IOERR;
		return NULL;
	}
	t.progress = progress_start("reading", S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0);
	struct learn_set *set = csv_read(&source, &spec, &e);
	progress_end(&t.progress);
	if (!in)
		close(t.fd);
	if (!set) {
		err_prefix(&e, "%s", s->rq->csv);
		*code = admin_fail(&e);
	} else if (set->skipped > 0 && !columns) {
		admin_say("%llu rows have no label and are left out", (unsigned long long)set->skipped);
	}
	return set;
}

struct learn_set *
model_source_read(struct model_source *s, const char *const *columns, size_t ncolumns, int *code)
{
	return s->events ? model_events_read(s, columns, ncolumns, code)
			 : table_set(s, columns, ncolumns, code);
}
