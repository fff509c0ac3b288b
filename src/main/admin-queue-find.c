/* admin-queue-find: opening the spool; campaigns and jobs by what an administrator calls them. */
#include "main/admin-queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"

#define SHOWN_IDS 5
#define ID_HALF 12
#define ID_LEN (2 * ID_HALF + 1)

/* ---- what is open ---- */

/* A directory that is not there is a mistake in the configuration; one without a spool is a beginning. */
static bool
spool_absent(struct queue *q, bool lenient)
{
	struct stat st;
	const char *directory = q->conf->state.directory;
	if (stat(directory, &st) != 0)
		return lenient && errno == ENOENT;
	if (!S_ISDIR(st.st_mode))
		return false;
	return stat(arena_printf(q->arena, "%s/spool.mdb", directory).p, &st) != 0 && errno == ENOENT;
}

int
queue_open(struct queue *q, const char *conf_path, unsigned access)
{
	int code = EX_OK;
	bool create = (access & QUEUE_CREATE) != 0;
	*q = (struct queue){ .arena = arena_new(4096) };
	q->conf = admin_conf(conf_path);
	if (!q->conf)
		return EX_CONFIG;
	if (access & QUEUE_KEYS) {
		q->keys = admin_keys(q->conf, &code);
		if (!q->keys)
			return code;
		q->sealer = sealer_new(q->keys);
	}
	if (!create && spool_absent(q, (access & QUEUE_LENIENT) != 0))
		return EX_OK;
	q->store = admin_store(q->conf, (access & QUEUE_WRITE) == 0, create, &code);
	return code;
}

void
queue_close(struct queue *q)
{
	store_close(&q->store);
	sealer_free(&q->sealer);
	keyring_free(&q->keys);
	conf_free(&q->conf);
	arena_free(&q->arena);
}

/* ---- campaigns ---- */

struct names {
	struct arena *arena;
	const char **v;
	size_t n, cap;
};

static bool
name_add(void *ctx, const struct spool_campaign *c)
{
	struct names *names = ctx;
	if (names->n == names->cap) {
		names->cap = names->cap ? names->cap * 2 : 32;
		names->v = reallocarray(names->v, names->cap, sizeof(*names->v));
		if (!names->v)
			abort();
	}
	names->v[names->n++] = arena_cstr(names->arena, c->name);
	return true;
}

int
queue_campaign_check(const struct queue *q, const char *name)
{
	struct names names = { .arena = q->arena };
	struct err e = { 0 };
	int rc = EX_USAGE;
	if (conf_campaign_find(q->conf, str_of(name)))
		return EX_OK;
	if (q->store && spool_campaigns(q->store, name_add, &names, &e) != 0) {
		free(names.v);
		return admin_fail(&e);
	}
	for (size_t i = 0; i < names.n && rc != EX_OK; i++)
		if (strcmp(names.v[i], name) == 0)
			rc = EX_OK;
	for (size_t i = 0; i < q->conf->ncampaigns && rc != EX_OK; i++) {
		struct spool_campaign c = { .name = str_of(q->conf->campaigns[i].name) };
		name_add(&names, &c);
	}
	const char *near = rc == EX_OK ? NULL : admin_nearest(name, names.v, names.n);
	if (near)
		admin_misuse("there is no campaign \"%s\", configured or in the queue; did you mean \"%s\"?",
			     name, near);
	else if (rc != EX_OK)
		admin_misuse("there is no campaign \"%s\", configured or in the queue; `mailtailor campaign "
			     "list` and `mailtailor queue` show them",
			     name);
	free(names.v);
	return rc;
}

struct counts_search {
	uint8_t id[8];
	bool found;
	struct queue_counts *out;
};

static bool
counts_look(void *ctx, const struct spool_campaign *c)
{
	struct counts_search *s = ctx;
	if (memcmp(c->id, s->id, sizeof(s->id)) != 0)
		return true;
	*s->out = (struct queue_counts){ c->paused, c->count[SPOOL_QUEUED], c->count[SPOOL_HELD] };
	s->found = true;
	return false;
}

int
queue_counts(const struct queue *q, const char *campaign, struct queue_counts *out, struct err *e)
{
	struct counts_search s = { .out = out };
	*out = (struct queue_counts){ 0 };
	spool_campaign_id(str_of(campaign), s.id);
	if (q->store && spool_campaigns(q->store, counts_look, &s, e) != 0)
		return -1;
	return s.found;
}

/* ---- several jobs ---- */

void
queue_keys_add(struct queue_keys *k, const struct spool_key *key)
{
	if (k->n == k->cap) {
		k->cap = k->cap ? k->cap * 2 : 1024;
		k->v = reallocarray(k->v, k->cap, sizeof(*k->v));
		if (!k->v)
			abort();
	}
	k->v[k->n++] = *key;
}

void
queue_keys_free(struct queue_keys *k)
{
	free(k->v);
	*k = (struct queue_keys){ 0 };
}

/* Several walks, one after another: what ends one of them ends all. */
struct stopping {
	bool (*fn)(void *ctx, const struct spool_job *j);
	void *ctx;
	bool stopped;
};

static bool
each_of_state(void *ctx, const struct spool_job *j)
{
	struct stopping *s = ctx;
	s->stopped = !s->fn(s->ctx, j);
	return !s->stopped;
}

int
queue_each(const struct queue *q, const char *campaign, unsigned states,
	   bool (*fn)(void *ctx, const struct spool_job *j), void *ctx, struct err *e)
{
	static const unsigned known = QUEUE_ALL_STATES & ~QUEUE_BAD;
	struct stopping s = { .fn = fn, .ctx = ctx };
	uint8_t id[8];
	struct spool_filter f = { .state = -1 };
	if (!q->store)
		return 0;
	if (campaign) {
		spool_campaign_id(str_of(campaign), id);
		f.campaign_id = id;
	}
	if ((states & known) == known)
		return spool_each(q->store, &f, fn, ctx, e);
	for (f.state = 0; f.state < SPOOL_STATES && !s.stopped; f.state++)
		if ((states & QUEUE_STATE(f.state)) && spool_each(q->store, &f, each_of_state, &s, e) != 0)
			return -1;
	return 0;
}

static bool
select_job(void *ctx, const struct spool_job *j)
{
	queue_keys_add(ctx, &j->key);
	return true;
}

static bool
select_bad(void *ctx, const struct spool_key *key, struct str reason, int64_t at_ms)
{
	(void)reason;
	(void)at_ms;
	queue_keys_add(ctx, key);
	return true;
}

int
queue_select(const struct queue *q, const char *campaign, unsigned states, struct queue_keys *out,
	     struct err *e)
{
	if (queue_each(q, campaign, states, select_job, out, e) != 0)
		return -1;
	return q->store && !campaign && (states & QUEUE_BAD) ? spool_bad_each(q->store, select_bad, out, e)
							     : 0;
}

/* ---- one job ---- */

struct search {
	struct str id;
	struct queue_keys found;
	bool bad; /* the first of found lies in the side table */
};

static bool
search_add(void *ctx, const struct spool_job *j)
{
	struct search *s = ctx;
	queue_keys_add(&s->found, &j->key);
	return s->found.n <= SHOWN_IDS;
}

static bool
search_bad(void *ctx, const struct spool_key *key, struct str reason, int64_t at_ms)
{
	struct search *s = ctx;
	char id[26];
	(void)reason;
	(void)at_ms;
	spool_id(key, id);
	if (!str_starts(str_of(id), s->id))
		return true;
	s->bad = s->bad || s->found.n == 0;
	queue_keys_add(&s->found, key);
	return s->found.n <= SHOWN_IDS;
}

/* In lower case, in q's arena; absent when it is no beginning of an id. */
static struct str
id_read(const struct queue *q, const char *text)
{
	char *id = arena_cstr(q->arena, str_of(text));
	size_t n = strlen(id);
	if (n == 0 || n > ID_LEN)
		return STR_NULL;
	for (size_t i = 0; i < n; i++) {
		id[i] = ascii_lower(id[i]);
		if (i == ID_HALF ? id[i] != '-' : !strchr("0123456789abcdef", id[i]))
			return STR_NULL;
	}
	return str_make(id, n);
}

static int
ambiguous(const struct search *s, struct err *e)
{
	struct buf b = { 0 };
	for (size_t i = 0; i < s->found.n && i < SHOWN_IDS; i++) {
		char id[26];
		spool_id(&s->found.v[i], id);
		buf_printf(&b, "%s%s", i ? ", " : "", id);
	}
	err_set(e, ERR_USAGE, "\"%.*s\" fits several jobs: %s%s; give more of the ID", STR_ARG(s->id), b.p,
		s->found.n > SHOWN_IDS ? " …" : "");
	buf_free(&b);
	return -1;
}

int
queue_find(const struct queue *q, const char *id, struct spool_key *key, bool *bad, struct err *e)
{
	struct search s = { .id = id_read(q, id) };
	struct spool_filter f = { .state = -1, .id = s.id };
	int rc = -1;
	if (!s.id.p)
		return err_set(e, ERR_USAGE,
			       "\"%s\" is no job ID nor the beginning of one (like 0f3a9c2b77c1-5e0d…); "
			       "`mailtailor queue list` shows them",
			       id);
	if (q->store && (spool_each(q->store, &f, search_add, &s, e) != 0 ||
			 (s.found.n <= SHOWN_IDS && spool_bad_each(q->store, search_bad, &s, e) != 0)))
		goto out;
	if (s.found.n == 0) {
		err_set(e, ERR_MISSING, "there is no job \"%s\"; `mailtailor queue list` shows what there is",
			id);
	} else if (s.found.n > 1) {
		ambiguous(&s, e);
	} else {
		*key = s.found.v[0];
		*bad = s.bad;
		rc = 0;
	}
out:
	queue_keys_free(&s.found);
	return rc;
}

struct bad_search {
	struct arena *arena;
	const struct spool_key *key;
	struct str reason;
	int64_t at_ms;
	bool found;
};

static bool
bad_compare(void *ctx, const struct spool_key *key, struct str reason, int64_t at_ms)
{
	struct bad_search *s = ctx;
	if (memcmp(key, s->key, sizeof(*key)) != 0)
		return true;
	s->reason = arena_str(s->arena, reason);
	s->at_ms = at_ms;
	s->found = true;
	return false;
}

int
queue_bad(struct queue *q, const struct spool_key *key, struct str *reason, int64_t *at_ms, struct err *e)
{
	struct bad_search s = { .arena = q->arena, .key = key };
	if (spool_bad_each(q->store, bad_compare, &s, e) != 0)
		return -1;
	*reason = s.reason;
	*at_ms = s.at_ms;
	return s.found;
}

/* ---- printing ---- */

const char *
queue_text(struct arena *a, struct str s)
{
	char *text = arena_cstr(a, s);
	if (s.n == 0)
		return "-";
	str_tame(text, s.n);
	return text;
}
