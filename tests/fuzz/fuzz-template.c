/*
 * fuzz-template: any template, partial and data. The input is: one byte of
 * options, one of the place, a byte whose low bits count regions, two bytes
 * for each region's start and length; then the template, the text of every
 * partial, and JSON data, separated by NUL.
 * What must hold: tags and literals lie in order inside the source; what the
 * sink gets adds up to what the buffer gets; no line end comes out of a value
 * in a header; a second render gives the same.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/json.h"
#include "template/template.h"

#define MUST(x) ((x) ? (void)0 : abort())
#define MAX_REGIONS 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	struct str template, partial, json;
	struct tpl_region regions[MAX_REGIONS];
	struct tpl_options options;
	struct tpl_env env;
};

struct sink {
	struct tpl_sink sink;
	const struct input *in;
	const struct tpl *t;
	struct buf out;
	bool one_line;
};

static int
sink_literal(struct tpl_sink *sink, uint32_t index)
{
	struct sink *s = (struct sink *)sink;
	uint32_t start, end;
	MUST(index < tpl_literal_count(s->t));
	tpl_literal(s->t, index, &start, &end);
	buf_adds(&s->out, str_sub(s->in->template, start, end));
	return 0;
}

static int
sink_text(struct tpl_sink *sink, struct str bytes, bool raw)
{
	struct sink *s = (struct sink *)sink;
	MUST(bytes.n > 0);
	if (s->one_line && !raw)
		MUST(str_find_char(bytes, '\n') == bytes.n && str_find_char(bytes, '\r') == bytes.n);
	buf_adds(&s->out, bytes);
	return 0;
}

static int
sink_region(struct tpl_sink *sink, uint32_t id, struct str bytes)
{
	struct sink *s = (struct sink *)sink;
	MUST(id < s->in->options.nregions && s->in->regions[id].capture);
	if (tpl_region_is_literal(s->t, id))
		MUST(str_eq(bytes,
			    str_sub(s->in->template, s->in->regions[id].start, s->in->regions[id].end)));
	buf_adds(&s->out, bytes);
	return 0;
}

static bool
find_partial(void *ctx, struct str name, struct str *text)
{
	const struct input *in = ctx;
	*text = in->partial;
	return name.n < 3;
}

static bool
read_input(struct input *in, const uint8_t *data, size_t size)
{
	if (size < 3)
		return false;
	uint8_t flags = data[0], place = data[1];
	size_t n = data[2] % (MAX_REGIONS + 1), at = 3 + n * 2;
	if (size < at)
		return false;
	struct str rest = str_make((const char *)data + at, size - at);
	str_split(&rest, '\0', &in->template);
	in->partial = STR_NULL;
	if (rest.p)
		str_split(&rest, '\0', &in->partial);
	in->json = rest;
	uint32_t end = 0;
	for (size_t i = 0; i < n; i++) {
		struct tpl_region *g = &in->regions[i];
		*g = (struct tpl_region){ .start = end + data[3 + i * 2], .id = (uint32_t)i };
		end = g->end = g->start + data[4 + i * 2];
		g->capture = (place >> i & 1) != 0;
		g->escape = (enum tpl_escape)((place + i * 5) % (TPL_ESC_URL_TEXT + 1));
		if (g->end > in->template.n)
			n = i;
	}
	in->options = (struct tpl_options){ .escape = (enum tpl_escape)(place % (TPL_ESC_URL_TEXT + 1)),
					    .regions = in->regions,
					    .nregions = n,
					    .partial = find_partial,
					    .partial_ctx = in,
					    .compat = flags & 1,
					    .handlebars_strict_partials = flags & 2,
					    .plain = (flags & 0x70) == 0x70 };
	in->env = (struct tpl_env){ .missing = flags & 4 ? TPL_MISSING_ERROR : TPL_MISSING_EMPTY,
				    .max_output = 1 << 16,
				    .max_steps = 20000,
				    .time_zone = "Europe/Berlin",
				    .language = flags & 8 ? "de" : "tr" };
	return true;
}

static void
check_tags(struct arena *a, struct str source)
{
	struct tpl_range *tags;
	size_t n, at = 0;
	struct tpl_error te;
	if (tpl_scan(a, source, &tags, &n, &te) != 0)
		MUST(te.line > 0 && te.column > 0 && te.offset <= source.n && te.text[0]);
	for (size_t i = 0; i < n; i++) {
		MUST(tags[i].start >= at && tags[i].end > tags[i].start && tags[i].end <= source.n);
		at = tags[i].end;
	}
}

static void
check_literals(const struct tpl *t, struct str source)
{
	uint32_t at = 0, start, end;
	for (size_t i = 0; i < tpl_literal_count(t); i++) {
		tpl_literal(t, i, &start, &end);
		MUST(start >= at && end > start && end <= source.n);
		at = end;
	}
}

static void
check_render(struct arena *a, struct input *in, const struct tpl *t, struct tpl_scratch *scratch)
{
	static const struct json_limits limits = { .max_bytes = 1 << 16, .max_depth = 16 };
	struct tpl_error te;
	struct buf once = { 0 }, twice = { 0 };
	struct sink s = { { sink_literal, sink_text, sink_region }, .in = in, .t = t };
	const struct value *root;
	bool partial_lines = str_find_char(in->partial, '\n') < in->partial.n ||
			     str_find_char(in->partial, '\r') < in->partial.n;
	s.one_line = in->options.escape == TPL_ESC_HEADER && in->options.nregions == 0 && !partial_lines &&
		     str_find(in->template, STR("inline")) == in->template.n &&
		     str_find(in->template, STR("#>")) == in->template.n;
	in->env.root = &VALUE_NULL_V;
	if (in->json.p && json_parse(a, in->json, &limits, &root, NULL) == 0)
		in->env.root = root;
	int rc = tpl_render_buf(t, &in->env, &once, scratch, &te);
	if (rc != 0)
		MUST(te.text[0] && te.line > 0 && once.n == 0);
	MUST(tpl_render(t, &in->env, &s.sink, scratch, &te) == rc);
	MUST(tpl_render_buf(t, &in->env, &twice, scratch, NULL) == rc);
	if (rc == 0)
		MUST(str_eq(buf_str(&once), buf_str(&s.out)) && str_eq(buf_str(&once), buf_str(&twice)));
	if (rc == 0 && tpl_is_static(t))
		MUST(str_eq(buf_str(&once), in->template));
	buf_free(&once);
	buf_free(&twice);
	buf_free(&s.out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct tpl_scratch *scratch; /* kept, as a thread keeps it */
	struct input in = { 0 };
	struct tpl_error te;
	struct str *names;
	if (!read_input(&in, data, size))
		return 0;
	if (!scratch)
		scratch = tpl_scratch_new();
	struct arena *a = arena_new(1 << 14);
	check_tags(a, in.template);
	const struct tpl *t = tpl_compile(a, in.template, &in.options, &te);
	if (t) {
		tpl_variables(t, a, &names);
		check_literals(t, in.template);
		check_render(a, &in, t, scratch);
	} else {
		MUST(te.line > 0 && te.column > 0 && te.text[0]);
	}
	arena_free(&a);
	return 0;
}
