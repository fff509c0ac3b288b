/*
 * test-template-doc: every example of contrib/TEMPLATES.md does what the page
 * says. An example is ```template, ```data and ```result (or ```error: a part
 * of the message), with ```partial NAME before it. Words behind ```template:
 * hold, url, text, header, lang=…, zone=….
 */
#include "test-template.h"

#define PAGE "contrib/TEMPLATES.md"
#define MAX_PARTIALS 4

struct example {
	int line;
	char options[1024], template[4096], data[4096];
	char names[MAX_PARTIALS][64], texts[MAX_PARTIALS][4096];
	const char *partials[2 * MAX_PARTIALS + 1];
	size_t npartials;
};

/* The word behind key= in the options, or NULL. */
static const char *
option(const struct example *e, const char *key, char *out, size_t size)
{
	const char *at = strstr(e->options, key);
	if (!at)
		return NULL;
	at += strlen(key);
	snprintf(out, size, "%.*s", (int)strcspn(at, " \n"), at);
	return out;
}

static void
check(struct fixture *f, const struct example *e, const char *kind, const char *wanted)
{
	char language[64], zone[64];
	f->options.escape = strstr(e->options, "url")	   ? TPL_ESC_URL_TEXT
			    : strstr(e->options, "text")   ? TPL_ESC_TEXT
			    : strstr(e->options, "header") ? TPL_ESC_HEADER
							   : TPL_ESC_HTML;
	f->env =
	    (struct tpl_env){ .missing = strstr(e->options, "hold") ? TPL_MISSING_ERROR : TPL_MISSING_EMPTY,
			      .language = option(e, "lang=", language, sizeof language),
			      .time_zone = option(e, "zone=", zone, sizeof zone) };
	f->partials = e->partials;
	const char *got = render(f, e->template, e->data);
	bool failed = strncmp(got, "ERROR ", 6) == 0;
	/* The page cannot show whether a result ends with a line end. */
	if (f->out.n > 0 && f->out.p[f->out.n - 1] == '\n')
		f->out.p[--f->out.n] = '\0';
	bool ok = strcmp(kind, "error") == 0 ? failed && strstr(got, wanted) : strcmp(got, wanted) == 0;
	if (!ok)
		fail_msg("%s:%d: wanted %s \"%s\", got \"%s\"", PAGE, e->line, kind, wanted, got);
}

/* The lines up to the closing fence, without the last line end. */
static void
read_block(FILE *page, int *line, char *out, size_t size)
{
	char text[1024];
	size_t n = 0;
	out[0] = '\0';
	while (fgets(text, sizeof text, page) && strncmp(text, "```", 3) != 0) {
		(*line)++;
		int wrote = snprintf(out + n, size - n, "%s", text);
		assert_true(wrote >= 0 && (size_t)wrote < size - n);
		n += (size_t)wrote;
	}
	(*line)++;
	if (n > 0)
		out[n - 1] = '\0';
}

/* A fence opens: reads its block. Returns 1 when it ended an example. */
static int
take_block(struct fixture *f, struct example *e, FILE *page, int *line, const char *fence)
{
	char kind[32] = "", name[64] = "", wanted[4096];
	sscanf(fence, "```%31s %63s", kind, name);
	if (strcmp(kind, "partial") == 0) {
		assert_true(e->npartials < MAX_PARTIALS);
		snprintf(e->names[e->npartials], sizeof e->names[0], "%s", name);
		e->partials[2 * e->npartials] = e->names[e->npartials];
		e->partials[2 * e->npartials + 1] = e->texts[e->npartials];
		read_block(page, line, e->texts[e->npartials++], sizeof e->texts[0]);
	} else if (strcmp(kind, "template") == 0) {
		e->line = *line;
		snprintf(e->options, sizeof e->options, "%s", fence + strlen("```template"));
		read_block(page, line, e->template, sizeof e->template);
	} else if (strcmp(kind, "data") == 0) {
		read_block(page, line, e->data, sizeof e->data);
	} else {
		assert_true(strcmp(kind, "result") == 0 || strcmp(kind, "error") == 0);
		read_block(page, line, wanted, sizeof wanted);
		check(f, e, kind, wanted);
		memset(e, 0, sizeof *e);
		return 1;
	}
	return 0;
}

static void
test_page(void **state)
{
	struct fixture *f = *state;
	struct example *e = calloc(1, sizeof *e);
	char text[1024];
	int line = 0, examples = 0;
	FILE *page = fopen(PAGE, "r");
	if (!page)
		fail_msg("%s cannot be read; run the tests in the project's folder", PAGE);
	while (fgets(text, sizeof text, page)) {
		line++;
		if (strncmp(text, "```", 3) == 0)
			examples += take_block(f, e, page, &line, text);
	}
	assert_true(examples > 20);
	print_message("%d examples\n", examples);
	fclose(page);
	free(e);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test_setup_teardown(test_page, fixture_open,
									    fixture_close) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
