/*
 * html5lib: runs the tokenizer cases of html5lib-tests that start in the Data
 * state (also the default) and compares the tags: start tags with their
 * attributes and values, and end tags, in order. Other tokens are compared
 * too, but only counted.
 *
 *	html5lib FILE.test …
 *
 * Exit status: 0 when all tags agree; 1 when some do not (each is printed); 2 when nothing could be run.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "html/html.h"

struct tally {
	long cases, tags_agree, others, others_agree, skipped;
};

/* ---- our tokens, as html5lib writes them ---- */

struct run {
	const char *src;
	json_t *tokens;
};

/* As the input stream is read: LF line ends; nul: what NUL becomes. */
static void
add_text(struct buf *out, const char *p, size_t n, const char *nul, bool lower)
{
	for (size_t i = 0; i < n; i++) {
		char c = p[i];
		if (c == '\r') {
			if (i + 1 < n && p[i + 1] == '\n')
				continue;
			c = '\n';
		}
		if (c == '\0' && nul)
			buf_adds(out, str_of(nul));
		else
			buf_addc(out, lower ? ascii_lower(c) : c);
	}
}

static json_t *
json_of(struct buf *b)
{
	json_t *j = json_stringn_nocheck(b->p ? b->p : "", b->n);
	buf_free(b);
	return j;
}

static json_t *
name_of(const char *p, uint32_t start, uint32_t end)
{
	struct buf b = { 0 };
	add_text(&b, p + start, end - start, "\xEF\xBF\xBD", true);
	return json_of(&b);
}

static const char *
skip_space(const char *p, const char *end)
{
	while (p < end && ascii_isspace(*p))
		p++;
	return p;
}

/* A quoted identifier at *p; false when its quote or its end is missing. */
static bool
doctype_id(const char **p, const char *end, json_t **id)
{
	const char *from = skip_space(*p, end);
	struct buf b = { 0 };

	*p = from;
	if (from >= end || (*from != '"' && *from != '\''))
		return false;
	const char *close = memchr(from + 1, *from, (size_t)(end - from - 1));
	const char *upto = close ? close : end;
	add_text(&b, from + 1, (size_t)(upto - from - 1), "\xEF\xBF\xBD", false);
	*id = json_of(&b);
	*p = close ? close + 1 : end;
	return close != NULL;
}

/* 13.2.5.53 to 13.2.5.68, only to compare: name, public and system identifier, correctness. */
static json_t *
doctype_of(const char *p, const char *end, bool closed)
{
	json_t *public = json_null(), *system = json_null(), *name = json_null();
	bool ok = closed;

	p = skip_space(p, end);
	const char *from = p;
	while (p < end && !ascii_isspace(*p))
		p++;
	if (p > from)
		name = name_of(from, 0, (uint32_t)(p - from));
	else
		ok = false;
	p = skip_space(p, end);
	struct str keyword = str_make(p, end - p >= 6 ? 6 : 0);
	bool is_public = str_caseeq(keyword, STR("public"));
	if (is_public || str_caseeq(keyword, STR("system"))) {
		p += 6;
		bool complete = !is_public || doctype_id(&p, end, &public);
		if (is_public && complete && skip_space(p, end) == end)
			goto out; /* the system identifier may be left out after a public one */
		complete = complete && doctype_id(&p, end, &system);
		if (!complete)
			ok = false;
		else if (skip_space(p, end) < end)
			ok = true; /* what follows is ignored, even the end of the input */
	} else if (p < end) {
		ok = false;
	}
out:
	return json_pack("[s,o,o,o,b]", "DOCTYPE", name, public, system, ok);
}

static json_t *
start_tag(const char *src, const struct html_token *t)
{
	json_t *attrs = json_object();
	json_t *tok = json_pack("[s,o,o]", "StartTag", name_of(src, t->name_start, t->name_end), attrs);

	for (uint32_t i = 0; i < t->nattrs; i++) {
		const struct html_attr *a = &t->attrs[i];
		if (a->duplicate)
			continue;
		json_t *name = name_of(src, a->name_start, a->name_end);
		struct buf v = { 0 };
		html_attr_decode(&v, str_make(src + a->value_start, a->value_end - a->value_start));
		json_object_set_new_nocheck(attrs, json_string_value(name), json_of(&v));
		json_decref(name);
	}
	if (t->self_closing)
		json_array_append_new(tok, json_true());
	return tok;
}

/* Neighbouring texts are one. */
static void
add_characters(json_t *tokens, struct buf *text)
{
	json_t *last = json_array_get(tokens, json_array_size(tokens) - 1);

	if (last && strcmp(json_string_value(json_array_get(last, 0)), "Character") == 0) {
		json_t *old = json_array_get(last, 1);
		struct buf both = { 0 };
		buf_add(&both, json_string_value(old), json_string_length(old));
		buf_adds(&both, buf_str(text));
		buf_free(text);
		json_array_set_new(last, 1, json_of(&both));
		return;
	}
	json_array_append_new(tokens, json_pack("[s,o]", "Character", json_of(text)));
}

static bool
collect(void *ctx, const struct html_token *t)
{
	struct run *r = ctx;
	struct buf b = { 0 };

	switch (t->type) {
	case HTML_START_TAG:
		json_array_append_new(r->tokens, start_tag(r->src, t));
		break;
	case HTML_END_TAG:
		json_array_append_new(
		    r->tokens, json_pack("[s,o]", "EndTag", name_of(r->src, t->name_start, t->name_end)));
		break;
	case HTML_TEXT:
	case HTML_CDATA:
		html_text_decode(&b, str_make(r->src + t->start, t->end - t->start));
		add_characters(r->tokens, &b);
		break;
	case HTML_COMMENT:
		add_text(&b, r->src + t->data_start, t->data_end - t->data_start, "\xEF\xBF\xBD", false);
		json_array_append_new(r->tokens, json_pack("[s,o]", "Comment", json_of(&b)));
		break;
	case HTML_DOCTYPE:
		json_array_append_new(r->tokens, doctype_of(r->src + t->data_start, r->src + t->data_end,
							    t->data_end < t->end));
		break;
	}
	return true;
}

/* ---- cases ---- */

static bool
is_tag(json_t *token)
{
	const char *type = json_string_value(json_array_get(token, 0));
	return type && (strcmp(type, "StartTag") == 0 || strcmp(type, "EndTag") == 0);
}

static json_t *
filtered(json_t *tokens, bool tags)
{
	json_t *out = json_array(), *tok;
	size_t i;

	json_array_foreach(tokens, i, tok) if (is_tag(tok) == tags) json_array_append(out, tok);
	return out;
}

/* "\uXXXX" inside the string, once more. False: a lone surrogate, which UTF-8 cannot say. */
static bool
unescape(json_t *s, struct buf *out)
{
	const char *p = json_string_value(s);
	size_t n = json_string_length(s);
	uint32_t high = 0;

	for (size_t i = 0; i < n; i++) {
		unsigned cp;
		if (n - i < 6 || sscanf(p + i, "\\u%4x", &cp) != 1) {
			if (high)
				return false;
			buf_addc(out, p[i]);
			continue;
		}
		i += 5;
		if (cp >= 0xD800 && cp <= 0xDBFF && !high) {
			high = cp;
			continue;
		}
		if (high ? cp < 0xDC00 || cp > 0xDFFF : cp >= 0xDC00 && cp <= 0xDFFF)
			return false;
		if (high)
			cp = 0x10000 + ((high - 0xD800) << 10) + (cp - 0xDC00);
		high = 0;
		char ref[16];
		snprintf(ref, sizeof(ref), "&#%u;", cp);
		if (cp < 0x80)
			buf_addc(out, (char)cp);
		else
			html_text_decode(out, str_of(ref));
	}
	return high == 0;
}

/* The value with every string in it unescaped; NULL: a lone surrogate. */
static json_t *
unescape_all(json_t *v)
{
	struct buf b = { 0 };
	json_t *out = NULL, *item;
	const char *key;
	size_t i;

	if (json_is_string(v)) {
		if (unescape(v, &b))
			out = json_stringn_nocheck(b.p ? b.p : "", b.n);
		buf_free(&b);
	} else if (json_is_array(v)) {
		out = json_array();
		json_array_foreach(v, i, item) json_array_append_new(out, unescape_all(item));
	} else if (json_is_object(v)) {
		out = json_object();
		json_object_foreach(v, key, item) json_object_set_new_nocheck(out, key, unescape_all(item));
	} else {
		out = json_incref(v);
	}
	return out;
}

static bool
starts_in_data_state(json_t *test)
{
	json_t *states = json_object_get(test, "initialStates"), *s;
	size_t i;

	if (!states)
		return true;
	json_array_foreach(states, i, s) if (strcmp(json_string_value(s), "Data state") == 0) return true;
	return false;
}

static void
run_case(const char *file, json_t *test, struct tally *sum)
{
	bool twice = json_is_true(json_object_get(test, "doubleEscaped"));
	json_t *input = json_object_get(test, "input"), *expected = json_object_get(test, "output");

	input = twice ? unescape_all(input) : json_incref(input);
	expected = twice ? unescape_all(expected) : json_incref(expected);
	if (!input || !expected) {
		sum->skipped++;
		goto out;
	}
	struct str src = str_make(json_string_value(input), json_string_length(input));
	struct run r = { src.p, json_array() };
	html_tokenize_flat(src, NULL, 0, collect, &r);
	json_t *tags[2] = { filtered(expected, true), filtered(r.tokens, true) };
	json_t *others[2] = { filtered(expected, false), filtered(r.tokens, false) };
	sum->cases++;
	if (json_equal(tags[0], tags[1])) {
		sum->tags_agree++;
	} else {
		char *want = json_dumps(expected, JSON_COMPACT), *got = json_dumps(r.tokens, JSON_COMPACT);
		printf("%s: %s\n  expected %s\n  got      %s\n", file,
		       json_string_value(json_object_get(test, "description")), want, got);
		free(want);
		free(got);
	}
	if (json_array_size(others[0]) > 0 || json_array_size(others[1]) > 0) {
		sum->others++;
		sum->others_agree += json_equal(others[0], others[1]);
		if (getenv("HTML5LIB_VERBOSE") && !json_equal(others[0], others[1])) {
			char *want = json_dumps(others[0], JSON_COMPACT),
			     *got = json_dumps(others[1], JSON_COMPACT);
			printf("%s: other tokens: %s\n  expected %s\n  got      %s\n", file,
			       json_string_value(json_object_get(test, "description")), want, got);
			free(want);
			free(got);
		}
	}
	for (int i = 0; i < 2; i++) {
		json_decref(tags[i]);
		json_decref(others[i]);
	}
	json_decref(r.tokens);
out:
	json_decref(input);
	json_decref(expected);
}

static int
run_file(const char *path, struct tally *sum)
{
	json_error_t e;
	json_t *root = json_load_file(path, JSON_ALLOW_NUL, &e), *test;
	size_t i;

	if (!root) {
		fprintf(stderr, "html5lib: %s:%d: %s\n", path, e.line, e.text);
		return -1;
	}
	json_array_foreach(json_object_get(root, "tests"), i, test) if (starts_in_data_state(test))
	    run_case(path, test, sum);
	json_decref(root);
	return 0;
}

int
main(int argc, char **argv)
{
	struct tally sum = { 0 };
	int unread = 0;

	for (int i = 1; i < argc; i++)
		unread += run_file(argv[i], &sum) != 0;
	if (unread > 0 || sum.cases == 0) {
		fprintf(stderr, "html5lib: %s\n", unread ? "a file could not be read" : "no cases given");
		return 2;
	}
	if (sum.skipped > 0)
		printf("html5lib: %ld cases skipped: lone surrogates, which UTF-8 cannot say\n", sum.skipped);
	printf("html5lib data state: %ld/%ld tags agree; other tokens %ld/%ld\n", sum.tags_agree, sum.cases,
	       sum.others_agree, sum.others);
	return sum.tags_agree == sum.cases ? 0 : 1;
}
