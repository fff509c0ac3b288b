/* file_replace: the new file whole, or the old one as it was and nothing beside it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"

static char directory[] = "/tmp/test-file-XXXXXX";
static char path[64];

static int
make(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/file", directory);
	umask(022);
	return 0;
}

static int
take_away(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(directory);
}

static size_t
names(void)
{
	size_t n = 0;
	DIR *d = opendir(directory);
	assert_non_null(d);
	for (struct dirent *entry; (entry = readdir(d));)
		n += entry->d_name[0] != '.';
	closedir(d);
	return n;
}

static void
holds(const char *want)
{
	char got[64];
	int fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	ssize_t n = read(fd, got, sizeof(got));
	close(fd);
	assert_int_equal(n, strlen(want));
	assert_memory_equal(got, want, strlen(want));
}

static struct stat
status(void)
{
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	return st;
}

static void
fresh(void **state)
{
	(void)state;
	assert_int_equal(file_replace(path, STR("one"), FILE_PUBLIC, NULL), 0);
	assert_int_equal(status().st_mode & 07777, 0644);
	unlink(path);
	assert_int_equal(file_replace(path, STR("two"), FILE_PRIVATE, NULL), 0);
	assert_int_equal(status().st_mode & 07777, 0600);
	holds("two");
	assert_int_equal(names(), 1);
}

/* Another file under the name, and who reads the old one reads on in it. */
static void
kept(void **state)
{
	char old[4] = { 0 };
	(void)state;
	assert_int_equal(file_replace(path, STR("old"), FILE_PUBLIC, NULL), 0);
	assert_int_equal(chmod(path, 0640), 0);
	ino_t before = status().st_ino;
	int fd = open(path, O_RDONLY);
	assert_int_equal(file_replace(path, STR("newer"), FILE_PUBLIC, NULL), 0);
	assert_true(status().st_ino != before);
	assert_int_equal(status().st_mode & 07777, 0640);
	assert_int_equal(read(fd, old, 4), 3);
	assert_string_equal(old, "old");
	close(fd);
	holds("newer");
}

static void
owner(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(chown(path, 12, 34), 0);
	assert_int_equal(chmod(path, 0640), 0);
	assert_int_equal(file_replace(path, STR("root's"), FILE_PRIVATE, NULL), 0);
	assert_int_equal(status().st_uid, 12);
	assert_int_equal(status().st_gid, 34);
	assert_int_equal(status().st_mode & 07777, 0640);
	/* Who may not give the group away: his own group gets nothing that was another's. */
	assert_int_equal(chown(directory, 12, 56), 0);
	pid_t child = fork();
	if (child == 0)
		_exit(setgroups(0, NULL) == 0 && setgid(56) == 0 && setuid(12) == 0 &&
			      file_replace(path, STR("his"), FILE_PRIVATE, NULL) == 0
			  ? 0
			  : 1);
	int rc;
	assert_int_equal(waitpid(child, &rc, 0), child);
	assert_int_equal(rc, 0);
	assert_int_equal(status().st_gid, 56);
	assert_int_equal(status().st_mode & 07777, 0600);
	assert_int_equal(chown(directory, 0, 0), 0);
}

/* A disk that is full in the middle of it. */
static void
full(void **state)
{
	static char many[100000];
	struct err e = { 0 };
	struct rlimit was;
	(void)state;
	unlink(path);
	assert_int_equal(file_replace(path, STR("whole"), FILE_PUBLIC, NULL), 0);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	struct rlimit low = { 50000, was.rlim_max };
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
	int rc = file_replace(path, str_make(many, sizeof(many)), FILE_PUBLIC, &e);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	assert_int_equal(rc, -1);
	assert_int_equal(e.kind, ERR_FULL);
	assert_non_null(strstr(e.text, path));
	holds("whole");
	assert_int_equal(names(), 1);
	rc = file_replace("/dev/full", STR("x"), FILE_PUBLIC, &e);
	assert_int_equal(rc, -1);
	assert_int_equal(e.kind, ERR_FULL);
}

static void
elsewhere(void **state)
{
	struct err e = { 0 };
	char lost[96], got[8] = { 0 };
	int ends[2];
	(void)state;
	snprintf(lost, sizeof(lost), "%s/no/file", directory);
	assert_int_equal(file_replace(lost, STR("x"), FILE_PUBLIC, &e), -1);
	assert_int_equal(e.kind, ERR_MISSING);
	assert_int_equal(file_replace(directory, STR("x"), FILE_PUBLIC, &e), -1);
	assert_int_equal(pipe(ends), 0);
	snprintf(lost, sizeof(lost), "/proc/self/fd/%d", ends[1]);
	assert_int_equal(file_replace(lost, STR("piped"), FILE_PUBLIC, &e), 0);
	assert_int_equal(read(ends[0], got, 7), 5);
	assert_string_equal(got, "piped");
	close(ends[0]);
	close(ends[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fresh), cmocka_unit_test(kept),      cmocka_unit_test(owner),
		cmocka_unit_test(full),	 cmocka_unit_test(elsewhere),
	};
	return cmocka_run_group_tests(tests, make, take_away);
}
