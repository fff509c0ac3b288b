/*
 * event-text: events as text, for export and import: one line of JSON or CSV each, with the same columns,
 * which tables of programs that analyse data are read from as they are.
 *
 *   number, at, type, class, reason, recipient, copy, campaign, arm, domain, segment, category, source, link,
 *   url_hash, value, currency, queue_id, unique, unique_link, forgotten, id, details
 *
 * at is RFC 3339 in UTC; recipient, copy, url_hash and id are hexadecimal; value is a decimal number; details
 * is JSON in a string, in both formats, since its fields differ from event to event. What does not apply is
 * null, or empty. (mailtailor-events(1) says the same to administrators.)
 *
 * Threads: safe.
 */
#ifndef MT_RECIPIENT_EVENT_TEXT_H
#define MT_RECIPIENT_EVENT_TEXT_H

#include "base/value.h"
#include "store/event.h"
#include "token/token.h"

/* Each appends one line with its end. */
void event_text_json(struct buf *out, const struct event_record *r);
void event_text_csv(struct buf *out, const struct event_record *r);
void event_text_csv_header(struct buf *out);

/*
 * A row of a file (rows.h) as an event. Beside the columns above it may have: at_ms, email (hashed with the
 * key ring; may not stand beside recipient), url. number, unique, unique_link and forgotten are read over. An
 * id that is not 32 hexadecimal digits is hashed together with the source. -1: ERR_INPUT, and which field.
 * keys may be NULL: then an email is an error. Strings live in a, or in the row.
 */
int event_text_parse(const struct keyring *keys, const struct value *row, struct arena *a, struct event *out,
		     struct err *e);

#endif
