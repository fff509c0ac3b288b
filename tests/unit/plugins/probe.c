/*
 * probe: a personalizer that does what its options say, for tests.
 *   mode     what run() does, see the table below
 *   ms       how long modes "sleep", "sleep-when" and "late-read" sleep
 *   rule     modes "rule", "sleep-when" and "fail-when": for whom
 *   destroyed, finished   addresses (%p) of ints in the test, counted up by destroy and thread_fini
 *   create   "fail": create() refuses
 */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mailtailor_plugin.h"

struct probe {
	const struct mt_host *host;
	const char *mode, *name, *value;
	int ms;
	int *destroyed, *finished;
	struct mt_rule *rule;
};

static const char *
option(const struct mt_option *options, size_t n, const char *name, const char *fallback)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(options[i].name, name) == 0)
			return options[i].value;
	}
	return fallback;
}

static int *
counter(const char *address)
{
	void *p = NULL;
	if (address)
		sscanf(address, "%p", &p);
	return p;
}

static void *
probe_create(const struct mt_host *host, const struct mt_option *o, size_t n, struct mt_error *error)
{
	if (strcmp(option(o, n, "create", ""), "fail") == 0) {
		snprintf(error->text, sizeof(error->text), "no parrot in the cage; buy one");
		return NULL;
	}
	struct probe *p = calloc(1, sizeof(*p));
	p->host = host;
	p->mode = option(o, n, "mode", "ok");
	p->name = option(o, n, "name", "probe");
	p->value = option(o, n, "value", "was here");
	p->ms = atoi(option(o, n, "ms", "0"));
	p->destroyed = counter(option(o, n, "destroyed", NULL));
	p->finished = counter(option(o, n, "finished", NULL));
	const char *rule = option(o, n, "rule", NULL);
	if (rule && !(p->rule = host->rule_compile(host, rule, MT_NUL, error))) {
		free(p);
		return NULL;
	}
	return p;
}

static void
probe_destroy(void *instance)
{
	struct probe *p = instance;
	if (p->destroyed)
		__atomic_add_fetch(p->destroyed, 1, __ATOMIC_SEQ_CST);
	p->host->rule_free(p->rule);
	free(p);
}

static int
probe_thread_init(void *instance, void **thread, struct mt_error *error)
{
	struct probe *p = instance;
	if (strcmp(p->mode, "thread-fail") == 0) {
		snprintf(error->text, sizeof(error->text), "no thread for you");
		return -1;
	}
	*thread = malloc(16);
	return 0;
}

static void
probe_thread_fini(void *instance, void *thread)
{
	struct probe *p = instance;
	if (p->finished)
		__atomic_add_fetch(p->finished, 1, __ATOMIC_SEQ_CST);
	free(thread);
}

static void
sleep_ms(int ms)
{
	struct timespec ts = { ms / 1000, (long)(ms % 1000) * 1000000 };
	nanosleep(&ts, NULL);
}

static int
set_many(const struct mt_request *rq)
{
	char name[32];
	int rc = 0;
	for (int i = 0; i < 1001; i++) {
		snprintf(name, sizeof(name), "many.v%d", i);
		rc |= rq->host->set_integer(rq, name, i);
	}
	return rc;
}

static int
set_big(const struct mt_request *rq)
{
	size_t n = (size_t)10 << 20;
	char *big = malloc(n);
	memset(big, 'x', n);
	rq->host->set_string(rq, "fine", "so far", MT_NUL);
	int rc = rq->host->set_string(rq, "big", big, n);
	free(big);
	return rc == -1 ? 0 : 1; /* goes on as if nothing had happened: the host must not */
}

/* Copies what can be read into variables. */
static int
read_all(const struct mt_request *rq)
{
	const struct mt_host *h = rq->host;
	struct mt_str s;
	double d;
	if (h->get_string(rq, "first_name", &s))
		h->set_string(rq, "seen.first_name", s.p, s.n);
	if (h->get_string(rq, "orders", &s))
		h->set_string(rq, "seen.orders_text", s.p, s.n);
	if (h->get_number(rq, "orders", &d))
		h->set_number(rq, "seen.orders", d);
	h->set_bool(rq, "seen.exists", h->exists(rq, "profile.address.city"));
	h->set_bool(rq, "seen.absent", h->exists(rq, "nowhere") || h->exists(rq, "nothing"));
	if (h->get_string(rq, "from", &s))
		h->set_string(rq, "seen.from", s.p, s.n);
	if (h->get_score(rq, "click", &d))
		h->set_number(rq, "seen.click", d);
	h->set_number(rq, "seen.random", h->random(rq, "a"));
	h->set_bool(rq, "seen.random_same", h->random(rq, "a") == h->random(rq, "a"));
	h->set_bool(rq, "seen.random_differs", h->random(rq, "a") != h->random(rq, NULL));
	h->set_integer(rq, "seen.hour", rq->hour);
	h->set_integer(rq, "seen.weekday", rq->weekday);
	h->set_string(rq, "seen.language", rq->language, MT_NUL);
	const struct mt_value *list = h->get_value(rq, "tags");
	h->set_integer(rq, "seen.tags", (int64_t)h->value_count(list));
	if (h->value_string(h->value_item(list, 1), &s))
		h->set_string(rq, "seen.tag1", s.p, s.n);
	h->log(h, MT_LOG_DEBUG, "read all");
	return 0;
}

static int
probe_run(void *instance, void *thread, const struct mt_request *rq, struct mt_error *error)
{
	const struct probe *p = instance;
	const struct mt_host *h = rq->host;
	const char *m = p->mode;
	if (!thread) {
		snprintf(error->text, sizeof(error->text), "no thread context");
		return -1;
	}
	if (strcmp(m, "sleep") == 0 || (strcmp(m, "sleep-when") == 0 && h->rule_eval(rq, p->rule) == 1)) {
		sleep_ms(p->ms);
	} else if (strcmp(m, "late-read") == 0) {
		sleep_ms(p->ms);
		return read_all(rq);
	} else if (strcmp(m, "fail") == 0 ||
		   (strcmp(m, "fail-when") == 0 && h->rule_eval(rq, p->rule) == 1)) {
		h->set_string(rq, p->name, "half done", MT_NUL);
		snprintf(error->text, sizeof(error->text), "the parrot is dead");
		return -1;
	} else if (strcmp(m, "big") == 0) {
		return set_big(rq);
	} else if (strcmp(m, "json") == 0) {
		return h->set_json(rq, p->name, p->value, MT_NUL) == -1 ? 0 : 1;
	} else if (strcmp(m, "utf8") == 0) {
		return h->set_string(rq, "bad", "\xc3\x28", 2) == -1 ? 0 : 1;
	} else if (strcmp(m, "nul") == 0) {
		return h->set_string(rq, "bad", "a\0b", 3) == -1 ? 0 : 1;
	} else if (strcmp(m, "nan") == 0) {
		return h->set_number(rq, "bad", NAN) == -1 ? 0 : 1;
	} else if (strcmp(m, "badname") == 0) {
		return h->set_string(rq, p->name, "x", 1) == -1 ? 0 : 1;
	} else if (strcmp(m, "many") == 0) {
		return set_many(rq) == -1 ? 0 : 1;
	} else if (strcmp(m, "read") == 0) {
		return read_all(rq);
	} else if (strcmp(m, "rule") == 0) {
		return h->set_integer(rq, p->name, h->rule_eval(rq, p->rule));
	} else if (strcmp(m, "thread") == 0) { /* on which thread am I? */
		return h->set_integer(rq, p->name, (int64_t)(uintptr_t)pthread_self());
	} else if (strcmp(m, "html") == 0) {
		return h->set_html(rq, p->name, "<b>x</b>", MT_NUL);
	}
	return h->set_string(rq, p->name, p->value, MT_NUL);
}

#ifndef PROBE_DECLARE
#define PROBE_DECLARE MT_PERSONALIZER
#endif
PROBE_DECLARE("probe", "1.0", probe_create, probe_destroy, probe_thread_init, probe_thread_fini, probe_run)
