/* arm: see arm.h. */
#include "tailor/arm.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "score/bandit.h"

#define NOTE STR("arm ")

/* ---- chance out of hashes ---- */

static uint64_t
word_of(const uint8_t hash[16], size_t i)
{
	uint64_t w;
	memcpy(&w, hash + 8 * i, 8);
	return w;
}

/* The finalizer of splitmix64 (Steele, Lea and Flood 2014). */
static uint64_t
mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
	x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
	return x ^ (x >> 31);
}

/* In (0, 1). */
static double
unit(uint64_t x)
{
	return ((double)(x >> 11) + 0.5) / 9007199254740992.0;
}

/* FNV-1a: it only has to tell the arms of one campaign apart; the key is in the hash it is mixed with. */
static uint64_t
name_hash(const char *name)
{
	uint64_t h = 0xCBF29CE484222325u;
	for (; *name; name++)
		h = (h ^ (unsigned char)*name) * 0x100000001B3u;
	return h;
}

static bool
is_control(const struct tailor_arm_ask *ask)
{
	const struct conf_campaign *c = ask->campaign;
	return c->control != NULL &&
	       unit(word_of(ask->assign, 0)) * CONF_SHARE_ALL < (double)c->control_share;
}

static double
others_share(const struct conf_campaign *c)
{
	return 1 - (double)c->control_share / CONF_SHARE_ALL;
}

/* ---- fixed split ---- */

static void
weights(const struct conf_campaign *c, double *p)
{
	double all = 0;
	for (size_t i = 0; i < c->narms; i++)
		all += c->arms[i].control ? 0 : c->arms[i].weight;
	for (size_t i = 0; i < c->narms; i++)
		p[i] = c->arms[i].control ? 0 : c->arms[i].weight / all;
}

/* The arm whose exponential variate with rate `weight` comes first. */
static size_t
rendezvous(const struct tailor_arm_ask *ask)
{
	const struct conf_campaign *c = ask->campaign;
	double least = INFINITY;
	size_t best = 0;
	for (size_t i = 0; i < c->narms; i++) {
		const struct conf_arm *arm = &c->arms[i];
		if (arm->control || arm->weight <= 0)
			continue;
		double u = unit(mix(word_of(ask->assign, 1) ^ name_hash(arm->name)));
		double when = -log(u) / arm->weight;
		if (when < least) {
			least = when;
			best = i;
		}
	}
	return best;
}

/* ---- policies ---- */

static bool
score_find(const struct tailor_arm_ask *ask, const char *name, double *out)
{
	for (size_t i = 0; name != NULL && i < ask->nscores; i++)
		if (str_eq(ask->scores[i].name, str_of(name)) && isfinite(ask->scores[i].value)) {
			*out = ask->scores[i].value;
			return true;
		}
	return false;
}

/* The arm with the highest score; of equal ones the first. False: none has one. */
static bool
greedy(const struct tailor_arm_ask *ask, double *p)
{
	const struct conf_campaign *c = ask->campaign;
	double best = -INFINITY, score;
	size_t at = c->narms;
	for (size_t i = 0; i < c->narms; i++) {
		p[i] = 0;
		if (!c->arms[i].control && score_find(ask, c->arms[i].score, &score) && score > best) {
			best = score;
			at = i;
		}
	}
	if (at < c->narms)
		p[at] = 1;
	return at < c->narms;
}

/* The learned kinds, over the arms that are not control. */
static bool
learned(const struct tailor_arm_ask *ask, double *p)
{
	const struct conf_campaign *c = ask->campaign;
	struct policy_arm_ask arms[CONF_MAX_ARMS];
	double probability[CONF_MAX_ARMS], share[CONF_MAX_ARMS];
	size_t n = 0;
	if (ask->rates != NULL) {
		memcpy(p, ask->rates, c->narms * sizeof(*p));
		return true;
	}
	if (ask->policy == NULL)
		return false;
	weights(c, share);
	for (size_t i = 0; i < c->narms; i++)
		if (!c->arms[i].control)
			arms[n++] = (struct policy_arm_ask){
				.name = str_of(c->arms[i].name),
				.share = share[i],
				.prior_successes = c->arms[i].prior_successes,
				.prior_failures = c->arms[i].prior_failures,
			};
	const struct policy_ask q = {
		.kind = (enum policy_kind)(c->policy.kind - CONF_POLICY_EPSILON),
		.epsilon = (double)c->policy.epsilon / CONF_SHARE_ALL,
		.alpha = c->policy.alpha,
		.arms = arms,
		.narms = n,
		.row = ask->row,
		.nrow = ask->nrow,
	};
	if (!policy_probabilities(ask->policy, &q, probability))
		return false;
	for (size_t i = c->narms; i-- > 0;)
		p[i] = c->arms[i].control ? 0 : probability[--n];
	return true;
}

bool
tailor_arm_rates(const struct conf_campaign *c, const struct policy *p, double *rates)
{
	const struct tailor_arm_ask ask = { .campaign = c, .policy = p };
	return (c->policy.kind == CONF_POLICY_EPSILON || c->policy.kind == CONF_POLICY_THOMPSON) &&
	       learned(&ask, rates);
}

bool
tailor_arm_probabilities(const struct tailor_arm_ask *ask, double *p)
{
	const struct conf_campaign *c = ask->campaign;
	const double explore = (double)c->policy.explore / CONF_SHARE_ALL;
	size_t n = 0;
	if (c->policy.kind == CONF_POLICY_FIXED ||
	    !(c->policy.kind == CONF_POLICY_GREEDY ? greedy(ask, p) : learned(ask, p))) {
		weights(c, p);
		return false;
	}
	for (size_t i = 0; i < c->narms; i++)
		n += !c->arms[i].control;
	for (size_t i = 0; i < c->narms; i++)
		if (!c->arms[i].control)
			p[i] = (1 - explore) * p[i] + explore / (double)n;
	return true;
}

/* ---- the choice ---- */

bool
tailor_arm_early(const struct tailor_arm_ask *ask, struct tailor_arm *out)
{
	const struct conf_campaign *c = ask->campaign;
	double p[CONF_MAX_ARMS];
	*out = (struct tailor_arm){ .propensity = 1 };
	if (c->narms == 0)
		return true;
	if (ask->kept.n > 0 && (out->arm = conf_arm_find(c, ask->kept)) != NULL) {
		out->propensity = ask->kept_propensity;
		out->kept = true;
		return true;
	}
	if (is_control(ask)) {
		out->arm = c->control;
		out->propensity = (double)c->control_share / CONF_SHARE_ALL;
		return true;
	}
	if (c->policy.kind != CONF_POLICY_FIXED)
		return false;
	weights(c, p);
	size_t i = rendezvous(ask);
	out->arm = &c->arms[i];
	out->propensity = others_share(c) * p[i];
	return true;
}

void
tailor_arm_choose(const struct tailor_arm_ask *ask, struct tailor_arm *out)
{
	const struct conf_campaign *c = ask->campaign;
	double p[CONF_MAX_ARMS];
	if (tailor_arm_early(ask, out))
		return;
	size_t at = tailor_arm_probabilities(ask, p) ? bandit_pick(p, c->narms, unit(word_of(ask->seed, 0)))
						     : rendezvous(ask);
	out->arm = &c->arms[at];
	out->propensity = others_share(c) * p[at];
}

/* ---- notes of jobs ---- */

struct str
tailor_arm_note(const struct tailor_arm *arm, struct str text, struct arena *a)
{
	const struct value real = { .type = VALUE_REAL, .r = arm->propensity };
	struct buf b = { 0 };
	buf_adds(&b, NOTE);
	buf_printf(&b, "%s ", arm->arm->name);
	value_print(&b, &real);
	buf_printf(&b, ": %.*s", STR_ARG(text));
	struct str out = arena_str(a, buf_str(&b));
	buf_free(&b);
	return out;
}

bool
tailor_arm_noted(struct str note, struct str *name, double *propensity)
{
	char number[32], *end;
	if (!str_starts(note, NOTE))
		return false;
	struct str rest = str_sub(note, NOTE.n, note.n);
	size_t space = str_find_char(rest, ' '), colon = str_find_char(rest, ':');
	if (space == 0 || colon >= rest.n || space >= colon || colon - space > sizeof(number))
		return false;
	struct str digits = str_sub(rest, space + 1, colon);
	memcpy(number, digits.p, digits.n);
	number[digits.n] = '\0';
	*propensity = strtod(number, &end);
	*name = str_sub(rest, 0, space);
	return end == number + digits.n && digits.n > 0 && *propensity > 0 && *propensity <= 1;
}

struct str
tailor_arm_renote(struct str before, struct str text, struct arena *a)
{
	struct str name;
	double propensity;
	if (!tailor_arm_noted(before, &name, &propensity) || tailor_arm_noted(text, &name, &propensity))
		return text;
	return arena_printf(a, "%.*s: %.*s", STR_ARG(str_sub(before, 0, str_find_char(before, ':'))),
			    STR_ARG(text));
}
