/* The audit log: what a record is, that every kind of tampering is seen, that processes take turns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "audit/audit.h"
#include "base/buf.h"

static char dir[] = "/tmp/test-audit.XXXXXX";
static char file[64];

static int
setup(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(file, sizeof file, "%s/" AUDIT_FILE, dir);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	unlink(file);
	return rmdir(dir);
}

static void
add(size_t n, const char *details)
{
	static const uint8_t rk[16] = { 0xab, 1, 2, 3 };
	struct audit_entry v[8];
	struct err e = { 0 };
	for (size_t i = 0; i < n; i++)
		v[i] = (struct audit_entry){ .action = AUDIT_SUPPRESSION_ADD,
					     .at_ms = INT64_C(1774828800000) + (int64_t)i,
					     .actor = STR("admin:root"),
					     .subject = i % 2 == 0 ? rk : NULL,
					     .details = str_of(details) };
	if (audit_append(dir, v, n, NULL, &e) != 0)
		fail_msg("%s", e.text);
}

static struct buf
slurp(void)
{
	struct buf b = { 0 };
	char bytes[4096];
	FILE *f = fopen(file, "re");
	assert_non_null(f);
	for (size_t n; (n = fread(bytes, 1, sizeof bytes, f)) > 0;)
		buf_add(&b, bytes, n);
	fclose(f);
	return b;
}

static void
spit(struct str s)
{
	FILE *f = fopen(file, "we");
	assert_non_null(f);
	assert_int_equal(fwrite(s.p, 1, s.n, f), s.n);
	assert_int_equal(fclose(f), 0);
}

static struct audit_report
verify(const struct audit_head *expect)
{
	struct audit_report r;
	struct err e = { 0 };
	if (audit_verify(dir, expect, NULL, NULL, &r, &e) != 0)
		fail_msg("%s", e.text);
	return r;
}

/* Begins afresh with five records; *line[i]: where they stand in *b. */
static struct buf
five(struct str line[5])
{
	unlink(file);
	add(2, "two");
	add(3, "three \"quoted\"\n\x01 and caf\xc3\xa9");
	struct buf b = slurp();
	struct str rest = buf_str(&b);
	for (int i = 0; i < 5; i++)
		assert_true(str_split(&rest, '\n', &line[i]));
	return b;
}

static void
records(void **state)
{
	(void)state;
	struct str line[5];
	struct audit_head h = { 0 };
	struct buf b = five(line);
	struct audit_report r = verify(NULL);
	assert_int_equal(r.bad_line, 0);
	assert_int_equal(r.head.seq, 5);
	assert_true(str_starts(line[0], STR("{\"seq\":1,\"prev\":\"000000")));
	assert_true(str_find(line[0], STR("\"subject\":\"ab010203000000000000000000000000\"")) < line[0].n);
	assert_true(str_find(line[1], STR("\"subject\":null,\"campaign\":null")) < line[1].n);
	assert_true(str_find(line[4], STR("three \\\"quoted\\\"\\n\\u0001 and caf\xc3\xa9")) < line[4].n);
	memset(h.hash, '0', AUDIT_HASH_HEX);
	for (int i = 0; i < 5; i++)
		assert_null(audit_line_check(line[i], &h));
	assert_string_equal(h.hash, r.head.hash);
	struct stat st;
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	buf_free(&b);
}

/* The file with lines in that order (-1: none). */
static void
rearranged(const struct str line[5], const int order[6])
{
	struct buf out = { 0 };
	for (int i = 0; i < 6; i++)
		if (order[i] >= 0) {
			buf_adds(&out, line[order[i]]);
			buf_addc(&out, '\n');
		}
	spit(buf_str(&out));
	buf_free(&out);
}

static void
moved_lines_are_seen(void **state)
{
	(void)state;
	static const struct {
		int order[6];
		uint64_t bad;
	} CASES[] = {
		{ { 0, 1, 2, 3, 4, -1 }, 0 }, { { 0, 1, 3, 4, -1, -1 }, 3 }, { { 1, 2, 3, 4, -1, -1 }, 1 },
		{ { 0, 2, 1, 3, 4, -1 }, 2 }, { { 0, 0, 1, 2, 3, 4 }, 2 },   { { 0, 1, 2, 3, 4, 4 }, 6 },
	};
	struct str line[5];
	struct buf b = five(line);
	for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
		rearranged(line, CASES[i].order);
		assert_int_equal(verify(NULL).bad_line, CASES[i].bad);
	}
	buf_free(&b);
}

static void
any_changed_byte_is_seen(void **state)
{
	(void)state;
	struct str line[5];
	struct buf b = five(line);
	for (size_t i = 0; i < b.n; i++) {
		char was = b.p[i];
		b.p[i] = was == 'x' ? 'y' : 'x';
		spit(buf_str(&b));
		b.p[i] = was;
		struct audit_report r = verify(NULL);
		if (r.bad_line == 0 && r.unfinished == 0)
			fail_msg("byte %zu was changed and nobody saw it", i);
	}
	buf_free(&b);
}

static void
a_cut_end_is_seen_by_who_knew_it(void **state)
{
	(void)state;
	struct str line[5];
	struct buf b = five(line);
	struct audit_head before = verify(NULL).head, wrong = before;
	assert_true(verify(&before).expected_found);
	rearranged(line, (const int[6]){ 0, 1, 2, -1, -1, -1 });
	assert_int_equal(verify(NULL).bad_line, 0);
	assert_false(verify(&before).expected_found);
	add(1, "later");
	add(1, "and later");
	assert_false(verify(&before).expected_found);
	wrong.seq = 4;
	assert_false(verify(&wrong).expected_found);
	buf_free(&b);
}

static void
a_line_that_a_crash_cut_is_passed_over(void **state)
{
	(void)state;
	struct str line[5];
	struct buf b = five(line);
	size_t four = (size_t)(line[4].p - b.p);
	for (size_t cut = four; cut <= b.n; cut += 7) {
		spit(str_sub(buf_str(&b), 0, cut));
		add(1, "after it");
		struct audit_report r = verify(NULL);
		if (r.bad_line)
			fail_msg("cut at %zu: line %d %s", cut - four, (int)r.bad_line, r.what);
		assert_int_equal(r.head.seq, cut >= b.n - 1 ? 6 : 5);
		assert_int_equal(r.unfinished, cut > four && cut < b.n - 1);
	}
	/* What is no record at the end is not built upon. */
	spit(STR("nonsense\n"));
	struct audit_entry en = { .action = AUDIT_KEY_ROTATE, .actor = STR("a") };
	struct err e = { 0 };
	assert_int_equal(audit_append(dir, &en, 1, NULL, &e), -1);
	assert_int_equal(e.kind, ERR_CORRUPT);
	assert_int_equal(verify(NULL).bad_line, 1);
	buf_free(&b);
}

static void
long_lines_and_no_file(void **state)
{
	(void)state;
	struct buf big = { 0 };
	struct audit_report r;
	struct err e = { 0 };
	for (int i = 0; i < 100000; i++)
		buf_addc(&big, i == 0 ? '{' : 'a');
	spit(buf_str(&big));
	assert_int_equal(verify(NULL).bad_line, 1);
	spit(STR(""));
	assert_int_equal(verify(NULL).head.seq, 0);
	add(1, buf_str(&big).p);
	assert_int_equal(verify(NULL).bad_line, 0);
	unlink(file);
	assert_int_equal(audit_verify(dir, NULL, NULL, NULL, &r, &e), -1);
	assert_int_equal(e.kind, ERR_MISSING);
	buf_free(&big);
}

static void
no_room_leaves_nothing_half(void **state)
{
	(void)state;
	struct str line[5];
	struct buf b = five(line);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct rlimit l = { b.n + 50, b.n + 50 };
		struct audit_entry en = { .action = AUDIT_KEY_ROTATE, .actor = STR("a") };
		struct err e = { 0 };
		signal(SIGXFSZ, SIG_IGN);
		setrlimit(RLIMIT_FSIZE, &l);
		_exit(audit_append(dir, &en, 1, NULL, &e) == -1 ? 0 : 1);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	struct buf after = slurp();
	assert_true(str_eq(buf_str(&after), buf_str(&b)));
	buf_free(&after);
	buf_free(&b);
}

#define WRITERS 4
#define EACH 50
static void
processes_take_turns(void **state)
{
	(void)state;
	pid_t pids[WRITERS];
	unlink(file);
	for (int i = 0; i < WRITERS; i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] == 0) {
			for (int k = 0; k < EACH; k++)
				add(1 + (size_t)k % 3, "one of many");
			_exit(0);
		}
	}
	for (int i = 0; i < WRITERS; i++) {
		int status;
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	struct audit_report r = verify(NULL);
	assert_int_equal(r.bad_line, 0);
	assert_int_equal(r.unfinished, 0);
	assert_int_equal(r.head.seq, WRITERS * (17 * 1 + 17 * 2 + 16 * 3));
}

static void
words(void **state)
{
	(void)state;
	struct audit_head h;
	for (int i = 0; i < AUDIT_ACTIONS; i++)
		assert_int_equal(audit_action_parse(str_of(audit_action_name((enum audit_action)i))), i);
	assert_int_equal(audit_action_parse(STR("key.eat")), -1);
	assert_int_equal(
	    audit_head_parse(STR("12:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"), &h),
	    0);
	assert_int_equal(h.seq, 12);
	assert_int_equal(audit_head_parse(STR("12:0123"), &h), -1);
	assert_int_equal(audit_head_parse(STR("0:"), &h), -1);
	assert_int_equal(audit_head_parse(STR(""), &h), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records),
		cmocka_unit_test(moved_lines_are_seen),
		cmocka_unit_test(any_changed_byte_is_seen),
		cmocka_unit_test(a_cut_end_is_seen_by_who_knew_it),
		cmocka_unit_test(a_line_that_a_crash_cut_is_passed_over),
		cmocka_unit_test(long_lines_and_no_file),
		cmocka_unit_test(no_room_leaves_nothing_half),
		cmocka_unit_test(processes_take_turns),
		cmocka_unit_test(words),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
