/* What libmilter sees of a connection, and how much of it reaches the system. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "milter/wire.h"

struct fixture {
	int listener, mta, fd; /* fd is the milter's end */
	struct sockaddr_un address;
};

static int
mta_connect(const struct fixture *x)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)&x->address, sizeof(x->address)), 0);
	return fd;
}

static int
setup(void **state)
{
	struct fixture *x = calloc(1, sizeof(*x));
	char dir[64];
	const char *tmp = getenv("TMPDIR");
	snprintf(dir, sizeof(dir), "%s/mt-wire-XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(dir));
	x->address.sun_family = AF_UNIX;
	snprintf(x->address.sun_path, sizeof(x->address.sun_path), "%s/s", dir);
	x->listener = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(x->listener, (struct sockaddr *)&x->address, sizeof(x->address)), 0);
	assert_int_equal(listen(x->listener, 5), 0);
	x->mta = mta_connect(x);
	x->fd = wire_accept(x->listener, NULL, NULL);
	assert_true(x->fd >= 0);
	*state = x;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *x = *state;
	unlink(x->address.sun_path);
	*strrchr(x->address.sun_path, '/') = '\0';
	rmdir(x->address.sun_path);
	close(x->listener);
	close(x->mta);
	if (x->fd >= 0)
		wire_close(x->fd);
	free(x);
	return 0;
}

/* What libmilter asks before it reads or writes. */
static bool
ready(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };
	int n = wire_poll(&p, 1, 1);
	assert_true(n == 0 || (n == 1 && (p.revents & events) && !(p.revents & POLLNVAL)));
	return n == 1;
}

static void
mta_sends(const struct fixture *x, const void *p, size_t n)
{
	assert_int_equal(send(x->mta, p, n, 0), n);
}

/* The kernel has nothing left of what the MTA sent. */
static bool
drained(int fd)
{
	char c;
	return recv(fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

static void
read_is(int fd, const char *want)
{
	char got[64];
	size_t n = strlen(want);
	assert_true(ready(fd, POLLIN));
	assert_int_equal(wire_read(fd, got, n), n);
	assert_memory_equal(got, want, n);
}

/* Many packets are one call of the system, and each comes out as it went in. */
static void
test_ahead(void **state)
{
	struct fixture *x = *state;
	assert_false(ready(x->fd, POLLIN));
	mta_sends(x, "abcdefgh", 8);
	assert_true(ready(x->fd, POLLIN));
	assert_true(drained(x->fd));
	read_is(x->fd, "abc");
	mta_sends(x, "ijk", 3);
	read_is(x->fd, "de");
	read_is(x->fd, "fghij"); /* over the end of what was read ahead */
	assert_true(drained(x->fd));
	read_is(x->fd, "k");
	assert_false(ready(x->fd, POLLIN));
	/* less than was asked for is what a read gives, too */
	char got[8];
	mta_sends(x, "lm", 2);
	assert_true(ready(x->fd, POLLIN));
	assert_int_equal(wire_read(x->fd, got, sizeof(got)), 2);
	assert_memory_equal(got, "lm", 2);
}

/* A body is far longer than what is read ahead. */
static void
test_long(void **state)
{
	struct fixture *x = *state;
	size_t n = (size_t)9 * WIRE_BUFFER + 17, got = 0, rest;
	char *sent = malloc(n), *read_back = malloc(n);
	for (size_t i = 0; i < n; i++)
		sent[i] = (char)(i * 2654435761u >> 13);
	mta_sends(x, sent, n);
	for (size_t step = 5; got < n; step = step * 3 % 70001) {
		assert_true(ready(x->fd, POLLIN));
		rest = n - got < step ? n - got : step;
		ssize_t r = wire_read(x->fd, read_back + got, rest);
		assert_true(r > 0 && (size_t)r <= rest);
		got += (size_t)r;
	}
	assert_memory_equal(sent, read_back, n);
	assert_false(ready(x->fd, POLLIN));
	free(sent);
	free(read_back);
}

static void
test_end(void **state)
{
	struct fixture *x = *state;
	char got[8];
	mta_sends(x, "abc", 3);
	shutdown(x->mta, SHUT_WR);
	read_is(x->fd, "a");
	assert_true(ready(x->fd, POLLIN));
	assert_int_equal(wire_read(x->fd, got, sizeof(got)), 2);
	assert_true(ready(x->fd, POLLIN));
	assert_int_equal(wire_read(x->fd, got, sizeof(got)), 0);
	assert_true(ready(x->fd, POLLIN));
	assert_int_equal(wire_read(x->fd, got, sizeof(got)), 0);
}

/* Another connection gets the same number: nothing of the former one may reach it. */
static void
test_number_again(void **state)
{
	struct fixture *x = *state;
	int before = x->fd, second = mta_connect(x);
	mta_sends(x, "of the former", 13);
	read_is(x->fd, "of ");
	assert_int_equal(wire_close(x->fd), 0);
	x->fd = wire_accept(x->listener, NULL, NULL);
	assert_int_equal(x->fd, before);
	assert_false(ready(x->fd, POLLIN));
	assert_int_equal(send(second, "new", 3, 0), 3);
	read_is(x->fd, "new");
	close(second);
}

static void
put(int fd, const char *head, const char *text, size_t n)
{
	struct iovec v[2] = { { (void *)(uintptr_t)head, strlen(head) }, { (void *)(uintptr_t)text, n } };
	assert_true(ready(fd, POLLOUT));
	assert_int_equal(wire_writev(fd, v, text != NULL ? 2 : 1), strlen(head) + n);
}

static void
mta_gets(const struct fixture *x, const char *want)
{
	char got[256];
	assert_int_equal(recv(x->mta, got, sizeof(got), MSG_DONTWAIT), strlen(want));
	assert_memory_equal(got, want, strlen(want));
}

/* In order, whole, and when it was promised. */
static void
test_cork(void **state)
{
	struct fixture *x = *state;
	mta_sends(x, "E", 1);
	read_is(x->fd, "E");
	put(x->fd, "1", NULL, 0);
	mta_gets(x, "1");
	wire_cork();
	put(x->fd, "2", "two", 3);
	put(x->fd, "3", "three", 5);
	assert_true(drained(x->mta));
	assert_int_equal(wire_uncork(), 0);
	mta_gets(x, "2two3three");
	put(x->fd, "4", NULL, 0);
	mta_gets(x, "4");
	assert_int_equal(wire_uncork(), 0);
	assert_true(drained(x->mta));
}

/* What does not fit comes behind what was kept back, and before what follows. */
static void
test_cork_long(void **state)
{
	struct fixture *x = *state;
	size_t n = 3 * WIRE_BUFFER, got = 0;
	char *body = malloc(n), *all = malloc(4 * n);
	memset(body, 'b', n);
	mta_sends(x, "E", 1);
	read_is(x->fd, "E");
	wire_cork();
	put(x->fd, "1", "one", 3);
	put(x->fd, "2", body, n);
	put(x->fd, "3", body, WIRE_BUFFER - 1);
	put(x->fd, "4", body, 10);
	assert_int_equal(wire_uncork(), 0);
	for (ssize_t r; (r = recv(x->mta, all + got, 4 * n - got, MSG_DONTWAIT)) > 0;)
		got += (size_t)r;
	assert_int_equal(got, 4 + 1 + n + WIRE_BUFFER + 11);
	assert_memory_equal(all, "1one2b", 6);
	assert_int_equal(all[4 + n], 'b');
	assert_int_equal(all[5 + n], '3');
	assert_int_equal(all[5 + n + WIRE_BUFFER], '4');
	free(body);
	free(all);
}

static void
test_mta_gone(void **state)
{
	struct fixture *x = *state;
	mta_sends(x, "E", 1);
	read_is(x->fd, "E");
	wire_cork();
	put(x->fd, "1", NULL, 0);
	shutdown(x->mta, SHUT_RDWR);
	close(x->mta);
	assert_int_equal(wire_uncork(), -1);
}

/* An MTA that reads nothing and stays: it is given up, whatever errno was before. */
static void
test_mta_stuck(void **state)
{
	struct fixture *x = *state;
	const int patience = wire_write_timeout_ms;
	size_t n = WIRE_BUFFER / 2;
	char *body = calloc(1, n);
	ssize_t put_last = 0;
	mta_sends(x, "E", 1);
	read_is(x->fd, "E");
	wire_write_timeout_ms = 20;
	wire_cork();
	for (int i = 0; i < 10000 && put_last >= 0; i++) {
		errno = EAGAIN;
		put_last = wire_writev(x->fd, &(struct iovec){ body, n }, 1);
	}
	assert_int_equal(put_last, -1);
	assert_int_equal(errno, ETIMEDOUT);
	wire_write_timeout_ms = patience;
	free(body);
}

/* The names that a distribution's build of libmilter may call instead. */
static void
test_checked(void **state)
{
	struct fixture *x = *state;
	char got[8];
	struct pollfd p = { .fd = x->fd, .events = POLLIN };
	mta_sends(x, "abcd", 4);
	assert_int_equal(wire_poll_chk(&p, 1, 1000, sizeof(p)), 1);
	assert_true(drained(x->fd));
	assert_int_equal(wire_read_chk(x->fd, got, 3, sizeof(got)), 3);
	assert_memory_equal(got, "abc", 3);
	read_is(x->fd, "d");
}

/* A connection that is not known (no memory, or a high number) is read by a thread that read another before:
 * what is corked then is not the other one, which has another thread by now. */
static void
test_unknown_is_not_the_last(void **state)
{
	struct fixture *x = *state;
	struct iovec v = { (void *)(uintptr_t) "a", 1 };
	int pair[2];
	char c;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(write(x->mta, "x", 1), 1);
	assert_int_equal(wire_read(x->fd, &c, 1), 1);
	assert_int_equal(write(pair[1], "y", 1), 1);
	assert_int_equal(wire_read(pair[0], &c, 1), 1);
	wire_cork();
	assert_int_equal(wire_writev(x->fd, &v, 1), 1);
	assert_int_equal(recv(x->mta, &c, 1, MSG_DONTWAIT), 1);
	assert_int_equal(wire_uncork(), 0);
	close(pair[0]);
	close(pair[1]);
}

/* Descriptors that are no connection: libmilter's pipe, and many at once. */
static void
test_others(void **state)
{
	struct fixture *x = *state;
	int p[2];
	char c;
	assert_int_equal(pipe(p), 0);
	assert_false(ready(p[0], POLLIN));
	assert_int_equal(wire_writev(p[1], &(struct iovec){ "Z", 1 }, 1), 1);
	struct pollfd both[2] = { { .fd = p[0], .events = POLLIN }, { .fd = x->fd, .events = POLLIN } };
	assert_int_equal(wire_poll(both, 2, 1000), 1);
	assert_int_equal(both[0].revents, POLLIN);
	assert_int_equal(wire_read(p[0], &c, 1), 1);
	mta_sends(x, "E", 1);
	assert_int_equal(wire_poll(both, 2, 1000), 1);
	assert_int_equal(both[1].revents, POLLIN);
	assert_int_equal(wire_close(p[0]), 0);
	assert_int_equal(wire_close(p[1]), 0);
	assert_int_equal(wire_close(p[1]), -1);
	assert_int_equal(errno, EBADF);
}

/* Milliseconds that a thread waits for a packet that does not come; the least of some, on a busy machine. */
static int64_t
patience(const struct fixture *x)
{
	int64_t least = INT64_MAX;
	for (int i = 0; i < 5; i++) {
		const int64_t begun = clock_mono_us();
		assert_false(ready(x->fd, POLLIN));
		const int64_t took = clock_mono_us() - begun;
		least = took < least ? took : least;
	}
	return least / 1000;
}

/* Many may be due, and no thread but that of a busy session there. */
static void
test_patient_only_while_none_is_due(void **state)
{
	struct fixture *x = *state;
	enum { PATIENT = 45, NOT = 25 };
	assert_false(ready(x->fd, POLLIN));
	assert_true(patience(x) >= PATIENT);
	int mta = mta_connect(x), fd = wire_accept(x->listener, NULL, NULL);
	assert_true(patience(x) < NOT);
	assert_false(ready(fd, POLLIN));
	assert_true(patience(x) >= PATIENT);
	struct pollfd both[2] = { { .fd = fd, .events = POLLIN }, { .fd = x->fd, .events = POLLIN } };
	assert_int_equal(send(mta, "A", 1, 0), 1);
	assert_int_equal(wire_poll(both, 2, 1000), 1);
	assert_true(patience(x) < NOT);
	assert_int_equal(wire_close(fd), 0);
	assert_true(patience(x) >= PATIENT);
	close(mta);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		T(test_ahead),
		T(test_long),
		T(test_end),
		T(test_number_again),
		T(test_cork),
		T(test_cork_long),
		T(test_mta_gone),
		T(test_mta_stuck),
		T(test_checked),
		T(test_others),
		T(test_unknown_is_not_the_last),
		T(test_patient_only_while_none_is_due),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
