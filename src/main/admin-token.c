/* mailtailor token: what a token or return path says, for the admin who holds the key ring. */
#include <getopt.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "main/admin.h"
#include "token/token.h"
#include "token/verp.h"

static const char usage[] =
    "usage: mailtailor token show TOKEN|URL|ADDRESS [-c CONF | --file FILE] [--json]\n"
    "\n"
    "Opens a token with the key ring and prints what it says: purpose, campaign, category, arm,\n"
    "recipient hash, copy, link number and target, when the copy was sent, when it expires.\n"
    "In a URL the token is what follows /c/ (click), /o/ (open), /u/ (unsubscribe) or /p/ (preferences);\n"
    "a bare token is tried as each of them. An ADDRESS is the return path of a copy, such as\n"
    "bounces+TOKEN@shop.example; it, or its bare token, says whose copy it was.\n"
    "Exit code 65 when it does not open.\n"
    "\n"
    "  -c, --config CONF   configuration whose keys { file } is meant\n"
    "  -f, --file FILE     the key ring itself\n"
    "      --json          print JSON\n"
    "  -h, --help          print this text\n";

struct request {
	struct ring_options ring;
	const char *text;
};

static int
read_options(struct request *r, int argc, char **argv)
{
	int rc = admin_ring_options(&r->ring, argc, argv);

	if (rc != EX_OK || r->ring.help)
		return rc;
	if (argc - optind != 1)
		return admin_misuse(
		    "token show takes one TOKEN, URL or ADDRESS; see: mailtailor token --help");
	r->text = argv[optind];
	return EX_OK;
}

/* ---- finding and opening ---- */

static const enum token_purpose purposes[] = { TOKEN_CLICK, TOKEN_OPEN, TOKEN_UNSUBSCRIBE,
					       TOKEN_PREFERENCES };
static const char *const purpose_names[] = { "click", "open", "unsubscribe", "preferences" };

static size_t
purpose_index(enum token_purpose p)
{
	size_t i = 0;

	while (i < 3 && purposes[i] != p)
		i++;
	return i;
}

static bool
is_token_char(char c)
{
	return ascii_isalpha(c) || ascii_isdigit(c) || c == '-' || c == '_';
}

/*
 * The token of the last /c/, /o/, /u/ or /p/ in a URL's path. False when there is none. The search ends at
 * '?' and
 * '#', so that a URL in a query is not taken for the token's own.
 */
static bool
find_in_url(struct str url, enum token_purpose *purpose, struct str *token)
{
	bool found = false;
	size_t end = 0;

	while (end < url.n && url.p[end] != '?' && url.p[end] != '#')
		end++;
	for (size_t i = 0; i + 3 < end; i++) {
		size_t n = 0;

		if (url.p[i] != '/' || url.p[i + 2] != '/' || !strchr("coup", url.p[i + 1]))
			continue;
		while (i + 3 + n < end && is_token_char(url.p[i + 3 + n]))
			n++;
		if (n == 0)
			continue;
		found = true;
		*purpose = (enum token_purpose)url.p[i + 1];
		*token = str_make(url.p + i + 3, n);
	}
	return found;
}

/* What was found: a return path, or a token of a link. */
struct opened {
	bool is_verp;
	struct verp verp;
	struct token token;
};

static int
open_link(struct sealer *s, struct str text, struct arena *a, struct token *t, struct err *e)
{
	struct str token;
	enum token_purpose purpose = TOKEN_CLICK;

	if (memchr(text.p, '/', text.n)) {
		if (!find_in_url(text, &purpose, &token))
			return err_set(e, ERR_INPUT,
				       "there is no token in this URL: it has no /c/, /o/, /u/ or /p/");
		if (token_open(s, purpose, token, a, t, e) == 0)
			return 0;
	} else {
		for (size_t i = 0; i < 4; i++)
			if (token_open(s, purposes[i], text, a, t, e) == 0)
				return 0;
	}
	return err_set(e, ERR_INPUT,
		       "the token does not open: it is cut short or altered, or was sealed under a key that "
		       "this key ring does not have or has retired");
}

static int
open_any(const struct keyring *k, const struct request *r, struct arena *a, struct opened *o, struct err *e)
{
	struct str text = str_trim(str_of(r->text));
	struct sealer *s = sealer_new(k);
	int rc = 0;

	o->is_verp = verp_find(s, text, &o->verp, NULL) == 0 || verp_open(s, text, &o->verp, NULL) == 0;
	if (!o->is_verp)
		rc = open_link(s, text, a, &o->token, e);
	sealer_free(&s);
	return rc;
}

/* ---- printing ---- */

/* What is printed more than once, ready as text. */
struct facts {
	char recipient[33], copy[17], sent[40], expires[40];
	bool expired;
};

static void
hex(const uint8_t *p, size_t n, char *out)
{
	for (size_t i = 0; i < n; i++)
		snprintf(out + 2 * i, 3, "%02x", p[i]);
}

static void
facts_of(const struct token *t, struct facts *f)
{
	hex(t->recipient.b, sizeof(t->recipient.b), f->recipient);
	hex(t->copy, sizeof(t->copy), f->copy);
	clock_format_rfc3339((int64_t)t->sent * 1000, f->sent);
	clock_format_rfc3339((int64_t)t->expires * 1000, f->expires);
	f->expired = t->expires != 0 && (int64_t)t->expires * 1000 < clock_now_ms();
}

/* Names and URLs come from senders: no control character reaches the terminal. */
static void
print_line(const char *label, struct str s)
{
	struct buf b = { 0 };

	buf_adds(&b, s);
	str_tame(b.p, b.n);
	printf("%-12s%.*s\n", label, STR_ARG(buf_str(&b)));
	buf_free(&b);
}

static void
print_text(const struct token *t)
{
	struct facts f;

	facts_of(t, &f);
	print_line("purpose", str_of(purpose_names[purpose_index(t->purpose)]));
	print_line("campaign", t->campaign);
	print_line("category", t->category.n ? t->category : STR("-"));
	print_line("arm", t->arm.n ? t->arm : STR("-"));
	/* The first half, as the log shows it. */
	print_line("recipient", str_make(f.recipient, 16));
	print_line("copy", str_of(f.copy));
	if (t->purpose == TOKEN_CLICK) {
		printf("%-12s%u\n", "link", t->link);
		print_line("url", t->url);
	}
	print_line("sent", str_of(f.sent));
	printf("%-12s%s%s\n", "expires", t->expires ? f.expires : "never", f.expired ? " (expired)" : "");
	printf("%-12s%u\n", "key", t->key_id);
}

static void
add_member(struct buf *b, const char *name, struct str s)
{
	buf_printf(b, "%s\"%s\":", b->n > 1 ? "," : "", name);
	json_print_string(b, s);
}

static void
print_json(const struct token *t)
{
	struct buf b = { 0 };
	struct facts f;

	facts_of(t, &f);
	buf_addc(&b, '{');
	add_member(&b, "purpose", str_of(purpose_names[purpose_index(t->purpose)]));
	add_member(&b, "campaign", t->campaign);
	add_member(&b, "category", t->category);
	add_member(&b, "arm", t->arm);
	add_member(&b, "recipient", str_make(f.recipient, 16));
	add_member(&b, "recipient_key", str_of(f.recipient));
	add_member(&b, "copy", str_of(f.copy));
	if (t->purpose == TOKEN_CLICK) {
		buf_printf(&b, ",\"link\":%u", t->link);
		add_member(&b, "url", t->url);
	}
	add_member(&b, "sent", str_of(f.sent));
	if (t->expires)
		add_member(&b, "expires", str_of(f.expires));
	else
		buf_adds(&b, STR(",\"expires\":null"));
	buf_printf(&b, ",\"expired\":%s,\"key\":%u}\n", f.expired ? "true" : "false", t->key_id);
	fwrite(b.p, 1, b.n, stdout);
	buf_free(&b);
}

static void
print_verp(const struct verp *v, bool json)
{
	char recipient[33], copy[2 * VERP_COPY_LEN + 1];

	hex(v->recipient.b, sizeof(v->recipient.b), recipient);
	hex(v->copy, sizeof(v->copy), copy);
	if (json) {
		printf("{\"purpose\":\"bounce\",\"recipient\":\"%.16s\",\"recipient_key\":\"%s\","
		       "\"copy_prefix\":\"%s\",\"key\":%u}\n",
		       recipient, recipient, copy, v->key_id);
		return;
	}
	print_line("purpose", STR("bounce"));
	print_line("recipient", str_make(recipient, 16));
	printf("%-12s%s...\n", "copy", copy);
	printf("%-12s%u\n", "key", v->key_id);
}

/* ---- the verb ---- */

/* The ring of --file, or of the configuration. NULL: said why; *rc is the exit code. */
static struct keyring *
load_ring(const struct request *r, int *rc)
{
	struct err e = { 0 };
	struct keyring *k;
	struct conf *conf;

	if (r->ring.file) {
		k = keyring_load(r->ring.file, &e);
		if (!k)
			*rc = admin_fail(&e);
		return k;
	}
	conf = admin_conf(r->ring.conf_path);
	if (!conf) {
		*rc = EX_CONFIG;
		return NULL;
	}
	k = admin_keys(conf, rc);
	conf_free(&conf);
	return k;
}

static int
show(const struct request *r)
{
	struct err e = { 0 };
	struct opened o = { 0 };
	struct arena *a;
	int rc = EX_SOFTWARE;
	struct keyring *k = load_ring(r, &rc);

	if (!k)
		return rc;
	a = arena_new(4096);
	if (open_any(k, r, a, &o, &e) < 0) {
		rc = admin_fail(&e);
	} else {
		rc = EX_OK;
		if (o.is_verp)
			print_verp(&o.verp, r->ring.json);
		else if (r->ring.json)
			print_json(&o.token);
		else
			print_text(&o.token);
	}
	arena_free(&a);
	keyring_free(&k);
	return rc;
}

static int
run(int argc, char **argv)
{
	static const char *const SUBS[] = { "show" };
	struct request r = { 0 };
	int rc;

	if (argc < 2)
		return admin_usage(stderr, usage);
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		return admin_usage(stdout, usage);
	if (strcmp(argv[1], SUBS[0]) != 0)
		return admin_no_sub("token", argv[1], SUBS, 1);
	rc = read_options(&r, argc - 1, argv + 1);
	if (rc != EX_OK)
		return rc;
	return r.ring.help ? admin_usage(stdout, usage) : show(&r);
}

const struct admin_verb admin_token_verb = { "token", "show what a token or return path says", run };
