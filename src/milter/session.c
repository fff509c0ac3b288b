/*
 * session: a connection and its transaction; which campaign a message is.
 */
#include "milter/private.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "token/job.h"

#define KEEP_BUFFER (1u << 20)
#define MARK_LIFETIME_S ((int64_t)30 * 86400)

static const uint8_t loopback[16] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1 };

struct session *
session_new(void)
{
	struct session *s = calloc(1, sizeof(*s));
	if (s == NULL)
		return NULL;
	s->arena = arena_new(512);
	memcpy(s->client, loopback, sizeof(s->client));
	atomic_fetch_add(&milter_service.sessions, 1);
	return s;
}

void
session_free(struct session **sp)
{
	struct session *s = *sp;
	if (s == NULL)
		return;
	tx_reset(&s->tx);
	buf_free(&s->tx.bytes);
	arena_free(&s->arena);
	free(s);
	*sp = NULL;
	atomic_fetch_sub(&milter_service.sessions, 1);
}

/*
 * AF_UNIX, or no address and the name localhost: a local submission (sendmail -bs), which comes from this
 * machine. Postfix has no address either when XCLIENT says that it is unknown; the name is then another.
 */
void
session_client(struct session *s, const char *hostname, const void *sockaddr)
{
	const struct sockaddr *sa = sockaddr;
	memcpy(s->client, loopback, sizeof(s->client));
	if (sa == NULL && (hostname == NULL || strcasecmp(hostname, "localhost") != 0))
		memset(s->client, 0, sizeof(s->client));
	if (sa != NULL && sa->sa_family == AF_INET)
		memcpy(s->client + 12, &((const struct sockaddr_in *)sockaddr)->sin_addr, 4);
	if (sa != NULL && sa->sa_family == AF_INET6)
		memcpy(s->client, &((const struct sockaddr_in6 *)sockaddr)->sin6_addr, 16);
}

bool
session_trusted(const struct session *s, const struct conf *c)
{
	return conf_trusts(c, s->client) || (s->authenticated && c->milter.trust_authenticated);
}

struct str
without_brackets(struct str s)
{
	if (s.n >= 2 && s.p[0] == '<' && s.p[s.n - 1] == '>')
		return str_sub(s, 1, s.n - 1);
	return s;
}

static struct str
macro(SMFICTX *ctx, char *name)
{
	return str_of(smfi_getsymval(ctx, name));
}

/* The value of an ESMTP parameter like RET=HDRS, or of a bare one ("") when it is there; else absent. */
static struct str
parameter(char **argv, struct str name)
{
	for (size_t i = 1; argv[0] != NULL && argv[i] != NULL; i++) {
		struct str p = str_of(argv[i]);
		if (!str_casestarts(p, name))
			continue;
		if (p.n == name.n)
			return STR("");
		if (p.p[name.n] == '=')
			return str_sub(p, name.n + 1, p.n);
	}
	return STR_NULL;
}

static struct str
parameter_kept(struct tx *tx, char **argv, struct str name)
{
	struct str v = parameter(argv, name);
	return v.n > 0 ? arena_str(tx->arena, v) : STR("");
}

void
tx_recipient_add(struct tx *tx, char **argv)
{
	if (tx->nrecipients++ >= TX_MAX_RECIPIENTS)
		return;
	if (tx->nrecipients > tx->room) {
		size_t room = tx->room > 0 ? tx->room * 4 : 1;
		struct tx_recipient *to = ARENA_ARRAY(tx->arena, struct tx_recipient, room);
		if (tx->room > 0)
			memcpy(to, tx->to, tx->room * sizeof(*to));
		tx->to = to;
		tx->room = room;
	}
	tx->to[tx->nrecipients - 1] = (struct tx_recipient){
		.address = arena_str(tx->arena, str_of(argv[0])),
		.notify = parameter_kept(tx, argv, STR("NOTIFY")),
		.orcpt = parameter_kept(tx, argv, STR("ORCPT")),
	};
}

bool
tx_begin(struct session *s, SMFICTX *ctx, char **argv)
{
	struct tx *tx = &s->tx;
	char auth[] = "{auth_authen}";
	tx_reset(tx);
	/* Counted before looking: who stops us looks at the count after saying so. */
	atomic_fetch_add(&milter_service.running, 1);
	if (atomic_load(&milter_service.stopping)) {
		atomic_fetch_sub(&milter_service.running, 1);
		return false;
	}
	tx->open = true;
	tx->epoch = service_epoch();
	tx->arena = arena_new(1024);
	tx->sender = arena_str(tx->arena, without_brackets(str_of(argv[0])));
	tx->ret = parameter_kept(tx, argv, STR("RET"));
	tx->envid = parameter_kept(tx, argv, STR("ENVID"));
	tx->eightbit = str_caseeq(parameter(argv, STR("BODY")), STR("8BITMIME"));
	tx->smtputf8 = parameter(argv, STR("SMTPUTF8")).p != NULL;
	s->authenticated = macro(ctx, auth).n > 0;
	tx->campaign = tx_match_envelope(s, tx);
	tx->by_envelope = tx->campaign != NULL;
	return true;
}

void
tx_reset(struct tx *tx)
{
	struct buf bytes = tx->bytes;
	if (!tx->open)
		return;
	arena_free(&tx->arena);
	epoch_unref(&tx->epoch);
	if (bytes.cap > KEEP_BUFFER)
		buf_free(&bytes);
	buf_reset(&bytes);
	*tx = (struct tx){ .bytes = bytes };
	atomic_fetch_sub(&milter_service.running, 1);
}

bool
tx_add(struct tx *tx, const void *p, size_t n)
{
	size_t max = (size_t)tx->epoch->conf->milter.max_message;
	if (tx->too_large || n > max || tx->bytes.n > max - n) {
		tx->too_large = true;
		return false;
	}
	buf_add(&tx->bytes, p, n);
	return true;
}

/* "user@domain", or "@domain" for a whole domain. The local part counts as it is, the domain in any case. */
static bool
sender_fits(struct str sender, struct str rule)
{
	size_t at = sender.n;
	while (at > 0 && sender.p[at - 1] != '@')
		at--;
	if (at == 0)
		return false;
	struct str domain = str_sub(sender, at - 1, sender.n);
	if (rule.n > 0 && rule.p[0] == '@')
		return str_caseeq(domain, rule);
	return rule.n > domain.n && str_caseeq(str_sub(rule, rule.n - domain.n, rule.n), domain) &&
	       str_eq(str_sub(rule, 0, rule.n - domain.n), str_sub(sender, 0, at - 1));
}

static bool
listed(const struct conf_list *l, struct str s)
{
	for (size_t i = 0; s.n > 0 && i < l->n; i++)
		if (str_caseeq(str_of(l->v[i]), s))
			return true;
	return false;
}

const struct conf_campaign *
tx_match_envelope(const struct session *s, const struct tx *tx)
{
	const struct conf *c = tx->epoch->conf;
	if (!session_trusted(s, c))
		return NULL;
	for (size_t i = 0; i < c->ncampaigns; i++) {
		const struct conf_campaign *k = &c->campaigns[i];
		if (listed(&k->match_listener, s->daemon_name) || listed(&k->match_listener, s->daemon_port))
			return k;
		for (size_t r = 0; r < k->match_sender.n; r++)
			if (sender_fits(tx->sender, str_of(k->match_sender.v[r])))
				return k;
	}
	return NULL;
}

static const struct conf_campaign *
match_from(const struct tx *tx, const struct mail_fields *f)
{
	const struct conf *c = tx->epoch->conf;
	const struct mail_field *from = mail_fields_find(f, STR("From"));
	struct mail_address a;
	/* Bounces and automatic replies come from the domain too (RFC 5321, 4.5.5); a campaign they are not.
	 */
	if (tx->sender.n == 0)
		return NULL;
	if (from == NULL || mail_addresses(tx->arena, from->value, &a, 1) != 1)
		return NULL;
	struct str domain = mail_address_domain(tx->arena, a.addr);
	for (size_t i = 0; i < c->ncampaigns; i++)
		if (listed(&c->campaigns[i].match_from_domain, domain))
			return &c->campaigns[i];
	return NULL;
}

/* The campaign that the header names; two names are a mistake, as two sets of merge data are. */
static void
match_named(struct tx *tx, const struct mail_fields *f, struct str name)
{
	tx->campaign = conf_campaign_find(tx->epoch->conf, name);
	tx->by_envelope = false;
	tx->bad_name = arena_cstr(tx->arena, str_cut(name, 64));
	if (tx->campaign == NULL) {
		const char *near = conf_campaign_nearest(tx->epoch->conf, name);
		tx->bad_campaign =
		    arena_printf(
			tx->arena, "no campaign \"%s\" is configured%s%s%s; check X-Mailtailor-Campaign",
			tx->bad_name, near ? " (did you mean \"" : "", near ? near : "", near ? "\"?)" : "")
			.p;
	}
	for (size_t i = 0; i < f->n; i++)
		if (str_caseeq(f->v[i].name, STR("X-Mailtailor-Campaign")) &&
		    !str_eq(str_trim(f->v[i].value), name)) {
			tx->campaign = NULL;
			tx->bad_campaign = "X-Mailtailor-Campaign: there are two; name one campaign";
		}
}

/* A mark of ours, as long as a copy can be under way. */
static bool
mark_fits(const struct tx *tx, struct str value)
{
	uint8_t idem[16];
	int64_t at_s, now_s = clock_now_ms() / 1000;
	return tx->epoch->keys != NULL && job_mark_verify(tx->epoch->keys, value, idem, &at_s) &&
	       now_s - at_s < MARK_LIFETIME_S;
}

/* Merge data or a time, and no campaign that they could be for: the template itself would go out. */
static const char *
unclaimed(const struct tx *tx, const struct mail_fields *f)
{
	static const char *const fields[] = { "X-Mailtailor-Data", "X-Mailtailor-Send-At" };
	if (tx->campaign != NULL || tx->sender.n == 0) /* without a sender: as in match_from */
		return NULL;
	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
		if (mail_fields_find(f, str_of(fields[i])) != NULL)
			return arena_printf(
				   tx->arena,
				   "%s is for campaign mail, and no campaign fits this message: name "
				   "one in X-Mailtailor-Campaign, or give one a match rule that fits",
				   fields[i])
			    .p;
	return NULL;
}

void
tx_match_header(const struct session *s, struct tx *tx)
{
	const struct conf *c = tx->epoch->conf;
	struct mail_fields f;
	size_t ours = 0;
	bool marked = false;
	mail_fields_split(tx->arena, buf_str(&tx->bytes), &f);
	for (size_t i = 0; i < f.n; i++) {
		ours += str_casestarts(f.v[i].name, STR("X-Mailtailor-"));
		marked |= str_caseeq(f.v[i].name, STR(JOB_MARK_FIELD)) && mark_fits(tx, f.v[i].value);
	}
	/* A copy of ours has its mark and no other of our fields. Who got one may put its mark on mail of his
	 * own, but smuggles nothing past us that a mailtailor further on would obey. */
	tx->own_copy = marked && ours == 1;
	if (tx->own_copy)
		return;
	if (!session_trusted(s, c)) {
		tx->strip_only = ours > 0;
		return;
	}
	tx->bad_campaign = tailor_fields_doubtful(tx->arena, &f);
	if (tx->bad_campaign != NULL)
		return;
	const struct mail_field *named = mail_fields_find(&f, STR("X-Mailtailor-Campaign"));
	if (named != NULL) {
		match_named(tx, &f, str_trim(named->value));
		return;
	}
	if (tx->campaign == NULL)
		tx->campaign = match_from(tx, &f);
	tx->bad_campaign = unclaimed(tx, &f);
	tx->strip_only = ours > 0 && tx->campaign == NULL && tx->bad_campaign == NULL;
}
