/* confine: see confine.h. */
#include "feedback/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* All of Landlock's first version (Linux 5.13); later ones know more, and these hold there, too. */
#define READS (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define WRITES (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG)
#define OTHERS                                                                                       \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_MAKE_CHAR | \
	 LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO | \
	 LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM)

static void
allow(int rules, const char *path, __u64 what)
{
	struct landlock_path_beneath_attr rule = { .allowed_access = what,
						   .parent_fd = open(path, O_PATH | O_CLOEXEC) };
	if (rule.parent_fd < 0)
		return;
	(void)syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
	close(rule.parent_fd);
}

static void
files_close(const char *const *read, size_t nread, const char *const *write, size_t nwrite)
{
	const struct landlock_ruleset_attr attr = { .handled_access_fs = READS | WRITES | OTHERS };
	/* from the first version on, whatever the header knows of later ones */
	int rules = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof attr.handled_access_fs, 0);
	if (rules < 0)
		return; /* no Landlock: what seccomp forbids, and the unit, have to do */
	for (size_t i = 0; i < nread; i++)
		allow(rules, read[i], READS);
	for (size_t i = 0; i < nwrite; i++)
		allow(rules, write[i], READS | WRITES);
	(void)syscall(SYS_landlock_restrict_self, rules, 0);
	close(rules);
}

static int
calls_refuse(void)
{
	static const int refused[] = { SCMP_SYS(execve),
				       SCMP_SYS(execveat),
				       SCMP_SYS(process_vm_readv),
				       SCMP_SYS(process_vm_writev),
				       SCMP_SYS(bpf),
				       SCMP_SYS(perf_event_open),
				       SCMP_SYS(mount),
				       SCMP_SYS(umount2),
				       SCMP_SYS(move_mount),
				       SCMP_SYS(fsopen),
				       SCMP_SYS(pivot_root),
				       SCMP_SYS(chroot),
				       SCMP_SYS(unshare),
				       SCMP_SYS(setns),
				       SCMP_SYS(init_module),
				       SCMP_SYS(finit_module),
				       SCMP_SYS(delete_module),
				       SCMP_SYS(kexec_load),
				       SCMP_SYS(keyctl),
				       SCMP_SYS(add_key),
				       SCMP_SYS(request_key),
				       SCMP_SYS(userfaultfd),
				       SCMP_SYS(io_uring_setup),
				       SCMP_SYS(listen),
				       SCMP_SYS(bind),
				       SCMP_SYS(open_by_handle_at) };
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
	int rc = f ? 0 : -1;
	for (size_t i = 0; rc == 0 && i < sizeof refused / sizeof refused[0]; i++)
		rc = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), refused[i], 0);
	/* syslog is a unix socket */
	if (rc == 0)
		rc = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(socket), 1,
				      SCMP_CMP(0, SCMP_CMP_NE, AF_UNIX, 0));
	if (rc == 0)
		rc = seccomp_load(f);
	if (f)
		seccomp_release(f);
	return rc;
}

int
confine(const char *const *read, size_t nread, const char *const *write, size_t nwrite, struct err *e)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return err_set(e, ERR_TEMP, "no_new_privs: %s", strerror(errno));
	files_close(read, nread, write, nwrite);
	if (calls_refuse() != 0)
		return err_set(
		    e, ERR_TEMP,
		    "the reader of the log cannot be confined: this needs a Linux kernel with seccomp");
	return 0;
}
