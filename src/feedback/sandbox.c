/*
 * sandbox: fork, bounds, seccomp, answer.
 *
 * What the reader needs from the system is there before the door closes: the message is in memory, and iconv
 * has loaded the charsets that the message names, out of a fixed list, for that takes files. After that it
 * may write to its pipe, have memory, and end. Opening a file fails with EACCES; all else kills it.
 */
#include "feedback/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <iconv.h>
#include <poll.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "feedback/finding.h"
#include "mail/mail.h"

/* First byte of the answer. */
enum { ANSWER_OK = '+', ANSWER_UNREADABLE = 'r', ANSWER_OPEN = 's' };

/* ---- the reader ---- */

/* Charsets of mail, and the supersets that are read instead. */
static const char *const charsets[][2] = {
	{ "iso-2022-jp", "ISO-2022-JP" },
	{ "shift_jis", "SHIFT_JIS" },
	{ "shift_jis", "CP932" },
	{ "sjis", "CP932" },
	{ "cp932", "CP932" },
	{ "windows-31j", "CP932" },
	{ "euc-jp", "EUC-JP" },
	{ "euc-jp", "EUC-JP-MS" },
	{ "gb2312", "GB2312" },
	{ "gb2312", "GBK" },
	{ "gbk", "GBK" },
	{ "gbk", "GB18030" },
	{ "gb2312", "GB18030" },
	{ "gb18030", "GB18030" },
	{ "big5", "BIG5" },
	{ "big5-hkscs", "BIG5-HKSCS" },
	{ "euc-kr", "EUC-KR" },
	{ "euc-kr", "CP949" },
	{ "ks_c_5601", "CP949" },
	{ "iso-8859-1", "ISO-8859-1" },
	{ "iso-8859-1", "WINDOWS-1252" },
	{ "iso-8859-2", "ISO-8859-2" },
	{ "iso-8859-5", "ISO-8859-5" },
	{ "iso-8859-7", "ISO-8859-7" },
	{ "iso-8859-9", "WINDOWS-1254" },
	{ "iso-8859-15", "ISO-8859-15" },
	{ "windows-1250", "WINDOWS-1250" },
	{ "windows-1251", "WINDOWS-1251" },
	{ "windows-1252", "WINDOWS-1252" },
	{ "windows-1253", "WINDOWS-1253" },
	{ "windows-1254", "WINDOWS-1254" },
	{ "windows-1255", "WINDOWS-1255" },
	{ "windows-1256", "WINDOWS-1256" },
	{ "koi8-r", "KOI8-R" },
	{ "koi8-u", "KOI8-U" },
};

static bool
names(struct str message, struct str word)
{
	for (size_t i = 0; i + word.n <= message.n; i++)
		if (ascii_lower(message.p[i]) == word.p[0] &&
		    str_caseeq(str_make(message.p + i, word.n), word))
			return true;
	return false;
}

/* The handles stay open: so glibc keeps what it loaded. */
static void
charsets_load(struct str message)
{
	for (size_t i = 0; i < sizeof charsets / sizeof charsets[0]; i++)
		if (names(message, str_of(charsets[i][0])))
			(void)iconv_open("UTF-8", charsets[i][1]);
}

/* Mapped now, in bytes: sanitizers have terabytes of it. */
static rlim_t
mapped(void)
{
	unsigned long long pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");
	if (f && fscanf(f, "%llu", &pages) != 1)
		pages = 0;
	if (f)
		fclose(f);
	return (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE);
}

static int
bound(int what, rlim_t value)
{
	const struct rlimit r = { value, value };
	return setrlimit((__rlimit_resource_t)what, &r);
}

static int
bounds_set(void)
{
	return bound(RLIMIT_AS, mapped() + SANDBOX_MEMORY) || bound(RLIMIT_CPU, SANDBOX_CPU_S) ||
	       bound(RLIMIT_CORE, 0) || bound(RLIMIT_FSIZE, 0) || bound(RLIMIT_NOFILE, 3);
}

static int
door_close(int out)
{
	static const int allowed[] = {
		SCMP_SYS(munmap),      SCMP_SYS(mremap),	  SCMP_SYS(brk),
		SCMP_SYS(madvise),     SCMP_SYS(futex),		  SCMP_SYS(exit),
		SCMP_SYS(exit_group),  SCMP_SYS(rt_sigreturn),	  SCMP_SYS(rt_sigprocmask),
		SCMP_SYS(sigaltstack), SCMP_SYS(clock_gettime),	  SCMP_SYS(gettimeofday),
		SCMP_SYS(getrandom),   SCMP_SYS(restart_syscall), SCMP_SYS(sched_yield),
		SCMP_SYS(getpid),      SCMP_SYS(gettid)
	};
	static const int refused[] = { SCMP_SYS(openat),     SCMP_SYS(open),  SCMP_SYS(stat),
				       SCMP_SYS(newfstatat), SCMP_SYS(fstat), SCMP_SYS(access),
				       SCMP_SYS(faccessat),  SCMP_SYS(ioctl), SCMP_SYS(readlink) };
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int rc = f ? 0 : -1;
	for (size_t i = 0; rc == 0 && i < sizeof allowed / sizeof allowed[0]; i++)
		rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, allowed[i], 0);
	for (size_t i = 0; rc == 0 && i < sizeof refused / sizeof refused[0]; i++)
		rc = seccomp_rule_add(f, SCMP_ACT_ERRNO(EACCES), refused[i], 0);
	if (rc == 0)
		rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(write), 1,
				      SCMP_CMP(0, SCMP_CMP_EQ, (scmp_datum_t)out, 0));
	/* memory, but none that can be run */
	if (rc == 0)
		rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
				      SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	if (rc == 0)
		rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
				      SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	if (rc == 0)
		rc = seccomp_load(f);
	if (f)
		seccomp_release(f);
	return rc;
}

static void
answer_write(int out, struct str s)
{
	while (s.n > 0) {
		ssize_t n = write(out, s.p, s.n);
		if (n <= 0)
			_exit(1);
		s = str_sub(s, (size_t)n, s.n);
	}
}

/* Up to the bound; what is behind it is read and dropped, so that the writer is not left with a broken pipe.
 */
static int
message_read(int fd, struct buf *out)
{
	char chunk[65536];
	ssize_t n;
	while ((n = read(fd, chunk, sizeof chunk)) > 0 || (n < 0 && errno == EINTR))
		if (n > 0 && out->n < FEEDBACK_MAX_MESSAGE)
			buf_add(out, chunk, (size_t)n);
	return n < 0 ? -1 : 0;
}

_Noreturn static void
reader(int fd, int out, sandbox_fn *fn)
{
	struct buf message = { 0 }, answer = { 0 };
	struct arena *a = arena_new(1 << 20);
	/* message on 0, answer on 1, nothing else */
	if (dup2(fd, 0) < 0 || dup2(out, 1) < 0 || close_range(2, ~0U, 0) != 0)
		_exit(1);
	for (int s = 1; s < 32; s++)
		signal(s, SIG_DFL);
	if (message_read(0, &message) != 0) {
		answer_write(1, STR("r"));
		_exit(0);
	}
	mail_init();
	charsets_load(buf_str(&message));
	if (close(0) != 0 || bounds_set() != 0 || door_close(1) != 0) {
		answer_write(1, STR("s"));
		_exit(0);
	}
	buf_addc(&answer, ANSWER_OK);
	fn(a, buf_str(&message), &answer);
	answer_write(1, buf_str(&answer));
	_exit(0);
}

/* ---- the caller ---- */

/* 0: the answer is complete; -1: time is up. */
static int
answer_read(int fd, struct buf *out, int64_t until_us)
{
	char chunk[65536];
	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		int64_t left = (until_us - clock_mono_us()) / 1000;
		if (left <= 0 || (poll(&p, 1, (int)left) < 0 && errno != EINTR))
			return -1;
		if (p.revents == 0)
			continue;
		ssize_t n = read(fd, chunk, sizeof chunk);
		if (n == 0 || out->n > FINDING_MAX)
			return 0;
		if (n > 0)
			buf_add(out, chunk, (size_t)n);
		else if (errno != EINTR)
			return 0;
	}
}

static int
judge(bool late, int status, const struct buf *answer, struct err *e)
{
	if (late)
		return err_set(e, ERR_TEMP, "the message was not read within %d s; try again",
			       SANDBOX_WALL_MS / 1000);
	if (WIFSIGNALED(status))
		return err_set(
		    e, ERR_TEMP,
		    "the reader of the message was stopped by signal %d (%s); keep the message and report it",
		    WTERMSIG(status), strsignal(WTERMSIG(status)));
	if (answer->n > 0 && answer->p[0] == ANSWER_UNREADABLE)
		return err_set(e, ERR_IO, "the message cannot be read from standard input");
	if (answer->n > 0 && answer->p[0] == ANSWER_OPEN)
		return err_set(e, ERR_TEMP,
			       "the reader of the message cannot be confined: this needs a Linux kernel with "
			       "seccomp and a readable /proc");
	if (WEXITSTATUS(status) != 0 || answer->n == 0 || answer->p[0] != ANSWER_OK ||
	    answer->n > FINDING_MAX)
		return err_set(e, ERR_TEMP, "the reader of the message gave no answer; try again");
	return 0;
}

int
sandbox_run(int fd, sandbox_fn *fn, struct arena *a, struct str *answer, struct err *e)
{
	struct buf b = { 0 };
	int p[2], status = 0;
	if (pipe2(p, O_CLOEXEC) != 0)
		return err_set(e, ERR_TEMP, "no pipe: %s", strerror(errno));
	pid_t pid = fork();
	if (pid == 0)
		reader(fd, p[1], fn);
	close(p[1]);
	if (pid < 0) {
		close(p[0]);
		return err_set(e, ERR_TEMP, "no process for reading the message: %s", strerror(errno));
	}
	bool late = answer_read(p[0], &b, clock_mono_us() + (int64_t)SANDBOX_WALL_MS * 1000) != 0;
	close(p[0]);
	if (late || b.n > FINDING_MAX)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	int rc = judge(late, status, &b, e);
	if (rc == 0)
		*answer = arena_str(a, str_sub(buf_str(&b), 1, b.n));
	buf_free(&b);
	return rc;
}

static void
read_and_write(struct arena *a, struct str message, struct buf *answer)
{
	struct feedback f;
	feedback_read(a, message, &f);
	finding_write(&f, answer);
}

int
sandbox_read(int fd, struct arena *a, struct feedback *out, struct err *e)
{
	struct str answer;
	if (sandbox_run(fd, read_and_write, a, &answer, e) != 0)
		return -1;
	if (finding_read(a, answer, out, e) == 0)
		return 0;
	if (e)
		e->kind = ERR_TEMP;
	return -1;
}
