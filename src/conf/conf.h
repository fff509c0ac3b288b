/*
 * conf: the configuration file (libConfuse) → one frozen struct.
 *
 * conf_load reads FILE and every file its `include` lines name (globs allowed,
 * an include of every .conf file in campaigns.d, relative to the including file), checks all
 * of it, and reports every mistake it can find, not only the first, each as
 * "FILE:LINE: what is wrong; what to do". Unknown keys, unclosed sections,
 * duplicate titles, references to unknown plugins or caps, bad durations are
 * mistakes. What needs the file system (plugins, key ring, state directory) is
 * checked by who opens it, not here.
 *
 * Ownership: everything hangs off conf->arena; strings are NUL-terminated.
 * Frozen after loading: any number of threads may read it. A reload makes a
 * new one (epoch); the old one lives until its last reader is done.
 * Threads: libConfuse's scanner is global; conf_load takes a lock.
 */
#ifndef MT_CONF_CONF_H
#define MT_CONF_CONF_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/log.h"
#include "base/str.h"
#include "base/value.h"

struct conf_list {
	const char **v;
	size_t n;
};

/* Where a setting stands, for messages that come up later (a missing plugin file, say). */
struct conf_pos {
	const char *file;
	int line;
};

/* state { directory, map_size, max_readers, events_keep } */
struct conf_state {
	const char *directory; /* LMDB environment; created 0700 */
	int64_t map_size;      /* bytes; upper bound of the database file */
	int64_t max_readers;
	int64_t events_keep_ms; /* events older than that are dropped; what was counted of them stays */
	struct conf_pos pos;
};

/* A network in CIDR form, IPv4 as v4-mapped IPv6. */
struct conf_net {
	uint8_t addr[16];
	int bits; /* of 128 */
};

/* Where to listen. */
struct conf_endpoint {
	const char *text; /* as written; NULL: none */
	const char *host; /* of a TCP address; NULL for a unix socket */
	int port;
	const char *unix_path; /* of "unix:/path"; NULL for TCP */
};

/* milter { … } */
struct conf_milter {
	const char *socket;  /* "unix:/path" or "inet:port@host" as libmilter spells it; both MTAs' spellings
				accepted */
	int64_t socket_mode; /* 0660 */
	const char *socket_group; /* NULL: unchanged */
	struct conf_net *trusted; /* trusted_networks; default loopback */
	size_t ntrusted;
	bool trust_authenticated;     /* default yes: {auth_authen} present means trusted */
	int64_t max_message;	      /* bytes a campaign message may have; larger: 552 5.3.4. default 50M */
	int64_t template_cache;	      /* bytes, default 64M */
	struct conf_endpoint metrics; /* where it tells of itself over HTTP; default: nowhere */
	int64_t drain_timeout_ms;     /* SIGTERM: how long running messages may take. default 30s */
	enum log_target log_target;
	enum log_level log_level;
};

/* track { host = "https://t.example.com" … domain "shop.example" { host = … } } */
struct conf_track_domain {
	const char *domain; /* From domain, lower-case A-label form; subdomains are not included */
	const char *host;
};
struct conf_track {
	const char *host; /* "https://t.example.com", no trailing slash; NULL: tracking and unsubscribe links
			     impossible */
	struct conf_endpoint listen;  /* public, behind a proxy that does TLS. default 127.0.0.1:8025 */
	struct conf_endpoint private; /* metrics, health. default 127.0.0.1:8026 */
	int64_t socket_mode;	      /* of unix sockets. default 0660 */
	struct conf_net *proxies;     /* trusted_proxies: whose X-Forwarded-For counts. default loopback;
					 who comes by the unix socket is trusted, too */
	size_t nproxies;
	int64_t threads;     /* of the public listener, 1..64. default 2 */
	int64_t connections; /* at once. default 4096 */
	int64_t
	    idle_timeout_ms; /* a client that neither sends nor reads for so long is cut off. default 15s */
	int64_t rate;	     /* requests a minute from one client address; 0: no limit. default 1200 */
	const char *pages;   /* directory of the page templates; NULL: the installed ones */
	const char *queue;   /* file that takes events while the database does not. default
				trackd.queue in the state directory */
	struct conf_track_domain *domains;
	size_t ndomains;
};

/* keys { file = … } */
struct conf_keys {
	const char *file;
	struct conf_pos pos;
};

/*
 * inject { target = "127.0.0.1:10026" … }: where finished copies go. Without a target there is no spool: a
 * campaign message with several recipients is refused, and settings that make copies wait (quiet_hours,
 * send_window, start, a cap's `action = defer`) are mistakes.
 */
struct conf_inject {
	const char *target; /* as written; NULL: none */
	const char *host;   /* of a TCP target; NULL for a unix socket */
	int port;
	const char *unix_path; /* of "unix:/path"; NULL for TCP */
	const char *helo;      /* NULL: the machine's name */
	int64_t connections;   /* at once, 1..100. default 4 */
	int64_t rate; /* copies a second, all connections together; 0 (default): as fast as it goes */
	int64_t connect_timeout_ms, command_timeout_ms, data_timeout_ms; /* 10s, 5m, 10m */
	int64_t retry_min_ms, retry_max_ms; /* 4xx: waits double from one to the other. default 1m, 1h */
	int64_t lifetime_ms; /* from a copy's first due time; then its sender gets a report. default 5d */
	int64_t keep_ms;     /* what became of a copy is remembered: a client's retry within it adds nothing.
				default 7d */
	const char *report_from; /* From: of delivery reports. default MAILER-DAEMON@ the machine's name */
	struct conf_pos pos;
};

/* A bounce or complaint that proves nothing: not acted on; counted as a soft bounce; believed. */
enum conf_trust { CONF_TRUST_NO, CONF_TRUST_SOFT, CONF_TRUST_YES };

/* feedback { trust_untokened = no … }: what bounces and complaints lead to. */
struct conf_feedback {
	enum conf_trust trust_untokened;
	int64_t soft_limit;	/* this many soft bounces within soft_window suppress; 0: never. default 5 */
	int64_t soft_window_ms; /* default 15d */
	int64_t full_limit;	/* the same for full mailboxes, but only for full_pause. default 3 */
	int64_t full_window_ms, full_pause_ms; /* default 30d, 30d */
	struct conf_list
	    ignore_relays;	   /* hosts that are no recipient's server: what they take is not delivered */
	const char *maillog_state; /* where a log has been read up to. default maillog.state in the
				      state directory */
};

/* shop NAME { generation }: who may report conversions to mailtailor-trackd */
struct conf_shop {
	const char *name;
	int64_t generation; /* of its secret; a new number makes a new secret. default 1 */
	struct conf_pos pos;
};

/* plugin NAME { path, deadline, options { any = "string" } } */
struct conf_plugin {
	const char *name;
	const char *path;    /* relative: to milter's plugin_directory setting, see conf->plugin_directory */
	int64_t deadline_ms; /* default 50ms per call */
	const char **option_names, **option_values;
	size_t noptions;
	struct conf_pos pos;
};

enum conf_scope { CONF_SCOPE_RECIPIENT, CONF_SCOPE_DOMAIN };
/* defer: the copy waits in the spool until the window has room, at most the campaign's max_delay */
enum conf_cap_action { CONF_CAP_DISCARD, CONF_CAP_REJECT, CONF_CAP_DEFER };

/* cap NAME { category, limit, window, scope, action } */
struct conf_cap {
	const char *name;
	struct conf_list categories; /* empty: every category but transactional, which is never capped */
	int64_t limit;		     /* 0: no limit (the cap is off) */
	int64_t window_ms;	     /* true sliding window */
	enum conf_scope scope;	     /* recipient, or the recipient's domain */
	enum conf_cap_action action; /* discard: accepted and dropped; reject: 550 5.7.1 to the submitter */
	struct conf_pos pos;
};

/* privacy { sensitive = { … } } */
struct conf_privacy {
	struct conf_list sensitive; /* fields that no feature may read: "gender", "profile.religion" */
};

/* Columns of one section, written out: their values fit into a decision's event. */
#define CONF_MAX_FEATURES 384

/* features NAME { columns = { … } }: what is kept of a recipient with each decision, and trained on. The
 * texts are checked by src/engine/features.h. */
struct conf_features {
	const char *name;
	struct conf_list columns; /* column texts, see score/column.h */
	struct conf_pos pos;
};

/* A local part has 64 octets (RFC 5321 4.5.3.1.1): these, "+", and a token of 56. */
#define CONF_RETURN_PATH_LOCAL 7
/* And of the 254 of a path (RFC 5321 4.5.3.1.3) these are left. */
#define CONF_RETURN_PATH_MAX 197

/* recipients = split: any number, a copy each; one: a second recipient is refused. Ask conf_splits. */
enum conf_recipients { CONF_RECIPIENTS_ONE, CONF_RECIPIENTS_SPLIT };

/* Minutes from midnight in local time, [from, to); from > to goes over midnight. from 0..1439, to 0..1440. */
struct conf_hours {
	int from, to;
};
/* One entry of send_window: "mon-fri 09:00-17:30"; "fri 22:00-02:00" ends on Saturday. */
struct conf_window {
	uint8_t days; /* bit 0 Monday … bit 6 Sunday; the day on which hours.from lies */
	struct conf_hours hours;
};

enum conf_missing { CONF_MISSING_FALLBACK, CONF_MISSING_HOLD };
enum conf_consent { CONF_CONSENT_DENY, CONF_CONSENT_ALLOW };

/*
 * arm NAME { … } of a campaign: one of its alternatives. What an arm does not set is as the message and the
 * campaign have it.
 */
#define CONF_MAX_ARMS 32
#define CONF_ANY_HOUR 0
#define CONF_LEARNED_HOUR 25
struct conf_arm {
	const char *name;    /* as a campaign's */
	bool control;	     /* control = yes, or of that name: never personalised, and no policy's */
	const char *subject; /* a template, instead of the message's; NULL */
	unsigned send_hour;  /* hour of the recipient's local time at which it leaves, + 1; CONF_ANY_HOUR */
	double weight;	     /* of policy "fixed", among the arms that are not control */
	const char *score;   /* of policy "greedy": the scorers' score that stands for it; NULL */
	double prior_successes,
	    prior_failures; /* of the Beta distribution that its rate is believed to have */
	const char **value_names, **value_values;
	size_t nvalues;
	const struct value *values; /* the same as a map of strings: over all merge data of that name */
	struct conf_pos pos;
};

enum conf_policy_kind {
	CONF_POLICY_FIXED,   /* by weight, the same arm for a recipient in every message of the campaign */
	CONF_POLICY_EPSILON, /* the best rate, but epsilon of all by weight */
	CONF_POLICY_THOMPSON,
	CONF_POLICY_LINEAR_THOMPSON,
	CONF_POLICY_LINUCB,
	CONF_POLICY_GREEDY, /* the highest of the arms' scores */
};
enum conf_reward { CONF_REWARD_OPENED, CONF_REWARD_CLICKED, CONF_REWARD_CONVERTED };

/* policy { … } of a campaign: which arm a copy gets, among those that are not control. Shares are millionths.
 */
#define CONF_SHARE_ALL 1000000
struct conf_policy {
	enum conf_policy_kind kind; /* default fixed */
	enum conf_reward reward;    /* default clicked */
	int64_t window_ms; /* a reward within it counts; decisions younger than it and without one are
			      not failures yet. default 3d */
	int64_t explore; /* of all that the policy decides so many are spread evenly, whatever it has learned.
			    default 10 %; fixed: not looked at */
	int64_t epsilon; /* default 10 % */
	double alpha;	 /* linucb: width of the confidence bound; linear-thompson: scale of the
			    deviation. default 1 */
	double ridge;	 /* linear kinds: precision of the prior. default 1 */
	struct conf_pos pos;
};

/* campaign NAME { … } */
struct conf_campaign {
	const char *name;     /* [A-Za-z0-9._-], 1..64 bytes */
	const char *category; /* "promo" …; "transactional" is never capped. default "marketing" */
	enum conf_recipients recipients; /* default split */
	const char *return_path; /* "bounces@shop.example": copies get bounces+TOKEN@shop.example as envelope
				    sender; local part at most CONF_RETURN_PATH_LOCAL octets, no "+". NULL:
				    the submitter's */
	/* When to send, all in the recipient's own time zone. */
	bool has_quiet_hours;
	struct conf_hours quiet_hours;	  /* quiet_hours = "22:00-08:00" */
	struct conf_window *send_windows; /* send_window = { "mon-fri 09:00-17:30", "sat 10:00-14:00" } */
	size_t nsend_windows;		  /* 0: any time */
	const char *start; /* "2026-12-01T09:00:00+01:00", or without an offset: in each recipient's
			      own time; NULL */
	int64_t start_ms;  /* of start; start_local: as if the local time were UTC */
	bool start_local;
	unsigned send_hour; /* as an arm's, for who has no arm with one; CONF_LEARNED_HOUR: each recipient's
			       own, from his profile. default CONF_ANY_HOUR */
	int64_t
	    max_delay_ms; /* how much later than wanted a copy may leave; then it is dropped. default 3d */
	/* Match rules: any non-empty one that fits makes a message from a trusted submitter campaign mail. */
	struct conf_list match_sender;	    /* envelope senders: addr, "@domain" */
	struct conf_list match_from_domain; /* From: domains */
	struct conf_list match_listener;    /* macro {daemon_port} or {daemon_name} */
	struct conf_list personalizers;	    /* plugin names, in order */
	struct conf_list scorers;	    /* plugin names */
	const char *features; /* name of a features section; NULL: the decision keeps the scorers' rows */
	const char *send_if;  /* "click >= 0.02"; NULL: always */
	const char *fatigue;  /* a scorers' score: 0 or less holds the copy back, as one more cap; NULL */
	bool templates;	      /* default yes; no: {{…}} is left as it is */
	bool templates_amp;   /* default no: text/x-amp-html is left alone */
	enum conf_missing missing; /* default fallback */
	bool rewrite_to;	   /* To: becomes the recipient's own. default yes */
	bool require_consent; /* default no: only profiles with consent granted for the category are mailed */
	/* Tracking */
	bool track_opens, track_clicks; /* default yes */
	bool honeypot;			/* with both: a link that nobody sees, beside the pixel. default no */
	enum conf_consent tracking_unknown; /* what unknown tracking consent means. default allow */
	const char *track_host;		    /* overrides track.host; NULL */
	struct conf_list
	    exclude_hosts;	  /* hosts whose links stay unwrapped; "example.com" covers subdomains */
	int64_t link_lifetime_ms; /* default 2y */
	/* Headers */
	bool list_unsubscribe;		/* default yes */
	const char *unsubscribe_mailto; /* second URI, "mailto:…" in front; NULL: none */
	const char *feedback_id;	/* SenderId, 5..15 chars; NULL: no Feedback-ID header */
	const char *language;		/* BCP 47 default for recipients without one; "en" */
	const char *time_zone;		/* default for recipients without one; "UTC" */
	const char *click_id; /* query parameter that tracked targets get, with an id of this click for the
				 shop to report back; NULL: none */
	const char **default_names,
	    **default_values; /* defaults { field = "value" }: lowest precedence merge data */
	size_t ndefaults;
	const struct value *defaults; /* the same as a map of strings */
	struct conf_arm *arms;	      /* none: every copy is made as the message is */
	size_t narms;
	const struct conf_arm *control; /* of them; NULL: none */
	int64_t control_share; /* millionths of all recipients; 0 when there is no control. default 10 % */
	struct conf_policy policy;
	struct conf_pos pos;
};

struct conf {
	struct arena *arena;
	const char *file;
	const char *plugin_directory;	      /* default PREFIX/lib/mailtailor/plugins, set by the caller */
	const char *default_plugin_directory; /* what the caller gave */
	struct conf_state state;
	struct conf_milter milter;
	struct conf_track track;
	struct conf_keys keys;
	struct conf_inject inject;
	struct conf_feedback feedback;
	struct conf_shop *shops;
	size_t nshops;
	struct conf_plugin *plugins;
	size_t nplugins;
	struct conf_cap *caps;
	size_t ncaps;
	struct conf_privacy privacy;
	struct conf_features *features;
	size_t nfeatures;
	struct conf_campaign *campaigns;
	size_t ncampaigns;
	struct conf_list categories; /* of all campaigns but transactional ones, each once */
};

/* One mistake; text is "FILE:LINE: …" without newline. */
typedef void conf_report_fn(void *ctx, const char *text);

/*
 * NULL when anything is wrong; every mistake went to report. Never exits, never prints.
 * default_plugin_dir is used when the file names none.
 */
struct conf *conf_load(const char *file, const char *default_plugin_dir, conf_report_fn *report, void *ctx);
/* The same for a text in memory; name stands for the file in messages. `include` is a mistake there. */
struct conf *conf_load_text(const char *name, struct str text, const char *default_plugin_dir,
			    conf_report_fn *report, void *ctx);
/* Takes NULL; leaves NULL. */
void conf_free(struct conf **c);

/* NULL when there is none. */
const struct conf_campaign *conf_campaign_find(const struct conf *c, struct str name);
/* NULL when there is none. */
const struct conf_features *conf_features_find(const struct conf *c, struct str name);
/* True when addr (16 bytes, IPv4 as v4-mapped) lies in one of the networks. */
bool conf_nets_hold(const struct conf_net *nets, size_t n, const uint8_t addr[16]);
/* True when addr lies in a trusted network. */
bool conf_trusts(const struct conf *c, const uint8_t addr[16]);
/* The tracking host for a campaign and a From domain (campaign, then domain, then default); NULL when none is
 * set. */
const char *
conf_track_host(const struct conf *c, const struct conf_campaign *campaign, struct str from_domain);
/* NULL when there is none. */
const struct conf_arm *conf_arm_find(const struct conf_campaign *c, struct str name);
/* True when some arm has an hour of its own. */
bool conf_arms_have_hours(const struct conf_campaign *c);
/* True when its policy goes by the campaign's features; by what `mailtailor policy learn` found. */
bool conf_policy_is_linear(const struct conf_campaign *c);
bool conf_policy_learns(const struct conf_campaign *c);
/* "fixed" …; "clicked" … */
const char *conf_policy_name(enum conf_policy_kind kind);
const char *conf_reward_name(enum conf_reward reward);
/* True when a message of the campaign may have several recipients: recipients = split and an inject target.
 */
bool conf_splits(const struct conf *c, const struct conf_campaign *campaign);
/*
 * True when local time on weekday (0 Monday … 6 Sunday) at minute (0..1439) is outside the campaign's quiet
 * hours and inside a send window, if it has any.
 */
bool conf_campaign_open(const struct conf_campaign *c, int weekday, int minute);
/* True when cap applies to category (transactional: never). */
bool conf_cap_covers(const struct conf_cap *cap, const char *category);
/* BCP 47 in outline: a primary subtag of 2 or 3 letters, then subtags of 1 to 8 letters or digits. */
bool conf_language_ok(struct str s);
/* The nearest of names[0..n) by edit distance, or NULL when none is near: for "did you mean". */
const char *conf_nearest(struct str typed, const char *const *names, size_t n);
/* The same among the campaigns; it lives as long as the configuration. */
const char *conf_campaign_nearest(const struct conf *c, struct str name);
/*
 * True for transactional, and for a category that a campaign or a cap names; for any where none names one.
 * Else *near is one that was probably meant, or NULL.
 */
bool conf_category_known(const struct conf *c, struct str name, const char **near);
/* Prints every setting that differs from its default, in the file's own grammar; or as JSON. */
void conf_print_diff(const struct conf *c, FILE *out);
void conf_print_diff_json(const struct conf *c, FILE *out);

#endif
