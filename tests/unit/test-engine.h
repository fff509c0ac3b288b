/* test-engine.h: what the engine tests share: an epoch out of a text, a worker, a state directory. */
#ifndef TEST_ENGINE_H
#define TEST_ENGINE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/json.h"
#include "engine/engine.h"

#define NOW 1774774800000LL

struct fixture {
	char file[64], reports[4096];
	struct epoch *epoch;
	struct worker *worker;
	struct tailor_message *message;
	struct engine_copy copy;
	struct err e;
};

static inline void
report(void *ctx, const char *text)
{
	struct fixture *f = ctx;
	size_t n = strlen(f->reports);
	snprintf(f->reports + n, sizeof(f->reports) - n, "%s\n", text);
}

static inline struct epoch *
load(struct fixture *f, const char *text, bool keys)
{
	FILE *out = fopen(f->file, "w");
	assert_non_null(out);
	fputs(text, out);
	fclose(out);
	struct epoch_options o = { .conf_file = f->file,
				   .plugin_directory = "/nowhere",
				   .ephemeral_keys = keys };
	f->reports[0] = '\0';
	return epoch_load(&o, report, f);
}

static inline int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	strcpy(f->file, "/tmp/test-engine.XXXXXX");
	int fd = mkstemp(f->file);
	assert_true(fd >= 0);
	close(fd);
	*state = f;
	return 0;
}

static inline int
teardown(void **state)
{
	struct fixture *f = *state;
	tailor_message_free(&f->message);
	if (f->worker != NULL)
		engine_worker_put(f->epoch, &f->worker);
	epoch_unref(&f->epoch);
	unlink(f->file);
	free(f);
	return 0;
}

/* $(BUILD), from where the test program lies. */
static inline const char *
build_directory(void)
{
	static char dir[512];
	ssize_t n = readlink("/proc/self/exe", dir, sizeof(dir) - 1);
	assert_true(n > 0);
	dir[n] = '\0';
	*strrchr(dir, '/') = '\0'; /* …/tests */
	*strrchr(dir, '/') = '\0';
	return dir;
}

static inline void
state_remove(const char *dir)
{
	static const char *const files[] = { "ledger.mdb",	 "ledger.mdb-lock", "records.mdb",
					     "records.mdb-lock", "spool.mdb",	    "spool.mdb-lock",
					     "events.mdb",	 "events.mdb-lock" };
	char path[128];
	for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
		snprintf(path, sizeof path, "%s/%s", dir, files[i]);
		unlink(path);
	}
	rmdir(dir);
}

/* The copy of text for Ann with that profile, by way of store and engine: f->copy. */
static inline void
copy_for_profile(struct fixture *f, struct store *store, const char *text, const char *profile)
{
	struct recipient_source src = { .store = store,
					.keys = f->epoch->keys,
					.sealer = f->worker->sealer,
					.conf = f->epoch->conf,
					.campaign = f->epoch->conf->campaigns };
	struct engine_request rq = { .epoch = f->epoch,
				     .worker = f->worker,
				     .store = store,
				     .campaign = f->epoch->conf->campaigns,
				     .address = STR("ann@x.test"),
				     .accepted_ms = NOW,
				     .now_ms = NOW };
	const struct value *v;
	assert_int_equal(json_parse(f->worker->arena, str_of(profile), NULL, &v, &f->e), 0);
	assert_int_equal(recipient_profile_put(&src, rq.address, v, &f->e), 0);
	tailor_message_free(&f->message);
	assert_int_equal(
	    tailor_prepare(f->epoch->cache, f->epoch->conf, rq.campaign, str_of(text), &f->message, &f->e),
	    0);
	rq.message = f->message;
	if (engine_make(&rq, &f->copy, &f->e) != 0)
		fail_msg("%s", f->e.text);
}

#endif
