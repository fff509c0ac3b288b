/*
 * Any bytes as a configuration. What is refused has a reason; what is accepted prints, loads again and is the
 * same. From memory nothing is included, so no file is opened (time zones apart, from the system's database).
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf-private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
count(void *ctx, const char *text)
{
	size_t *n = ctx;
	if (strchr(text, '\n') || strncmp(text, "fuzz:", 5) != 0)
		abort();
	++*n;
}

static void
check_same(const struct conf *c)
{
	char *text = NULL;
	size_t n = 0, mistakes = 0;
	struct buf first = { 0 }, second = { 0 };
	FILE *f = open_memstream(&text, &n);
	conf_print_diff_json(c, f);
	fclose(f);
	free(text);
	f = open_memstream(&text, &n);
	conf_print_diff(c, f);
	fclose(f);
	struct conf *again = conf_load_text("fuzz", str_make(text, n), "/plugins", count, &mistakes);
	if (!again)
		abort();
	conf_print_all(c, &first);
	conf_print_all(again, &second);
	if (!str_eq(buf_str(&first), buf_str(&second)))
		abort();
	buf_free(&first);
	buf_free(&second);
	conf_free(&again);
	free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t mistakes = 0;
	struct conf *c =
	    conf_load_text("fuzz", str_make((const char *)data, size), "/plugins", count, &mistakes);
	if ((c == NULL) != (mistakes > 0))
		abort();
	if (c)
		check_same(c);
	conf_free(&c);
	return 0;
}
