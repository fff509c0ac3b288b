/* A log that is rotated in every way, read to its end by one who sleeps, ends, or forgets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "feedback/logfile.h"
#include "feedback/logline.h"

struct fixture {
	char dir[64], log[128];
	struct err e;
	struct logfile *f;
	struct logfile_place place;
	int64_t clock; /* of files: a second later for each write */
};

static int
setup(void **state)
{
	struct fixture *x = calloc(1, sizeof *x);
	const char *tmp = getenv("TMPDIR");
	snprintf(x->dir, sizeof x->dir, "%s/mt-log-XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(x->dir));
	snprintf(x->log, sizeof x->log, "%s/mail.log", x->dir);
	x->clock = 1700000000;
	*state = x;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *x = *state;
	char path[512];
	logfile_close(&x->f);
	DIR *d = opendir(x->dir);
	for (struct dirent *n; (n = readdir(d));) {
		snprintf(path, sizeof path, "%s/%s", x->dir, n->d_name);
		unlink(path);
	}
	closedir(d);
	rmdir(x->dir);
	free(x);
	return 0;
}

static char *
beside(struct fixture *x, const char *name)
{
	static char path[2][256];
	static int i;
	i = !i;
	snprintf(path[i], sizeof path[i], "%s/%s", x->dir, name);
	return path[i];
}

static void
touch(struct fixture *x, const char *path)
{
	const struct timespec t[2] = { { .tv_sec = ++x->clock }, { .tv_sec = x->clock } };
	assert_int_equal(utimensat(AT_FDCWD, path, t, 0), 0);
}

/* Lines "N" from a to b, long enough that a few of them are more than what a place is known by. */
static void
write_lines(struct fixture *x, const char *name, int a, int b)
{
	FILE *f = fopen(beside(x, name), "a");
	assert_non_null(f);
	for (int i = a; i <= b; i++)
		fprintf(f, "%d %060d\n", i, i * 7);
	fclose(f);
	touch(x, beside(x, name));
}

static void
open_log(struct fixture *x, bool from)
{
	logfile_close(&x->f);
	x->f = logfile_open(x->log, from ? &x->place : NULL, true, &x->e);
	if (!x->f)
		fail_msg("%s", x->e.text);
}

/* The next lines are those from a to b, and no other. */
static void
expect_lines(struct fixture *x, int a, int b)
{
	struct str line;
	int r, n = a;
	for (int i = 0; i < 100000 && (r = logfile_line(x->f, &line, &x->e)) == 1; i++) {
		if (n > b || atoi(line.p) != n)
			fail_msg("line %.*s instead of %d (of %d to %d)", STR_ARG(line), n, a, b);
		n++;
	}
	if (r != 0)
		fail_msg("%s", x->e.text);
	assert_int_equal(n, b + 1);
	logfile_place(x->f, &x->place);
}

static void
rename_log(struct fixture *x, const char *to)
{
	assert_int_equal(rename(x->log, beside(x, to)), 0);
}

static void
compress_file(struct fixture *x, const char *name)
{
	char command[512];
	snprintf(command, sizeof command, "gzip %s", beside(x, name));
	assert_int_equal(system(command), 0);
}

static void
copy_and_cut(struct fixture *x, const char *to)
{
	char command[512];
	snprintf(command, sizeof command, "cp %s %s", x->log, beside(x, to));
	assert_int_equal(system(command), 0);
	touch(x, beside(x, to));
	assert_int_equal(truncate(x->log, 0), 0);
	touch(x, x->log);
}

static void
test_grows(void **state)
{
	struct fixture *x = *state;
	open_log(x, false); /* not there yet */
	expect_lines(x, 1, 0);
	for (int i = 1; i < 3000; i += 100) {
		write_lines(x, "mail.log", i, i + 99);
		expect_lines(x, i, i + 99);
	}
	/* a line without its end waits for it */
	FILE *f = fopen(x->log, "a");
	fputs("3001 a", f);
	fflush(f);
	expect_lines(x, 1, 0);
	open_log(x, true);
	expect_lines(x, 1, 0);
	fputs("b\n", f);
	fclose(f);
	expect_lines(x, 3001, 3001);
}

static void
test_rename(void **state)
{
	struct fixture *x = *state;
	for (int again = 0; again < 2; again++) { /* who was awake, and who begins anew */
		write_lines(x, "mail.log", 1, 10);
		open_log(x, false);
		expect_lines(x, 1, 10);
		write_lines(x, "mail.log", 11, 20);
		rename_log(x, "mail.log.1");
		write_lines(x, "mail.log.1", 21, 25); /* the daemon has not noticed */
		if (again)
			open_log(x, true);
		else
			expect_lines(x, 11, 25);
		write_lines(x, "mail.log", 26, 30);
		expect_lines(x, again ? 11 : 26, 30);
		assert_true(logfile_is_newest(x->f));
		write_lines(x, "mail.log", 31, 31);
		expect_lines(x, 31, 31);
		unlink(x->log);
		unlink(beside(x, "mail.log.1"));
	}
}

/* Several rotations while nobody looked: plain, compressed, dated. */
static void
test_many(void **state)
{
	static const char *const names[][3] = {
		{ "mail.log.3.gz", "mail.log.2.gz", "mail.log.1" },
		{ "mail.log-20261104.gz", "mail.log-20261105", "mail.log-20261106" },
		{ "mail-20261104.log.gz", "mail-20261105.log", "mail-20261106.log" },
		{ "mail.log.20261104-000000.gz", "mail.log.20261105-000000.gz",
		  "mail.log.20261106-000000.gz" },
	};
	struct fixture *x = *state;
	for (size_t k = 0; k < sizeof names / sizeof names[0] * 2; k++) {
		const char *const *n = names[k / 2];
		write_lines(x, "mail.log", 1, 500);
		open_log(x, false);
		expect_lines(x, 1, 500);
		for (int i = 0; i < 3; i++) {
			char plain[128];
			snprintf(plain, sizeof plain, "%s", n[i]);
			bool gz = str_ends(str_of(plain), STR(".gz"));
			if (gz)
				plain[strlen(plain) - 3] = '\0';
			write_lines(x, "mail.log", 500 + i * 10 + 1, 500 + i * 10 + 10);
			rename_log(x, plain);
			if (gz)
				compress_file(x, plain);
		}
		write_lines(x, "mail.log", 531, 540);
		write_lines(x, "mail.log.swp.xz", 1, 3); /* not for us */
		write_lines(x, "mail.err", 1, 3);
		if (k % 2)
			open_log(x, true);
		expect_lines(x, 501, 540);
		logfile_close(&x->f);
		for (int i = 0; i < 3; i++)
			unlink(beside(x, n[i]));
		unlink(x->log);
	}
}

static void
test_copytruncate(void **state)
{
	struct fixture *x = *state;
	for (int again = 0; again < 4; again++) {
		write_lines(x, "mail.log", 1, 100);
		open_log(x, false);
		expect_lines(x, 1, 100);
		write_lines(x, "mail.log", 101, 110);
		copy_and_cut(x, "mail.log.1");
		/* less than before, and more than before */
		write_lines(x, "mail.log", 111, again < 2 ? 120 : 999);
		if (again % 2)
			open_log(x, true);
		expect_lines(x, 101, again < 2 ? 120 : 999);
		unlink(x->log);
		unlink(beside(x, "mail.log.1"));
	}
}

/* The place is gone: what was written since is read; what is older is not. */
static void
test_lost(void **state)
{
	struct fixture *x = *state;
	write_lines(x, "mail.log.2", 1, 9);
	write_lines(x, "mail.log", 10, 19);
	open_log(x, false);
	expect_lines(x, 10, 19);
	unlink(x->log);
	write_lines(x, "mail.log.1", 20, 29);
	write_lines(x, "mail.log", 30, 39);
	open_log(x, true);
	expect_lines(x, 20, 39);
	/* cut off without a copy */
	assert_int_equal(truncate(x->log, 0), 0);
	expect_lines(x, 1, 0);
	write_lines(x, "mail.log", 40, 41);
	expect_lines(x, 40, 41);
}

/* Left while the log was empty, and rotated before anybody came back. */
static void
test_empty(void **state)
{
	struct fixture *x = *state;
	write_lines(x, "mail.log.2", 1, 9);
	write_lines(x, "mail.log", 1, 0);
	open_log(x, false);
	expect_lines(x, 1, 0);
	write_lines(x, "mail.log", 10, 12);
	rename_log(x, "mail.log.1");
	write_lines(x, "mail.log", 13, 15);
	open_log(x, true);
	expect_lines(x, 10, 15);
}

/* Another file under the number of the old one. */
static void
test_same_number(void **state)
{
	struct fixture *x = *state;
	write_lines(x, "mail.log", 1, 9);
	open_log(x, false);
	expect_lines(x, 1, 9);
	logfile_close(&x->f);
	FILE *f = fopen(x->log, "w"); /* the same inode */
	for (int i = 100; i <= 150; i++)
		fprintf(f, "%d other %060d\n", i, i);
	fclose(f);
	touch(x, x->log);
	open_log(x, true);
	expect_lines(x, 100, 150);
}

/* Too long a line is left out, and so is all of it when reading begins anew in its middle. */
static void
test_long(void **state)
{
	struct fixture *x = *state;
	FILE *f = fopen(x->log, "a");
	fputs("1\n", f);
	for (int i = 0; i < 3 * LOGLINE_MAX; i++)
		fputc(i % 100 == 99 ? '5' : ' ', f);
	fflush(f);
	open_log(x, false);
	expect_lines(x, 1, 1);
	open_log(x, true);
	expect_lines(x, 1, 0);
	fputs("666\n2\n", f);
	for (int i = 0; i < LOGLINE_MAX * 9; i++)
		fputc('\0', f);
	fputs("\n3\n", f);
	fflush(f);
	open_log(x, true);
	expect_lines(x, 2, 3);
	fclose(f);
}

static void
test_state(void **state)
{
	struct fixture *x = *state;
	struct buf b = { 0 };
	struct logfile_place p = { 0 };
	write_lines(x, "mail.log", 1, 9);
	open_log(x, false);
	expect_lines(x, 1, 9);
	logfile_place_write(&x->place, x->log, &b);
	assert_int_equal(logfile_place_read(buf_str(&b), x->log, &p, &x->e), 0);
	assert_memory_equal(&p, &x->place, sizeof p);
	assert_int_equal(logfile_place_read(buf_str(&b), "/other", &p, &x->e), -1);
	assert_int_equal(x->e.kind, ERR_CONFIG);
	for (size_t n = 0; n + 2 < b.n; n++) {
		assert_int_equal(logfile_place_read(str_make(b.p, n), x->log, &p, &x->e), -1);
		assert_int_equal(x->e.kind, ERR_CORRUPT);
	}
	buf_free(&b);
	/* no log, no file, a pipe */
	assert_null(logfile_open(beside(x, "none"), NULL, false, &x->e));
	assert_int_equal(x->e.kind, ERR_MISSING);
	assert_null(logfile_open(x->dir, NULL, true, &x->e));
	assert_int_equal(x->e.kind, ERR_IO);
	assert_int_equal(mkfifo(beside(x, "pipe"), 0600), 0);
	assert_null(logfile_open(beside(x, "pipe"), NULL, true, &x->e));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		T(test_grows),	     T(test_rename), T(test_many),  T(test_copytruncate), T(test_lost),
		T(test_same_number), T(test_long),   T(test_state), T(test_empty),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
