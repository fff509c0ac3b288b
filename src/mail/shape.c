#include "mail/shape.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "mail/mail_private.h"

#define BOUNDARY_MIN 8
#define BOUNDARY_MAX 70 /* RFC 2046 5.1.1 */
#define PLACES_MAX (4 * SHAPE_PARTS)
#define LENGTHS 64

/* What GMime sees of a message, and where the rest begins. */
struct view {
	struct str s;		     /* Content- fields, an empty line, the body */
	size_t head_end, body_start; /* of the message */
	size_t body_at;		     /* of the body in s */
	bool lf;
};

struct place {
	size_t at;	 /* in the view */
	size_t boundary; /* which */
};

struct shape {
	struct arena *arena;
	struct view view;
	struct mail mail; /* fields of its parts are not kept */
	struct str boundary[SHAPE_BOUNDARIES];
	size_t nboundaries;
	struct place place[PLACES_MAX]; /* in order */
	size_t nplaces;
	_Atomic uint64_t used;
};

struct mail_shapes {
	pthread_rwlock_t lock; /* v; what a shape holds does not change */
	struct shape *v[SHAPES];
	_Atomic uint64_t clock;
	atomic_long hits;
	_Atomic size_t length[LENGTHS]; /* of messages that came before */
};

struct mail_shapes *
mail_shapes_new(void)
{
	struct mail_shapes *s = calloc(1, sizeof(*s));
	if (s == NULL)
		abort();
	pthread_rwlock_init(&s->lock, NULL);
	return s;
}

static void
shape_free(struct shape **sp)
{
	struct shape *s = *sp;
	*sp = NULL;
	if (s == NULL)
		return;
	struct arena *a = s->arena;
	arena_free(&a);
}

void
mail_shapes_free(struct mail_shapes **sp)
{
	struct mail_shapes *s = *sp;
	*sp = NULL;
	if (s == NULL)
		return;
	for (size_t i = 0; i < SHAPES; i++)
		shape_free(&s->v[i]);
	pthread_rwlock_destroy(&s->lock);
	free(s);
}

long
mail_shapes_hits(const struct mail_shapes *s)
{
	return atomic_load(&s->hits);
}

/* ---- what is compared ---- */

/* False when it is too long for us. */
static bool
view_make(struct arena *a, struct str message, struct view *v)
{
	size_t nl = str_find_char(message, '\n');
	if (message.n > SHAPE_BYTES)
		return false;
	char *p = arena_alloc(a, message.n + MAIL_VIEW_EXTRA);
	mail_header_bounds(message, 0, &v->head_end, &v->body_start);
	v->body_at = mail_view(message, v->head_end, v->body_start, p);
	v->s = str_make(p, v->body_at + message.n - v->body_start);
	v->lf = nl < message.n && (nl == 0 || message.p[nl - 1] != '\r');
	return true;
}

/* ---- keeping a shape ---- */

static bool
is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z');
}

/* Nothing that a header field or a line could read as more than itself. */
static bool
is_plain_boundary(struct str s)
{
	if (s.n < BOUNDARY_MIN || s.n > BOUNDARY_MAX || s.p[s.n - 1] == '-')
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!is_alnum(s.p[i]) && strchr("_=.+-", s.p[i]) == NULL)
			return false;
	return true;
}

static bool
comes_behind(struct str s, size_t at, struct str what)
{
	return at >= what.n && str_caseeq(str_sub(s, at - what.n, at), what);
}

/* Every place of boundary i, found in order; false when one is not where boundaries belong. */
static bool
places_add(struct shape *s, size_t i)
{
	struct str all = s->view.s, b = s->boundary[i];
	for (size_t at = 0;;) {
		at += str_find(str_sub(all, at, all.n), b);
		if (at >= all.n)
			return true;
		if (!comes_behind(all, at, STR("\n--")) && !comes_behind(all, at, STR("boundary=")) &&
		    !comes_behind(all, at, STR("boundary=\"")))
			return false;
		if (s->nplaces == PLACES_MAX)
			return false;
		s->place[s->nplaces++] = (struct place){ at, i };
		at++;
	}
}

static int
by_place(const void *a, const void *b)
{
	const struct place *x = a, *y = b;
	return (x->at > y->at) - (x->at < y->at);
}

static bool
places_find(struct shape *s)
{
	for (size_t i = 0; i < s->nboundaries; i++)
		if (!places_add(s, i))
			return false;
	qsort(s->place, s->nplaces, sizeof(s->place[0]), by_place);
	for (size_t i = 1; i < s->nplaces; i++)
		if (s->place[i].at < s->place[i - 1].at + s->boundary[s->place[i - 1].boundary].n)
			return false;
	return true;
}

static size_t
words_in(struct str s, struct str word)
{
	size_t n = 0;
	for (size_t at = 0; at + word.n <= s.n; at++)
		n += str_caseeq(str_sub(s, at, at + word.n), word);
	return n;
}

/* Parameters whose value, or whose name, is not what is written: RFC 2231, quoted pairs, comments, RFC 2047.
 */
static bool
is_plain_value(struct str v)
{
	for (size_t i = 0; i < v.n; i++)
		if (strchr("*\\(?", v.p[i]) != NULL || (uint8_t)v.p[i] >= 0x80)
			return false;
	return true;
}

/*
 * Whether the one Content-Type says b once and as it is, as all of a parameter. Else the field could be the
 * same bytes in a message whose lines have another boundary, and mean neither or both: we need not know.
 */
static bool
is_plainly_said(const struct mail_fields *fields, struct str b)
{
	const struct mail_field *f = NULL;
	for (size_t i = 0; i < fields->n; i++) {
		bool is_type = str_caseeq(fields->v[i].name, STR("Content-Type"));
		if (is_type && f != NULL)
			return false;
		f = is_type ? &fields->v[i] : f;
	}
	if (f == NULL || !is_plain_value(f->value))
		return false;
	const struct str v = f->value, word = STR("boundary");
	const size_t at = str_find(v, b);
	if (at >= v.n || words_in(str_sub(v, 0, at), word) != 1 ||
	    words_in(str_sub(v, at + b.n, v.n), word) != 0)
		return false;
	const bool quoted = comes_behind(v, at, STR("boundary=\""));
	if (!quoted && !comes_behind(v, at, STR("boundary=")))
		return false;
	const size_t name = at - word.n - 1 - quoted, end = at + b.n;
	if (name == 0 || strchr("; \t\n", v.p[name - 1]) == NULL)
		return false;
	return quoted ? end < v.n && v.p[end] == '"' : end == v.n || strchr("; \t\r\n", v.p[end]) != NULL;
}

/* p and all below it into the shape; false when it cannot be one. */
static bool
tree_keep(struct shape *s, struct str message, const struct mail_part *p, struct mail_part *parent,
	  struct mail_part **out)
{
	struct mail_part *n = ARENA_NEW(s->arena, struct mail_part);
	*n = *p;
	n->fields = (struct mail_fields){ NULL, 0 };
	n->parent = parent;
	n->child = n->next = NULL;
	n->type = arena_str(s->arena, p->type);
	n->subtype = arena_str(s->arena, p->subtype);
	n->charset = arena_str(s->arena, p->charset);
	*out = n;
	if (str_eq(p->type, STR("message")) || (str_eq(p->type, STR("multipart")) && p->child == NULL))
		return false;
	if (p->child != NULL) {
		struct str b = mail_delimiter_of(message, p->child);
		b = str_sub(b, 2, b.n);
		if (s->nboundaries == SHAPE_BOUNDARIES || !is_plain_boundary(b) ||
		    !is_plainly_said(&p->fields, b))
			return false;
		s->boundary[s->nboundaries++] = arena_str(s->arena, b);
	}
	struct mail_part **link = &n->child;
	for (const struct mail_part *c = p->child; c != NULL; c = c->next, link = &(*link)->next)
		if (!tree_keep(s, message, c, n, link))
			return false;
	return true;
}

/* NULL when the message cannot be a shape. */
static struct shape *
shape_new(const struct view *v, const struct mail *m)
{
	if (m->nparts > SHAPE_PARTS)
		return NULL;
	struct arena *a = arena_new(v->s.n + sizeof(struct shape) + 4096);
	struct shape *s = ARENA_NEW(a, struct shape);
	s->arena = a;
	s->view = *v;
	s->view.s = arena_str(a, v->s);
	s->mail.nparts = m->nparts;
	if (!tree_keep(s, m->bytes, m->root, NULL, &s->mail.root) || !places_find(s))
		shape_free(&s);
	return s;
}

static void
shape_add(struct mail_shapes *all, struct shape *s)
{
	struct shape *old;
	size_t to = 0;
	atomic_store(&s->used, atomic_fetch_add(&all->clock, 1));
	pthread_rwlock_wrlock(&all->lock);
	for (size_t i = 1; i < SHAPES && all->v[to] != NULL; i++)
		if (all->v[i] == NULL || atomic_load(&all->v[i]->used) < atomic_load(&all->v[to]->used))
			to = i;
	old = all->v[to];
	all->v[to] = s;
	pthread_rwlock_unlock(&all->lock);
	shape_free(&old);
}

/* ---- taking one over ---- */

static bool
same_kind(struct str known, struct str other)
{
	for (size_t i = 0; i < known.n; i++)
		if (known.p[i] != other.p[i] && (!is_alnum(known.p[i]) || !is_alnum(other.p[i])))
			return false;
	return true;
}

static bool
stands_nowhere_else(const struct shape *s, struct str all, struct str boundary, size_t i)
{
	size_t want = 0, n = 0;
	for (size_t k = 0; k < s->nplaces; k++)
		want += s->place[k].boundary == i;
	for (size_t at = 0; (at += str_find(str_sub(all, at, all.n), boundary)) < all.n && n <= want; at++)
		n++;
	return n == want;
}

static bool
shape_fits(const struct shape *s, const struct view *v)
{
	struct str theirs[SHAPE_BOUNDARIES] = { { NULL, 0 } };
	size_t at = 0;
	if (v->s.n != s->view.s.n || v->body_at != s->view.body_at || v->lf != s->view.lf ||
	    v->body_start - v->head_end != s->view.body_start - s->view.head_end)
		return false;
	for (size_t k = 0; k < s->nplaces; k++) {
		const struct place *p = &s->place[k];
		struct str known = s->boundary[p->boundary], here = str_sub(v->s, p->at, p->at + known.n);
		if (!str_eq(str_sub(v->s, at, p->at), str_sub(s->view.s, at, p->at)))
			return false;
		if (theirs[p->boundary].p == NULL && same_kind(known, here))
			theirs[p->boundary] = here;
		else if (theirs[p->boundary].p == NULL || !str_eq(theirs[p->boundary], here))
			return false;
		at = p->at + known.n;
	}
	if (!str_eq(str_sub(v->s, at, v->s.n), str_sub(s->view.s, at, v->s.n)))
		return false;
	for (size_t i = 0; i < s->nboundaries; i++)
		if (!stands_nowhere_else(s, v->s, theirs[i], i))
			return false;
	return true;
}

/* p and all below it for the message that v is of. */
static struct mail_part *
tree_take(const struct shape *s, struct arena *a, struct str message, const struct view *v,
	  const struct mail_part *p, struct mail_part *parent)
{
	struct mail_part *n = ARENA_NEW(a, struct mail_part);
	ptrdiff_t by = (ptrdiff_t)v->body_start - (ptrdiff_t)s->view.body_start;
	*n = *p;
	n->parent = parent;
	n->type = arena_str(a, p->type);
	n->subtype = arena_str(a, p->subtype);
	n->charset = arena_str(a, p->charset);
	n->head_start = parent == NULL ? 0 : (size_t)((ptrdiff_t)p->head_start + by);
	n->head_end = parent == NULL ? v->head_end : (size_t)((ptrdiff_t)p->head_end + by);
	n->body_start = (size_t)((ptrdiff_t)p->body_start + by);
	n->body_end = (size_t)((ptrdiff_t)p->body_end + by);
	mail_fields_split(a, str_sub(message, n->head_start, n->head_end), &n->fields);
	struct mail_part **link = &n->child;
	for (const struct mail_part *c = p->child; c != NULL; c = c->next, link = &(*link)->next)
		*link = tree_take(s, a, message, v, c, n);
	*link = NULL;
	return n;
}

static bool
shape_take(struct mail_shapes *all, struct arena *a, struct str message, const struct view *v,
	   struct mail *out)
{
	struct shape *s = NULL;
	pthread_rwlock_rdlock(&all->lock);
	for (size_t i = 0; i < SHAPES && s == NULL; i++)
		if (all->v[i] != NULL && shape_fits(all->v[i], v))
			s = all->v[i];
	if (s != NULL) {
		atomic_store(&s->used, atomic_fetch_add(&all->clock, 1));
		out->bytes = message;
		out->nparts = s->mail.nparts;
		out->root = tree_take(s, a, message, v, s->mail.root, NULL);
	}
	pthread_rwlock_unlock(&all->lock);
	return s != NULL;
}

int
mail_shapes_parse(struct mail_shapes *all, struct arena *a, struct str message, struct mail *out,
		  struct err *e)
{
	struct view v;
	if (!view_make(a, message, &v))
		return mail_parse(a, message, NULL, out, e);
	if (shape_take(all, a, message, &v, out)) {
		atomic_fetch_add(&all->hits, 1);
		return 0;
	}
	if (mail_parse(a, message, NULL, out, e) != 0)
		return -1;
	/* Messages that all differ in length are no campaign's: to keep them would cost and bring nothing. */
	if (atomic_exchange(&all->length[v.s.n % LENGTHS], v.s.n) == v.s.n) {
		struct shape *s = shape_new(&v, out);
		if (s != NULL)
			shape_add(all, s);
	}
	return 0;
}
