/* admin-trial: tables with arms, for the verbs that evaluate policies and uplift. */
#ifndef MT_MAIN_ADMIN_TRIAL_H
#define MT_MAIN_ADMIN_TRIAL_H

#include "learn/contest.h"
#include "main/admin.h"

/* Reads a table ("-": standard input) with progress. EX_OK, or an exit code; the reason was printed. */
int trial_table(const char *path, const struct trial_spec *spec, struct trial **out);

#endif
