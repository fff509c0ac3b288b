/*
 * event-wire: an event as bytes that need no table of words: for the queues.
 */
#include "store/event-private.h"

#include "store/reader.h"

#define TEXTS 11

static void
texts_of(struct event *ev, struct str *out[TEXTS])
{
	struct str *const v[TEXTS] = { &ev->campaign, &ev->arm,	     &ev->domain, &ev->segment,
				       &ev->category, &ev->reason,   &ev->source, &ev->currency,
				       &ev->url,      &ev->queue_id, &ev->details };
	memcpy(out, v, sizeof v);
}

void
event_encode(const struct event *given, struct buf *out)
{
	size_t from = out->n;
	struct event ev = *given;
	struct str *texts[TEXTS];
	texts_of(&ev, texts);
	add_u8(out, RECORD_VERSION);
	add_u8(out, (uint8_t)ev.type);
	add_u8(out, (uint8_t)ev.class);
	add_u8(out, ev.once);
	add_varint(out, (uint64_t)ev.at_ms);
	add_varint(out, (uint64_t)(ev.link + 1));
	add_signed(out, ev.value_micros);
	buf_add(out, ev.rk, sizeof ev.rk);
	buf_add(out, ev.copy, sizeof ev.copy);
	buf_add(out, ev.idem, sizeof ev.idem);
	buf_add(out, ev.url_hash, sizeof ev.url_hash);
	for (int i = 0; i < TEXTS; i++) {
		add_varint(out, texts[i]->n);
		buf_adds(out, *texts[i]);
	}
	event_checksum_add(out, from);
}

static void
take_bytes(struct reader *r, uint8_t *out, size_t n)
{
	const uint8_t *p = reader_take(r, n);
	if (p)
		memcpy(out, p, n);
}

int
event_decode(struct str bytes, struct event *ev)
{
	struct str *texts[TEXTS];
	*ev = (struct event){ 0 };
	texts_of(ev, texts);
	if (event_checksum_take(&bytes) != 0)
		return -1;
	struct reader r = reader_open(bytes);
	uint8_t type = reader_u8(&r), class = reader_u8(&r), once = reader_u8(&r);
	ev->at_ms = reader_bounded(&r, EVENT_MAX_TIME);
	ev->link = (int)reader_bounded(&r, EVENT_MAX_LINK + 1) - 1;
	ev->value_micros = reader_signed(&r);
	take_bytes(&r, ev->rk, sizeof ev->rk);
	take_bytes(&r, ev->copy, sizeof ev->copy);
	take_bytes(&r, ev->idem, sizeof ev->idem);
	take_bytes(&r, ev->url_hash, sizeof ev->url_hash);
	for (int i = 0; i < TEXTS; i++) {
		size_t n = (size_t)reader_bounded(&r, INT32_MAX);
		const uint8_t *p = reader_take(&r, n);
		*texts[i] = p ? str_of_key(p, n) : STR_NULL;
	}
	if (r.bad || r.left > 0 || once > 1 || type == 0 || type >= EVENT_TYPES || class >= EVENT_CLASSES)
		return -1;
	ev->type = (enum event_type)type;
	ev->class = (enum event_class) class;
	ev->once = once == 1;
	return 0;
}
