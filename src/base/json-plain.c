/* json-plain: see json-plain.h. */
#include "base/json-plain.h"

/* A whole number of so many digits fits a double and an int64_t exactly. */
#define MAX_DIGITS 15

struct plain {
	struct arena *a;
	char *p, *end; /* in a copy of ours: a string's closing quote becomes its NUL */
	int depth;     /* levels that may still be entered */
};

static const struct value *plain_value(struct plain *s);

static char
peek(struct plain *s)
{
	while (s->p < s->end && (*s->p == ' ' || *s->p == '\n' || *s->p == '\r' || *s->p == '\t'))
		s->p++;
	return s->p < s->end ? *s->p : '\0';
}

static bool
eat(struct plain *s, char c)
{
	if (peek(s) != c) /* c is never NUL */
		return false;
	s->p++;
	return true;
}

static bool
eat_word(struct plain *s, struct str word)
{
	if (!str_starts(str_make(s->p, (size_t)(s->end - s->p)), word))
		return false;
	s->p += word.n;
	return true;
}

/* Behind the opening quote. */
static bool
plain_string(struct plain *s, struct str *out)
{
	char *start = s->p;
	bool ascii = true;
	for (; s->p < s->end && *s->p != '"'; s->p++) {
		if ((unsigned char)*s->p < 0x20 || *s->p == '\\')
			return false;
		ascii &= (unsigned char)*s->p < 0x80;
	}
	if (s->p == s->end)
		return false;
	*out = str_make(start, (size_t)(s->p - start));
	*s->p++ = '\0';
	return ascii || str_is_utf8(*out);
}

static const struct value *
plain_number(struct plain *s)
{
	bool minus = *s->p == '-', real = false;
	int64_t n = 0;
	int digits = 0, behind = 0;
	double scale = 1;
	s->p += minus;
	char *start = s->p;
	for (; s->p < s->end && (ascii_isdigit(*s->p) || (*s->p == '.' && !real)); s->p++) {
		if (*s->p == '.') {
			real = true;
			continue;
		}
		if (++digits > MAX_DIGITS)
			return NULL;
		n = n * 10 + (*s->p - '0');
		behind += real;
	}
	size_t length = (size_t)(s->p - start);
	if (length == 0 || *start == '.' || (length > 1 && start[0] == '0' && start[1] != '.') ||
	    s->p[-1] == '.')
		return NULL;
	if (s->p < s->end && (*s->p == 'e' || *s->p == 'E' || *s->p == '.'))
		return NULL;
	if (!real)
		return value_int(s->a, minus ? -n : n);
	/* Both are exact, so one division rounds once, as strtod does. */
	while (behind-- > 0)
		scale *= 10;
	return value_real(s->a, minus ? -((double)n / scale) : (double)n / scale);
}

static const struct value *
plain_list(struct plain *s)
{
	struct value *list;
	size_t n = 0, cap = 0;
	const struct value **items = NULL;
	if (peek(s) != ']') {
		do {
			if (n == cap) {
				const struct value **more =
				    ARENA_ARRAY(s->a, const struct value *, cap = cap ? cap * 2 : 8);
				if (items != NULL)
					memcpy(more, items, n * sizeof(*items));
				items = more;
			}
			if ((items[n++] = plain_value(s)) == NULL)
				return NULL;
		} while (eat(s, ','));
	}
	if (!eat(s, ']'))
		return NULL;
	list = value_list(s->a, n);
	if (n > 0)
		memcpy(list->list.items, items, n * sizeof(*items));
	return list;
}

static const struct value *
plain_map(struct plain *s)
{
	struct value *map = value_map_new(s->a);
	size_t n = 0;
	if (peek(s) != '}') {
		do {
			const struct value *v;
			struct str key;
			if (!eat(s, '"') || !plain_string(s, &key) || !eat(s, ':') ||
			    (v = plain_value(s)) == NULL)
				return NULL;
			value_map_set(s->a, map, key, v);
			if (value_map_count(map) != ++n)
				return NULL; /* the same key twice */
		} while (eat(s, ','));
	}
	return eat(s, '}') ? map : NULL;
}

static const struct value *
plain_value(struct plain *s)
{
	const struct value *v = NULL;
	struct str text;
	if (--s->depth < 0)
		return NULL;
	switch (peek(s)) {
	case '{':
		s->p++;
		v = plain_map(s);
		break;
	case '[':
		s->p++;
		v = plain_list(s);
		break;
	case '"':
		s->p++;
		v = plain_string(s, &text) ? value_string(s->a, text) : NULL;
		break;
	case 't':
		v = eat_word(s, STR("true")) ? &VALUE_TRUE_V : NULL;
		break;
	case 'f':
		v = eat_word(s, STR("false")) ? &VALUE_FALSE_V : NULL;
		break;
	case 'n':
		v = eat_word(s, STR("null")) ? &VALUE_NULL_V : NULL;
		break;
	default:
		if (s->p < s->end && (*s->p == '-' || ascii_isdigit(*s->p)))
			v = plain_number(s);
	}
	s->depth++;
	return v;
}

const struct value *
json_plain(struct arena *a, struct str text, int max_depth)
{
	char *copy = arena_cstr(a, text);
	struct plain s = { .a = a, .p = copy, .end = copy + text.n, .depth = max_depth };
	const struct value *v = plain_value(&s);
	if (v != NULL && peek(&s) == '\0' && s.p == s.end)
		return v;
	return NULL;
}
