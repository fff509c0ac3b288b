/* admin-catalog-show: the catalog and its model, for people; and whether they fit each other. */
#include <getopt.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "main/admin-catalog.h"
#include "recommend/pick.h"

static const char show_usage[] =
    "usage: mailtailor catalog show [ID…] [OPTION…]\n"
    "\n"
    "Prints items of the catalog: those named, else all; or what customers of an item take with it.\n"
    "\n"
    "      --with ID          what a customer would be shown who took this; may be "
    "repeated\n" CATALOG_FILES_USAGE "      --json             print JSON\n"
    "  -h, --help             print this text\n";

static const char check_usage[] =
    "usage: mailtailor catalog check [OPTION…]\n"
    "\n"
    "Reads catalog and model, and says whether recommendations can be made of them.\n"
    "\n" CATALOG_FILES_USAGE "      --json             print JSON\n"
    "  -h, --help             print this text\n";

#define MAX_WITH 64

struct showing {
	const char *conf_path, *catalog_path, *model_path;
	const char *with[MAX_WITH];
	size_t nwith;
	bool json, check;
	char paths[2][PATH_MAX];

	struct arena *arena;
	struct mapped files[2];
	struct catalog catalog;
	struct recommend_model model;
	bool have_model;
};

/* ---- opening ---- */

static int
paths_find(struct showing *s)
{
	struct conf *conf = NULL;
	if (s->catalog_path && s->model_path)
		return EX_OK;
	if (!(conf = admin_conf(s->conf_path)))
		return EX_CONFIG;
	snprintf(s->paths[0], PATH_MAX, "%s/" CATALOG_FILE, conf->state.directory);
	snprintf(s->paths[1], PATH_MAX, "%s/" CATALOG_MODEL_FILE, conf->state.directory);
	conf_free(&conf);
	return EX_OK;
}

/* A model is not there until one was trained; a damaged one is a mistake. */
static int
files_open(struct showing *s, struct err *e)
{
	const char *catalog = s->catalog_path ? s->catalog_path : s->paths[0];
	const char *model = s->model_path ? s->model_path : s->paths[1];
	if (mapped_open(catalog, &s->files[0], e) != 0)
		return e->kind != ERR_MISSING
			   ? -1
			   : err_set(e, ERR_MISSING, "%s is not there; `mailtailor catalog import` makes it",
				     catalog);
	if (catalog_parse(s->arena, str_make(s->files[0].p, s->files[0].n), &s->catalog, e) != 0)
		return err_prefix(e, "%s", catalog);
	if (mapped_open(model, &s->files[1], e) != 0) {
		if (e->kind != ERR_MISSING || s->model_path)
			return -1;
		*e = (struct err){ 0 };
		return 0;
	}
	if (recommend_parse(s->arena, str_make(s->files[1].p, s->files[1].n), &s->model, e) != 0)
		return err_prefix(e, "%s", model);
	s->have_model = true;
	return 0;
}

/* ---- showing ---- */

static void
row_add(const struct showing *s, struct admin_table *t, size_t i)
{
	char price[64] = "", stock[16] = "";
	const char *cells[CATALOG_FIELDS + 2];
	long m = s->have_model ? recommend_find(&s->model, catalog_text(&s->catalog, i, CATALOG_ID)) : -1;
	char customers[32] = "";
	if (s->catalog.price[i] >= 0)
		snprintf(price, sizeof(price), "%.2f", s->catalog.price[i]);
	if (s->catalog.stock[i] >= 0)
		snprintf(stock, sizeof(stock), "%d", s->catalog.stock[i]);
	if (m >= 0)
		snprintf(customers, sizeof(customers), "%.0f", (double)s->model.popularity[m]);
	struct str (*text)(const struct catalog *, size_t, enum catalog_field) = catalog_text;
	cells[0] = arena_cstr(s->arena, text(&s->catalog, i, CATALOG_ID));
	cells[1] = arena_cstr(s->arena, text(&s->catalog, i, CATALOG_TITLE));
	cells[2] = arena_cstr(s->arena, text(&s->catalog, i, CATALOG_CATEGORY));
	cells[3] = price;
	cells[4] = arena_cstr(s->arena, text(&s->catalog, i, CATALOG_CURRENCY));
	cells[5] = stock;
	cells[6] = customers;
	cells[7] = arena_cstr(s->arena, text(&s->catalog, i, CATALOG_URL));
	admin_table_row(t, cells);
}

static int
with_add(const struct showing *s, struct admin_table *t)
{
	const struct pick_rules rules = { .count = 10, .max_price = INFINITY, .in_stock = true };
	struct str ids[MAX_WITH];
	const struct pick_history h = { .bought = ids, .nbought = s->nwith };
	uint32_t out[PICK_MAX];
	size_t personal;
	struct err e = { 0 };
	for (size_t i = 0; i < s->nwith; i++) {
		ids[i] = str_of(s->with[i]);
		if (!s->have_model || recommend_find(&s->model, ids[i]) < 0)
			admin_say("the model does not know %s", s->with[i]);
	}
	struct picker *p = picker_new(s->arena, s->have_model ? &s->model : NULL, &s->catalog, &rules, &e);
	struct pick_scratch *scratch = p ? pick_scratch_new(p) : NULL;
	if (!p)
		return admin_fail(&e);
	if (!scratch)
		abort();
	size_t n = pick(p, &h, scratch, out, &personal);
	for (size_t i = 0; i < n; i++)
		row_add(s, t, out[i]);
	pick_scratch_free(&scratch);
	return EX_OK;
}

static int
show(const struct showing *s, int nids, char **ids)
{
	static const struct admin_column columns[] = {
		{ "ID", ADMIN_COL_TEXT },	   { "TITLE", ADMIN_COL_TEXT },
		{ "CATEGORY", ADMIN_COL_TEXT },	   { "PRICE", ADMIN_COL_NUMBER },
		{ "CURRENCY", ADMIN_COL_TEXT },	   { "STOCK", ADMIN_COL_NUMBER },
		{ "CUSTOMERS", ADMIN_COL_NUMBER }, { "URL", ADMIN_COL_TEXT },
	};
	struct admin_table *t = admin_table_new(columns, sizeof(columns) / sizeof(columns[0]));
	int code = EX_OK;
	if (s->nwith > 0)
		code = with_add(s, t);
	for (int i = 0; i < nids; i++) {
		long at = catalog_find(&s->catalog, str_of(ids[i]));
		if (at < 0) {
			admin_say("there is no item %s", ids[i]);
			code = EX_DATAERR;
		} else {
			row_add(s, t, (size_t)at);
		}
	}
	for (size_t i = 0; s->nwith == 0 && nids == 0 && i < s->catalog.n; i++)
		row_add(s, t, i);
	admin_table_print(t, stdout, s->json);
	admin_table_free(&t);
	return code;
}

/* ---- checking ---- */

static int
check(const struct showing *s)
{
	size_t sold_out = 0, priced = 0, known = 0;
	struct buf b = { 0 };
	const char *kind = s->have_model ? recommend_kind_name(s->model.kind) : "none";
	for (size_t i = 0; i < s->catalog.n; i++) {
		sold_out += s->catalog.stock[i] == 0;
		priced += s->catalog.price[i] >= 0;
		known +=
		    s->have_model && recommend_find(&s->model, catalog_text(&s->catalog, i, CATALOG_ID)) >= 0;
	}
	bool good = s->have_model && known > 0 && sold_out < s->catalog.n;
	if (s->json) {
		const struct value *training = &VALUE_NULL_V;
		if (s->model.training.n > 0 &&
		    json_parse(s->arena, s->model.training, NULL, &training, NULL) != 0)
			training = &VALUE_NULL_V;
		json_print(&b, training);
		printf("{\"items\": %zu, \"with_price\": %zu, \"sold_out\": %zu, \"model\": \"%s\", "
		       "\"model_items\": %zu, \"known\": %zu, \"training\": %s, \"good\": %s}\n",
		       s->catalog.n, priced, sold_out, kind, s->model.items, known, b.p,
		       good ? "true" : "false");
	} else {
		printf("catalog  %zu item%s, %zu with a price, %zu sold out\n", s->catalog.n,
		       s->catalog.n == 1 ? "" : "s", priced, sold_out);
		printf("model    %s", kind);
		if (s->have_model)
			printf(", %zu items, of which the catalog has %zu", s->model.items, known);
		printf("\n");
		if (!s->have_model)
			printf("There is no model yet: mailtailor catalog train\n");
		else if (known == 0)
			printf("The model knows no item of the catalog: do both use the same ids?\n");
		if (sold_out == s->catalog.n)
			printf("Everything is sold out: with in_stock the plugin will not start.\n");
	}
	buf_free(&b);
	return good ? EX_OK : EX_DATAERR;
}

/* ---- the command line ---- */

static int
options_read(struct showing *s, int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "catalog", required_argument, NULL, 'C' },
		{ "model", required_argument, NULL, 'M' },
		{ "with", required_argument, NULL, 'w' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c;
	optind = 0;
	while ((c = admin_option(argc, argv, "c:h", options)) != -1)
		switch (c) {
		case 'c':
			s->conf_path = optarg;
			break;
		case 'C':
			s->catalog_path = optarg;
			break;
		case 'M':
			s->model_path = optarg;
			break;
		case 'w':
			if (s->check || s->nwith == MAX_WITH)
				return admin_misuse("--with is of catalog show, at most %d times", MAX_WITH);
			s->with[s->nwith++] = optarg;
			break;
		case 'j':
			s->json = true;
			break;
		case 'h':
			return admin_usage(stdout, s->check ? check_usage : show_usage);
		default:
			return EX_USAGE;
		}
	if (s->check && optind < argc)
		return admin_misuse("catalog check takes options only, not \"%s\"", argv[optind]);
	return -1;
}

static int
run(struct showing *s, int argc, char **argv)
{
	struct err e = { 0 };
	int code = options_read(s, argc, argv);
	if (code >= 0 || (code = paths_find(s)) != EX_OK)
		return code;
	s->arena = arena_new((size_t)1 << 20);
	if (files_open(s, &e) != 0)
		code = admin_fail(&e);
	else
		code = s->check ? check(s) : show(s, argc - optind, argv + optind);
	mapped_close(&s->files[0]);
	mapped_close(&s->files[1]);
	arena_free(&s->arena);
	return code;
}

int
catalog_show(int argc, char **argv)
{
	static struct showing s;
	return run(&s, argc, argv);
}

int
catalog_check(int argc, char **argv)
{
	static struct showing s;
	s.check = true;
	return run(&s, argc, argv);
}
