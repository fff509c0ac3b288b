/*
 * bench-smtp: how fast src/inject/smtp hands over copies.
 *
 *     bench-smtp HOST:PORT|unix:PATH [CONNECTIONS [COPIES [BYTES]]]
 *
 * CONNECTIONS threads (4) with a connection each send COPIES (20,000) messages of BYTES (20,000) in all.
 * Prints copies/s and the CPU time of one copy on our side. Beside it, for the same port: smtp-source -d -s
 * CONNECTIONS -m COPIES -l BYTES HOST:PORT.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/clock.h"
#include "inject/smtp.h"

struct work {
	pthread_t thread;
	struct smtp_target target;
	struct str message;
	int copies, failed;
};

static void *
work_run(void *arg)
{
	struct work *w = arg;
	struct smtp_envelope e = { .mail_from = STR("bench@a.example"), .rcpt = STR("bench@b.example") };
	struct smtp_conn *c = smtp_conn_new(&w->target);
	struct smtp_result r;

	for (int i = 0; i < w->copies; i++) {
		smtp_send(c, &e, w->message, &r);
		if (r.status != SMTP_SENT && w->failed++ == 0)
			fprintf(stderr, "%s: %s\n", r.step, r.text);
	}
	smtp_conn_close(&c);
	return NULL;
}

static bool
target_parse(char *text, struct smtp_target *t)
{
	char *colon = strrchr(text, ':');

	*t = (struct smtp_target){ .connect_timeout_ms = 10000,
				   .command_timeout_ms = 60000,
				   .data_timeout_ms = 60000 };
	if (strncmp(text, "unix:", 5) == 0) {
		t->unix_path = text + 5;
		return true;
	}
	if (!colon)
		return false;
	*colon = '\0';
	t->host = text;
	t->port = atoi(colon + 1);
	return t->port > 0;
}

static void
message_make(struct buf *out, size_t bytes)
{
	buf_adds(out, STR("From: bench@a.example\r\nTo: bench@b.example\r\nSubject: bench\r\n\r\n"));
	while (out->n < bytes)
		buf_adds(out,
			 STR("Lorem ipsum dolor sit amet, consectetur adipisici elit, sed eiusmod.\r\n"));
}

int
main(int argc, char **argv)
{
	struct smtp_target target;
	int threads = argc > 2 ? atoi(argv[2]) : 4, copies = argc > 3 ? atoi(argv[3]) : 20000, failed = 0;
	struct work *w;
	struct buf message = { 0 };
	int64_t wall, cpu;

	if (argc < 2 || !target_parse(argv[1], &target) || threads < 1) {
		fprintf(stderr, "usage: bench-smtp HOST:PORT|unix:PATH [CONNECTIONS [COPIES [BYTES]]]\n");
		return 64;
	}
	message_make(&message, argc > 4 ? (size_t)atol(argv[4]) : 20000);
	w = calloc((size_t)threads, sizeof *w);
	wall = clock_mono_us();
	cpu = clock_cpu_us();
	for (int i = 0; i < threads; i++) {
		w[i].target = target;
		w[i].message = buf_str(&message);
		w[i].copies = copies / threads;
		pthread_create(&w[i].thread, NULL, work_run, &w[i]);
	}
	for (int i = 0; i < threads; i++) {
		pthread_join(w[i].thread, NULL);
		failed += w[i].failed;
	}
	wall = clock_mono_us() - wall;
	cpu = clock_cpu_us() - cpu;
	copies = copies / threads * threads;
	printf("%d connections: %.0f copies/s, %.1f us CPU each, %d of %d failed\n", threads,
	       (double)copies * 1e6 / (double)wall, (double)cpu / copies, failed, copies);
	free(w);
	buf_free(&message);
	return failed > 0;
}
