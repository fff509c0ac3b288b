/*
 * admin-events-verify: are the counters what the log says?
 */
#include <getopt.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "main/admin-events.h"

#define SHOWN 20

static const char usage[] =
    "usage: mailtailor events verify [OPTION…]\n"
    "\n"
    "Counts all events again and compares: counters, what is counted as unique, recipients. Hours\n"
    "of which events have been dropped (events_keep) cannot be counted again and are left out.\n"
    "\n"
    "  -c, --config CONF      the configuration\n"
    "      --json             print the result as JSON\n"
    "  -h, --help             print this text\n"
    "\n"
    "Exit status: 0 when all agrees, 65 when something does not.\n";

struct verifying {
	const char *conf_path;
	bool json;
	struct progress *progress;
	uint64_t shown;
};

static void
on_progress(void *ctx, uint64_t events)
{
	struct verifying *y = ctx;
	progress_update(y->progress, events);
}

static void
on_wrong(void *ctx, const char *what, struct str detail)
{
	struct verifying *y = ctx;
	if (y->shown++ < SHOWN)
		admin_say("%s: %.*s", what, STR_ARG(detail));
}

static const struct {
	const char *name, *text;
	size_t at;
	bool fault;
} LINES[] = {
#define LINE(field, text, fault)                                                 \
	{                                                                        \
#field, text, offsetof(struct event_verify_result, field), fault \
	}
	LINE(events, "events", false),
	LINE(forgotten, "of them of forgotten recipients", false),
	LINE(counters, "counters compared", false),
	LINE(uncountable, "counters of hours that cannot be counted again", false),
	LINE(persons, "recipients", false),
	LINE(damaged_events, "events that cannot be read", true),
	LINE(damaged_counters, "counters that cannot be read", true),
	LINE(damaged_persons, "records of recipients that cannot be read", true),
	LINE(wrong_counters, "counters that are wrong", true),
	LINE(wrong_unique, "events that are wrongly taken for unique, or not", true),
	LINE(wrong_persons, "recipients whose events do not add up", true),
#undef LINE
};

static int64_t
line_value(const struct event_verify_result *r, size_t i)
{
	int64_t v;
	memcpy(&v, (const char *)r + LINES[i].at, sizeof(v));
	return v;
}

/* True when all agrees. */
static bool
result_print(const struct verifying *y, const struct event_verify_result *r)
{
	bool sound = true;
	char horizon[40];
	for (size_t i = 0; i < sizeof(LINES) / sizeof(LINES[0]); i++)
		sound = sound && (!LINES[i].fault || line_value(r, i) == 0);
	if (y->json) {
		printf("{\"sound\":%s", sound ? "true" : "false");
		for (size_t i = 0; i < sizeof(LINES) / sizeof(LINES[0]); i++)
			printf(",\"%s\":%lld", LINES[i].name, (long long)line_value(r, i));
		if (r->horizon_ms > 0)
			printf(",\"horizon\":\"%s\"", clock_format_rfc3339(r->horizon_ms, horizon));
		puts("}");
		return sound;
	}
	for (size_t i = 0; i < sizeof(LINES) / sizeof(LINES[0]); i++)
		if (line_value(r, i) != 0 || i == 0)
			printf("%12lld %s\n", (long long)line_value(r, i), LINES[i].text);
	if (r->horizon_ms > 0)
		printf("events before %s have been dropped\n", clock_format_rfc3339(r->horizon_ms, horizon));
	puts(sound ? "all agrees" : "the log and the counters do NOT agree");
	return sound;
}

static int
verify_run(struct verifying *y)
{
	struct err e = { 0 };
	struct event_verify_result r;
	struct event_stats st = { 0 };
	const struct event_verify_request rq = { .progress = on_progress, .report = on_wrong, .ctx = y };
	int code = EX_CONFIG;
	struct store *s = NULL;
	struct conf *conf = admin_conf(y->conf_path);
	if (conf && (s = admin_store(conf, true, false, &code))) {
		event_stats(s, &st, NULL);
		y->progress = progress_start("counting events", (uint64_t)st.events);
		int rc = event_verify(s, &rq, &r, &e);
		progress_end(&y->progress);
		if (y->shown > SHOWN)
			admin_say("… and %llu more", (unsigned long long)(y->shown - SHOWN));
		code = rc != 0 ? admin_fail(&e) : result_print(y, &r) ? EX_OK : EX_DATAERR;
	}
	store_close(&s);
	conf_free(&conf);
	return code;
}

int
events_verify(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct verifying y = { 0 };
	int c;
	optind = 0;
	while ((c = admin_option(argc, argv, "c:h", options)) != -1) {
		switch (c) {
		case 'c':
			y.conf_path = optarg;
			break;
		case 'j':
			y.json = true;
			break;
		case 'h':
			return admin_usage(stdout, usage);
		default:
			return EX_USAGE;
		}
	}
	if (optind < argc)
		return admin_misuse("events verify takes options only, not \"%s\"", argv[optind]);
	return verify_run(&y);
}
