/* mailtailor segments: who recipients are by what they do: train, assign, show. */
#include "main/admin-segments.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"

static const char usage[] =
    "usage: mailtailor segments train [OPTION…]\n"
    "       mailtailor segments assign [OPTION…]\n"
    "       mailtailor segments show [OPTION…]\n"
    "\n"
    "Groups recipients by what they do, and says of each how often he will buy, whether he is\n"
    "still a customer, and when he answers mail.\n"
    "\n"
    "  train     learn from the event log, or a table of purchases\n"
    "  assign    write what follows from it into profiles, as the field \"learned\"\n"
    "  show      what was learned\n"
    "\n"
    "train\n"
    "      --segments N           how many groups (default 6)\n"
    "      --horizon DURATION     expected purchases are those of so long (default 90d)\n"
    "      --hour-weight N        how many of his own answers weigh as much as those of his\n"
    "                             segment (default 10)\n"
    "      --seed N               of the groups' first centres (default 1)\n"
    "      --csv FILE             a table of purchases (\"-\": standard input), not the event log\n"
    "      --customer-column NAME default customer\n"
    "      --time-column NAME     default time; 2026-03-29, 2026-03-29 12:00:00 or RFC 3339\n"
    "      --value-column NAME    default value\n"
    "\n"
    "assign\n"
    "      --min-gain X           a send hour only where an answer in it is so much likelier than in\n"
    "                             an hour on average (default 0.2: by a fifth)\n"
    "\n"
    "train, assign\n"
    "      --time-zone NAME       of those whose profile has none (default: of the first campaign)\n"
    "      --until TIME           as it was then (default: now)\n"
    "\n"
    "      --file FILE            default: segments.json in the state directory\n"
    "  -c, --config CONF          the configuration\n"
    "      --json                 print JSON\n"
    "  -h, --help                 print this text\n";

/* ---- show ---- */

static int
busiest(const double *p)
{
	double gain;
	return hours_best(p, &gain);
}

static void
print_segments(const struct segments *s)
{
	static const struct admin_column COLUMNS[] = {
		{ "SEGMENT", ADMIN_COL_TEXT },	   { "RECIPIENTS", ADMIN_COL_NUMBER },
		{ "SHARE", ADMIN_COL_NUMBER },	   { "LAST BOUGHT", ADMIN_COL_NUMBER },
		{ "PURCHASES", ADMIN_COL_NUMBER }, { "VALUE", ADMIN_COL_NUMBER },
		{ "SENT", ADMIN_COL_NUMBER },	   { "OPENED", ADMIN_COL_NUMBER },
		{ "CLICKED", ADMIN_COL_NUMBER },   { "HOUR", ADMIN_COL_NUMBER },
	};
	struct admin_table *t = admin_table_new(COLUMNS, sizeof(COLUMNS) / sizeof(COLUMNS[0]));
	for (size_t g = 0; g < s->groups.k; g++) {
		const struct segment *one = &s->segment[g];
		char cell[10][40];
		const char *cells[10];
		for (size_t i = 0; i < 10; i++)
			cells[i] = cell[i];
		snprintf(cell[0], sizeof(cell[0]), "s%zu", g + 1);
		snprintf(cell[1], sizeof(cell[1]), "%zu", one->size);
		snprintf(cell[2], sizeof(cell[2]), "%.1f%%", 100 * (double)one->size / (double)s->persons);
		snprintf(cell[3], sizeof(cell[3]), "%.0f d", one->recency_days);
		if (one->purchases <= 0)
			cells[3] = NULL;
		snprintf(cell[4], sizeof(cell[4]), "%.2f", one->purchases);
		snprintf(cell[5], sizeof(cell[5]), "%.2f", one->value);
		snprintf(cell[6], sizeof(cell[6]), "%.1f", one->sent);
		snprintf(cell[7], sizeof(cell[7]), "%.2f", one->opened);
		snprintf(cell[8], sizeof(cell[8]), "%.2f", one->clicked);
		snprintf(cell[9], sizeof(cell[9]), "%d", busiest(one->hours));
		if (s->answers <= 0)
			cells[9] = NULL;
		admin_table_row(t, cells);
	}
	admin_table_print(t, stdout, false);
	admin_table_free(&t);
}

static void
print_axes(const struct segments *s)
{
	for (size_t i = 0; i < SEGMENTS_AXES; i++) {
		printf("axis%zu (%.0f%% of all differences):", i + 1,
		       100 * s->axes.variance[i] / (s->axes.total > 0 ? s->axes.total : 1));
		for (size_t k = 0; k < SEGMENTS_COLUMNS; k++)
			printf(" %s %+.2f", segments_columns[k],
			       s->axes.components[i * SEGMENTS_COLUMNS + k]);
		putchar('\n');
	}
}

static void
print_text(const struct segments *s)
{
	char when[40];
	printf("%zu recipients, %zu of them bought; learned at %s\n\n", s->persons, s->buyers,
	       clock_format_rfc3339(s->trained_ms, when));
	print_segments(s);
	if (s->answers > 0)
		printf("\nMeans of each segment; hour: when its recipients answer most, of %.0f answers in "
		       "all by hour %d.\n",
		       s->answers, busiest(s->hours));
	else
		printf("\nMeans of each segment; at what hour anybody answered is not known.\n");
	print_axes(s);
	if (s->has_value)
		printf("purchases (BG/NBD, weeks): r %.4f, alpha %.4f, a %.4f, b %.4f, log-likelihood "
		       "%.3f%s; expected for %lld days\n",
		       s->value.r, s->value.alpha, s->value.a, s->value.b, s->value.loglik,
		       s->value.converged ? "" : " (did not settle)", (long long)s->horizon_days);
	else
		printf("purchases: nobody came back yet, so nothing is expected of anybody\n");
}

static void
print_all(const struct segments *s, bool json)
{
	struct buf b = { 0 };
	if (!json) {
		print_text(s);
		return;
	}
	segments_print(s, &b);
	fwrite(b.p, 1, b.n, stdout);
	buf_free(&b);
}

int
segments_do_show(struct desk *d, const struct segments_request *rq)
{
	struct segments s;
	int code = segments_load(d, rq, &s);
	if (code == EX_OK)
		print_all(&s, rq->json);
	return code;
}

/* ---- train ---- */

/* What could not be read again must not take the place of what can. */
static int
keep(struct desk *d, const struct segments_request *rq, const struct segments *s)
{
	struct buf b = { 0 };
	struct segments again;
	struct err e = { 0 };
	gid_t group = getegid();
	segments_print(s, &b);
	if (segments_parse(buf_str(&b), d->arena, &again, &e) != 0) {
		buf_free(&b);
		admin_say("%s stays as it is: what was learned could not be read again (%s); are there "
			  "values or times beyond all measure in what was read?",
			  segments_path(d, rq), e.text);
		return EX_DATAERR;
	}
	bool entered = !rq->file && admin_owner_enter(d->conf->state.directory);
	int rc = file_replace(segments_path(d, rq), buf_str(&b), FILE_PRIVATE, &e);
	if (entered)
		admin_owner_leave(group);
	buf_free(&b);
	return rc == 0 ? EX_OK : admin_fail(&e);
}

int
segments_do_train(struct desk *d, const struct segments_request *rq)
{
	struct segments_options o = rq->train;
	struct persons *p = persons_new();
	struct buf keys = { 0 };
	struct segments s;
	struct err e = { 0 };
	size_t n;
	int64_t last_ms = 0;
	int code = rq->csv ? segments_table(rq, p, &last_ms) : segments_keys(d, &keys);
	if (code == EX_OK && !rq->csv)
		code = segments_events(d, rq, &keys, p);
	if (code == EX_OK) {
		const struct person *v = persons_finish(p, &n);
		if (rq->csv && !rq->until &&
		    last_ms > 0) /* what was known ends with the day of the last line */
			o.now_ms = (last_ms / 86400000 + 1) * 86400000;
		if (segments_train(v, n, &o, d->arena, &s, &e) != 0)
			code = admin_fail(&e);
	}
	if (code == EX_OK)
		code = keep(d, rq, &s);
	if (code == EX_OK)
		print_all(&s, rq->json);
	buf_free(&keys);
	persons_free(&p);
	return code;
}

/* ---- options ---- */

static bool
number_read(const char *text, double low, double high, double *out)
{
	char *end;
	*out = strtod(text, &end);
	return end != text && *end == '\0' && *out >= low && *out <= high;
}

/* -1 to go on, else an exit code. */
static int
option_take(struct segments_request *rq, int c)
{
	double v = 0;
	int64_t ms;
	struct err e = { 0 };
	switch (c) {
	case 'c':
		rq->conf_path = optarg;
		return -1;
	case 'f':
		rq->file = optarg;
		return -1;
	case 'C':
		rq->csv = optarg;
		return -1;
	case 'K':
		rq->customer_column = optarg;
		return -1;
	case 'T':
		rq->time_column = optarg;
		return -1;
	case 'V':
		rq->value_column = optarg;
		return -1;
	case 'z':
		rq->time_zone = optarg;
		return -1;
	case 'j':
		rq->json = true;
		return -1;
	case 'k':
		if (!number_read(optarg, 2, SEGMENTS_MAX, &v) || v != (double)(size_t)v)
			return admin_misuse("--segments %s: a number from 2 to %d", optarg, SEGMENTS_MAX);
		rq->train.k = (size_t)v;
		return -1;
	case 's':
		if (!number_read(optarg, 0, 4294967295, &v))
			return admin_misuse("--seed %s: a number from 0 on", optarg);
		rq->train.seed = (uint64_t)v;
		return -1;
	case 'w':
		if (!number_read(optarg, 0.001, 1e6, &rq->train.hour_weight))
			return admin_misuse("--hour-weight %s: a number above 0", optarg);
		return -1;
	case 'g':
		if (!number_read(optarg, 0, HOURS, &rq->min_gain))
			return admin_misuse("--min-gain %s: a number from 0 to 24", optarg);
		return -1;
	case 'H':
		if (clock_parse_duration(str_of(optarg), &ms, &e) != 0 || ms < 86400000 ||
		    ms > INT64_C(3650) * 86400000)
			return admin_misuse("--horizon %s: days, such as 90d", optarg);
		rq->train.horizon_days = ms / 86400000;
		return -1;
	case 'u':
		if (admin_moment(str_of(optarg), &rq->train.now_ms, &e) != 0)
			return admin_misuse("--until %s: no time", optarg);
		rq->until = true;
		return -1;
	case 'h':
		return admin_usage(stdout, usage);
	default:
		return EX_USAGE;
	}
}

static int
options_read(struct segments_request *rq, int argc, char **argv)
{
	static const struct option LONG[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "file", required_argument, NULL, 'f' },
		{ "csv", required_argument, NULL, 'C' },
		{ "customer-column", required_argument, NULL, 'K' },
		{ "time-column", required_argument, NULL, 'T' },
		{ "value-column", required_argument, NULL, 'V' },
		{ "time-zone", required_argument, NULL, 'z' },
		{ "segments", required_argument, NULL, 'k' },
		{ "seed", required_argument, NULL, 's' },
		{ "hour-weight", required_argument, NULL, 'w' },
		{ "min-gain", required_argument, NULL, 'g' },
		{ "horizon", required_argument, NULL, 'H' },
		{ "until", required_argument, NULL, 'u' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c, rc = -1;
	optind = 0;
	while (rc < 0 && (c = admin_option(argc, argv, "c:h", LONG)) != -1)
		rc = option_take(rq, c);
	if (rc < 0 && optind < argc)
		return admin_misuse("\"%s\" is one word too many", argv[optind]);
	return rc;
}

static int
run(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(struct desk *d, const struct segments_request *rq);
		enum desk_access access;
	} SUBS[] = { { "train", segments_do_train, DESK_READ },
		     { "assign", segments_do_assign, DESK_CHANGE },
		     { "show", segments_do_show, DESK_READ } };
	struct segments_request rq = {
		.customer_column = "customer",
		.time_column = "time",
		.value_column = "value",
		.min_gain = 0.2,
		.train = { .k = 6, .seed = 1, .hour_weight = 10, .horizon_days = 90 },
	};
	struct desk d;
	if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0))
		return admin_usage(stdout, usage);
	rq.train.now_ms = clock_now_ms();
	for (size_t i = 0; argc > 1 && i < sizeof(SUBS) / sizeof(SUBS[0]); i++) {
		if (strcmp(argv[1], SUBS[i].name) != 0)
			continue;
		int rc = options_read(&rq, argc - 1, argv + 1);
		if (rc >= 0)
			return rc;
		/* Files alone need neither configuration nor state. */
		bool files = rq.file && (rq.csv || SUBS[i].run == segments_do_show);
		d = (struct desk){ .arena = files ? arena_new(4096) : NULL };
		rc = files ? EX_OK : desk_open(&d, rq.conf_path, SUBS[i].access);
		if (rc == EX_OK)
			rc = SUBS[i].run(&d, &rq);
		desk_close(&d);
		return rc;
	}
	return argc > 1 ? ADMIN_NO_SUB("segments", argv[1], SUBS) : admin_usage(stderr, usage);
}

const struct admin_verb admin_segments_verb = {
	"segments",
	"who recipients are by what they do: train, assign, show",
	run,
};
