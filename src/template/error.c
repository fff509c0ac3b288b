/*
 * error: places in a template, for people.
 */
#include "template/program.h"

#include <stdio.h>

static void
place_of(struct str source, size_t offset, int *line, int *column)
{
	size_t start = 0;
	*line = 1;
	for (size_t i = 0; i < offset && i < source.n; i++) {
		if (source.p[i] == '\n') {
			(*line)++;
			start = i + 1;
		}
	}
	*column = 1;
	for (size_t i = start; i < offset && i < source.n; i++) {
		if (((unsigned char)source.p[i] & 0xC0) != 0x80)
			(*column)++;
	}
}

/* Cut text must not end inside a character. */
static void
cut_utf8(char *text, size_t n)
{
	while (n > 0 && ((unsigned char)text[n - 1] & 0xC0) == 0x80)
		n--;
	if (n > 0 && (unsigned char)text[n - 1] >= 0xC0)
		n--;
	text[n] = '\0';
}

int
tpl_fail(struct tpl_error *te, struct str source, struct str partial, size_t offset, const char *fmt, ...)
{
	if (!te)
		return -1;
	te->offset = (uint32_t)offset;
	place_of(source, offset, &te->line, &te->column);
	int used = 0;
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(te->text, sizeof te->text, fmt, ap);
	va_end(ap);
	if (partial.p && n >= 0 && (size_t)n < sizeof te->text) {
		used = snprintf(te->text + n, sizeof te->text - (size_t)n, " (in partial \"%.*s\")",
				STR_ARG(partial));
	}
	if (n < 0 || used < 0 || (size_t)n + (size_t)used >= sizeof te->text)
		cut_utf8(te->text, sizeof te->text - 1);
	return -1;
}
