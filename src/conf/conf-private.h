/*
 * conf-private: what the files of src/conf share.
 *
 * The way of a configuration:
 *   scan.c    bytes → tokens, one file
 *   stmt.c    tokens → statements (settings, sections), includes followed, braces and duplicates checked
 *   parse.c   statements → libConfuse, which holds them against the schema; it stops at the first mistake, so
 * the statement is taken out and it starts again fill.c    libConfuse's values → struct conf, each through
 * its converter in value.c; references between sections schema.c  the table of all sections and keys, with
 * types and defaults: what the others work by print.c   struct conf → text or JSON, by the same table
 *
 * Why tokens of our own before libConfuse: its scanner (3.3) accepts an unclosed section or string at the end
 * of a file and keeps that state for the next parse, drops characters it does not know, replaces ${NAME} from
 * the environment, and reads out of bounds on some comments. It gets clean tokens, one on each line, so that
 * its line number is our token number, and every value comes back with the place where it was written.
 */
#ifndef MT_CONF_PRIVATE_H
#define MT_CONF_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <confuse.h>

#include "base/arena.h"
#include "base/buf.h"
#include "conf/conf.h"

#define CONF_MAX_FILE (4 << 20) /* bytes of one file */
#define CONF_MAX_FILES 1024	/* files of one configuration */
#define CONF_MAX_TOKENS 400000	/* of all files */
#define CONF_MAX_DEPTH 8	/* nested includes */
#define CONF_MAX_CHILDREN 4096	/* settings of one section */
#define CONF_MAX_SECTIONS \
	10000		    /* at top level, of all files: libConfuse looks for a title among all before it */
#define CONF_MAX_LIST 1024  /* entries of one list */
#define CONF_MAX_VALUE 8192 /* bytes of one value */
#define CONF_MAX_MISTAKES 200	 /* reported; then one line says that there are more */
#define CONF_MAX_PARSE (8 << 20) /* tokens given to libConfuse in all rounds together */

enum tok_kind { TOK_WORD, TOK_STRING, TOK_OPEN, TOK_CLOSE, TOK_ASSIGN, TOK_APPEND, TOK_COMMA, TOK_OTHER };

struct tok {
	enum tok_kind kind;
	uint32_t file; /* index of conf_work.files */
	int line;
	uint32_t stmt; /* innermost statement */
	bool dropped;  /* not given to libConfuse */
	struct str text;
};

enum stmt_kind { STMT_ASSIGN, STMT_SECTION };

#define STMT_NONE UINT32_MAX

/* A setting or a section, in the order of the text: a section's contents follow it. */
struct stmt {
	enum stmt_kind kind;
	bool append;	      /* += */
	uint32_t first, last; /* tokens */
	uint32_t parent;      /* section, or STMT_NONE at top level */
	size_t nchildren;
	struct str key, title; /* title.p == NULL: none */
};

struct conf_file {
	const char *name;
	uint64_t dev, ino;
	uint32_t from; /* token of the include line's word, for "first included at"; 0 for the first */
	const char *from_name;
	int from_line;
	bool open; /* being read now: including it again is a loop */
};

struct conf_mistake {
	uint32_t file;
	int line;
	uint32_t order;
	const char *text;
};

/* A name that a list used, to be looked up when all sections are known. */
struct conf_ref {
	const char *name;
	uint32_t tok;
};

/* One load. */
struct conf_work {
	struct conf *conf;
	struct arena *arena;   /* conf->arena */
	struct arena *scratch; /* this load only */
	bool no_files;	       /* conf_load_text: nothing is included */
	struct conf_file *files;
	size_t nfiles, files_cap;
	struct tok *toks;
	size_t ntoks, toks_cap;
	struct stmt *stmts;
	size_t nstmts, stmts_cap;
	size_t ntop; /* of them at top level */
	struct conf_mistake *mistakes;
	size_t nmistakes, mistakes_cap;
	struct conf_ref *refs;
	size_t nrefs, refs_cap;
};

/* Grows a malloc'ed array by one and returns the new, zeroed element. */
void *conf_grow(void *array_pp, size_t *n, size_t *cap, size_t size);

/* ---- mistakes (conf.c) ---- */

void conf_wrong(struct conf_work *w, uint32_t file, int line, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void
conf_wrong_tok(struct conf_work *w, uint32_t tok, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* "FILE:LINE" of a token, in scratch. */
const char *conf_where(struct conf_work *w, uint32_t tok);
/* Printable copy of foreign text for a message: control characters as '?', at most 60 bytes. In scratch. */
const char *conf_quote(struct conf_work *w, struct str s);

/* ---- scan.c ---- */

struct tok_list {
	struct tok *v;
	size_t n, cap;
};
/* The tokens of one text; mistakes go to w. out->v is malloc'ed. */
void conf_scan(struct conf_work *w, uint32_t file, struct str text, struct tok_list *out);

/* ---- stmt.c, include.c ---- */

/* Adds the statements of text (file index `file`) to w, following includes. depth: how many files include it.
 */
void conf_statements(struct conf_work *w, uint32_t file, struct str text, int depth);
/* Reports what is given twice and drops the second. */
void conf_duplicates(struct conf_work *w);
/* Marks the tokens of a statement. */
void conf_stmt_drop(struct conf_work *w, uint32_t stmt);
/* The first setting `key` of a section; STMT_NONE when there is none. */
uint32_t conf_stmt_find(const struct conf_work *w, uint32_t section, const char *key);
/* An include line; pattern is relative to the including file's directory. */
void conf_include(struct conf_work *w, uint32_t file, int line, struct str pattern, int depth);
/* The file named by -c. -1 when it could not be read (reported). */
int conf_read_first(struct conf_work *w, const char *name);

/* ---- schema.c ---- */

enum key_type {
	KEY_TEXT,
	KEY_BOOL,
	KEY_INT,
	KEY_SIZE,
	KEY_DURATION,
	KEY_SHARE, /* "10%", "0.1": int64_t, millionths */
	KEY_REAL,
	KEY_MODE,
	KEY_CHOICE,
	KEY_SOCKET,
	KEY_URL,
	KEY_NAME,
	KEY_GROUP,
	KEY_PATH,
	KEY_RULE,
	KEY_MAILBOX,
	KEY_FEEDBACK,
	KEY_LANGUAGE,
	KEY_ZONE,
	KEY_TARGET,
	KEY_HELO,
	KEY_ADDRESS,
	KEY_RETURN_PATH,
	KEY_MOMENT,
	KEY_SUBJECT,
	KEY_HOURS, /* not set: from == to */
	KEY_LISTS, /* from here on: lists */
	KEY_NETS = KEY_LISTS,
	KEY_WINDOWS,
	KEY_STRINGS, /* from here on: lists of strings */
	KEY_SENDERS = KEY_STRINGS,
	KEY_DOMAINS,
	KEY_LISTENERS,
	KEY_CATEGORIES,
	KEY_PLUGINS,
	KEY_COLUMNS,
	KEY_FIELDS,
};

struct conf_key {
	const char *name;
	enum key_type type;
	size_t offset;	   /* of the value in the section's struct */
	const char *deflt; /* as it would be written; NULL: none */
	bool in_state;	   /* KEY_PATH: deflt is a file in the state directory, wherever that is */
	int64_t min, max;  /* KEY_INT, KEY_SIZE, KEY_DURATION (ms), KEY_SHARE (millionths), KEY_REAL */
	const char *const *choices;
	size_t nchoices;
};

#define NO_OFFSET ((size_t)-1)

struct conf_section {
	const char *name;
	const char *parent; /* NULL: top level */
	/* Offsets count from the struct that holds the section: struct conf, or the parent's element. */
	const struct conf_key *keys;
	size_t nkeys;
	enum key_type title_type; /* KEY_NAME or KEY_DOMAINS when titled */
	bool titled;
	/* titled: the array in the holder, its count, the element (keys' offsets count from it) and its
	 * title; else all 0 */
	size_t array, count, size, title;
	size_t pos;	       /* offset of struct conf_pos, or NO_OFFSET */
	const char *free_name; /* its section of free names, or NULL */
	size_t free_names, free_values, free_count;
};

extern const struct conf_section CONF_SECTIONS[];
extern const size_t CONF_NSECTIONS;

const struct conf_section *conf_section_find(struct str name);
const struct conf_key *conf_key_find(const struct conf_section *s, struct str name);

/* ---- parse.c ---- */

/* What libConfuse keeps for each value. */
struct conf_val {
	const char *text;
	uint32_t tok;
};
/* Never NULL; free with conf_parse_free. Caller holds the lock. */
struct conf_parsed;
struct conf_parsed *conf_parse(struct conf_work *w);
cfg_t *conf_parsed_root(const struct conf_parsed *p);
void conf_parse_free(struct conf_parsed **p);

/* ---- fill.c ---- */

void conf_fill(struct conf_work *w, cfg_t *root);
/* The default of a key with in_state: its file in the state directory that c has. */
const char *conf_state_file(struct arena *a, const struct conf *c, const struct conf_key *k);
/* The statement of a parsed section, or STMT_NONE; its first token. */
uint32_t conf_section_stmt(const struct conf_work *w, const cfg_t *sec);
uint32_t conf_section_tok(const struct conf_work *w, const cfg_t *sec);
/* Where a setting of a section stands; else where the section does. */
uint32_t conf_setting_tok(const struct conf_work *w, cfg_t *sec, const char *key);
/* Reports what waits when nothing could: copies wait in the spool, and leave it over the inject target. */
void conf_need_target(struct conf_work *w, cfg_t *inject, uint32_t at, const char *what);

/* ---- arms.c ---- */

/* Whether the campaign's own hours let a copy leave in that hour, on any day. */
bool conf_hour_open(const struct conf_campaign *c, int hour);
/* Arms and policy of a campaign: completes them, and reports what does not fit together. */
void conf_check_arms(struct conf_work *w, cfg_t *inject, cfg_t *sec, struct conf_campaign *c);

/* ---- value.c ---- */

/*
 * Converts text into *slot, or appends it to the list there. 0, or -1 with the reason (what; what to do) in
 * *why. Strings go to the conf's arena.
 */
int conf_value(struct conf_work *w, const struct conf_key *k, const char *text, void *slot, const char **why);
bool conf_name_ok(struct str s);
/* Lower-cases a domain of ASCII labels into the arena; NULL when it is none. */
const char *conf_domain(struct arena *a, struct str s);
/* "inet:port@host" and so on out of both spellings; NULL and *why otherwise. */
const char *conf_socket(struct arena *a, struct str s, const char **why);
const char *conf_host_url(struct arena *a, struct str s, const char **why);
/*
 * Where copies go: "127.0.0.1:10026", "[::1]:10026", "host.name:10026" or "unix:/path", in its one form; NULL
 * and *why otherwise. conf_target_split takes that form apart.
 */
const char *conf_target(struct arena *a, struct str s, const char **why);
void conf_target_split(struct arena *a, struct str target, struct conf_endpoint *out);
int conf_net_parse(struct arena *a, struct str s, struct conf_net *out, const char **why);
void conf_net_print(struct buf *b, const struct conf_net *n);

/* ---- hours.c ---- */

/* "22:00-08:00". 0, or -1 and *why. */
int conf_hours_parse(struct arena *a, struct str s, struct conf_hours *out, const char **why);
/* "mon-fri 09:00-17:30", "sat,sun" (all day), "09:00-12:00" (every day). 0, or -1 and *why. */
int conf_window_parse(struct arena *a, struct str s, struct conf_window *out, const char **why);
void conf_hours_print(struct buf *b, const struct conf_hours *h);
void conf_window_print(struct buf *b, const struct conf_window *w);
/* False when quiet hours cover every send window. */
bool conf_campaign_ever_open(const struct conf_campaign *c);

/* ---- print.c ---- */

/* The value as it would be written in the file; nothing for one that is not set. */
void conf_value_print(struct buf *b, const struct conf_key *k, const void *slot);
/* All settings, defaults included, in a fixed order: two configurations are the same when this text is. */
void conf_print_all(const struct conf *c, struct buf *out);

#endif
