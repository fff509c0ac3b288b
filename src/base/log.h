/*
 * log: one line per event to stderr, syslog(3) (facility mail) or, when
 * stderr is the journal's stream, stderr with a priority prefix.
 * The text is cleaned: control characters become '?', so that foreign bytes
 * cannot forge lines. No mail address at info level or above; use the hash.
 * Threads: every function may be called from any thread after log_open.
 */
#ifndef MT_BASE_LOG_H
#define MT_BASE_LOG_H

#include <stdbool.h>

enum log_level { LOG_LVL_ERROR, LOG_LVL_WARN, LOG_LVL_INFO, LOG_LVL_DEBUG };
enum log_target { LOG_TO_STDERR, LOG_TO_SYSLOG };

/* ident is kept by reference. Without log_open: stderr, info. */
void log_open(const char *ident, enum log_target target, enum log_level level);

void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
