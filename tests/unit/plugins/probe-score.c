/*
 * probe-score: a scorer for tests. mode: "ok" (click = orders / 10, open = hour), "nan", "inf", "fail",
 * "unset", "noshape" (declares no features), "twice" (declares one score twice), "sleep" (100 ms)
 */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "mailtailor_plugin.h"

enum mode { OK, NOT_A_NUMBER, INFINITE, FAILS, UNSET, NO_SHAPE, TWICE, SLEEPS };
static const char *const names[] = { "ok", "nan", "inf", "fail", "unset", "noshape", "twice", "sleep", NULL };

static void *
create(const struct mt_host *host, const struct mt_option *options, size_t n, struct mt_error *error)
{
	static enum mode modes[] = { OK, NOT_A_NUMBER, INFINITE, FAILS, UNSET, NO_SHAPE, TWICE, SLEEPS };
	(void)host, (void)error;
	for (int i = 0; n > 0 && names[i]; i++) {
		if (strcmp(options[0].value, names[i]) == 0)
			return &modes[i];
	}
	return &modes[0];
}

static int
shape(void *instance, struct mt_shape *out, struct mt_error *error)
{
	static const char *const features[] = { "profile.orders", "hour" };
	static const char *const scores[] = { "click", "open" };
	static const char *const twice[] = { "click", "click" };
	const enum mode *m = instance;
	(void)error;
	*out = (struct mt_shape){ features, *m == NO_SHAPE ? 0 : 2, *m == TWICE ? twice : scores, 2 };
	return 0;
}

static int
score(void *instance, void *thread, const double *rows, size_t nrows, size_t nfeatures, double *scores,
      struct mt_error *error)
{
	const enum mode *m = instance;
	(void)thread;
	for (size_t i = 0; i < nrows && *m != UNSET; i++) {
		scores[2 * i] = *m == NOT_A_NUMBER ? NAN
				: *m == INFINITE   ? INFINITY
						   : rows[i * nfeatures] / 10;
		scores[2 * i + 1] = rows[i * nfeatures + 1];
	}
	if (*m == SLEEPS)
		nanosleep(&(struct timespec){ 0, 100000000 }, NULL);
	if (*m == FAILS)
		snprintf(error->text, sizeof(error->text), "no model");
	return *m == FAILS ? -1 : 0;
}

#ifndef PROBE_DECLARE
#define PROBE_DECLARE MT_SCORER
#endif
PROBE_DECLARE("probe-score", "1.0", create, NULL, NULL, NULL, shape, score)
