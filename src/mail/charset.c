/*
 * charset: MIME charset labels and iconv. Only charsets whose text can be cut
 * between characters are known here: ASCII's bytes mean themselves, and what
 * state there is (ISO-2022-JP) is written in the bytes.
 */
#include <errno.h>
#include <strings.h>

#include "mail/mail_private.h"

/* Labels that iconv lacks or takes too narrowly. A NULL name: known, but not to be cut. */
static const struct {
	const char *label, *name;
} aliases[] = {
	{ "ascii", "US-ASCII" },
	{ "us-ascii", "US-ASCII" },
	{ "ansi_x3.4-1968", "US-ASCII" },
	{ "iso646-us", "US-ASCII" },
	{ "utf-8", "UTF-8" },
	{ "utf8", "UTF-8" },
	{ "unicode-1-1-utf-8", "UTF-8" },
	{ "latin1", "ISO-8859-1" },
	{ "iso8859-1", "ISO-8859-1" },
	{ "iso_8859-1", "ISO-8859-1" },
	{ "shift_jis", "SHIFT_JIS" },
	{ "shift-jis", "SHIFT_JIS" },
	{ "sjis", "SHIFT_JIS" },
	{ "x-sjis", "SHIFT_JIS" },
	{ "windows-31j", "CP932" },
	{ "x-gbk", "GBK" },
	{ "x-euc-jp", "EUC-JP" },
	{ "ks_c_5601-1987", "CP949" },
	{ "ks_c_5601-1989", "CP949" },
	{ "x-windows-949", "CP949" },
	{ "x-mac-roman", "MACINTOSH" },
	{ "unknown-8bit", NULL },
};

static const char *const uncuttable[] = { "utf-7",     "utf7",	    "unicode", "ucs-",	    "ucs2",
					  "ucs4",      "utf-16",    "utf16",   "utf-32",    "utf32",
					  "csunicode", "iso-10646", "hz-",     "iso-2022-", "imap" };

static const struct {
	const char *name, *superset;
} supersets[] = {
	{ "ISO-8859-1", "WINDOWS-1252" },
	{ "SHIFT_JIS", "CP932" },
	{ "GB2312", "GBK" },
	{ "GBK", "GB18030" },
	{ "EUC-KR", "CP949" },
	{ "EUC-JP", "EUC-JP-MS" },
	{ "ISO-8859-9", "WINDOWS-1254" },
	{ "TIS-620", "CP874" },
};

#define LABEL_MAX 40

const char *
mail_charset_name(struct arena *a, struct str label)
{
	char *upper;

	if (label.n == 0 || label.n > LABEL_MAX)
		return NULL;
	for (size_t i = 0; i < label.n; i++) {
		char c = label.p[i];

		/* no '/' and no ',': iconv_open reads options behind them */
		if (!ascii_isalpha(c) && !ascii_isdigit(c) && !memchr("-_.:+()", c, 7))
			return NULL;
	}
	for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++)
		if (str_caseeq(label, str_of(aliases[i].label)))
			return aliases[i].name;
	if (str_casestarts(label, STR("iso-2022-jp")) &&
	    (label.n == 11 || str_caseeq(label, STR("iso-2022-jp-1"))))
		return label.n == 11 ? "ISO-2022-JP" : "ISO-2022-JP-1";
	for (size_t i = 0; i < sizeof(uncuttable) / sizeof(uncuttable[0]); i++)
		if (str_casestarts(label, str_of(uncuttable[i])))
			return NULL;
	upper = arena_cstr(a, label);
	for (char *p = upper; *p; p++)
		*p = (char)(*p >= 'a' && *p <= 'z' ? *p - 32 : *p);
	return upper;
}

enum charset_kind
mail_charset_kind(const char *name)
{
	if (strcmp(name, "US-ASCII") == 0)
		return CHARSET_ASCII;
	if (strcmp(name, "UTF-8") == 0)
		return CHARSET_UTF8;
	if (strncmp(name, "ISO-2022-JP", 11) == 0)
		return CHARSET_ISO2022JP;
	return CHARSET_MULTI;
}

const char *
mail_charset_superset(const char *name)
{
	for (size_t i = 0; i < sizeof(supersets) / sizeof(supersets[0]); i++)
		if (strcmp(name, supersets[i].name) == 0)
			return supersets[i].superset;
	return NULL;
}

/* ---- UTF-8 ---- */

size_t
mail_utf8_len(struct str s)
{
	static const unsigned char low2[] = { [0xe0 - 0xe0] = 0xa0, [0xf0 - 0xe0] = 0x90 };
	const unsigned char *p = (const unsigned char *)s.p;
	unsigned char c, lo = 0x80, hi = 0xbf;
	size_t n;

	if (s.n == 0)
		return 0;
	c = p[0];
	if (c < 0x80)
		return 1;
	if (c < 0xc2 || c > 0xf4)
		return 0;
	n = c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
	if (s.n < n)
		return 0;
	/* RFC 3629: no overlong forms, no surrogates, nothing over U+10FFFF */
	if (c == 0xe0 || c == 0xf0)
		lo = low2[c - 0xe0];
	else if (c == 0xed)
		hi = 0x9f;
	else if (c == 0xf4)
		hi = 0x8f;
	if (p[1] < lo || p[1] > hi)
		return 0;
	for (size_t i = 2; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

void
mail_utf8_clean(struct buf *out, struct str s)
{
	size_t n;

	if (str_is_utf8(s)) {
		buf_adds(out, s);
		return;
	}
	for (size_t i = 0; i<s.n; i += n> 0 ? n : 1) {
		n = mail_utf8_len(str_make(s.p + i, s.n - i));
		if (n > 0)
			buf_add(out, s.p + i, n);
		else
			buf_add(out, "\xef\xbf\xbd", 3);
	}
}

/* ---- decoding with the way back ---- */

struct byte_char {
	int8_t n; /* UTF-8 length; 0: not a character; -1: the first of several bytes */
	char utf8[4];
};

/* What each byte alone stands for. False when ASCII does not mean itself in this charset. */
static bool
byte_table(iconv_t cd, struct byte_char table[256], enum charset_kind *kind)
{
	*kind = CHARSET_SINGLE;
	for (int c = 0; c < 256; c++) {
		char in[1] = { (char)c }, *pi = in;
		char out[16], *po = out;
		size_t ni = 1, no = sizeof(out), rc;

		iconv(cd, NULL, NULL, NULL, NULL);
		rc = iconv(cd, &pi, &ni, &po, &no);
		table[c].n = 0;
		if (rc == (size_t)-1) {
			if (errno == EINVAL) {
				table[c].n = -1;
				*kind = CHARSET_MULTI;
			}
		} else if (po == out || po - out > 4) {
			return false; /* a byte that only changes a state, or waits for a combining one */
		} else {
			table[c].n = (int8_t)(po - out);
			memcpy(table[c].utf8, out, (size_t)(po - out));
		}
		/* Shift_JIS keeps yen and overline where ASCII has \ and ~ */
		if (((c >= 0x20 && c < 0x7f && c != '\\' && c != '~') || c == '\n' || c == '\r' ||
		     c == '\t') &&
		    (table[c].n != 1 || table[c].utf8[0] != (char)c))
			return false;
	}
	return true;
}

struct decoder {
	iconv_t cd;
	const char *name;
	struct str bytes;
	char *out;
	uint32_t *at;
	size_t n;
};

static void
decoder_emit(struct decoder *d, const char *utf8, size_t len, size_t from)
{
	for (size_t k = 0; k < len; k++) {
		d->out[d->n] = utf8[k];
		d->at[d->n++] = (uint32_t)from;
	}
}

/*
 * One character of several bytes at offset i: feeds iconv one byte more each
 * time, so that the end of the character is known. Returns its length, 0 when ill-formed.
 */
static size_t
decoder_step(struct decoder *d, size_t i, size_t from)
{
	for (size_t len = 1; len <= 8 && i + len <= d->bytes.n; len++) {
		char *pi = (char *)d->bytes.p + i, out[16], *po = out;
		size_t ni = len, no = sizeof(out), rc;

		rc = iconv(d->cd, &pi, &ni, &po, &no);
		if (rc == (size_t)-1 && errno != EINVAL)
			return 0;
		if (rc == (size_t)-1 || (po == out && ni > 0))
			continue;
		if (po == out) /* an escape sequence in ISO-2022-JP: belongs to what follows */
			return ni == 0 ? len : 0;
		decoder_emit(d, out, (size_t)(po - out), from);
		return len;
	}
	return 0;
}

static bool
is_ascii_escape(const char *p)
{
	return p[0] == '\033' && p[1] == '(' && (p[2] == 'B' || p[2] == 'J');
}

/*
 * The escape out of ASCII belongs to the character behind it, the one back to
 * ASCII to the character before: so a cut before an ASCII character, a
 * template tag's, leaves both sides in the ASCII state.
 */
static bool
decode_iso2022jp(struct decoder *d)
{
	size_t i = 0, from = 0;

	while (i < d->bytes.n) {
		size_t before = d->n, len = 0;
		bool escape = d->bytes.p[i] == '\033';

		len = decoder_step(d, i, from);
		/* output from an escape: one that is none, which text put beside it could complete */
		if (len == 0 || (d->n == before) != escape)
			return false;
		if (d->n > before || is_ascii_escape(d->bytes.p + i))
			from = i + len;
		i += len;
	}
	return true;
}

static bool
decode_multi(struct decoder *d, const struct byte_char table[256])
{
	size_t i = 0;

	iconv(d->cd, NULL, NULL, NULL, NULL);
	while (i < d->bytes.n) {
		const struct byte_char *b = &table[(unsigned char)d->bytes.p[i]];
		size_t before = d->n, len = 1;

		if (b->n > 0)
			decoder_emit(d, b->utf8, (size_t)b->n, i);
		else if (b->n < 0)
			len = decoder_step(d, i, i);
		if (len == 0 || d->n == before)
			return false;
		i += len;
	}
	return true;
}

int
mail_charset_decode(struct arena *a, const char *name, struct str bytes, struct str *utf8, uint32_t **at,
		    struct err *e)
{
	struct decoder d = { .name = name, .bytes = bytes };
	struct byte_char table[256];
	enum charset_kind kind = mail_charset_kind(name);
	bool ok;
	int rc = -1;

	d.cd = iconv_open("UTF-8", name);
	if (d.cd == (iconv_t)-1)
		return err_set(e, ERR_UNSUPPORTED,
			       "charset %s is not known to iconv; label the part as UTF-8", name);
	if (kind != CHARSET_ISO2022JP && !byte_table(d.cd, table, &kind)) {
		err_set(e, ERR_UNSUPPORTED,
			"charset %s cannot be cut between characters; send the part as UTF-8", name);
		goto out;
	}
	/* no character of the charsets known here is more than 4 bytes of UTF-8 a byte */
	d.out = arena_alloc(a, bytes.n * 4 + 1);
	d.at = arena_alloc(a, (bytes.n * 4 + 1) * sizeof(*d.at));
	ok = kind == CHARSET_ISO2022JP ? decode_iso2022jp(&d) : decode_multi(&d, table);
	if (!ok) {
		err_set(e, ERR_INPUT, "the part is not text in its charset %s (near decoded byte %zu)", name,
			d.n);
		goto out;
	}
	d.at[d.n] = (uint32_t)bytes.n;
	*utf8 = str_make(d.out, d.n);
	*at = d.at;
	rc = 0;
out:
	iconv_close(d.cd);
	return rc;
}

bool
mail_charset_append(struct arena *a, struct str label, struct str bytes, struct buf *out)
{
	const char *name = mail_charset_name(a, label);
	iconv_t cd;
	char *pi = (char *)bytes.p;
	size_t ni = bytes.n, start = out->n;
	bool ok = true;

	if (!name)
		return false;
	if (mail_charset_kind(name) == CHARSET_UTF8 || mail_charset_kind(name) == CHARSET_ASCII) {
		mail_utf8_clean(out, bytes);
		return true;
	}
	cd = iconv_open("UTF-8", name);
	if (cd == (iconv_t)-1)
		return false;
	while (ok && ni > 0) {
		char tmp[512], *po = tmp;
		size_t no = sizeof(tmp), rc = iconv(cd, &pi, &ni, &po, &no);

		buf_add(out, tmp, (size_t)(po - tmp));
		ok = rc != (size_t)-1 || errno == E2BIG;
	}
	iconv_close(cd);
	if (!ok)
		out->n = start;
	return ok;
}
