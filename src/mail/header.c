/*
 * header: unstructured field values, RFC 2047 both ways.
 */
#include "mail/header.h"

/* ---- decoding ---- */

struct word {
	struct str charset; /* without an RFC 2231 language */
	char encoding;	    /* 'b' or 'q' */
	struct str text;
	size_t end; /* offset behind "?=" */
};

/* An encoded word at i? Every scan stops at the next '?', so that many "=?" stay linear. */
static bool
word_parse(struct str s, size_t i, struct word *w)
{
	size_t q1, q2, q3;

	if (s.n - i < 8 || s.p[i] != '=' || s.p[i + 1] != '?')
		return false;
	i += 2;
	q1 = i + str_find_char(str_make(s.p + i, s.n - i), '?');
	if (q1 + 4 >= s.n || q1 == i || s.p[q1 + 2] != '?')
		return false;
	w->charset = str_make(s.p + i, q1 - i);
	w->charset.n = str_find_char(w->charset, '*');
	w->encoding = ascii_lower(s.p[q1 + 1]);
	q2 = q1 + 3;
	q3 = q2 + str_find_char(str_make(s.p + q2, s.n - q2), '?');
	if (q3 + 1 >= s.n || s.p[q3 + 1] != '=' || (w->encoding != 'b' && w->encoding != 'q'))
		return false;
	w->text = str_make(s.p + q2, q3 - q2);
	for (size_t k = 0; k < w->text.n; k++)
		if (ascii_isspace(w->text.p[k]))
			return false;
	w->end = q3 + 2;
	return true;
}

/* The bytes of a word, appended. */
static bool
word_bytes(const struct word *w, struct buf *out)
{
	char *tmp;
	size_t n = 0, start = out->n;

	buf_reserve(out, w->text.n);
	tmp = out->p + out->n;
	if (w->encoding == 'b') {
		if (mail_base64_decode(w->text, tmp, &n) < 0)
			return false;
		out->n = start + n;
		return true;
	}
	for (size_t i = 0; i < w->text.n; i++) {
		char c = w->text.p[i];

		if (c == '_') {
			c = ' ';
		} else if (c == '=') {
			int hi = i + 2 < w->text.n ? mail_hex_value(w->text.p[i + 1]) : -1;
			int lo = i + 2 < w->text.n ? mail_hex_value(w->text.p[i + 2]) : -1;

			if (hi >= 0 && lo >= 0) {
				c = (char)(hi << 4 | lo);
				i += 2;
			}
		}
		tmp[n++] = c;
	}
	out->n = start + n;
	return true;
}

/* Bounds the work when a run of words turns out not to decode. */
#define JOIN_MAX 32

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/*
 * The words from i on that stand side by side and share a charset: joined
 * before conversion, because many senders split characters between words.
 * Returns the offset behind them, or i when the first is ill-formed.
 */
static size_t
words_decode(struct arena *a, struct str s, size_t i, struct buf *bytes, struct buf *out)
{
	struct word first, w;
	size_t end, next;

	if (!word_parse(s, i, &first))
		return i;
	buf_reset(bytes);
	if (!word_bytes(&first, bytes))
		return i;
	end = first.end;
	for (int joined = 1; joined < JOIN_MAX; joined++) {
		size_t keep = bytes->n;

		for (next = end; next < s.n && is_blank(s.p[next]); next++)
			;
		if (next >= s.n || !word_parse(s, next, &w) || !str_caseeq(w.charset, first.charset))
			break;
		if (!word_bytes(&w, bytes)) {
			bytes->n = keep;
			break;
		}
		end = w.end;
	}
	return mail_charset_append(a, first.charset, buf_str(bytes), out) ? end : i;
}

struct str
mail_header_decode(struct arena *a, struct str value)
{
	struct buf raw = { 0 }, bytes = { 0 }, out = { 0 }, clean = { 0 };
	size_t i = 0, last_word = (size_t)-1, blanks = 0;
	struct str s;

	for (size_t k = 0; k < value.n; k++) /* unfold: the line ends go, the blanks stay */
		if (value.p[k] != '\r' && value.p[k] != '\n')
			buf_addc(&raw, value.p[k]);
	s = buf_str(&raw);
	while (i < s.n && is_blank(s.p[i]))
		i++;
	while (i < s.n) {
		size_t mark = out.n, end = i;

		if (s.p[i] == '=') {
			if (last_word == mark - blanks && blanks > 0)
				out.n -= blanks; /* blanks between two words are none (RFC 2047 6.2) */
			end = words_decode(a, s, i, &bytes, &out);
			if (end == i)
				out.n = mark;
		}
		if (end > i) {
			i = end;
			last_word = out.n;
			blanks = 0;
			continue;
		}
		blanks = is_blank(s.p[i]) ? blanks + 1 : 0;
		buf_addc(&out, s.p[i++]);
	}
	mail_utf8_clean(&clean, buf_str(&out));
	for (size_t k = 0; k < clean.n; k++)
		if ((unsigned char)clean.p[k] < 0x20 || clean.p[k] == 0x7f)
			clean.p[k] = ' ';
	s = arena_str(a, buf_str(&clean));
	buf_free(&raw);
	buf_free(&bytes);
	buf_free(&out);
	buf_free(&clean);
	return s;
}

/* ---- encoding ---- */

#define FOLD_AT 76
#define WORD_MAX 75
#define WORD_FRAME 12 /* "=?UTF-8?Q?" and "?=" */
/* ASCII without a blank that is longer goes into encoded words, because it could not be folded. */
#define ATOM_MAX 900

void
mail_header_clean(struct buf *out, struct str s)
{
	size_t start = out->n, keep;
	bool space = true; /* leading ones are dropped */

	keep = out->n;
	mail_utf8_clean(out, s);
	for (size_t i = start; i < out->n; i++) {
		unsigned char c = (unsigned char)out->p[i];
		bool control = c < 0x20 || c == 0x7f;

		if (control && space)
			continue; /* a run of controls is one space */
		if (c == ' ' && keep == start)
			continue;
		space = control;
		out->p[keep++] = control ? ' ' : (char)c;
	}
	while (keep > start && out->p[keep - 1] == ' ')
		keep--;
	out->n = keep;
	if (out->p)
		out->p[keep] = '\0';
}

static void
fold(struct mail_fold *f)
{
	buf_addc(f->out, '\n');
	f->col = 0;
}

static void
fold_add(struct mail_fold *f, struct str s)
{
	buf_adds(f->out, s);
	f->col += s.n;
}

void
mail_fold_token(struct mail_fold *f, struct str blanks, struct str token)
{
	/* a blank is what can be folded at; before the first token there is the field name's own */
	if (blanks.n > 0 && f->col + blanks.n + token.n > FOLD_AT && f->out->n > f->start)
		fold(f);
	fold_add(f, blanks);
	fold_add(f, token);
}

static bool
q_plain(unsigned char c)
{
	/* the narrowest set of RFC 2047 5, which serves in phrases too */
	return ascii_isalpha((char)c) || ascii_isdigit((char)c) || c == '!' || c == '*' || c == '+' ||
	       c == '-' || c == '/';
}

static size_t
q_len(struct str s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += q_plain((unsigned char)s.p[i]) || s.p[i] == ' ' ? 1 : 3;
	return n;
}

static void
q_add(struct buf *out, struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c == ' ')
			buf_addc(out, '_');
		else if (q_plain(c))
			buf_addc(out, (char)c);
		else
			buf_printf(out, "=%02X", c);
	}
}

/*
 * The longest whole-character prefix of s whose encoded text fits in room
 * characters. Base64 is cut at a multiple of three bytes, because GMime 3.2
 * drops what follows padding between two words: 0 when there is no such cut.
 */
static size_t
word_fit(struct str s, bool q, size_t room)
{
	size_t i = 0, used = 0, even = 0;

	while (i < s.n) {
		size_t c = mail_utf8_len(str_make(s.p + i, s.n - i));
		size_t cost;

		c = c > 0 ? c : 1;
		cost = q ? used + q_len(str_make(s.p + i, c)) : (i + c + 2) / 3 * 4;
		if (cost > room)
			break;
		used = cost;
		i += c;
		if (i % 3 == 0)
			even = i;
	}
	return q || i == s.n ? i : even;
}

void
mail_fold_words(struct mail_fold *f, struct str blanks, struct str s)
{
	bool q = q_len(s) <= (s.n + 2) / 3 * 4, word_q;

	/* a stump of a word is worse than a fold */
	if (blanks.n > 0 && f->out->n > f->start && f->col + blanks.n + WORD_FRAME + 12 > FOLD_AT)
		fold(f);
	fold_add(f, blanks);
	while (s.n > 0) {
		size_t room = f->col + WORD_FRAME + 12 <= FOLD_AT ? FOLD_AT - f->col : WORD_MAX, n,
		       mark = f->out->n;

		room = room < WORD_MAX ? room : WORD_MAX;
		word_q = q || word_fit(s, false, room - WORD_FRAME) == 0;
		n = word_fit(s, word_q, room - WORD_FRAME);
		buf_adds(f->out, word_q ? STR("=?UTF-8?Q?") : STR("=?UTF-8?B?"));
		if (word_q) {
			q_add(f->out, str_make(s.p, n));
		} else {
			struct mail_base64 b = { .out = f->out, .eol = "", .width = 4096 };

			mail_base64_put(&b, str_make(s.p, n));
			mail_base64_finish(&b);
		}
		buf_adds(f->out, STR("?="));
		f->col += f->out->n - mark;
		s = str_make(s.p + n, s.n - n);
		if (s.n > 0) {
			fold(f);
			fold_add(f, STR(" "));
		}
	}
}

bool
mail_needs_words(struct str token)
{
	return token.n > ATOM_MAX || !str_is_ascii(token) || str_find(token, STR("=?")) < token.n;
}

/* The blanks at *at and the token behind them. */
static void
token_next(struct str s, size_t *at, struct str *blanks, struct str *token)
{
	size_t i = *at, j;

	while (i < s.n && s.p[i] == ' ')
		i++;
	for (j = i; j < s.n && s.p[j] != ' '; j++)
		;
	*blanks = str_make(s.p + *at, i - *at);
	*token = str_make(s.p + i, j - i);
	*at = j;
}

void
mail_header_encode(struct buf *out, struct str utf8, size_t name_len)
{
	struct buf clean = { 0 };
	struct mail_fold f = { .out = out, .start = out->n, .col = name_len };
	struct str s, blanks, token, next_blanks, next;
	size_t at = 0, peek;

	mail_header_clean(&clean, utf8);
	s = buf_str(&clean);
	while (at < s.n) {
		token_next(s, &at, &blanks, &token);
		if (!mail_needs_words(token) && blanks.n < ATOM_MAX) {
			mail_fold_token(&f, blanks, token);
			continue;
		}
		if (blanks.n >= ATOM_MAX) /* could not be folded: one stays, the others are encoded */
			token = str_make(blanks.p + 1, token.n + blanks.n - 1), blanks.n = 1;
		/* neighbours that need it too, with the blanks between, which would vanish between two words
		 */
		for (peek = at; peek < s.n; at = peek) {
			token_next(s, &peek, &next_blanks, &next);
			if (!mail_needs_words(next))
				break;
			token.n = (size_t)(next.p + next.n - token.p);
		}
		mail_fold_words(&f, blanks, token);
	}
	buf_free(&clean);
}
