/* mailtailor events: what recipients did. */
#include <getopt.h>
#include <string.h>

#include "main/admin-events.h"

static const char usage[] =
    "usage: mailtailor events classify --user-agent UA [--method M] [--json]\n"
    "       mailtailor events classify - [--method M] [--json]\n"
    "\n"
    "  classify   who a request would be taken for: human, proxy or machine\n"
    "\n"
    "      --user-agent UA   the request's User-Agent; -: one a line on standard input\n"
    "      --method M        GET (default) or HEAD\n"
    "      --json            print JSON\n"
    "  -h, --help            print this text\n";

static int
run(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(int argc, char **argv);
	} SUBS[] = {
		{ "classify", events_classify },
	};
	static const char *const names[] = { "classify" };
	if (argc < 2)
		return admin_usage(stderr, usage);
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		return admin_usage(stdout, usage);
	for (size_t i = 0; i < sizeof(SUBS) / sizeof(SUBS[0]); i++)
		if (strcmp(argv[1], SUBS[i].name) == 0)
			return SUBS[i].run(argc - 1, argv + 1);
	const char *near = admin_nearest(argv[1], names, sizeof(names) / sizeof(names[0]));
	return near != NULL ? admin_misuse("events has no \"%s\"; did you mean \"%s\"?", argv[1], near)
			    : admin_misuse("events has no \"%s\"; see: mailtailor events --help", argv[1]);
}

const struct admin_verb admin_events_verb = { "events", "show, carry over and judge what recipients did",
					      run };
