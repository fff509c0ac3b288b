/*
 * admin-catalog-import: a shop's items out of a CSV, NDJSON or JSON file. All of it is checked, then the
 * catalog is replaced by one rename: there is never half of one.
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
#include "main/admin-catalog.h"
#include "recipient/rows.h"
#include "recommend/catalog.h"

#define SHOWN_ERRORS 20
#define MAX_JSON ((size_t)256 << 20)

static const char usage[] =
    "usage: mailtailor catalog import FILE|- [OPTION…]\n"
    "\n"
    "Replaces the catalog by the items of a file, all or none of them.\n"
    "\n"
    "      --format csv|ndjson|json  default: by the file's name, else csv\n"
    "      --separator C             CSV: between cells; default \",\" (\"\\t\" is a tab)\n"
    "      --dry-run                 check everything, write nothing\n"
    "  -o, --output FILE             default: catalog.safetensors in the state directory\n"
    "  -c, --config CONF             the configuration\n"
    "      --json                    print the summary as JSON\n"
    "  -h, --help                    print this text\n"
    "\n"
    "Columns or keys: id, title, url; optional are image, price, currency, category, stock (a number; 0 is\n"
    "sold out). Others are passed over, and named. JSON is a list of objects. All mistakes are named with\n"
    "their line (JSON: number of the object).\n";

struct importing {
	const char *conf_path, *file, *format, *output;
	char separator;
	bool dry_run, json;

	int fd;
	struct arena *arena; /* of all items */
	struct buf entries;  /* struct catalog_entry */
	uint64_t bad;
	struct admin_columns *columns;
	struct progress *progress;
};

/* clang-format off */
static const struct admin_column_name COLUMNS[] = {
	{ "id", { "sku", "item", "item_id", "product_id" } },
	{ "title", { "name", "product" } },
	{ "url", { "link", "href" } },
	{ "image", { "picture", "photo", "image_url", "image_link" } },
	{ "price", { "amount" } },
	{ "currency", { NULL } },
	{ "category", { "type" } },
	{ "stock", { "quantity", "availability" } },
};
/* clang-format on */

static void
entry_bad(struct importing *m, uint64_t line, const struct err *e)
{
	const char *unit = strcmp(m->format, "json") == 0 ? "object" : "line";
	if (++m->bad <= SHOWN_ERRORS)
		admin_say("%s: %s %llu: %s", m->file, unit, (unsigned long long)line, e->text);
	else if (m->bad == SHOWN_ERRORS + 1)
		admin_say("%s: there are more mistakes", m->file);
}

/* ---- one item ---- */

/* A number, or a text that is one; *out stays when there is none. */
static int
number_read(const struct value *map, const char *key, double *out, struct err *e)
{
	const struct value *v = value_map_get(map, str_of(key));
	bool ok;
	if (!v || v->type == VALUE_NULL || (v->type == VALUE_STRING && str_trim(v->s).n == 0))
		return 0;
	double number = value_number(v, &ok);
	if (!ok || v->type == VALUE_BOOL || !isfinite(number))
		return err_set(e, ERR_INPUT, "%s is no number", key);
	*out = number;
	return 0;
}

/* Texts; numbers as they are printed, for ids are often numbers. */
static int
text_read(struct importing *m, const struct value *map, enum catalog_field f, struct str *out, struct err *e)
{
	const struct value *v = value_map_get(map, str_of(catalog_field_name(f)));
	struct buf b = { 0 };
	if (!v || v->type == VALUE_NULL)
		return 0;
	if (v->type != VALUE_STRING && v->type != VALUE_INT && v->type != VALUE_REAL)
		return err_set(e, ERR_INPUT, "%s is no text", catalog_field_name(f));
	value_print(&b, v);
	*out = arena_str(m->arena, str_trim(buf_str(&b)));
	buf_free(&b);
	return 0;
}

static int
entry_read(struct importing *m, const struct value *map, struct catalog_entry *x, struct err *e)
{
	double price = NAN, stock = NAN;
	if (map->type != VALUE_MAP)
		return err_set(e, ERR_INPUT, "it is no object");
	for (int f = 0; f < CATALOG_FIELDS; f++)
		if (text_read(m, map, (enum catalog_field)f, &x->text[f], e) != 0)
			return -1;
	if (number_read(map, "price", &price, e) != 0 || number_read(map, "stock", &stock, e) != 0)
		return -1;
	if (price < 0)
		return err_set(e, ERR_INPUT, "price is below 0");
	x->price = isnan(price) ? -1 : price;
	/* A shop that owes items has none. */
	x->stock = isnan(stock) ? -1 : (int32_t)fmin(fmax(floor(stock), 0), INT32_MAX);
	return catalog_entry_check(x, e);
}

static void
entry_take(struct importing *m, const struct value *map, uint64_t line)
{
	struct catalog_entry x = { .line = line };
	struct err e = { 0 };
	admin_columns_see(m->columns, map);
	if (m->entries.n / sizeof(x) >= CATALOG_MAX_ITEMS)
		err_set(&e, ERR_LIMIT, "more than %d items", CATALOG_MAX_ITEMS);
	else if (entry_read(m, map, &x, &e) == 0)
		buf_add(&m->entries, &x, sizeof(x));
	if (e.kind != ERR_NONE)
		entry_bad(m, line, &e);
}

/* ---- the file ---- */

static ssize_t
read_fd(void *ctx, char *p, size_t n)
{
	return read(*(int *)ctx, p, n);
}

static uint64_t
file_size(int fd)
{
	struct stat st;
	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
}

static int
read_rows(struct importing *m)
{
	const struct rows_options o = {
		.format = strcmp(m->format, "ndjson") == 0 ? ROWS_NDJSON : ROWS_CSV,
		.separator = m->separator,
		.separates = true,
		.read = read_fd,
		.ctx = &m->fd,
	};
	struct rows *rows = rows_new(&o);
	struct arena *a = arena_new(65536);
	struct err e = { 0 };
	enum rows_result res = ROWS_ROW;
	m->progress = progress_start("reading (bytes)", file_size(m->fd));
	while (res != ROWS_END && res != ROWS_FATAL) {
		struct row row;
		res = rows_next(rows, a, &row, &e);
		if (res == ROWS_BAD)
			entry_bad(m, row.line, &e);
		else if (res == ROWS_ROW)
			entry_take(m, row.profile, row.line);
		progress_update(m->progress, rows_bytes(rows));
		arena_reset(a);
	}
	progress_end(&m->progress);
	arena_free(&a);
	rows_free(&rows);
	if (res == ROWS_FATAL)
		err_prefix(&e, "%s", m->file);
	return res == ROWS_FATAL ? admin_fail(&e) : EX_OK;
}

static int
read_json(struct importing *m)
{
	const struct json_limits limits = { .max_bytes = MAX_JSON };
	struct buf text = { 0 };
	struct arena *a = arena_new((size_t)1 << 20);
	const struct value *all;
	struct err e = { 0 };
	ssize_t n = 1;
	while (n > 0 && text.n <= MAX_JSON) {
		buf_reserve(&text, 65536);
		n = read(m->fd, text.p + text.n, 65536);
		text.n += n > 0 ? (size_t)n : 0;
	}
	if (n < 0)
		err_set(&e, ERR_IO, "%s", strerror(errno));
	else if (json_parse(a, buf_str(&text), &limits, &all, &e) == 0 && all->type != VALUE_LIST)
		err_set(&e, ERR_INPUT, "it is no list of objects");
	m->progress = progress_start("checking", e.kind == ERR_NONE ? all->list.n : 0);
	for (size_t i = 0; e.kind == ERR_NONE && i < all->list.n; i++) {
		entry_take(m, all->list.items[i], i + 1);
		progress_update(m->progress, i);
	}
	progress_end(&m->progress);
	buf_free(&text);
	arena_free(&a);
	if (e.kind == ERR_NONE)
		return EX_OK;
	err_prefix(&e, "%s", m->file);
	return admin_fail(&e);
}

static void
summary(const struct importing *m, const char *path, double seconds)
{
	const struct catalog_entry *v = (const struct catalog_entry *)(const void *)m->entries.p;
	size_t n = m->entries.n / sizeof(*v), sold_out = 0, priced = 0;
	for (size_t i = 0; i < n; i++) {
		sold_out += v[i].stock == 0;
		priced += v[i].price >= 0;
	}
	if (m->json) {
		struct buf b = { 0 };
		json_print_string(&b, path ? str_of(path) : STR(""));
		struct buf passed = { 0 };
		admin_columns_json(m->columns, &passed);
		printf("{\"items\": %zu, \"sold_out\": %zu, \"with_price\": %zu, \"file\": %s, "
		       "\"passed_over\": %s, \"seconds\": %.3f}\n",
		       n, sold_out, priced, path ? b.p : "null", passed.p, seconds);
		buf_free(&passed);
		buf_free(&b);
		return;
	}
	printf("%zu item%s (%zu with a price, %zu sold out) %s in %.1f s", n, n == 1 ? "" : "s", priced,
	       sold_out, path ? "imported" : "would be imported", seconds);
	printf(path ? ": %s\nThe daemon reads it when it is told to reload.\n" : "\n", path);
}

static int
entries_write(struct importing *m, const char *path, int64_t from_us)
{
	struct catalog_entry *v = (struct catalog_entry *)(void *)m->entries.p;
	size_t n = m->entries.n / sizeof(*v);
	struct err e = { 0 };
	struct buf b = { 0 };
	uint64_t line;
	int code;
	if (catalog_sort(v, n, &line, &e) != 0)
		entry_bad(m, line, &e);
	admin_columns_end(m->columns, false);
	admin_columns_say(m->columns, m->file, "is passed over");
	if (m->bad > 0) {
		admin_say("%s: %llu mistake%s; the catalog stays as it is", m->file,
			  (unsigned long long)m->bad, m->bad == 1 ? "" : "s");
		return EX_DATAERR;
	}
	if (n == 0) {
		admin_say("%s: there is no item in it; the catalog stays as it is", m->file);
		return EX_DATAERR;
	}
	if (catalog_print(v, n, &b, &e) != 0)
		code = admin_fail(&e);
	else
		code =
		    m->dry_run ? EX_OK : catalog_write(m->conf_path, AUDIT_CATALOG_IMPORT, path, buf_str(&b));
	if (code == EX_OK)
		summary(m, m->dry_run ? NULL : path, (double)(clock_mono_us() - from_us) / 1e6);
	buf_free(&b);
	return code;
}

static int
import_run(struct importing *m)
{
	int64_t from = clock_mono_us();
	struct conf *conf = NULL;
	char path[PATH_MAX];
	int code;
	if (!m->output && !m->dry_run && !(conf = admin_conf(m->conf_path)))
		return EX_CONFIG;
	snprintf(path, sizeof(path), "%s/" CATALOG_FILE, conf ? conf->state.directory : ".");
	m->fd = strcmp(m->file, "-") == 0 ? STDIN_FILENO : open(m->file, O_RDONLY | O_CLOEXEC);
	if (m->fd < 0) {
		admin_say("%s: %s", m->file, strerror(errno));
		code = EX_NOINPUT;
		goto out;
	}
	m->arena = arena_new((size_t)1 << 20);
	m->columns = admin_columns_new(COLUMNS, sizeof(COLUMNS) / sizeof(COLUMNS[0]));
	code = strcmp(m->format, "json") == 0 ? read_json(m) : read_rows(m);
	if (code == EX_OK)
		code = entries_write(m, m->output ? m->output : path, from);
	if (m->fd != STDIN_FILENO)
		close(m->fd);
	buf_free(&m->entries);
	admin_columns_free(&m->columns);
	arena_free(&m->arena);
out:
	conf_free(&conf);
	return code;
}

/* ---- the command line ---- */

static int
option_read(struct importing *m, int c, const char *arg)
{
	switch (c) {
	case 'c':
		m->conf_path = arg;
		return -1;
	case 'o':
		m->output = arg;
		return -1;
	case 'f':
		m->format = arg;
		return strcmp(arg, "csv") == 0 || strcmp(arg, "ndjson") == 0 || strcmp(arg, "json") == 0
			   ? -1
			   : admin_misuse("--format %s: csv, ndjson or json", arg);
	case 's':
		m->separator = strcmp(arg, "\\t") == 0 ? '\t' : arg[0];
		if ((arg[0] != '\\' && strlen(arg) != 1) || strchr("\"\r\n", m->separator))
			return admin_misuse("--separator takes one character, no quote or line end");
		return -1;
	case 'd':
		m->dry_run = true;
		return -1;
	case 'j':
		m->json = true;
		return -1;
	case 'h':
		return admin_usage(stdout, usage);
	default:
		return EX_USAGE;
	}
}

int
catalog_import(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' }, { "output", required_argument, NULL, 'o' },
		{ "format", required_argument, NULL, 'f' }, { "separator", required_argument, NULL, 's' },
		{ "dry-run", no_argument, NULL, 'd' },	    { "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },	    { NULL, 0, NULL, 0 },
	};
	struct importing m = { 0 };
	int c, code = -1;
	optind = 0;
	while (code < 0 && (c = admin_option(argc, argv, "c:o:h", options)) != -1)
		code = option_read(&m, c, optarg);
	if (code >= 0)
		return code;
	if (argc - optind != 1)
		return admin_usage(stderr, usage);
	m.file = argv[optind];
	if (!m.format) {
		struct str name = str_of(m.file);
		bool lines = str_ends(name, STR(".ndjson")) || str_ends(name, STR(".jsonl"));
		m.format = lines ? "ndjson" : str_ends(name, STR(".json")) ? "json" : "csv";
	}
	return import_run(&m);
}
