/* form: see form.h. */
#include "web/form.h"

struct field {
	struct str key;
	char *value; /* FORM_MAX_VALUE */
	size_t n;
	bool spoilt; /* longer than that */
};

struct form {
	struct arena *arena;
	struct MHD_PostProcessor *parser; /* NULL: the body is no form */
	size_t body;
	struct field fields[FORM_MAX_FIELDS];
	size_t n;
};

static enum MHD_Result
on_field(void *cls, enum MHD_ValueKind kind, const char *key, const char *filename, const char *content_type,
	 const char *transfer_encoding, const char *data, uint64_t off, size_t size)
{
	struct form *f = cls;
	struct field *last = f->n > 0 ? &f->fields[f->n - 1] : NULL;
	(void)kind;
	(void)content_type;
	(void)transfer_encoding;
	if (key == NULL || filename != NULL || strlen(key) > FORM_MAX_KEY)
		return MHD_YES;
	if (off == 0) {
		if (f->n == FORM_MAX_FIELDS)
			return MHD_NO;
		last = &f->fields[f->n++];
		*last = (struct field){ .key = arena_str(f->arena, str_of(key)) };
	} else if (last == NULL || !str_eq(last->key, str_of(key))) {
		return MHD_YES;
	}
	if (last->n + size > FORM_MAX_VALUE) {
		last->spoilt = true;
		return MHD_YES;
	}
	if (last->value == NULL)
		last->value = arena_alloc(f->arena, FORM_MAX_VALUE);
	memcpy(last->value + last->n, data, size);
	last->n += size;
	return MHD_YES;
}

struct form *
form_begin(struct arena *a, struct MHD_Connection *c)
{
	struct form *f = ARENA_NEW(a, struct form);
	f->arena = a;
	f->parser = MHD_create_post_processor(c, 1024, on_field, f);
	return f;
}

void
form_feed(struct form *f, const char *bytes, size_t n)
{
	f->body += n;
	if (f->parser != NULL && f->body <= FORM_MAX_BODY)
		MHD_post_process(f->parser, bytes, n);
}

void
form_end(struct form *f)
{
	if (f->parser != NULL)
		MHD_destroy_post_processor(f->parser);
	f->parser = NULL;
}

bool
form_too_large(const struct form *f)
{
	return f->body > FORM_MAX_BODY;
}

static struct str
value_of(const struct field *f)
{
	return (struct str){ f->value != NULL ? f->value : "", f->n };
}

struct str
form_get(const struct form *f, struct str key)
{
	for (size_t i = 0; i < f->n; i++)
		if (!f->fields[i].spoilt && str_eq(f->fields[i].key, key))
			return value_of(&f->fields[i]);
	return STR_NULL;
}

bool
form_has(const struct form *f, struct str key, struct str value)
{
	for (size_t i = 0; i < f->n; i++)
		if (!f->fields[i].spoilt && str_eq(f->fields[i].key, key) &&
		    str_eq(value_of(&f->fields[i]), value))
			return true;
	return false;
}
