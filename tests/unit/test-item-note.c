/* What is written with a job: no address, and the arm of a copy that waits and was never offered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "inject/private.h"

#define ARM "arm b 0.25: "
#define DUE 1774774800000LL

static struct item *
item_of(const char *note, uint32_t attempts)
{
	const struct spool_job job = {
		.campaign = STR("c"), .reason = STR("send-hour"), .note = str_of(note), .attempts = attempts
	};
	struct item *it = item_new(&job);
	it->payload.address = STR("b");
	return it;
}

static void
expect_note(struct item *it, const char *note)
{
	if (!str_eq(it->update.note, str_of(note)))
		fail_msg("\"%.*s\", not \"%s\"", STR_ARG(it->update.note), note);
	item_free(&it);
}

/* The recipient's address is "b", like the arm: only the arm's name is not taken for it. */
static void
test_waits(void **state)
{
	struct item *it;
	(void)state;
	item_later(it = item_of(ARM "due then", 0), DUE, false, "trouble", STR("the disk is full"));
	expect_note(it, ARM "the disk is full");
	item_hold(it = item_of(ARM "due then", 0), "template", STR("part 1: x@y.test"));
	expect_note(it, ARM "part 1: (address)");
	/* What was decided now counts. */
	item_later(it = item_of("due then", 0), DUE, false, "send-hour", STR("arm a 0.5: due"));
	expect_note(it, "arm a 0.5: due");
	item_later(it = item_of(ARM "due then", 0), DUE, false, "cap", STR("arm a 0.5: due"));
	expect_note(it, "arm a 0.5: due");
	item_later(it = item_of("due then", 0), DUE, false, "trouble", STR("x"));
	expect_note(it, "x");
}

/* A note that is too long loses its end, never its arm; and again and again it does not grow. */
static void
test_long(void **state)
{
	char text[2 * SPOOL_MAX_NOTE + 1];
	struct item *it = item_of(ARM "due then", 0);
	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	item_later(it, DUE, false, "trouble", str_of(text));
	assert_int_equal(it->update.note.n, SPOOL_MAX_NOTE);
	struct str note = arena_str(it->arena, it->update.note);
	it->job.note = note;
	item_later(it, DUE, false, "trouble", STR("y"));
	expect_note(it, ARM "y");
}

/* Then the reservation knows it, or nobody asks any more; and what the MTA says names no arm. */
static void
test_offered(void **state)
{
	struct item *it;
	(void)state;
	item_later(it = item_of(ARM "due then", 0), DUE, true, "retry", STR("RCPT: 450 busy"));
	expect_note(it, "RCPT: 450 (recipient)usy");
	item_later(it = item_of(ARM "due then", 1), DUE, false, "trouble", STR("x"));
	expect_note(it, "x");
	item_later(it = item_of("due then", 0), DUE, true, "retry", STR("arm b 0.5: x@y.test"));
	expect_note(it, "arm (recipient) 0.5: (address)");
	item_end(it = item_of(ARM "due then", 0), SPOOL_DROPPED, false, "consent", STR("x"));
	expect_note(it, "x");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_waits),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_offered),
	};
	return cmocka_run_group_tests_name("item-note", tests, NULL, NULL);
}
