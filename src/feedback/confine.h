/*
 * confine: a process that goes on for long, and reads what strangers had written into a log, gives up what it
 * will not need: programs, networks, and all files but those of some directories (Landlock, where the kernel
 * has it). What is open stays open. Unlike the sandbox it keeps keys and store: that reader has to be small.
 *
 * Threads: while the process has one. It holds for the rest of its life.
 */
#ifndef MT_FEEDBACK_CONFINE_H
#define MT_FEEDBACK_CONFINE_H

#include <stddef.h>

#include "base/err.h"

/*
 * read: directories in which files may be read; write: in which files may be made, written and removed, too.
 * One that is not there is passed over. -1: ERR_TEMP, the kernel has no seccomp.
 */
int confine(const char *const *read, size_t nread, const char *const *write, size_t nwrite, struct err *e);

#endif
