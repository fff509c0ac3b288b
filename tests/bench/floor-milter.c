/*
 * floor-milter: the least that any milter pays which replaces the body. The benchmark's yardstick.
 *
 *     floor-milter SOCKET
 *
 * Like mailtailord it skips the steps it decides nothing from and takes no replies where the MTA offers that;
 * it keeps the body, sends the same bytes back, adds four header fields, and does nothing else.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <libmilter/mfapi.h>

#define STEPS_SKIPPED (SMFIP_NOHELO | SMFIP_NOUNKNOWN | SMFIP_NODATA)
#define STEPS_QUIET (SMFIP_NR_CONN | SMFIP_NR_MAIL | SMFIP_NR_RCPT | SMFIP_NR_HDR | SMFIP_NR_BODY)

struct session {
	unsigned long nr;
	unsigned char *body;
	size_t n, cap;
};

static sfsistat
quiet(SMFICTX *ctx, unsigned long step)
{
	const struct session *s = smfi_getpriv(ctx);
	return s->nr & step ? SMFIS_NOREPLY : SMFIS_CONTINUE;
}

static sfsistat
on_negotiate(SMFICTX *ctx, unsigned long f0, unsigned long f1, unsigned long f2, unsigned long f3,
	     unsigned long *pf0, unsigned long *pf1, unsigned long *pf2, unsigned long *pf3)
{
	struct session *s = calloc(1, sizeof *s);
	(void)f0;
	(void)f2;
	(void)f3;
	if (s == NULL || smfi_setpriv(ctx, s) != MI_SUCCESS) {
		free(s);
		return SMFIS_REJECT;
	}
	*pf0 = SMFIF_ADDHDRS | SMFIF_CHGBODY;
	*pf1 = f1 & (STEPS_SKIPPED | STEPS_QUIET | SMFIP_HDR_LEADSPC);
	*pf2 = *pf3 = 0;
	s->nr = *pf1 & STEPS_QUIET;
	return SMFIS_CONTINUE;
}

static sfsistat
on_connect(SMFICTX *ctx, char *name, _SOCK_ADDR *address)
{
	(void)name;
	(void)address;
	return quiet(ctx, SMFIP_NR_CONN);
}

static sfsistat
on_mail(SMFICTX *ctx, char **argv)
{
	struct session *s = smfi_getpriv(ctx);
	(void)argv;
	s->n = 0;
	return quiet(ctx, SMFIP_NR_MAIL);
}

static sfsistat
on_rcpt(SMFICTX *ctx, char **argv)
{
	(void)argv;
	return quiet(ctx, SMFIP_NR_RCPT);
}

static sfsistat
on_header(SMFICTX *ctx, char *name, char *value)
{
	(void)name;
	(void)value;
	return quiet(ctx, SMFIP_NR_HDR);
}

static sfsistat
on_end_of_header(SMFICTX *ctx)
{
	(void)ctx;
	return SMFIS_CONTINUE;
}

static sfsistat
on_body(SMFICTX *ctx, unsigned char *p, size_t n)
{
	struct session *s = smfi_getpriv(ctx);
	if (s->cap - s->n < n) {
		s->cap = (s->n + n) * 2;
		s->body = realloc(s->body, s->cap);
		if (s->body == NULL)
			abort();
	}
	memcpy(s->body + s->n, p, n);
	s->n += n;
	return quiet(ctx, SMFIP_NR_BODY);
}

static sfsistat
on_end_of_message(SMFICTX *ctx)
{
	static char name[] = "X-Floor", value[] = " the same body, and four header fields";
	const struct session *s = smfi_getpriv(ctx);
	if (smfi_replacebody(ctx, s->body, (int)s->n) != MI_SUCCESS)
		return SMFIS_TEMPFAIL;
	for (int i = 0; i < 4; i++)
		if (smfi_addheader(ctx, name, value) != MI_SUCCESS)
			return SMFIS_TEMPFAIL;
	return SMFIS_CONTINUE;
}

static sfsistat
on_close(SMFICTX *ctx)
{
	struct session *s = smfi_getpriv(ctx);
	if (s != NULL)
		free(s->body);
	free(s);
	smfi_setpriv(ctx, NULL);
	return SMFIS_CONTINUE;
}

static char filter_name[] = "floor";

static struct smfiDesc callbacks = {
	.xxfi_name = filter_name,
	.xxfi_version = SMFI_VERSION,
	.xxfi_flags = SMFIF_ADDHDRS | SMFIF_CHGBODY,
	.xxfi_connect = on_connect,
	.xxfi_envfrom = on_mail,
	.xxfi_envrcpt = on_rcpt,
	.xxfi_header = on_header,
	.xxfi_eoh = on_end_of_header,
	.xxfi_body = on_body,
	.xxfi_eom = on_end_of_message,
	.xxfi_close = on_close,
	.xxfi_negotiate = on_negotiate,
};

int
main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: floor-milter SOCKET\n");
		return 64;
	}
	umask(0); /* the MTA's user must be able to connect */
	if (smfi_register(callbacks) != MI_SUCCESS || smfi_setconn(argv[1]) != MI_SUCCESS) {
		fprintf(stderr, "floor-milter: cannot use %s\n", argv[1]);
		return 1;
	}
	return smfi_main() == MI_SUCCESS ? 0 : 1;
}
