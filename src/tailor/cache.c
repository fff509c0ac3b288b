/*
 * cache: compiled parts shared by all threads, bounded by bytes, least recently
 * used first. The key is the campaign, what the part's type says, and the raw
 * body itself: client libraries draw a new MIME boundary for each message, so
 * the message as a whole would never hit. A cache belongs to one epoch; a
 * reload makes a new one, so nothing in it can be stale.
 *
 * A fast seeded hash finds the entry and a comparison of the whole body
 * decides, so a collision costs time, never correctness.
 */
#include "tailor/private.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/log.h"
#include "mail/shape.h"

#define uthash_fatal(msg) (log_error("out of memory in the template cache (%s)", msg), abort())
#include <uthash.h>
#include <utlist.h>

struct cache_key {
	const struct conf_campaign *campaign;
	int role, cte, flags;
	struct str charset, raw;
};

struct cache_entry {
	uint64_t hash;
	struct cache_key key;
	struct part *part; /* NULL: left alone */
	struct arena *own; /* key bytes when part is NULL */
	size_t bytes;
	int refs; /* under the lock; the table's own place counts one */
	bool linked;
	UT_hash_handle hh;
	struct cache_entry *prev, *next; /* newest first */
};

struct tailor_cache {
	pthread_mutex_t lock;
	size_t max_bytes, bytes;
	uint64_t seed;
	struct cache_entry *table, *lru;
	struct tailor_cache_stats stats;
	/* send_if rules, one per campaign of the epoch's configuration */
	const struct conf *conf;
	struct arena *arena;
	struct score_rule **send_if;
	struct mail_shapes *shapes;
	struct part ***subjects; /* of each campaign's arms; NULL where an arm has none */
};

/* Compiles every send_if; reports all that fail. */
static bool
rules_compile(struct tailor_cache *c, conf_report_fn *report, void *ctx)
{
	bool ok = true;
	c->send_if = ARENA_ARRAY(c->arena, struct score_rule *, c->conf->ncampaigns);
	for (size_t i = 0; i < c->conf->ncampaigns; i++) {
		const struct conf_campaign *k = &c->conf->campaigns[i];
		struct err e = { 0 };
		if (k->send_if == NULL)
			continue;
		c->send_if[i] = score_rule_compile(c->arena, str_of(k->send_if), &e);
		if (c->send_if[i] == NULL) {
			char text[1400];
			snprintf(text, sizeof(text), "%s:%d: campaign \"%s\": send_if: %s", k->pos.file,
				 k->pos.line, k->name, e.text);
			report(ctx, text);
			ok = false;
		}
	}
	return ok;
}

/* Compiles the subjects of all arms; reports those that fail. */
static bool
subjects_compile(struct tailor_cache *c, conf_report_fn *report, void *ctx)
{
	bool ok = true;
	c->subjects = ARENA_ARRAY(c->arena, struct part **, c->conf->ncampaigns);
	for (size_t i = 0; i < c->conf->ncampaigns; i++) {
		const struct conf_campaign *k = &c->conf->campaigns[i];
		c->subjects[i] = ARENA_ARRAY(c->arena, struct part *, k->narms);
		for (size_t j = 0; j < k->narms; j++) {
			const struct conf_arm *arm = &k->arms[j];
			struct err e = { 0 };
			if (arm->subject == NULL || !k->templates ||
			    part_compile_header(str_of(arm->subject), &c->subjects[i][j], &e) == 0)
				continue;
			char text[1400];
			snprintf(text, sizeof(text), "%s:%d: arm \"%s\": subject: %s", arm->pos.file,
				 arm->pos.line, arm->name, e.text);
			report(ctx, text);
			ok = false;
		}
	}
	return ok;
}

const struct part *
cache_subject(const struct tailor_cache *c, const struct conf_campaign *campaign, const struct conf_arm *arm)
{
	return c->subjects[campaign - c->conf->campaigns][arm - campaign->arms];
}

struct mail_shapes *
cache_shapes(const struct tailor_cache *c)
{
	return c->shapes;
}

struct tailor_cache *
tailor_cache_new(const struct conf *conf, conf_report_fn *report, void *ctx)
{
	struct tailor_cache *c = calloc(1, sizeof(*c));
	if (c == NULL)
		abort();
	pthread_mutex_init(&c->lock, NULL);
	c->max_bytes = (size_t)conf->milter.template_cache;
	c->conf = conf;
	c->arena = arena_new(4096);
	c->shapes = mail_shapes_new();
	if (getrandom(&c->seed, sizeof(c->seed), 0) != (ssize_t)sizeof(c->seed))
		c->seed = (uintptr_t)c;
	bool ok = rules_compile(c, report, ctx);
	if (!subjects_compile(c, report, ctx) || !ok)
		tailor_cache_free(&c);
	return c;
}

static void
entry_free(struct cache_entry *e)
{
	part_free(&e->part);
	arena_free(&e->own);
	free(e);
}

/* Lock held. */
static void
entry_unlink(struct tailor_cache *c, struct cache_entry *e)
{
	HASH_DEL(c->table, e);
	DL_DELETE(c->lru, e);
	e->linked = false;
	c->bytes -= e->bytes;
	if (--e->refs == 0)
		entry_free(e);
}

void
tailor_cache_free(struct tailor_cache **cp)
{
	struct tailor_cache *c = *cp;
	if (c == NULL)
		return;
	while (c->lru != NULL)
		entry_unlink(c, c->lru);
	pthread_mutex_destroy(&c->lock);
	for (size_t i = 0; i < c->conf->ncampaigns; i++)
		for (size_t j = 0; j < c->conf->campaigns[i].narms; j++)
			part_free(&c->subjects[i][j]);
	mail_shapes_free(&c->shapes);
	arena_free(&c->arena);
	free(c);
	*cp = NULL;
}

void
tailor_cache_stats(struct tailor_cache *c, struct tailor_cache_stats *out)
{
	pthread_mutex_lock(&c->lock);
	*out = c->stats;
	out->bytes = (int64_t)c->bytes;
	out->entries = HASH_COUNT(c->table);
	pthread_mutex_unlock(&c->lock);
}

const struct score_rule *
cache_send_if(const struct tailor_cache *c, const struct conf_campaign *campaign)
{
	return c->send_if[campaign - c->conf->campaigns];
}

/* Eight bytes a step; two multiplications keep it above 5 GB/s, and the seed unknown. */
static uint64_t
hash_bytes(uint64_t seed, struct str s)
{
	uint64_t h = seed ^ (s.n * 0x9E3779B97F4A7C15u), w;
	size_t i = 0;
	for (; i + 8 <= s.n; i += 8) {
		memcpy(&w, s.p + i, 8);
		h = (h ^ w) * 0xD6E8FEB86659FD93u;
		h ^= h >> 32;
	}
	w = 0;
	if (i < s.n)
		memcpy(&w, s.p + i, s.n - i);
	h = (h ^ w) * 0xD6E8FEB86659FD93u;
	return h ^ (h >> 29);
}

static uint64_t
key_hash(const struct tailor_cache *c, const struct cache_key *k)
{
	uint64_t h = hash_bytes(c->seed, k->raw);
	h = hash_bytes(h ^ (uint64_t)(uintptr_t)k->campaign, k->charset);
	return h ^ ((uint64_t)k->role << 40) ^ ((uint64_t)k->cte << 32) ^ (uint64_t)k->flags;
}

static bool
key_equal(const struct cache_key *a, const struct cache_key *b)
{
	return a->campaign == b->campaign && a->role == b->role && a->cte == b->cte && a->flags == b->flags &&
	       str_eq(a->charset, b->charset) && str_eq(a->raw, b->raw);
}

/* Lock held. A hit comes back referenced and newest. */
static struct cache_entry *
cache_find(struct tailor_cache *c, uint64_t hash, const struct cache_key *k)
{
	struct cache_entry *e = NULL;
	HASH_FIND(hh, c->table, &hash, sizeof(hash), e);
	if (e == NULL || !key_equal(&e->key, k))
		return NULL;
	e->refs++;
	if (c->lru != e) {
		DL_DELETE(c->lru, e);
		DL_PREPEND(c->lru, e);
	}
	return e;
}

/* Lock held. e has one reference, the caller's. */
static void
cache_insert(struct tailor_cache *c, struct cache_entry *e)
{
	struct cache_entry *old = NULL;
	if (e->bytes > c->max_bytes)
		return;
	HASH_FIND(hh, c->table, &e->hash, sizeof(e->hash), old);
	if (old != NULL)
		entry_unlink(c, old);
	while (c->lru != NULL && c->bytes + e->bytes > c->max_bytes) {
		entry_unlink(c, c->lru->prev); /* utlist: the head's prev is the tail */
		c->stats.evictions++;
	}
	e->refs++;
	e->linked = true;
	HASH_ADD(hh, c->table, hash, sizeof(e->hash), e);
	DL_PREPEND(c->lru, e);
	c->bytes += e->bytes;
}

/* The key's strings must live as long as the entry. */
static struct cache_entry *
entry_new(uint64_t hash, const struct cache_key *k, struct part *part)
{
	struct cache_entry *e = calloc(1, sizeof(*e));
	if (e == NULL)
		abort();
	struct arena *a = part ? part->arena : (e->own = arena_new(k->raw.n + 256));
	e->hash = hash;
	e->part = part;
	e->refs = 1;
	e->key = *k;
	e->key.charset = arena_str(a, k->charset);
	e->key.raw = part && part->text.raw.n == k->raw.n ? part->text.raw : arena_str(a, k->raw);
	e->bytes = arena_size(a) + sizeof(*e);
	return e;
}

struct cache_entry *
cache_get(struct tailor_cache *c, const struct conf_campaign *campaign, const struct mail_part *p,
	  struct str raw, struct err *err)
{
	struct cache_key k = { .campaign = campaign, .role = -1, .raw = raw };
	struct part *part = NULL;
	if (p != NULL) {
		k.role = (int)p->role;
		k.cte = (int)p->cte;
		k.flags = p->format_flowed | p->delsp << 1;
		if (p->lf && str_find_char(raw, '\n') == raw.n)
			k.flags |= 4;
		k.charset = p->charset;
	}
	uint64_t hash = key_hash(c, &k);
	pthread_mutex_lock(&c->lock);
	struct cache_entry *e = cache_find(c, hash, &k);
	if (e != NULL)
		c->stats.hits++;
	else
		c->stats.misses++;
	pthread_mutex_unlock(&c->lock);
	if (e != NULL)
		return e;
	/* Two threads may compile the same part at once; the later one's stays. */
	int rc = p != NULL ? part_compile(campaign, p, raw, NULL, &part, err)
			   : part_compile_header(raw, &part, err);
	if (rc < 0)
		return NULL;
	e = entry_new(hash, &k, part);
	pthread_mutex_lock(&c->lock);
	cache_insert(c, e);
	pthread_mutex_unlock(&c->lock);
	return e;
}

void
cache_release(struct tailor_cache *c, struct cache_entry **ep)
{
	struct cache_entry *e = *ep;
	if (e == NULL)
		return;
	*ep = NULL;
	pthread_mutex_lock(&c->lock);
	bool last = --e->refs == 0;
	pthread_mutex_unlock(&c->lock);
	if (last)
		entry_free(e);
}

const struct part *
cache_entry_part(const struct cache_entry *e)
{
	return e->part;
}
