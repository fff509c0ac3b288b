/*
 * admin-events-export: events as NDJSON or CSV, for programs that analyse data.
 */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "main/admin-events.h"
#include "recipient/event-text.h"

#define WRITE_BYTES ((size_t)256 << 10)

static const char usage[] =
    "usage: mailtailor events export [OPTION…]\n"
    "\n"
    "Writes events as NDJSON or CSV, oldest first, with the same columns in each line: what DuckDB,\n"
    "pandas and Spark read as it is. Holds no addresses.\n"
    "\n"
    "  -o, --output FILE      default: standard output\n"
    "      --format FORMAT    ndjson (default) or csv; by the name of FILE when it ends in "
    ".csv\n" EVENTS_PICK_USAGE "      --from N           from the event with that number on\n"
    "  -c, --config CONF      the configuration\n"
    "  -h, --help             print this text\n";

struct exporting {
	struct events_pick pick;
	const char *conf_path, *output;
	bool csv, format_given;
	FILE *out;
	struct buf buf;
	uint64_t n;
	bool failed;
	struct progress *progress;
	uint64_t first;
};

static bool
write_out(struct exporting *x)
{
	x->failed = x->failed || (x->buf.n > 0 && fwrite(x->buf.p, 1, x->buf.n, x->out) != x->buf.n);
	buf_reset(&x->buf);
	return !x->failed;
}

static bool
export_one(void *ctx, const struct event_record *r)
{
	struct exporting *x = ctx;
	if (x->csv)
		event_text_csv(&x->buf, r);
	else
		event_text_json(&x->buf, r);
	x->n++;
	progress_update(x->progress, r->number - x->first);
	return x->buf.n < WRITE_BYTES || write_out(x);
}

/* How far numbers go from the first one asked for, for the progress. */
static uint64_t
numbers_ahead(struct store *s, uint64_t from)
{
	struct event_stats st;
	if (event_stats(s, &st, NULL) != 0)
		return 0;
	uint64_t first = st.next - (uint64_t)st.events; /* about: some may have been dropped in between */
	first = first > from ? first : from;
	return st.next > first ? st.next - first : 0;
}

static int
export_events(struct exporting *x, struct store *s)
{
	struct err e = { 0 };
	uint64_t skipped = 0, ahead = numbers_ahead(s, x->pick.filter.from);
	struct event_stats st;
	x->first = event_stats(s, &st, NULL) == 0 && st.next > ahead ? st.next - ahead : 0;
	/* The file may be this program's standard output: no bar through the data. */
	x->progress = progress_start("exporting", x->out == stdout && isatty(STDOUT_FILENO) ? 0 : ahead);
	if (x->csv)
		event_text_csv_header(&x->buf);
	int rc = event_each(s, &x->pick.filter, export_one, x, NULL, &skipped, &e);
	progress_end(&x->progress);
	if (rc != 0)
		return admin_fail(&e);
	if (!write_out(x) || fflush(x->out) != 0) {
		admin_say("%s: %s", x->output ? x->output : "standard output", strerror(errno));
		return EX_IOERR;
	}
	if (x->output)
		fprintf(stderr, "%llu events\n", (unsigned long long)x->n);
	return EX_OK;
}

static int
export_run(struct exporting *x)
{
	int code = EX_CONFIG;
	struct store *s = NULL;
	struct conf *conf = admin_conf(x->conf_path);
	x->out = stdout;
	if (!conf)
		return EX_CONFIG;
	if ((code = events_pick_ready(&x->pick, conf)) != EX_OK ||
	    !(s = admin_store(conf, true, false, &code)) ||
	    (code = events_pick_check(&x->pick, conf, s)) != EX_OK)
		goto out;
	if (x->output && !(x->out = fopen(x->output, "we"))) {
		admin_say("%s: %s", x->output, strerror(errno));
		code = EX_CANTCREAT;
		goto out;
	}
	code = export_events(x, s);
	if (x->out != stdout && fclose(x->out) != 0 && code == EX_OK) {
		admin_say("%s: %s", x->output, strerror(errno));
		code = EX_IOERR;
	}
out:
	buf_free(&x->buf);
	store_close(&s);
	conf_free(&conf);
	return code;
}

/* -1 to go on, else an exit code. */
static int
option_read(struct exporting *x, int c, const char *arg)
{
	char *end;
	int code = events_pick_option(&x->pick, c, arg);
	if (code >= 0)
		return code == EX_OK ? -1 : code;
	switch (c) {
	case 'c':
		x->conf_path = arg;
		return -1;
	case 'o':
		x->output = arg;
		return -1;
	case 'f':
		x->csv = strcmp(arg, "csv") == 0;
		x->format_given = true;
		return x->csv || strcmp(arg, "ndjson") == 0
			   ? -1
			   : admin_misuse("--format is ndjson or csv, not \"%s\"", arg);
	case 'F':
		x->pick.filter.from = strtoull(arg, &end, 10);
		return *end == '\0' && ascii_isdigit(*arg) ? -1 : admin_misuse("--from %s: a number", arg);
	case 'h':
		return admin_usage(stdout, usage);
	default:
		return EX_USAGE;
	}
}

int
events_export(int argc, char **argv)
{
	static const struct option options[] = {
		EVENTS_PICK_OPTIONS,
		{ "config", required_argument, NULL, 'c' },
		{ "output", required_argument, NULL, 'o' },
		{ "format", required_argument, NULL, 'f' },
		{ "from", required_argument, NULL, 'F' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct exporting x = { 0 };
	int c, code = -1;
	optind = 0;
	while (code < 0 && (c = admin_option(argc, argv, "c:o:h", options)) != -1)
		code = option_read(&x, c, optarg);
	if (code >= 0)
		return code;
	if (optind < argc)
		return admin_misuse("events export takes options only, not \"%s\"", argv[optind]);
	if (!x.format_given && x.output && str_ends(str_of(x.output), STR(".csv")))
		x.csv = true;
	return export_run(&x);
}
