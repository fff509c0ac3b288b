/*
 * greeting: a personalizer that greets by language, local time of day and
 * name (see greeting.md). Names come from sign-up forms, where anybody can
 * write anything: what does not look like a name is not used, and the
 * greeting is then a polite one without a name, never "Hi ,".
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mailtailor_plugin.h"

#define MAX_NAME 60			    /* characters of one name */
#define MAX_NAME_BYTES (4 * (MAX_NAME + 1)) /* and a space behind it, before it is trimmed */

struct greeting {
	int formal;
	const char *fallback; /* option default: the whole greeting when there is no usable name; NULL */
};

/* ---- characters ---- */

enum kind { LETTER, MARK, DIGIT, SPACE, JOINER, DOT, REFUSED };

struct range {
	uint32_t first, last;
	enum kind kind;
};

/* Sorted. What stands in no range is a letter from U+00C0 on, and refused below. */
static const struct range ranges[] = {
	{ '\t', '\t', SPACE },
	{ ' ', ' ', SPACE },
	{ '\'', '\'', JOINER },
	{ '-', '-', JOINER },
	{ '.', '.', DOT },
	{ '0', '9', DIGIT },
	{ 'A', 'Z', LETTER },
	{ 'a', 'z', LETTER },
	{ 0xA0, 0xA0, SPACE },
	{ 0xAA, 0xAA, LETTER }, /* Sp. M.ª */
	{ 0xB4, 0xB4, JOINER }, /* acute accent typed for an apostrophe */
	{ 0xB7, 0xB7, JOINER }, /* Catalan l·l */
	{ 0xBA, 0xBA, LETTER },
	{ 0xD7, 0xD7, REFUSED }, /* multiplication and division sign */
	{ 0xF7, 0xF7, REFUSED },
	{ 0x2B9, 0x2BF, JOINER }, /* modifier apostrophes, ʻokina */
	{ 0x2C2, 0x2DF, REFUSED },
	{ 0x300, 0x36F, MARK },
	{ 0x483, 0x489, MARK },
	{ 0x591, 0x5C7, MARK },
	{ 0x600, 0x61F, REFUSED }, /* Arabic number signs and punctuation */
	{ 0x64B, 0x65F, MARK },
	{ 0x660, 0x66D, REFUSED },
	{ 0x6D6, 0x6ED, MARK },
	{ 0x900, 0x903, MARK },
	{ 0x93A, 0x94F, MARK },
	{ 0x964, 0x96F, REFUSED },
	{ 0xE31, 0xE31, MARK },
	{ 0xE34, 0xE3A, MARK },
	{ 0xE3F, 0xE3F, REFUSED },
	{ 0xE47, 0xE4E, MARK },
	{ 0xE4F, 0xE5B, REFUSED },
	{ 0x115F, 0x1160, REFUSED }, /* Hangul fillers: letters that show nothing */
	{ 0x1680, 0x1680, REFUSED },
	{ 0x17B4, 0x17B5, REFUSED },
	{ 0x180B, 0x180E, REFUSED },
	{ 0x2000, 0x200A, SPACE },
	{ 0x200B, 0x200B, REFUSED },
	{ 0x200C, 0x200D, MARK },    /* joiners that Persian and Indic names need */
	{ 0x200E, 0x200F, REFUSED }, /* bidirectional marks */
	{ 0x2010, 0x2013, JOINER },
	{ 0x2014, 0x2018, REFUSED },
	{ 0x2019, 0x2019, JOINER }, /* the typographic apostrophe */
	{ 0x201A, 0x202E, REFUSED },
	{ 0x202F, 0x202F, SPACE },
	{ 0x2030, 0x2BFF, REFUSED }, /* punctuation, currency, arrows, mathematics, symbols, dingbats */
	{ 0x2E00, 0x2FFF, REFUSED },
	{ 0x3000, 0x3000, SPACE },
	{ 0x3001, 0x3004, REFUSED },
	{ 0x3008, 0x3020, REFUSED },
	{ 0x3030, 0x3037, REFUSED },
	{ 0x303C, 0x3040, REFUSED },
	{ 0x3099, 0x309A, MARK },
	{ 0x30FB, 0x30FB, JOINER },  /* between the parts of foreign names in Japanese */
	{ 0x3164, 0x3164, REFUSED }, /* Hangul filler */
	{ 0x3200, 0x33FF, REFUSED },
	{ 0xD800, 0xF8FF, REFUSED }, /* surrogates, private use */
	{ 0xFB29, 0xFB29, REFUSED },
	{ 0xFD3E, 0xFD4F, REFUSED },
	{ 0xFE00, 0xFE6F, REFUSED }, /* variation selectors, vertical forms */
	{ 0xFEFF, 0xFF20, REFUSED }, /* byte order mark, full-width punctuation and digits */
	{ 0xFF3B, 0xFF40, REFUSED },
	{ 0xFF5B, 0xFF65, REFUSED },
	{ 0xFFA0, 0xFFA0, REFUSED },
	{ 0xFFE0, 0xFFFF, REFUSED },
	{ 0x1D000, 0x1D7FF, REFUSED },	/* musical and mathematical letters: fancy text */
	{ 0x1F000, 0x1FFFF, REFUSED },	/* emoji */
	{ 0xE0000, 0x10FFFF, REFUSED }, /* tags, private use */
};

static enum kind
kind_of(uint32_t c)
{
	size_t lo = 0, hi = sizeof(ranges) / sizeof(ranges[0]);
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		if (c > ranges[mid].last)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo < sizeof(ranges) / sizeof(ranges[0]) && c >= ranges[lo].first)
		return ranges[lo].kind;
	return c >= 0xC0 ? LETTER : REFUSED;
}

/* One code point of well-formed UTF-8 (the host checks it); returns its bytes, 0 when it is cut off. */
static size_t
utf8_next(const char *p, size_t n, uint32_t *out)
{
	unsigned char b = (unsigned char)p[0];
	size_t len = b < 0x80 ? 1 : b < 0xE0 ? 2 : b < 0xF0 ? 3 : 4;
	if (len > n)
		return 0;
	*out = len == 1 ? b : b & (0x7Fu >> len);
	for (size_t i = 1; i < len; i++)
		*out = (*out << 6) | ((unsigned char)p[i] & 0x3F);
	return len;
}

/* ---- names ---- */

struct name {
	char text[MAX_NAME_BYTES + 1];
	size_t chars; /* 0: not usable */
};

/* What forms and imports leave where a name should be. Compared without ASCII case. */
static const char *const placeholders[] = { "n/a",	 "nn",	       "n.n.",	    "none",	 "null",
					    "unknown",	 "undefined",  "test",	    "testing",	 "asdf",
					    "qwerty",	 "xxx",	       "xx",	    "x",	 "abc",
					    "name",	 "first name", "firstname", "last name", "lastname",
					    "vorname",	 "nachname",   "customer",  "user",	 "admin",
					    "anonymous", "info",       "no name",   "noname",	 NULL };

static int
ascii_same(const char *a, const char *b)
{
	for (; *a && *b; a++, b++) {
		char ca = *a >= 'A' && *a <= 'Z' ? (char)(*a + 32) : *a;
		char cb = *b >= 'A' && *b <= 'Z' ? (char)(*b + 32) : *b;
		if (ca != cb)
			return 0;
	}
	return *a == *b;
}

static int
one_of(const char *s, const char *const *list)
{
	for (; *list; list++) {
		if (ascii_same(s, *list))
			return 1;
	}
	return 0;
}

/* What one pass over a name counts. */
struct tally {
	size_t letters, digits, words, marks_in_row;
	size_t after_dot; /* letters directly behind a dot: "J.R." has one at a time, "evil.com" three */
	int dotted;
};

/* 0 when the character may not stand here. */
static int
tally_add(struct tally *t, enum kind kind, enum kind before)
{
	t->marks_in_row = kind == MARK ? t->marks_in_row + 1 : 0;
	switch (kind) {
	case LETTER:
		t->letters++;
		t->after_dot = before == DOT || (t->dotted && t->after_dot > 0) ? t->after_dot + 1 : 0;
		t->dotted = before == DOT || (t->dotted && before == LETTER);
		return t->after_dot < 2;
	case MARK: /* stacked marks run over the lines around them */
		return (before == LETTER || before == MARK) && t->marks_in_row <= 3;
	case DIGIT:
		return ++t->digits <= 2;
	case SPACE:
		t->words++;
		break;
	case JOINER:
		if (before == JOINER)
			return 0;
		break;
	case DOT:
		if (before != LETTER && before != MARK)
			return 0;
		break;
	default:
		return 0;
	}
	t->dotted = 0;
	t->after_dot = 0;
	return 1;
}

/* Trims and makes one space of many. 0: this is no name; what out->text then holds is void. */
static int
name_clean(const char *p, size_t n, struct name *out)
{
	struct tally t = { .words = 1 };
	enum kind before = SPACE;
	size_t at = 0, chars = 0;
	uint32_t c = 0;

	for (size_t i = 0, len; i < n; i += len) {
		len = utf8_next(p + i, n - i, &c);
		enum kind kind = len > 0 ? kind_of(c) : REFUSED;
		if (kind == SPACE && before == SPACE) /* also leading */
			continue;
		if (kind == REFUSED || chars >= MAX_NAME + 1 || !tally_add(&t, kind, before))
			return 0;
		if (kind == SPACE)
			out->text[at++] = ' ';
		else
			memcpy(out->text + at, p + i, len), at += len;
		chars++;
		before = kind;
	}
	if (before == SPACE && chars > 0)
		at--, chars--, t.words--;
	out->text[at] = '\0';
	/* More words than names have is a text: "Win a free phone now click here". */
	if (chars > MAX_NAME || t.letters <= t.digits || t.words > 5 || t.letters * 3 < chars)
		return 0;
	out->chars = chars;
	return chars > 0 && !one_of(out->text, placeholders);
}

static void
name_read(const struct mt_request *rq, const char *field, struct name *out)
{
	struct mt_str s = { "", 0 };
	if (!rq->host->get_string(rq, field, &s) || s.n > 4 * MAX_NAME_BYTES || !name_clean(s.p, s.n, out)) {
		out->chars = 0;
		out->text[0] = '\0';
	}
}

/* Chinese and Japanese names in their own script: the family name first, no space. */
static int
is_east_asian(const struct name *n)
{
	uint32_t c = 0;
	if (n->chars == 0)
		return 0;
	utf8_next(n->text, strlen(n->text), &c);
	return (c >= 0x3040 && c <= 0x30FF) || (c >= 0x3400 && c <= 0x9FFF) || (c >= 0xF900 && c <= 0xFAFF) ||
	       (c >= 0x20000 && c <= 0x3FFFF);
}

/* ---- forms of address ---- */

enum gender { NOBODY, MAN, WOMAN };

static const char *const men[] = { "mr",  "mr.",   "mister",   "sir",	  "herr", "hr",	   "hr.",   "m",
				   "m.",  "mons.", "monsieur", "sr",	  "sr.",  "señor", "senor", "senhor",
				   "sig", "sig.",  "signor",   "signore", "dhr",  "dhr.",  "heer",  "de heer",
				   "pan", "г-н",   "господин", "先生",	  "male", NULL };
static const char *const women[] = { "mrs",	"mrs.",	   "ms",     "ms.",	"miss",	  "madam",  "frau",
				     "fr.",	"mme",	   "mme.",   "mlle",	"mlle.",  "madame", "sra",
				     "sra.",	"señora",  "senora", "senhora", "srta",	  "srta.",  "sig.ra",
				     "signora", "mevr",	   "mevr.",  "mevrouw", "mw",	  "mw.",    "pani",
				     "г-жа",	"госпожа", "女士",   "小姐",	"female", NULL };

static enum gender
gender_read(const struct mt_request *rq)
{
	static const char *const fields[] = { "salutation", "title" };
	char text[32];
	for (size_t i = 0; i < 2; i++) {
		struct mt_str s;
		if (!rq->host->get_string(rq, fields[i], &s) || s.n == 0 || s.n >= sizeof(text))
			continue;
		memcpy(text, s.p, s.n);
		text[s.n] = '\0';
		if (one_of(text, men))
			return MAN;
		if (one_of(text, women))
			return WOMAN;
	}
	return NOBODY;
}

/* ---- languages ---- */

enum order {
	GREETING_FIRST, /* "Good morning, Ms Weber" */
	GREETING_PLAIN, /* "Bonjour Madame Weber": no comma */
	NAME_FIRST,	/* "山田様、おはようございます" */
};

/*
 * A language's words, and the hours at which a new greeting begins.
 * man, woman: put before the family name (after it for NAME_FIRST). NULL: the language does not put such a
 * word before a bare family name without declining it, and the full name serves.
 */
struct language {
	const char *tag;
	enum order order;
	int morning, day, evening;
	const char *at_morning, *at_day, *at_evening;
	const char *separator;
	const char *man, *woman;
	const char *someone;  /* NAME_FIRST: after a name of unknown gender; else NULL */
	const char *friendly; /* NAME_FIRST: after the name in the informal style */
};

static const struct language languages[] = {
	{ "en", GREETING_FIRST, 5, 12, 18, "Good morning", "Good afternoon", "Good evening", ", ", "Mr ",
	  "Ms ", NULL, NULL },
	{ "de", GREETING_FIRST, 5, 11, 18, "Guten Morgen", "Guten Tag", "Guten Abend", ", ", "Herr ", "Frau ",
	  NULL, NULL },
	{ "fr", GREETING_PLAIN, 5, 12, 18, "Bonjour", "Bonjour", "Bonsoir", " ", "Monsieur ", "Madame ", NULL,
	  NULL },
	{ "es", GREETING_FIRST, 5, 14, 20, "Buenos días", "Buenas tardes", "Buenas noches", ", ", "Sr. ",
	  "Sra. ", NULL, NULL },
	{ "it", GREETING_FIRST, 5, 12, 17, "Buongiorno", "Buongiorno", "Buonasera", ", ", "Signor ",
	  "Signora ", NULL, NULL },
	{ "nl", GREETING_PLAIN, 5, 12, 18, "Goedemorgen", "Goedemiddag", "Goedenavond", " ", "meneer ",
	  "mevrouw ", NULL, NULL },
	{ "pt", GREETING_FIRST, 5, 12, 19, "Bom dia", "Boa tarde", "Boa noite", ", ", "Sr. ", "Sra. ", NULL,
	  NULL },
	{ "pl", GREETING_FIRST, 5, 12, 18, "Dzień dobry", "Dzień dobry", "Dobry wieczór", ", ", NULL, NULL,
	  NULL, NULL },
	{ "ru", GREETING_FIRST, 5, 12, 18, "Доброе утро", "Добрый день", "Добрый вечер", ", ", NULL, NULL,
	  NULL, NULL },
	{ "sv", GREETING_PLAIN, 5, 10, 18, "God morgon", "God dag", "God kväll", " ", NULL, NULL, NULL,
	  NULL },
	{ "da", GREETING_PLAIN, 5, 10, 18, "God morgen", "Goddag", "Godaften", " ", NULL, NULL, NULL, NULL },
	{ "zh", NAME_FIRST, 5, 11, 18, "早上好", "下午好", "晚上好", "，", "先生", "女士", "", "" },
	{ "ja", NAME_FIRST, 5, 11, 18, "おはようございます", "こんにちは", "こんばんは", "、", "様", "様",
	  "様", "さん" },
};

/* By the primary subtag of a BCP 47 tag; English when we do not speak it. */
static const struct language *
language_find(const char *tag)
{
	for (size_t i = 0; i < sizeof(languages) / sizeof(languages[0]); i++) {
		const char *l = languages[i].tag;
		char a = (char)(tag[0] | 0x20), b = tag[0] ? (char)(tag[1] | 0x20) : '\0';
		if (a == l[0] && b == l[1] && (tag[2] == '\0' || tag[2] == '-' || tag[2] == '_'))
			return &languages[i];
	}
	return &languages[0];
}

static const char *
language_greeting(const struct language *l, int hour)
{
	if (hour < l->morning)
		return l->at_evening; /* the small hours belong to the evening before */
	if (hour < l->day)
		return l->at_morning;
	return hour < l->evening ? l->at_day : l->at_evening;
}

/* ---- the greeting ---- */

struct person {
	struct name first, last, patronymic;
	enum gender gender;
};

/* Appends; the parts are bounded far below the buffer. */
static void
add(char *out, size_t size, const char *text)
{
	size_t n = strlen(out);
	snprintf(out + n, size - n, "%s", text);
}

static void
add_full_name(char *out, size_t size, const struct person *p)
{
	int east = is_east_asian(&p->last) && (p->first.chars == 0 || is_east_asian(&p->first));
	add(out, size, east ? p->last.text : p->first.text);
	if (!east && p->first.chars && p->last.chars)
		add(out, size, " ");
	add(out, size, east ? p->first.text : p->last.text);
}

/* How the person is addressed in this language; empty when no usable name fits. */
static void
address_informal(const struct language *l, const struct person *p, char *out, size_t size)
{
	if (l->order == NAME_FIRST) {
		/* A given name alone is too close: Japanese uses the family name, Chinese the whole one. */
		if (strcmp(l->tag, "ja") == 0 && p->last.chars)
			add(out, size, p->last.text);
		else
			add_full_name(out, size, p);
		if (out[0])
			add(out, size, l->friendly);
		return;
	}
	if (p->first.chars)
		add(out, size, p->first.text);
}

static void
address_formal(const struct language *l, const struct person *p, char *out, size_t size)
{
	const char *word = p->gender == MAN ? l->man : p->gender == WOMAN ? l->woman : NULL;
	if (l->order == NAME_FIRST) {
		if (p->last.chars && (word || strcmp(l->tag, "ja") == 0))
			add(out, size, p->last.text);
		else
			add_full_name(out, size, p);
		if (out[0])
			add(out, size, word ? word : l->someone);
	} else if (word && p->last.chars) {
		add(out, size, word);
		add(out, size, p->last.text);
	} else if (strcmp(l->tag, "ru") == 0 && p->first.chars && p->patronymic.chars) {
		add(out, size, p->first.text);
		add(out, size, " ");
		add(out, size, p->patronymic.text);
	} else if (strcmp(l->tag, "pl") == 0 && p->gender != NOBODY) {
		add(out, size, p->gender == MAN ? "Szanowny Panie" : "Szanowna Pani");
	} else if (p->first.chars && p->last.chars) {
		/* The whole name is right for everybody when we do not know how to call them. */
		add_full_name(out, size, p);
	}
}

static int
greeting_run(void *instance, void *thread, const struct mt_request *rq, struct mt_error *error)
{
	const struct greeting *self = instance;
	const struct language *l = language_find(rq->language);
	const char *hello = language_greeting(l, rq->hour);
	char address[4 * MAX_NAME_BYTES] = "", text[5 * MAX_NAME_BYTES] = "", full[3 * MAX_NAME_BYTES] = "";
	struct person p;
	(void)thread;
	(void)error;

	name_read(rq, "first_name", &p.first);
	name_read(rq, "last_name", &p.last);
	name_read(rq, "patronymic", &p.patronymic);
	p.gender = gender_read(rq);
	if (self->formal)
		address_formal(l, &p, address, sizeof(address));
	else
		address_informal(l, &p, address, sizeof(address));

	if (!address[0]) {
		add(text, sizeof(text), self->fallback ? self->fallback : hello);
	} else {
		add(text, sizeof(text), l->order == NAME_FIRST ? address : hello);
		add(text, sizeof(text), l->separator);
		add(text, sizeof(text), l->order == NAME_FIRST ? hello : address);
	}
	add_full_name(full, sizeof(full), &p);
	if (full[0] && rq->host->set_string(rq, "name", full, MT_NUL) != 0)
		return -1;
	return rq->host->set_string(rq, "greeting", text, MT_NUL);
}

/* ---- the plugin ---- */

static void *
greeting_create(const struct mt_host *host, const struct mt_option *options, size_t noptions,
		struct mt_error *error)
{
	struct greeting *self = calloc(1, sizeof(*self));
	(void)host;
	if (!self) {
		snprintf(error->text, sizeof(error->text), "out of memory");
		return NULL;
	}
	for (size_t i = 0; i < noptions; i++) {
		const char *name = options[i].name, *value = options[i].value;
		if (strcmp(name, "style") == 0 && strcmp(value, "formal") == 0) {
			self->formal = 1;
		} else if (strcmp(name, "style") == 0 && strcmp(value, "informal") == 0) {
			self->formal = 0;
		} else if (strcmp(name, "default") == 0 && value[0] && strlen(value) <= MAX_NAME_BYTES) {
			self->fallback = value;
		} else {
			snprintf(error->text, sizeof(error->text),
				 "option %.64s = \"%.64s\" is not known; there are: style = formal or "
				 "informal, default = "
				 "a text of 1 to %d bytes",
				 name, value, MAX_NAME_BYTES);
			free(self);
			return NULL;
		}
	}
	return self;
}

static void
greeting_destroy(void *instance)
{
	free(instance);
}

MT_SHORT_PERSONALIZER("greeting", "1.0", greeting_create, greeting_destroy, NULL, NULL, greeting_run)
