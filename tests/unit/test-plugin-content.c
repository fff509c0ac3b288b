/* test-plugin-content: slots, rules and the file. */
#include "test-plugin.h"

#define CONTENT "plugins/content.so"

static char directory[] = "/tmp/test-content-XXXXXX";

/* Writes the file; the option that names it, relative to the configuration file. */
static void
blocks_add(struct fixture *f, const char *text)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/blocks.json", directory);
	FILE *out = fopen(path, "w");
	assert_non_null(out);
	fputs(text, out);
	fclose(out);
	f->conf.file = arena_cstr(f->a, arena_printf(f->a, "%s/test.conf", directory));
	fixture_add(f, "content", CONTENT, 5000, "file=blocks.json", NULL);
}

#define HERO                                                                                               \
	"{\"slots\":{\"hero\":["                                                                           \
	"{\"when\":\"click >= 0.5 and country == "                                                         \
	"\\\"DE\\\"\",\"html\":\"<b>Hallo</b>\",\"text\":\"Hallo\"},"                                      \
	"{\"when\":\"orders > "                                                                            \
	"10\",\"html\":\"<b>Thanks</b>\",\"url\":\"https://shop.example/vip\",\"rank\":12345678901234567," \
	"\"rate\":0.5,\"on\":true},"                                                                       \
	"{\"html\":\"<b>Hello</b>\",\"text\":\"Hello\"}],"                                                 \
	"\"footer\":[{\"when\":\"'shoes' in tags\",\"text\":\"Shoes!\"}]}}"

static void
blocks(void **state)
{
	struct fixture *f = fixture_new();
	(void)state;
	fixture_add(f, "score", "tests/plugins/probe-score.so", 5000, NULL);
	blocks_add(f, HERO);
	fixture_must_load(f);
	struct plugin_request rq =
	    fixture_request(f, "{\"orders\":7,\"country\":\"DE\",\"tags\":[\"shoes\"]}", "en");
	fixture_run(f, &rq);
	assert_int_equal(f->out.nnotes, 0);
	assert_string_equal(var_text(f, "content.hero.html"), "<b>Hallo</b>");
	assert_true(value_path(f->out.vars, STR("content.hero.html"))->safe_html);
	assert_string_equal(var_text(f, "content.hero.text"), "Hallo");
	assert_false(value_path(f->out.vars, STR("content.hero.text"))->safe_html);
	assert_string_equal(var_text(f, "content.footer.text"), "Shoes!");

	rq = fixture_request(f, "{\"orders\":11}", "en");
	fixture_run(f, &rq);
	assert_string_equal(var_text(f, "content.hero.html"), "<b>Thanks</b>");
	assert_string_equal(var_text(f, "content.hero.url"), "https://shop.example/vip");
	assert_string_equal(var_text(f, "content.hero.rank"), "12345678901234567");
	assert_string_equal(var_text(f, "content.hero.rate"), "0.5");
	assert_string_equal(var_text(f, "content.hero.on"), "true");
	assert_string_equal(var_text(f, "content.hero.text"), "");
	assert_null(value_path(f->out.vars, STR("content.footer")));

	/* Nothing is known: the default, and no slot without one. */
	rq = fixture_request(f, "{}", "en");
	fixture_run(f, &rq);
	assert_string_equal(var_text(f, "content.hero.html"), "<b>Hello</b>");
	assert_null(value_path(f->out.vars, STR("content.footer")));
	fixture_free(f);
}

static void
mistakes(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ "", "blocks.json: " },
		{ "{\"slots\":{\"a\":[{\"text\":\"x\"}],\"a\":[]}}", "line 1" },
		{ "[]", "must be an object with one key \"slots\"" },
		{ "{\"slots\":{},\"more\":1}", "must be an object with one key \"slots\"" },
		{ "{\"slots\":[]}", "must be an object with one key \"slots\"" },
		{ "{\"slots\":{}}", "must have 1 to 256 entries" },
		{ "{\"slots\":{\"a b\":[]}}", "a slot's name must be letters" },
		{ "{\"slots\":{\"\":[]}}", "a slot's name must be letters" },
		{ "{\"slots\":{\"a\":{}}}", "slot a, block 1: a slot must be a list" },
		{ "{\"slots\":{\"a\":[]}}", "slot a, block 1: a slot must be a list" },
		{ "{\"slots\":{\"a\":[7]}}", "slot a, block 1: must be an object" },
		{ "{\"slots\":{\"a\":[{}]}}", "slot a, block 1: must be an object" },
		{ "{\"slots\":{\"a\":[{\"when\":\"x\"}]}}", "slot a, block 1: sets nothing" },
		{ "{\"slots\":{\"a\":[{\"when\":1,\"text\":\"x\"}]}}",
		  "slot a, block 1: \"when\" must be a rule in a string" },
		{ "{\"slots\":{\"a\":[{\"when\":\"x\",\"text\":\"x\"},{\"when\":\"x >\",\"text\":\"y\"}]}}",
		  "slot a, block 2: \"when\": column 4: expected a name" },
		{ "{\"slots\":{\"a\":[{\"text\":\"x\"},{\"text\":\"y\"}]}}",
		  "slot a, block 1: has no \"when\", so the blocks after it can never win" },
		{ "{\"slots\":{\"a\":[{\"html\":1}]}}", "slot a, block 1: \"html\" must be a string" },
		{ "{\"slots\":{\"a\":[{\"text\":[]}]}}",
		  "slot a, block 1: \"text\" must be a string, a number" },
		{ "{\"slots\":{\"a\":[{\"te xt\":\"x\"}]}}", "slot a, block 1: key \"te xt\" is no name" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fixture *f = fixture_new();
		blocks_add(f, cases[i].text);
		assert_false(fixture_load(f));
		if (!strstr(f->reports, cases[i].want))
			fail_msg("%s: got %s", cases[i].text, f->reports);
		fixture_free(f);
	}
	struct fixture *f = fixture_new();
	fixture_add(f, "content", CONTENT, 50, "file=/nowhere/x.json", NULL);
	assert_false(fixture_load(f));
	assert_non_null(strstr(f->reports, "/nowhere/x.json: No such file"));
	fixture_free(f);
}

/* What the host would refuse for every copy is refused at the start. */
static void
bounds(void **state)
{
	struct buf b = { 0 };
	(void)state;
	buf_adds(&b, STR("{\"slots\":{\"a\":[{\"html\":\""));
	for (int i = 0; i <= 256 * 1024; i++)
		buf_addc(&b, 'x');
	buf_adds(&b, STR("\"}]}}"));
	struct fixture *f = fixture_new();
	blocks_add(f, b.p);
	assert_false(fixture_load(f));
	assert_non_null(strstr(f->reports, "slot a, block 1: \"html\" has 262145 bytes"));
	fixture_free(f);

	/* 32 keys in each of n slots: 31 × 32 = 992 are fewer than 1,000. */
	for (int n = 31; n <= 32; n++) {
		buf_reset(&b);
		buf_adds(&b, STR("{\"slots\":{"));
		for (int i = 0; i < n; i++) {
			buf_printf(&b, "%s\"s%d\":[{\"when\":\"x\",\"y\":1},{", i > 0 ? "," : "", i);
			for (int k = 0; k < 32; k++)
				buf_printf(&b, "%s\"k%d\":%d", k > 0 ? "," : "", k, k);
			buf_adds(&b, STR("}]"));
		}
		buf_adds(&b, STR("}}"));
		f = fixture_new();
		blocks_add(f, b.p);
		assert_int_equal(fixture_load(f), n == 31);
		if (n == 32)
			assert_non_null(strstr(f->reports, "blocks.json: the slots together could set over"));
		fixture_free(f);
	}
	buf_free(&b);
}

static int
directory_make(void **state)
{
	(void)state;
	return mkdtemp(directory) ? 0 : -1;
}

static int
directory_remove(void **state)
{
	char path[128];
	(void)state;
	snprintf(path, sizeof(path), "%s/blocks.json", directory);
	unlink(path);
	return rmdir(directory);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocks),
		cmocka_unit_test(mistakes),
		cmocka_unit_test(bounds),
	};
	return cmocka_run_group_tests(tests, directory_make, directory_remove);
}
