/* identify: tokens first, in the order of how directly they were handed to us. */
#include "feedback/identify.h"

#include "base/json.h"
#include "token/job.h"
#include "token/verp.h"

const char *
identity_proof_name(enum identity_proof p)
{
	static const char *const names[] = { "none", "return-path", "unsubscribe-link", "job", "queue-id" };
	return names[p];
}

/* ---- decisions: which copy, which campaign ---- */

struct search {
	const struct identify_source *src;
	struct arena *arena;
	const struct recipient_key *rk;
	const uint8_t *begin; /* of the copy id */
	size_t n;
	struct identity *out;
	bool found;
};

static struct str
member(struct arena *a, const struct value *v, const char *key)
{
	const struct value *s = value_map_get(v, str_of(key));
	return s && s->type == VALUE_STRING && s->s.n > 0 ? arena_str(a, s->s) : STR_NULL;
}

/* A decision that does not open any more still says that the copy was ours. */
static bool
look(void *ctx, const uint8_t idem[16], int64_t at_ms, struct str sealed)
{
	struct search *s = ctx;
	struct buf plain = { 0 };
	const struct value *v;
	(void)at_ms;
	if (memcmp(idem, s->begin, s->n) != 0)
		return true;
	s->found = true;
	memcpy(s->out->copy, idem, sizeof s->out->copy);
	s->out->whole = true;
	if (sealer_open_data(s->src->sealer, "decision", s->rk, sealed, &plain, NULL) == 0 &&
	    json_parse(s->arena, buf_str(&plain), NULL, &v, NULL) == 0) {
		s->out->campaign = member(s->arena, v, "campaign");
		s->out->category = member(s->arena, v, "category");
		s->out->arm = member(s->arena, v, "arm");
	}
	buf_free(&plain);
	return false;
}

/* 1 found, 0 not, -1. */
static int
search_decisions(struct search *s, struct err *e)
{
	if (!s->src->store)
		return 0;
	if (store_decision_each(s->src->store, s->rk->b, look, s, e) != 0)
		return -1;
	return s->found;
}

int
identify_copy(const struct identify_source *src, const struct recipient_key *rk, const uint8_t begin[2],
	      struct arena *a, struct identity *out, struct err *e)
{
	struct search s = { src, a, rk, begin, VERP_COPY_LEN, out, false };
	*out = (struct identity){ .proof = PROOF_RETURN_PATH, .recipient = *rk };
	memcpy(out->copy, begin, VERP_COPY_LEN);
	return search_decisions(&s, e) < 0 ? -1 : 0;
}

/* ---- proofs; each 1: it is one, 0: it is not, -1 ---- */

static int
by_return_path(const struct identify_source *src, const struct str *to, size_t n, struct arena *a,
	       struct identity *out, struct err *e)
{
	struct verp v;
	for (size_t i = 0; i < n; i++)
		if (verp_find(src->sealer, to[i], &v, NULL) == 0)
			return identify_copy(src, &v.recipient, v.copy, a, out, e) == 0 ? 1 : -1;
	return 0;
}

static int
by_unsubscribe(const struct identify_source *src, struct str url, struct arena *a, struct identity *out)
{
	struct token t;
	size_t at = str_find(url, STR("/u/"));
	if (at == url.n)
		return 0;
	struct str text = str_sub(url, at + 3, url.n);
	text = str_sub(text, 0, str_find_char(text, '?'));
	if (token_open(src->sealer, TOKEN_UNSUBSCRIBE, text, a, &t, NULL) != 0)
		return 0;
	*out = (struct identity){ .proof = PROOF_UNSUBSCRIBE,
				  .recipient = t.recipient,
				  .whole = true,
				  .campaign = t.campaign,
				  .category = t.category,
				  .arm = t.arm };
	memcpy(out->copy, t.copy, sizeof out->copy);
	return 1;
}

/* The mark names a copy and nobody; it was that recipient's when we have decided so. */
static int
by_job(const struct identify_source *src, const struct feedback *f, struct arena *a, struct identity *out,
       struct err *e)
{
	uint8_t idem[16];
	if (!job_mark_verify(src->keys, f->origin.job, idem, NULL))
		return 0;
	for (size_t i = 0; i < f->n; i++) {
		struct str normal;
		struct recipient_key rk;
		if (f->items[i].recipient.n == 0 ||
		    address_normalize(a, f->items[i].recipient, &normal, NULL) != 0)
			continue;
		recipient_key_of(src->keys, normal, &rk);
		struct search s = { src, a, &rk, idem, sizeof idem, out, false };
		int found = search_decisions(&s, e);
		if (found == 0)
			continue;
		out->proof = PROOF_JOB;
		out->recipient = rk;
		return found;
	}
	return 0;
}

int
identify(const struct identify_source *src, const struct str *to, size_t n, const struct feedback *f,
	 struct arena *a, struct identity *out, struct err *e)
{
	const struct feedback_origin *o = &f->origin;
	*out = (struct identity){ .proof = PROOF_NONE };
	int r = by_return_path(src, to, n, a, out, e);
	if (r == 0)
		r = by_return_path(src, o->to.v, o->to.n, a, out, e);
	if (r == 0)
		r = by_return_path(src, o->path.v, o->path.n, a, out, e);
	if (r == 0)
		r = by_unsubscribe(src, o->unsubscribe, a, out);
	if (r == 0)
		r = by_job(src, f, a, out, e);
	return r < 0 ? -1 : 0;
}
