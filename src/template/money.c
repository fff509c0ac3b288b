/*
 * money: {{money price "EUR"}}. The decimal digits of the number are rounded
 * half up to the currency's minor unit, as integers: 12.345 becomes 12.35,
 * which binary fractions would not give.
 */
#include "template/format.h"

#include <stdio.h>
#include <stdlib.h>

#include "template/locale.h"

#define MAX_DIGITS 40

struct currency {
	const char *code, *symbol;
	int decimals;
};

static const struct currency currencies[] = {
	{ "EUR", "€", 2 },   { "USD", "$", 2 },	  { "GBP", "£", 2 },   { "JPY", "¥", 0 },
	{ "CNY", "¥", 2 },   { "KRW", "₩", 0 },	  { "INR", "₹", 2 },   { "BRL", "R$", 2 },
	{ "PLN", "zł", 2 },  { "ILS", "₪", 2 },	  { "VND", "₫", 0 },   { "UAH", "₴", 2 },
	{ "TRY", "₺", 2 },   { "NGN", "₦", 2 },	  { "PHP", "₱", 2 },   { "THB", "฿", 2 },
	{ "CAD", "CA$", 2 }, { "AUD", "A$", 2 },  { "NZD", "NZ$", 2 }, { "MXN", "MX$", 2 },
	{ "HKD", "HK$", 2 }, { "TWD", "NT$", 2 }, { "CLP", NULL, 0 },  { "ISK", NULL, 0 },
	{ "PYG", NULL, 0 },  { "UGX", NULL, 0 },  { "XAF", NULL, 0 },  { "XOF", NULL, 0 },
	{ "XPF", NULL, 0 },  { "BIF", NULL, 0 },  { "DJF", NULL, 0 },  { "GNF", NULL, 0 },
	{ "KMF", NULL, 0 },  { "RWF", NULL, 0 },  { "VUV", NULL, 0 },  { "BHD", NULL, 3 },
	{ "IQD", NULL, 3 },  { "JOD", NULL, 3 },  { "KWD", NULL, 3 },  { "LYD", NULL, 3 },
	{ "OMR", NULL, 3 },  { "TND", NULL, 3 },
};

/* The short symbol of a country's own currency, for its own readers. */
static const struct {
	const char *region, *code, *symbol;
} at_home[] = { { "-CA", "CAD", "$" }, { "-AU", "AUD", "$" }, { "-NZ", "NZD", "$" }, { "-MX", "MXN", "$" } };

/* A number as decimal digits: 0.digits × 10^point. */
struct decimal {
	bool negative;
	char digits[MAX_DIGITS + 1]; /* '0'…'9' */
	int n, point;
};

/* "-12.50", "1e-7" */
static bool
parse_decimal(struct str s, struct decimal *d)
{
	bool dot = false, any = false;
	size_t i = 0;
	*d = (struct decimal){ 0 };
	if (i < s.n && (s.p[i] == '-' || s.p[i] == '+'))
		d->negative = s.p[i++] == '-';
	for (; i < s.n && (ascii_isdigit(s.p[i]) || (s.p[i] == '.' && !dot)); i++) {
		if (s.p[i] == '.') {
			dot = true;
			continue;
		}
		any = true;
		if (d->n == 0 && s.p[i] == '0') {
			d->point -= dot;
			continue;
		}
		if (d->n == MAX_DIGITS)
			return false;
		d->digits[d->n++] = s.p[i];
		d->point += !dot;
	}
	if (i < s.n && (s.p[i] == 'e' || s.p[i] == 'E')) {
		char text[8];
		size_t n = s.n - i - 1;
		if (n == 0 || n >= sizeof text)
			return false;
		memcpy(text, s.p + i + 1, n);
		text[n] = '\0';
		char *end;
		long e = strtol(text, &end, 10);
		if (*end || e > 400 || e < -400)
			return false;
		d->point += (int)e;
		i = s.n;
	}
	return any && i == s.n;
}

/* Half up (away from zero) to `decimals` places. False when the number is too large. */
static bool
round_decimal(struct decimal *d, int decimals, char *out, size_t size)
{
	int keep = d->point + decimals; /* digits that stay */
	if (d->n == 0 || keep < 0) {
		d->n = 0;
		keep = 0;
	}
	if (keep > MAX_DIGITS)
		return false;
	char minor[MAX_DIGITS + 2] = { '0' };
	for (int i = 0; i < keep; i++)
		minor[i + 1] = i < d->n ? d->digits[i] : '0';
	if (keep < d->n && d->digits[keep] >= '5') {
		int i = keep;
		while (minor[i] == '9')
			minor[i--] = '0';
		minor[i]++;
	}
	int len = keep + 1, from = 0;
	while (from < len && minor[from] == '0')
		from++;
	if (from == len)
		d->negative = false;
	/* At least one digit before the decimals. */
	int have = len - from, pad = decimals + 1 - have;
	if ((size_t)(have + (pad > 0 ? pad : 0)) >= size)
		return false;
	char *p = out;
	for (int i = 0; i < pad; i++)
		*p++ = '0';
	memcpy(p, minor + from, (size_t)have);
	p[have] = '\0';
	return true;
}

static void
add_grouped(struct buf *b, const struct locale *l, const char *digits, int n)
{
	bool group = n > (l->group_from_5 ? 4 : 3);
	for (int i = 0; i < n; i++) {
		if (group && i > 0 && (n - i) % 3 == 0)
			buf_adds(b, str_of(l->group));
		buf_addc(b, digits[i]);
	}
}

static const struct currency *
currency_find(struct str code)
{
	for (size_t i = 0; i < sizeof currencies / sizeof *currencies; i++) {
		if (str_caseeq(code, str_of(currencies[i].code)))
			return &currencies[i];
	}
	return NULL;
}

static struct str
symbol_of(const struct currency *c, struct str code, const char *language)
{
	for (size_t i = 0; c && language && i < sizeof at_home / sizeof *at_home; i++) {
		if (strcmp(at_home[i].code, c->code) == 0 && strcasestr(language, at_home[i].region))
			return str_of(at_home[i].symbol);
	}
	return c && c->symbol ? str_of(c->symbol) : code;
}

static void
add_money(struct buf *b, const struct locale *l, struct str symbol, int decimals, bool negative,
	  const char *digits)
{
	int n = (int)strlen(digits) - decimals;
	/* A symbol of letters needs its distance: "CHF 5", "$5". */
	bool letters = symbol.n > 0 && ascii_isalpha(symbol.p[symbol.n - 1]);
	struct str gap = l->symbol_first && letters ? STR("\xC2\xA0") : str_of(l->symbol_gap);
	if (negative)
		buf_addc(b, '-');
	if (symbol.n > 0 && l->symbol_first) {
		buf_adds(b, symbol);
		buf_adds(b, gap);
	}
	add_grouped(b, l, digits, n);
	if (decimals > 0) {
		buf_adds(b, str_of(l->decimal));
		buf_add(b, digits + n, (size_t)decimals);
	}
	if (symbol.n > 0 && !l->symbol_first) {
		buf_adds(b, gap);
		buf_adds(b, symbol);
	}
}

static bool
is_code(struct str s)
{
	return s.n == 3 && ascii_isalpha(s.p[0]) && ascii_isalpha(s.p[1]) && ascii_isalpha(s.p[2]);
}

int
format_money(struct render *r, const struct helper_args *a, const struct value **out)
{
	const struct value *v = a->v[0], *code = a->n > 1 ? a->v[1] : NULL;
	struct buf *b = &r->scratch->print;
	struct decimal d;
	char digits[MAX_DIGITS + 8], name[4] = "";
	*out = NULL;
	buf_reset(b);
	if (v)
		print_value(b, v);
	struct str text = str_trim(buf_str(b));
	if (text.n == 0)
		return 0;
	if (!parse_decimal(text, &d))
		return render_fail(r, a->at, "money: \"%.*s\" is no number; write it like 1234.50",
				   STR_ARG(str_sub(text, 0, 40)));
	struct str shown = STR_NULL;
	int decimals = 2;
	if (code) {
		if (code->type != VALUE_STRING || !is_code(code->s))
			return render_fail(r, a->at,
					   "money: the currency is a code of three letters, such as \"EUR\"");
		for (size_t i = 0; i < 3; i++)
			name[i] = (char)(code->s.p[i] & ~0x20);
		const struct currency *c = currency_find(str_make(name, 3));
		decimals = c ? c->decimals : 2;
		shown = symbol_of(c, str_make(name, 3), r->env->language);
	}
	if (!round_decimal(&d, decimals, digits, sizeof digits))
		return render_fail(r, a->at, "money: the number is too large");
	buf_reset(b);
	add_money(b, locale_find(r->env->language), shown, decimals, d.negative, digits);
	*out = temp_string(r->scratch->temp, buf_str(b));
	return 0;
}
