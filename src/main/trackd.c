/*
 * mailtailor-trackd: the HTTP endpoint. Wiring only.
 */
#include <getopt.h>
#include <stdio.h>
#include <sysexits.h>

#include "base/log.h"
#include "main/paths.h"
#include "web/web.h"

static const char usage[] =
    "usage: mailtailor-trackd [-c FILE]\n"
    "\n"
    "The endpoint for opens, clicks, unsubscribes and preferences. Runs in the\n"
    "foreground until SIGTERM; SIGUSR1 reads configuration, keys and pages again.\n"
    "\n"
    "  -c, --config FILE  configuration (default: $MAILTAILOR_CONF or " MT_CONF_FILE ")\n"
    "      --version\n"
    "  -h, --help\n";

int
main(int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct web_options o = {
		.conf_file = paths_conf(),
		.plugin_directory = paths_plugins(),
		.pages = paths_pages(),
	};
	int c;
	while ((c = getopt_long(argc, argv, "c:h", longopts, NULL)) != -1) {
		switch (c) {
		case 'c':
			o.conf_file = optarg;
			break;
		case 'V':
			printf("mailtailor-trackd %s\n", MT_VERSION);
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
	log_open("mailtailor-trackd", LOG_TO_STDERR, LOG_LVL_INFO);
	return web_serve(&o);
}
