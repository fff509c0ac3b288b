/* mailtailor events classify: human, proxy or machine, as the endpoint would take a request for. */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "main/admin-events.h"
#include "web/agent.h"

static const char usage[] =
    "usage: mailtailor events classify --user-agent UA [--method M] [--json]\n"
    "       mailtailor events classify - [--method M] [--json]\n"
    "\n"
    "Says whether a request with this User-Agent counts as human, proxy (fetches images for mail\n"
    "clients) or machine, and why. With - it reads one User-Agent a line from standard input and\n"
    "prints a line for each.\n"
    "\n"
    "      --user-agent UA   may be empty\n"
    "      --method M        GET (default) or HEAD\n"
    "      --json            print JSON: with -, one object a line\n"
    "  -h, --help            print this text\n";

static const char *const CLASS_NAMES[] = {
	[AGENT_HUMAN] = "human", [AGENT_PROXY] = "proxy", [AGENT_MACHINE] = "machine"
};

static void
print_one(struct str ua, bool head, bool json)
{
	const char *reason;
	const struct agent_request rq = { .head = head, .user_agent = ua };
	const char *class = CLASS_NAMES[agent_classify(&rq, &reason)];
	struct buf line = { 0 };
	if (json) {
		buf_printf(&line, "{\"class\":\"%s\",\"reason\":\"%s\",\"user_agent\":", class, reason);
		json_print_string(&line, ua);
		buf_addc(&line, '}');
		puts(line.p);
	} else {
		printf("%s %s\n", class, reason);
	}
	buf_free(&line);
}

static int
print_lines(bool head, bool json)
{
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;
	while ((n = getline(&line, &cap, stdin)) >= 0) {
		struct str ua = { line, (size_t)n };
		if (ua.n > 0 && ua.p[ua.n - 1] == '\n')
			ua.n--;
		print_one(ua, head, json);
	}
	free(line);
	return ferror(stdin) ? EX_IOERR : EX_OK;
}

int
events_classify(int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "user-agent", required_argument, NULL, 'u' },
		{ "method", required_argument, NULL, 'm' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	const char *ua = NULL, *method = "GET";
	bool json = false;
	int c;
	optind = 0;
	while ((c = admin_option(argc, argv, "h", longopts)) != -1) {
		switch (c) {
		case 'u':
			ua = optarg;
			break;
		case 'm':
			method = optarg;
			break;
		case 'j':
			json = true;
			break;
		case 'h':
			return admin_usage(stdout, usage);
		default:
			return EX_USAGE;
		}
	}
	bool lines = optind + 1 == argc && strcmp(argv[optind], "-") == 0;
	bool head = strcmp(method, "HEAD") == 0;
	if (!head && strcmp(method, "GET") != 0)
		return admin_misuse("--method is GET or HEAD, not \"%s\"", method);
	if (lines == (ua != NULL) || (!lines && optind < argc))
		return admin_misuse(
		    "events classify takes --user-agent UA, or - for lines on standard input");
	if (lines)
		return print_lines(head, json);
	print_one(str_of(ua), head, json);
	return EX_OK;
}
