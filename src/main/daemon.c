/*
 * mailtailord: the milter, and the injector beside it. Wiring only.
 */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "audit/audit.h"
#include "base/clock.h"
#include "base/log.h"
#include "inject/inject.h"
#include "milter/milter.h"
#include "main/examples.h"
#include "main/paths.h"
#include "web/monitor.h"

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

/* This program, whatever it was started as. */
static const char program[] = "/proc/self/exe";

/* The milter's callbacks carry no context. */
static struct {
	struct inject_options options;
	struct injector *injector;
	struct monitor *monitor;
	bool monitored; /* tried once: a listener changes at a restart */
	int64_t drain_timeout_ms;
	bool configured;
} beside;

/* The hash in the log lets an outsider see whether the audit log still holds what it held. */
static void
tell_audit(const struct conf *c, bool first)
{
	struct err e = { 0 };
	struct audit_head h;
	const struct audit_entry en = { .action = first ? AUDIT_DAEMON_START : AUDIT_DAEMON_RELOAD,
					.at_ms = clock_now_ms(),
					.actor = STR("daemon:mailtailord"),
					.details = str_of(c->file) };
	if (audit_append(c->state.directory, &en, 1, &h, &e) == 0)
		log_info("audit %llu:%s %s", (unsigned long long)h.seq, h.hash, audit_action_name(en.action));
	else
		log_error("the audit log cannot tell of this start: %s", e.text);
}

static void
on_metrics(void *ctx, struct buf *out)
{
	(void)ctx;
	milter_metrics(out);
	if (beside.injector != NULL)
		injector_metrics(beside.injector, out);
}

static bool
is_ready(void *ctx)
{
	(void)ctx;
	return milter_ready();
}

/* Mail does not depend on whether it can be watched. */
static void
monitor_begin(const struct conf_endpoint *at)
{
	static const struct monitor_source source = { on_metrics, is_ready, NULL };
	struct err e = { 0 };
	if (beside.monitored)
		return;
	beside.monitored = true;
	if (at->text != NULL && (beside.monitor = monitor_start(at, &source, &e)) == NULL)
		log_error("milter: metrics: %s", e.text);
}

static void
on_ending(void)
{
	monitor_stop(&beside.monitor);
}

static void
on_configured(const struct conf *c)
{
	struct err e = { 0 };
	tell_audit(c, !beside.configured);
	beside.configured = true;
	bool wanted = c->inject.target != NULL;
	beside.drain_timeout_ms = c->milter.drain_timeout_ms;
	if (beside.injector != NULL)
		injector_reload(beside.injector, wanted);
	else if ((beside.injector = injector_start(program, &beside.options, wanted, &e)) == NULL)
		log_error("%s", e.text);
	monitor_begin(&c->milter.metrics);
}

static void
on_spooled(void)
{
	if (beside.injector != NULL)
		injector_wake(beside.injector);
}

static int
serve(const struct milter_options *o)
{
	beside.options = (struct inject_options){ o->conf_file, o->plugin_directory };
	signal(SIGPIPE, SIG_IGN);
	int rc = milter_serve(o);
	injector_stop(&beside.injector, beside.drain_timeout_ms);
	return rc;
}

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
	examples_warn(e->conf);
	const struct conf *c = e->conf;
	printf("%s: ok: %zu campaign%s, %zu cap%s, %zu plugin%s\n", o->conf_file, c->ncampaigns,
	       c->ncampaigns == 1 ? "" : "s", c->ncaps, c->ncaps == 1 ? "" : "s", c->nplugins,
	       c->nplugins == 1 ? "" : "s");
	epoch_unref(&e);
	return EX_OK;
}

int
main(int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "test", no_argument, NULL, 't' },
		{ "injector", no_argument, NULL, 'I' }, /* what mailtailord itself starts */
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct milter_options o = {
		.conf_file = paths_conf(),
		.plugin_directory = paths_plugins(),
		.configured = on_configured,
		.spooled = on_spooled,
		.ending = on_ending,
	};
	bool test = false, injector = false;
	int c;
	while ((c = getopt_long(argc, argv, "c:th", longopts, NULL)) != -1) {
		switch (c) {
		case 'c':
			o.conf_file = optarg;
			break;
		case 't':
			test = true;
			break;
		case 'I':
			injector = true;
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
	if (injector)
		return inject_serve(&(struct inject_options){ o.conf_file, o.plugin_directory });
	return test ? test_configuration(&o) : serve(&o);
}
