/*
 * test-template: the language, its errors and its limits.
 */
#include "test-template.h"

static void
test_names(void **state)
{
	struct fixture *f = *state;
	GIVES(f, "Hi {{name}}!", "{\"name\":\"Ann\"}", "Hi Ann!");
	GIVES(f, "{{a.b}} {{a/b}} {{a.[b c]}} {{[x y]}}", "{\"a\":{\"b\":1,\"b c\":2},\"x y\":3}", "1 1 2 3");
	GIVES(f, "{{l.0}} {{l.[1]}} {{l.length}} {{l.9}}", "{\"l\":[5,6]}", "5 6 2 ");
	GIVES(f, "{{this.length}}", "\"Zoë\"", "3");
	GIVES(f, "{{#each l}}{{length}}{{/each}}", "{\"l\":[\"abc\"],\"length\":7}", "7");
	GIVES(f, "{{n}} {{r}} {{b}} {{z}}|{{m}}|",
	      "{\"n\":12345678901,\"r\":1.5,\"b\":false,\"z\":null,\"m\":{}}", "12345678901 1.5 false ||");
	GIVES(f, "{{l}}", "{\"l\":[1,[2,3],\"x\"]}", "1,2,3,x");
	GIVES(f, "{{\"a b\"}} {{'c'}} {{12}} {{true}}", "{\"a b\":1,\"c\":2,\"12\":3,\"true\":4}", "1 2 3 4");
	GIVES(f, "{{thistle}} {{elsewhere}}", "{\"thistle\":1,\"elsewhere\":2}", "1 2");
	FAILS(f, "{{a.this.b}}", "{}", "invalid path");
	FAILS(f, "{{a/../b}}", "{}", "invalid path");
	FAILS(f, "{{}}", "{}", "empty tag");
	FAILS(f, "{{a..b}}", "{}", "invalid path");
	FAILS(f, "{{*deco}}", "{}", "decorators");
	FAILS(f, "{{$block}}x{{/block}}", "{}", "inheritance");
}

static void
test_literal_text(void **state)
{
	struct fixture *f = *state;
	GIVES(f, "\\{{a}} \\\\{{a}} \\\\\\{{a}} {a} }} \\", "{\"a\":1}", "{{a}} \\1 \\\\1 {a} }} \\");
	GIVES(f, "\\{{a}}{{a}}\\{{b}}", "{\"a\":1}", "{{a}}1{{b}}");
	GIVES(f, "{{{{raw}}}}{{x}} {{/y}}{{{{/raw}}}}!", "{}", "{{x}} {{/y}}!");
	GIVES(f, "a{color:{{c}}}", "{\"c\":\"red\"}", "a{color:red}");
	GIVES(f, "{{!-- }} {{x}} --}}a{{! b }}c{{!--}}d{{!-- e }}f", "{}", "acdf");
	GIVES(f, "{{default x \"}}\"}}", "{}", "}}");
	GIVES(f, "{{=<% %>=}}<%a%> {{a}}<%={{ }}=%>{{a}}", "{\"a\":1}", "1 {{a}}1");
	GIVES(f, "  {{~a~}}  |", "{\"a\":1}", "1|");
	GIVES(f, "{{~{a}~}} .{{&a~}} .", "{\"a\":\"<\"}", "<.<.");
	FAILS(f, "{{{{other}}}}{{{{/other}}}}", "{}", "unknown raw block");
	FAILS(f, "{{{{raw}}}}", "{}", "never closed");
	FAILS(f, "{{=a=}}", "{}", "delimiters");
	FAILS(f, "{{=", "{}", "unclosed");
	FAILS(f, "x {{{a}} y", "{}", "ERROR 1:3 unclosed tag: no }}}");
	f->options.compat = false;
	FAILS(f, "{{a}}}", "{}", "same number");
}

static void
test_blocks(void **state)
{
	struct fixture *f = *state;
	GIVES(f, "{{#if a}}1{{else if b}}2{{else unless c}}3{{else}}4{{/if}}", "{\"b\":1}", "2");
	GIVES(f, "{{#if a}}1{{else if b}}2{{else unless c}}3{{else}}4{{/if}}", "{\"c\":1}", "4");
	GIVES(f, "{{#if a}}1{{else if b}}2{{else unless c}}3{{else}}4{{/if}}", "{}", "3");
	GIVES(f, "{{#if n}}y{{else}}n{{/if}}{{#if n includeZero=true}}y{{/if}}{{#n}}y{{/n}}", "{\"n\":0}",
	      "nyy");
	GIVES(f, "{{#if s}}y{{else}}n{{/if}}{{#s}}y{{/s}}{{#unless s}}u{{/unless}}", "{\"s\":\"\"}", "nyu");
	GIVES(f, "{{^a}}no{{else}}yes {{b}}{{/a}}", "{\"a\":{\"b\":1}}", "yes 1");
	GIVES(f, "{{#each l as |x i|}}{{i}}{{x.n}}{{#each x.m as |y|}}{{y}}{{x.n}}{{/each}} {{/each}}",
	      "{\"l\":[{\"n\":1,\"m\":[7,8]},{\"n\":2,\"m\":[]}]}", "017181 12 ");
	GIVES(f, "{{#each m}}{{@key}}={{this}}{{#unless @last}},{{/unless}}{{/each}}",
	      "{\"m\":{\"a\":1,\"b\":2}}", "a=1,b=2");
	GIVES(f, "{{#each a}}{{#each b}}{{@../index}}{{@index}}{{#if @first}}f{{/if}} {{/each}}{{/each}}",
	      "{\"a\":[{\"b\":[1,2]},{\"b\":[3]}]}", "00f 01 10f ");
	GIVES(f, "{{#each l}}{{else}}none{{/each}}{{#with w}}{{else}}none{{/with}}", "{\"l\":[]}",
	      "nonenone");
	GIVES(f, "{{#with a}}{{b}}{{../c}}{{@root.c}}{{./b}}{{this.b}}{{/with}}", "{\"a\":{\"b\":1},\"c\":2}",
	      "12211");
	GIVES(f, "{{#l}}{{@index}}{{.}}{{/l}}", "{\"l\":[\"a\",\"b\"]}", "0a1b");
	GIVES(f, "{{#each this}}{{@key}}{{/each}}", "{\"a\":1,\"b\":2}", "ab");
	FAILS(f, "{{#if}}{{/if}}", "{}", "\"if\" wants 1 argument");
	FAILS(f, "{{if a}}", "{}", "is a block");
	FAILS(f, "{{else}}", "{}", "outside a block");
	FAILS(f, "{{#a}}{{else}}{{else}}{{/a}}", "{}", "second {{else}}");
	FAILS(f, "{{#each l as |a b c|}}{{/each}}", "{}", "|item index|");
}

static void
test_mustache_or_handlebars(void **state)
{
	struct fixture *f = *state;
	GIVES(f, "{{#a}}{{x}}{{./x}}{{/a}}", "{\"a\":{},\"x\":1}", "1");
	f->options.compat = false;
	GIVES(f, "{{#a}}{{x}}{{/a}}", "{\"a\":{},\"x\":1}", "");
}

static void
test_block_errors(void **state)
{
	struct fixture *f = *state;
	FAILS(f, "a\n {{#if x}}\nb", "{}", "ERROR 2:2 {{#if}} of line 2 is never closed; add {{/if}}");
	FAILS(f, "{{#a}}\n{{#b}}\n{{/a}}", "{}", "ERROR 3:1 {{/a}} does not match {{#b}} of line 2");
	FAILS(f, "ä{{/a}}", "{}", "ERROR 1:2 {{/a}} closes nothing");
	FAILS(f, "{{hello world}}", "{}", "ERROR 1:3 unknown helper \"hello\"");
	FAILS(f, "{{#hello world}}{{/hello}}", "{}", "unknown helper \"hello\"");
	FAILS(f, "{{upper (nope x)}}", "{}", "ERROR 1:10 unknown helper \"nope\"");
	FAILS(f, "{{upper}}{{upper a b}}", "{}", "\"upper\" wants 1 argument and has 2");
	FAILS(f, "{{upper a loud=true}}", "{}", "knows no option \"loud\"");
	FAILS(f, "{{upper \"a}}", "{}", "never closed");
	FAILS(f, "{{upper (lower a}}", "{}", "add )");
	FAILS(f, "{{default a=1 b}}", "{}", "plain arguments come before");
	FAILS(f, "Hi {{name", "{}", "ERROR 1:4 unclosed tag");
	f->options.handlebars_strict_partials = true;
	FAILS(f, "{{> nope}}", "{}", "the partial \"nope\" could not be found");
}

static void
test_partials(void **state)
{
	struct fixture *f = *state;
	f->partials = (const char *const[]){ "p",      "[{{a}}{{b}}]",
					     "self",   "{{> self}}",
					     "layout", "<{{> @partial-block}}>",
					     "in",     "<\n{{> @partial-block}}\n>\n",
					     "bad",    "\n{{#x}}",
					     "rows",   "{{#l}}\n- {{.}}\n{{/l}}\n",
					     NULL };
	GIVES(f, "{{> p}}{{> p o}}{{> p b=\"x\"}}{{> p o b=a}}", "{\"a\":1,\"o\":{\"a\":2}}",
	      "[1][2][1x][21]");
	GIVES(f, "{{#> layout}}in {{a}}{{/layout}}{{#> nope}}else{{/nope}}{{> nope}}", "{\"a\":1}",
	      "<in 1>else");
	GIVES(f, "{{#*inline \"i\"}}({{a}}){{/inline}}{{> i}}{{> i a=2}}", "{\"a\":1}", "(1)(2)");
	GIVES(f, "  {{> rows}}\n.", "{\"l\":[1,2]}", "  - 1\n  - 2\n.");
	GIVES(f, "{{#*inline \"i\"}}a\nb{{/inline}}\n  {{> i}}\n  {{#> in}}\nc\nd\n{{/in}}\n", "{}",
	      "\n  a\nb  <\n  c\nd\n  >\n");
	GIVES(f, "{{> p this}}{{> p @root}}", "{\"a\":1}", "[1][1]");
	FAILS(f, "{{> self}}", "{}", "more than 32 deep");
	FAILS(f, "x{{> bad}}", "{}",
	      "ERROR 2:1 {{#x}} of line 2 is never closed; add {{/x}} (in partial \"bad\")");
	FAILS(f, "{{> (lookup a b)}}", "{}", "fixed name");
	FAILS(f, "{{> p a b}}", "{}", "unsupported number");
}

static void
test_layers(void **state)
{
	struct fixture *f = *state;
	const struct value *layers[] = { parse_data(f, "{\"a\":1,\"n\":null}"),
					 parse_data(f, "{\"a\":2,\"b\":3,\"n\":4}") };
	struct tpl_env env = { .layers = layers,
			       .nlayers = 2,
			       .data = parse_data(f, "{\"campaign\":\"spring\"}") };
	struct str source = STR("{{a}}{{b}}{{n}}{{@root.b}} {{#each this}}{{@key}}{{this}}{{#if "
				"@last}}.{{/if}}{{/each}} {{@campaign}}"
				"{{#with @root as |r|}}{{r.b}}{{/with}}{{length this}}");
	struct tpl *t = tpl_compile(f->arena, source, &f->options, &f->te);
	assert_non_null(t);
	assert_int_equal(tpl_render_buf(t, &env, &f->out, f->scratch, &f->te), 0);
	assert_string_equal(f->out.p, "1343 a1n4b3. spring35");
}

static void
test_missing(void **state)
{
	struct fixture *f = *state;
	f->env.missing = TPL_MISSING_ERROR;
	FAILS(f, "Hi\n {{name}}", "{}", "ERROR 2:2 missing variable \"name\"");
	FAILS(f, "{{a.b}}", "{\"a\":{\"b\":null}}", "missing variable \"a.b\"");
	FAILS(f, "{{{a}}}", "{\"a\":\"\"}", "missing variable \"a\"");
	FAILS(f, "{{upper a}}", "{}", "missing variable \"a\"");
	FAILS(f, "{{upper (lower a)}}", "{}", "missing variable \"a\"");
	FAILS(f, "{{default a b}}", "{}", "missing variable \"a\"");
	FAILS(f, "{{money price \"EUR\"}}", "{}", "missing variable \"price\"");
	GIVES(f,
	      "{{#a}}{{/a}}{{^a}}x{{/a}}{{#if a}}{{else}}y{{/if}}{{#each a}}{{/each}}{{#equals a "
	      "1}}{{/equals}}",
	      "{}", "xy");
	GIVES(f, "{{default a \"there\"}}{{default a \"\"}}{{insert a \"default=you\"}}{{log a}}", "{}",
	      "thereyou");
	GIVES(f, "{{a}}{{b}}", "{\"a\":0,\"b\":false}", "0false");
}

static void
count_variable(void *ctx, struct str path, const struct value *v)
{
	struct buf *b = ctx;
	buf_printf(b, "%.*s%s ", STR_ARG(path), v ? "" : "?");
}

static void
test_variables(void **state)
{
	struct fixture *f = *state;
	struct str *names;
	struct buf seen = { 0 };
	f->env.on_variable = count_variable;
	f->env.on_variable_ctx = &seen;
	GIVES(f, "{{b}}{{#if c}}{{a.x}}{{/if}}{{upper b}}{{#each l as |i|}}{{i}}{{@index}}{{/each}}{{d}}",
	      "{\"b\":\"v\",\"c\":1,\"l\":[]}", "vV");
	assert_string_equal(seen.p, "b a.x? b d? ");
	assert_int_equal(tpl_variables(f->tpl, f->arena, &names), 5);
	assert_true(str_eq(names[0], STR("a.x")) && str_eq(names[1], STR("b")) && str_eq(names[4], STR("l")));
	buf_free(&seen);
}

static void
test_nesting_limits(void **state)
{
	struct fixture *f = *state;
	struct buf s = { 0 };
	for (int n = 64; n <= 65; n++) {
		buf_reset(&s);
		for (int i = 0; i < n; i++)
			buf_adds(&s, STR("{{#a}}"));
		for (int i = 0; i < n; i++)
			buf_adds(&s, STR("{{/a}}"));
		if (n == 64)
			GIVES(f, s.p, "{\"a\":1}", "");
		else
			FAILS(f, s.p, "{}", "more than 64 deep");
	}
	buf_reset(&s);
	buf_adds(&s, STR("{{#if a}}"));
	for (int i = 0; i < 2000; i++)
		buf_adds(&s, STR("{{else if a}}x"));
	buf_adds(&s, STR("{{else}}end{{/if}}"));
	GIVES(f, s.p, "{}", "end");
	buf_reset(&s);
	for (int i = 0; i < 20; i++)
		buf_adds(&s, STR("{{upper (upper (upper (upper (upper "));
	FAILS(f, s.p, "{}", "unclosed");
	buf_reset(&s);
	buf_adds(&s, STR("{{upper "));
	for (int i = 0; i < 20; i++)
		buf_adds(&s, STR("(upper "));
	buf_adds(&s, STR("x}}"));
	FAILS(f, s.p, "{}", "nest more than 16 deep");
	buf_free(&s);
}

static void
test_tag_limit(void **state)
{
	struct fixture *f = *state;
	struct buf s = { 0 };
	for (int i = 0; i < 100001; i++)
		buf_adds(&s, STR("{{a}}"));
	FAILS(f, s.p, "{}", "more than 100000 tags");
	buf_free(&s);
}

static void
test_render_limits(void **state)
{
	struct fixture *f = *state;
	struct buf json = { 0 };
	buf_adds(&json, STR("{\"l\":[0"));
	for (int i = 0; i < 2000; i++)
		buf_adds(&json, STR(",1"));
	buf_adds(&json, STR("]}"));
	FAILS(f, "{{#each l}}{{#each ../l}}{{x}}{{/each}}{{/each}}", json.p, "steps");
	f->env.max_steps = 100;
	FAILS(f, "{{#l}}{{.}}{{/l}}", json.p, "more than 100 steps");
	f->env.max_steps = 0;
	f->env.max_output = 1000;
	FAILS(f, "{{#l}}abc{{/l}}", json.p, "longer than 1000 bytes");
	/* What was in the buffer before stays. */
	buf_reset(&f->out);
	buf_adds(&f->out, STR("kept"));
	assert_int_equal(tpl_render_buf(f->tpl, &f->env, &f->out, f->scratch, &f->te), -1);
	assert_string_equal(f->out.p, "kept");
	buf_free(&json);
}

static void
test_scan(void **state)
{
	struct fixture *f = *state;
	struct tpl_range *tags;
	size_t n;
	struct str s = STR("a{{b}}\\{{c}}{{{d}}}{{! {{e}}{{=<% %>=}}<%#f%><%/f%><%else%><%> g%>");
	static const char *const texts[] = { "{{b}}",  "{{{d}}}", "{{! {{e}}", "{{=<% %>=}}",
					     "<%#f%>", "<%/f%>",  "<%else%>",  "<%> g%>" };
	static const enum tpl_tag_kind kinds[] = { TPL_TAG_VARIABLE, TPL_TAG_RAW,    TPL_TAG_OTHER,
						   TPL_TAG_OTHER,    TPL_TAG_OPEN,   TPL_TAG_CLOSE,
						   TPL_TAG_ELSE,     TPL_TAG_PARTIAL };
	assert_int_equal(tpl_scan(f->arena, s, &tags, &n, &f->te), 0);
	assert_int_equal(n, 8);
	for (size_t i = 0; i < n; i++) {
		assert_true(str_eq(str_sub(s, tags[i].start, tags[i].end), str_of(texts[i])));
		assert_int_equal(tags[i].kind, kinds[i]);
	}
	assert_int_equal(tpl_scan(f->arena, STR("a {{b"), &tags, &n, &f->te), -1);
	assert_int_equal(f->te.offset, 2);
}

static void
test_plain(void **state)
{
	struct fixture *f = *state;
	f->options.plain = true;
	GIVES(f, "{{a}} {{#b", "{}", "{{a}} {{#b");
	assert_true(tpl_is_static(f->tpl));
	f->options.plain = false;
	GIVES(f, "text", "{}", "text");
	assert_true(tpl_is_static(f->tpl));
	GIVES(f, "", "{}", "");
	assert_true(tpl_is_static(f->tpl));
	GIVES(f, "a\\{{b}}", "{}", "a{{b}}");
	assert_false(tpl_is_static(f->tpl));
	GIVES(f, "{{! }}", "{}", "");
	assert_false(tpl_is_static(f->tpl));
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_open, fixture_close)
	const struct CMUnitTest tests[] = {
		TEST(test_names),	 TEST(test_literal_text),
		TEST(test_blocks),	 TEST(test_mustache_or_handlebars),
		TEST(test_block_errors), TEST(test_partials),
		TEST(test_layers),	 TEST(test_missing),
		TEST(test_variables),	 TEST(test_nesting_limits),
		TEST(test_tag_limit),	 TEST(test_render_limits),
		TEST(test_scan),	 TEST(test_plain),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
