/*
 * mailtailor_plugin.h: the plugin ABI of mailtailor, version 1.2.
 *
 * A plugin is a shared object that adds to a campaign's copies. There are two kinds:
 *   personalizer   sets merge variables for one recipient
 *   scorer         turns a matrix of features into scores
 *
 * The least plugin there is:
 *
 *     #include <mailtailor_plugin.h>
 *
 *     static void *create(const struct mt_host *host, const struct mt_option *options, size_t noptions,
 *                         struct mt_error *error)
 *     {
 *             static int state;
 *             return &state;
 *     }
 *     static int run(void *instance, void *thread, const struct mt_request *rq, struct mt_error *error)
 *     {
 *             return rq->host->set_string(rq, "greeting", "Hello", MT_NUL);
 *     }
 *     MT_PERSONALIZER("hello", "1.0", create, NULL, NULL, NULL, run)
 *
 * Build: cc -shared -fPIC -o hello.so hello.c
 *
 * Life of an instance
 *   At start, and again at every reload, mailtailor makes a new epoch: each `plugin NAME { … }` of the
 *   configuration gets one create(). Two epochs overlap while messages of the old one finish, so two
 *   instances of one library can be alive at once, and two NAMEs may share one library: keep state in the
 *   instance, not in static variables. Order of calls: create, [shape], then per worker thread
 *   [thread_init], run or score any number of times, [thread_fini]; destroy comes last, when no thread is
 *   inside any more.
 *
 * Threads
 *   create, shape and destroy: one thread. run and score: any number of threads at once on one instance, so
 *   the instance is read-only there or takes locks. `thread` belongs to the call alone while it lasts; with
 *   MT_SHORT, calls that get the same one may come from different threads, one after the other.
 *   Call host functions only from the thread that was called, and only until the call returns.
 *
 * Time
 *   run and score have a deadline (`deadline` in the configuration, 50 ms by default, for score times the
 *   number of rows; thread_init counts towards the first call). mailtailor does not wait longer: the late
 * call's variables or scores are dropped, the mail goes out with its fallback content. A call that is late
 * still runs to its end on its own thread; its host functions keep working and have no effect. Five late or
 * failed calls in a row switch the plugin off until the next reload. While 16 threads are late, all plugins
 * that need a thread pause until some return. So: no network without a time-out of your own, no lock that is
 * held long. A plugin that declares MT_SHORT gives up a part of this: see there.
 *
 * Failure
 *   A call that returns nonzero, or sets anything that a host function refuses, contributes nothing: all or
 *   nothing, for all of its rows. A row of scores with one that is not finite is left out, and no other.
 * error->text says why; it reaches the log, so write no addresses and no secrets there.
 *
 * Caveats
 *   - A plugin runs inside the mailtailor process. It is not sandboxed: one that crashes takes the process
 *     down (the MTA then answers by its own milter_default_action), and one that scribbles over memory can
 *     do anything. Load only what you would run as that user. What mailtailor does check: owner and mode of
 *     the file and its directory, versions, sizes, encoding and count of everything a plugin hands over.
 *   - A library may be unmapped after its last destroy. Leave no thread, no atexit handler and no
 *     pthread_key destructor behind.
 *   - The loader knows libraries by path. A file that is replaced under the same path while the old one is
 *     still in use may take effect only after a restart; install new versions under new names.
 *   - Do not change the locale, the signal mask, the environment, the working directory or the umask; no
 *     fork.
 *   - Do not throw C++ exceptions across any of these functions.
 *   - Strings handed to a plugin are UTF-8. Profile and message fields are foreign data of any content;
 *     mailtailor escapes variables where a template puts them, except set_html, whose author vouches for
 *     the markup.
 *
 * Versions
 *   A plugin loads when its ABI major number equals the host's and its minor number is not above the
 *   host's. Within a major version, struct mt_host, mt_request and mt_plugin only grow at their end; each
 *   entry names the minor version that brought it ("1.0"). A plugin built for 1.0 may use the entries of
 *   1.0 without asking; to use a later entry if present, compare host->abi_minor. mt_str, mt_option,
 *   mt_error, mt_shape and mt_magic never change within a major.
 *
 * C11 or C++11. Needs no other header of mailtailor.
 */
#ifndef MAILTAILOR_PLUGIN_H
#define MAILTAILOR_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MT_ABI_MAGIC 0x4D54504Cu /* "MTPL" */
#define MT_ABI_MAJOR 1u
#define MT_ABI_MINOR 2u

#define MT_NUL ((size_t)-1) /* as a length: the string is NUL-terminated, count it */

struct mt_host;
struct mt_request;
struct mt_rule;	 /* opaque: a compiled rule */
struct mt_value; /* opaque: a JSON value, read-only */

/* Borrowed bytes: not NUL-terminated, not yours to free. */
struct mt_str {
	const char *p;
	size_t n;
};

/* One line of `options { name = "value" }`; both NUL-terminated, valid as long as the instance. */
struct mt_option {
	const char *name, *value;
};

/* Where a failing function says why: NUL-terminated, UTF-8, one line: what is wrong, where, what to do. */
struct mt_error {
	char text[512];
};

/* What a scorer reads and gives. All of it must stay valid and unchanged until destroy. */
struct mt_shape {
	const char *const *features; /* 1 to 4096 texts, at most 1024 bytes each; see score() */
	size_t nfeatures;
	const char *const *scores; /* 1 to 64 names: a letter, then letters, digits, _ -; at most 64 */
	size_t nscores;
};

/*
 * One recipient of one campaign. Borrowed for the call.
 */
struct mt_request {
	size_t size;		    /* of this struct, as the host has it */
	const struct mt_host *host; /* 1.0: the same as at create */
	const char *campaign;	    /* 1.0: its name */
	const char *language;	    /* 1.0: BCP 47, the recipient's, else the campaign's; never NULL */
	const char *time_zone;	    /* 1.0: IANA name, likewise; never NULL. Not checked: may be no zone */
	int64_t now_ms;		    /* 1.0: milliseconds since 1970 (UTC) */
	int32_t year, month, day;   /* 1.0: local date of the recipient (UTC when the zone is unknown) */
	int32_t hour, minute;	    /* 1.0: local time, 0..23 and 0..59 */
	int32_t weekday;	    /* 1.0: 1..7, Monday is 1 */
	uint8_t recipient_key[16];  /* 1.0: keyed hash of the address: the same for ever, reveals nothing */
	int32_t known;		    /* 1.0: 1 when a profile exists */
	int32_t reserved;
};

/* Types of struct mt_value. */
enum mt_type { MT_NULL, MT_BOOL, MT_INTEGER, MT_NUMBER, MT_STRING, MT_LIST, MT_MAP };

enum mt_log_level { MT_LOG_ERROR, MT_LOG_WARNING, MT_LOG_INFO, MT_LOG_DEBUG };

/*
 * What the host offers. Functions that take a request are for personalizers, inside run(); the others may
 * be called any time between create and destroy.
 */
struct mt_host {
	size_t size; /* of this struct, as the host has it */
	uint32_t abi_major, abi_minor;

	/*
	 * 1.0: Sets a variable; a later value of the same name replaces the former, also that of an earlier
	 * plugin. name: dotted steps of letters, digits, _ and - (a letter or _ first), at most 128 bytes
	 * and 8 steps; "content.hero" makes or extends the map "content". Values are copied. 0, or -1 when
	 * refused: bad name, ill-formed UTF-8, NUL bytes, over 256 KiB, over 1,000 variables or 4 MiB in
	 * one call, a number that is not finite. A refusal voids the whole call.
	 * set_html: markup that the plugin vouches for; {{{triple}}} prints it as it is.
	 */
	int (*set_string)(const struct mt_request *rq, const char *name, const char *value, size_t n);
	int (*set_html)(const struct mt_request *rq, const char *name, const char *value, size_t n);
	int (*set_number)(const struct mt_request *rq, const char *name, double value);
	int (*set_integer)(const struct mt_request *rq, const char *name, int64_t value);
	int (*set_bool)(const struct mt_request *rq, const char *name, int value);

	/*
	 * 1.0: Reads a field by dotted path ("address.city", "orders.0.sku"): in the message's data, then
	 * the profile, then the campaign's defaults; the first that has it and is not null wins.
	 * "message.X", "profile.X" and "defaults.X" look in one of them only. 1 found, 0 not there.
	 * get_string: strings as they are, numbers and booleans as a template prints them; 0 for lists and
	 * maps. get_number: numbers, numeric strings, booleans as 0 or 1; 0 for anything else.
	 * get_value: NULL when not there.
	 * *out is borrowed until the call returns.
	 */
	int (*get_string)(const struct mt_request *rq, const char *path, struct mt_str *out);
	int (*get_number)(const struct mt_request *rq, const char *path, double *out);
	int (*exists)(const struct mt_request *rq, const char *path);
	const struct mt_value *(*get_value)(const struct mt_request *rq, const char *path);

	/* 1.0: A score of this recipient by name ("click"). 1, or 0 when no scorer gave it. */
	int (*get_score)(const struct mt_request *rq, const char *name, double *out);

	/*
	 * 1.0: A number in [0,1) that looks random, but is the same whenever it is asked for this
	 * recipient, campaign and salt (NULL counts as ""), so that previews, retries and resends agree.
	 */
	double (*random)(const struct mt_request *rq, const char *salt);

	/*
	 * 1.0: The rule language of `send_if`: click >= 0.02 and country in ("DE", "AT") and
	 * exists(last_order). Names are scores first, then hour, minute, weekday, day, month, language,
	 * known, then fields as get_value finds them. rule_compile: NULL and error text with the column.
	 * rule_eval: 1 true, 0 false, -1 when the outcome hangs on a name that is not there. A rule may be
	 * evaluated by many threads at once. rule_free takes NULL.
	 */
	struct mt_rule *(*rule_compile)(const struct mt_host *host, const char *text, size_t n,
					struct mt_error *error);
	int (*rule_eval)(const struct mt_request *rq, const struct mt_rule *rule);
	void (*rule_free)(struct mt_rule *rule);

	/*
	 * 1.0: JSON. json_file reads a regular file of at most max_bytes (0: 16 MiB); a relative path
	 * starts at the directory of the configuration file. Strict: UTF-8, no duplicate keys, no NUL,
	 * depth at most 32; error text names line and column. NULL on error. The root is yours: json_free
	 * (takes NULL) frees it and all below it. json_text parses bytes.
	 */
	struct mt_value *(*json_file)(const struct mt_host *host, const char *path, size_t max_bytes,
				      struct mt_error *error);
	struct mt_value *(*json_text)(const struct mt_host *host, const char *text, size_t n,
				      struct mt_error *error);
	void (*json_free)(struct mt_value *root);

	/*
	 * 1.0: Reading values. All take NULL as MT_NULL.
	 * value_string: 1 for MT_STRING. value_number: 1 for MT_INTEGER and MT_NUMBER. value_integer: 1 for
	 * MT_INTEGER, without the rounding that value_number has above 2^53. value_bool: 1 when true.
	 * value_count: items of a list, entries of a map, else 0. value_item: the i-th item or entry (maps
	 * keep the order of the text), NULL beyond. value_key: the i-th key of a map, empty beyond.
	 * value_get: by key, or NULL.
	 */
	enum mt_type (*value_type)(const struct mt_value *v);
	int (*value_string)(const struct mt_value *v, struct mt_str *out);
	int (*value_number)(const struct mt_value *v, double *out);
	int (*value_integer)(const struct mt_value *v, int64_t *out);
	int (*value_bool)(const struct mt_value *v);
	size_t (*value_count)(const struct mt_value *v);
	const struct mt_value *(*value_item)(const struct mt_value *v, size_t i);
	struct mt_str (*value_key)(const struct mt_value *v, size_t i);
	const struct mt_value *(*value_get)(const struct mt_value *v, const char *key);

	/* 1.0: One line to mailtailor's log, after the plugin's name. No addresses at info level or above. */
	void (*log)(const struct mt_host *host, enum mt_log_level level, const char *text);

	/*
	 * 1.2: As set_string, but the value is JSON, for lists and maps: [{"title": "Shoe"}] for
	 * {{#NAME}} {{title}} {{/NAME}}. Its strings are data, which templates escape. Also refused: what is
	 * no JSON, or deeper than 8. It counts as one variable.
	 */
	int (*set_json)(const struct mt_request *rq, const char *name, const char *text, size_t n);

	/*
	 * 1.2: What shops told of this recipient in the event log: a map {"purchased": [IDs], "viewed":
	 * [IDs]}, strings, newest first, with repetitions, at most 256 of each. NULL when the plugin does not
	 * declare MT_HISTORY, or nothing is known. Borrowed until the call returns.
	 */
	const struct mt_value *(*get_history)(const struct mt_request *rq);

	/*
	 * 1.2: Where a path of an option leads: a relative one starts at the directory of the configuration
	 * file. 0, or -1: it does not fit into out[0..size).
	 */
	int (*file_path)(const struct mt_host *host, const char *path, char *out, size_t size);
};

enum mt_kind { MT_KIND_PERSONALIZER = 1, MT_KIND_SCORER = 2 };

/* What a plugin promises of itself, one bit each. Unknown bits are refused. */
enum mt_flag {
	/*
	 * 1.1: run or score computes from what it is given and what is in memory, for well under a
	 * millisecond, and never blocks: no file, no socket, no sleep, no lock but one held for a few
	 * instructions. mailtailor may then call it on the thread that handles the message, which spares the
	 * message two thread switches; it still calls it on a thread of its own where a plugin without the
	 * flag comes before it.
	 *
	 * The price: a call on the message's thread cannot be left when it is late. The mail waits until it
	 * returns, and if it never does, the SMTP session stands until the MTA gives up (its client tries
	 * again later). A call that returns after its deadline is dropped like any late one, and from then on
	 * the plugin runs on threads of its own until the next reload, which the log says once.
	 */
	MT_SHORT = 1,
	/* 1.2: it calls get_history, which costs the host a look into the event log for each recipient. */
	MT_HISTORY = 2
};

/*
 * What a plugin is. Fill it with MT_PERSONALIZER, MT_SCORER or their MT_SHORT_ forms. Static: it must stay
 * valid while the library is mapped.
 */
struct mt_plugin {
	size_t size;	/* of this struct, as the plugin was built */
	uint32_t kind;	/* 1.0: enum mt_kind */
	uint32_t flags; /* 1.1: enum mt_flag, any of them; 1.0 had it reserved, and it counts as 0 there */
	const char *name, *version; /* 1.0: for messages */

	/*
	 * 1.0: Makes an instance from its options. Refuse options you do not know. NULL with error->text
	 * filled stops the start (or the reload, and the old epoch goes on). host stays valid until destroy
	 * returns. No deadline.
	 */
	void *(*create)(const struct mt_host *host, const struct mt_option *options, size_t noptions,
			struct mt_error *error);
	/* 1.0: Frees it. May be NULL. */
	void (*destroy)(void *instance);

	/*
	 * 1.0: Makes and frees what one thread needs (scratch memory, a connection). Both may be NULL; then
	 * `thread` is NULL. thread_init: 0, or -1 with error text: the call fails, the next one on this
	 * thread tries again.
	 */
	int (*thread_init)(void *instance, void **thread, struct mt_error *error);
	void (*thread_fini)(void *instance, void *thread);

	/* 1.0, personalizers: sets variables for one recipient. 0, or nonzero with error text. */
	int (*run)(void *instance, void *thread, const struct mt_request *rq, struct mt_error *error);

	/* 1.0, scorers: fills *shape; called once, after create. 0, or nonzero with error text. */
	int (*shape)(void *instance, struct mt_shape *shape, struct mt_error *error);
	/*
	 * 1.0, scorers: one call for many recipients: 1 where the message is edited in place, up to 64 where
	 * copies are made of it. A row's scores must come of that row alone, to the last bit: what a preview
	 * shows for one is what 64 get.
	 *   rows    nrows × nfeatures doubles, row-major: feature f of recipient i is rows[i * nfeatures +
	 *           f], in the order of shape->features. NAN: missing or no number. Never infinite.
	 *           Read-only.
	 *   scores  nrows × nscores doubles, row-major, in the order of shape->scores. Fill all; all must
	 *           be finite. They are NAN when the call begins.
	 * Features: profile.X, message.X (dotted fields), hour, minute, weekday (Monday 1), day, month in the
	 * recipient's local time; any other name is a field of the message, else of the profile; NAME=TEXT is
	 * 1 when the field is TEXT, else 0 (one-hot). Newer hosts know more sources (what the recipient did
	 * before) and steps behind them ("events.clicked.30d.count | log1p"): mailtailor-features(5).
	 * 0, or nonzero with error text.
	 */
	int (*score)(void *instance, void *thread, const double *rows, size_t nrows, size_t nfeatures,
		     double *scores, struct mt_error *error);
};

/* The sizes of all shared structs as the plugin was built: a mismatch is caught at load, not at a crash. */
struct mt_magic {
	uint32_t magic, size; /* MT_ABI_MAGIC; of this struct */
	uint32_t abi_major, abi_minor;
	uint32_t sizeof_str, sizeof_option, sizeof_error, sizeof_shape; /* must be equal */
	/* equal for the same minor, else at most the host's */
	uint32_t sizeof_request, sizeof_host, sizeof_plugin;
	uint32_t reserved;
};

#if defined(__GNUC__)
#define MT_EXPORT __attribute__((visibility("default")))
#else
#define MT_EXPORT
#endif

/* The two symbols that the host looks for. */
MT_EXPORT const struct mt_magic *mailtailor_plugin_magic(void);
MT_EXPORT const struct mt_plugin *mailtailor_plugin(void);

#define MT_MAGIC_INIT                                                                        \
	{                                                                                    \
		MT_ABI_MAGIC, (uint32_t)sizeof(struct mt_magic), MT_ABI_MAJOR, MT_ABI_MINOR, \
		    (uint32_t)sizeof(struct mt_str), (uint32_t)sizeof(struct mt_option),     \
		    (uint32_t)sizeof(struct mt_error), (uint32_t)sizeof(struct mt_shape),    \
		    (uint32_t)sizeof(struct mt_request), (uint32_t)sizeof(struct mt_host),   \
		    (uint32_t)sizeof(struct mt_plugin), 0                                    \
	}

#ifdef __cplusplus
#define MT_EXTERN_C extern "C"
#else
#define MT_EXTERN_C
#endif

/* Declares the plugin: once per library, at file level, no semicolon needed. */
#define MT_PLUGIN_DECLARE_FLAGS(kind, flags, name, version, create, destroy, thread_init, thread_fini, run, \
				shape, score)                                                               \
	MT_EXTERN_C const struct mt_magic *mailtailor_plugin_magic(void)                                    \
	{                                                                                                   \
		static const struct mt_magic magic_ = MT_MAGIC_INIT;                                        \
		return &magic_;                                                                             \
	}                                                                                                   \
	MT_EXTERN_C const struct mt_plugin *mailtailor_plugin(void)                                         \
	{                                                                                                   \
		static const struct mt_plugin plugin_ = { sizeof(struct mt_plugin),                         \
							  kind,                                             \
							  flags,                                            \
							  name,                                             \
							  version,                                          \
							  create,                                           \
							  destroy,                                          \
							  thread_init,                                      \
							  thread_fini,                                      \
							  run,                                              \
							  shape,                                            \
							  score };                                          \
		return &plugin_;                                                                            \
	}
#define MT_PLUGIN_DECLARE(kind, name, version, create, destroy, thread_init, thread_fini, run, shape, score) \
	MT_PLUGIN_DECLARE_FLAGS(kind, 0, name, version, create, destroy, thread_init, thread_fini, run,      \
				shape, score)
#define MT_PERSONALIZER(name, version, create, destroy, thread_init, thread_fini, run)                    \
	MT_PLUGIN_DECLARE(MT_KIND_PERSONALIZER, name, version, create, destroy, thread_init, thread_fini, \
			  run, NULL, NULL)
#define MT_SCORER(name, version, create, destroy, thread_init, thread_fini, shape, score)                 \
	MT_PLUGIN_DECLARE(MT_KIND_SCORER, name, version, create, destroy, thread_init, thread_fini, NULL, \
			  shape, score)
#define MT_SHORT_PERSONALIZER(name, version, create, destroy, thread_init, thread_fini, run)                 \
	MT_PLUGIN_DECLARE_FLAGS(MT_KIND_PERSONALIZER, MT_SHORT, name, version, create, destroy, thread_init, \
				thread_fini, run, NULL, NULL)
#define MT_SHORT_SCORER(name, version, create, destroy, thread_init, thread_fini, shape, score)        \
	MT_PLUGIN_DECLARE_FLAGS(MT_KIND_SCORER, MT_SHORT, name, version, create, destroy, thread_init, \
				thread_fini, NULL, shape, score)

#ifdef __cplusplus
}
#endif

#endif
