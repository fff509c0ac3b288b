/*
 * What came back. The first byte chooses:
 *   m  the rest as a message: what is found passes through the wire as it is
 *   w  the rest as what a reader that was taken over would say
 */
#include <stdlib.h>
#include <string.h>

#include "feedback/feedback.h"
#include "feedback/wire.h"
#include "mail/mail.h"

static void
check(bool ok)
{
	if (!ok)
		abort();
}

static void
check_bounds(const struct feedback *f)
{
	check(f->n > 0 && f->n <= FEEDBACK_MAX_ITEMS);
	for (size_t i = 0; i < f->n; i++) {
		const struct feedback_item *it = &f->items[i];
		check(feedback_kind_name(it->kind) != NULL && feedback_reason_name(it->reason) != NULL);
		check(memchr(it->status, '\0', sizeof it->status) && memchr(it->type, '\0', sizeof it->type));
		check(!it->hard || (it->kind == FEEDBACK_BOUNCE && it->status[0] == '5'));
	}
	check(f->origin.to.n <= FEEDBACK_MAX_ADDRESSES && f->origin.path.n <= FEEDBACK_MAX_ADDRESSES);
}

static void
fuzz_message(struct arena *a, struct str message)
{
	struct feedback f, g;
	struct buf wire = { 0 };
	struct err e = { 0 };
	feedback_read(a, message, &f);
	check_bounds(&f);
	wire_write(&f, &wire);
	check(wire_read(a, buf_str(&wire), &g, &e) == 0 && g.n == f.n);
	for (size_t i = 0; i < f.n; i++) {
		check(f.items[i].kind == g.items[i].kind && f.items[i].hard == g.items[i].hard);
		check(strcmp(f.items[i].status, g.items[i].status) == 0);
	}
	buf_free(&wire);
}

static void
fuzz_wire(struct arena *a, struct str text)
{
	struct feedback f;
	struct err e = { 0 };
	if (wire_read(a, text, &f, &e) == 0)
		check(f.n <= FEEDBACK_MAX_ITEMS);
	else
		check(e.kind == ERR_INPUT && f.n == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static bool ready;
	if (n == 0 || n > 32768)
		return 0;
	if (!ready)
		mail_init();
	ready = true;
	struct arena *a = arena_new(65536);
	struct str rest = str_make((const char *)data + 1, n - 1);
	if (data[0] == 'm')
		fuzz_message(a, rest);
	else if (data[0] == 'w')
		fuzz_wire(a, rest);
	arena_free(&a);
	return 0;
}
