/*
 * http-paced: GETs at a rate that is given, over connections that stay open, and how long each answer took.
 * The clock of a request starts when it was due, not when a connection was free for it: an endpoint that
 * stalls is charged for all that had to wait. Paths come from the first column of a file, in turns. Prints
 * JSON.
 *
 *     http-paced -p PORT -f PATHS -r PER_SECOND [-d SECONDS] [-c CONNECTIONS] [-k COLUMN]
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_CONNECTIONS 512
#define ANSWER ((size_t)8192)

struct connection {
	int fd;
	bool busy;
	int64_t due_us;
	size_t have;
	char bytes[ANSWER + 1];
};

static struct {
	int port, column;
	double rate, seconds;
	int connections;
	char **paths;
	size_t npaths, next;
	struct connection *all;
	int epoll;
	uint32_t *took_us;
	size_t ntook, due;
	int64_t start_us;
	uint64_t refused; /* answers that are neither 200 nor 302 */
} run = { .seconds = 5, .connections = 64, .column = 1 };

static int64_t
now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000) + t.tv_nsec / 1000;
}

__attribute__((noreturn)) static void
fail(const char *what)
{
	fprintf(stderr, "http-paced: %s: %s\n", what, errno ? strerror(errno) : "");
	exit(1);
}

static void
paths_read(const char *file)
{
	char *line = NULL;
	size_t cap = 0, room = 0;
	FILE *f = fopen(file, "re");
	if (f == NULL)
		fail(file);
	while (getline(&line, &cap, f) > 0) {
		char *save, *word = strtok_r(line, " \n", &save);
		for (int i = 1; i < run.column && word != NULL; i++)
			word = strtok_r(NULL, " \n", &save);
		if (word == NULL)
			continue;
		if (run.npaths == room)
			run.paths = realloc(run.paths, (room = room ? room * 2 : 1024) * sizeof(char *));
		if (run.paths == NULL || (run.paths[run.npaths++] = strdup(word)) == NULL)
			fail("memory");
	}
	free(line);
	fclose(f);
	if (run.npaths == 0)
		fail("no paths");
}

static void
connection_open(struct connection *c)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)run.port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = c };
	int on = 1;
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&to, sizeof(to)) != 0)
		fail("connect");
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (epoll_ctl(run.epoll, EPOLL_CTL_ADD, c->fd, &ev) != 0)
		fail("epoll");
}

static void
connect_all(void)
{
	run.epoll = epoll_create1(EPOLL_CLOEXEC);
	run.all = calloc((size_t)run.connections, sizeof(*run.all));
	if (run.all == NULL)
		fail("memory");
	for (int i = 0; i < run.connections; i++)
		connection_open(&run.all[i]);
}

static void
ask(struct connection *c, int64_t due_us)
{
	char request[12288];
	int n =
	    snprintf(request, sizeof(request),
		     "GET %s HTTP/1.1\r\nHost: t.example\r\nUser-Agent: Mozilla/5.0 (Windows NT 10.0; Win64; "
		     "x64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n\r\n",
		     run.paths[run.next++ % run.npaths]);
	c->busy = true;
	c->due_us = due_us;
	c->have = 0;
	if (write(c->fd, request, (size_t)n) != n)
		fail("write");
}

/* The whole answer is there: its head, and as much as Content-Length says. */
static bool
complete(const struct connection *c)
{
	const char *end = strstr(c->bytes, "\r\n\r\n"), *length = strcasestr(c->bytes, "\r\nContent-Length:");
	if (end == NULL)
		return false;
	size_t body = length != NULL && length < end ? strtoul(length + 17, NULL, 10) : 0;
	return c->have >= (size_t)(end + 4 - c->bytes) + body;
}

static void
answer(struct connection *c)
{
	ssize_t n = read(c->fd, c->bytes + c->have, ANSWER - c->have);
	if (n == 0 && !c->busy) { /* it was idle for too long */
		close(c->fd);
		connection_open(c);
		return;
	}
	if (n <= 0)
		fail("an answer broke off");
	c->have += (size_t)n;
	c->bytes[c->have] = '\0';
	if (!complete(c))
		return;
	if (strncmp(c->bytes + 8, " 200", 4) != 0 && strncmp(c->bytes + 8, " 302", 4) != 0)
		run.refused++;
	run.took_us[run.ntook++] = (uint32_t)(now_us() - c->due_us);
	c->busy = false;
}

/* Sends what is due on connections that are free; how long until the next is due. */
static int
send_due(size_t total)
{
	int64_t now = now_us();
	static int last; /* all of them in turns */
	for (int k = 0; k < run.connections && run.due < total; k++) {
		int i = last = (last + 1) % run.connections;
		int64_t due = run.start_us + (int64_t)((double)run.due * 1e6 / run.rate);
		if (due > now)
			return (int)((due - now) / 1000);
		if (run.all[i].busy)
			continue;
		ask(&run.all[i], due);
		run.due++;
	}
	return run.due < total ? 1 : 100;
}

static int
by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return x < y ? -1 : x > y;
}

static double
quantile_ms(double q)
{
	return run.took_us[(size_t)(q * (double)(run.ntook - 1))] / 1e3;
}

static void
pace(void)
{
	size_t total = (size_t)(run.rate * run.seconds);
	struct epoll_event ready[MAX_CONNECTIONS];
	run.took_us = calloc(total + 1, sizeof(*run.took_us));
	if (run.took_us == NULL || total == 0)
		fail("memory");
	run.start_us = now_us();
	while (run.ntook < total) {
		int wait = send_due(total);
		int n = epoll_wait(run.epoll, ready, MAX_CONNECTIONS, wait);
		for (int i = 0; i < n; i++)
			answer(ready[i].data.ptr);
	}
	double took_s = (double)(now_us() - run.start_us) / 1e6;
	qsort(run.took_us, run.ntook, sizeof(*run.took_us), by_size);
	printf("{\"requests\":%zu,\"per_s\":%.0f,\"refused\":%llu,\"p50_ms\":%.2f,\"p99_ms\":%.2f,\"max_ms\":"
	       "%.2f}\n",
	       run.ntook, (double)run.ntook / took_s, (unsigned long long)run.refused, quantile_ms(0.5),
	       quantile_ms(0.99), quantile_ms(1));
}

int
main(int argc, char **argv)
{
	const char *file = NULL;
	int c;
	while ((c = getopt(argc, argv, "p:f:r:d:c:k:")) != -1)
		switch (c) {
		case 'p':
			run.port = atoi(optarg);
			break;
		case 'f':
			file = optarg;
			break;
		case 'r':
			run.rate = atof(optarg);
			break;
		case 'd':
			run.seconds = atof(optarg);
			break;
		case 'c':
			run.connections = atoi(optarg);
			break;
		case 'k':
			run.column = atoi(optarg);
			break;
		default:
			return 64;
		}
	if (file == NULL || run.port <= 0 || run.rate <= 0 || run.connections < 1 ||
	    run.connections > MAX_CONNECTIONS) {
		fputs("usage: http-paced -p PORT -f PATHS -r PER_SECOND [-d SECONDS] [-c CONNECTIONS] [-k "
		      "COLUMN]\n",
		      stderr);
		return 64;
	}
	paths_read(file);
	connect_all();
	pace();
	return 0;
}
