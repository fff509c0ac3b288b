/*
 * schema: every section and key of the configuration, with type and default. Reading, checking, printing and
 * the manual's test all work by this table.
 */
#include "conf/conf-private.h"

#include <string.h>

#define S 1000LL
#define MIN (60 * S)
#define HOUR (60 * MIN)
#define DAY (24 * HOUR)
#define YEAR (365 * DAY)
#define K 1024LL
#define M (K * K)
#define G (M * K)
#define MILLION 1000000LL
#define COUNT(v) (sizeof(v) / sizeof((v)[0]))
#define KEY(n, t, o, d, ...)                                                         \
	{                                                                            \
		.name = (n), .type = (t), .offset = (o), .deflt = (d), ##__VA_ARGS__ \
	}
#define RANGE(lo, hi) .min = (lo), .max = (hi)
#define CHOICES(v) .choices = (v), .nchoices = COUNT(v)

/* In the order of the enums they stand for. */
static const char *const BOOLS[] = { "no", "yes" };
static const char *const TARGETS[] = { "stderr", "syslog" };
static const char *const LEVELS[] = { "error", "warning", "info", "debug" };
static const char *const SCOPES[] = { "recipient", "domain" };
static const char *const ACTIONS[] = { "discard", "reject", "defer" };
static const char *const RECIPIENTS[] = { "one", "split" };
static const char *const MISSING[] = { "fallback", "hold" };
static const char *const TRUSTS[] = { "no", "soft", "yes" };
static const char *const CONSENTS[] = { "deny", "allow" };
static const char *const POLICIES[] = { "fixed",	   "epsilon-greedy", "thompson",
					"linear-thompson", "linucb",	     "greedy" };
static const char *const REWARDS[] = { "opened", "clicked", "converted" };
static const char *const SEND_HOURS[] = { "any", "0",  "1",  "2",  "3",	 "4",  "5",  "6",  "7",
					  "8",	 "9",  "10", "11", "12", "13", "14", "15", "16",
					  "17",	 "18", "19", "20", "21", "22", "23" };
/* The first are as above. */
static const char *const CAMPAIGN_HOURS[] = { "any", "0",  "1",	 "2",  "3",  "4",  "5",	 "6",	   "7",
					      "8",   "9",  "10", "11", "12", "13", "14", "15",	   "16",
					      "17",  "18", "19", "20", "21", "22", "23", "learned" };

#define AT(member) offsetof(struct conf, member)

static const struct conf_key STATE[] = {
	KEY("directory", KEY_PATH, AT(state.directory), "/var/lib/mailtailor"),
	KEY("map_size", KEY_SIZE, AT(state.map_size), "16G", RANGE(M, 1024 * 1024 * G)),
	KEY("max_readers", KEY_INT, AT(state.max_readers), "1024", RANGE(8, 65536)),
	KEY("events_keep", KEY_DURATION, AT(state.events_keep_ms), "400d", RANGE(DAY, 20 * YEAR)),
};

static const struct conf_key MILTER[] = {
	KEY("socket", KEY_SOCKET, AT(milter.socket), "unix:/run/mailtailor/milter.sock"),
	KEY("socket_mode", KEY_MODE, AT(milter.socket_mode), "0660"),
	KEY("socket_group", KEY_GROUP, AT(milter.socket_group), NULL),
	KEY("trusted_networks", KEY_NETS, AT(milter.trusted), "127.0.0.0/8 ::1/128"),
	KEY("trust_authenticated", KEY_BOOL, AT(milter.trust_authenticated), "yes", CHOICES(BOOLS)),
	KEY("max_message", KEY_SIZE, AT(milter.max_message), "50M", RANGE(K, G)),
	KEY("template_cache", KEY_SIZE, AT(milter.template_cache), "64M", RANGE(0, 64 * G)),
	KEY("metrics", KEY_TARGET, AT(milter.metrics.text), NULL),
	KEY("drain_timeout", KEY_DURATION, AT(milter.drain_timeout_ms), "30s", RANGE(0, HOUR)),
	KEY("log_target", KEY_CHOICE, AT(milter.log_target), "stderr", CHOICES(TARGETS)),
	KEY("log_level", KEY_CHOICE, AT(milter.log_level), "info", CHOICES(LEVELS)),
	KEY("plugin_directory", KEY_PATH, AT(plugin_directory), NULL),
};

static const struct conf_key KEYS[] = {
	KEY("file", KEY_PATH, AT(keys.file), "/etc/mailtailor/keys"),
};

static const struct conf_key TRACK[] = {
	KEY("host", KEY_URL, AT(track.host), NULL),
	KEY("listen", KEY_TARGET, AT(track.listen.text), "127.0.0.1:8025"),
	KEY("private", KEY_TARGET, AT(track.private.text), "127.0.0.1:8026"),
	KEY("socket_mode", KEY_MODE, AT(track.socket_mode), "0660"),
	KEY("trusted_proxies", KEY_NETS, AT(track.proxies), "127.0.0.0/8 ::1/128"),
	KEY("threads", KEY_INT, AT(track.threads), "2", RANGE(1, 64)),
	KEY("connections", KEY_INT, AT(track.connections), "4096", RANGE(16, 100000)),
	KEY("idle_timeout", KEY_DURATION, AT(track.idle_timeout_ms), "15s", RANGE(S, HOUR)),
	KEY("rate", KEY_INT, AT(track.rate), "1200", RANGE(0, 1000000000)),
	KEY("pages", KEY_PATH, AT(track.pages), NULL),
	KEY("queue", KEY_PATH, AT(track.queue), "trackd.queue", .in_state = true),
};

static const struct conf_key INJECT[] = {
	KEY("target", KEY_TARGET, AT(inject.target), NULL),
	KEY("helo", KEY_HELO, AT(inject.helo), NULL),
	KEY("connections", KEY_INT, AT(inject.connections), "4", RANGE(1, 100)),
	KEY("rate", KEY_INT, AT(inject.rate), "0", RANGE(0, 1000000)),
	KEY("connect_timeout", KEY_DURATION, AT(inject.connect_timeout_ms), "10s", RANGE(S, HOUR)),
	KEY("command_timeout", KEY_DURATION, AT(inject.command_timeout_ms), "5m", RANGE(S, HOUR)),
	KEY("data_timeout", KEY_DURATION, AT(inject.data_timeout_ms), "10m", RANGE(S, HOUR)),
	KEY("retry_min", KEY_DURATION, AT(inject.retry_min_ms), "1m", RANGE(S, DAY)),
	KEY("retry_max", KEY_DURATION, AT(inject.retry_max_ms), "1h", RANGE(S, 7 * DAY)),
	KEY("lifetime", KEY_DURATION, AT(inject.lifetime_ms), "5d", RANGE(S, 30 * DAY)),
	KEY("keep", KEY_DURATION, AT(inject.keep_ms), "7d", RANGE(S, YEAR)),
	KEY("report_from", KEY_ADDRESS, AT(inject.report_from), NULL),
};

static const struct conf_key FEEDBACK[] = {
	KEY("trust_untokened", KEY_CHOICE, AT(feedback.trust_untokened), "no", CHOICES(TRUSTS)),
	KEY("soft_limit", KEY_INT, AT(feedback.soft_limit), "5", RANGE(0, 1000)),
	KEY("soft_window", KEY_DURATION, AT(feedback.soft_window_ms), "15d", RANGE(MIN, YEAR)),
	KEY("full_limit", KEY_INT, AT(feedback.full_limit), "3", RANGE(0, 1000)),
	KEY("full_window", KEY_DURATION, AT(feedback.full_window_ms), "30d", RANGE(MIN, YEAR)),
	KEY("full_pause", KEY_DURATION, AT(feedback.full_pause_ms), "30d", RANGE(MIN, 10 * YEAR)),
	KEY("ignore_relays", KEY_LISTENERS, AT(feedback.ignore_relays), NULL),
	KEY("maillog_state", KEY_PATH, AT(feedback.maillog_state), "maillog.state", .in_state = true),
};

#undef AT
#define AT(member) offsetof(struct conf_track_domain, member)
static const struct conf_key DOMAIN[] = {
	KEY("host", KEY_URL, AT(host), NULL),
};

#undef AT
#define AT(member) offsetof(struct conf_shop, member)
static const struct conf_key SHOP[] = {
	KEY("generation", KEY_INT, AT(generation), "1", RANGE(1, 1000000)),
};

#undef AT
#define AT(member) offsetof(struct conf_plugin, member)
static const struct conf_key PLUGIN[] = {
	KEY("path", KEY_TEXT, AT(path), NULL),
	KEY("deadline", KEY_DURATION, AT(deadline_ms), "50ms", RANGE(1, MIN)),
};

#undef AT
#define AT(member) offsetof(struct conf_cap, member)
static const struct conf_key CAP[] = {
	KEY("category", KEY_CATEGORIES, AT(categories), NULL),
	KEY("limit", KEY_INT, AT(limit), NULL, RANGE(0, 1000000)),
	KEY("window", KEY_DURATION, AT(window_ms), NULL, RANGE(1, 10 * YEAR)),
	KEY("scope", KEY_CHOICE, AT(scope), "recipient", CHOICES(SCOPES)),
	KEY("action", KEY_CHOICE, AT(action), "discard", CHOICES(ACTIONS)),
};

#undef AT
#define AT(member) offsetof(struct conf, member)
static const struct conf_key PRIVACY[] = {
	KEY("sensitive", KEY_FIELDS, AT(privacy.sensitive), NULL),
};

#undef AT
#define AT(member) offsetof(struct conf_features, member)
static const struct conf_key FEATURES[] = {
	KEY("columns", KEY_COLUMNS, AT(columns), NULL),
};

#undef AT
#define AT(member) offsetof(struct conf_campaign, member)
static const struct conf_key CAMPAIGN[] = {
	KEY("category", KEY_NAME, AT(category), "marketing"),
	KEY("recipients", KEY_CHOICE, AT(recipients), "split", CHOICES(RECIPIENTS)),
	KEY("return_path", KEY_RETURN_PATH, AT(return_path), NULL),
	KEY("quiet_hours", KEY_HOURS, AT(quiet_hours), NULL),
	KEY("send_window", KEY_WINDOWS, AT(send_windows), NULL),
	KEY("start", KEY_MOMENT, AT(start), NULL),
	KEY("send_hour", KEY_CHOICE, AT(send_hour), "any", CHOICES(CAMPAIGN_HOURS)),
	KEY("max_delay", KEY_DURATION, AT(max_delay_ms), "3d", RANGE(0, 30 * DAY)),
	KEY("match_sender", KEY_SENDERS, AT(match_sender), NULL),
	KEY("match_from_domain", KEY_DOMAINS, AT(match_from_domain), NULL),
	KEY("match_listener", KEY_LISTENERS, AT(match_listener), NULL),
	KEY("personalizers", KEY_PLUGINS, AT(personalizers), NULL),
	KEY("scorers", KEY_PLUGINS, AT(scorers), NULL),
	KEY("features", KEY_NAME, AT(features), NULL),
	KEY("send_if", KEY_RULE, AT(send_if), NULL),
	KEY("fatigue", KEY_NAME, AT(fatigue), NULL),
	KEY("templates", KEY_BOOL, AT(templates), "yes", CHOICES(BOOLS)),
	KEY("templates_amp", KEY_BOOL, AT(templates_amp), "no", CHOICES(BOOLS)),
	KEY("missing", KEY_CHOICE, AT(missing), "fallback", CHOICES(MISSING)),
	KEY("rewrite_to", KEY_BOOL, AT(rewrite_to), "yes", CHOICES(BOOLS)),
	KEY("require_consent", KEY_BOOL, AT(require_consent), "no", CHOICES(BOOLS)),
	KEY("track_opens", KEY_BOOL, AT(track_opens), "yes", CHOICES(BOOLS)),
	KEY("track_clicks", KEY_BOOL, AT(track_clicks), "yes", CHOICES(BOOLS)),
	KEY("honeypot", KEY_BOOL, AT(honeypot), "no", CHOICES(BOOLS)),
	KEY("tracking_unknown", KEY_CHOICE, AT(tracking_unknown), "allow", CHOICES(CONSENTS)),
	KEY("track_host", KEY_URL, AT(track_host), NULL),
	KEY("click_id", KEY_NAME, AT(click_id), NULL),
	KEY("exclude_hosts", KEY_DOMAINS, AT(exclude_hosts), NULL),
	KEY("link_lifetime", KEY_DURATION, AT(link_lifetime_ms), "2y", RANGE(S, 20 * YEAR)),
	KEY("list_unsubscribe", KEY_BOOL, AT(list_unsubscribe), "yes", CHOICES(BOOLS)),
	KEY("unsubscribe_mailto", KEY_MAILBOX, AT(unsubscribe_mailto), NULL),
	KEY("feedback_id", KEY_FEEDBACK, AT(feedback_id), NULL),
	KEY("language", KEY_LANGUAGE, AT(language), "en"),
	KEY("time_zone", KEY_ZONE, AT(time_zone), "UTC"),
	KEY("control_share", KEY_SHARE, AT(control_share), "10%", RANGE(0, MILLION)),
};

/* Within a campaign, so the offsets are the campaign's. */
static const struct conf_key POLICY[] = {
	KEY("kind", KEY_CHOICE, AT(policy.kind), "fixed", CHOICES(POLICIES)),
	KEY("reward", KEY_CHOICE, AT(policy.reward), "clicked", CHOICES(REWARDS)),
	KEY("window", KEY_DURATION, AT(policy.window_ms), "3d", RANGE(S, 90 * DAY)),
	KEY("explore", KEY_SHARE, AT(policy.explore), "10%", RANGE(0, MILLION)),
	KEY("epsilon", KEY_SHARE, AT(policy.epsilon), "10%", RANGE(0, MILLION)),
	KEY("alpha", KEY_REAL, AT(policy.alpha), "1", RANGE(0, 1000)),
	KEY("ridge", KEY_REAL, AT(policy.ridge), "1", RANGE(0, MILLION)),
};

#undef AT
#define AT(member) offsetof(struct conf_arm, member)
static const struct conf_key ARM[] = {
	KEY("control", KEY_BOOL, AT(control), "no", CHOICES(BOOLS)),
	KEY("subject", KEY_SUBJECT, AT(subject), NULL),
	KEY("send_hour", KEY_CHOICE, AT(send_hour), "any", CHOICES(SEND_HOURS)),
	KEY("weight", KEY_REAL, AT(weight), "1", RANGE(0, MILLION)),
	KEY("score", KEY_NAME, AT(score), NULL),
	KEY("prior_successes", KEY_REAL, AT(prior_successes), "1", RANGE(0, 1000 * MILLION)),
	KEY("prior_failures", KEY_REAL, AT(prior_failures), "1", RANGE(0, 1000 * MILLION)),
};
#undef AT

#define SECTION(label, v) .name = (label), .keys = (v), .nkeys = COUNT(v)
#define TITLED(type, member_array, member_count, member_title) \
	TITLED_IN(struct conf, type, member_array, member_count, member_title)
#define TITLED_IN(holder, type, member_array, member_count, member_title)                                 \
	.titled = true, .array = offsetof(holder, member_array), .count = offsetof(holder, member_count), \
	.size = sizeof(type), .title = offsetof(type, member_title)

const struct conf_section CONF_SECTIONS[] = {
	{ SECTION("state", STATE), .pos = offsetof(struct conf, state.pos) },
	{ SECTION("milter", MILTER), .pos = NO_OFFSET },
	{ SECTION("keys", KEYS), .pos = offsetof(struct conf, keys.pos) },
	{ SECTION("inject", INJECT), .pos = offsetof(struct conf, inject.pos) },
	{ SECTION("feedback", FEEDBACK), .pos = NO_OFFSET },
	{ SECTION("track", TRACK), .pos = NO_OFFSET },
	{ SECTION("domain", DOMAIN), .parent = "track", .title_type = KEY_DOMAINS,
	  TITLED(struct conf_track_domain, track.domains, track.ndomains, domain), .pos = NO_OFFSET },
	{ SECTION("shop", SHOP), .title_type = KEY_NAME, TITLED(struct conf_shop, shops, nshops, name),
	  .pos = offsetof(struct conf_shop, pos) },
	{ SECTION("plugin", PLUGIN), .title_type = KEY_NAME,
	  TITLED(struct conf_plugin, plugins, nplugins, name), .pos = offsetof(struct conf_plugin, pos),
	  .free_name = "options", .free_names = offsetof(struct conf_plugin, option_names),
	  .free_values = offsetof(struct conf_plugin, option_values),
	  .free_count = offsetof(struct conf_plugin, noptions) },
	{ SECTION("cap", CAP), .title_type = KEY_NAME, TITLED(struct conf_cap, caps, ncaps, name),
	  .pos = offsetof(struct conf_cap, pos) },
	{ SECTION("privacy", PRIVACY), .pos = NO_OFFSET },
	{ SECTION("features", FEATURES), .title_type = KEY_NAME,
	  TITLED(struct conf_features, features, nfeatures, name),
	  .pos = offsetof(struct conf_features, pos) },
	{ SECTION("campaign", CAMPAIGN), .title_type = KEY_NAME,
	  TITLED(struct conf_campaign, campaigns, ncampaigns, name),
	  .pos = offsetof(struct conf_campaign, pos), .free_name = "defaults",
	  .free_names = offsetof(struct conf_campaign, default_names),
	  .free_values = offsetof(struct conf_campaign, default_values),
	  .free_count = offsetof(struct conf_campaign, ndefaults) },
	{ SECTION("policy", POLICY), .parent = "campaign",
	  .pos = offsetof(struct conf_campaign, policy.pos) },
	{ SECTION("arm", ARM), .parent = "campaign", .title_type = KEY_NAME,
	  TITLED_IN(struct conf_campaign, struct conf_arm, arms, narms, name),
	  .pos = offsetof(struct conf_arm, pos), .free_name = "values",
	  .free_names = offsetof(struct conf_arm, value_names),
	  .free_values = offsetof(struct conf_arm, value_values),
	  .free_count = offsetof(struct conf_arm, nvalues) },
};
const size_t CONF_NSECTIONS = COUNT(CONF_SECTIONS);

const struct conf_section *
conf_section_find(struct str name)
{
	for (size_t i = 0; i < CONF_NSECTIONS; i++)
		if (str_eq(name, str_of(CONF_SECTIONS[i].name)))
			return &CONF_SECTIONS[i];
	return NULL;
}

const struct conf_key *
conf_key_find(const struct conf_section *s, struct str name)
{
	for (size_t i = 0; i < s->nkeys; i++)
		if (str_eq(name, str_of(s->keys[i].name)))
			return &s->keys[i];
	return NULL;
}
