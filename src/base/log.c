/*
 * log: see log.h. The three statics are the process's log settings: written by
 * log_open before threads start, read-only afterwards.
 */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "base/str.h"

static const char *log_ident = "mailtailor";
static enum log_target log_where = LOG_TO_STDERR;
static enum log_level log_most = LOG_LVL_INFO;
static bool log_journal;

static const int syslog_priority[] = { LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG };
static const char *const level_name[] = { "error", "warning", "info", "debug" };

void
log_open(const char *ident, enum log_target target, enum log_level level)
{
	log_ident = ident;
	log_where = target;
	log_most = level;
	log_journal = getenv("JOURNAL_STREAM") != NULL && !isatty(2);
	if (target == LOG_TO_SYSLOG)
		openlog(ident, LOG_PID | LOG_NDELAY, LOG_MAIL);
}

__attribute__((format(printf, 2, 0))) static void
log_write(enum log_level level, const char *fmt, va_list ap)
{
	char text[2048];
	if (level > log_most)
		return;
	int n = vsnprintf(text, sizeof(text), fmt, ap);
	if (n < 0)
		return;
	str_tame(text, strlen(text));
	if (log_where == LOG_TO_SYSLOG) {
		syslog(syslog_priority[level], "%s", text);
		return;
	}
	/* One write per line, so that threads do not mix theirs. */
	char line[2200];
	int len;
	if (log_journal)
		len = snprintf(line, sizeof(line), "<%d>%s: %s\n", syslog_priority[level], log_ident, text);
	else
		len = snprintf(line, sizeof(line), "%s[%d]: %s: %s\n", log_ident, (int)getpid(),
			       level_name[level], text);
	if (len > 0 && write(2, line, (size_t)len) < 0)
		return; /* nowhere left to say it */
}

#define LOG_FUNCTION(name, level)          \
	void name(const char *fmt, ...)    \
	{                                  \
		va_list ap;                \
		va_start(ap, fmt);         \
		log_write(level, fmt, ap); \
		va_end(ap);                \
	}

LOG_FUNCTION(log_error, LOG_LVL_ERROR)
LOG_FUNCTION(log_warn, LOG_LVL_WARN)
LOG_FUNCTION(log_info, LOG_LVL_INFO)
LOG_FUNCTION(log_debug, LOG_LVL_DEBUG)
