/*
 * fuzz-rule: what operators and recipients write and the score and plugin code
 * reads. The first byte picks the target:
 *   r  a rule, compiled and evaluated
 *   w  a weights file of plugin logistic, which then scores three rows
 *   c  a file of plugin content, which then runs
 *   g  a first name for plugin greeting (up to the first NUL) and a last name behind it
 *   z  a time zone name
 * The plugins are compiled in: their files are read through the real host table, but out of the input.
 */
#include <assert.h>
#include <math.h>

#include "base/json.h"
#include "plugin/set.h"

#define mailtailor_plugin_magic logistic_plugin_magic
#define mailtailor_plugin logistic_plugin
#define fail logistic_fail
#define reading logistic_reading
const struct mt_magic *logistic_plugin_magic(void);
const struct mt_plugin *logistic_plugin(void);
#include "../../plugins/logistic/logistic.c"
#undef mailtailor_plugin_magic
#undef mailtailor_plugin
#undef fail
#undef reading
#undef MAX_FILE
#undef MAX_NAME

#define mailtailor_plugin_magic content_plugin_magic
#define mailtailor_plugin content_plugin
const struct mt_magic *content_plugin_magic(void);
const struct mt_plugin *content_plugin(void);
#include "../../plugins/content/content.c"
#undef mailtailor_plugin_magic
#undef mailtailor_plugin
#undef MAX_NAME

#define mailtailor_plugin_magic greeting_plugin_magic
#define mailtailor_plugin greeting_plugin
const struct mt_magic *greeting_plugin_magic(void);
const struct mt_plugin *greeting_plugin(void);
#include "../../plugins/greeting/greeting.c"
#undef mailtailor_plugin_magic
#undef mailtailor_plugin

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct str input;

static struct mt_value *
file_from_input(const struct mt_host *host, const char *path, size_t max_bytes, struct mt_error *error)
{
	(void)path;
	(void)max_bytes;
	return host->json_text(host, input.p, input.n, error);
}

static int
path_as_is(const struct mt_host *host, const char *path, char *out, size_t size)
{
	(void)host;
	return snprintf(out, size, "%s", path) < (int)size ? 0 : -1;
}

static bool
look(void *ctx, struct str name, const struct value **v)
{
	*v = value_path(ctx, name);
	return *v != NULL;
}

static void
fuzz_rule(struct arena *a, const struct value *profile)
{
	struct err e = { 0 };
	struct str missing;
	struct score_rule *r = score_rule_compile(a, input, &e);
	assert(r || str_starts(str_of(e.text), STR("column ")));
	if (r) {
		int truth = score_rule_eval(r, look, (void *)(uintptr_t)profile, &missing);
		assert(truth >= -1 && truth <= 1 && (truth == -1) == (missing.p != NULL));
	}
}

static void
fuzz_weights(struct plugin *p)
{
	const struct mt_option option = { "file", "x" };
	struct mt_error error = { "" };
	struct mt_shape shape;
	void *thread = NULL;
	void *self = logistic_plugin()->create(&p->host, &option, 1, &error);
	assert(self || error.text[0]);
	if (!self)
		return;
	assert(logistic_plugin()->shape(self, &shape, &error) == 0);
	double *rows = calloc(3 * shape.nfeatures, sizeof(*rows));
	double *scores = calloc(3 * shape.nscores, sizeof(*scores));
	for (size_t i = 0; i < shape.nfeatures; i++) {
		rows[shape.nfeatures + i] = NAN;
		rows[2 * shape.nfeatures + i] = 1e308;
	}
	assert(logistic_plugin()->thread_init(self, &thread, &error) == 0);
	assert(logistic_plugin()->score(self, thread, rows, 3, shape.nfeatures, scores, &error) == 0);
	logistic_plugin()->thread_fini(self, thread);
	logistic_plugin()->destroy(self);
	free(rows);
	free(scores);
}

/* Runs a personalizer once; its variables must be sound. */
static void
fuzz_personalizer(const struct mt_plugin *api, struct plugin *p, const struct mt_option *options,
		  size_t noptions, struct job *j)
{
	struct mt_error error = { "" };
	struct job_call step = { .plugin = p };
	struct call c = { .request = j->rows[0].request, .job = j, .row = &j->rows[0], .result = &step };
	void *self = api->create(&p->host, options, noptions, &error);
	assert(self || error.text[0]);
	if (!self)
		return;
	c.request.host = &p->host;
	int rc = api->run(self, NULL, &c.request, &error);
	assert(rc == 0 || step.text.p);
	for (size_t i = 0; i < step.nvars; i++)
		assert(step.vars[i].v.type != VALUE_STRING || str_is_utf8(step.vars[i].v.s));
	api->destroy(self);
}

static void
fuzz_greeting(struct arena *a, struct plugin *p, struct job *j)
{
	static const char *const languages[] = { "en", "de", "ja", "zh", "ru", "pl" };
	size_t cut = str_find_char(input, '\0');
	struct str first = str_sub(input, 0, cut), last = str_sub(input, cut + 1, input.n);
	struct value *profile = value_map_new(a);
	if (!str_is_utf8(first) || !str_is_utf8(last))
		return;
	value_map_set(a, profile, STR("first_name"), value_string(a, first));
	value_map_set(a, profile, STR("last_name"), value_string(a, last));
	value_map_set(a, profile, STR("title"), value_string(a, last));
	j->rows[0].profile = profile;
	for (size_t i = 0; i < 2 * sizeof(languages) / sizeof(languages[0]); i++) {
		const struct mt_option option = { "style", i % 2 ? "formal" : "informal" };
		j->rows[0].request.language = languages[i / 2];
		fuzz_personalizer(greeting_plugin(), p, &option, 1, j);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char profile_text[] =
	    "{\"a\":1,\"b\":\"x\",\"c\":[1,\"x\"],\"d\":{\"e\":true},\"f\":null,\"click\":0.5}";
	static const struct mt_option file = { "file", "x" };
	const struct value *profile = NULL;
	struct score_time t;
	if (size < 1)
		return 0;
	struct arena *a = arena_new(4096);
	struct plugin p = { .name = "fuzz" };
	struct job_row row = { .request = {
				   .campaign = "c", .language = "en", .time_zone = "UTC", .hour = 9 } };
	struct job j = { .arena = a, .rows = &row, .nrows = 1 };
	host_table_fill(&p);
	p.host.json_file = file_from_input;
	p.host.file_path = path_as_is;
	input = arena_str(a, str_make((const char *)data + 1, size - 1));
	assert(json_parse(a, str_of(profile_text), NULL, &profile, NULL) == 0);
	row.profile = profile;
	switch (data[0]) {
	case 'r':
		fuzz_rule(a, profile);
		break;
	case 'w':
		fuzz_weights(&p);
		break;
	case 'c':
		fuzz_personalizer(content_plugin(), &p, &file, 1, &j);
		break;
	case 'g':
		fuzz_greeting(a, &p, &j);
		break;
	case 'z':
		score_local_time(1772440200000, arena_cstr(a, input), &t);
		assert(t.hour >= 0 && t.hour < 24 && t.weekday >= 1 && t.weekday <= 7);
		break;
	default:
		break;
	}
	arena_free(&a);
	return 0;
}
