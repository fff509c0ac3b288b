/* mailtailor caps: how full a recipient's frequency caps are. */
#include <getopt.h>

#include "main/admin-profile.h"

static const char usage[] =
    "usage: mailtailor caps show ADDRESS [-c CONF] [--campaign NAME] [--json]\n"
    "\n"
    "Shows for each cap how many places of its window ADDRESS (or its domain) has used,\n"
    "and when the oldest of them leaves the window.\n"
    "\n"
    "  -c, --config CONF     the configuration\n"
    "      --campaign NAME   only the caps that cover this campaign's category\n"
    "      --json            print JSON\n"
    "  -h, --help            print this text\n";

static void
print_table(const struct value *list, bool json)
{
	static const struct admin_column columns[] = {
		{ "CAP", ADMIN_COL_TEXT },	   { "SCOPE", ADMIN_COL_TEXT },	 { "USED", ADMIN_COL_NUMBER },
		{ "LIMIT", ADMIN_COL_NUMBER },	   { "WINDOW", ADMIN_COL_TEXT }, { "FULL", ADMIN_COL_BOOL },
		{ "NEXT LEAVES", ADMIN_COL_TEXT },
	};
	static const char *const keys[] = {
		"cap", "scope", "used", "limit", "window", "full", "next_leaves"
	};
	struct admin_table *t = admin_table_new(columns, 7);
	struct arena *a = arena_new(1024);
	for (size_t i = 0; i < list->list.n; i++) {
		const char *cells[7];
		for (size_t k = 0; k < 7; k++) {
			const struct value *v = value_map_get(list->list.items[i], str_of(keys[k]));
			if (v->type == VALUE_BOOL)
				cells[k] = v->b ? "yes" : "no";
			else if (v->type == VALUE_INT)
				cells[k] = arena_printf(a, "%lld", (long long)v->i).p;
			else
				cells[k] = v->type == VALUE_STRING ? arena_cstr(a, v->s) : NULL;
		}
		admin_table_row(t, cells);
	}
	admin_table_print(t, stdout, json);
	admin_table_free(&t);
	arena_free(&a);
}

struct request {
	const char *conf_path, *campaign, *address;
	bool json;
};

static int
show(const struct request *r)
{
	struct desk d;
	struct err e = { 0 };
	const struct conf_campaign *campaign = NULL;
	int rc = desk_open(&d, r->conf_path, DESK_READ);
	if (rc != EX_OK)
		goto out;
	if (r->campaign && !(campaign = conf_campaign_find(d.conf, str_of(r->campaign)))) {
		rc = admin_no_campaign(d.conf, r->campaign);
		goto out;
	}
	const struct value *list = NULL;
	const char *category = campaign ? campaign->category : NULL;
	if (!(list = recipient_caps(&d.src, str_of(r->address), category, d.arena, &e))) {
		rc = admin_fail(&e);
		goto out;
	}
	if (list->list.n == 0 && !r->json)
		fprintf(stderr, "mailtailor: no cap %s\n",
			campaign ? "covers this campaign" : "is configured");
	else
		print_table(list, r->json);
out:
	desk_close(&d);
	return rc;
}

static int
run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "campaign", required_argument, NULL, 'k' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	static const char *const SUBS[] = { "show" };
	struct request r = { 0 };
	int c;
	optind = 0;
	while ((c = admin_option(argc, argv, "c:h", options)) != -1)
		switch (c) {
		case 'c':
			r.conf_path = optarg;
			break;
		case 'k':
			r.campaign = optarg;
			break;
		case 'j':
			r.json = true;
			break;
		case 'h':
			return admin_usage(stdout, usage);
		default:
			return EX_USAGE;
		}
	if (optind < argc && strcmp(argv[optind], SUBS[0]) != 0)
		return admin_no_sub("caps", argv[optind], SUBS, 1);
	if (argc - optind != 2)
		return admin_usage(stderr, usage);
	r.address = argv[optind + 1];
	return show(&r);
}

const struct admin_verb admin_caps_verb = { "caps", "show how full a recipient's frequency caps are", run };
