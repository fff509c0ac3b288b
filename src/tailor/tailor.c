/*
 * tailor: the whole of one copy: decide, render every part, edit the header;
 * see tailor.h. Also the copy as one message, for preview.
 */
#include "tailor/private.h"

/* Where the message's body starts: behind the empty line that ends the header. */
static size_t
body_offset(const struct mail *mail)
{
	size_t at = mail->root->head_end;
	if (at < mail->bytes.n && mail->bytes.p[at] == '\r')
		at++;
	if (at < mail->bytes.n && mail->bytes.p[at] == '\n')
		at++;
	return at;
}

struct body_state {
	bool changed, root_recoded;
	enum mail_cte root_cte;
};

static enum render_status
body_render(struct copy *c, struct body_state *st, struct tpl_error *te, struct err *e)
{
	const struct tailor_message *m = c->m;
	struct buf *out = &c->scratch->body;
	size_t at = body_offset(&m->mail);
	buf_reset(out);
	for (size_t i = 0; i < m->nparts; i++) {
		const struct message_part *mp = &m->parts[i];
		const struct mail_part *w = mp->where;
		const struct part *p = cache_entry_part(mp->entry);
		bool recode;
		enum mail_cte cte;
		/* What nothing will change is not written again: lines too long for 8bit would be recoded. */
		if (!p->has_tags && !(p->has_links && c->track_clicks) && !(mp->pixel && c->track_opens))
			continue;
		c->link_base = (uint16_t)((i < 7 ? i : 7) << 12);
		bool root = w == m->mail.root;
		size_t head_at = out->n;
		source_add(out, m, at, w->body_start);
		size_t body_at = out->n;
		enum render_status rc = render_part(c, mp, out, &recode, &cte, te, e);
		if (rc != RENDER_OK) {
			err_prefix(e, "part %s", w->path);
			return rc;
		}
		/* Of an empty part the boundary may follow at once: it needs a line of its own. */
		if (out->n > body_at && w->body_end < m->mail.bytes.n && m->mail.bytes.p[w->body_end] == '-')
			buf_adds(out, str_of(p->text.eol));
		/* Many parts of one long value: bounded like a message. */
		if (out->n > m->mail.bytes.n + (size_t)m->conf->milter.max_message) {
			err_set(e, ERR_LIMIT, "part %s: the copy is larger than max_message (%lld bytes)",
				w->path, (long long)m->conf->milter.max_message);
			return RENDER_FAILED;
		}
		if (recode && root) {
			st->root_recoded = true;
			st->root_cte = cte;
		} else if (recode) {
			/* Header first, then the body that was just written: put it aside. */
			struct str body = arena_str(c->arena, str_sub(buf_str(out), body_at, out->n));
			struct str head = str_sub(m->mail.bytes, w->head_start, w->head_end);
			out->n = head_at;
			source_add(out, m, at, w->head_start);
			mail_part_header_recode(out, head, "utf-8", cte, p->text.eol);
			buf_adds(out, str_sub(m->mail.bytes, w->head_end, w->body_start));
			buf_adds(out, body);
		}
		at = w->body_end;
		st->changed = true;
	}
	st->changed |= data_is_cut(m);
	if (st->changed)
		source_add(out, m, at, m->mail.bytes.n);
	return RENDER_OK;
}

static void
plan_missing(struct copy *c, const struct tpl_error *te, const struct err *e, struct tailor_plan *plan)
{
	plan->decision.verdict = TAILOR_REFUSE;
	plan->decision.reason = "missing";
	/* e holds "part 1.2: …" or "header Subject: …", where. */
	plan->decision.text =
	    arena_printf(c->arena, "%s%s (line %d, column %d)", e->text, te->text, te->line, te->column);
}

int
tailor_render(const struct tailor_message *m, const struct tailor_input *in, struct tailor_scratch *scratch,
	      struct arena *a, struct tailor_plan *plan, struct err *e)
{
	struct copy c = { .m = m, .in = in, .scratch = scratch, .arena = a };
	struct body_state st = { 0 };
	struct tpl_error te = { 0 };
	struct err where = { 0 };
	*plan = (struct tailor_plan){ 0 };
	tailor_decide(m, in, a, &plan->decision);
	if (plan->decision.verdict != TAILOR_SEND && !in->explain)
		return 0;
	if (copy_begin(&c, e) != 0)
		return -1;
	if (plan->decision.verdict == TAILOR_SEND) {
		enum render_status rc = body_render(&c, &st, &te, &where);
		plan->body_changed = st.changed;
		plan->body = buf_str(&scratch->body);
		if (rc == RENDER_OK)
			rc = headers_edit(&c, st.root_recoded, st.root_cte, plan, &te, &where);
		if (rc == RENDER_FAILED)
			return err_set(e, where.kind ? where.kind : ERR_BUG, "%s", where.text);
		if (rc == RENDER_MISSING)
			plan_missing(&c, &te, &where, plan);
	}
	explain_end(&c, plan);
	return 0;
}

/* ---- the copy as a message ---- */

static const char *
line_end(const struct mail *mail)
{
	size_t lf = str_find_char(mail->bytes, '\n');
	return lf > 0 && lf < mail->bytes.n && mail->bytes.p[lf - 1] == '\r' ? "\r\n" : "\n";
}

static void
field_write(struct buf *out, struct str name, struct str value, const char *eol)
{
	buf_adds(out, name);
	buf_addc(out, ':');
	if (value.n == 0 || (value.p[0] != ' ' && value.p[0] != '\t'))
		buf_addc(out, ' ');
	for (size_t i = 0; i < value.n; i++) {
		if (value.p[i] == '\n')
			buf_adds(out, str_of(eol));
		else if (value.p[i] != '\r')
			buf_addc(out, value.p[i]);
	}
	buf_adds(out, str_of(eol));
}

static const struct tailor_edit *
edit_for(const struct tailor_plan *plan, const struct mail_field *f)
{
	for (size_t i = 0; i < plan->nedits; i++)
		if (plan->edits[i].op != TAILOR_HEADER_ADD && plan->edits[i].index == f->index &&
		    str_caseeq(str_of(plan->edits[i].name), f->name))
			return &plan->edits[i];
	return NULL;
}

void
tailor_write(const struct tailor_message *m, const struct tailor_plan *plan, struct buf *out)
{
	const char *eol = line_end(&m->mail);
	const struct mail_fields *f = &m->mail.root->fields;
	for (size_t i = 0; i < f->n; i++) {
		const struct tailor_edit *ed = edit_for(plan, &f->v[i]);
		if (ed == NULL) {
			/* untouched fields keep their bytes, folds and all */
			buf_adds(out, f->v[i].name);
			buf_addc(out, ':');
			buf_adds(out, f->v[i].value);
			buf_adds(out, str_of(eol));
		} else if (ed->op == TAILOR_HEADER_CHANGE) {
			field_write(out, f->v[i].name, str_of(ed->value), eol);
		}
	}
	for (size_t i = 0; i < plan->nedits; i++)
		if (plan->edits[i].op == TAILOR_HEADER_ADD)
			field_write(out, str_of(plan->edits[i].name), str_of(plan->edits[i].value), eol);
	buf_adds(out, str_of(eol));
	buf_adds(out, plan->body_changed ? plan->body
					 : str_sub(m->mail.bytes, body_offset(&m->mail), m->mail.bytes.n));
}
