/*
 * src/audit: the input as the lines of a log. No line is taken that does not follow the one before; a record
 * that is taken is found again by its own hash.
 */
#include <stdlib.h>

#include "audit/private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str rest = str_make((const char *)data, size), line;
	struct audit_head head, parsed;
	audit_head_begin(&head);
	while (str_split(&rest, '\n', &line)) {
		struct audit_head before = head;
		struct audit_line l;
		if (audit_line_check(line, &head) != NULL) {
			if (memcmp(&before, &head, sizeof head) != 0)
				abort();
			continue;
		}
		if (head.seq != before.seq + 1 || !audit_line_read(line, &l) || !audit_line_sound(&l))
			abort();
	}
	audit_head_parse(str_make((const char *)data, size), &parsed);
	/* What is written is read again. */
	struct buf b = { 0 };
	const struct audit_entry en = { .action = (enum audit_action)(size % AUDIT_ACTIONS),
					.actor = str_make((const char *)data, size),
					.details = str_make((const char *)data, size) };
	struct audit_head at = head, after = head;
	audit_line_add(&b, &en, &at);
	if (audit_line_check(str_sub(buf_str(&b), 0, b.n - 1), &after) != NULL || after.seq != at.seq)
		abort();
	buf_free(&b);
	return 0;
}
