/*
 * probe-score: a scorer for tests. mode: "ok" (click = orders / 10, open = hour), "nan", "inf", "fail",
 * "unset", "noshape" (declares no features), "twice" (declares one score twice), "sleep" (100 ms), "odd" (no
 * number for odd orders), "log" (says how many rows each call has)
 */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mailtailor_plugin.h"

enum mode { OK, NOT_A_NUMBER, INFINITE, FAILS, UNSET, NO_SHAPE, TWICE, SLEEPS, ODD, LOGS };
static const char *const names[] = { "ok",    "nan",   "inf", "fail", "unset", "noshape",
				     "twice", "sleep", "odd", "log",  NULL };

struct probe {
	const struct mt_host *host;
	enum mode mode;
};

static void *
create(const struct mt_host *host, const struct mt_option *options, size_t n, struct mt_error *error)
{
	struct probe *p = calloc(1, sizeof(*p));
	(void)error;
	if (!p)
		return NULL;
	p->host = host;
	for (int i = 0; n > 0 && names[i]; i++) {
		if (strcmp(options[0].value, names[i]) == 0)
			p->mode = (enum mode)i;
	}
	return p;
}

static void
destroy(void *instance)
{
	free(instance);
}

static int
shape(void *instance, struct mt_shape *out, struct mt_error *error)
{
	static const char *const features[] = { "profile.orders", "hour" };
	static const char *const scores[] = { "click", "open" };
	static const char *const twice[] = { "click", "click" };
	const struct probe *p = instance;
	(void)error;
	*out =
	    (struct mt_shape){ features, p->mode == NO_SHAPE ? 0 : 2, p->mode == TWICE ? twice : scores, 2 };
	return 0;
}

static int
score(void *instance, void *thread, const double *rows, size_t nrows, size_t nfeatures, double *scores,
      struct mt_error *error)
{
	const struct probe *p = instance;
	char text[32];
	(void)thread;
	for (size_t i = 0; i < nrows && p->mode != UNSET; i++) {
		double orders = rows[i * nfeatures];
		bool none =
		    p->mode == NOT_A_NUMBER || (p->mode == ODD && isfinite(orders) && (long)orders % 2 == 1);
		scores[2 * i] = none ? NAN : p->mode == INFINITE ? INFINITY : orders / 10;
		scores[2 * i + 1] = rows[i * nfeatures + 1];
	}
	if (p->mode == SLEEPS)
		nanosleep(&(struct timespec){ 0, 100000000 }, NULL);
	if (p->mode == FAILS)
		snprintf(error->text, sizeof(error->text), "no model");
	snprintf(text, sizeof(text), "%zu rows", nrows);
	if (p->mode == LOGS)
		p->host->log(p->host, MT_LOG_INFO, text);
	return p->mode == FAILS ? -1 : 0;
}

#ifndef PROBE_DECLARE
#define PROBE_DECLARE MT_SCORER
#endif
PROBE_DECLARE("probe-score", "1.0", create, destroy, NULL, NULL, shape, score)
