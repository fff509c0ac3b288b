/*
 * template: Mustache (core of the public spec) and the Handlebars built-ins,
 * compiled once, rendered many times by many threads.
 *
 * A compiled template borrows its source: the source must live as long. It
 * knows nothing of HTML or mail: the caller tells it where regions lie (URL
 * values, attributes, script …) and gets regions back whole, to wrap links.
 *
 * Limits, errors at compile: nesting 64, source 16 MB, 100,000 tags, 1,000 partials, 32 arguments,
 * subexpressions 16 deep. At render: output bytes and steps, from env; partials 32 deep, blocks and partials
 * together 256 deep. Threads: struct tpl is immutable after compile; an env and a sink belong to one thread.
 */
#ifndef MT_TEMPLATE_TEMPLATE_H
#define MT_TEMPLATE_TEMPLATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/value.h"

/*
 * What {{x}} does to a value, by where it stands. {{{x}}} and {{&x}} skip only
 * the marked steps. NUL goes nowhere. A partial's tags take the place where
 * the partial is called.
 *
 * In a URL the text that the region holds so far decides (its rendered text,
 * captured or not; without a region all output so far):
 * - at the start a whole URL is kept: reserved characters and valid %XX stay;
 * - behind '?' or '#' everything but unreserved characters is encoded;
 * - else (a path) '/' stays too.
 * {{{x}}} keeps a URL's structure wherever it stands. Spaces, controls,
 * quotes, < > and non-ASCII are percent-encoded always. In HTML & becomes
 * &amp; then, but not from {{{x}}}.
 */
enum tpl_escape {
	TPL_ESC_NONE,	  /* as it is */
	TPL_ESC_TEXT,	  /* plain text part: controls other than tab and line ends dropped */
	TPL_ESC_HEADER,	  /* CR, LF, NUL, controls: a run becomes one space; {{{ }}} too */
	TPL_ESC_HTML,	  /* & < > " ' ` = as Handlebars does; {{{ }}} raw */
	TPL_ESC_ATTR,	  /* as HTML; {{{ }}} still escapes quotes < > */
	TPL_ESC_UNQUOTED, /* all but [A-Za-z0-9._-] numeric; {{{ }}} too */
	TPL_ESC_URL,	  /* in an attribute: see above */
	TPL_ESC_STYLE,	  /* only [A-Za-z0-9 #%.,_-] pass; {{{ }}} too */
	TPL_ESC_SCRIPT,	  /* inside a JSON or JavaScript string, < > & ' ` $ as \u00XX; {{{ }}} too */
	TPL_ESC_TAG,	  /* between attributes: only [A-Za-z0-9_-] pass; {{{ }}} too */
	TPL_ESC_COMMENT,  /* "--" and ">" dropped, "-" at the ends too; {{{ }}} too */
	TPL_ESC_URL_TEXT, /* a URL in plain text: as URL, no HTML step */
};

/* A stretch of the source, sorted, not overlapping. A section that opens inside must close inside. */
struct tpl_region {
	uint32_t start, end;
	enum tpl_escape escape; /* for tags inside */
	bool capture;		/* rendered into memory and handed to sink->region with id */
	uint32_t id;
};

struct tpl_options {
	enum tpl_escape escape; /* outside regions */
	const struct tpl_region *regions;
	size_t nregions;
	/* Partials by name; NULL result: missing (Mustache: empty). The text must live as long as the
	 * template. */
	bool (*partial)(void *ctx, struct str name, struct str *text);
	void *partial_ctx;
	bool plain;			 /* no tags at all: {{…}} is text (regions still work) */
	bool handlebars_strict_partials; /* a missing partial is an error, as in Handlebars */
	bool compat; /* true (default for mail): Mustache's context stack look-up; false: Handlebars' */
};

struct tpl_error {
	uint32_t offset;
	int line, column; /* 1-based, column in characters */
	char text[256];	  /* what and what to do */
};

struct tpl;

/* Offsets of every tag ({{…}}, {{{…}}}, with delimiter changes and comments followed), for html_scan. 0, or
 * -1 with te. */
enum tpl_tag_kind {
	TPL_TAG_VARIABLE,
	TPL_TAG_RAW,
	TPL_TAG_OPEN,
	TPL_TAG_ELSE,
	TPL_TAG_CLOSE,
	TPL_TAG_PARTIAL,
	TPL_TAG_OTHER
};
struct tpl_range {
	uint32_t start, end;
	enum tpl_tag_kind kind; /* VARIABLE {{x}}, RAW {{{x}}} {{&x}}, OPEN {{#x}} {{^x}}, ELSE {{else}} and
				   lone {{^}}, CLOSE {{/x}}, OTHER: comments, delimiters */
};
int
tpl_scan(struct arena *a, struct str source, struct tpl_range **tags, size_t *ntags, struct tpl_error *te);

/* NULL with te filled. Everything lives in a. */
struct tpl *
tpl_compile(struct arena *a, struct str source, const struct tpl_options *o, struct tpl_error *te);

/* True when the source has no tags and no regions: render is the identity. */
bool tpl_is_static(const struct tpl *t);

/*
 * Literal stretches of the source, numbered; sink->literal gets the number, so
 * that the caller can keep something ready per stretch. Literals inside
 * captured regions and partials are not numbered: they come as text.
 */
size_t tpl_literal_count(const struct tpl *t);
void tpl_literal(const struct tpl *t, size_t i, uint32_t *start, uint32_t *end);
/* Per region with capture: true when it holds no tags, so that its text is the source's own. */
bool tpl_region_is_literal(const struct tpl *t, uint32_t id);

/* The variable paths the template reads ("first_name", "order.total"), sorted, unique; for explain and
 * checks. */
size_t tpl_variables(const struct tpl *t, struct arena *a, struct str **names);

/* All return 0, or -1 to stop the render (it then returns -1). */
struct tpl_sink {
	int (*literal)(struct tpl_sink *s, uint32_t index);
	/*
	 * Escaped text. raw: it may hold markup: it came from {{{ }}} or {{& }} in an HTML text place, or it
	 * is a partial's own text in such a place (the author wrote it, so links in it may be rewritten as in
	 * the message).
	 */
	int (*text)(struct tpl_sink *s, struct str bytes, bool raw);
	int (*region)(struct tpl_sink *s, uint32_t id, struct str bytes);
};

enum tpl_missing { TPL_MISSING_EMPTY, TPL_MISSING_ERROR };

struct tpl_env {
	const struct value *const
	    *layers; /* maps, highest precedence first; together they are the root context: the first
			layer that has a key with more than null or "" answers */
	size_t nlayers;
	const struct value *root; /* when not NULL: the root context as is (any type), layers ignored */
	const struct value
	    *data; /* a map, may be NULL: what {{@name}} reads beside @root @index @key @first @last */
	enum tpl_missing missing; /* ERROR: a {{x}} that resolves to nothing (null, "", missing), with no
				     default, stops the render */
	int64_t now_ms;
	const char *time_zone; /* IANA name for formatDate; NULL: UTC */
	const char *language;  /* BCP 47, for money and formatDate; NULL: en */
	size_t max_output;     /* bytes, 0: 16 MB */
	size_t max_steps;      /* nodes run, 0: 1,000,000 */
	/* Optional: told of each variable that is printed (path, value or NULL), for --explain. */
	void (*on_variable)(void *ctx, struct str path, const struct value *v);
	void *on_variable_ctx;
};

/* Scratch memory for one thread, reused from render to render. */
struct tpl_scratch;
struct tpl_scratch *tpl_scratch_new(void);
void tpl_scratch_free(struct tpl_scratch **s);

/*
 * 0; -1 with te: missing variable under TPL_MISSING_ERROR (te->text starts "missing "), limits passed, wrong
 * helper arguments, or the sink said stop (te->text empty).
 */
int tpl_render(const struct tpl *t, const struct tpl_env *env, struct tpl_sink *sink,
	       struct tpl_scratch *scratch, struct tpl_error *te);
/* The simple case: everything to one buffer. */
int tpl_render_buf(const struct tpl *t, const struct tpl_env *env, struct buf *out,
		   struct tpl_scratch *scratch, struct tpl_error *te);

#endif
