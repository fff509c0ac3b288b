/*
 * content: a personalizer that picks content blocks by rules from a JSON file
 * (see content.md). For each slot the first block whose rule holds wins.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mailtailor_plugin.h"

#define MAX_FILE ((size_t)16 << 20)
#define MAX_SLOTS 256
#define MAX_BLOCKS 1024 /* of one slot */
#define MAX_FIELDS 32	/* of one block */
#define MAX_NAME 40	/* of a slot or a field: "content." + both stay under the host's 128 bytes */
/* The host's bounds: kept here, so that a file over them stops the start and not each copy. */
#define MAX_TEXT ((size_t)256 << 10)
#define MAX_SET 1000		       /* variables of one recipient */
#define MAX_SET_TEXT ((size_t)4 << 20) /* bytes of them together */

/* One variable that a block sets. */
struct field {
	char *name; /* "content.hero.html" */
	const struct mt_value *value;
	int html;
};

struct block {
	struct mt_rule *when; /* NULL: always */
	struct field *fields;
	size_t nfields;
	size_t bytes; /* of all fields */
};

struct slot {
	struct block *blocks;
	size_t nblocks;
};

struct content {
	const struct mt_host *host;
	struct mt_value *root; /* the file: fields point into it */
	struct slot *slots;
	size_t nslots;
};

/* Where reading stands, for messages. */
struct reading {
	const struct mt_host *host;
	struct mt_error *error;
	const char *file;
	struct mt_str slot;
	size_t block;
	size_t set, set_bytes; /* what one recipient gets at most from the slots so far */
};

static int
fail(const struct reading *r, const char *what)
{
	if (r->slot.n == 0)
		snprintf(r->error->text, sizeof(r->error->text), "%.150s: %.300s", r->file, what);
	else
		snprintf(r->error->text, sizeof(r->error->text), "%.150s: slot %.*s, block %zu: %.250s",
			 r->file, (int)r->slot.n, r->slot.p, r->block + 1, what);
	return -1;
}

static int
name_valid(struct mt_str s)
{
	if (s.n == 0 || s.n > MAX_NAME)
		return 0;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		int letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
		if (!letter && (i == 0 || (c != '-' && (c < '0' || c > '9'))))
			return 0;
	}
	return 1;
}

static int
str_is(struct mt_str s, const char *text)
{
	return s.n == strlen(text) && memcmp(s.p, text, s.n) == 0;
}

/* ---- reading the file ---- */

static int
read_when(const struct reading *r, const struct mt_value *v, struct block *b)
{
	struct mt_str rule;
	struct mt_error why = { "" };
	char what[300];
	if (!r->host->value_string(v, &rule))
		return fail(r, "\"when\" must be a rule in a string");
	b->when = r->host->rule_compile(r->host, rule.p, rule.n, &why);
	if (b->when)
		return 0;
	snprintf(what, sizeof(what), "\"when\": %.250s", why.text);
	return fail(r, what);
}

static int
read_field(const struct reading *r, struct mt_str key, const struct mt_value *v, struct block *b)
{
	struct field *f = &b->fields[b->nfields++];
	struct mt_str text;
	char name[2 * MAX_NAME + 16], what[160];
	enum mt_type type = r->host->value_type(v);
	int n = (int)(key.n > 64 ? 64 : key.n);
	if (!name_valid(key)) {
		snprintf(what, sizeof(what), "key \"%.*s\" is no name: letters, digits, _ and -, at most %d",
			 n, key.p, MAX_NAME);
		return fail(r, what);
	}
	f->html = str_is(key, "html");
	if (f->html ? type != MT_STRING : type == MT_NULL || type == MT_LIST || type == MT_MAP) {
		snprintf(what, sizeof(what), "\"%.*s\" must be a string%s", n, key.p,
			 f->html ? "" : ", a number, true or false");
		return fail(r, what);
	}
	if (r->host->value_string(v, &text) && text.n > MAX_TEXT) {
		snprintf(what, sizeof(what), "\"%.*s\" has %zu bytes; a variable may have 256 KiB", n, key.p,
			 text.n);
		return fail(r, what);
	}
	b->bytes += text.n > sizeof(double) ? text.n : sizeof(double);
	snprintf(name, sizeof(name), "content.%.*s.%.*s", (int)r->slot.n, r->slot.p, (int)key.n, key.p);
	f->name = strdup(name);
	f->value = v;
	return f->name ? 0 : fail(r, "out of memory");
}

static int
read_block(const struct reading *r, const struct mt_value *v, struct block *b)
{
	const struct mt_host *h = r->host;
	size_t n = h->value_count(v);
	if (h->value_type(v) != MT_MAP || n == 0)
		return fail(r, "must be an object with at least one of html, text …");
	if (n > MAX_FIELDS)
		return fail(r, "has over 32 keys");
	b->fields = calloc(n, sizeof(*b->fields));
	if (!b->fields)
		return fail(r, "out of memory");
	for (size_t i = 0; i < n; i++) {
		struct mt_str key = h->value_key(v, i);
		int rc = str_is(key, "when") ? read_when(r, h->value_item(v, i), b)
					     : read_field(r, key, h->value_item(v, i), b);
		if (rc != 0)
			return -1;
	}
	return b->nfields > 0 ? 0 : fail(r, "sets nothing: add html, text …");
}

static int
read_slot(struct reading *r, const struct mt_value *v, struct slot *s)
{
	const struct mt_host *h = r->host;
	size_t n = h->value_count(v), set = 0, bytes = 0;
	r->block = 0;
	if (h->value_type(v) != MT_LIST || n == 0 || n > MAX_BLOCKS)
		return fail(r, "a slot must be a list of 1 to 1024 blocks");
	s->blocks = calloc(n, sizeof(*s->blocks));
	if (!s->blocks)
		return fail(r, "out of memory");
	for (; r->block < n; r->block++) {
		if (read_block(r, h->value_item(v, r->block), &s->blocks[s->nblocks++]) != 0)
			return -1;
		if (!s->blocks[r->block].when && r->block + 1 < n)
			return fail(r, "has no \"when\", so the blocks after it can never win; put it last");
		const struct block *b = &s->blocks[r->block];
		set = b->nfields > set ? b->nfields : set;
		bytes = b->bytes > bytes ? b->bytes : bytes;
	}
	r->set += set;
	r->set_bytes += bytes;
	return 0;
}

static int
read_slots(struct content *self, struct reading *r)
{
	const struct mt_host *h = r->host;
	const struct mt_value *slots = h->value_get(self->root, "slots");
	size_t n = h->value_count(slots);
	if (h->value_type(self->root) != MT_MAP || h->value_count(self->root) != 1 ||
	    h->value_type(slots) != MT_MAP)
		return fail(r, "must be an object with one key \"slots\", an object of lists");
	if (n == 0 || n > MAX_SLOTS)
		return fail(r, "\"slots\" must have 1 to 256 entries");
	self->slots = calloc(n, sizeof(*self->slots));
	if (!self->slots)
		return fail(r, "out of memory");
	for (size_t i = 0; i < n; i++) {
		struct mt_str name = h->value_key(slots, i);
		if (!name_valid(name))
			return fail(r, "a slot's name must be letters, digits, _ and -, at most 40");
		r->slot = name;
		if (read_slot(r, h->value_item(slots, i), &self->slots[self->nslots++]) != 0)
			return -1;
	}
	r->slot.n = 0;
	if (r->set > MAX_SET || r->set_bytes > MAX_SET_TEXT)
		return fail(r, "the slots together could set over 1,000 variables or 4 MiB; use fewer keys");
	return 0;
}

/* ---- the plugin ---- */

static void
block_free(const struct mt_host *h, struct block *b)
{
	h->rule_free(b->when);
	for (size_t i = 0; i < b->nfields; i++)
		free(b->fields[i].name);
	free(b->fields);
}

static void
content_destroy(void *instance)
{
	struct content *self = instance;
	for (size_t i = 0; i < self->nslots; i++) {
		for (size_t k = 0; k < self->slots[i].nblocks; k++)
			block_free(self->host, &self->slots[i].blocks[k]);
		free(self->slots[i].blocks);
	}
	free(self->slots);
	self->host->json_free(self->root);
	free(self);
}

static void *
content_create(const struct mt_host *host, const struct mt_option *options, size_t noptions,
	       struct mt_error *error)
{
	struct reading r = { .host = host, .error = error };
	for (size_t i = 0; i < noptions; i++) {
		if (strcmp(options[i].name, "file") != 0) {
			snprintf(error->text, sizeof(error->text), "unknown option \"%.64s\"; there is: file",
				 options[i].name);
			return NULL;
		}
		r.file = options[i].value;
	}
	if (!r.file) {
		snprintf(error->text, sizeof(error->text),
			 "option \"file\" is missing: the JSON file with the blocks");
		return NULL;
	}
	struct content *self = calloc(1, sizeof(*self));
	if (!self) {
		snprintf(error->text, sizeof(error->text), "out of memory");
		return NULL;
	}
	self->host = host;
	self->root = host->json_file(host, r.file, MAX_FILE, error);
	if (self->root && read_slots(self, &r) == 0)
		return self;
	content_destroy(self);
	return NULL;
}

static int
field_set(const struct mt_request *rq, const struct field *f)
{
	const struct mt_host *h = rq->host;
	struct mt_str s;
	double number;
	int64_t integer;
	if (h->value_string(f->value, &s))
		return f->html ? h->set_html(rq, f->name, s.p, s.n) : h->set_string(rq, f->name, s.p, s.n);
	if (h->value_integer(f->value, &integer))
		return h->set_integer(rq, f->name, integer);
	if (h->value_number(f->value, &number))
		return h->set_number(rq, f->name, number);
	return h->set_bool(rq, f->name, h->value_bool(f->value));
}

static int
content_run(void *instance, void *thread, const struct mt_request *rq, struct mt_error *error)
{
	const struct content *self = instance;
	(void)thread;
	(void)error;
	for (size_t i = 0; i < self->nslots; i++) {
		const struct slot *s = &self->slots[i];
		const struct block *b = NULL;
		for (size_t k = 0; k < s->nblocks && !b; k++) {
			/* A rule whose outcome hangs on a field that this recipient has not does not hold. */
			if (!s->blocks[k].when || rq->host->rule_eval(rq, s->blocks[k].when) == 1)
				b = &s->blocks[k];
		}
		for (size_t k = 0; b && k < b->nfields; k++) {
			if (field_set(rq, &b->fields[k]) != 0)
				return -1;
		}
	}
	return 0;
}

MT_SHORT_PERSONALIZER("content", "1.0", content_create, content_destroy, NULL, NULL, content_run)
