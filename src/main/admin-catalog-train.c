/*
 * admin-catalog-train: recommendation models out of the event log, or of a CSV file; and how good they are.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "learn/reco.h"
#include "main/admin-catalog.h"
#include "main/admin-events.h"
#include "recipient/rows.h"
#include "store/event.h"

#define TOP 10

static const char usage[] =
    "usage: mailtailor catalog train [OPTION…]\n"
    "\n"
    "Learns who takes what from purchases, and writes a model for the plugin \"recommend\".\n"
    "\n"
    "      --kind KIND            popular, ease (default), knn or als\n"
    "      --csv FILE             learn from a CSV file (\"-\": standard input), not from the event log\n"
    "      --customer-column NAME default customer\n"
    "      --item-column NAME     default item\n"
    "      --time-column NAME     default time; as 2026-03-29, 2026-03-29 12:00:00 or RFC 3339\n"
    "      --views                events: what was viewed counts, too, not only what was purchased\n"
    "      --since TIME           only what was taken from then on: 2026-03-29, or 365d (ago)\n"
    "      --min-customers N      leave out items that fewer customers took (default 5)\n"
    "      --max-items N          of more, the N most popular (default 12000 for ease, else 1000000)\n"
    "      --test-from TIME       before that time trains, the rest judges; then all trains\n"
    "      --repeats              judge what customers take again, too\n"
    "      --dry-run              judge only, write nothing\n"
    "  -o, --output FILE          default: recommend.safetensors in the state directory\n"
    "  -c, --config CONF          the configuration\n"
    "      --json                 print the figures as JSON\n"
    "  -h, --help                 print this text\n"
    "\n"
    "ease       --lambda X (500), --keep N weights of each item (200; 0: all)\n"
    "knn        --neighbours N (200), --shrink X (10), --keep N (0)\n"
    "als        --factors N (32), --iterations N (10), --regularization X (10), --alpha X (1), --seed N\n";

struct training {
	const char *conf_path, *csv, *customer_column, *item_column, *time_column, *output;
	struct reco_options o;
	size_t min_customers, max_items;
	int64_t since_ms, test_from_ms;
	bool views, repeats, dry_run, json, time_given;

	int64_t now_ms;
	struct reco_log *log;
	struct progress *progress;
	struct arena *scratch; /* of one event */
	struct err failed;
	uint64_t odd; /* items that cannot be read */
};

/* ---- reading ---- */

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
row_take(struct training *t, const struct row *row, struct err *e)
{
	int64_t at = 0;
	struct str time = cell_of(row, t->time_column);
	if (time.n == 0 && (t->test_from_ms != INT64_MAX || t->since_ms != INT64_MIN))
		return err_set(e, ERR_INPUT, "there is no time in column \"%s\"", t->time_column);
	if (time.n > 0 && admin_moment(time, &at, e) != 0)
		return -1;
	if (at < t->since_ms)
		return 0;
	return reco_log_add(t->log, cell_of(row, t->customer_column), cell_of(row, t->item_column), at, e);
}

/* A table needs no times, unless something is asked of them. */
static int
columns_need(struct training *t, struct rows *rows, struct err *e)
{
	bool timed = t->time_given || t->test_from_ms != INT64_MAX || t->since_ms != INT64_MIN;
	const struct {
		const char *option, *name;
	} columns[] = { { "--customer-column", t->customer_column },
			{ "--item-column", t->item_column },
			{ "--time-column", t->time_column } };
	for (size_t i = 0; i < (timed ? 3 : 2); i++)
		if (rows_need(rows, str_of(columns[i].name), e) != 0)
			return err_prefix(e, "%s: %s", t->csv, columns[i].option);
	return 0;
}

static int
csv_read(struct training *t)
{
	struct stat st;
	struct err e = { 0 };
	int fd = strcmp(t->csv, "-") == 0 ? STDIN_FILENO : open(t->csv, O_RDONLY | O_CLOEXEC), code = -1;
	if (fd < 0) {
		admin_say("%s: %s", t->csv, strerror(errno));
		return EX_NOINPUT;
	}
	const struct rows_options o = { .format = ROWS_CSV, .read = read_fd, .ctx = &fd };
	struct rows *rows = rows_new(&o);
	t->progress = progress_start("reading (bytes)",
				     fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0);
	if (columns_need(t, rows, &e) != 0) {
		progress_end(&t->progress);
		code = admin_fail(&e);
	}
	while (code < 0) {
		struct row row;
		enum rows_result res = rows_next(rows, t->scratch, &row, &e);
		if (res == ROWS_END)
			code = EX_OK;
		else if (res != ROWS_ROW || row_take(t, &row, &e) != 0) {
			progress_end(&t->progress);
			err_prefix(&e, "%s: line %llu", t->csv, (unsigned long long)row.line);
			code = admin_fail(&e);
		}
		arena_reset(t->scratch);
		if (code < 0)
			progress_update(t->progress, rows_bytes(rows));
	}
	progress_end(&t->progress);
	rows_free(&rows);
	if (fd != STDIN_FILENO)
		close(fd);
	return code;
}

/* One that cannot be an id of ours is passed over; false: there are too many. */
static bool
item_take(struct training *t, struct str who, const struct value *item, int64_t at_ms)
{
	if (item->type != VALUE_STRING || item->s.n == 0 || item->s.n > RECOMMEND_MAX_ID) {
		t->odd++;
		return true;
	}
	return reco_log_add(t->log, who, item->s, at_ms, &t->failed) == 0;
}

static bool
event_take(void *ctx, const struct event_record *r)
{
	struct training *t = ctx;
	const struct event *ev = &r->event;
	const struct value *v, *item, *all;
	char who[2 * sizeof(ev->rk) + 1];
	bool ok = true;
	if (r->forgotten || !event_by_person(ev->class) || ev->details.n == 0)
		return true;
	arena_reset(t->scratch);
	for (size_t i = 0; i < sizeof(ev->rk); i++)
		snprintf(who + 2 * i, 3, "%02x", ev->rk[i]);
	if (json_parse(t->scratch, ev->details, NULL, &v, NULL) != 0) {
		t->odd++;
		return true;
	}
	if ((item = value_map_get(v, STR("item"))) != NULL)
		ok = item_take(t, str_of(who), item, ev->at_ms);
	all = value_map_get(v, STR("items"));
	for (size_t i = 0; ok && all && all->type == VALUE_LIST && i < all->list.n; i++)
		ok = item_take(t, str_of(who), all->list.items[i], ev->at_ms);
	progress_update(t->progress, reco_log_size(t->log));
	return ok;
}

static int
events_read(struct training *t, const struct conf *conf)
{
	int code = EX_OK;
	struct err e = { 0 };
	struct store *s = admin_store(conf, true, false, &code);
	struct event_filter f = {
		.since_ms = t->since_ms == INT64_MIN ? 0 : t->since_ms,
		.types = EVENT_BIT(EVENT_PURCHASED) | (t->views ? EVENT_BIT(EVENT_VIEWED) : 0),
	};
	if (!s)
		return code;
	t->progress = progress_start("reading (events with items)", 0);
	int rc = event_each(s, &f, event_take, t, NULL, NULL, &e);
	progress_end(&t->progress);
	store_close(&s);
	if (rc != 0 || t->failed.kind != ERR_NONE)
		return admin_fail(rc != 0 ? &e : &t->failed);
	if (t->odd > 0)
		admin_say("%llu items of events cannot be read; they were left out",
			  (unsigned long long)t->odd);
	if (reco_log_size(t->log) > 0)
		return EX_OK;
	admin_say("no event names an item yet: shops report them with POST /v1/events (\"item\")");
	return EX_DATAERR;
}

/* ---- training and judging ---- */

static void
step_show(void *ctx, const struct learn_step *s)
{
	struct training *t = ctx;
	progress_flow(t->progress, s->done, s->total, 0);
}

static int
train(struct training *t, const struct reco_data *d, struct arena *a, struct recommend_model *m,
      double *seconds, struct err *e)
{
	const struct learn_progress p = { step_show, t };
	int64_t from = clock_mono_us();
	t->progress = progress_start("training", 0);
	int rc = reco_train(d, &t->o, &p, a, m, e);
	progress_end(&t->progress);
	*seconds = (double)(clock_mono_us() - from) / 1e6;
	return rc;
}

static struct value *
object(struct arena *a, struct value *into, const char *key, double number)
{
	value_map_set(a, into, str_of(key), value_real(a, number));
	return into;
}

/* Trains on what lies before the split and adds figures to out. */
static int
judge(struct training *t, struct arena *a, struct value *out, struct err *e)
{
	const struct reco_split split = { t->test_from_ms, t->min_customers, t->max_items };
	struct reco_data data, test;
	struct recommend_model m;
	struct reco_figures f;
	struct arena *own = arena_new((size_t)1 << 20);
	double seconds;
	int rc = reco_log_matrix(t->log, &split, own, &data, &test, e);
	if (rc == 0)
		rc = train(t, &data, own, &m, &seconds, e);
	if (rc == 0)
		rc = reco_evaluate(&m, &data, &test, t->repeats ? RECO_ANY : RECO_NEW, TOP, &f, e);
	if (rc == 0) {
		struct value *j = value_map_new(a);
		value_map_set(a, j, STR("customers"), value_int(a, (int64_t)f.users));
		value_map_set(a, j, STR("items"), value_int(a, (int64_t)data.items));
		object(a, j, "ndcg@10", f.ndcg);
		value_map_set(a, j, STR("conclusive"), value_bool(f.users >= RECO_MIN_JUDGED));
		if (f.users >= RECO_MIN_JUDGED) { /* of few the error is no measure of what is not known */
			object(a, j, "ndcg_se", f.ndcg_se);
			object(a, j, "ndcg_low", fmax(f.ndcg - 1.96 * f.ndcg_se, 0));
			object(a, j, "ndcg_high", fmin(f.ndcg + 1.96 * f.ndcg_se, 1));
		}
		object(a, j, "recall@10", f.recall);
		object(a, j, "hit@10", f.hit);
		object(a, j, "seconds", seconds);
		if (t->repeats && reco_evaluate(&m, &data, &test, RECO_AGAIN, TOP, &f, NULL) == 0)
			object(a, j, "ndcg@10 of own frequency", f.ndcg);
		value_map_set(a, out, STR("test"), j);
	}
	arena_free(&own);
	return rc;
}

/* What the model is of, for people: kept in the file, too. */
static void
describe(const struct training *t, const struct reco_data *d, double seconds, struct arena *a,
	 struct value *out)
{
	char at[40];
	const char *kind = recommend_kind_name(t->o.kind);
	value_map_set(a, out, STR("kind"), value_string(a, str_of(kind)));
	value_map_set(a, out, STR("at"),
		      value_string(a, arena_str(a, str_of(clock_format_rfc3339(t->now_ms, at)))));
	value_map_set(a, out, STR("customers"), value_int(a, (int64_t)d->users));
	value_map_set(a, out, STR("items"), value_int(a, (int64_t)d->items));
	value_map_set(a, out, STR("pairs"), value_int(a, (int64_t)d->end[d->users - 1]));
	object(a, out, "seconds", seconds);
	if (t->o.kind == RECOMMEND_EASE)
		object(a, out, "lambda", t->o.lambda);
	if (t->o.kind == RECOMMEND_KNN) {
		value_map_set(a, out, STR("neighbours"), value_int(a, (int64_t)t->o.neighbours));
		object(a, out, "shrink", t->o.shrink);
	}
	if (t->o.kind == RECOMMEND_EASE || t->o.kind == RECOMMEND_KNN)
		value_map_set(a, out, STR("keep"), value_int(a, (int64_t)t->o.keep));
	if (t->o.kind == RECOMMEND_ALS) {
		value_map_set(a, out, STR("factors"), value_int(a, (int64_t)t->o.factors));
		object(a, object(a, out, "regularization", t->o.regularization), "alpha", t->o.alpha);
	}
}

static void
show(const struct training *t, const struct value *what, const char *path, size_t bytes)
{
	struct buf b = { 0 };
	if (t->json) {
		json_print_pretty(&b, what);
		printf("%s\n", b.p);
		buf_free(&b);
		return;
	}
	for (size_t i = 0; i < value_map_count(what); i++) {
		struct str key;
		const struct value *v;
		value_map_entry(what, i, &key, &v);
		if (v->type == VALUE_MAP)
			continue;
		buf_reset(&b);
		value_print(&b, v);
		printf("%-16.*s %s\n", STR_ARG(key), b.p);
	}
	const struct value *test = value_map_get(what, STR("test"));
	for (size_t i = 0; i < value_map_count(test); i++) {
		struct str key;
		const struct value *v;
		value_map_entry(test, i, &key, &v);
		if (v->type != VALUE_BOOL)
			printf("test %-11.*s %.4g\n", STR_ARG(key), value_number(v, &(bool){ false }));
	}
	const struct value *conclusive = value_map_get(test, STR("conclusive"));
	if (conclusive && !conclusive->b)
		printf("no conclusion: the figures are of fewer than %d customers\n", RECO_MIN_JUDGED);
	if (path)
		printf("written: %s (%zu bytes)\n", path, bytes);
	buf_free(&b);
}

static int
train_all(struct training *t, const char *path, struct arena *a)
{
	const struct reco_split all = { INT64_MAX, t->min_customers, t->max_items };
	struct value *out = value_map_new(a);
	struct reco_data d;
	struct recommend_model m;
	struct err e = { 0 };
	struct buf b = { 0 }, text = { 0 };
	double seconds = 0;
	if (t->test_from_ms != INT64_MAX && judge(t, a, out, &e) != 0)
		return admin_fail(&e);
	if (t->dry_run) {
		show(t, out, NULL, 0);
		return EX_OK;
	}
	if (reco_log_matrix(t->log, &all, a, &d, NULL, &e) != 0 || train(t, &d, a, &m, &seconds, &e) != 0)
		return admin_fail(&e);
	describe(t, &d, seconds, a, out);
	json_print(&text, out);
	m.training = buf_str(&text);
	recommend_print(&m, &b);
	int code = catalog_write(t->conf_path, AUDIT_CATALOG_TRAIN, path, buf_str(&b));
	if (code == EX_OK)
		show(t, out, path, b.n);
	buf_free(&b);
	buf_free(&text);
	return code;
}

static int
train_run(struct training *t)
{
	struct conf *conf = NULL;
	char path[PATH_MAX];
	int code;
	t->now_ms = clock_now_ms();
	if ((!t->csv || (!t->output && !t->dry_run)) && !(conf = admin_conf(t->conf_path)))
		return EX_CONFIG;
	snprintf(path, sizeof(path), "%s/" CATALOG_MODEL_FILE, conf ? conf->state.directory : ".");
	t->log = reco_log_new();
	t->scratch = arena_new(65536);
	code = t->csv ? csv_read(t) : events_read(t, conf);
	if (code == EX_OK) {
		struct arena *a = arena_new((size_t)1 << 20);
		code = train_all(t, t->output ? t->output : path, a);
		arena_free(&a);
	}
	reco_log_free(&t->log);
	arena_free(&t->scratch);
	conf_free(&conf);
	return code;
}

/* ---- the command line ---- */

/* Options that are numbers: where they go, and from what on they make sense. */
enum { OPT_NUMBER = 300 };
static const struct {
	const char *name;
	size_t offset;
	bool integer;
	double min, max;
} NUMBER[] = {
#define SIZE(name, field, min, max)                                    \
	{                                                              \
		name, offsetof(struct training, field), true, min, max \
	}
#define REAL(name, field, min)                                          \
	{                                                               \
		name, offsetof(struct training, field), false, min, 1e9 \
	}
	SIZE("min-customers", min_customers, 1, 1e9),
	SIZE("max-items", max_items, 1, RECOMMEND_MAX_ITEMS),
	SIZE("keep", o.keep, 0, 1e6),
	SIZE("neighbours", o.neighbours, 1, 1e6),
	SIZE("factors", o.factors, 1, RECOMMEND_MAX_FACTORS),
	SIZE("iterations", o.iterations, 1, 1000),
	SIZE("seed", o.seed, 0, 1e15),
	REAL("lambda", o.lambda, 1e-6),
	REAL("shrink", o.shrink, 0),
	REAL("regularization", o.regularization, 1e-6),
	REAL("alpha", o.alpha, 1e-6),
};
#define NNUMBER (sizeof(NUMBER) / sizeof(NUMBER[0]))

static int
number_read(struct training *t, size_t i, const char *arg)
{
	char *end;
	double v = strtod(arg, &end);
	if (end == arg || *end != '\0' || !(v >= NUMBER[i].min && v <= NUMBER[i].max) ||
	    (NUMBER[i].integer && v != floor(v)))
		return admin_misuse("--%s %s: %s from %g to %g", NUMBER[i].name, arg,
				    NUMBER[i].integer ? "a whole number" : "a number", NUMBER[i].min,
				    NUMBER[i].max);
	char *at = (char *)t + NUMBER[i].offset;
	if (NUMBER[i].integer)
		*(size_t *)(void *)at = (size_t)v;
	else
		*(double *)(void *)at = v;
	return -1;
}

/* -1 to go on, else an exit code. */
static int
option_read(struct training *t, int c, const char *arg)
{
	int kind;
	switch (c) {
	case 'c':
		t->conf_path = arg;
		return -1;
	case 'o':
		t->output = arg;
		return -1;
	case 'k':
		kind = recommend_kind_find(str_of(arg));
		t->o.kind = (enum recommend_kind)kind;
		return kind >= 0 ? -1 : admin_misuse("--kind %s: popular, ease, knn or als", arg);
	case 'V':
		t->csv = arg;
		return -1;
	case 'U':
		t->customer_column = arg;
		return -1;
	case 'I':
		t->item_column = arg;
		return -1;
	case 'A':
		t->time_column = arg;
		t->time_given = true;
		return -1;
	case 'v':
		t->views = true;
		return -1;
	case 'S':
		return events_time(arg, t->now_ms, &t->since_ms) == 0
			   ? -1
			   : admin_misuse("--since %s: a time like 2026-03-29, or 365d", arg);
	case 'T':
		return events_time(arg, t->now_ms, &t->test_from_ms) == 0
			   ? -1
			   : admin_misuse("--test-from %s: a time like 2026-03-29, or 30d", arg);
	case 'r':
		t->repeats = true;
		return -1;
	case 'd':
		t->dry_run = true;
		return -1;
	case 'j':
		t->json = true;
		return -1;
	case 'h':
		return admin_usage(stdout, usage);
	default:
		return c >= OPT_NUMBER ? number_read(t, (size_t)(c - OPT_NUMBER), arg) : EX_USAGE;
	}
}

static int
options_read(struct training *t, int argc, char **argv)
{
	static const struct option words[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "output", required_argument, NULL, 'o' },
		{ "kind", required_argument, NULL, 'k' },
		{ "csv", required_argument, NULL, 'V' },
		{ "customer-column", required_argument, NULL, 'U' },
		{ "item-column", required_argument, NULL, 'I' },
		{ "time-column", required_argument, NULL, 'A' },
		{ "views", no_argument, NULL, 'v' },
		{ "since", required_argument, NULL, 'S' },
		{ "test-from", required_argument, NULL, 'T' },
		{ "repeats", no_argument, NULL, 'r' },
		{ "dry-run", no_argument, NULL, 'd' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
	};
	enum { NWORDS = sizeof(words) / sizeof(words[0]) };
	struct option options[NWORDS + NNUMBER + 1];
	int c, code = -1;
	memcpy(options, words, sizeof(words));
	for (size_t i = 0; i < NNUMBER; i++)
		options[NWORDS + i] =
		    (struct option){ NUMBER[i].name, required_argument, NULL, OPT_NUMBER + (int)i };
	options[NWORDS + NNUMBER] = (struct option){ 0 };
	optind = 0;
	while (code < 0 && (c = admin_option(argc, argv, "c:o:h", options)) != -1)
		code = option_read(t, c, optarg);
	if (code >= 0)
		return code;
	if (optind < argc)
		return admin_misuse("catalog train takes options only, not \"%s\"", argv[optind]);
	if (t->views && t->csv)
		return admin_misuse("--views is about events; a CSV file has what counts");
	if (t->dry_run && t->test_from_ms == INT64_MAX)
		return admin_misuse("--dry-run judges, and needs --test-from for that");
	if (t->max_items == 0 && t->o.kind == RECOMMEND_EASE)
		t->max_items = RECO_MAX_DENSE;
	return -1;
}

int
catalog_train(int argc, char **argv)
{
	struct training t = {
		.customer_column = "customer",
		.item_column = "item",
		.time_column = "time",
		.o = reco_defaults(RECOMMEND_EASE),
		.min_customers = 5,
		.since_ms = INT64_MIN,
		.test_from_ms = INT64_MAX,
		.now_ms = clock_now_ms(),
	};
	t.o.keep = SIZE_MAX; /* the kind's own number */
	int code = options_read(&t, argc, argv);
	if (t.o.keep == SIZE_MAX)
		t.o.keep = reco_defaults(t.o.kind).keep;
	return code >= 0 ? code : train_run(&t);
}
