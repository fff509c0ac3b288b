/*
 * tailor, inside: what its own files share. Nobody else includes this.
 */
#ifndef MT_TAILOR_PRIVATE_H
#define MT_TAILOR_PRIVATE_H

#include "html/html.h"
#include "mail/mail.h"
#include "score/score.h"
#include "tailor/tailor.h"
#include "template/template.h"

/* ---- compiled parts ---- */

/* What a captured region of a part is for; the region's id is its index in part->regions. */
enum region_kind {
	REGION_LINK,	   /* value of an <a href> or <area href>: may be wrapped */
	REGION_URL,	   /* value of another URL attribute with tags inside: its scheme is checked */
	REGION_TEXT_LINK,  /* a URL in a text part */
	REGION_TEXT_VALUE, /* a variable in a text part, alone between spaces: URLs in its value are whole */
	REGION_SPACE,	   /* " {{x}}" before punctuation: the space goes when x is empty, see space.c */
	REGION_PIXEL,	   /* the first byte of </body>: the pixel goes before it */
};

struct part_region {
	enum region_kind kind;
	bool literal;  /* no tags inside */
	bool wrap;     /* literal: an http(s) URL on a host that is not excluded; else: not opted out;
			  REGION_SPACE: what is inside may hold links */
	uint16_t link; /* number in its part: the same for every recipient, at most 0xfff */
	struct mail_chunk chunk; /* the region as it stood */
	struct str url;		 /* literal links: decoded */
};

/* One text part or header value, compiled for one campaign. Immutable once in the cache. */
struct part {
	struct arena *arena;
	enum mail_role role;
	struct mail_text text;
	struct tpl *tpl;
	struct mail_chunk *chunks; /* one per literal */
	struct part_region *regions;
	size_t nregions;
	bool delsp;	  /* RFC 3676: lines may be joined in the middle of a word */
	bool html, plain; /* html: escapes and pixel; neither: AMP, header */
	bool has_tags, has_links;
	bool constant; /* no tags, no links that could be wrapped: never changes but for the pixel */
	bool uses_preferences;
};

/* What the campaign lets a part of that role be. */
/* True for an http(s) URL on a host that the campaign does not exclude. */
bool part_link_wraps(const struct conf_campaign *c, struct str url);
bool part_editable(const struct conf_campaign *c, enum mail_role role);
/* Where {{> name}} comes from: mail has none; template authors have a folder. */
struct part_partials {
	bool (*find)(void *ctx, struct str name, struct str *text);
	void *ctx;
};
/*
 * Compiles body, copying it. partials may be NULL. 0; 1: the part is left alone (unknown charset …); -1:
 * template error, e->text starts with "line L, column C".
 */
int part_compile(const struct conf_campaign *c, const struct mail_part *p, struct str raw_body,
		 const struct part_partials *partials, struct part **out, struct err *e);
/* A header value (already decoded to UTF-8) as template. Rendered by render_text. */
int part_compile_header(struct str utf8, struct part **out, struct err *e);
void part_free(struct part **p);

/* ---- white space before punctuation ---- */

/* From the white space to the end of the last tag before the punctuation: tags first to last. */
struct space_run {
	uint32_t start, end;
	size_t last;
	bool raw; /* {{{x}}} is among them */
};
/* Does such a run begin at tag i? */
bool space_find(struct str s, const struct tpl_range *tags, size_t ntags, size_t i, bool html,
		struct space_run *out);
/* Length of the white space that s begins with. */
size_t space_lead(struct str s, bool html);
/* True when s shows nothing: its inline tags are then appended to out, its white space is not. */
bool space_drop(struct str s, bool html, struct buf *out);

/* ---- cache ---- */

struct cache_entry;
const struct part *cache_entry_part(const struct cache_entry *e); /* NULL: known to be left alone */
/*
 * The compiled part for (campaign, part's type, raw body), from the cache or compiled now. p == NULL: header
 * value. Returns a reference or NULL with e.
 */
struct cache_entry *cache_get(struct tailor_cache *c, const struct conf_campaign *campaign,
			      const struct mail_part *p, struct str raw, struct err *e);
void cache_release(struct tailor_cache *c, struct cache_entry **e);
/* An arm's subject, compiled; NULL: it has none, or the campaign no templates. */
const struct part *
cache_subject(const struct tailor_cache *c, const struct conf_campaign *campaign, const struct conf_arm *arm);
/* Part trees of messages that came before. */
struct mail_shapes *cache_shapes(const struct tailor_cache *c);
const struct score_rule *cache_send_if(const struct tailor_cache *c, const struct conf_campaign *campaign);

/* ---- a prepared message ---- */

struct message_part {
	const struct mail_part *where;
	struct cache_entry *entry;
	bool pixel; /* the one HTML part that gets it */
};

/* A header field with a template in it. */
struct message_header {
	const struct mail_field *field;
	struct cache_entry
	    *entry; /* unstructured: of the whole value; address fields: one per mailbox in addresses */
	struct mail_address *addresses;
	struct cache_entry **displays; /* NULL where the display name holds no tags */
	size_t naddresses;
};

struct message_data; /* data.c */

struct tailor_message {
	struct arena *arena;
	struct tailor_cache *cache;
	const struct conf *conf;
	const struct conf_campaign *campaign;
	struct mail mail;
	struct message_part *parts; /* in document order */
	size_t nparts;
	struct message_header *headers;
	size_t nheaders;
	const struct value *data;	 /* X-Mailtailor-Data, or NULL */
	struct message_data *recipients; /* the data part, or NULL */
	struct str message_id, from_domain;
	int64_t date_ms; /* of the Date field; 0: none */
	bool has_send_at, send_at_local;
	int64_t send_at_ms;	/* X-Mailtailor-Send-At, as clock_parse_moment gives it */
	const char *track_host; /* NULL: none configured */
	bool uses_preferences;
};

/* Next part in document order, or NULL. */
const struct mail_part *part_next(const struct mail_part *p);
/* Reads the merge data of the message and of its recipients. 0, or -1 as tailor_prepare says. */
int data_prepare(struct tailor_message *m, struct err *e);
void data_free(struct tailor_message *m);
/* True when there is a data part: then source_add does not give all bytes. */
bool data_is_cut(const struct tailor_message *m);
/* Appends bytes [from, to) of the message as submitted, without the data part. */
void source_add(struct buf *out, const struct tailor_message *m, size_t from, size_t to);
/*
 * True for fields that vouch for the bytes as they came: signatures, and when the body changes digest and
 * length.
 */
bool header_is_stale(struct str name, bool body_changed);

/* ---- rendering ---- */

struct tailor_scratch {
	struct mail_writer *writer;
	struct tpl_scratch *tpl;
	struct buf body;   /* the new body */
	struct buf utf8;   /* a part in the fallback, a header value */
	struct buf region; /* what a region becomes */
	struct buf url;	   /* a decoded URL */
	struct buf token;
	struct arena *arena; /* for links inside raw blocks, per block */
};

/* One copy being made. */
struct copy {
	const struct tailor_message *m;
	const struct tailor_input *in;
	struct tailor_scratch *scratch;
	struct arena *arena;
	bool track_opens, track_clicks;
	struct str unsubscribe_url, preferences_url; /* absent when there is no sealer or host */
	const struct value *layers[7];
	size_t nlayers;
	uint16_t link_base;   /* number of the part << 12, beside part_region.link */
	uint16_t block_links; /* links met in raw blocks so far; their numbers have bit 15 set */
	uint32_t
	    sent; /* seconds: the message's own Date when plausible, so that a retry gives the same tokens */
	struct value *explain_vars, *explain_links; /* NULL unless asked for */
	size_t links_wrapped, urls_refused;
};

/* Builds layers, URLs and tracking flags. */
int copy_begin(struct copy *c, struct err *e);
/* Environment for templates, from copy. */
void copy_env(struct copy *c, struct tpl_env *env);
/* Appends https://HOST/PURPOSE/TOKEN. */
int copy_token_url(struct copy *c, enum token_purpose purpose, uint16_t link, struct str url, struct buf *out,
		   struct err *e);

/* Why a part could not be rendered. */
enum render_status { RENDER_OK, RENDER_MISSING, RENDER_FAILED };

/* Renders p, a header value too, as UTF-8 text into scratch->utf8, no transfer encoding. */
enum render_status render_bare(struct copy *c, const struct part *p, struct tpl_error *te, struct err *e);
/*
 * Renders p into out (appended), transfer-encoded. *recode: the part's charset and transfer encoding changed
 * to UTF-8 / *cte, and its header must follow. RENDER_MISSING: te says which variable.
 */
enum render_status render_part(struct copy *c, const struct message_part *mp, struct buf *out, bool *recode,
			       enum mail_cte *cte, struct tpl_error *te, struct err *e);

/*
 * What a captured region becomes, appended to out; *as_it_stood instead when the region is to be copied as it
 * was written. -1: a token could not be made.
 */
int link_region(struct copy *c, const struct part *p, const struct part_region *r, struct str bytes,
		struct buf *out, bool *as_it_stood, struct err *e);
/* An HTML block from {{{ }}}: its links wrapped, unsafe ones refused; appended to out. */
int link_block(struct copy *c, struct str html, struct buf *out, struct err *e);
/* The tracking pixel, appended to out. */
int link_pixel(struct copy *c, struct buf *out, struct err *e);

/* ---- explain (--explain); nothing happens unless in->explain ---- */
void explain_begin(struct copy *c);
/* As tpl_env.on_variable wants it; ctx is the copy. */
void explain_variable(void *ctx, struct str path, const struct value *v);
void explain_link(struct copy *c, uint16_t number, struct str url, const char *what);
void explain_end(struct copy *c, struct tailor_plan *plan);

/* Header edits of a copy into plan. recoded: the root is a text part whose charset and encoding became utf-8,
 * cte. */
enum render_status headers_edit(struct copy *c, bool recoded, enum mail_cte cte, struct tailor_plan *plan,
				struct tpl_error *te, struct err *e);

#endif
