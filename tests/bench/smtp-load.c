/*
 * smtp-load: N SMTP sessions that submit campaign mail as fast as the server takes it.
 *
 *     smtp-load -p PORT -m MESSAGE -r RECIPIENTS [-k RCPTS] [-s SESSIONS] [-n COUNT] [-o FIRST] [-t TAG]
 *
 * Each session keeps its connection and sends one message per transaction to one recipient (or to RCPTS that
 * follow one another; @TO@ is the first), as marketing systems do, without pipelining. In MESSAGE (CRLF
 * lines, no line that begins with a dot) @TO@, @ID@ and
 * @BOUNDARY@ are replaced, so that no two messages are alike. RECIPIENTS has one address a line and is gone
 * through from number FIRST on. Prints one line of JSON: when it began (CLOCK_MONOTONIC) and ended, how many
 * messages were taken, and latency from MAIL to the answer to the final dot.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"

struct load {
	int port;
	const char *tag; /* makes ids differ from those of other runs */
	struct str message;
	struct str *recipients;
	size_t nrecipients;
	int64_t count, first, rcpts;
	atomic_llong next; /* which message a session takes now */
	int64_t *latency_us;
	atomic_llong refused;
};

struct session {
	struct load *load;
	pthread_t thread;
	int fd;
	char line[1024]; /* what the server said last */
	size_t got;
	struct buf out;
};

static void
die(const char *what)
{
	fprintf(stderr, "smtp-load: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* ---- input ---- */

static struct str
file_read(const char *path)
{
	struct buf b = { 0 };
	char block[65536];
	size_t n;
	FILE *f = fopen(path, "rb");
	if (f == NULL)
		die(path);
	while ((n = fread(block, 1, sizeof block, f)) > 0)
		buf_add(&b, block, n);
	fclose(f);
	return buf_str(&b);
}

static void
recipients_read(struct load *l, const char *path)
{
	struct str rest = file_read(path), line;
	size_t cap = 0;
	while (str_split(&rest, '\n', &line)) {
		line = str_trim(line);
		if (line.n == 0)
			continue;
		if (l->nrecipients == cap) {
			cap = cap ? cap * 2 : 1024;
			l->recipients = realloc(l->recipients, cap * sizeof *l->recipients);
			if (l->recipients == NULL)
				die("memory");
		}
		l->recipients[l->nrecipients++] = line;
	}
	if (l->nrecipients == 0) {
		fprintf(stderr, "smtp-load: %s names nobody\n", path);
		exit(1);
	}
}

/* Appends the message with its three placeholders filled in, and the final dot. */
static void
message_write(struct buf *out, const struct load *l, struct str to, int64_t number)
{
	struct str rest = l->message;
	for (size_t at; (at = str_find_char(rest, '@')) < rest.n;) {
		buf_adds(out, str_sub(rest, 0, at));
		rest = str_sub(rest, at, rest.n);
		size_t skip = 1;
		if (str_starts(rest, STR("@TO@"))) {
			buf_adds(out, to);
			skip = 4;
		} else if (str_starts(rest, STR("@ID@"))) {
			buf_printf(out, "%s.%lld", l->tag, (long long)number);
			skip = 4;
		} else if (str_starts(rest, STR("@BOUNDARY@"))) {
			buf_printf(out, "=_%s_%lld_part", l->tag, (long long)number);
			skip = 10;
		} else {
			buf_addc(out, '@');
		}
		rest = str_sub(rest, skip, rest.n);
	}
	buf_adds(out, rest);
	buf_adds(out, STR(".\r\n"));
}

/* ---- SMTP ---- */

static void
server_connect(struct session *s)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)s->load->port) };
	int one = 1;
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (s->fd < 0 || connect(s->fd, (struct sockaddr *)&to, sizeof to) != 0)
		die("connect");
	if (setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) != 0)
		die("TCP_NODELAY");
}

/* Length of a whole answer in line (its last line has a space behind the code), or 0. */
static size_t
answer_length(const struct session *s)
{
	size_t start = 0;
	for (size_t i = 0; i < s->got; i++) {
		if (s->line[i] != '\n')
			continue;
		if (i - start >= 4 && s->line[start + 3] == ' ')
			return i + 1;
		start = i + 1;
	}
	return 0;
}

/* The code of the next answer. The server speaks only when asked, so nothing may follow it. */
static int
answer_read(struct session *s)
{
	s->got = 0;
	while (answer_length(s) == 0) {
		if (s->got == sizeof s->line - 1) {
			errno = EMSGSIZE;
			die("answer");
		}
		ssize_t n = read(s->fd, s->line + s->got, sizeof s->line - 1 - s->got);
		if (n == 0)
			errno = ECONNRESET;
		if (n <= 0)
			die("read");
		s->got += (size_t)n;
	}
	s->line[s->got] = '\0';
	return atoi(s->line);
}

static int
send_all(struct session *s)
{
	for (size_t at = 0; at < s->out.n;) {
		ssize_t n = write(s->fd, s->out.p + at, s->out.n - at);
		if (n < 0)
			die("write");
		at += (size_t)n;
	}
	buf_reset(&s->out);
	return answer_read(s);
}

static int
command(struct session *s, const char *verb, struct str arg, const char *end)
{
	buf_printf(&s->out, "%s%.*s%s\r\n", verb, STR_ARG(arg), end);
	return send_all(s);
}

static struct str
recipient(const struct load *l, int64_t number, int64_t i)
{
	return l->recipients[(size_t)(l->first + number * l->rcpts + i) % l->nrecipients];
}

static bool
transaction(struct session *s, int64_t number)
{
	const struct load *l = s->load;
	bool taken = command(s, "MAIL FROM:<", STR("news@shop.example"), ">") == 250;
	for (int64_t i = 0; i < l->rcpts && taken; i++)
		taken = command(s, "RCPT TO:<", recipient(l, number, i), ">") == 250;
	taken = taken && command(s, "DATA", STR(""), "") == 354;
	if (taken) {
		message_write(&s->out, l, recipient(l, number, 0), l->first + number);
		taken = send_all(s) == 250;
	}
	if (!taken) {
		if (atomic_fetch_add(&s->load->refused, 1) == 0)
			fprintf(stderr, "smtp-load: refused: %s", s->line);
		command(s, "RSET", STR(""), "");
	}
	return taken;
}

static void *
session_main(void *arg)
{
	struct session *s = arg;
	struct load *l = s->load;
	for (int64_t i; (i = atomic_fetch_add(&l->next, 1)) < l->count;) {
		int64_t from = clock_mono_us();
		transaction(s, i);
		l->latency_us[i] = clock_mono_us() - from;
	}
	return NULL;
}

/* ---- main ---- */

static int
by_size(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return x < y ? -1 : x > y;
}

static void
run(struct load *l, size_t sessions)
{
	struct session *s = calloc(sessions, sizeof *s);
	l->latency_us = calloc((size_t)l->count, sizeof *l->latency_us);
	if (s == NULL || l->latency_us == NULL)
		die("memory");
	for (size_t i = 0; i < sessions; i++) {
		s[i].load = l;
		server_connect(&s[i]);
		if (answer_read(&s[i]) != 220 || command(&s[i], "EHLO ", STR("bench.example"), "") != 250) {
			fprintf(stderr, "smtp-load: no welcome: %s", s[i].line);
			exit(1);
		}
	}
	int64_t from = clock_mono_us();
	for (size_t i = 0; i < sessions; i++)
		if (pthread_create(&s[i].thread, NULL, session_main, &s[i]) != 0)
			die("thread");
	for (size_t i = 0; i < sessions; i++)
		pthread_join(s[i].thread, NULL);
	int64_t to = clock_mono_us();
	for (size_t i = 0; i < sessions; i++) {
		command(&s[i], "QUIT", STR(""), "");
		close(s[i].fd);
		buf_free(&s[i].out);
	}
	qsort(l->latency_us, (size_t)l->count, sizeof *l->latency_us, by_size);
	printf("{\"start_us\": %lld, \"end_us\": %lld, \"sent\": %lld, \"refused\": %lld, \"p50_us\": %lld, "
	       "\"p99_us\": %lld}\n",
	       (long long)from, (long long)to, (long long)l->count, (long long)l->refused,
	       (long long)l->latency_us[l->count / 2], (long long)l->latency_us[l->count * 99 / 100]);
	free(s);
	free(l->latency_us);
}

int
main(int argc, char **argv)
{
	struct load l = { .count = 100, .rcpts = 1, .tag = "load" };
	const char *message = NULL, *recipients = NULL;
	size_t sessions = 1;
	for (int c; (c = getopt(argc, argv, "p:m:r:k:s:n:o:t:")) != -1;) {
		switch (c) {
		case 'p':
			l.port = atoi(optarg);
			break;
		case 'm':
			message = optarg;
			break;
		case 'r':
			recipients = optarg;
			break;
		case 'k':
			l.rcpts = atoll(optarg);
			break;
		case 's':
			sessions = (size_t)atoll(optarg);
			break;
		case 'n':
			l.count = atoll(optarg);
			break;
		case 'o':
			l.first = atoll(optarg);
			break;
		case 't':
			l.tag = optarg;
			break;
		default:
			return 64;
		}
	}
	if (l.port <= 0 || message == NULL || recipients == NULL || l.count <= 0 || l.rcpts <= 0 ||
	    sessions == 0) {
		fprintf(stderr, "usage: smtp-load -p PORT -m MESSAGE -r RECIPIENTS [-k RCPTS] [-s SESSIONS] "
				"[-n COUNT] [-o FIRST] [-t TAG]\n");
		return 64;
	}
	l.message = file_read(message);
	recipients_read(&l, recipients);
	run(&l, sessions);
	return l.refused ? 1 : 0;
}
