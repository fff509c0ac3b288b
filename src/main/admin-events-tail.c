/*
 * admin-events-tail: the last events, and (--follow) those that come.
 */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "main/admin-events.h"
#include "recipient/event-text.h"

#define FOLLOW_US 250000

static const char usage[] =
    "usage: mailtailor events tail [OPTION…]\n"
    "\n"
    "Prints the last events, oldest first.\n"
    "\n"
    "  -n, --lines N          how many, at most (default 20; 0: none)\n"
    "      --follow           and then those that come, until the program is stopped\n" EVENTS_PICK_USAGE
    "      --json             print NDJSON, as export writes it\n"
    "  -c, --config CONF      the configuration\n"
    "  -h, --help             print this text\n";

struct tail {
	struct events_pick pick;
	const char *conf_path;
	uint64_t lines;
	bool follow, json;
	/* the last lines found, in a ring */
	struct buf *ring;
	uint64_t found;
	struct buf line;
};

static void
line_add(struct buf *out, const struct event_record *r)
{
	const struct event *ev = &r->event;
	char at[40], who[33];
	struct recipient_key rk;
	memcpy(rk.b, ev->rk, sizeof(rk.b));
	recipient_key_hex(&rk, who);
	buf_printf(out, "%s %s", clock_format_rfc3339(ev->at_ms, at), event_type_name(ev->type));
	if (ev->class != EVENT_UNKNOWN)
		buf_printf(out, " by=%s", event_class_name(ev->class));
	const struct {
		const char *name;
		struct str s;
	} words[] = { { "reason", ev->reason }, { "campaign", ev->campaign }, { "arm", ev->arm },
		      { "domain", ev->domain }, { "segment", ev->segment },   { "source", ev->source },
		      { "queue", ev->queue_id } };
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (words[i].s.n > 0)
			buf_printf(out, " %s=%.*s", words[i].name, STR_ARG(words[i].s));
	buf_printf(out, " recipient=%s", r->forgotten ? "forgotten" : who);
	if (ev->link != EVENT_NO_LINK)
		buf_printf(out, " link=%d", ev->link);
	if (ev->currency.n > 0)
		buf_printf(out, " value=%.2f%.*s", (double)ev->value_micros / 1e6, STR_ARG(ev->currency));
	str_tame(out->p, out->n);
	buf_addc(out, '\n');
}

static void
record_print(const struct tail *t, const struct event_record *r, struct buf *out)
{
	buf_reset(out);
	if (t->json)
		event_text_json(out, r);
	else
		line_add(out, r);
}

static bool
keep_one(void *ctx, const struct event_record *r)
{
	struct tail *t = ctx;
	record_print(t, r, &t->ring[t->found++ % t->lines]);
	return !t->pick.filter.rk || t->found < t->lines;
}

static bool
print_one(void *ctx, const struct event_record *r)
{
	struct tail *t = ctx;
	record_print(t, r, &t->line);
	fwrite(t->line.p, 1, t->line.n, stdout);
	return true;
}

/*
 * Walks the end of the log, and more of it when too few fit. A recipient's come newest first: the walk ends
 * with the last one that is wanted.
 */
static int
last_find(struct tail *t, struct store *s, uint64_t *next, struct err *e)
{
	struct event_filter f = t->pick.filter;
	struct event_stats st;
	if (event_stats(s, &st, e) != 0)
		return -1;
	*next = st.next;
	for (uint64_t back = t->lines; t->lines > 0; back *= 16) {
		f.from = st.next > back && !f.rk ? st.next - back : 0;
		t->found = 0;
		if (event_each(s, &f, keep_one, t, f.rk ? NULL : next, NULL, e) != 0)
			return -1;
		if (t->found >= t->lines || f.from == 0 || (int64_t)back > st.events)
			break;
	}
	return 0;
}

static void
last_print(const struct tail *t)
{
	uint64_t n = t->found < t->lines ? t->found : t->lines;
	for (uint64_t i = t->found - n; i < t->found; i++) {
		uint64_t at = t->pick.filter.rk ? t->found - 1 - (i - (t->found - n)) : i;
		const struct buf *b = &t->ring[at % t->lines];
		fwrite(b->p, 1, b->n, stdout);
	}
}

/* A recipient's events are watched as all others are: the newest is at the end of the log. */
static bool
follow_one(void *ctx, const struct event_record *r)
{
	struct tail *t = ctx;
	const struct event_filter *f = &t->pick.filter;
	return f->rk && memcmp(f->rk, r->event.rk, STORE_KEY_LEN) != 0 ? true : print_one(ctx, r);
}

static int
follow(struct tail *t, struct store *s, uint64_t next, struct err *e)
{
	struct event_filter f = t->pick.filter;
	f.rk = NULL;
	for (;;) {
		if (fflush(stdout) != 0)
			return 0; /* nobody reads any more; main says why */
		usleep(FOLLOW_US);
		f.from = next;
		if (event_each(s, &f, follow_one, t, &next, NULL, e) != 0)
			return -1;
	}
}

static int
tail_run(struct tail *t)
{
	struct err e = { 0 };
	int code = EX_CONFIG;
	uint64_t next;
	struct store *s = NULL;
	struct conf *conf = admin_conf(t->conf_path);
	if (!conf)
		return EX_CONFIG;
	t->ring = calloc(t->lines + 1, sizeof(*t->ring));
	if (!t->ring)
		abort();
	if ((code = events_pick_ready(&t->pick, conf)) == EX_OK &&
	    (s = admin_store(conf, true, false, &code))) {
		if ((code = events_pick_check(&t->pick, conf, s)) == EX_OK && last_find(t, s, &next, &e) != 0)
			code = admin_fail(&e);
		else if (code == EX_OK)
			last_print(t);
		if (code == EX_OK && t->follow && follow(t, s, next, &e) != 0)
			code = admin_fail(&e);
	}
	for (uint64_t i = 0; i < t->lines; i++)
		buf_free(&t->ring[i]);
	free(t->ring);
	buf_free(&t->line);
	store_close(&s);
	conf_free(&conf);
	return code;
}

int
events_tail(int argc, char **argv)
{
	static const struct option options[] = {
		EVENTS_PICK_OPTIONS,
		{ "config", required_argument, NULL, 'c' },
		{ "lines", required_argument, NULL, 'n' },
		{ "follow", no_argument, NULL, 'f' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct tail t = { .lines = 20 };
	char *end;
	int c;
	optind = 0;
	while ((c = admin_option(argc, argv, "c:n:fh", options)) != -1) {
		int code = events_pick_option(&t.pick, c, optarg);
		if (code > EX_OK)
			return code;
		if (code == EX_OK)
			continue;
		switch (c) {
		case 'c':
			t.conf_path = optarg;
			break;
		case 'n':
			t.lines = strtoull(optarg, &end, 10);
			if (*end != '\0' || !ascii_isdigit(*optarg) || t.lines > 1000000)
				return admin_misuse("--lines %s: a number up to 1000000", optarg);
			break;
		case 'f':
			t.follow = true;
			break;
		case 'j':
			t.json = true;
			break;
		case 'h':
			return admin_usage(stdout, usage);
		default:
			return EX_USAGE;
		}
	}
	if (optind < argc)
		return admin_misuse("events tail takes options only, not \"%s\"", argv[optind]);
	return tail_run(&t);
}
