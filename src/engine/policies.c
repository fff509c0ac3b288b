/* policies: see policies.h. */
#include "engine/policies.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

#define LOOK_MS 2000

/* One campaign's, in the order of the configuration. */
struct slot {
	struct policy_held *held; /* one reference is the slot's */
	int64_t looked_ms;	  /* monotonic; 0: never */
	/* What the file was when it was read, or refused; all 0: there was none. */
	struct stat seen;
};

struct policies {
	pthread_mutex_t lock;
	const struct conf *conf;
	const struct features_set *features;
	struct slot *slots;
};

struct str
policies_path(struct arena *a, const struct conf *conf, const struct conf_campaign *c)
{
	return arena_printf(a, "%s/policy-%s.state", conf->state.directory, c->name);
}

/* ---- one file ---- */

/* All of it, of a regular file of bounded size. */
static int
file_all(const char *path, struct buf *out, struct err *e)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK), rc = -1;
	if (fd < 0)
		return err_set(e, errno == ENOENT ? ERR_MISSING : ERR_IO, "%s: %s", path, strerror(errno));
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		err_set(e, ERR_IO, "%s: it is no file", path);
	} else if (st.st_size < 0 || (size_t)st.st_size > POLICY_MAX_FILE) {
		err_set(e, ERR_LIMIT, "%s: a policy state has at most %zu MiB", path, POLICY_MAX_FILE >> 20);
	} else {
		char piece[65536];
		ssize_t n;
		while ((n = read(fd, piece, sizeof(piece))) > 0 && out->n <= POLICY_MAX_FILE)
			buf_add(out, piece, (size_t)n);
		rc = n < 0 ? err_set(e, ERR_IO, "%s: %s", path, strerror(errno)) : 0;
	}
	close(fd);
	return rc;
}

/* True when it answers what the campaign asks. */
static bool
fits(const struct policy *p, const struct features *features, const struct conf_campaign *c, struct err *e)
{
	const char *other = NULL;
	if (!str_eq(p->campaign, str_of(c->name)))
		other = "campaign";
	else if (!str_eq(p->reward, str_of(conf_reward_name(c->policy.reward))))
		other = "reward";
	else if (p->window_ms != c->policy.window_ms)
		other = "window";
	else if (features != NULL && (!str_eq(p->columns, str_of(features->hash)) ||
				      p->dim != score_columns_count(features->columns) + 1))
		other = "set of features";
	else if (features != NULL && p->ridge != c->policy.ridge)
		other = "ridge";
	if (other)
		err_set(e, ERR_INPUT,
			"it was learned with another %s than the configuration has; run `mailtailor policy "
			"learn %s`",
			other, c->name);
	return other == NULL;
}

const struct features *
policies_features(const struct features_set *features, const struct conf_campaign *c)
{
	return conf_policy_is_linear(c) ? features_find(features, c->features) : NULL;
}

bool
policies_check(const struct conf *conf, const struct features_set *features, conf_report_fn *report,
	       void *ctx)
{
	bool ok = true;
	for (size_t i = 0; i < conf->ncampaigns; i++) {
		const struct conf_campaign *c = &conf->campaigns[i];
		const struct features *f = policies_features(features, c);
		char text[600];
		if (f == NULL)
			continue;
		const char *why =
		    score_columns_count(f->columns) > POLICY_MAX_COLUMNS
			? "are more than 256, which it cannot go by"
		    : score_columns_find_arm(f->columns) >= 0
			? "read which arm it is, and it is the policy that decides that"
		    : conf_arms_have_hours(c) && score_columns_find_clock(f->columns) >= 0
			? "read the clock, and when a copy leaves is what its arm decides (send_hour)"
			: NULL;
		if (why == NULL)
			continue;
		snprintf(text, sizeof(text),
			 "%s:%d: policy \"%s\": the columns of features \"%s\" %s; name a section of others",
			 c->policy.pos.file, c->policy.pos.line, conf_policy_name(c->policy.kind),
			 c->features, why);
		report(ctx, text);
		ok = false;
	}
	return ok;
}

struct policy *
policies_read(const struct conf *conf, const struct features_set *features, const struct conf_campaign *c,
	      struct err *e)
{
	struct arena *a = arena_new(512);
	struct buf bytes = { 0 };
	struct policy *p = NULL;
	struct str path = policies_path(a, conf, c);
	if (file_all(path.p, &bytes, e) == 0) {
		p = policy_parse(buf_str(&bytes), e);
		if (p != NULL && !fits(p, policies_features(features, c), c, e))
			policy_free(&p);
		if (p == NULL)
			err_prefix(e, "%s", path.p);
	}
	buf_free(&bytes);
	arena_free(&a);
	return p;
}

/* ---- those in force ---- */

struct policies *
policies_new(const struct conf *conf, const struct features_set *features)
{
	struct policies *p = calloc(1, sizeof(*p));
	if (p == NULL || (p->slots = calloc(conf->ncampaigns + 1, sizeof(*p->slots))) == NULL)
		abort();
	pthread_mutex_init(&p->lock, NULL);
	p->conf = conf;
	p->features = features;
	return p;
}

/* Lock held, or nobody else there. */
static void
held_put(struct policy_held **hp)
{
	struct policy_held *h = *hp;
	*hp = NULL;
	if (h != NULL && --h->refs == 0) {
		policy_free(&h->policy);
		free(h);
	}
}

void
policies_free(struct policies **pp)
{
	struct policies *p = *pp;
	if (p == NULL)
		return;
	*pp = NULL;
	for (size_t i = 0; i < p->conf->ncampaigns; i++)
		held_put(&p->slots[i].held);
	pthread_mutex_destroy(&p->lock);
	free(p->slots);
	free(p);
}

static struct policy_held *
held_new(struct policy *state, const struct conf_campaign *c)
{
	struct policy_held *h = calloc(1, sizeof(*h));
	if (h == NULL)
		abort();
	double *rates = ARENA_ARRAY(state->arena, double, c->narms);
	h->policy = state;
	h->refs = 1;
	if (tailor_arm_rates(c, state, rates))
		h->rates = rates;
	return h;
}

static bool
same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* Lock held: others wait the moment that a changed file takes to read. */
static void
slot_look(struct policies *p, struct slot *s, const struct conf_campaign *c)
{
	struct arena *a = arena_new(512);
	struct stat st = { 0 };
	struct err e = { 0 };
	if (stat(policies_path(a, p->conf, c).p, &st) != 0)
		st = (struct stat){ 0 };
	arena_free(&a);
	if (same_file(&st, &s->seen))
		return;
	s->seen = st;
	struct policy *state = policies_read(p->conf, p->features, c, &e);
	if (state != NULL) {
		held_put(&s->held);
		s->held = held_new(state, c);
		log_info("campaign=%s policy=%s: a state of %zu arms is in force", c->name,
			 conf_policy_name(c->policy.kind), state->narms);
	} else if (e.kind == ERR_MISSING) {
		if (s->held != NULL)
			log_info("campaign=%s policy=%s: its state is gone, the split is fixed", c->name,
				 conf_policy_name(c->policy.kind));
		held_put(&s->held);
	} else {
		log_error("campaign=%s policy=%s: %s; %s", c->name, conf_policy_name(c->policy.kind), e.text,
			  s->held ? "the one before stays in force" : "the split is fixed");
	}
}

struct policy_held *
policies_get(struct policies *p, const struct conf_campaign *c)
{
	int64_t now_ms = clock_mono_us() / 1000;
	if (p == NULL || !conf_policy_learns(c))
		return NULL;
	pthread_mutex_lock(&p->lock);
	struct slot *s = &p->slots[c - p->conf->campaigns];
	if (s->looked_ms == 0 || now_ms - s->looked_ms >= LOOK_MS) {
		s->looked_ms = now_ms > 0 ? now_ms : 1;
		slot_look(p, s, c);
	}
	struct policy_held *h = s->held;
	if (h != NULL)
		h->refs++;
	pthread_mutex_unlock(&p->lock);
	return h;
}

void
policies_put(struct policies *p, struct policy_held **held)
{
	if (*held == NULL)
		return;
	pthread_mutex_lock(&p->lock);
	held_put(held);
	pthread_mutex_unlock(&p->lock);
}
