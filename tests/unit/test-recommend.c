/* The catalog, the rules of what is picked, and the plugin "recommend". */
#include "test-plugin.h"

#include <fcntl.h>
#include <math.h>

#include "base/file.h"
#include "learn/reco.h"
#include "recommend/pick.h"

#define LIBRARY "plugins/recommend.so"

static char directory[] = "/tmp/test-recommend-XXXXXX";

static struct catalog_entry
entry(const char *id, const char *category, double price, int32_t stock)
{
	return (struct catalog_entry){ .text = { str_of(id), STR("A \"title\" & more"),
						 STR("https://shop.example/x"), STR(""),
						 price < 0 ? STR("") : STR("EUR"), str_of(category) },
				       .price = price,
				       .stock = stock,
				       .line = 1 };
}

/* p and q go together, r and s do; x, y, z nobody knows anything of but that z is bought by all. */
static const char *const LOG[][2] = {
	{ "a", "p" }, { "a", "q" }, { "b", "p" }, { "b", "q" }, { "c", "p" },
	{ "c", "q" }, { "d", "r" }, { "d", "s" }, { "e", "r" }, { "e", "s" },
	{ "a", "z" }, { "b", "z" }, { "c", "z" }, { "d", "z" }, { "e", "z" },
};
#define NLOG (sizeof(LOG) / sizeof(LOG[0]))

static const char *
path_of(const char *name)
{
	static char path[256];
	snprintf(path, sizeof(path), "%s/%s", directory, name);
	return path;
}

static void
trained_print(struct arena *a, enum recommend_kind kind, struct buf *out)
{
	struct reco_log *log = reco_log_new();
	const struct reco_split all = { .at_ms = INT64_MAX };
	struct reco_options o = reco_defaults(kind);
	struct reco_data d;
	struct recommend_model m;
	o.lambda = o.shrink = o.regularization = 0.5;
	for (size_t i = 0; i < NLOG; i++)
		assert_int_equal(reco_log_add(log, str_of(LOG[i][0]), str_of(LOG[i][1]), 0, NULL), 0);
	assert_int_equal(reco_log_matrix(log, &all, a, &d, NULL, NULL), 0);
	assert_int_equal(reco_train(&d, &o, NULL, a, &m, NULL), 0);
	recommend_print(&m, out);
	reco_log_free(&log);
}

/* Sorted already: p q r s x y z. */
static void
catalog_make(struct buf *out)
{
	const struct catalog_entry v[] = { entry("p", "shirts", 10, 5), entry("q", "shirts", 20, -1),
					   entry("r", "shoes", 50, 1),	entry("s", "shoes", 60.5, 0),
					   entry("x", "", -1, -1),	entry("y", "shirts", 5, 3),
					   entry("z", "bags", 30, 9) };
	assert_int_equal(catalog_print(v, sizeof(v) / sizeof(v[0]), out, NULL), 0);
}

static int
directory_make(void **state)
{
	struct arena *a = arena_new(4096);
	struct buf b = { 0 };
	(void)state;
	assert_non_null(mkdtemp(directory));
	trained_print(a, RECOMMEND_EASE, &b);
	assert_int_equal(file_replace(path_of("model"), buf_str(&b), FILE_PUBLIC, NULL), 0);
	buf_reset(&b);
	catalog_make(&b);
	assert_int_equal(file_replace(path_of("catalog"), buf_str(&b), FILE_PUBLIC, NULL), 0);
	buf_free(&b);
	arena_free(&a);
	return 0;
}

static int
directory_remove(void **state)
{
	(void)state;
	unlink(path_of("model"));
	unlink(path_of("catalog"));
	unlink(path_of("other"));
	return rmdir(directory);
}

/* ---- the catalog ---- */

static void
entries(void **state)
{
	(void)state;
	struct err e = { 0 };
	struct catalog_entry x = entry("p", "c", 1, 1);
	assert_int_equal(catalog_entry_check(&x, &e), 0);
#define BAD(field, value)                                          \
	do {                                                       \
		x = entry("p", "c", 1, 1);                         \
		x.field = (value);                                 \
		assert_int_equal(catalog_entry_check(&x, &e), -1); \
	} while (0)
	BAD(text[CATALOG_ID], STR(""));
	BAD(text[CATALOG_TITLE], STR(""));
	BAD(text[CATALOG_TITLE], STR("a\nb"));
	BAD(text[CATALOG_TITLE], STR("\xc3\x28"));
	BAD(text[CATALOG_URL], STR("javascript:alert(1)"));
	BAD(text[CATALOG_URL], STR("https://x/\" onclick=\""));
	BAD(text[CATALOG_URL], STR("https://"));
	BAD(text[CATALOG_IMAGE], STR("data:x"));
	BAD(text[CATALOG_CURRENCY], STR("euro"));
	BAD(text[CATALOG_CURRENCY], STR(""));
	BAD(price, -2);
	BAD(price, NAN);
	BAD(price, 2e9);
	BAD(stock, -2);
	struct catalog_entry two[] = { entry("b", "", 1, 1), entry("a", "", 1, 1), entry("b", "", 1, 1) };
	uint64_t line = 0;
	two[2].line = 7;
	assert_int_equal(catalog_sort(two, 2, &line, &e), 0);
	assert_string_equal(two[0].text[CATALOG_ID].p, "a");
	assert_int_equal(catalog_sort(two, 3, &line, &e), -1);
	assert_int_equal(line, 7);
}

static void
catalog_files(void **state)
{
	struct arena *a = arena_new(4096);
	struct buf b = { 0 };
	struct catalog c;
	void *bytes;
	(void)state;
	catalog_make(&b);
	assert_int_equal(posix_memalign(&bytes, 64, b.n), 0);
	memcpy(bytes, b.p, b.n);
	assert_int_equal(catalog_parse(a, str_make(bytes, b.n), &c, NULL), 0);
	assert_int_equal(c.n, 7);
	assert_int_equal(catalog_find(&c, STR("s")), 3);
	assert_int_equal(catalog_find(&c, STR("t")), -1);
	assert_true(str_eq(catalog_text(&c, 3, CATALOG_CATEGORY), STR("shoes")) && c.price[3] == 60.5);
	for (size_t i = 0; i < b.n; i += 5) {
		((char *)bytes)[i] ^= 4;
		assert_int_equal(catalog_parse(a, str_make(bytes, b.n), &c, NULL), -1);
		((char *)bytes)[i] ^= 4;
		assert_int_equal(catalog_parse(a, str_make(bytes, i), &c, NULL), -1);
	}
	/* One that is whole, and a model. */
	buf_reset(&b);
	trained_print(a, RECOMMEND_POPULAR, &b);
	free(bytes);
	assert_int_equal(posix_memalign(&bytes, 64, b.n), 0);
	memcpy(bytes, b.p, b.n);
	assert_int_equal(catalog_parse(a, str_make(bytes, b.n), &c, NULL), -1);
	free(bytes);
	buf_free(&b);
	arena_free(&a);
}

/* ---- rules ---- */

struct picking {
	struct arena *a;
	struct buf files[2];
	struct mapped maps[2];
	struct recommend_model model;
	struct catalog catalog;
	struct pick_rules rules;
};

static void
picking_open(struct picking *k)
{
	*k = (struct picking){ .a = arena_new(4096), .rules = { .count = 3, .max_price = INFINITY } };
	assert_int_equal(mapped_open(path_of("model"), &k->maps[0], NULL), 0);
	assert_int_equal(mapped_open(path_of("catalog"), &k->maps[1], NULL), 0);
	assert_int_equal(recommend_parse(k->a, str_make(k->maps[0].p, k->maps[0].n), &k->model, NULL), 0);
	assert_int_equal(catalog_parse(k->a, str_make(k->maps[1].p, k->maps[1].n), &k->catalog, NULL), 0);
}

static void
picking_close(struct picking *k)
{
	mapped_close(&k->maps[0]);
	mapped_close(&k->maps[1]);
	arena_free(&k->a);
}

/* Letters of what somebody is shown who bought and looked at these letters. */
static const char *
shown(struct picking *k, const char *bought, const char *viewed)
{
	static char out[PICK_MAX + 1];
	struct str ids[2][64];
	uint32_t items[PICK_MAX];
	size_t personal;
	struct pick_history h = { ids[0], ids[1], strlen(bought), strlen(viewed) };
	for (size_t i = 0; i < h.nbought; i++)
		ids[0][i] = str_make(bought + i, 1);
	for (size_t i = 0; i < h.nviewed; i++)
		ids[1][i] = str_make(viewed + i, 1);
	struct picker *p = picker_new(k->a, &k->model, &k->catalog, &k->rules, NULL);
	assert_non_null(p);
	struct pick_scratch *s = pick_scratch_new(p);
	/* Twice: the first leaves no trace. */
	size_t n = pick(p, &h, s, items, &personal);
	uint32_t again[PICK_MAX];
	assert_int_equal(pick(p, &h, s, again, &personal), n);
	assert_memory_equal(items, again, n * sizeof(*items));
	assert_true(n >= 1 && n <= k->rules.count && personal <= n);
	for (size_t i = 0; i < n; i++)
		out[i] = catalog_text(&k->catalog, items[i], CATALOG_ID).p[0];
	out[n] = '\0';
	pick_scratch_free(&s);
	return out;
}

static void
rules(void **state)
{
	struct picking k;
	(void)state;
	picking_open(&k);
	/* Cold: what is popular, equal ones by id. Ids that nobody knows count as cold, too. */
	assert_string_equal(shown(&k, "", ""), "zpq");
	assert_string_equal(shown(&k, "?!", ""), "zpq");
	/* What goes with it, then what is popular; not what he has. */
	assert_string_equal(shown(&k, "r", ""), "szp");
	assert_string_equal(shown(&k, "p", ""), "qzr");
	assert_string_equal(shown(&k, "pz", ""), "qrs");
	k.rules.in_stock = true;
	assert_string_equal(shown(&k, "r", ""), "zpq");
	k.rules.in_stock = false;
	/* Looked at. */
	assert_string_equal(shown(&k, "", "r"), "zpq");
	k.rules.views = true;
	assert_string_equal(shown(&k, "", "r"), "szp");
	k.rules.views = false;
	/* Again: by how often, and popular ones behind. */
	k.rules.bought = PICK_ALLOW;
	k.rules.count = 7;
	assert_non_null(strchr(shown(&k, "r", ""), 'r'));
	k.rules.bought = PICK_FIRST;
	k.rules.count = 3;
	assert_string_equal(shown(&k, "rxxrxy", ""), "xry");
	assert_string_equal(shown(&k, "qp", ""), "pqz");
	k.rules.bought = PICK_EXCLUDE;
	/* Prices: what has none is out. */
	k.rules.min_price = 15;
	k.rules.max_price = 50;
	k.rules.count = 7;
	assert_string_equal(shown(&k, "", ""), "zqr");
	k.rules.min_price = 0;
	assert_string_equal(shown(&k, "", ""), "zpqry");
	k.rules.max_price = INFINITY;
	assert_string_equal(shown(&k, "", ""), "zpqrsxy");
	/* At most one of a category; x has none. */
	k.rules.per_category = 1;
	assert_string_equal(shown(&k, "", ""), "zprx");
	assert_string_equal(shown(&k, "s", ""), "rzpx");
	k.rules.per_category = 2;
	assert_string_equal(shown(&k, "", ""), "zpqrsx");
	/* Who has all sees it again: never nothing. */
	k.rules.per_category = 0;
	assert_string_equal(shown(&k, "pqrsxyz", ""), "zpqrsxy");
	k.rules.min_price = 1000;
	struct err e = { 0 };
	assert_null(picker_new(k.a, &k.model, &k.catalog, &k.rules, &e));
	assert_int_equal(e.kind, ERR_INPUT);
	picking_close(&k);
}

/* The best of a category's share, in the order of scores, as sorting everything finds them. */
static void
rules_brute(void **state)
{
	enum { N = 60 };
	struct catalog_entry v[N];
	char ids[N][12], categories[5][2] = { "a", "b", "c", "d", "" };
	float weights[N];
	int32_t row_end[N], row_item[N], id_end[N];
	struct buf b = { 0 };
	struct picking k = { .a = arena_new(4096), .rules = { .count = 8, .max_price = INFINITY } };
	void *bytes;
	(void)state;
	srand(1);
	for (int i = 0; i < N; i++) {
		snprintf(ids[i], sizeof(ids[i]), "%03d", i);
		v[i] = entry(ids[i], categories[rand() % 5], 1, 1);
		row_end[i] = N;
		row_item[i] = i;
		id_end[i] = 3 * (i + 1);
	}
	assert_int_equal(catalog_print(v, N, &b, NULL), 0);
	assert_int_equal(posix_memalign(&bytes, 64, b.n), 0);
	memcpy(bytes, b.p, b.n);
	assert_int_equal(catalog_parse(k.a, str_make(bytes, b.n), &k.catalog, NULL), 0);
	char text[3 * N + 1] = "";
	for (int i = 0; i < N; i++)
		memcpy(text + 3 * i, ids[i], 3);
	float popularity[N] = { 0 };
	k.model = (struct recommend_model){ .kind = RECOMMEND_KNN,
					    .items = N,
					    .id_end = id_end,
					    .id_text = text,
					    .popularity = popularity,
					    .row_end = row_end,
					    .row_item = row_item,
					    .row_weight = weights };
	for (int round = 0; round < 200; round++) {
		uint32_t out[PICK_MAX];
		size_t personal, used[N] = { 0 }, n = 0;
		bool gone[N] = { true }; /* the one that was bought */
		for (int i = 0; i < N; i++)
			weights[i] = (float)(1 + rand() % 30);
		k.rules.per_category = (size_t)(round % 4);
		struct picker *p = picker_new(k.a, &k.model, &k.catalog, &k.rules, NULL);
		struct pick_scratch *s = pick_scratch_new(p);
		const struct str bought = STR("000");
		size_t got = pick(p, &(struct pick_history){ &bought, NULL, 1, 0 }, s, out, &personal);
		while (n < k.rules.count) {
			int best = -1;
			for (int i = 0; i < N; i++)
				if (!gone[i] && (best < 0 || weights[i] > weights[best]))
					best = i;
			if (best < 0)
				break;
			gone[best] = true;
			struct str c = v[best].text[CATALOG_CATEGORY];
			size_t *count = &used[c.n > 0 ? c.p[0] - 'a' : 10];
			if (k.rules.per_category > 0 && c.n > 0 && ++*count > k.rules.per_category)
				continue;
			assert_true(n < got);
			assert_int_equal(out[n++], best);
		}
		assert_int_equal(got, n);
		pick_scratch_free(&s);
	}
	free(bytes);
	buf_free(&b);
	arena_free(&k.a);
}

/* ---- the plugin ---- */

static void
config(struct fixture *f)
{
	f->conf.file = arena_cstr(f->a, arena_printf(f->a, "%s/test.conf", directory));
}

static struct plugin_request
request(struct fixture *f, const char *profile, const char *history)
{
	struct plugin_request rq = fixture_request(f, profile, "en");
	rq.history = history ? fixture_json(f, history) : NULL;
	return rq;
}

/* Ids of the items in a variable. */
static const char *
ids_of(struct fixture *f, const char *name)
{
	const struct value *list = value_path(f->out.vars, str_of(name));
	struct buf b = { 0 };
	assert_non_null(list);
	assert_int_equal(list->type, VALUE_LIST);
	for (size_t i = 0; i < list->list.n; i++)
		value_print(&b, value_map_get(list->list.items[i], STR("id")));
	const char *out = arena_cstr(f->a, buf_str(&b));
	buf_free(&b);
	return out;
}

static void
plugin(void **state)
{
	struct fixture *f = fixture_new();
	(void)state;
	config(f);
	fixture_add(f, "recommend", LIBRARY, 5000, "catalog=catalog", "model=model", "count=2", "in_stock=no",
		    NULL);
	fixture_add(f, "again", LIBRARY, 5000, "catalog=catalog", "model=model", "name=again", "bought=first",
		    "profile_field=shop.bought", "count=1", NULL);
	fixture_must_load(f);
	assert_true(plugin_wants_history(f->set, &f->campaign));
	struct plugin_request rq = request(f, "{}", "{\"purchased\":[\"r\",\"r\"],\"viewed\":[\"p\"]}");
	fixture_run(f, &rq);
	assert_int_equal(f->out.nnotes, 0);
	assert_string_equal(ids_of(f, "recommendations"), "sz");
	assert_string_equal(ids_of(f, "again"), "r");
	assert_string_equal(var_text(f, "recommendations_personal"), "2");
	const struct value *item = value_path(f->out.vars, STR("recommendations"))->list.items[0];
	assert_true(value_map_get(item, STR("price"))->r == 60.5);
	assert_true(str_eq(value_map_get(item, STR("title"))->s, STR("A \"title\" & more")));
	assert_false(value_map_get(item, STR("title"))->safe_html);
	assert_true(str_eq(value_map_get(item, STR("url"))->s, STR("https://shop.example/x")));
	assert_true(str_eq(value_map_get(item, STR("currency"))->s, STR("EUR")));
	/* Cold. */
	rq = request(f, "{}", NULL);
	fixture_run(f, &rq);
	assert_string_equal(ids_of(f, "recommendations"), "zp");
	assert_string_equal(var_text(f, "recommendations_personal"), "0");
	assert_string_equal(ids_of(f, "again"), "z");
	/* Out of the profile, as texts or objects; what is no list of ids is nothing. */
	rq = request(f, "{\"shop\":{\"bought\":[{\"item\":\"q\"},{\"id\":\"y\"},\"y\",7]}}", NULL);
	fixture_run(f, &rq);
	assert_string_equal(ids_of(f, "again"), "y");
	rq = request(f, "{\"shop\":{\"bought\":{\"p\":1}}}", NULL);
	fixture_run(f, &rq);
	assert_string_equal(ids_of(f, "again"), "z");
	fixture_free(f);
}

static void
plugin_mistakes(void **state)
{
	static const struct {
		const char *a, *b, *says;
	} cases[] = {
		{ "model=model", NULL, "option \"catalog\" is missing" },
		{ "catalog=catalog", "colour=red", "unknown option \"colour\"" },
		{ "catalog=catalog", "count=0", "option \"count\": must be a number from 1 to 20" },
		{ "catalog=catalog", "count=1.5", "option \"count\": must be a whole number" },
		{ "catalog=catalog", "bought=never", "option \"bought\"" },
		{ "catalog=catalog", "in_stock=1", "option \"in_stock\": must be yes or no" },
		{ "catalog=catalog", "name=a.b", "option \"name\"" },
		{ "catalog=catalog", "min_price=1000", "let none through" },
		{ "catalog=nowhere", NULL, "nowhere: No such file" },
		{ "catalog=model", NULL, "no catalog of this version" },
		{ "catalog=catalog", "model=catalog", "no recommendation model of this version" },
		{ "catalog=catalog", "model=other", "it is no safetensors file" },
	};
	(void)state;
	FILE *out = fopen(path_of("other"), "w");
	fputs("nothing that is of this format", out);
	fclose(out);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fixture *f = fixture_new();
		config(f);
		fixture_add(f, "recommend", LIBRARY, 5000, cases[i].a, cases[i].b, NULL);
		assert_false(fixture_load(f));
		if (!strstr(f->reports, cases[i].says))
			fail_msg("%s %s: %s", cases[i].a, cases[i].b ? cases[i].b : "", f->reports);
		fixture_free(f);
	}
}

/* Without a model there are recommendations, too: all alike. */
static void
plugin_no_model(void **state)
{
	struct fixture *f = fixture_new();
	(void)state;
	config(f);
	fixture_add(f, "recommend", LIBRARY, 5000, "catalog=catalog", NULL);
	fixture_must_load(f);
	struct plugin_request rq = request(f, "{}", "{\"purchased\":[\"p\"]}");
	fixture_run(f, &rq);
	assert_string_equal(ids_of(f, "recommendations"), "qrxy");
	fixture_free(f);
}

/* As cp does it: cut short, then other bytes. */
static void
overwrite(const char *path, size_t n)
{
	int fd = open(path, O_WRONLY | O_TRUNC);
	assert_true(fd >= 0);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(write(fd, "\xff", 1), 1);
	close(fd);
}

/* Files that are changed in place while they are mapped: a page that is gone would end the program. */
static void
changed_in_place(void **state)
{
	struct picking k;
	struct buf before[2] = { 0 };
	(void)state;
	picking_open(&k);
	char *was = strdup(shown(&k, "p", ""));
	for (int i = 0; i < 2; i++)
		buf_add(&before[i], k.maps[i].p, k.maps[i].n);
	overwrite(path_of("model"), 0);
	overwrite(path_of("catalog"), 0);
	assert_string_equal(shown(&k, "p", ""), was);
	overwrite(path_of("model"), k.maps[0].n);
	overwrite(path_of("catalog"), k.maps[1].n);
	assert_string_equal(shown(&k, "p", ""), was);
	for (int i = 0; i < 2; i++)
		assert_memory_equal(k.maps[i].p, before[i].p, before[i].n);
	picking_close(&k);
	assert_int_equal(file_replace(path_of("model"), buf_str(&before[0]), FILE_PUBLIC, NULL), 0);
	assert_int_equal(file_replace(path_of("catalog"), buf_str(&before[1]), FILE_PUBLIC, NULL), 0);
	buf_free(&before[0]);
	buf_free(&before[1]);
	free(was);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entries),	   cmocka_unit_test(catalog_files),
		cmocka_unit_test(rules),	   cmocka_unit_test(rules_brute),
		cmocka_unit_test(plugin),	   cmocka_unit_test(plugin_mistakes),
		cmocka_unit_test(plugin_no_model), cmocka_unit_test(changed_in_place),
	};
	return cmocka_run_group_tests(tests, directory_make, directory_remove);
}
