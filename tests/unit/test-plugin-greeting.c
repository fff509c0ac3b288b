/* test-plugin-greeting: the greeting by language, hour, style and name; names that are none. */
#include "test-plugin.h"

#define GREETING "plugins/greeting.so"

static struct fixture *
greeter(const char *style)
{
	struct fixture *f = fixture_new();
	fixture_add(f, "greeting", GREETING, 5000, style, NULL);
	fixture_must_load(f);
	return f;
}

static const char *
greet(struct fixture *f, const char *profile, const char *language, int hour)
{
	struct plugin_request rq = fixture_request(f, profile, language);
	rq.time_zone = "UTC";
	rq.now_ms = TEST_NOW - TEST_NOW % 86400000 + hour * INT64_C(3600000);
	fixture_run(f, &rq);
	if (f->out.nnotes > 0)
		fail_msg("%s", note_text(f, "greeting"));
	return var_text(f, "greeting");
}

struct greeting_case {
	const char *profile, *language;
	int hour;
	const char *want;
};

static void
check_cases(const char *style, const struct greeting_case *cases, size_t n)
{
	struct fixture *f = greeter(style);
	for (size_t i = 0; i < n; i++) {
		const char *got = greet(f, cases[i].profile, cases[i].language, cases[i].hour);
		if (strcmp(got, cases[i].want) != 0)
			fail_msg("%s %s %d: \"%s\", wanted \"%s\"", cases[i].profile, cases[i].language,
				 cases[i].hour, got, cases[i].want);
	}
	fixture_free(f);
}

#define MARIA "{\"first_name\":\"Maria\",\"last_name\":\"Weber\"}"
#define FRAU "{\"salutation\":\"Frau\",\"first_name\":\"Maria\",\"last_name\":\"Müller\"}"
#define MR "{\"salutation\":\"Mr\",\"first_name\":\"John\",\"last_name\":\"Smith\"}"

static void
informal(void **state)
{
	static const struct greeting_case cases[] = {
		{ MARIA, "en", 8, "Good morning, Maria" },
		{ MARIA, "en-GB", 12, "Good afternoon, Maria" },
		{ MARIA, "EN_us", 19, "Good evening, Maria" },
		{ MARIA, "en", 2, "Good evening, Maria" },
		{ MARIA, "de-AT", 8, "Guten Morgen, Maria" },
		{ MARIA, "de", 12, "Guten Tag, Maria" },
		{ MARIA, "fr", 9, "Bonjour Maria" },
		{ MARIA, "fr-CA", 22, "Bonsoir Maria" },
		{ MARIA, "es", 13, "Buenos días, Maria" },
		{ MARIA, "es-MX", 15, "Buenas tardes, Maria" },
		{ MARIA, "it", 18, "Buonasera, Maria" },
		{ MARIA, "nl", 13, "Goedemiddag Maria" },
		{ MARIA, "pt-BR", 20, "Boa noite, Maria" },
		{ MARIA, "pl", 9, "Dzień dobry, Maria" },
		{ MARIA, "ru", 9, "Доброе утро, Maria" },
		{ MARIA, "sv", 12, "God dag Maria" },
		{ MARIA, "da", 20, "Godaften Maria" },
		{ MARIA, "tlh", 9, "Good morning, Maria" },
		{ MARIA, "x", 9, "Good morning, Maria" },
		{ MARIA, "", 9, "Good morning, Maria" },
		{ "{\"first_name\":\"小明\",\"last_name\":\"王\"}", "zh-CN", 9, "王小明，早上好" },
		{ "{\"first_name\":\"太郎\",\"last_name\":\"山田\"}", "ja", 9,
		  "山田さん、おはようございます" },
		{ "{\"first_name\":\"太郎\"}", "ja", 12, "太郎さん、こんにちは" },
		{ "{}", "ja", 20, "こんばんは" },
		{ "{}", "en", 8, "Good morning" },
		{ "{\"last_name\":\"Weber\"}", "en", 8, "Good morning" },
		{ "{\"first_name\":\"  Anna   Lena \"}", "en", 8, "Good morning, Anna Lena" },
		{ "{\"first_name\":\"O'Brien\"}", "en", 8, "Good morning, O'Brien" },
		{ "{\"first_name\":\"Jean-Pierre\"}", "fr", 8, "Bonjour Jean-Pierre" },
		{ "{\"first_name\":\"J. R. R.\"}", "en", 8, "Good morning, J. R. R." },
		{ "{\"first_name\":\"J.R.\"}", "en", 8, "Good morning, J.R." },
		{ "{\"first_name\":\"Zoë\"}", "en", 8, "Good morning, Zoë" },
		{ "{\"first_name\":\"محمد\"}", "en", 8, "Good morning, محمد" },
		{ "{\"first_name\":\"सीता\"}", "en", 8, "Good morning, सीता" },
		{ "{\"first_name\":\"Nguyễn\"}", "en", 8, "Good morning, Nguyễn" },
	};
	(void)state;
	check_cases("style=informal", cases, sizeof(cases) / sizeof(cases[0]));
}

static void
formal(void **state)
{
	static const struct greeting_case cases[] = {
		{ FRAU, "de", 8, "Guten Morgen, Frau Müller" },
		{ FRAU, "en", 8, "Good morning, Ms Müller" },
		{ FRAU, "fr", 8, "Bonjour Madame Müller" },
		{ MR, "en", 14, "Good afternoon, Mr Smith" },
		{ MR, "de", 14, "Guten Tag, Herr Smith" },
		{ MR, "es", 9, "Buenos días, Sr. Smith" },
		{ MR, "it", 9, "Buongiorno, Signor Smith" },
		{ MR, "nl", 9, "Goedemorgen meneer Smith" },
		{ MR, "pt", 9, "Bom dia, Sr. Smith" },
		{ MR, "pl", 9, "Dzień dobry, Szanowny Panie" },
		{ FRAU, "pl", 19, "Dobry wieczór, Szanowna Pani" },
		{ MARIA, "de", 8, "Guten Morgen, Maria Weber" },
		{ MARIA, "pl", 8, "Dzień dobry, Maria Weber" },
		{ "{\"first_name\":\"Maria\"}", "de", 8, "Guten Morgen" },
		{ "{\"last_name\":\"Weber\"}", "de", 8, "Guten Morgen" },
		{ "{\"salutation\":\"Frau\"}", "de", 8, "Guten Morgen" },
		{ "{\"first_name\":\"Мария\",\"patronymic\":\"Ивановна\",\"last_name\":\"Кузнецова\"}", "ru",
		  13, "Добрый день, Мария Ивановна" },
		{ "{\"title\":\"女士\",\"first_name\":\"小明\",\"last_name\":\"王\"}", "zh", 9,
		  "王女士，早上好" },
		{ "{\"first_name\":\"小明\",\"last_name\":\"王\"}", "zh", 9, "王小明，早上好" },
		{ "{\"first_name\":\"太郎\",\"last_name\":\"山田\"}", "ja", 9, "山田様、おはようございます" },
		{ "{\"first_name\":\"Maria\",\"last_name\":\"Weber\"}", "ja", 9,
		  "Weber様、おはようございます" },
	};
	(void)state;
	check_cases("style=formal", cases, sizeof(cases) / sizeof(cases[0]));
}

/* What must never stand in a greeting. */
static void
bad_names(void **state)
{
	static const char *const names[] = {
		"",
		" ",
		"-",
		"...",
		"http://evil.example",
		"evil.com",
		"www.evil.com",
		"Anna evil.com",
		"<b>Anna</b>",
		"Anna & Co",
		"{{x}}",
		"\\\"Anna\\\"",
		"Anna\\u0007",
		"Anna\\nBcc: x",
		"Anna\\u202e",
		"\\u200bAnna",
		"Anna\\u00ad",
		"😀",
		"Anna 😀",
		"Anna ★",
		"12345",
		"Anna 123",
		"0171 2345",
		"a@b.c",
		"@anna",
		"Anna, Lena",
		"Anna/Lena",
		"Anna (Lena)",
		"Win a free phone right now",
		"$$$",
		"test",
		"N/A",
		"null",
		"First Name",
		"UNKNOWN",
		"Anna--Lena",
		"Anna\\u0301\\u0301\\u0301\\u0301",
		"\\u0301Anna",
		"ｅｖｉｌ．ｃｏｍ",
		"ＡＮＮＡ！",
		"evil。com",
		"\\u3164",
		"𝐀𝐧𝐧𝐚",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", /* 61 */
	};
	struct fixture *f = greeter("style=informal");
	char profile[1024];
	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(profile, sizeof(profile), "{\"first_name\":\"%s\"}", names[i]);
		const char *got = greet(f, profile, "en", 8);
		if (strcmp(got, "Good morning") != 0)
			fail_msg("\"%s\" came through: \"%s\"", names[i], got);
		assert_string_equal(var_text(f, "name"), "");
	}
	assert_string_equal(greet(f, "{\"first_name\":7}", "en", 8), "Good morning");
	assert_string_equal(greet(f, "{\"first_name\":[\"Anna\"]}", "en", 8), "Good morning");
	/* One character too many, of three bytes each. */
	strcpy(profile, "{\"first_name\":\"");
	for (int i = 0; i < 61; i++)
		strcat(profile, "漢");
	strcat(profile, "\"}");
	assert_string_equal(greet(f, profile, "en", 8), "Good morning");
	/* The longest name there may be, of the longest characters. */
	char long_name[512] = "{\"first_name\":\"";
	for (int i = 0; i < 60; i++)
		strcat(long_name, "𠮷");
	strcat(long_name, " \"}");
	assert_int_equal(strlen(greet(f, long_name, "en", 8)), strlen("Good morning, ") + 240);
	fixture_free(f);
}

static void
variables_and_options(void **state)
{
	struct fixture *f = greeter("default=Hello there");
	(void)state;
	assert_string_equal(greet(f, "{}", "de", 8), "Hello there");
	assert_string_equal(greet(f, MARIA, "de", 8), "Guten Morgen, Maria");
	assert_string_equal(var_text(f, "name"), "Maria Weber");
	greet(f, "{\"first_name\":\"小明\",\"last_name\":\"王\"}", "de", 8);
	assert_string_equal(var_text(f, "name"), "王小明");
	fixture_free(f);

	static const char *const bad[] = { "style=curt", "stile=formal", "default=" };
	for (size_t i = 0; i < 3; i++) {
		f = fixture_new();
		fixture_add(f, "greeting", GREETING, 50, bad[i], NULL);
		assert_false(fixture_load(f));
		assert_non_null(strstr(f->reports, "is not known; there are: style = formal or informal"));
		fixture_free(f);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(informal),
		cmocka_unit_test(formal),
		cmocka_unit_test(bad_names),
		cmocka_unit_test(variables_and_options),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
