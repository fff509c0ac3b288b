/*
 * mailtailor: the admin tool. Finds the verb and hands over.
 */
#include "main/admin.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "main/paths.h"

/* clang-format off */
static const struct admin_verb *const VERBS[] = {
	&admin_config_verb,
	&admin_campaign_verb,
	&admin_render_verb,
	&admin_template_verb,
	&admin_profile_verb,
	&admin_suppress_verb,
	&admin_caps_verb,
	&admin_queue_verb,
	&admin_events_verb,
	&admin_report_verb,
	&admin_policy_verb,
	&admin_segments_verb,
	&admin_uplift_verb,
	&admin_fatigue_verb,
	&admin_catalog_verb,
	&admin_model_verb,
	&admin_feedback_verb,
	&admin_key_verb,
	&admin_token_verb,
	&admin_audit_verb,
};
/* clang-format on */
#define NVERBS (sizeof(VERBS) / sizeof(VERBS[0]))

static int
usage(FILE *out)
{
	fputs("usage: mailtailor VERB [SUB] [OPTION…]\n"
	      "\n"
	      "Looks after mailtailor: configuration, profiles, suppression, caps, queue, keys; shows\n"
	      "what a message becomes for a recipient.\n"
	      "\n"
	      "verbs:\n",
	      out);
	for (size_t i = 0; i < NVERBS; i++)
		fprintf(out, "  %-10s %s\n", VERBS[i]->name, VERBS[i]->summary);
	fputs("\n"
	      "  mailtailor VERB --help   says more; so does man mailtailor-VERB\n"
	      "  mailtailor --version\n"
	      "\n"
	      "The configuration is the file given with -c, else $MAILTAILOR_CONF, else\n"
	      "  " MT_CONF_FILE "\n",
	      out);
	return out == stderr ? EX_USAGE : EX_OK;
}

static const struct admin_verb *
verb_find(const char *name)
{
	for (size_t i = 0; i < NVERBS; i++)
		if (strcmp(VERBS[i]->name, name) == 0)
			return VERBS[i];
	return NULL;
}

static int
unknown_verb(const char *name)
{
	const char *names[NVERBS];
	for (size_t i = 0; i < NVERBS; i++)
		names[i] = VERBS[i]->name;
	if (name[0] == '-')
		return admin_misuse("the verb comes before %s: mailtailor VERB [SUB] [OPTION…]", name);
	const char *near = admin_nearest(name, names, NVERBS);
	if (near)
		return admin_misuse("there is no verb \"%s\"; did you mean \"%s\"?", name, near);
	return admin_misuse("there is no verb \"%s\"; `mailtailor --help` lists them", name);
}

/* help VERB [SUB…] is VERB [SUB…] --help */
static int
help(int argc, char **argv)
{
	char *args[8];
	int n = 0;
	if (argc < 2)
		return usage(stdout);
	const struct admin_verb *v = verb_find(argv[1]);
	if (!v)
		return unknown_verb(argv[1]);
	for (int i = 1; i < argc && n < 6; i++)
		args[n++] = argv[i];
	args[n++] = (char[]){ "--help" };
	args[n] = NULL;
	return v->run(n, args);
}

/* Output that did not reach its file is an error, too (a full disk, say). */
static int
flush(int code)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return code;
	perror("mailtailor: standard output");
	return code ? code : EX_IOERR;
}

int
main(int argc, char **argv)
{
	admin_blas_alone();
	setlocale(LC_CTYPE, ""); /* widths of table cells; numbers stay in C's form */
	log_open("mailtailor", LOG_TO_STDERR, LOG_LVL_WARN);
	if (argc < 2)
		return usage(stderr);
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		return flush(usage(stdout));
	if (strcmp(argv[1], "--version") == 0) {
		puts("mailtailor " MT_VERSION);
		return flush(EX_OK);
	}
	if (strcmp(argv[1], "help") == 0)
		return flush(help(argc - 1, argv + 1));
	const struct admin_verb *v = verb_find(argv[1]);
	if (!v)
		return unknown_verb(argv[1]);
	return flush(v->run(argc - 1, argv + 1));
}
