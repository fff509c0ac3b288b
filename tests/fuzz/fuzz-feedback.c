/*
 * src/feedback: the input as a message that came back. What is found keeps the limits that feedback.h names,
 * and comes through the sandbox's wire as it was; the input as that wire's bytes is read, or refused.
 */
#include <stdint.h>
#include <stdlib.h>

#include "feedback/feedback.h"
#include "feedback/finding.h"
#include "mail/mail.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	mail_init();
	return 0;
}

static void
check(bool ok)
{
	if (!ok)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new(65536);
	struct str s = str_make((const char *)data, size);
	struct feedback f = { 0 }, again = { 0 };
	struct buf wire = { 0 };
	struct err e = { 0 };
	feedback_read(a, s, &f);
	check(f.n >= 1 && f.n <= FEEDBACK_MAX_ITEMS);
	for (size_t i = 0; i < f.n; i++) {
		const struct feedback_item *it = &f.items[i];
		check(it->recipient.n <= FEEDBACK_MAX_ADDRESS && feedback_kind_name(it->kind) != NULL);
		check(it->kind == FEEDBACK_BOUNCE || !it->hard);
	}
	check(f.origin.to.n <= FEEDBACK_MAX_ADDRESSES && f.origin.unsubscribe.n <= FEEDBACK_MAX_URL);
	finding_write(&f, &wire);
	check(finding_read(a, buf_str(&wire), &again, &e) == 0 && again.n == f.n);
	finding_read(a, s, &again, &e);
	buf_free(&wire);
	arena_free(&a);
	return 0;
}
