/* mailtailor fatigue: when to leave recipients alone, learned out of the event log. */
#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "learn/fatigue-steps.h"
#include "main/admin-model.h"
#include "main/admin-profile.h"

#define MODEL_FILE "fatigue.safetensors"

static const char usage[] =
    "usage: mailtailor fatigue train [OPTION…]\n"
    "\n"
    "Learns out of the event log when a mail is worth less than waiting, and writes a model\n"
    "whose score is what sending is worth beside waiting. It takes days of recipients with a mail\n"
    "and without, so it needs a log of at least some weeks.\n"
    "\n"
    "      --kind KIND        linear (default) or mlp; for the plugins logistic and mlp\n"
    "      --click X          what a click is worth (default 1)\n"
    "      --purchase X       a purchase (default 10)\n"
    "      --send X           what a copy costs (default 0.01)\n"
    "      --leave X          what an unsubscription or complaint costs (default 50)\n"
    "      --discount X       what a day is worth beside the day before (default 0.95)\n"
    "      --iterations N     how many days it looks ahead (default 60)\n"
    "      --steps N          at most so many days of recipients (default 200000)\n"
    "      --until TIME       as the log was then (default: now)\n"
    "  -o, --output FILE      default: fatigue.safetensors in the state directory\n"
    "      --dry-run          write nothing\n"
    "  -c, --config CONF      the configuration\n"
    "      --json             print the figures as JSON\n"
    "  -h, --help             print this text\n";

struct training {
	const char *conf_path, *output;
	struct fatigue_worth worth;
	struct fatigue_options o;
	double steps;
	int64_t until_ms;
	bool mlp, json, dry_run;

	struct fatigue_steps *found;
	struct progress *progress;
	uint64_t seen;
};

static bool
event_take(void *ctx, const struct event_record *r)
{
	struct training *t = ctx;
	fatigue_steps_event(t->found, r);
	progress_update(t->progress, ++t->seen);
	return true;
}

static void
step_show(void *ctx, const struct learn_step *s)
{
	struct training *t = ctx;
	progress_flow(t->progress, s->done, s->total, -1);
}

static struct model *
learn(struct training *t, const struct fatigue_log *log, struct fatigue_fit *fit, struct err *e)
{
	const struct learn_names names = { .score = "fatigue", .columns = fatigue_columns };
	const struct learn_progress p = { step_show, t };
	struct learn_mlp net = learn_mlp_defaults();
	t->progress = progress_start("learning", t->o.iterations);
	net.nhidden = 1;
	net.hidden[0] = 32;
	net.batch = 256;
	net.standardize = true;
	struct model *m = t->mlp ? fatigue_mlp(log, &names, &t->o, &net, 8, &p, fit, e)
				 : fatigue_linear(log, &names, &t->o, &p, fit, e);
	progress_end(&t->progress);
	return m;
}

/* In how many of the log's steps it would send. */
static size_t
sends_of(const struct model *m, const struct fatigue_log *log)
{
	double *score = calloc(log->rows, sizeof(*score));
	void *scratch = malloc(model_scratch(m, log->rows));
	size_t n = 0;
	if (!score || !scratch)
		abort();
	model_apply(m, log->state, log->rows, scratch, score, 1);
	for (size_t i = 0; i < log->rows; i++)
		n += score[i] > 0;
	free(score);
	free(scratch);
	return n;
}

static void
said(const struct training *t, const struct model *m, const struct fatigue_log *log,
     const struct fatigue_fit *fit)
{
	size_t ended = 0, sends = sends_of(m, log);
	for (size_t i = 0; i < log->rows; i++)
		ended += log->ended[i];
	if (t->json)
		printf("{\"steps\": %zu, \"sends\": %zu, \"waits\": %zu, \"left\": %zu, \"would_send\": %zu, "
		       "\"change\": %.6g}\n",
		       log->rows, fit->sends, fit->waits, ended, sends, fit->change);
	else
		printf("%zu days of recipients: mail on %zu, none on %zu; %zu recipients left\n"
		       "would let mail go on %zu of them (%.1f%%); last change %.3g\n",
		       log->rows, fit->sends, fit->waits, ended, sends,
		       100 * (double)sends / (double)log->rows, fit->change);
}

static int
keep(const struct training *t, const struct desk *d, const struct model *m)
{
	struct buf b = { 0 };
	struct err e = { 0 };
	gid_t group = getegid();
	const char *path =
	    t->output ? t->output : arena_printf(d->arena, "%s/%s", d->conf->state.directory, MODEL_FILE).p;
	model_print(m, &b);
	bool entered = !t->output && admin_owner_enter(d->conf->state.directory);
	int rc = file_replace(path, buf_str(&b), FILE_PUBLIC, &e);
	if (entered)
		admin_owner_leave(group);
	buf_free(&b);
	return rc == 0 ? EX_OK : admin_fail(&e);
}

static int
train(struct training *t, struct desk *d)
{
	const struct event_filter f = { .types = FATIGUE_TYPES, .until_ms = t->until_ms };
	struct fatigue_log log;
	struct fatigue_fit fit = { 0 };
	struct err e = { 0 };
	uint64_t skipped = 0;
	t->found = fatigue_steps_new();
	t->progress = progress_start("reading events", 0);
	int rc = event_each(d->store, &f, event_take, t, NULL, &skipped, &e);
	progress_end(&t->progress);
	if (skipped > 0)
		admin_say("%llu events cannot be read; they were left out", (unsigned long long)skipped);
	if (rc == 0)
		rc = fatigue_steps_finish(t->found, &t->worth, t->until_ms, (size_t)t->steps, d->arena, &log,
					  &e);
	fatigue_steps_free(&t->found);
	struct model *m = rc == 0 ? learn(t, &log, &fit, &e) : NULL;
	if (!m)
		return admin_fail(&e);
	int code = t->dry_run ? EX_OK : keep(t, d, m);
	if (code == EX_OK)
		said(t, m, &log, &fit);
	model_free(&m);
	return code;
}

/* ---- options ---- */

/* Those that are one number. */
static const struct {
	const char *name;
	double low, high;
} NUMBERS[] = {
	{ "click", 0, 1e6 },	  { "purchase", 0, 1e6 },     { "send", 0, 1e6 },  { "leave", 0, 1e6 },
	{ "discount", 0, 0.999 }, { "iterations", 1, 10000 }, { "steps", 1, 1e7 },
};
#define NNUMBERS (sizeof(NUMBERS) / sizeof(NUMBERS[0]))
#define NUMBER_OPTION 256

static int
number_take(struct training *t, size_t i)
{
	double *const to[NNUMBERS] = { &t->worth.click, &t->worth.purchase, &t->worth.send,
				       &t->worth.leave, &t->o.discount,	    NULL,
				       &t->steps };
	char *end;
	double v = strtod(optarg, &end);
	if (end == optarg || *end || !(v >= NUMBERS[i].low && v <= NUMBERS[i].high))
		return admin_misuse("--%s %s: a number from %g to %g", NUMBERS[i].name, optarg,
				    NUMBERS[i].low, NUMBERS[i].high);
	if (to[i])
		*to[i] = v;
	else
		t->o.iterations = (size_t)v;
	return -1;
}

/* -1 to go on, else an exit code. */
static int
option_take(struct training *t, int c)
{
	struct err e = { 0 };
	if (c >= NUMBER_OPTION)
		return number_take(t, (size_t)(c - NUMBER_OPTION));
	switch (c) {
	case 'k':
		t->mlp = strcmp(optarg, "mlp") == 0;
		return t->mlp || strcmp(optarg, "linear") == 0
			   ? -1
			   : admin_misuse("--kind %s: linear or mlp", optarg);
	case 'u':
		return admin_moment(str_of(optarg), &t->until_ms, &e) == 0
			   ? -1
			   : admin_misuse("--until %s: no time", optarg);
	case 'o':
		t->output = optarg;
		return -1;
	case 'd':
		t->dry_run = true;
		return -1;
	case 'c':
		t->conf_path = optarg;
		return -1;
	case 'j':
		t->json = true;
		return -1;
	case 'h':
		return admin_usage(stdout, usage);
	default:
		return EX_USAGE;
	}
}

static int
options_read(struct training *t, int argc, char **argv)
{
	struct option options[NNUMBERS + 8] = {
		{ "kind", required_argument, NULL, 'k' },   { "until", required_argument, NULL, 'u' },
		{ "output", required_argument, NULL, 'o' }, { "dry-run", no_argument, NULL, 'd' },
		{ "config", required_argument, NULL, 'c' }, { "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
	};
	int c, rc = -1;
	for (size_t i = 0; i < NNUMBERS; i++)
		options[7 + i] =
		    (struct option){ NUMBERS[i].name, required_argument, NULL, NUMBER_OPTION + (int)i };
	optind = 0;
	while (rc < 0 && (c = admin_option(argc, argv, "c:o:h", options)) != -1)
		rc = option_take(t, c);
	if (rc < 0 && optind < argc)
		return admin_misuse("\"%s\" is one word too many", argv[optind]);
	return rc;
}

static int
run(int argc, char **argv)
{
	struct training t = {
		.worth = { .click = 1, .purchase = 10, .send = 0.01, .leave = 50 },
		.o = { .discount = 0.95, .iterations = 60, .l2 = 1 },
		.steps = 200000,
		.until_ms = clock_now_ms(),
	};
	static const char *const SUBS[] = { "train" };
	struct desk d;
	if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0))
		return admin_usage(stdout, usage);
	if (argc < 2)
		return admin_usage(stderr, usage);
	if (strcmp(argv[1], SUBS[0]) != 0)
		return admin_no_sub("fatigue", argv[1], SUBS, 1);
	argv[1] = argv[0]; /* getopt's complaints begin with it */
	int rc = options_read(&t, argc - 1, argv + 1);
	if (rc >= 0)
		return rc;
	rc = desk_open(&d, t.conf_path, DESK_READ);
	if (rc == EX_OK)
		rc = train(&t, &d);
	desk_close(&d);
	return rc;
}

const struct admin_verb admin_fatigue_verb = {
	"fatigue",
	"learn when recipients had better be left alone",
	run,
};
