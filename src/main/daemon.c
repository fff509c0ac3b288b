/*
 * mailtailord: the milter. Wiring only.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "base/log.h"
#include "milter/milter.h"
#include "main/paths.h"

static const char usage[] =
    "usage: mailtailord [-c FILE] [-t]\n"
    "\n"
    "The mail filter for Postfix and Sendmail. Runs in the foreground until SIGTERM;\n"
    "SIGUSR1 reads configuration, plugins and keys again.\n"
    "\n"
    "  -c, --config FILE  configuration (default: $MAILTAILOR_CONF or " MT_CONF_FILE ")\n"
    "  -t, --test         check configuration, key ring and every plugin, then end\n"
    "      --version\n"
    "  -h, --help\n";

static void
report_stderr(void *ctx, const char *text)
{
	int *mistakes = ctx;
	(*mistakes)++;
	fprintf(stderr, "%s\n", text);
}

static int
test_configuration(const struct milter_options *o)
{
	struct epoch_options eo = { .conf_file = o->conf_file, .plugin_directory = o->plugin_directory };
	int mistakes = 0;
	struct epoch *e = epoch_load(&eo, report_stderr, &mistakes);
	if (e == NULL) {
		fprintf(stderr, "mailtailord: %d mistake%s in %s\n", mistakes, mistakes == 1 ? "" : "s",
			o->conf_file);
		return EX_CONFIG;
	}
	printf("%s: ok: %zu campaigns, %zu caps, %zu plugins\n", o->conf_file, e->conf->ncampaigns,
	       e->conf->ncaps, e->conf->nplugins);
	epoch_unref(&e);
	return EX_OK;
}

int
main(int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "test", no_argument, NULL, 't' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct milter_options o = { .conf_file = paths_conf(), .plugin_directory = paths_plugins() };
	bool test = false;
	int c;
	while ((c = getopt_long(argc, argv, "c:th", longopts, NULL)) != -1) {
		switch (c) {
		case 'c':
			o.conf_file = optarg;
			break;
		case 't':
			test = true;
			break;
		case 'V':
			printf("mailtailord %s\n", MT_VERSION);
			return EX_OK;
		case 'h':
			fputs(usage, stdout);
			return EX_OK;
		default:
			fputs(usage, stderr);
			return EX_USAGE;
		}
	}
	if (optind < argc) {
		fputs(usage, stderr);
		return EX_USAGE;
	}
	log_open("mailtailord", LOG_TO_STDERR, LOG_LVL_INFO);
	mail_init();
	return test ? test_configuration(&o) : milter_serve(&o);
}
