/* mailtailor profile: what is known of recipients: import, show, change, export, forget. */
#include "main/admin-profile.h"

#include <getopt.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "main/files.h"
#include "recipient/rows.h"

static const char usage[] =
    "usage: mailtailor profile import FILE|- [OPTION…]        (see: mailtailor profile import --help)\n"
    "       mailtailor profile get ADDRESS [--json]\n"
    "       mailtailor profile set ADDRESS KEY=VALUE… | --json-file FILE\n"
    "       mailtailor profile consent ADDRESS TOPIC granted|denied|unknown\n"
    "       mailtailor profile export ADDRESS\n"
    "       mailtailor profile forget ADDRESS [--yes]\n"
    "\n"
    "Profiles are kept sealed, under a keyed hash of the address.\n"
    "\n"
    "  get       show the merge fields of ADDRESS\n"
    "  set       change some: NAME=TEXT, NAME:number=42, NAME:bool=true, GROUP.NAME=TEXT;\n"
    "            NAME= removes one; --json-file replaces all by the object in FILE (- is stdin)\n"
    "  consent   TOPIC is tracking, mail (all categories but transactional), mail:CATEGORY, or\n"
    "            at-most:week or at-most:month, which is how often he wants mail\n"
    "  export    print all that is held about ADDRESS as JSON: profile, consents,\n"
    "            suppressions, caps, decisions, jobs in the queue, events\n"
    "  forget    erase all of that but the suppressions; asks first unless --yes\n"
    "\n"
    "  -c, --config CONF   the configuration\n"
    "      --json          print JSON\n"
    "  -h, --help          print this text\n";

struct request {
	const char *verb, *conf_path, *address, *json_file;
	char **args; /* behind the address */
	int nargs;
	bool json, yes;
};

/* ---- get ---- */

static void
print_flat(struct buf *b, struct str path, const struct value *v)
{
	if (v->type != VALUE_MAP || value_map_count(v) == 0) {
		buf_printf(b, "%.*s: ", STR_ARG(path));
		if (v->type == VALUE_STRING)
			json_print_string(b, v->s); /* a control character cannot reach the terminal */
		else
			json_print(b, v);
		buf_addc(b, '\n');
		return;
	}
	/* As deep as a stored profile can be: 32 levels. */
	for (size_t i = 0; i < value_map_count(v); i++) {
		struct buf child = { 0 };
		struct str key;
		const struct value *item;
		value_map_entry(v, i, &key, &item);
		buf_printf(&child, "%.*s%s", STR_ARG(path), path.n ? "." : "");
		buf_adds(&child, key);
		str_tame(child.p, child.n);
		print_flat(b, buf_str(&child), item);
		buf_free(&child);
	}
}

static int
get(struct desk *d, const struct subject *s, const struct request *r)
{
	struct err e = { 0 };
	struct buf b = { 0 };
	const struct value *v;
	int found = recipient_profile_get(&d->src, s->address, d->arena, &v, &e);
	if (found < 0)
		return admin_fail(&e);
	if (found == 0) {
		fprintf(stderr, "mailtailor: no profile of this address\n");
		return EX_NOINPUT;
	}
	if (r->json) {
		desk_print_json(v);
		return EX_OK;
	}
	if (value_map_count(v) > 0)
		print_flat(&b, STR(""), v);
	fwrite(b.p ? b.p : "", 1, b.n, stdout);
	buf_free(&b);
	return EX_OK;
}

/* ---- set ---- */

/* A copy of map without the value at path. */
static const struct value *
without(struct arena *a, const struct value *map, struct str path)
{
	struct str rest = path, step;
	struct value *out = value_map_new(a);
	str_split(&rest, '.', &step);
	for (size_t i = 0; i < value_map_count(map); i++) {
		struct str key;
		const struct value *v;
		value_map_entry(map, i, &key, &v);
		if (!str_eq(key, step))
			value_map_set(a, out, key, v);
		else if (rest.p && v->type == VALUE_MAP)
			value_map_set(a, out, key, without(a, v, rest));
	}
	return out;
}

/* "NAME=TEXT", "NAME:number=42"; "NAME=" removes. */
static int
apply(struct desk *d, const struct value **profile, const char *arg, struct err *e)
{
	struct str name, text = str_of(arg), type = STR("");
	const struct value *v;
	if (!strchr(arg, '='))
		return err_set(e, ERR_USAGE, "\"%s\": write NAME=VALUE", arg);
	str_split(&text, '=', &name);
	size_t colon = str_find_char(name, ':');
	if (colon < name.n) {
		type = str_sub(name, colon + 1, name.n);
		name = str_sub(name, 0, colon);
	}
	if (name.n == 0 || name.n > ROWS_MAX_NAME || !str_is_utf8(name))
		return err_set(e, ERR_USAGE, "a name has 1 to %d bytes of UTF-8", ROWS_MAX_NAME);
	/* The value before goes first: a group can then become a value and the other way round. */
	*profile = without(d->arena, *profile, name);
	if (text.n == 0)
		return 0;
	if (rows_cell(d->arena, type, text, &v, e) != 0)
		return err_prefix(e, "%.*s", STR_ARG(name));
	struct value *alone = value_map_new(d->arena);
	value_map_set(d->arena, alone, name, v);
	if (recipient_locale_check(alone, e) != 0)
		return -1;
	struct value *map = (struct value *)(uintptr_t)value_copy(d->arena, *profile);
	if (rows_set_path(d->arena, map, name, v, e) != 0)
		return -1;
	*profile = map;
	return 0;
}

/* Fields that were set now and were probably meant to be others. What the profile had before was somebody's
 * will. */
static void
doubtful_say(struct desk *d, const struct request *r, const struct value *profile)
{
	struct value *looked = value_map_new(d->arena);
	const struct value *v;
	for (size_t i = 0; i < PROFILE_FIELDS; i++)
		if ((v = value_map_get(profile, str_of(profile_columns[i].name))) != NULL)
			value_map_set(d->arena, looked, str_of(profile_columns[i].name), v);
	for (int i = 0; i < r->nargs; i++) {
		struct str name = str_of(r->args[i]);
		size_t n = 0;
		while (n < name.n && !strchr("=:.", name.p[n]))
			n++;
		name = str_sub(name, 0, n);
		if ((v = value_map_get(profile, name)) != NULL)
			value_map_set(d->arena, looked, name, v);
	}
	struct admin_columns *c = admin_columns_new(profile_columns, PROFILE_FIELDS);
	admin_columns_see(c, r->json_file ? profile : looked);
	admin_columns_end(c, true);
	admin_columns_say(c, NULL, "is an ordinary field");
	admin_columns_free(&c);
}

static int
set(struct desk *d, const struct subject *s, const struct request *r)
{
	struct err e = { 0 };
	struct buf text = { 0 };
	const struct value *v;
	int rc = -1;
	if (recipient_profile_get(&d->src, s->address, d->arena, &v, &e) < 0)
		return admin_fail(&e);
	if (r->json_file) {
		rc = file_read(r->json_file, RECIPIENT_MAX_PROFILE, &text, &e);
		if (rc == 0)
			rc = json_parse(d->arena, buf_str(&text), NULL, &v, &e);
		if (rc == 0)
			rc = recipient_locale_check(v, &e);
		buf_free(&text);
	} else {
		rc = 0;
		for (int i = 0; i < r->nargs && rc == 0; i++)
			rc = apply(d, &v, r->args[i], &e);
	}
	if (rc != 0)
		return admin_fail(&e);
	rc = admin_audit(d->conf, AUDIT_PROFILE_SET, s->key.b, NULL, "%s",
			 r->json_file ? "all of it" : "some fields");
	if (rc != EX_OK)
		return rc;
	rc = recipient_profile_put(&d->src, s->address, v, &e) == 0 ? EX_OK : admin_fail(&e);
	if (rc == EX_OK)
		doubtful_say(d, r, v);
	return admin_audit_end(d->conf, AUDIT_PROFILE_SET, s->key.b, rc);
}

/* ---- consent, forget ---- */

static int
consent(struct desk *d, const struct subject *s, const struct request *r)
{
	struct err e = { 0 };
	struct consent_record c = {
		.topic = str_of(r->args[0]),
		.at_ms = clock_now_ms(),
		.source = STR("admin"),
	};
	if (!consent_topic_valid(c.topic))
		return admin_misuse(
		    "no topic \"%s\": tracking, mail, mail:CATEGORY, at-most:week or at-most:month",
		    r->args[0]);
	if (consent_word_parse(str_of(r->args[1]), &c.state) != 0)
		return admin_misuse("no consent \"%s\": granted, denied or unknown", r->args[1]);
	if (consent_category_check(d->conf, &c, &e) != 0)
		return admin_fail(&e);
	int rc = admin_audit(d->conf, AUDIT_PROFILE_CONSENT, s->key.b, NULL, "%s %s", r->args[0], r->args[1]);
	if (rc != EX_OK)
		return rc;
	rc = store_consent_put(d->store, s->key.b, &c, &e) == 0 ? EX_OK : admin_fail(&e);
	return admin_audit_end(d->conf, AUDIT_PROFILE_CONSENT, s->key.b, rc);
}

static bool
confirmed(const struct subject *s)
{
	char answer[16];
	fprintf(stderr, "Erase profile, consents, caps, decisions and queued mail of %.*s? [y/N] ",
		STR_ARG(s->address));
	return fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

static int
forget(struct desk *d, const struct subject *s, const struct request *r)
{
	struct err e = { 0 };
	size_t removed;
	if (!r->yes && !isatty(STDIN_FILENO))
		return admin_misuse("profile forget erases: confirm with --yes");
	if (!r->yes && !confirmed(s)) {
		fprintf(stderr, "mailtailor: nothing was erased\n");
		return EX_OK;
	}
	int rc = admin_audit(d->conf, AUDIT_PROFILE_FORGET, s->key.b, NULL, "%s", "");
	if (rc != EX_OK)
		return rc;
	/* As when he erases himself: links of mail already sent would bring him back. */
	const struct consent_record refusal = { STR("tracking"), CONSENT_DENIED, clock_now_ms(),
						STR(CONSENT_FORGOTTEN) };
	if (store_consent_put(d->store, s->key.b, &refusal, &e) != 0 ||
	    store_forget(d->store, s->key.b, &removed, &e) != 0)
		return admin_audit_end(d->conf, AUDIT_PROFILE_FORGET, s->key.b, admin_fail(&e));
	if (r->json)
		printf("{\"removed\": %zu}\n", removed);
	else
		printf("%zu record%s erased; suppressions and refusals stay\n", removed,
		       removed == 1 ? "" : "s");
	return EX_OK;
}

/* ---- command line ---- */

static int export(struct desk *d, const struct subject *s, const struct request *r)
{
	struct err e = { 0 };
	(void)r;
	int rc = admin_audit(d->conf, AUDIT_PROFILE_EXPORT, s->key.b, NULL, "%s", "");
	if (rc != EX_OK)
		return rc;
	const struct value *v = recipient_export(&d->src, s->address, 0, d->arena, &e);
	if (v == NULL)
		return admin_fail(&e);
	desk_print_json(v);
	return EX_OK;
}

static const struct sub {
	const char *name;
	enum desk_access access;
	int min, max; /* arguments behind the address; max -1: any number */
	int (*run)(struct desk *d, const struct subject *s, const struct request *r);
} SUBS[] = {
	{ "get", DESK_READ, 0, 0, get },
	{ "set", DESK_WRITE, 0, -1, set },
	{ "consent", DESK_WRITE, 2, 2, consent },
	{ "export", DESK_READ, 0, 0, export },
	{ "forget", DESK_WRITE, 0, 0, forget },
	{ "import", DESK_WRITE, 0, 0, NULL }, /* it has options of its own: see run() */
};

static int
run_sub(const struct sub *sub, const struct request *r)
{
	struct desk d;
	struct subject s;
	struct err e = { 0 };
	int rc = desk_open(&d, r->conf_path, sub->access);
	if (rc == EX_OK)
		rc = subject_of(&d, r->address, &s, &e) == 0 ? sub->run(&d, &s, r) : admin_fail(&e);
	desk_close(&d);
	return rc;
}

static int
options_read(struct request *r, int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' }, { "json-file", required_argument, NULL, 'f' },
		{ "json", no_argument, NULL, 'j' },	    { "yes", no_argument, NULL, 'y' },
		{ "help", no_argument, NULL, 'h' },	    { NULL, 0, NULL, 0 },
	};
	int c;
	optind = 0;
	while ((c = admin_option(argc, argv, "c:h", options)) != -1)
		switch (c) {
		case 'c':
			r->conf_path = optarg;
			break;
		case 'f':
			r->json_file = optarg;
			break;
		case 'j':
			r->json = true;
			break;
		case 'y':
			r->yes = true;
			break;
		case 'h':
			return admin_usage(stdout, usage);
		default:
			return EX_USAGE;
		}
	return -1;
}

static int
run(int argc, char **argv)
{
	struct request r = { 0 };
	if (argc > 1 && strcmp(argv[1], "import") == 0)
		return profile_import(argc - 1, argv + 1);
	int rc = options_read(&r, argc, argv);
	if (rc >= 0)
		return rc;
	argv += optind;
	argc -= optind;
	for (size_t i = 0; argc > 0 && i < sizeof SUBS / sizeof SUBS[0]; i++) {
		const struct sub *sub = &SUBS[i];
		if (strcmp(argv[0], sub->name) != 0)
			continue;
		if (!sub->run)
			return admin_misuse("profile import: its options come behind it");
		if (argc < 2)
			return admin_misuse("profile %s: of which ADDRESS?", sub->name);
		r.address = argv[1];
		r.args = argv + 2;
		r.nargs = argc - 2;
		if (r.nargs < sub->min || (sub->max >= 0 && r.nargs > sub->max))
			return admin_usage(stderr, usage);
		if (sub->run == set && (r.nargs > 0) == (r.json_file != NULL))
			return admin_misuse("profile set takes KEY=VALUE… or --json-file FILE");
		return run_sub(sub, &r);
	}
	return argc > 0 ? ADMIN_NO_SUB("profile", argv[0], SUBS) : admin_usage(stderr, usage);
}

const struct admin_verb admin_profile_verb = { "profile", "import, show, change, export or forget profiles",
					       run };
