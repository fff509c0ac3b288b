/*
 * spool-fill: puts jobs into a spool, and says what became of them, as the
 * milter and the injector would: for tests of what comes after.
 *
 *   spool-fill CONF add CAMPAIGN MESSAGE-ID N [SECONDS [FILE]]   N recipients; due in SECONDS; the message
 *   spool-fill CONF mark CAMPAIGN MESSAGE-ID FIRST N STATE REASON NOTE
 *   spool-fill CONF bad CAMPAIGN MESSAGE-ID FIRST N REASON
 *
 * Recipient number i is user<i>@example.org. Prints how many were added, or changed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "conf/conf.h"
#include "recipient/job.h"

struct world {
	struct arena *arena;
	struct conf *conf;
	struct keyring *keys;
	struct sealer *sealer;
	struct store *store;
	struct err e;
};

static void
complain(void *ctx, const char *text)
{
	(void)ctx;
	fprintf(stderr, "%s\n", text);
}

static int
world_open(struct world *w, const char *conf)
{
	w->arena = arena_new(1 << 16);
	w->conf = conf_load(conf, "/nonexistent", complain, NULL);
	if (!w->conf)
		return -1;
	const struct store_options o = { .directory = w->conf->state.directory,
					 .map_size = w->conf->state.map_size,
					 .create = true };
	w->keys = keyring_load(w->conf->keys.file, &w->e);
	if (!w->keys)
		return -1;
	w->sealer = sealer_new(w->keys);
	w->store = store_open(&o, &w->e);
	return w->store ? 0 : -1;
}

static void
world_close(struct world *w)
{
	store_close(&w->store);
	sealer_free(&w->sealer);
	keyring_free(&w->keys);
	conf_free(&w->conf);
	arena_free(&w->arena);
}

static struct str
address_of(struct world *w, long i)
{
	return arena_printf(w->arena, "user%ld@example.org", i);
}

static void
key_of(struct world *w, const char *campaign, const char *id, long i, struct spool_key *key)
{
	struct recipient_key rk;
	job_message_key(w->keys, campaign, str_of(id), key->message);
	recipient_key_of(w->keys, address_of(w, i), &rk);
	memcpy(key->rk, rk.b, sizeof(key->rk));
}

static int
message_make(struct world *w, const char *id, const char *file, uint8_t content[16], struct buf *sealed)
{
	struct buf text = { 0 };
	char block[4096];
	size_t n;
	FILE *f = file ? fopen(file, "re") : NULL;
	if (file && !f)
		return err_set(&w->e, ERR_MISSING, "%s: not there", file);
	while (f && (n = fread(block, 1, sizeof(block), f)) > 0)
		buf_add(&text, block, n);
	if (f)
		fclose(f);
	else
		buf_printf(&text, "From: news@shop.example\r\nSubject: hello\r\nMessage-ID: %s\r\n\r\nHi\r\n",
			   id);
	const struct job_message m = {
		.sender = STR("news@shop.example"),
		.envid = STR("env1"),
		.id = str_of(id),
		.bytes = buf_str(&text),
	};
	int rc = job_message_seal(w->sealer, w->keys, &m, content, sealed, &w->e);
	buf_free(&text);
	return rc;
}

static int
job_make(struct world *w, const char *campaign, const char *id, long i, int64_t due_ms, struct spool_job *j)
{
	struct buf sealed = { 0 };
	const struct job_payload p = { .address = address_of(w, i),
				       .notify = STR("NEVER"),
				       .data = STR("{\"n\": 1}") };
	int64_t now = clock_now_ms();
	*j = (struct spool_job){ .campaign = str_of(campaign),
				 .accepted_ms = now,
				 .first_due_ms = due_ms,
				 .due_ms = due_ms,
				 .reason = due_ms <= now ? STR("now") : STR("send-at") };
	key_of(w, campaign, id, i, &j->key);
	spool_campaign_id(j->campaign, j->campaign_id);
	int rc = job_payload_seal(w->sealer, &j->key, &p, &sealed, &w->e);
	j->payload = arena_str(w->arena, buf_str(&sealed));
	buf_free(&sealed);
	return rc;
}

static long
add(struct world *w, int argc, char **argv)
{
	long n = atol(argv[2]), added = 0, batch = 1000;
	int64_t due_ms = clock_now_ms() + (argc > 3 ? atol(argv[3]) * 1000 : 0);
	struct buf message = { 0 };
	uint8_t content[16];
	if (message_make(w, argv[1], argc > 4 ? argv[4] : NULL, content, &message) != 0)
		return -1;
	for (long first = 0; first < n; first += batch) {
		long m = n - first < batch ? n - first : batch;
		struct spool_job *jobs = ARENA_ARRAY(w->arena, struct spool_job, (size_t)m);
		bool *fresh = ARENA_ARRAY(w->arena, bool, (size_t)m);
		const struct spool_add rq = { .content = content,
					      .message = buf_str(&message),
					      .jobs = jobs,
					      .njobs = (size_t)m,
					      .keep_ms = w->conf->inject.keep_ms,
					      .added = fresh };
		for (long i = 0; i < m; i++) {
			if (job_make(w, argv[0], argv[1], first + i, due_ms, &jobs[i]) != 0)
				return -1;
			memcpy(jobs[i].content, content, sizeof(content));
		}
		if (spool_add(w->store, &rq, &w->e) != 0)
			return -1;
		for (long i = 0; i < m; i++)
			added += fresh[i];
		arena_reset(w->arena);
	}
	buf_free(&message);
	return added;
}

static long
mark(struct world *w, int argc, char **argv)
{
	long first = atol(argv[2]), n = atol(argv[3]), found = 0;
	int state = 0;
	(void)argc;
	while (state < SPOOL_STATES && strcmp(spool_state_name((enum spool_state)state), argv[4]) != 0)
		state++;
	for (long i = first; i < first + n; i++) {
		struct spool_update u = { .state = (enum spool_state)state,
					  .due_ms = clock_now_ms(),
					  .attempted = true,
					  .reason = argv[5],
					  .note = str_of(argv[6]) };
		key_of(w, argv[0], argv[1], i, &u.key);
		if (spool_update(w->store, &u, 1, w->conf->inject.keep_ms, &w->e) != 0)
			return -1;
		found += u.found;
	}
	return found;
}

static long
bad(struct world *w, int argc, char **argv)
{
	long first = atol(argv[2]), n = atol(argv[3]);
	(void)argc;
	for (long i = first; i < first + n; i++) {
		struct spool_key key;
		key_of(w, argv[0], argv[1], i, &key);
		if (spool_set_bad(w->store, &key, argv[4], &w->e) != 0)
			return -1;
	}
	return n;
}

static const struct {
	const char *name;
	int min, max;
	long (*run)(struct world *w, int argc, char **argv);
} COMMANDS[] = { { "add", 3, 5, add }, { "mark", 7, 7, mark }, { "bad", 5, 5, bad } };

int
main(int argc, char **argv)
{
	struct world w = { 0 };
	long n = -1;
	for (size_t i = 0; argc > 2 && i < sizeof(COMMANDS) / sizeof(COMMANDS[0]); i++)
		if (strcmp(argv[2], COMMANDS[i].name) == 0 && argc - 3 >= COMMANDS[i].min &&
		    argc - 3 <= COMMANDS[i].max && world_open(&w, argv[1]) == 0)
			n = COMMANDS[i].run(&w, argc - 3, argv + 3);
	if (n >= 0)
		printf("%ld\n", n);
	else
		fprintf(stderr, "spool-fill: %s\n", w.e.kind ? w.e.text : "not a command, see the source");
	world_close(&w);
	return n >= 0 ? 0 : 1;
}
