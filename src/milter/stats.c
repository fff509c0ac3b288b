/*
 * stats: what mailtailord counts of itself, as Prometheus text. Counters are of this process; what lies in
 * the spool is asked of the spool.
 */
#include "milter/private.h"

#include <string.h>

#include "base/log.h"
#include "base/metric.h"
#include "store/event.h"

/* The stable words of contrib/DECISIONS.md; another one, should there be any, counts under the last. */
static const char *const REASONS[] = { "send",	  "suppressed",	 "consent",	"too-late",  "start",
				       "send-at", "quiet-hours", "send-window", "send-hour", "cap",
				       "fatigue", "send-if",	 "missing",	"other" };
#define NREASONS (sizeof(REASONS) / sizeof(REASONS[0]))
static const char *const VERDICTS[] = { "sent", "dropped", "later", "refused" };
static const char *const ANSWERS[] = { "accept", "discard", "try-again", "reject" };
static const char *const REPLIES[] = { "451", "452", "550", "552", "other" };
#define NREPLIES (sizeof(REPLIES) / sizeof(REPLIES[0]))

static struct {
	atomic_llong messages[4], replies[NREPLIES], decisions[4][NREASONS], spooled;
	struct metric_times times;
} counts;

static size_t
word_find(const char *const *words, size_t n, const char *word)
{
	size_t i = 0;
	while (i < n - 1 && strcmp(words[i], word) != 0)
		i++;
	return i;
}

void
stats_message(sfsistat answer, int64_t took_us)
{
	size_t i = answer == SMFIS_DISCARD    ? 1
		   : answer == SMFIS_TEMPFAIL ? 2
		   : answer == SMFIS_REJECT   ? 3
					      : 0;
	atomic_fetch_add(&counts.messages[i], 1);
	metric_times_add(&counts.times, took_us);
}

void
stats_reply(const char *code)
{
	atomic_fetch_add(&counts.replies[word_find(REPLIES, NREPLIES, code)], 1);
}

void
stats_decision(const struct tailor_decision *d)
{
	atomic_fetch_add(&counts.decisions[d->verdict][word_find(REASONS, NREASONS, d->reason)], 1);
}

void
stats_spooled(size_t recipients)
{
	atomic_fetch_add(&counts.spooled, (long long)recipients);
}

long long
stats_jobs(void)
{
	return atomic_load(&counts.spooled);
}

/* ---- printing ---- */

static void
print_messages(struct buf *out)
{
	metric_head(out, "mailtailor_messages_total", "counter", "Campaign messages answered, by answer.");
	for (size_t i = 0; i < 4; i++)
		buf_printf(out, "mailtailor_messages_total{answer=\"%s\"} %lld\n", ANSWERS[i],
			   atomic_load(&counts.messages[i]));
	metric_head(out, "mailtailor_replies_total", "counter", "Refusals, by SMTP reply.");
	for (size_t i = 0; i < NREPLIES; i++)
		buf_printf(out, "mailtailor_replies_total{code=\"%s\"} %lld\n", REPLIES[i],
			   atomic_load(&counts.replies[i]));
	metric_times_print(out, "mailtailor_message_seconds",
			   "From the end of a campaign message to its answer.", &counts.times);
}

static void
print_decisions(struct buf *out)
{
	metric_head(out, "mailtailor_decisions_total", "counter",
		    "Decisions about recipients, by verdict and reason, of copies made in place or spooled.");
	for (size_t v = 0; v < 4; v++)
		for (size_t i = 0; i < NREASONS; i++) {
			long long n = atomic_load(&counts.decisions[v][i]);
			if (n > 0)
				buf_printf(out,
					   "mailtailor_decisions_total{verdict=\"%s\",reason=\"%s\"} %lld\n",
					   VERDICTS[v], REASONS[i], n);
		}
	metric_one(out, "mailtailor_spooled_total", "counter", "Recipients whose copies became jobs.",
		   atomic_load(&counts.spooled));
}

static void
print_plugins(struct buf *out)
{
	struct plugin_counters v[64];
	struct epoch *e = service_epoch();
	size_t n = plugin_set_counters(e->plugins, v, 64);
	static const char *const outcomes[] = { "ok", "late", "failed", "rejected" };
	n = n < 64 ? n : 64;
	metric_head(out, "mailtailor_plugin_calls_total", "counter",
		    "Calls of plugins since the last reload, by outcome.");
	for (size_t i = 0; i < n; i++) {
		const int64_t by[] = { v[i].calls - v[i].late - v[i].failed - v[i].rejected, v[i].late,
				       v[i].failed, v[i].rejected };
		for (size_t k = 0; k < 4; k++)
			buf_printf(out, "mailtailor_plugin_calls_total{plugin=\"%s\",outcome=\"%s\"} %lld\n",
				   v[i].name, outcomes[k], (long long)by[k]);
	}
	metric_head(out, "mailtailor_plugin_off", "gauge", "1: switched off, it failed too often.");
	for (size_t i = 0; i < n; i++)
		buf_printf(out, "mailtailor_plugin_off{plugin=\"%s\"} %d\n", v[i].name, v[i].off);
	epoch_unref(&e);
}

struct sums {
	int64_t count[SPOOL_STATES], paused;
};

static bool
sum_campaign(void *ctx, const struct spool_campaign *c)
{
	struct sums *s = ctx;
	for (size_t i = 0; i < SPOOL_STATES; i++)
		s->count[i] += c->count[i];
	s->paused += c->paused;
	return true;
}

static void
print_state(struct buf *out)
{
	struct sums s = { 0 };
	struct store_stats st;
	struct err e = { 0 };
	if (spool_campaigns(milter_service.store, sum_campaign, &s, &e) == 0) {
		metric_head(out, "mailtailor_spool_jobs", "gauge", "Jobs in the spool, by state.");
		for (int i = 0; i < SPOOL_STATES; i++)
			buf_printf(out, "mailtailor_spool_jobs{state=\"%s\"} %lld\n",
				   spool_state_name((enum spool_state)i), (long long)s.count[i]);
		metric_one(out, "mailtailor_campaigns_paused", "gauge", "Campaigns that are paused.",
			   s.paused);
	} else {
		log_error("metrics: %s", e.text);
	}
	if (store_stats(milter_service.store, &st, &e) != 0) {
		log_error("metrics: %s", e.text);
		return;
	}
	metric_one(out, "mailtailor_profiles", "gauge", "Profiles known.", st.profiles);
	metric_one(out, "mailtailor_suppressions", "gauge", "Suppressions.", st.suppressions);
	metric_one(out, "mailtailor_store_commits_total", "counter", "Commits of this process.", st.commits);
	metric_one(out, "mailtailor_store_map_used_bytes", "gauge", "In use, of the fullest database.",
		   st.map_used);
	metric_one(out, "mailtailor_store_map_size_bytes", "gauge", "What it may have (state.map_size).",
		   st.map_size);
}

void
milter_metrics(struct buf *out)
{
	print_messages(out);
	print_decisions(out);
	print_plugins(out);
	metric_one(out, "mailtailor_sessions", "gauge", "Connections of the MTA.",
		   atomic_load(&milter_service.sessions));
	metric_one(out, "mailtailor_transactions", "gauge", "Messages under way.",
		   atomic_load(&milter_service.running));
	print_state(out);
}

bool
milter_ready(void)
{
	return !atomic_load(&milter_service.stopping) && !atomic_load(&milter_service.ended);
}
