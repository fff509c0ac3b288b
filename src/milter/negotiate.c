/*
 * negotiate: what is asked of the MTA. Steps from which nothing is decided are
 * skipped; where offered, the MTA need not wait for our answer (NR), which is
 * what makes a filter cheap (see contrib/PERFORMANCE.md for figures).
 *
 * SMFIP_NO* bits are ORed into a table of the whole process by libmilter
 * 8.17, so the same set is asked for every time.
 */
#include "milter/private.h"

#include "base/log.h"

#ifndef SMFIP_HDR_LEADSPC
#error "libmilter is too old: protocol 6 (Sendmail 8.14) is needed"
#endif

#define ACTIONS_NEEDED (SMFIF_ADDHDRS | SMFIF_CHGHDRS | SMFIF_CHGBODY | SMFIF_CHGFROM)
#define STEPS_SKIPPED (SMFIP_NOHELO | SMFIP_NOUNKNOWN | SMFIP_NODATA)
#define STEPS_QUIET (SMFIP_NR_CONN | SMFIP_NR_HDR | SMFIP_NR_BODY | SMFIP_NR_MAIL)

/*
 * A further recipient can be refused at RCPT only when sender or listener name the campaign. Where no
 * campaign without a spool asks for that, RCPT needs no answer either, and everything up to the end of the
 * header comes in one go: two thread switches less on each side. Sessions that were open at a reload keep
 * what they have and refuse at the end of the message.
 */
static unsigned long
steps_quiet(void)
{
	struct epoch *e = service_epoch();
	const struct conf *c = e->conf;
	unsigned long steps = STEPS_QUIET | SMFIP_NR_RCPT;
	for (size_t i = 0; i < c->ncampaigns; i++)
		if (!conf_splits(c, &c->campaigns[i]) &&
		    (c->campaigns[i].match_sender.n > 0 || c->campaigns[i].match_listener.n > 0))
			steps = STEPS_QUIET;
	epoch_unref(&e);
	return steps;
}

/* smfi_setsymlist wants writable strings. */
static void
ask_macros(SMFICTX *ctx)
{
	static char on_connect[] = "j _ {daemon_name} {daemon_addr} {daemon_port}";
	static char on_mail[] = "i {auth_type} {auth_authen} {auth_author} {mail_addr}";
	static char on_eom[] = "i";
	smfi_setsymlist(ctx, SMFIM_CONNECT, on_connect);
	smfi_setsymlist(ctx, SMFIM_ENVFROM, on_mail);
	smfi_setsymlist(ctx, SMFIM_EOM, on_eom);
}

sfsistat
milter_negotiate(SMFICTX *ctx, unsigned long f0, unsigned long f1, unsigned long f2, unsigned long f3,
		 unsigned long *pf0, unsigned long *pf1, unsigned long *pf2, unsigned long *pf3)
{
	(void)f2;
	(void)f3;
	*pf0 = ACTIONS_NEEDED | (f0 & SMFIF_SETSYMLIST);
	*pf1 = f1 & (STEPS_SKIPPED | steps_quiet() | SMFIP_HDR_LEADSPC);
	*pf2 = 0;
	*pf3 = 0;
	if ((f0 & ACTIONS_NEEDED) != ACTIONS_NEEDED) {
		log_error(
		    "the MTA does not allow changing headers, body and sender (it offers %#lx, needed are "
		    "%#lx); check its "
		    "milter settings",
		    f0, (unsigned long)ACTIONS_NEEDED);
		return SMFIS_REJECT;
	}
	struct session *s = session_new();
	if (s == NULL || smfi_setpriv(ctx, s) != MI_SUCCESS) {
		session_free(&s);
		return SMFIS_REJECT;
	}
	s->nr = *pf1 & (STEPS_QUIET | SMFIP_NR_RCPT);
	s->leadspace = (*pf1 & SMFIP_HDR_LEADSPC) != 0;
	if (f0 & SMFIF_SETSYMLIST)
		ask_macros(ctx);
	return SMFIS_CONTINUE;
}
