/*
 * milter-client: sends mail through a milter as an MTA would and tells what
 * the filter made of it.
 *
 *	milter-client [OPTIONS] SOCKET <LIST        names of messages, one a line
 *	milter-client -r N -m M [OPTIONS] SOCKET FILE…   N messages over M connections as fast as they go
 *
 *	-c NAME  as campaign mail: sets X-Mailtailor-Campaign: NAME
 *	-o DIR   keeps what was sent and, where there is one, the copy: DIR/N.sent.eml, DIR/N.copy.eml
 *	-f, -t   envelope sender and recipient; %% is the message's number
 *	-i       gives each message a Message-ID of its own
 *	-a ADDR  the client's IPv4 address (default 127.0.0.1)
 *	-b       basic: offers neither steps without answers nor leading spaces
 *	-k N     messages to a connection (default 20)
 *	-s SEED  of the body chunks' random sizes
 *
 * A message goes as Postfix sends it: CR LF, fields up to the first line that
 * is none. Prints a JSON line for each: {"file", "answer", "at": "mail",
 * "rcpt", "eoh" or "eom", "text", "edits", "body", "sent", "copy"}; in rate
 * mode one line for all. Exit status 1 when the filter breaks the protocol or hangs up.
 */
#include <getopt.h>
#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/clock.h"
#include "milter-message.h"
#include "milter-wire.h"

struct options {
	const char *socket, *campaign, *outdir, *from, *to, *client;
	bool basic, own_id;
	unsigned seed;
	long rate, connections, per_connection;
};

/* What came back. */
struct outcome {
	char answer;
	const char *at;
	struct str text;
	struct buf body;
	bool body_replaced, body_closed;
	long edits;
	struct message copy;
};

/* ---- messages ---- */

static int
read_file(const char *path, struct buf *out)
{
	char chunk[65536];
	size_t n;
	FILE *f = fopen(path, "rb");
	buf_reset(out);
	if (f == NULL) {
		perror(path);
		return -1;
	}
	while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		buf_add(out, chunk, n);
	fclose(f);
	return 0;
}

/* "%" becomes the number. */
static struct str
numbered(struct arena *a, const char *s, long number)
{
	const char *sign = strchr(s, '%');
	return sign ? arena_printf(a, "%.*s%ld%s", (int)(sign - s), s, number, sign + 1) : str_of(s);
}

static void
message_prepare(struct arena *a, const struct options *o, struct str bytes, long number, struct message *m)
{
	message_split(a, bytes, m);
	if (o->campaign != NULL) {
		message_remove(m, STR("X-Mailtailor-Campaign"));
		field_insert(a, m, m->n, STR("X-Mailtailor-Campaign"), arena_printf(a, " %s", o->campaign));
	}
	for (size_t i = 0; o->own_id && i < m->n; i++)
		if (str_caseeq(m->v[i].name, STR("Message-ID")))
			m->v[i].value = arena_printf(a, " <%ld.%d@milter-client>", number, (int)getpid());
}

/* ---- what the filter changes ---- */

static int
edit_header(struct arena *a, struct outcome *r, char command, struct str data, bool leadspace, struct err *e)
{
	struct message *m = &r->copy;
	uint32_t index = 0;
	if (command != SMFIR_ADDHEADER) {
		if (data.n < 4)
			return err_set(e, ERR_INPUT, "a header edit without index");
		memcpy(&index, data.p, 4);
		index = ntohl(index);
		data = str_sub(data, 4, data.n);
	}
	size_t nul = str_find_char(data, '\0');
	struct str name = str_sub(data, 0, nul), value = str_sub(data, nul + 1, data.n);
	if (value.n == 0 || value.p[value.n - 1] != '\0' || name.n == 0 || memchr(value.p, '\r', value.n))
		return err_set(e, ERR_INPUT, "a header edit that is none: %.*s", STR_ARG(name));
	value = arena_printf(a, "%s%.*s", leadspace ? "" : " ", (int)value.n - 1, value.p);
	name = arena_str(a, name);
	r->edits++;
	if (command == SMFIR_CHGHEADER) {
		for (size_t i = 0; i < m->n; i++) {
			if (!str_caseeq(m->v[i].name, name) || --index > 0)
				continue;
			if (str_trim(value).n == 0)
				memmove(m->v + i, m->v + i + 1, (--m->n - i) * sizeof(*m->v));
			else
				m->v[i].value = value;
			return 0;
		}
		return err_set(e, ERR_INPUT, "a change of the header %.*s, which is not there",
			       STR_ARG(name));
	}
	field_insert(a, m, command == SMFIR_INSHEADER && index < m->n ? index : m->n, name, value);
	return 0;
}

static int
edit_body(struct outcome *r, struct str data, struct err *e)
{
	/* Postfix wants one contiguous replacement. */
	if (r->body_closed)
		return err_set(e, ERR_INPUT, "a second body replacement");
	r->body_replaced = true;
	buf_adds(&r->body, data);
	return 0;
}

/* Reads modifications up to the answer. */
static int
end_of_message(struct arena *a, struct wire *w, struct outcome *r, char command, struct str data,
	       struct err *e)
{
	bool leadspace = w->steps & SMFIP_HDR_LEADSPC;
	for (;;) {
		int rc = 0;
		if (r->body_replaced && command != SMFIR_REPLBODY)
			r->body_closed = true;
		switch (command) {
		case SMFIR_PROGRESS:
			break;
		case SMFIR_REPLBODY:
			rc = edit_body(r, data, e);
			break;
		case SMFIR_ADDHEADER:
		case SMFIR_INSHEADER:
		case SMFIR_CHGHEADER:
			rc = edit_header(a, r, command, data, leadspace, e);
			break;
		default:
			r->answer = command;
			r->text = arena_str(a, data);
			return 0;
		}
		if (rc != 0 || wire_get(w, &command, &data, e) != 0)
			return -1;
	}
}

/* ---- one transaction ---- */

struct session {
	const struct options *o;
	struct wire wire;
	struct arena *arena;
	struct buf packet, body;
	unsigned seed;
	long sent; /* on this connection */
};

static int
session_open(struct session *s, struct err *e)
{
	uint32_t steps = SMFIP_NOCONNECT | SMFIP_NOHELO | SMFIP_NOMAIL | SMFIP_NORCPT | SMFIP_NOBODY |
			 SMFIP_NOHDRS | SMFIP_NOEOH | SMFIP_NOUNKNOWN | SMFIP_NODATA | SMFIP_SKIP |
			 SMFIP_RCPT_REJ;
	const char macros[] = "j\0mta.example\0{daemon_name}\0smtpd\0{daemon_port}\00025\0";
	char answer;
	struct str text;
	if (!s->o->basic)
		steps |= WIRE_NR_ALL | SMFIP_HDR_LEADSPC;
	if (wire_open(&s->wire, s->o->socket, steps, e) != 0)
		return -1;
	buf_reset(&s->packet);
	buf_add(&s->packet, "client.example\0004\x30\x39", 18);
	buf_add(&s->packet, s->o->client, strlen(s->o->client) + 1);
	if (wire_step(&s->wire, SMFIC_CONNECT, buf_str(&s->packet), STR(macros), SMFIP_NOCONNECT,
		      SMFIP_NR_CONN, &answer, &text, e) != 0)
		return -1;
	if (answer != SMFIR_CONTINUE)
		return err_set(e, ERR_INPUT, "the filter answers %c to the connection", answer);
	return 0;
}

static void
session_close(struct session *s)
{
	if (s->wire.fd >= 0) {
		wire_put(&s->wire, SMFIC_QUIT, STR(""));
		wire_flush(&s->wire, NULL);
	}
	wire_close(&s->wire);
	s->sent = 0;
}

/* A step; true when the message goes on. *rc -1: the filter is gone or odd. */
static bool
step(struct session *s, struct outcome *r, char command, const char *at, struct str data, struct str macros,
     uint32_t no, uint32_t nr, int *rc, struct err *e)
{
	struct str text;
	*rc = wire_step(&s->wire, command, data, macros, no, nr, &r->answer, &text, e);
	if (*rc != 0)
		return false;
	r->at = at;
	r->text = arena_str(s->arena, text);
	return r->answer == SMFIR_CONTINUE;
}

static bool
send_envelope(struct session *s, struct outcome *r, long number, int *rc, struct err *e)
{
	const struct options *o = s->o;
	struct str from = numbered(s->arena, o->from, number), to = numbered(s->arena, o->to, number);
	struct buf *b = &s->packet;
	buf_reset(b);
	buf_printf(b, "<%.*s>", STR_ARG(from));
	buf_addc(b, '\0');
	if (!step(s, r, SMFIC_MAIL, "mail", buf_str(b), STR("{mail_addr}\0x\0"), SMFIP_NOMAIL, SMFIP_NR_MAIL,
		  rc, e))
		return false;
	buf_reset(b);
	buf_printf(b, "<%.*s>", STR_ARG(to));
	buf_addc(b, '\0');
	if (!step(s, r, SMFIC_RCPT, "rcpt", buf_str(b), STR(""), SMFIP_NORCPT, SMFIP_NR_RCPT, rc, e))
		return false;
	return step(s, r, SMFIC_DATA, "data", STR(""), STR("i\0004QUEUEID\0"), SMFIP_NODATA, SMFIP_NR_DATA,
		    rc, e);
}

static bool
send_header(struct session *s, struct outcome *r, const struct message *m, int *rc, struct err *e)
{
	bool leadspace = s->wire.steps & SMFIP_HDR_LEADSPC;
	for (size_t i = 0; i < m->n; i++) {
		struct str value = m->v[i].value;
		if (!leadspace && value.n > 0 && value.p[0] == ' ')
			value = str_sub(value, 1, value.n);
		buf_reset(&s->packet);
		buf_adds(&s->packet, m->v[i].name);
		buf_addc(&s->packet, '\0');
		buf_adds(&s->packet, value);
		buf_addc(&s->packet, '\0');
		if (!step(s, r, SMFIC_HEADER, "header", buf_str(&s->packet), STR(""), SMFIP_NOHDRS,
			  SMFIP_NR_HDR, rc, e))
			return false;
	}
	return step(s, r, SMFIC_EOH, "eoh", STR(""), STR(""), SMFIP_NOEOH, SMFIP_NR_EOH, rc, e);
}

static bool
send_body(struct session *s, struct outcome *r, struct str body, int *rc, struct err *e)
{
	for (size_t at = 0; at < body.n;) {
		size_t most = rand_r(&s->seed) % 8 == 0 ? 65535 : 4096;
		size_t n = s->o->rate > 0 ? 65535 : 1 + (size_t)rand_r(&s->seed) % most;
		struct str chunk = str_sub(body, at, at + n);
		if (!step(s, r, SMFIC_BODY, "body", chunk, STR(""), SMFIP_NOBODY, SMFIP_NR_BODY, rc, e))
			return false;
		at += chunk.n;
	}
	return true;
}

/* 0 with *r filled, or -1: the protocol broke. */
static int
transact(struct session *s, const struct message *m, long number, struct outcome *r, struct err *e)
{
	int rc = 0;
	char command;
	struct str data;
	if (s->wire.fd >= 0 && s->sent >= s->o->per_connection)
		session_close(s);
	if (s->wire.fd < 0 && session_open(s, e) != 0)
		return -1;
	s->sent++;
	r->copy = (struct message){ .body = m->body };
	for (size_t i = 0; i < m->n; i++)
		field_insert(s->arena, &r->copy, i, m->v[i].name, m->v[i].value);
	if (!send_envelope(s, r, number, &rc, e) || !send_header(s, r, m, &rc, e) ||
	    !send_body(s, r, m->body, &rc, e)) {
		/* an MTA that was refused at RCPT ends the transaction */
		if (rc == 0 && strcmp(r->at, "rcpt") == 0)
			wire_put(&s->wire, SMFIC_ABORT, STR(""));
		return rc;
	}
	r->at = "eom";
	/* data inside this packet would get no answer under NR_BODY (libmilter 8.17) */
	rc = wire_step(&s->wire, SMFIC_BODYEOB, STR(""), STR("i\0004QUEUEID\0"), 0, 0, &command, &data, e);
	if (rc == 0)
		rc = end_of_message(s->arena, &s->wire, r, command, data, e);
	if (r->body_replaced)
		r->copy.body = buf_str(&r->body);
	return rc;
}

/* ---- one after another ---- */

static const char *
answer_name(char answer)
{
	switch (answer) {
	case SMFIR_ACCEPT:
		return "accept";
	case SMFIR_CONTINUE:
		return "continue";
	case SMFIR_DISCARD:
		return "discard";
	case SMFIR_REJECT:
		return "reject";
	case SMFIR_TEMPFAIL:
		return "tempfail";
	case SMFIR_REPLYCODE:
		return "reply";
	default:
		return "unexpected";
	}
}

static json_t *
keep(const struct options *o, long number, const char *what, const struct message *m)
{
	char path[4096];
	struct buf b = { 0 };
	snprintf(path, sizeof(path), "%s/%ld.%s.eml", o->outdir, number, what);
	FILE *f = fopen(path, "wb");
	message_write(m, &b);
	if (f == NULL || fwrite(b.p, 1, b.n, f) != b.n)
		perror(path);
	if (f != NULL)
		fclose(f);
	buf_free(&b);
	return json_string(path);
}

static void
tell(const struct options *o, const char *file, long number, const struct message *m, const struct outcome *r)
{
	json_t *text = json_stringn(r->text.p ? r->text.p : "",
				    r->text.n ? r->text.n - (r->text.p[r->text.n - 1] == '\0') : 0);
	json_t *line = json_pack("{s:s,s:s,s:s,s:o,s:I,s:b}", "file", file, "answer", answer_name(r->answer),
				 "at", r->at, "text", text ? text : json_string("(not UTF-8)"), "edits",
				 (json_int_t)r->edits, "body", r->body_replaced);
	if (o->outdir != NULL) {
		json_object_set_new(line, "sent", keep(o, number, "sent", m));
		if (r->answer == SMFIR_ACCEPT || r->answer == SMFIR_CONTINUE)
			json_object_set_new(line, "copy", keep(o, number, "copy", &r->copy));
	}
	json_dumpf(line, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(line);
}

static int
run_list(const struct options *o)
{
	struct session s = { .o = o, .arena = arena_new(1 << 16), .seed = o->seed, .wire.fd = -1 };
	struct outcome r = { 0 };
	struct err e;
	char line[4096];
	int status = 0;
	for (long number = 0; fgets(line, sizeof(line), stdin) != NULL; number++) {
		struct message m;
		struct buf body = r.body;
		line[strcspn(line, "\n")] = '\0';
		if (read_file(line, &s.body) != 0) {
			status = 1;
			continue;
		}
		arena_reset(s.arena);
		buf_reset(&body);
		r = (struct outcome){ .body = body };
		message_prepare(s.arena, o, buf_str(&s.body), number, &m);
		if (transact(&s, &m, number, &r, &e) == 0) {
			tell(o, line, number, &m, &r);
			continue;
		}
		fprintf(stderr, "milter-client: %s at %s: %s\n", line, r.at ? r.at : "connect", e.text);
		wire_close(&s.wire);
		status = 1;
	}
	session_close(&s);
	buf_free(&s.packet);
	buf_free(&s.body);
	buf_free(&r.body);
	arena_free(&s.arena);
	return status;
}

/* ---- as fast as it goes ---- */

struct rate {
	const struct options *o;
	char **files;
	size_t nfiles;
	struct buf *bytes;
	atomic_long next, failed, modified, refused;
};

static void *
rate_run(void *ctx)
{
	struct rate *rate = ctx;
	struct session s = { .o = rate->o, .arena = arena_new(1 << 20), .wire.fd = -1 };
	struct outcome r = { 0 };
	struct err e;
	long number;
	while ((number = atomic_fetch_add(&rate->next, 1)) < rate->o->rate) {
		struct message m;
		struct buf body = r.body;
		arena_reset(s.arena);
		buf_reset(&body);
		r = (struct outcome){ .body = body };
		message_prepare(s.arena, rate->o, buf_str(&rate->bytes[(size_t)number % rate->nfiles]),
				number, &m);
		if (transact(&s, &m, number, &r, &e) != 0) {
			if (atomic_fetch_add(&rate->failed, 1) == 0)
				fprintf(stderr, "milter-client: %s\n", e.text);
			wire_close(&s.wire);
			continue;
		}
		if (r.answer != SMFIR_ACCEPT && r.answer != SMFIR_CONTINUE)
			atomic_fetch_add(&rate->refused, 1);
		else if (r.body_replaced || r.edits > 0)
			atomic_fetch_add(&rate->modified, 1);
	}
	session_close(&s);
	buf_free(&s.packet);
	buf_free(&r.body);
	arena_free(&s.arena);
	return NULL;
}

static int
run_rate(const struct options *o, char **files, size_t n)
{
	struct rate rate = { .o = o, .files = files, .nfiles = n, .bytes = calloc(n, sizeof(struct buf)) };
	pthread_t *threads = calloc((size_t)o->connections, sizeof(*threads));
	int status = rate.bytes == NULL || threads == NULL;
	for (size_t i = 0; i < n && status == 0; i++)
		status = read_file(files[i], &rate.bytes[i]) != 0;
	int64_t begin = clock_mono_us();
	for (long i = 0; i < o->connections && status == 0; i++)
		pthread_create(&threads[i], NULL, rate_run, &rate);
	for (long i = 0; i < o->connections && status == 0; i++)
		pthread_join(threads[i], NULL);
	double seconds = (double)(clock_mono_us() - begin) / 1e6;
	if (status == 0)
		printf("%.0f messages/s: %ld messages, %ld connections, %.2f s, %ld changed, %ld refused, "
		       "%ld failed\n",
		       (double)o->rate / seconds, o->rate, o->connections, seconds,
		       atomic_load(&rate.modified), atomic_load(&rate.refused), atomic_load(&rate.failed));
	for (size_t i = 0; rate.bytes != NULL && i < n; i++)
		buf_free(&rate.bytes[i]);
	free(rate.bytes);
	free(threads);
	return status || atomic_load(&rate.failed) > 0;
}

int
main(int argc, char **argv)
{
	struct options o = { .from = "news@shop.example",
			     .to = "zoe@customers.example",
			     .client = "127.0.0.1",
			     .seed = 1,
			     .connections = 1,
			     .per_connection = 20 };
	int c;
	while ((c = getopt(argc, argv, "c:o:f:t:ia:bk:s:r:m:")) != -1) {
		switch (c) {
		case 'c':
			o.campaign = optarg;
			break;
		case 'o':
			o.outdir = optarg;
			break;
		case 'f':
			o.from = optarg;
			break;
		case 't':
			o.to = optarg;
			break;
		case 'i':
			o.own_id = true;
			break;
		case 'a':
			o.client = optarg;
			break;
		case 'b':
			o.basic = true;
			break;
		case 'k':
			o.per_connection = strtol(optarg, NULL, 10);
			break;
		case 's':
			o.seed = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'r':
			o.rate = strtol(optarg, NULL, 10);
			break;
		case 'm':
			o.connections = strtol(optarg, NULL, 10);
			break;
		default:
			optind = argc;
		}
	}
	o.socket = argv[optind];
	if (optind >= argc || o.connections < 1 || (o.rate > 0) != (optind + 1 < argc)) {
		fprintf(stderr, "usage: milter-client [-c CAMPAIGN] [-o DIR] [OPTIONS] SOCKET <LIST\n"
				"       milter-client -r MESSAGES -m CONNECTIONS [OPTIONS] SOCKET FILE…\n");
		return 64;
	}
	return o.rate > 0 ? run_rate(&o, argv + optind + 1, (size_t)(argc - optind - 1)) : run_list(&o);
}
