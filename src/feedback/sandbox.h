/*
 * sandbox: a message read by a process that can do nothing else. It has the message on one descriptor and a
 * pipe for its findings on another, no file, no network, no other process (seccomp), and bounds on memory and
 * time. It is started before the caller opens keys or the store, so that it holds none of them.
 *
 * Threads: to be called while the process has one thread (it forks).
 */
#ifndef MT_FEEDBACK_SANDBOX_H
#define MT_FEEDBACK_SANDBOX_H

#include "base/err.h"
#include "feedback/feedback.h"

#define SANDBOX_MEMORY ((size_t)384 << 20) /* bytes beyond what the process has at the start */
#define SANDBOX_CPU_S 20
#define SANDBOX_WALL_MS 60000

/*
 * Reads one message from fd to its end and says what it is. Strings of *out live in a. -1: ERR_TEMP (no
 * process, no seccomp, took too long, or the reader died: the text says of what), ERR_IO (fd cannot be read).
 */
int sandbox_read(int fd, struct arena *a, struct feedback *out, struct err *e);

/* For tests: the same with another reader in place of feedback_read and finding_write. */
typedef void sandbox_fn(struct arena *a, struct str message, struct buf *answer);
int sandbox_run(int fd, sandbox_fn *fn, struct arena *a, struct str *answer, struct err *e);

#endif
