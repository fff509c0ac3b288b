/*
 * html: a tokenizer by the WHATWG states (HTML Living Standard, 13.2.5) over
 * byte ranges of the caller's buffer: no tree, linear time, no allocation but
 * the token's attribute array. Input is UTF-8 (or anything ASCII-compatible).
 *
 * Opaque ranges (template tags, found by the template scanner) are skipped as
 * if they were one letter each, wherever they stand: `<a href={{x}}>`,
 * `<td {{#if a}}class="b"{{/if}}>`, `{{#each}}` between rows. At the end of a
 * tag name, and around an attribute name, they are not part of the name, since
 * block tags render to nothing: `<a{{#if x}} …>` is an <a>, `{{#if x}}href=` is
 * an href.
 *
 * Offsets are 32-bit: of a longer input only the first 4 GB - 1 are read.
 *
 * Threads: no state; each call stands alone.
 */
#ifndef MT_HTML_HTML_H
#define MT_HTML_HTML_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"

struct html_range {
	uint32_t start, end;
};

/* ---- tokenizer ---- */

enum html_token_type { HTML_TEXT, HTML_START_TAG, HTML_END_TAG, HTML_COMMENT, HTML_DOCTYPE, HTML_CDATA };

enum html_text_kind {
	HTML_TEXT_DATA,	  /* ordinary: character references are decoded */
	HTML_TEXT_RCDATA, /* <title>, <textarea>: decoded, no tags */
	HTML_TEXT_STYLE,
	HTML_TEXT_SCRIPT,
	HTML_TEXT_RAW, /* <xmp>, <iframe>, <noembed>, <noframes>, <plaintext> */
};

struct html_attr {
	uint32_t name_start, name_end;
	uint32_t value_start, value_end; /* without quotes; start == end when empty */
	char quote;			 /* '"', '\'', 0: unquoted, '-': no value at all */
	/*
	 * An earlier attribute of the tag has the same name: parsers ignore this one. Not said across an
	 * opaque range between attributes: of `{{#if x}}href="a"{{else}}href="b"{{/if}}` either may be the
	 * one that is sent.
	 */
	bool duplicate;
};

struct html_token {
	enum html_token_type type;
	uint32_t start, end;	       /* the whole token */
	uint32_t name_start, name_end; /* tag name */
	bool self_closing;
	const struct html_attr *attrs; /* valid until the callback returns */
	uint32_t nattrs;
	/* HTML_COMMENT: the comment's data, between <!-- and --> (or what closes it); HTML_CDATA: its text */
	uint32_t data_start, data_end;
	enum html_text_kind text_kind; /* HTML_TEXT: what kind of text */
	bool foreign;		       /* inside <svg> or <math> */
};

/* Return false to stop. */
typedef bool html_token_fn(void *ctx, const struct html_token *t);

/*
 * Raw text elements (script, style, textarea, title, xmp, iframe, noembed, noframes, plaintext) switch the
 * state as the tree builder would. opaque: sorted, not overlapping; may be NULL.
 */
void
html_tokenize(struct str src, const struct html_range *opaque, size_t nopaque, html_token_fn *fn, void *ctx);

/* The same without the switch to raw text and without CDATA: what a tokenizer does that no tree builder
 * steers (test suites). */
void html_tokenize_flat(struct str src, const struct html_range *opaque, size_t nopaque, html_token_fn *fn,
			void *ctx);

/*
 * Line ends become LF and NUL becomes U+FFFD, as the input stream would be read.
 * Decodes character references as in attribute values (13.2.5.73: "&copy=" stays). Appends to out. */
void html_attr_decode(struct buf *out, struct str value);
/* The same as in text ("&copy=" becomes "©="; NUL stays). */
void html_text_decode(struct buf *out, struct str text);
/* Escapes for a double- or single-quoted attribute, or for text: & < > " ' (numeric for '). */
void html_escape(struct buf *out, struct str text);

/* ---- what mail needs to know of a document ---- */

/*
 * Where a template tag stands, for escaping. The kind of value goes before its quoting: HTML_IN_URL may be
 * unquoted (the link or url that holds it says so). An unquoted style or on… value is HTML_IN_TAG, the
 * strictest.
 */
enum html_place {
	HTML_IN_TEXT,	  /* also RCDATA: title, textarea */
	HTML_IN_ATTR,	  /* quoted attribute value */
	HTML_IN_UNQUOTED, /* unquoted attribute value */
	HTML_IN_URL,	  /* a value that is a URL (href, src, action, background, poster, cite, formaction,
			     srcset, xlink:href) */
	HTML_IN_TAG,	  /* between attributes, in a tag or attribute name */
	HTML_IN_STYLE,	  /* <style> text or quoted style="" value */
	HTML_IN_SCRIPT,	  /* <script> text, a quoted on… attribute, or srcdoc */
	HTML_IN_COMMENT,
};

struct html_link {
	uint32_t start, end; /* the href value, without quotes */
	char quote;	     /* as in html_attr */
	bool conditional;    /* inside a <!--[if …]> block */
	bool notrack; /* opted out: data-notrack, clicktracking=off, data-msys-clicktrack="0", ses:no-track,
			    mautic:disable-tracking, data-pm-no-track, mc:disable-tracking,
			 disable-tracking=true */
};

/*
 * A URL-valued attribute other than a link (img src …): values there need their scheme checked, not wrapped.
 * Each candidate of a srcset is one entry.
 */
struct html_url {
	uint32_t start, end;
	char quote;
};

struct html_doc {
	struct html_link *links; /* <a href>, <area href>, xlink:href of <a> in SVG, and v:* href inside
				    conditional comments; by offset */
	size_t nlinks;
	struct html_url *urls;
	size_t nurls;
	enum html_place *places; /* one per opaque range given */
	bool has_body_end;
	/*
	 * Offset of the last real </body> (not in comments or raw text); without one: the last </html>, or
	 * the end, or where the tag, comment or raw text element begins that is still open at the end.
	 */
	uint32_t body_end;
};

/* One pass. Memory from a. */
void html_scan(struct arena *a, struct str src, const struct html_range *opaque, size_t nopaque,
	       struct html_doc *out);

/* ---- URLs in mail ---- */

enum html_url_kind {
	HTML_URL_WEB,	   /* http: or https: with a host */
	HTML_URL_OTHER_OK, /* mailto tel sms geo webcal cid data:image/…, fragment-only, relative, empty */
	HTML_URL_UNSAFE,   /* javascript: vbscript: data: other than images, file:, or controls hiding one of
			      these */
};
/* url is already decoded (html_attr_decode). Whitespace and controls are handled as the URL standard strips
 * them. */

enum html_url_kind html_url_classify(struct str url);
/*
 * The host of an http(s) URL, without port and userinfo, as written (IPv6 with its brackets); absent when
 * there is none. Controls and spaces around the URL are passed over; a tab or line end before the end of the
 * host: absent (clean it first).
 */
struct str html_url_host(struct str url);
/* Appends url as the URL standard reads it: no controls or spaces at the ends, no tabs or line ends within.
 */
void html_url_clean(struct buf *out, struct str url);

/*
 * URLs in plain text: http:// and https:// up to the first byte that no URL has or that is sentence
 * punctuation at its end; brackets balanced. Opaque ranges count as URL characters. out[i] are ranges;
 * returns how many.
 */
size_t html_text_urls(struct arena *a, struct str text, const struct html_range *opaque, size_t nopaque,
		      struct html_range **out);

#endif
