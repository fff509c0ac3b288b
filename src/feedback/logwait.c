/* logwait: see logwait.h. */
#include "feedback/logwait.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"

#define EVENTS (IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE)
#define POLL_MS 1000
/* Other files in the directory may be busy: so many looks, then it counts as a change. */
#define LOOKS_MAX 1000

struct logwait {
	int changes, signals; /* changes -1: by looking */
	sigset_t before;
	char *stem; /* what the names of the log and its rotated files begin with */
	bool ended;
};

struct logwait *
logwait_new(const char *log)
{
	struct logwait *w = calloc(1, sizeof *w);
	const char *slash = strrchr(log, '/');
	struct str base = str_of(slash ? slash + 1 : log);
	char dir[PATH_MAX];
	sigset_t set;
	if (!w || !(w->stem = strndup(base.p, str_find_char(base, '.'))))
		abort();
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, &w->before);
	w->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	snprintf(dir, sizeof dir, "%.*s", slash ? (int)(slash - log) + 1 : 1, slash ? log : ".");
	w->changes = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (w->changes < 0 || inotify_add_watch(w->changes, dir, EVENTS) < 0) {
		log_warn("log %s: changes are not told (%s), so it is looked at every second", log,
			 strerror(errno));
		if (w->changes >= 0)
			close(w->changes);
		w->changes = -1;
	}
	return w;
}

void
logwait_free(struct logwait **wp)
{
	struct logwait *w = *wp;
	if (!w)
		return;
	if (w->changes >= 0)
		close(w->changes);
	if (w->signals >= 0)
		close(w->signals);
	sigprocmask(SIG_SETMASK, &w->before, NULL);
	free(w->stem);
	free(w);
	*wp = NULL;
}

bool
logwait_ended(struct logwait *w)
{
	struct signalfd_siginfo si;
	if (w->signals >= 0 && read(w->signals, &si, sizeof si) == (ssize_t)sizeof si)
		w->ended = true;
	return w->ended;
}

/* Takes what was told; true when it is about the log. */
static bool
changed(struct logwait *w)
{
	_Alignas(struct inotify_event) char chunk[16384];
	bool ours = false;
	for (int looks = 0; looks < LOOKS_MAX; looks++) {
		ssize_t n = read(w->changes, chunk, sizeof chunk);
		if (n <= 0)
			return ours;
		for (char *p = chunk; p < chunk + n;) {
			const struct inotify_event *ev = (const struct inotify_event *)p;
			ours = ours || (ev->mask & IN_Q_OVERFLOW) ||
			       (ev->len > 0 && strncmp(ev->name, w->stem, strlen(w->stem)) == 0);
			p += sizeof *ev + ev->len;
		}
	}
	return true;
}

static int
left_ms(int64_t until_us)
{
	int64_t left = (until_us - clock_mono_us() + 999) / 1000;
	return left > 0 ? (int)left : 0;
}

bool
logwait_next(struct logwait *w, int pause_ms, int timeout_ms)
{
	struct pollfd p[2] = { { .fd = w->signals, .events = POLLIN },
			       { .fd = w->changes, .events = POLLIN } };
	(void)poll(p, 1, pause_ms);
	if (w->changes < 0)
		timeout_ms = timeout_ms < POLL_MS ? timeout_ms : POLL_MS;
	int64_t until_us = clock_mono_us() + (int64_t)timeout_ms * 1000;
	while (!logwait_ended(w)) {
		int left = left_ms(until_us);
		if ((w->changes >= 0 && changed(w)) || left == 0)
			return true;
		if (poll(p, 2, left) < 0 && errno != EINTR)
			return true;
	}
	return false;
}
