/* admin-segments-read: what segments are learned from. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "main/admin-segments.h"
#include "main/files.h"
#include "recipient/rows.h"
#include "score/score.h"

/* ---- profiles ---- */

static bool
key_take(void *ctx, const uint8_t rk[16], struct str sealed)
{
	(void)sealed;
	buf_add(ctx, rk, STORE_KEY_LEN);
	return true;
}

int
segments_keys(struct desk *d, struct buf *keys)
{
	struct err e = { 0 };
	return store_profile_each(d->store, key_take, keys, &e) == 0 ? EX_OK : admin_fail(&e);
}

static int
zones_read(struct desk *d, const struct buf *keys, struct persons *p)
{
	struct arena *a = arena_new(16384);
	struct progress *bar = progress_start("reading profiles", keys->n / STORE_KEY_LEN);
	int code = EX_OK;
	for (size_t at = 0; at < keys->n && code == EX_OK; at += STORE_KEY_LEN) {
		struct err e = { 0 };
		struct recipient_key rk;
		const struct value *profile, *zone;
		memcpy(rk.b, keys->p + at, sizeof(rk.b));
		if (recipient_profile_of(&d->src, &rk, a, &profile, &e) < 0)
			code = admin_fail(&e);
		else if ((zone = value_map_get(profile, STR("time_zone"))) && zone->type == VALUE_STRING)
			persons_zone(p, rk.b, arena_cstr(a, zone->s));
		arena_reset(a);
		progress_update(bar, at / STORE_KEY_LEN);
	}
	progress_end(&bar);
	arena_free(&a);
	return code;
}

/* ---- events ---- */

struct walk {
	struct persons *p;
	const char *zone;
	struct progress *bar;
	uint64_t seen;
};

static bool
event_take(void *ctx, const struct event_record *r)
{
	struct walk *w = ctx;
	persons_event(w->p, r, w->zone);
	progress_update(w->bar, ++w->seen);
	return true;
}

int
segments_events(struct desk *d, const struct segments_request *rq, const struct buf *keys, struct persons *p)
{
	const struct event_filter f = { .until_ms = rq->train.now_ms, .types = PERSONS_TYPES };
	struct walk w = { .p = p, .zone = rq->time_zone };
	struct score_time t;
	struct err e = { 0 };
	uint64_t skipped = 0;
	if (!w.zone)
		w.zone = d->conf->ncampaigns > 0 ? d->conf->campaigns[0].time_zone : "UTC";
	else if (!score_local_time(0, w.zone, &t))
		return admin_misuse("--time-zone %s: no such time zone", w.zone);
	int code = zones_read(d, keys, p);
	if (code != EX_OK)
		return code;
	w.bar = progress_start("reading events", 0);
	int rc = event_each(d->store, &f, event_take, &w, NULL, &skipped, &e);
	progress_end(&w.bar);
	if (rc != 0)
		return admin_fail(&e);
	if (skipped > 0)
		admin_say("%llu events cannot be read; they were left out", (unsigned long long)skipped);
	return EX_OK;
}

/* ---- a table ---- */

static ssize_t
read_fd(void *ctx, char *p, size_t n)
{
	return read(*(int *)ctx, p, n);
}

static struct str
cell_of(const struct row *row, const char *column)
{
	const struct value *v = value_path(row->profile, str_of(column));
	return v && v->type == VALUE_STRING ? str_trim(v->s) : STR_NULL;
}

static int
row_take(const struct segments_request *rq, const struct row *row, struct arena *a, struct persons *p,
	 int64_t *until_ms, struct err *e)
{
	int64_t at;
	struct str text = cell_of(row, rq->value_column);
	char *end = NULL;
	const char *number = arena_cstr(a, text);
	double value = text.n > 0 ? strtod(number, &end) : 0;
	if (text.n > 0 && (end == number || *end))
		return err_set(e, ERR_INPUT, "column \"%s\" holds no number", rq->value_column);
	if (admin_moment(cell_of(row, rq->time_column), &at, e) != 0)
		return err_prefix(e, "column \"%s\"", rq->time_column);
	if (rq->until && at >= rq->train.now_ms)
		return 0;
	*until_ms = at > *until_ms ? at : *until_ms;
	return persons_purchase(p, cell_of(row, rq->customer_column), at, value, e);
}

static int
columns_need(const struct segments_request *rq, struct rows *rows, struct err *e)
{
	const struct {
		const char *option, *name;
	} columns[] = { { "--customer-column", rq->customer_column },
			{ "--time-column", rq->time_column },
			{ "--value-column", rq->value_column } };
	for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++)
		if (rows_need(rows, str_of(columns[i].name), e) != 0)
			return err_prefix(e, "%s: %s", rq->csv, columns[i].option);
	return 0;
}

int
segments_table(const struct segments_request *rq, struct persons *p, int64_t *until_ms)
{
	struct stat st;
	struct err e = { 0 };
	bool in = strcmp(rq->csv, "-") == 0;
	int fd = in ? STDIN_FILENO : open(rq->csv, O_RDONLY | O_CLOEXEC), code = -1;
	if (fd < 0) {
		admin_say("%s: %s", rq->csv, strerror(errno));
		return EX_NOINPUT;
	}
	const struct rows_options o = { .format = ROWS_CSV, .read = read_fd, .ctx = &fd };
	struct rows *rows = rows_new(&o);
	struct arena *a = arena_new(16384);
	struct progress *bar = progress_start(
	    "reading (bytes)", fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0);
	*until_ms = 0;
	if (columns_need(rq, rows, &e) != 0) {
		progress_end(&bar);
		code = admin_fail(&e);
	}
	while (code < 0) {
		struct row row = { 0 };
		enum rows_result res = rows_next(rows, a, &row, &e);
		if (res == ROWS_END)
			code = EX_OK;
		else if (res != ROWS_ROW || row_take(rq, &row, a, p, until_ms, &e) != 0) {
			progress_end(&bar);
			err_prefix(&e, "%s: line %llu", rq->csv, (unsigned long long)row.line);
			code = admin_fail(&e);
			break;
		}
		arena_reset(a);
		progress_update(bar, rows_bytes(rows));
	}
	progress_end(&bar);
	arena_free(&a);
	rows_free(&rows);
	if (!in)
		close(fd);
	return code;
}

/* ---- the file ---- */

const char *
segments_path(struct desk *d, const struct segments_request *rq)
{
	return rq->file ? rq->file
			: arena_printf(d->arena, "%s/%s", d->conf->state.directory, SEGMENTS_FILE).p;
}

int
segments_load(struct desk *d, const struct segments_request *rq, struct segments *out)
{
	struct buf text = { 0 };
	struct err e = { 0 };
	const char *path = segments_path(d, rq);
	int rc = file_read(path, SEGMENTS_MAX_FILE, &text, &e);
	if (rc == 0 && (rc = segments_parse(buf_str(&text), d->arena, out, &e)) != 0)
		err_prefix(&e, "%s", path);
	else if (rc != 0 && e.kind == ERR_MISSING)
		err_set(&e, ERR_MISSING, "%s is not there; `mailtailor segments train` makes it", path);
	buf_free(&text);
	return rc == 0 ? EX_OK : admin_fail(&e);
}
