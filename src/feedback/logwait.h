/*
 * logwait: waits until something happens to a log or its rotated files (inotify), or the program is to end.
 * Where inotify is not to be had, or does not tell (a network's file system), it is looked at once a second.
 *
 * Threads: one at a time; SIGTERM and SIGINT must reach no other thread.
 */
#ifndef MT_FEEDBACK_LOGWAIT_H
#define MT_FEEDBACK_LOGWAIT_H

#include <stdbool.h>

struct logwait;
/* From now on SIGTERM and SIGINT end nothing by themselves. Never NULL. */
struct logwait *logwait_new(const char *log);
void logwait_free(struct logwait **w);

/* One of the signals came. */
bool logwait_ended(struct logwait *w);
/* Waits until the log changes, for timeout_ms at most; and for pause_ms at least, so that many lines are
 * taken together. False: a signal came. */
bool logwait_next(struct logwait *w, int pause_ms, int timeout_ms);

#endif
