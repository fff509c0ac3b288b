/*
 * milter-fill: hands one message to a filter again and again, each time to other recipients, as an MTA whose
 * client sends a campaign does: for tests of what a full spool costs.
 *
 *   milter-fill SOCKET MESSAGE FIRST MESSAGES RCPTS CONNECTIONS
 *
 * MESSAGE is sent as it is, MESSAGES times, over CONNECTIONS connections, to RCPTS recipients each: number i
 * is user<i>@customers.example, from FIRST on. All must be taken into the spool (the filter says: discard).
 * Prints one line of JSON: {"jobs", "seconds", "ms": [of each message, from MAIL to the last answer, in the
 * order of their ends]}. Exit status 1 when one was not taken.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/clock.h"
#include "../golden/milter-message.h"
#include "../golden/milter-wire.h"

struct load {
	const char *socket;
	struct message message;
	long first, messages, rcpts;
	atomic_long next, ended, failed;
	double *ms;
};

static int
step(struct wire *w, char command, struct str data, uint32_t no, uint32_t nr, struct err *e)
{
	char answer;
	struct str text;
	const struct str macros = command == SMFIC_MAIL	  ? STR("{mail_addr}\0x\0")
				  : command == SMFIC_DATA ? STR("i\0004FILL\0")
							  : STR("");
	if (wire_step(w, command, data, macros, no, nr, &answer, &text, e) != 0)
		return -1;
	return answer == SMFIR_CONTINUE ? 0 : err_set(e, ERR_INPUT, "%c is answered %c", command, answer);
}

static int
connection_open(struct wire *w, const char *path, struct err *e)
{
	struct buf b = { 0 };
	if (wire_open(w, path,
		      SMFIP_NOCONNECT | SMFIP_NOHELO | SMFIP_NOMAIL | SMFIP_NORCPT | SMFIP_NOBODY |
			  SMFIP_NOHDRS | SMFIP_NOEOH | SMFIP_NOUNKNOWN | SMFIP_NODATA | SMFIP_SKIP |
			  SMFIP_RCPT_REJ | WIRE_NR_ALL | SMFIP_HDR_LEADSPC,
		      e) != 0)
		return -1;
	buf_add(&b,
		"client.example\0004\x30\x39"
		"127.0.0.1",
		28);
	int rc = step(w, SMFIC_CONNECT, buf_str(&b), SMFIP_NOCONNECT, SMFIP_NR_CONN, e);
	buf_free(&b);
	return rc;
}

static int
envelope_send(struct wire *w, const struct load *l, long number, struct buf *b, struct err *e)
{
	if (step(w, SMFIC_MAIL, STR("<news@shop.example>\0"), SMFIP_NOMAIL, SMFIP_NR_MAIL, e) != 0)
		return -1;
	for (long i = 0; i < l->rcpts; i++) {
		buf_reset(b);
		buf_printf(b, "<user%ld@customers.example>", l->first + number * l->rcpts + i);
		buf_addc(b, '\0');
		if (step(w, SMFIC_RCPT, buf_str(b), SMFIP_NORCPT, SMFIP_NR_RCPT, e) != 0)
			return -1;
	}
	return step(w, SMFIC_DATA, STR(""), SMFIP_NODATA, SMFIP_NR_DATA, e);
}

static int
content_send(struct wire *w, const struct message *m, struct buf *b, struct err *e)
{
	bool leadspace = w->steps & SMFIP_HDR_LEADSPC;
	for (size_t i = 0; i < m->n; i++) {
		struct str value = m->v[i].value;
		buf_reset(b);
		buf_adds(b, m->v[i].name);
		buf_addc(b, '\0');
		buf_adds(b,
			 !leadspace && value.n > 0 && value.p[0] == ' ' ? str_sub(value, 1, value.n) : value);
		buf_addc(b, '\0');
		if (step(w, SMFIC_HEADER, buf_str(b), SMFIP_NOHDRS, SMFIP_NR_HDR, e) != 0)
			return -1;
	}
	if (step(w, SMFIC_EOH, STR(""), SMFIP_NOEOH, SMFIP_NR_EOH, e) != 0)
		return -1;
	for (size_t at = 0; at < m->body.n; at += 65535)
		if (step(w, SMFIC_BODY, str_sub(m->body, at, at + 65535), SMFIP_NOBODY, SMFIP_NR_BODY, e) !=
		    0)
			return -1;
	return 0;
}

static int
message_send(struct wire *w, const struct load *l, long number, struct buf *b, struct err *e)
{
	char answer;
	struct str text;
	if (envelope_send(w, l, number, b, e) != 0 || content_send(w, &l->message, b, e) != 0)
		return -1;
	int rc = wire_step(w, SMFIC_BODYEOB, STR(""), STR("i\0004FILL\0"), 0, 0, &answer, &text, e);
	while (rc == 0 && answer == SMFIR_PROGRESS)
		rc = wire_get(w, &answer, &text, e);
	if (rc != 0)
		return -1;
	if (answer != SMFIR_DISCARD)
		return err_set(e, ERR_INPUT, "message %ld is answered %c %.*s, and not spooled", number,
			       answer, STR_ARG(text));
	return 0;
}

static void *
work(void *arg)
{
	struct load *l = arg;
	struct wire w = { .fd = -1 };
	struct buf b = { 0 };
	struct err e = { 0 };
	long number;
	int rc = connection_open(&w, l->socket, &e);
	while (rc == 0 && (number = atomic_fetch_add(&l->next, 1)) < l->messages) {
		int64_t from = clock_mono_us();
		rc = message_send(&w, l, number, &b, &e);
		l->ms[atomic_fetch_add(&l->ended, 1)] = (double)(clock_mono_us() - from) / 1000;
	}
	if (rc != 0) {
		fprintf(stderr, "milter-fill: %s\n", e.text);
		atomic_fetch_add(&l->failed, 1);
	} else {
		wire_put(&w, SMFIC_QUIT, STR(""));
		wire_flush(&w, NULL);
	}
	wire_close(&w);
	buf_free(&b);
	return NULL;
}

static int
message_read(struct arena *a, const char *path, struct buf *b, struct message *m)
{
	char block[4096];
	size_t n;
	FILE *f = fopen(path, "re");
	if (!f) {
		perror(path);
		return -1;
	}
	while ((n = fread(block, 1, sizeof block, f)) > 0)
		buf_add(b, block, n);
	fclose(f);
	message_split(a, buf_str(b), m);
	return 0;
}

int
main(int argc, char **argv)
{
	static struct load l;
	struct arena *a = arena_new(1 << 16);
	struct buf bytes = { 0 };
	pthread_t threads[64];
	if (argc != 7 || message_read(a, argv[2], &bytes, &l.message) != 0)
		return 64;
	l.socket = argv[1];
	l.first = atol(argv[3]);
	l.messages = atol(argv[4]);
	l.rcpts = atol(argv[5]);
	long n = atol(argv[6]) > 64 ? 64 : atol(argv[6]);
	l.ms = calloc((size_t)(l.messages > 0 ? l.messages : 1), sizeof *l.ms);
	int64_t from = clock_mono_us();
	for (long i = 0; i < n; i++)
		if (pthread_create(&threads[i], NULL, work, &l) != 0)
			return 1;
	for (long i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	printf("{\"jobs\": %ld, \"seconds\": %.3f, \"ms\": [", l.ended * l.rcpts,
	       (double)(clock_mono_us() - from) / 1e6);
	for (long i = 0; i < l.ended; i++)
		printf("%s%.2f", i > 0 ? ", " : "", l.ms[i]);
	printf("]}\n");
	free(l.ms);
	buf_free(&bytes);
	arena_free(&a);
	return l.failed > 0;
}
