/* What a confined process can still do, and what not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "feedback/confine.h"

static char dir[64];

static int
opened(const char *base, const char *name, int flags)
{
	char path[256];
	snprintf(path, sizeof path, "%s/%s", base, name);
	int fd = open(path, flags | O_CLOEXEC, 0600);
	if (fd >= 0)
		close(fd);
	return fd >= 0 ? 0 : errno;
}

/* In the child: the number of the first thing that is not as it should be. */
static int
try(const char *log, const char *state, bool landlock)
{
	char *const argv[] = { (char *)"true", NULL };
	struct err e = { 0 };
	if (confine(&log, 1, &state, 1, &e) != 0)
		return 1;
	if (opened(log, "mail.log", O_RDONLY) != 0)
		return 2;
	if (opened(state, "state.new", O_WRONLY | O_CREAT) != 0)
		return 3;
	if (socket(AF_INET, SOCK_STREAM, 0) >= 0 || errno != EPERM)
		return 4;
	if (socket(AF_UNIX, SOCK_DGRAM, 0) < 0)
		return 5;
	if (execv("/bin/true", argv) == 0 || (errno != EPERM && errno != EACCES))
		return 6;
	if (landlock && opened(log, "mail.log", O_WRONLY) != EACCES)
		return 7;
	if (landlock && opened(log, "new", O_WRONLY | O_CREAT) != EACCES)
		return 8;
	if (landlock && opened(dir, "keys", O_RDONLY) != EACCES)
		return 9;
	return 0;
}

static void
test_confined(void **state_)
{
	const char *tmp = getenv("TMPDIR");
	char log[80], st[80], command[200];
	int status;
	(void)state_;
	snprintf(dir, sizeof dir, "%s/mt-confine-XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(dir));
	snprintf(log, sizeof log, "%s/log", dir);
	snprintf(st, sizeof st, "%s/state", dir);
	snprintf(command, sizeof command, "cd %s && mkdir log state && touch keys log/mail.log", dir);
	assert_int_equal(system(command), 0);
	/* the version, or that there is none */
	bool landlock = syscall(SYS_landlock_create_ruleset, NULL, 0, 1) > 0;
	if (!landlock)
		print_message("# SKIP files: this kernel has no Landlock\n");
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0)
		_exit(try(log, st, landlock));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	snprintf(command, sizeof command, "rm -r %s", dir);
	assert_int_equal(system(command), 0);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = { cmocka_unit_test(test_confined) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
