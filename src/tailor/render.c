/*
 * render: one part or header value for one copy. Literals go through as they
 * stood; new text is encoded for where it lands. When the text does not fit
 * the part's charset or lines, the whole part is rendered again as UTF-8 and
 * encoded anew (the fallback), and its header says so.
 */
#include "tailor/private.h"

#include <stdlib.h>

struct part_sink {
	struct tpl_sink sink;
	struct copy *c;
	const struct part *p;
	bool pixel; /* still to be written */
	bool whole; /* the fallback: UTF-8 into scratch->utf8 */
	bool misfit, failed;
	struct err *e;
};

struct tailor_scratch *
tailor_scratch_new(void)
{
	struct tailor_scratch *s = calloc(1, sizeof(*s));
	if (s == NULL)
		abort();
	s->writer = mail_writer_new();
	s->tpl = tpl_scratch_new();
	s->arena = arena_new(4096);
	return s;
}

void
tailor_scratch_free(struct tailor_scratch **sp)
{
	struct tailor_scratch *s = *sp;
	if (s == NULL)
		return;
	mail_writer_free(&s->writer);
	tpl_scratch_free(&s->tpl);
	buf_free(&s->body);
	buf_free(&s->utf8);
	buf_free(&s->region);
	buf_free(&s->url);
	buf_free(&s->token);
	arena_free(&s->arena);
	free(s);
	*sp = NULL;
}

static int
put_text(struct part_sink *s, struct str text)
{
	if (s->whole) {
		buf_adds(&s->c->scratch->utf8, text);
		return 0;
	}
	s->misfit = mail_writer_text(s->c->scratch->writer, text) != MAIL_OK;
	return s->misfit ? -1 : 0;
}

static int
put_chunk(struct part_sink *s, const struct mail_chunk *chunk)
{
	if (s->whole) {
		buf_adds(&s->c->scratch->utf8, chunk->utf8);
		return 0;
	}
	s->misfit = mail_writer_chunk(s->c->scratch->writer, chunk) != MAIL_OK;
	return s->misfit ? -1 : 0;
}

static int
put_pixel(struct part_sink *s)
{
	struct buf *b = &s->c->scratch->region;
	if (!s->pixel)
		return 0;
	s->pixel = false;
	buf_reset(b);
	if (link_pixel(s->c, b, s->e) != 0) {
		s->failed = true;
		return -1;
	}
	return put_text(s, buf_str(b));
}

static int
sink_literal(struct tpl_sink *sink, uint32_t index)
{
	struct part_sink *s = (struct part_sink *)sink;
	return put_chunk(s, &s->p->chunks[index]);
}

static int
sink_text(struct tpl_sink *sink, struct str bytes, bool raw)
{
	struct part_sink *s = (struct part_sink *)sink;
	struct buf *b = &s->c->scratch->region;
	if (!raw || !s->p->html)
		return put_text(s, bytes);
	buf_reset(b);
	if (link_block(s->c, bytes, b, s->e) != 0) {
		s->failed = true;
		return -1;
	}
	return put_text(s, buf_str(b));
}

static int
sink_region(struct tpl_sink *sink, uint32_t id, struct str bytes)
{
	struct part_sink *s = (struct part_sink *)sink;
	const struct part_region *r = &s->p->regions[id];
	struct buf *b = &s->c->scratch->region;
	bool as_it_stood;
	if (r->kind == REGION_PIXEL && put_pixel(s) != 0)
		return -1;
	buf_reset(b);
	if (link_region(s->c, s->p, r, bytes, b, &as_it_stood, s->e) != 0) {
		s->failed = true;
		return -1;
	}
	return as_it_stood ? put_chunk(s, &r->chunk) : put_text(s, buf_str(b));
}

void
copy_env(struct copy *c, struct tpl_env *env)
{
	*env = (struct tpl_env){
		.layers = c->layers,
		.nlayers = c->nlayers,
		.missing =
		    c->m->campaign->missing == CONF_MISSING_HOLD ? TPL_MISSING_ERROR : TPL_MISSING_EMPTY,
		.now_ms = c->in->now_ms,
		.time_zone = c->in->recipient->time_zone,
		.language = c->in->recipient->language,
	};
	if (c->explain_vars != NULL) {
		env->on_variable = explain_variable;
		env->on_variable_ctx = c;
	}
}

/* Why tpl_render stopped. */
static enum render_status
stopped(const struct part_sink *s, const struct tpl_error *te, struct err *e)
{
	if (s->failed)
		return RENDER_FAILED;
	if (str_starts(str_of(te->text), STR("missing ")))
		return RENDER_MISSING;
	err_set(e, ERR_INPUT, "line %d, column %d: %s", te->line, te->column, te->text);
	return RENDER_FAILED;
}

static enum render_status
render_once(struct part_sink *s, struct tpl_error *te, struct err *e)
{
	struct tpl_env env;
	copy_env(s->c, &env);
	if (tpl_render(s->p->tpl, &env, &s->sink, s->c->scratch->tpl, te) == 0 && put_pixel(s) == 0)
		return RENDER_OK;
	return s->misfit ? RENDER_OK : stopped(s, te, e);
}

/* Does the part's new body in out hold a line that would end it? */
static bool
delimits(const struct copy *c, const struct message_part *mp, const struct buf *out, size_t start)
{
	return mail_part_delimits(&c->m->mail, mp->where, str_sub(buf_str(out), start, out->n));
}

enum render_status
render_part(struct copy *c, const struct message_part *mp, struct buf *out, bool *recode, enum mail_cte *cte,
	    struct tpl_error *te, struct err *e)
{
	const struct part *p = cache_entry_part(mp->entry);
	bool pixel = mp->pixel && c->track_opens;
	struct part_sink s = {
		.sink = { .literal = sink_literal, .text = sink_text, .region = sink_region },
		.c = c,
		.p = p,
		.pixel = pixel,
		.e = e,
	};
	size_t start = out->n, links_wrapped = c->links_wrapped, urls_refused = c->urls_refused;
	uint16_t block_links = c->block_links;
	*recode = false;
	mail_writer_begin(c->scratch->writer, out, &p->text);
	enum render_status rc = render_once(&s, te, e);
	if (rc != RENDER_OK)
		return rc;
	if (!s.misfit && mail_writer_end(c->scratch->writer) == MAIL_OK && !delimits(c, mp, out, start))
		return RENDER_OK;
	/* The fallback. What the first pass wrote and counted is taken back. */
	out->n = start;
	c->links_wrapped = links_wrapped;
	c->urls_refused = urls_refused;
	c->block_links = block_links;
	s.whole = true;
	s.misfit = false;
	s.pixel = pixel;
	buf_reset(&c->scratch->utf8);
	rc = render_once(&s, te, e);
	if (rc != RENDER_OK)
		return rc;
	mail_encode_whole(out, buf_str(&c->scratch->utf8), p->text.eol, cte);
	if (delimits(c, mp, out, start)) {
		out->n = start;
		*cte = MAIL_CTE_BASE64;
		mail_encode_base64(out, buf_str(&c->scratch->utf8), p->text.eol);
	}
	*recode = true;
	return RENDER_OK;
}

enum render_status
render_bare(struct copy *c, const struct part *p, struct tpl_error *te, struct err *e)
{
	struct part_sink s = {
		.sink = { .literal = sink_literal, .text = sink_text, .region = sink_region },
		.c = c,
		.p = p,
		.whole = true,
		.e = e,
	};
	buf_reset(&c->scratch->utf8);
	return render_once(&s, te, e);
}
