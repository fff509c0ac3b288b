/* mailtailor queue: the copies that wait, were sent, or will not be sent. The command line. */
#include "main/admin-queue.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: mailtailor queue [--json] [--watch]\n"
    "       mailtailor queue list [--campaign NAME] [--state STATE] [--limit N] [--addresses] [--json]\n"
    "       mailtailor queue show ID [--message] [--json]\n"
    "       mailtailor queue hold|release|retry|drop ID…\n"
    "       mailtailor queue hold|release|retry|drop --campaign NAME | --all [--state STATE] [--yes]\n"
    "\n"
    "Without a sub-verb: how many copies of each campaign wait, were sent, were not sent.\n"
    "\n"
    "  list      one line for each copy (job); shows no address unless asked\n"
    "  show      all that is known of one job, with its address\n"
    "  hold      queued jobs are kept back until released\n"
    "  release   held jobs are queued again, for the time they were due\n"
    "  retry     jobs are due now, whatever made them wait; bad ones are read again\n"
    "  drop      jobs will not be sent\n"
    "\n"
    "ID is what list shows, or as much of its beginning as no other job shares.\n"
    "STATE is queued, held, sent, dropped, failed or bad; several with commas between.\n"
    "\n"
    "      --watch           a progress bar until no copy is due, or Ctrl-C; exit code 1 then\n"
    "      --campaign NAME   only jobs of this campaign\n"
    "      --state STATE     only jobs in this state\n"
    "      --limit N         no more than N lines\n"
    "      --addresses       show the recipients (opens the sealed jobs with the key ring)\n"
    "      --message         print the message as it was submitted, without the data part\n"
    "      --all             jobs of all campaigns\n"
    "      --yes             retry and drop of many jobs: do not ask\n"
    "      --json            print JSON\n"
    "  -c, --config CONF     the configuration\n"
    "  -h, --help            print this text\n";

/* takes: the short forms of the options that it knows, beside -c and -h. */
static const struct sub {
	const char *name, *takes;
	unsigned access;
	int min, max; /* IDs; max -1: any number */
	int (*run)(struct queue *q, const struct queue_request *r);
} SUBS[] = {
	{ "list", "ksnAj", 0, 0, 0, queue_list },
	{ "show", "mj", QUEUE_KEYS, 1, 1, queue_show },
	{ "hold", "ksajy", QUEUE_WRITE, 0, -1, queue_hold },
	{ "release", "ksajy", QUEUE_WRITE, 0, -1, queue_release },
	{ "retry", "ksajy", QUEUE_WRITE, 0, -1, queue_retry },
	{ "drop", "ksajy", QUEUE_WRITE, 0, -1, queue_drop },
};
#define NSUBS (sizeof(SUBS) / sizeof(SUBS[0]))
static const struct sub STATUS = { "", "jw", 0, 0, 0, queue_status };

static const struct option OPTIONS[] = {
	{ "config", required_argument, NULL, 'c' }, { "campaign", required_argument, NULL, 'k' },
	{ "state", required_argument, NULL, 's' },  { "limit", required_argument, NULL, 'n' },
	{ "addresses", no_argument, NULL, 'A' },    { "message", no_argument, NULL, 'm' },
	{ "watch", no_argument, NULL, 'w' },	    { "all", no_argument, NULL, 'a' },
	{ "yes", no_argument, NULL, 'y' },	    { "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },	    { NULL, 0, NULL, 0 },
};

/* -1: go on; else an exit code. */
static int
states_read(struct queue_request *r, const char *arg)
{
	const char *names[SPOOL_STATES + 1];
	struct str rest = str_of(arg), word;
	for (int i = 0; i < SPOOL_STATES; i++)
		names[i] = spool_state_name((enum spool_state)i);
	names[SPOOL_STATES] = "bad";
	while (str_split(&rest, ',', &word)) {
		int i = 0;
		while (i <= SPOOL_STATES && !str_eq(word, str_of(names[i])))
			i++;
		if (i > SPOOL_STATES)
			return admin_misuse("--state %.*s: there is no such state; it is queued, held, sent, "
					    "dropped, failed or bad",
					    STR_ARG(word));
		r->states |= QUEUE_STATE(i);
	}
	return -1;
}

static int
limit_read(struct queue_request *r, const char *arg)
{
	char *end;
	errno = 0;
	long long n = strtoll(arg, &end, 10);
	if (errno != 0 || *end != '\0' || n <= 0)
		return admin_misuse("--limit %s: a number of lines, 1 or more", arg);
	r->limit = n;
	return -1;
}

static int
option_read(struct queue_request *r, int c, const char *arg)
{
	switch (c) {
	case 'c':
		r->conf_path = arg;
		return -1;
	case 'k':
		r->campaign = arg;
		return -1;
	case 's':
		return states_read(r, arg);
	case 'n':
		return limit_read(r, arg);
	case 'A':
		r->addresses = true;
		return -1;
	case 'm':
		r->message = true;
		return -1;
	case 'w':
		r->watch = true;
		return -1;
	case 'a':
		r->all = true;
		return -1;
	case 'y':
		r->yes = true;
		return -1;
	case 'j':
		r->json = true;
		return -1;
	case 'h':
		return admin_usage(stdout, usage);
	default:
		return EX_USAGE;
	}
}

/* The sub-verb, or NULL with the exit code of what was printed. */
static const struct sub *
sub_find(const char *name, int *rc)
{
	const char *names[NSUBS];
	for (size_t i = 0; i < NSUBS; i++) {
		if (strcmp(SUBS[i].name, name) == 0)
			return &SUBS[i];
		names[i] = SUBS[i].name;
	}
	*rc = admin_no_sub("queue", name, names, NSUBS);
	return NULL;
}

/* Options that the sub-verb does not know are refused, not passed over: "drop --limit 5" means something. */
static int
sub_check(const struct sub *sub, const struct queue_request *r, const char *given)
{
	const char *space = *sub->name ? " " : "";
	for (const char *g = given; *g; g++)
		for (const struct option *o = OPTIONS; o->name; o++)
			if (o->val == *g && *g != 'c' && !strchr(sub->takes, *g))
				return admin_misuse("queue%s%s takes no --%s", space, sub->name, o->name);
	if (r->nids < sub->min)
		return admin_misuse("queue %s: which job? `mailtailor queue list` shows them", sub->name);
	if (sub->max >= 0 && r->nids > sub->max)
		return admin_misuse("queue%s%s: \"%s\" is too much", space, sub->name, r->ids[sub->max]);
	return -1;
}

static int
run(int argc, char **argv)
{
	struct queue_request r = { 0 };
	const struct sub *sub = &STATUS;
	struct queue q;
	char given[sizeof(OPTIONS) / sizeof(OPTIONS[0])] = "";
	size_t ngiven = 0;
	int c, rc = -1;
	optind = 0;
	while (rc < 0 && (c = admin_option(argc, argv, "c:h", OPTIONS)) != -1) {
		rc = option_read(&r, c, optarg);
		if (!strchr(given, c) && ngiven < sizeof(given) - 1)
			given[ngiven++] = (char)c;
	}
	if (rc >= 0)
		return rc;
	if (optind < argc && !(sub = sub_find(argv[optind++], &rc)))
		return rc;
	r.ids = argv + optind;
	r.nids = argc - optind;
	if ((rc = sub_check(sub, &r, given)) >= 0)
		return rc;
	rc = queue_open(&q, r.conf_path, sub->access | (r.addresses ? QUEUE_KEYS : 0));
	if (rc == EX_OK && r.campaign)
		rc = queue_campaign_check(&q, r.campaign);
	if (rc == EX_OK)
		rc = sub->run(&q, &r);
	queue_close(&q);
	return rc;
}

const struct admin_verb admin_queue_verb = { "queue", "show and steer the copies that wait to be sent", run };
