/* mailtailor events: what recipients did. */
#include <getopt.h>
#include <string.h>

#include "main/admin-events.h"

static const char usage[] = "usage: mailtailor events tail [--follow] [OPTION…]\n"
			    "       mailtailor events export [-o FILE] [OPTION…]\n"
			    "       mailtailor events import FILE|- [OPTION…]\n"
			    "       mailtailor events verify [OPTION…]\n"
			    "       mailtailor events classify --user-agent UA|- [OPTION…]\n"
			    "\n"
			    "  tail       the last events, and those that come\n"
			    "  export     events as NDJSON or CSV, for programs that analyse data\n"
			    "  import     events out of such a file\n"
			    "  verify     count all again and compare\n"
			    "  classify   who a request would be taken for: human, proxy or machine\n"
			    "\n"
			    "`mailtailor events SUB --help` says more.\n";

static int
run(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(int argc, char **argv);
	} SUBS[] = {
		{ "tail", events_tail },     { "export", events_export },     { "import", events_import },
		{ "verify", events_verify }, { "classify", events_classify },
	};
	if (argc < 2)
		return admin_usage(stderr, usage);
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		return admin_usage(stdout, usage);
	for (size_t i = 0; i < sizeof(SUBS) / sizeof(SUBS[0]); i++)
		if (strcmp(argv[1], SUBS[i].name) == 0)
			return SUBS[i].run(argc - 1, argv + 1);
	return ADMIN_NO_SUB("events", argv[1], SUBS);
}

const struct admin_verb admin_events_verb = { "events", "show, carry over and judge what recipients did",
					      run };
