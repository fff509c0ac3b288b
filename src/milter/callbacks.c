/*
 * callbacks: what the MTA says, written down. A step for which NR was granted
 * must never answer, so trouble there is kept in the transaction and told at
 * the end of the message.
 */
#include "milter/private.h"

#include "base/clock.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include "base/log.h"

static struct session *
session_of(SMFICTX *ctx)
{
	return smfi_getpriv(ctx);
}

static sfsistat
quiet(const struct session *s, unsigned long step)
{
	return s->nr & step ? SMFIS_NOREPLY : SMFIS_CONTINUE;
}

static struct str
macro_kept(SMFICTX *ctx, struct arena *a, char *name)
{
	const char *v = smfi_getsymval(ctx, name);
	return v ? arena_str(a, str_of(v)) : STR_NULL;
}

static sfsistat
on_connect(SMFICTX *ctx, char *hostname, _SOCK_ADDR *hostaddr)
{
	struct session *s = session_of(ctx);
	char daemon_name[] = "{daemon_name}", daemon_port[] = "{daemon_port}";
	if (s == NULL)
		return SMFIS_TEMPFAIL;
	session_client(s, hostname, hostaddr);
	s->daemon_name = macro_kept(ctx, s->arena, daemon_name);
	s->daemon_port = macro_kept(ctx, s->arena, daemon_port);
	return quiet(s, SMFIP_NR_CONN);
}

static sfsistat
on_mail(SMFICTX *ctx, char **argv)
{
	struct session *s = session_of(ctx);
	s->refused = !tx_begin(s, ctx, argv);
	return quiet(s, SMFIP_NR_MAIL);
}

static sfsistat
shutting_down(SMFICTX *ctx)
{
	return reply(ctx, "451", "4.3.2", "shutting down, try again later");
}

static sfsistat
on_rcpt(SMFICTX *ctx, char **argv)
{
	struct session *s = session_of(ctx);
	struct tx *tx = &s->tx;
	bool silent = (s->nr & SMFIP_NR_RCPT) != 0; /* then trouble is told later */
	if (s->refused && !silent)
		return shutting_down(ctx);
	/* The same one again: MTAs deliver to it once. */
	if (tx->open && tx->nrecipients > 0 && str_eq(tx->to[0].address, str_of(argv[0])))
		return quiet(s, SMFIP_NR_RCPT);
	if (tx->open && tx->campaign != NULL && tx->nrecipients > 0 && !silent &&
	    !conf_splits(tx->epoch->conf, tx->campaign))
		return reply(ctx, "452", "4.5.3",
			     "campaign %s takes one recipient per transaction; send the others in further "
			     "transactions",
			     tx->campaign->name);
	if (tx->open)
		tx_recipient_add(tx, argv);
	return quiet(s, SMFIP_NR_RCPT);
}

/* LF folds become CRLF: the message is kept as it goes over the wire. */
static void
value_add(struct tx *tx, const char *value)
{
	for (const char *lf; (lf = strchr(value, '\n')) != NULL; value = lf + 1) {
		size_t n = (size_t)(lf - value);
		tx_add(tx, value, n > 0 && value[n - 1] == '\r' ? n - 1 : n);
		tx_add(tx, "\r\n", 2);
	}
	tx_add(tx, value, strlen(value));
}

static sfsistat
on_header(SMFICTX *ctx, char *name, char *value)
{
	struct session *s = session_of(ctx);
	struct tx *tx = &s->tx;
	if (tx->open) {
		tx_add(tx, name, strlen(name));
		tx_add(tx, s->leadspace ? ":" : ": ", s->leadspace ? 1 : 2);
		value_add(tx, value);
		tx_add(tx, "\r\n", 2);
	}
	return quiet(s, SMFIP_NR_HDR);
}

static const char *
macro_queue_id(SMFICTX *ctx)
{
	char queue_id[] = "i";
	const char *id = smfi_getsymval(ctx, queue_id);
	return id ? id : "NOQUEUE";
}

static sfsistat
on_end_of_header(SMFICTX *ctx)
{
	struct session *s = session_of(ctx);
	struct tx *tx = &s->tx;
	if (s->refused)
		return shutting_down(ctx);
	if (!tx->open)
		return SMFIS_CONTINUE;
	tx_match_header(s, tx);
	if (tx->own_copy) {
		log_warn("%s: one of our own copies came round again; it passes as it is",
			 macro_queue_id(ctx));
		tx_reset(tx);
		return SMFIS_ACCEPT;
	}
	/* Of a header beyond max_message the rest was not seen: it may name a campaign, so it is refused, not
	 * passed. */
	bool unseen = tx->too_large && session_trusted(s, tx->epoch->conf);
	tx->strip_only &= !unseen;
	if (!unseen && tx->campaign == NULL && !tx->strip_only && tx->bad_campaign == NULL) {
		tx_reset(tx); /* no abort is called after ACCEPT */
		return SMFIS_ACCEPT;
	}
	tx_add(tx, "\r\n", 2);
	return SMFIS_CONTINUE;
}

static sfsistat
on_body(SMFICTX *ctx, unsigned char *p, size_t n)
{
	struct session *s = session_of(ctx);
	if (s->tx.open && s->tx.campaign != NULL)
		tx_add(&s->tx, p, n);
	return quiet(s, SMFIP_NR_BODY);
}

static sfsistat
on_end_of_message(SMFICTX *ctx)
{
	struct session *s = session_of(ctx);
	int64_t began_us = clock_mono_us();
	sfsistat answer = s->tx.open ? message_finish(ctx, s) : SMFIS_CONTINUE;
	if (s->tx.open && s->tx.campaign != NULL)
		stats_message(answer, clock_mono_us() - began_us);
	tx_reset(&s->tx);
	return answer;
}

static sfsistat
on_abort(SMFICTX *ctx)
{
	struct session *s = session_of(ctx);
	if (s != NULL)
		tx_reset(&s->tx);
	return SMFIS_CONTINUE;
}

static sfsistat
on_close(SMFICTX *ctx)
{
	struct session *s = session_of(ctx);
	session_free(&s);
	smfi_setpriv(ctx, NULL);
	return SMFIS_CONTINUE;
}

static char filter_name[] = "mailtailor";

struct smfiDesc milter_callbacks = {
	.xxfi_name = filter_name,
	.xxfi_version = SMFI_VERSION,
	.xxfi_flags = SMFIF_ADDHDRS | SMFIF_CHGHDRS | SMFIF_CHGBODY | SMFIF_CHGFROM | SMFIF_SETSYMLIST,
	.xxfi_connect = on_connect,
	.xxfi_envfrom = on_mail,
	.xxfi_envrcpt = on_rcpt,
	.xxfi_header = on_header,
	.xxfi_eoh = on_end_of_header,
	.xxfi_body = on_body,
	.xxfi_eom = on_end_of_message,
	.xxfi_abort = on_abort,
	.xxfi_close = on_close,
	.xxfi_negotiate = milter_negotiate,
};
