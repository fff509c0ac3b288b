/*
 * apply: a plan becomes SMFI calls. Postfix wants one contiguous body
 * replacement and MI_SUCCESS means "sent", no more: the body goes first and
 * whole, then the header edits in their order.
 */
#include "milter/private.h"
#include "milter/wire.h"

#include <stdarg.h>
#include <stdio.h>

#include "token/job.h"

static int
header_change(SMFICTX *ctx, const char *name, int index, const char *value, bool leadspace)
{
	char text[2048], *spaced = text;
	struct buf b = { 0 };
	int rc;
	/* An empty value would delete the field. */
	if (value != NULL && value[0] == '\0' && !leadspace)
		value = " ";
	/* With LEADSPC the MTA puts nothing between colon and value: the space is ours. */
	if (value != NULL && leadspace) {
		if ((size_t)snprintf(text, sizeof(text), " %s", value) >= sizeof(text)) {
			buf_printf(&b, " %s", value);
			spaced = b.p;
		}
	} else {
		spaced = (char *)(uintptr_t)value;
	}
	rc = index > 0 ? smfi_chgheader(ctx, (char *)(uintptr_t)name, index, spaced)
		       : smfi_addheader(ctx, (char *)(uintptr_t)name, spaced);
	buf_free(&b);
	return rc == MI_SUCCESS ? 0 : -1;
}

static int
plan_send(SMFICTX *ctx, const struct tailor_plan *plan, const char *sender, const char *mark)
{
	const struct session *s = smfi_getpriv(ctx);
	if (plan->body_changed) {
		/* An empty body cannot be sent as "no chunk": libmilter would leave the old one. */
		struct str body = plan->body.n > 0 ? plan->body : STR("\r\n");
		if (body.n > INT32_MAX ||
		    smfi_replacebody(ctx, (unsigned char *)(uintptr_t)body.p, (int)body.n) != MI_SUCCESS)
			return -1;
	}
	for (size_t i = 0; i < plan->nedits; i++) {
		const struct tailor_edit *ed = &plan->edits[i];
		if (header_change(ctx, ed->name, ed->op == TAILOR_HEADER_ADD ? 0 : ed->index, ed->value,
				  s->leadspace) != 0)
			return -1;
	}
	if (mark != NULL && header_change(ctx, JOB_MARK_FIELD, 0, mark, s->leadspace) != 0)
		return -1;
	return sender == NULL || smfi_chgfrom(ctx, (char *)(uintptr_t)sender, NULL) == MI_SUCCESS ? 0 : -1;
}

int
apply_plan(SMFICTX *ctx, const struct tailor_plan *plan, const char *sender, const char *mark)
{
	/* Each edit is a write of libmilter's, and would wake the MTA for itself. */
	wire_cork();
	int rc = plan_send(ctx, plan, sender, mark);
	return wire_uncork() == 0 ? rc : -1;
}

int
apply_strip(SMFICTX *ctx, const struct tx *tx)
{
	struct mail_fields f;
	mail_fields_split(tx->arena, buf_str(&tx->bytes), &f);
	for (size_t i = f.n; i-- > 0;) {
		if (!str_casestarts(f.v[i].name, STR("X-Mailtailor-")))
			continue;
		if (header_change(ctx, arena_cstr(tx->arena, f.v[i].name), f.v[i].index, NULL, false) != 0)
			return -1;
	}
	return 0;
}

sfsistat
reply(SMFICTX *ctx, const char *code, const char *xcode, const char *fmt, ...)
{
	char text[400], safe[960] = "mailtailor: ";
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	size_t n = strlen(safe);
	/* One line of ASCII; libmilter reads % as a format and refuses CR and LF. */
	for (const char *p = text; *p != '\0' && n < sizeof(safe) - 3; p++) {
		if (*p == '%')
			safe[n++] = '%';
		safe[n++] = *p < ' ' || *p > '~' ? '?' : *p;
	}
	safe[n] = '\0';
	stats_reply(code);
	smfi_setreply(ctx, (char *)(uintptr_t)code, (char *)(uintptr_t)xcode, safe);
	return code[0] == '4' ? SMFIS_TEMPFAIL : SMFIS_REJECT;
}
