/*
 * preview: one template without a mail around it, by the same code that makes
 * copies: a part of a message that consists of nothing else.
 */
#include "tailor/private.h"

static struct part *
compile(const struct tailor_template *t, const struct conf_campaign *c, struct err *e)
{
	struct mail_part mp = { .cte = MAIL_CTE_8BIT, .charset = STR("utf-8") };
	struct part_partials partials = { t->partial, t->partial_ctx };
	struct part *p = NULL;
	if (t->as == TAILOR_AS_HEADER)
		return part_compile_header(t->source, &p, e) == 0 ? p : NULL;
	mp.role = t->as == TAILOR_AS_HTML ? MAIL_ROLE_HTML : MAIL_ROLE_TEXT;
	return part_compile(c, &mp, t->source, t->partial ? &partials : NULL, &p, e) == 0 ? p : NULL;
}

int
tailor_render_template(const struct tailor_template *t, struct tailor_scratch *scratch, struct buf *out,
		       struct err *e)
{
	struct conf_campaign campaign = { .name = "preview", .category = "preview", .templates = true };
	struct recipient_snapshot nobody = { .language = t->language, .time_zone = t->time_zone };
	struct tailor_message m = { .campaign = &campaign };
	struct tailor_input in = { .recipient = &nobody, .now_ms = t->now_ms };
	struct tpl_error te = { 0 };
	struct part *p = compile(t, &campaign, e);
	if (p == NULL)
		return -1;
	struct copy c = { .m = &m, .in = &in, .scratch = scratch, .layers = { t->data }, .nlayers = 1 };
	enum render_status rc = render_bare(&c, p, &te, e);
	part_free(&p);
	if (rc != RENDER_OK)
		return -1;
	buf_adds(out, buf_str(&scratch->utf8));
	return 0;
}
