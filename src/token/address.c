/* Mail addresses in the one spelling that is hashed, and the hashes. */
#include <idn2.h>
#include <stdlib.h>
#include <string.h>

#include "token/keyring.h"

/*
 * RFC 5321, 4.5.3.1.2, in bytes. A local part has 64 at most (4.5.3.1.1), but MTAs take longer ones, and one
 * of them in a list must not stop all others: what is too long for its server, its server says.
 */
#define MAX_LOCAL 255
#define MAX_DOMAIN 255
#define MAX_LABEL 63

/* No address in messages: they reach logs. */
#define REFUSE(e, why) err_set((e), ERR_INPUT, "not a mail address: " why)

/* C0, DEL, and in UTF-8 C1 (U+0080 to U+009F). s is well-formed UTF-8. */
static bool
has_control(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c < 0x20 || c == 0x7f)
			return true;
		if (c == 0xc2 && i + 1 < s.n && (unsigned char)s.p[i + 1] < 0xa0)
			return true;
	}
	return false;
}

/* What may stand in a local part without quotes: atext (RFC 5321, 6531) and dots, which real mailboxes have
 * anywhere. */
static bool
needs_no_quotes(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (strchr(" \"(),:;<>@[\\]", s.p[i]))
			return false;
	return s.n > 0;
}

/*
 * A quoted local part: "john", john and "j\ohn" name one mailbox (RFC 5321, 4.1.2), and must hash alike or a
 * quoted spelling would slip past a suppression. out gets the shortest spelling; it has room for local.n
 * bytes.
 */
static int
unquote_local(struct str local, char *out, size_t *n, struct err *e)
{
	char plain[MAX_LOCAL];
	size_t len = 0, w = 0;

	if (local.n < 2 || local.p[local.n - 1] != '"')
		return REFUSE(e, "the quotes of the local part do not close");
	for (size_t i = 1; i + 1 < local.n; i++) {
		if (local.p[i] == '"')
			return REFUSE(e, "a quote inside the quoted local part");
		if (local.p[i] == '\\' && ++i + 1 >= local.n)
			return REFUSE(e, "the quotes of the local part do not close");
		plain[len++] = local.p[i];
	}
	if (needs_no_quotes(str_make(plain, len))) {
		memcpy(out, plain, len);
		*n = len;
		return 0;
	}
	out[w++] = '"';
	for (size_t i = 0; i < len; i++) {
		if (plain[i] == '"' || plain[i] == '\\')
			out[w++] = '\\';
		out[w++] = plain[i];
	}
	out[w++] = '"';
	*n = w;
	return 0;
}

static int
normalize_local(struct str local, char *out, size_t *n, struct err *e)
{
	if (local.n == 0)
		return REFUSE(e, "nothing before the @");
	if (local.n > MAX_LOCAL)
		return REFUSE(e, "more than 64 bytes before the @");
	if (!str_is_utf8(local))
		return REFUSE(e, "the local part is not UTF-8");
	if (has_control(local))
		return REFUSE(e, "a control character in the local part");
	if (local.p[0] == '"')
		return unquote_local(local, out, n, e);
	if (!needs_no_quotes(local))
		return REFUSE(e, "a character in the local part that needs quotes");
	memcpy(out, local.p, local.n);
	*n = local.n;
	return 0;
}

/* "[192.0.2.1]", "[IPv6:2001:db8::1]" (RFC 5321, 4.1.3), lower-cased. */
static int
normalize_literal(struct str domain, char *out, size_t *n, struct err *e)
{
	if (domain.n < 3 || domain.n > MAX_DOMAIN || domain.p[domain.n - 1] != ']')
		return REFUSE(e, "the address literal does not close");
	for (size_t i = 0; i < domain.n; i++) {
		char c = ascii_lower(domain.p[i]);
		bool inside = i > 0 && i < domain.n - 1;

		if (inside && !ascii_isalpha(c) && !ascii_isdigit(c) && c != '.' && c != ':' && c != '-')
			return REFUSE(e, "a character that no address literal has");
		out[i] = c;
	}
	*n = domain.n;
	return 0;
}

/*
 * An ASCII domain, lower-cased: labels of letters, digits, hyphens and (found in mail domains, though no host
 * name) underscores. A-labels are taken as they are: they are what DNS is asked for, whatever they decode to.
 */
static int
normalize_ascii(struct str domain, char *out, size_t *n, struct err *e)
{
	size_t label = 0;

	if (domain.n > 0 && domain.p[domain.n - 1] == '.')
		domain.n--;
	if (domain.n == 0)
		return REFUSE(e, "nothing after the @");
	if (domain.n > MAX_DOMAIN)
		return REFUSE(e, "more than 255 bytes after the @");
	for (size_t i = 0; i < domain.n; i++) {
		char c = ascii_lower(domain.p[i]);
		bool last = i + 1 == domain.n || domain.p[i + 1] == '.';

		out[i] = c;
		if (c == '.') {
			if (label == 0)
				return REFUSE(e, "an empty label in the domain");
			label = 0;
			continue;
		}
		if (!ascii_isalpha(c) && !ascii_isdigit(c) && c != '-' && c != '_')
			return REFUSE(e, "a character that no domain has");
		if (c == '-' && (label == 0 || last))
			return REFUSE(e, "a domain label that begins or ends with a hyphen");
		if (++label > MAX_LABEL)
			return REFUSE(e, "a domain label of more than 63 bytes");
	}
	if (label == 0)
		return REFUSE(e, "an empty label in the domain");
	*n = domain.n;
	return 0;
}

/* Through libidn2 (IDNA2008 with the mappings of UTS 46, nontransitional), then checked as ASCII. */
static int
normalize_idn(struct str domain, char *out, size_t *n, struct err *e)
{
	char text[MAX_DOMAIN * 4 + 1], *ascii = NULL;
	struct str a;
	int rc;

	if (domain.n >= sizeof(text))
		return REFUSE(e, "the domain is too long");
	if (!str_is_utf8(domain) || memchr(domain.p, '\0', domain.n))
		return REFUSE(e, "the domain is not UTF-8");
	memcpy(text, domain.p, domain.n);
	text[domain.n] = '\0';
	rc = idn2_to_ascii_8z(text, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
	if (rc != IDN2_OK)
		return err_set(e, ERR_INPUT, "not a mail address: the domain has no A-label form (%s)",
			       idn2_strerror(rc));
	a = str_of(ascii);
	rc = a.n > MAX_DOMAIN + 1 ? REFUSE(e, "more than 255 bytes after the @")
				  : normalize_ascii(a, out, n, e);
	idn2_free(ascii);
	return rc;
}

static int
normalize_domain(struct str domain, char *out, size_t *n, struct err *e)
{
	if (domain.n > 0 && domain.p[0] == '[')
		return normalize_literal(domain, out, n, e);
	return str_is_ascii(domain) ? normalize_ascii(domain, out, n, e) : normalize_idn(domain, out, n, e);
}

int
address_normalize(struct arena *a, struct str addr, struct str *out, struct err *e)
{
	char text[MAX_LOCAL + 1 + MAX_DOMAIN + 1];
	size_t at, nlocal = 0, ndomain = 0;

	addr = str_trim(addr);
	if (addr.n >= 1 && addr.p[0] == '<') {
		if (addr.n < 2 || addr.p[addr.n - 1] != '>')
			return REFUSE(e, "the angle bracket does not close");
		addr = str_trim(str_sub(addr, 1, addr.n - 1));
	}
	if (addr.n == 0)
		return REFUSE(e, "empty");
	for (at = addr.n; at > 0 && addr.p[at - 1] != '@'; at--)
		;
	if (at == 0)
		return REFUSE(e, "it has no @");
	if (normalize_local(str_sub(addr, 0, at - 1), text, &nlocal, e) < 0)
		return -1;
	text[nlocal] = '@';
	if (normalize_domain(str_sub(addr, at, addr.n), text + nlocal + 1, &ndomain, e) < 0)
		return -1;
	*out = arena_str(a, str_make(text, nlocal + 1 + ndomain));
	return 0;
}

/* ---- hashes ---- */

static void
key_of(const struct keyring *k, struct str label, struct str what, struct recipient_key *out)
{
	struct str parts[2] = { label, what };
	uint8_t sum[32];

	hmac_pool_sum(k->ids, parts, 2, sum);
	memcpy(out->b, sum, RECIPIENT_KEY_LEN);
}

void
recipient_key_of(const struct keyring *k, struct str normalized, struct recipient_key *out)
{
	key_of(k, STR("addr:"), normalized, out);
}

void
domain_key_of(const struct keyring *k, struct str domain, struct recipient_key *out)
{
	key_of(k, STR("domain:"), domain, out);
}

/*
 * label ":" then each part behind its length, four bytes big-endian. An address or domain has no control
 * characters, a length below 2^24 begins with a zero byte: the three functions never hash the same bytes.
 */
void
keyed_id(const struct keyring *k, const char *label, const struct str *parts, size_t nparts, uint8_t out[16])
{
	uint8_t sum[32];
	struct buf text = { 0 };
	char small[512];
	size_t n = strlen(label) + 1;

	for (size_t i = 0; i < nparts; i++)
		n += 4 + parts[i].n;
	/* On the stack when it fits: this runs per copy. */
	if (n < sizeof(small))
		text = (struct buf){ small, 0, sizeof(small) };
	else
		buf_reserve(&text, n);
	buf_add(&text, label, strlen(label));
	buf_addc(&text, ':');
	for (size_t i = 0; i < nparts; i++) {
		uint32_t len = (uint32_t)parts[i].n;
		uint8_t be[4] = { (uint8_t)(len >> 24), (uint8_t)(len >> 16), (uint8_t)(len >> 8),
				  (uint8_t)len };

		buf_add(&text, be, sizeof(be));
		buf_adds(&text, parts[i]);
	}
	struct str whole = buf_str(&text);

	hmac_pool_sum(k->ids, &whole, 1, sum);
	memcpy(out, sum, 16);
	if (text.p != small)
		buf_free(&text);
}

void
recipient_key_hex(const struct recipient_key *k, char out[33])
{
	static const char digits[] = "0123456789abcdef";

	for (int i = 0; i < 8; i++) {
		out[2 * i] = digits[k->b[i] >> 4];
		out[2 * i + 1] = digits[k->b[i] & 15];
	}
	out[16] = '\0';
}
