/* What the tests of src/conf share. */
#ifndef TEST_CONF_H
#define TEST_CONF_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "conf/conf-private.h"

/* conf_report_fn: one line for each mistake, into a struct buf. */
static inline void
collect(void *ctx, const char *text)
{
	struct buf *b = ctx;
	assert_null(strchr(text, '\n'));
	buf_printf(b, "%s\n", text);
}

static inline struct conf *
load(const char *text, struct buf *reports)
{
	buf_reset(reports);
	return conf_load_text("t.conf", str_of(text), "/plugins", collect, reports);
}

#endif
