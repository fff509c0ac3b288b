/*
 * test-template-helper: the helpers, dates, money and languages.
 */
#include "test-template.h"

static void
test_values(void **state)
{
	struct fixture *f = *state;
	GIVES(f, "{{default a \"there\"}} {{default b a \"x\"}} {{default z 0}}", "{\"b\":\"\",\"a\":\"A\"}",
	      "A A 0");
	GIVES(f, "Hi {{insert name \"default=there\"}}{{insert n default=\"you\"}}!", "{}", "Hi thereyou!");
	GIVES(f, "{{insert name \"default=there\"}}", "{\"name\":\"Ann\"}", "Ann");
	FAILS(f, "{{insert name \"there\"}}", "{}", "insert: the second argument");
	GIVES(f, "{{length l}} {{length s}} {{length m}} {{length z}}",
	      "{\"l\":[1,2],\"s\":\"Zoë\",\"m\":{\"a\":1}}", "2 3 1 0");
	GIVES(f, "{{lookup l 1}} {{lookup m k}} {{lookup l 7}}", "{\"l\":[5,6],\"m\":{\"x\":3},\"k\":\"x\"}",
	      "6 3 ");
	GIVES(f, "a{{log \"x\" level=\"error\"}}b", "{}", "ab");
	GIVES(f, "{{#with (lookup l 0)}}{{n}}{{/with}}{{#each (lookup m \"x\")}}{{.}}{{/each}}",
	      "{\"l\":[{\"n\":1}],\"m\":{\"x\":[7,8]}}", "178");
}

/* A variable of a helper's name is the variable, unless the name has arguments. */
static void
test_names_of_helpers(void **state)
{
	struct fixture *f = *state;
	GIVES(f, "{{upper}} {{upper upper}} {{#length}}y{{/length}}", "{\"upper\":\"a\",\"length\":1}",
	      "a A y");
	GIVES(f, "[{{upper}}]", "{}", "[]");
}

static void
test_comparisons(void **state)
{
	struct fixture *f = *state;
	GIVES(f, "{{equals a 5}}{{equals a \"5\"}}{{equals a 5.0}}{{equals a \"05\"}}", "{\"a\":5}",
	      "truetruetruetrue");
	GIVES(f, "{{equals a \"5\"}}{{equals a \"05\"}}{{equals a b}}{{equals c \"\"}}",
	      "{\"a\":\"5\",\"b\":\"5\"}", "truefalsetruetrue");
	GIVES(f, "{{equals a 9007199254740993}}", "{\"a\":9007199254740992}", "false");
	GIVES(f, "{{equals a true}}{{equals a \"true\"}}{{equals l l}}{{equals l \"1\"}}",
	      "{\"a\":true,\"l\":[1]}", "truetruetruefalse");
	GIVES(f, "{{#equals a b}}same{{else}}other{{/equals}}{{#notEquals a b}}!{{/notEquals}}",
	      "{\"a\":1,\"b\":2}", "other!");
	GIVES(f, "{{#greaterThan a 9}}>{{else}}<={{/greaterThan}}{{#lessThan a 9}}<{{else}}>={{/lessThan}}",
	      "{\"a\":\"10\"}", ">>=");
	GIVES(f, "{{greaterThan d \"2026-03-01\"}}{{lessThan d \"2026-03-01\"}}{{lessThan z 5}}",
	      "{\"d\":\"2026-03-29\"}", "truefalsefalse");
	GIVES(f, "{{#and a b}}1{{/and}}{{#and a c}}2{{else}}3{{/and}}{{#or c a}}4{{/or}}{{or c c}}",
	      "{\"a\":1,\"b\":\"x\",\"c\":0}", "134false");
	GIVES(f, "{{#if (and (greaterThan a 1) (equals b \"x\"))}}yes{{/if}}", "{\"a\":2,\"b\":\"x\"}",
	      "yes");
	GIVES(f, "{{#if a}}{{else equals b 1}}one{{else}}more{{/if}}", "{\"b\":1}", "one");
	GIVES(f, "{{^equals a 1}}no{{/equals}}", "{\"a\":2}", "no");
}

static void
test_letters(void **state)
{
	struct fixture *f = *state;
	GIVES(f, "{{upper a}} {{lower a}} {{capitalize b}} {{capitalize (lower a)}}",
	      "{\"a\":\"Zoë ß Ñ\",\"b\":\"éva maria\"}", "ZOË SS Ñ zoë ß ñ Éva maria Zoë ß ñ");
	GIVES(f, "{{upper n}}{{upper (default z \"x\")}}", "{\"n\":5}", "5X");
	f->env.language = "tr-TR";
	GIVES(f, "{{upper a}} {{lower b}} {{capitalize a}}", "{\"a\":\"istanbul\",\"b\":\"ISPARTA\"}",
	      "İSTANBUL ısparta İstanbul");
}

#define DATE(f, format, date, expected) \
	GIVES(f, "{{formatDate d \"" format "\"}}", "{\"d\":" date "}", expected)

static void
test_dates(void **state)
{
	struct fixture *f = *state;
	DATE(f, "YYYY-MM-DD HH:mm:ss", "\"2026-03-29T14:05:09Z\"", "2026-03-29 14:05:09");
	DATE(f, "dddd, MMMM D, YYYY h:mm A", "\"2026-03-29T14:05:09Z\"", "Sunday, March 29, 2026 2:05 PM");
	DATE(f, "ddd MMM Do YY hh a [at] H", "\"2024-02-29T00:05:09Z\"", "Thu Feb 29th 24 12 am at 0");
	DATE(f, "M/D/YY Z ZZ", "\"2026-01-02\"", "1/2/26 +00:00 +0000");
	DATE(f, "YYYY-MM-DD HH:mm", "1774792800", "2026-03-29 14:00");
	DATE(f, "YYYY-MM-DD HH:mm", "1774792800123", "2026-03-29 14:00");
	DATE(f, "YYYY-MM-DD HH:mm", "\"1774792800\"", "2026-03-29 14:00");
	DATE(f, "YYYY-MM-DD", "-1", "1969-12-31");
	DATE(f, "D.M. H:mm", "\"2026-03-29T23:30:00.5-05:00\"", "30.3. 4:30");
	DATE(f, "YYYY", "null", "");
	DATE(f, "[open YYYY", "\"2026-01-01\"", "open YYYY");
	FAILS(f, "{{formatDate d \"YYYY\"}}", "{\"d\":\"soon\"}", "formatDate: \"soon\" is no date");
	FAILS(f, "{{formatDate d \"YYYY\"}}", "{\"d\":\"2026-02-30\"}", "is no date");
	FAILS(f, "{{formatDate d 5}}", "{\"d\":\"2026-02-20\"}", "the format is a text");
	f->env.now_ms = 1774792800000;
	GIVES(f, "{{formatDate \"now\" \"YYYY\"}}", "{}", "2026");
}

static void
test_zones(void **state)
{
	struct fixture *f = *state;
	f->env.time_zone = "Europe/Berlin";
	DATE(f, "YYYY-MM-DD HH:mm Z", "\"2026-03-29T00:59:59Z\"", "2026-03-29 01:59 +01:00");
	DATE(f, "YYYY-MM-DD HH:mm Z", "\"2026-03-29T01:00:00Z\"", "2026-03-29 03:00 +02:00");
	DATE(f, "YYYY-MM-DD HH:mm", "\"2026-12-31\"", "2026-12-31 00:00");
	DATE(f, "YYYY-MM-DD HH:mm Z", "\"2026-07-01T09:00\"", "2026-07-01 09:00 +02:00");
	GIVES(f,
	      "{{formatDate d \"HH:mm\" \"America/New_York\"}} {{formatDate d \"HH:mm\" \"-0800\"}} "
	      "{{formatDate d "
	      "\"HH:mm\" timezone=\"UTC\"}}",
	      "{\"d\":\"2026-07-01T12:00:00Z\"}", "08:00 04:00 12:00");
	FAILS(f, "{{formatDate d \"HH\" \"Mars/Phobos\"}}", "{\"d\":0}", "unknown time zone \"Mars/Phobos\"");
	FAILS(f, "{{formatDate d \"HH\" \"/etc/passwd\"}}", "{\"d\":0}", "unknown time zone");
	FAILS(f, "{{formatDate d \"HH\" \"../../etc/localtime\"}}", "{\"d\":0}", "unknown time zone");
}

static void
test_date_languages(void **state)
{
	static const char *const wanted[][2] = {
		{ "de-DE", "Sonntag, 1. März 2026" }, { "en-GB", "Sunday, 1. March 2026" },
		{ "fr", "dimanche, 1. mars 2026" },   { "es_ES", "domingo, 1. marzo 2026" },
		{ "zh-CN", "星期日, 1. 三月 2026" },  { "ja", "日曜日, 1. 3月 2026" },
		{ "it", "domenica, 1. marzo 2026" },  { "xx", "Sunday, 1. March 2026" },
		{ "den", "Sunday, 1. March 2026" },
	};
	struct fixture *f = *state;
	for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
		f->env.language = wanted[i][0];
		DATE(f, "dddd, D. MMMM YYYY", "\"2026-03-01\"", wanted[i][1]);
	}
}

#define MONEY(f, lang, number, code, expected)                                        \
	do {                                                                          \
		(f)->env.language = lang;                                             \
		GIVES(f, "{{money p \"" code "\"}}", "{\"p\":" number "}", expected); \
	} while (0)

static void
test_money(void **state)
{
	struct fixture *f = *state;
	MONEY(f, "en", "1234.5", "EUR", "€1,234.50");
	MONEY(f, "de", "1234.5", "EUR", "1.234,50\xC2\xA0€");
	MONEY(f, "fr", "1234567.891", "EUR",
	      "1\xE2\x80\xAF"
	      "234\xE2\x80\xAF"
	      "567,89\xC2\xA0€");
	MONEY(f, "es", "1234.5", "EUR", "1234,50\xC2\xA0€");
	MONEY(f, "es", "12345", "EUR", "12.345,00\xC2\xA0€");
	MONEY(f, "ja", "1234.5", "JPY", "¥1,235");
	MONEY(f, "zh", "99", "CNY", "¥99.00");
	MONEY(f, "de-CH", "1234.05", "CHF",
	      "CHF\xC2\xA0"
	      "1\xE2\x80\x99"
	      "234.05");
	MONEY(f, "pt-BR", "1234.5", "BRL",
	      "R$\xC2\xA0"
	      "1.234,50");
	MONEY(f, "en-CA", "5", "CAD", "$5.00");
	MONEY(f, "en-US", "5", "CAD", "CA$5.00");
	MONEY(f, "en", "5", "chf",
	      "CHF\xC2\xA0"
	      "5.00");
	MONEY(f, "en", "1.2345", "KWD",
	      "KWD\xC2\xA0"
	      "1.235");
	/* Half up in decimal digits, whatever binary fractions say. */
	MONEY(f, "en", "1.005", "USD", "$1.01");
	MONEY(f, "en", "12.345", "USD", "$12.35");
	MONEY(f, "en", "999.995", "USD", "$1,000.00");
	MONEY(f, "en", "-0.005", "USD", "-$0.01");
	MONEY(f, "en", "-0.004", "USD", "$0.00");
	MONEY(f, "en", "0", "USD", "$0.00");
	MONEY(f, "en", "\"19.9\"", "USD", "$19.90");
	MONEY(f, "en", "1e3", "USD", "$1,000.00");
	MONEY(f, "en", "1e-7", "USD", "$0.00");
	MONEY(f, "en", "9223372036854775807", "JPY", "¥9,223,372,036,854,775,807");
	GIVES(f, "{{money p}}", "{\"p\":3}", "3.00");
	GIVES(f, "[{{money p \"EUR\"}}]", "{}", "[]");
	FAILS(f, "{{money p \"EUR\"}}", "{\"p\":\"cheap\"}", "money: \"cheap\" is no number");
	FAILS(f, "{{money p \"Euro\"}}", "{\"p\":1}", "three letters");
	FAILS(f, "{{money p \"EUR\"}}", "{\"p\":1e300}", "too large");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_open, fixture_close)
	const struct CMUnitTest tests[] = {
		TEST(test_values),	   TEST(test_names_of_helpers),
		TEST(test_comparisons),	   TEST(test_letters),
		TEST(test_dates),	   TEST(test_zones),
		TEST(test_date_languages), TEST(test_money),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
