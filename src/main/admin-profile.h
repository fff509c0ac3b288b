/* admin-profile: what the verbs profile, suppress and caps share. */
#ifndef MT_MAIN_ADMIN_PROFILE_H
#define MT_MAIN_ADMIN_PROFILE_H

#include "base/arena.h"
#include "base/value.h"
#include "main/admin.h"
#include "recipient/recipient.h"

/* Everything a verb about recipients opens. */
struct desk {
	struct arena *arena;
	struct conf *conf;
	struct keyring *keys;
	struct sealer *sealer;
	struct store *store;
	struct recipient_source src; /* without campaign */
};

enum desk_access {
	DESK_READ,
	DESK_CHANGE, /* writes to what is there */
	DESK_WRITE,  /* and makes it where it is missing */
};
/* EX_OK, or the exit code of what was printed. desk_close in either case. */
int desk_open(struct desk *d, const char *conf_path, enum desk_access access);
void desk_close(struct desk *d);

/* An address of the command line, normalised, with its keys. -1 with *e. */
struct subject {
	struct str address, domain;
	struct recipient_key key, domain_key;
};
int subject_of(struct desk *d, const char *address, struct subject *out, struct err *e);

/* Prints a value as JSON and a line end. */
void desk_print_json(const struct value *v);

/*
 * -1 with ERR_USAGE: the topic is "mail:CATEGORY" of a category that the configuration has not, and consent
 * to it is granted. A refusal is never refused: the category may come back.
 */
int consent_category_check(const struct conf *conf, const struct consent_record *c, struct err *e);
/* granted denied unknown, and yes true 1 / no false 0. 0 or -1. */
int consent_word_parse(struct str word, enum consent_state *out);

/* Of a profile, what mailtailor itself reads; the last one in imported files only. */
#define PROFILE_FIELDS 2
#define PROFILE_COLUMNS (PROFILE_FIELDS + 1)
extern const struct admin_column_name profile_columns[PROFILE_COLUMNS];

/* profile's sub-verb that has a file of its own; argv[0] is its name. */
int profile_import(int argc, char **argv);

#endif
