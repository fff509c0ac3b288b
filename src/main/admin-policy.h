/* admin-policy: what the sub-verbs of `mailtailor policy` share. */
#ifndef MT_MAIN_ADMIN_POLICY_H
#define MT_MAIN_ADMIN_POLICY_H

#include "main/admin.h"
#include "score/policy.h"

/* Each gets its own name as argv[0], and prints its own help. */
int policy_learn(int argc, char **argv);
int policy_show(int argc, char **argv);
int policy_evaluate(int argc, char **argv);

/* ---- shared ---- */

extern const char policy_learn_help[], policy_show_help[], policy_evaluate_help[];

/* conf_report_fn: to stderr. */
void policy_report(void *ctx, const char *text);
/*
 * The campaigns that were named, or with all those that have something to be learned; unknown names, and
 * campaigns without arms, are said. v: room for all of the configuration. EX_OK or EX_USAGE.
 */
int policy_campaigns(const struct conf *conf, bool all, int n, char **names, const struct conf_campaign **v,
		     size_t *count);

#endif
