/* mailtailor key: makes, rotates, lists and retires the keys of the key ring. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "main/admin.h"
#include "token/api.h"

static const char usage[] =
    "usage: mailtailor key generate [-c CONF | --file FILE] [--json]\n"
    "       mailtailor key rotate [-c CONF | --file FILE] [--json]\n"
    "       mailtailor key list [-c CONF | --file FILE] [--json]\n"
    "       mailtailor key retire ID [-c CONF | --file FILE] [--json]\n"
    "       mailtailor key shop NAME [-c CONF] [--file FILE] [--json]\n"
    "\n"
    "The key ring holds the secrets behind tracking links, unsubscribe links and stored profiles.\n"
    "\n"
    "  generate    write a new key ring; refuses to overwrite one\n"
    "  rotate      add a key that seals from now on; the older ones still open\n"
    "  list        show the keys and their states (no secrets)\n"
    "  retire ID   let key ID open no link any more (profiles stored under it stay readable)\n"
    "  shop NAME   print the secret by which a shop of the configuration signs what it reports\n"
    "\n"
    "  -c, --config CONF   configuration whose keys { file } is meant\n"
    "  -f, --file FILE     the key ring itself\n"
    "      --json          print JSON\n"
    "  -h, --help          print this text\n";

struct request {
	struct ring_options ring;
	const char *verb, *id;
	struct conf *conf; /* holds the file name when it came from there */
};

static int
read_options(struct request *r, int argc, char **argv)
{
	int rc = admin_ring_options(&r->ring, argc, argv);

	if (rc != EX_OK || r->ring.help)
		return rc;
	if (strcmp(r->verb, "retire") == 0) {
		if (optind == argc)
			return admin_misuse("key retire needs the ID of a key; see: mailtailor key list");
		r->id = argv[optind++];
	}
	if (strcmp(r->verb, "shop") == 0) {
		if (optind == argc)
			return admin_misuse("key shop needs the NAME of a shop in the configuration");
		r->id = argv[optind++];
	}
	if (optind < argc)
		return admin_misuse("key %s takes no argument \"%s\"; see: mailtailor key --help", r->verb,
				    argv[optind]);
	return EX_OK;
}

/* r->ring.file from the configuration unless --file gave it. */
static int
find_file(struct request *r)
{
	if (r->ring.file)
		return EX_OK;
	r->conf = admin_conf(r->ring.conf_path);
	if (!r->conf)
		return EX_CONFIG;
	r->ring.file = r->conf->keys.file;
	if (r->ring.file)
		return EX_OK;
	fprintf(stderr, "mailtailor: %s: names no key ring; add keys { file = \"…\" } or use --file\n",
		r->conf->file);
	return EX_CONFIG;
}

/* {"file": …, "key": …, "state": …} */
static void
print_json(const struct request *r, uint32_t id, const char *state)
{
	struct buf b = { 0 };

	buf_adds(&b, STR("{\"file\":"));
	json_print_string(&b, str_of(r->ring.file));
	buf_printf(&b, ",\"key\":%u,\"state\":\"%s\"}\n", id, state);
	fwrite(b.p, 1, b.n, stdout);
	buf_free(&b);
}

static int
generate(const struct request *r)
{
	struct err e = { 0 };

	if (keyring_generate(r->ring.file, clock_now_ms(), &e) < 0)
		return admin_fail(&e);
	if (r->ring.json) {
		print_json(r, 1, "sealing");
		return EX_OK;
	}
	printf("%s: written; key 1 seals.\n"
	       "Next:\n"
	       "  1. Let the milter's group read it, and nobody else:  chgrp GROUP %s && chmod 640 %s\n"
	       "  2. Keep a backup in a safe place: without it no link already mailed and no stored profile "
	       "opens.\n"
	       "  3. Give the same file to every host that runs the milter or the tracking endpoint.\n",
	       r->ring.file, r->ring.file, r->ring.file);
	return EX_OK;
}

static int
rotate(const struct request *r)
{
	struct err e = { 0 };
	uint32_t id;

	if (keyring_rotate(r->ring.file, clock_now_ms(), &id, &e) < 0)
		return admin_fail(&e);
	if (r->ring.json) {
		print_json(r, id, "sealing");
		return EX_OK;
	}
	printf(
	    "%s: key %u seals from now on; the keys before it still open.\n"
	    "Next:\n"
	    "  1. Back the file up, and copy it to the other hosts if there are any.\n"
	    "  2. Reload, the tracking endpoints first, so that they can open what the milters will seal:\n"
	    "     send SIGUSR1 to each (kill -USR1 PID).\n"
	    "  3. When no mail from before is of use any more:  mailtailor key retire ID\n",
	    r->ring.file, id);
	return EX_OK;
}

static int
retire(const struct request *r)
{
	struct err e = { 0 };
	char *end;
	unsigned long id;

	errno = 0;
	id = strtoul(r->id, &end, 10);
	if (!ascii_isdigit(*r->id) || *end || errno || id == 0 || id > UINT32_MAX)
		return admin_misuse("\"%s\" is no key id; see: mailtailor key list", r->id);
	if (keyring_retire(r->ring.file, (uint32_t)id, clock_now_ms(), &e) < 0)
		return admin_fail(&e);
	if (r->ring.json) {
		print_json(r, (uint32_t)id, "retired");
		return EX_OK;
	}
	printf(
	    "%s: key %lu is retired: links sealed under it open no more.\n"
	    "Next: send SIGUSR1 to the milters and tracking endpoints (kill -USR1 PID).\n"
	    "To undo, edit its line: \"opening\" for \"retired\", and without \"retired TIME\" at its end.\n"
	    "To destroy it for good, delete its line, and the backups of the file.\n",
	    r->ring.file, id);
	return EX_OK;
}

static int
list(const struct request *r)
{
	static const struct admin_column columns[] = {
		{ "ID", ADMIN_COL_NUMBER },
		{ "STATE", ADMIN_COL_TEXT },
		{ "CREATED", ADMIN_COL_TEXT },
		{ "RETIRED", ADMIN_COL_TEXT },
	};
	static const char *const states[] = { "sealing", "opening", "retired" };
	struct err e = { 0 };
	struct keyring *k = keyring_load(r->ring.file, &e);
	struct admin_table *t;
	struct key_info *in;
	size_t n;

	if (!k)
		return admin_fail(&e);
	n = keyring_list(k, NULL, 0);
	in = calloc(n, sizeof(*in));
	if (!in)
		abort();
	keyring_list(k, in, n);
	t = admin_table_new(columns, 4);
	for (size_t i = 0; i < n; i++) {
		char id[16], created[40], retired[40];
		const char *cells[4] = { id, states[in[i].state], created, NULL };

		snprintf(id, sizeof(id), "%u", in[i].id);
		clock_format_rfc3339(in[i].created_ms, created);
		if (in[i].retired_ms)
			cells[3] = clock_format_rfc3339(in[i].retired_ms, retired);
		admin_table_row(t, cells);
	}
	admin_table_print(t, stdout, r->ring.json);
	admin_table_free(&t);
	free(in);
	keyring_free(&k);
	return EX_OK;
}

static const struct conf_shop *
shop_find(const struct conf *c, struct str name)
{
	for (size_t i = 0; i < c->nshops; i++)
		if (str_eq(str_of(c->shops[i].name), name))
			return &c->shops[i];
	return NULL;
}

/* The secret comes of name and generation, so the configuration is needed even with --file. */
static int
shop(const struct request *r)
{
	struct err e = { 0 };
	char secret[API_SECRET_LEN + 1];
	struct conf *c = r->conf != NULL ? r->conf : admin_conf(r->ring.conf_path);
	const struct conf_shop *s = c != NULL ? shop_find(c, str_of(r->id)) : NULL;
	int rc = c == NULL ? EX_CONFIG : EX_OK;
	if (c != NULL && s == NULL)
		rc = admin_misuse("%s has no shop \"%s\"; add shop %s { }", c->file, r->id, r->id);
	struct keyring *k = s != NULL ? keyring_load(r->ring.file, &e) : NULL;
	if (s != NULL && k == NULL)
		rc = admin_fail(&e);
	if (k != NULL) {
		api_secret(k, str_of(s->name), s->generation, secret);
		if (r->ring.json)
			printf("{\"shop\":\"%s\",\"generation\":%lld,\"secret\":\"%s\"}\n", s->name,
			       (long long)s->generation, secret);
		else
			printf("%s\n", secret);
	}
	keyring_free(&k);
	if (c != r->conf)
		conf_free(&c);
	return rc;
}

/* A ring that --file names belongs to no state directory whose log could tell of it. */
static int
audited(const struct request *r, size_t verb, int (*act)(const struct request *))
{
	static const int actions[] = { AUDIT_KEY_GENERATE, AUDIT_KEY_ROTATE, -1, AUDIT_KEY_RETIRE,
				       AUDIT_KEY_SHOP };
	const enum audit_action action = (enum audit_action)actions[verb];
	if (actions[verb] < 0 || r->conf == NULL)
		return act(r);
	int rc = admin_audit(r->conf, action, NULL, NULL, "%s", r->id ? r->id : "");
	return rc != EX_OK ? rc : admin_audit_end(r->conf, action, NULL, act(r));
}

static int
run(int argc, char **argv)
{
	static const char *const names[] = { "generate", "rotate", "list", "retire", "shop" };
	static int (*const verbs[])(const struct request *) = { generate, rotate, list, retire, shop };
	static const size_t n = sizeof(names) / sizeof(names[0]);
	struct request r = { 0 };
	size_t v = 0;
	int rc;

	if (argc < 2)
		return admin_usage(stderr, usage);
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		return admin_usage(stdout, usage);
	while (v < n && strcmp(argv[1], names[v]) != 0)
		v++;
	if (v == n)
		return admin_no_sub("key", argv[1], names, n);
	r.verb = names[v];
	rc = read_options(&r, argc - 1, argv + 1);
	if (rc == EX_OK && r.ring.help)
		return admin_usage(stdout, usage);
	if (rc == EX_OK)
		rc = find_file(&r);
	if (rc == EX_OK)
		rc = audited(&r, v, verbs[v]);
	conf_free(&r.conf);
	return rc;
}

const struct admin_verb admin_key_verb = { "key",
					   "make, rotate, list and retire the keys of links and profiles",
					   run };
