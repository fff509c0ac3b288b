/*
 * admin-feedback-maillog: reads the MTA's log, from where it was left, once or on and on.
 *
 * First events are on disk, then the place: who is killed in between reads some lines again, and they add
 * nothing. While lines wait (maillog.h) the place stays before the oldest of them: one that was taken later
 * is kept until those have had their time.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "feedback/confine.h"
#include "feedback/logfile.h"
#include "feedback/logwait.h"
#include "feedback/maillog.h"
#include "main/admin-feedback.h"
#include "main/admin-profile.h"
#include "main/files.h"

#define STATE_MAX 65536
#define FLUSH_LINES 4096
#define PAUSE_MS 200
#define ASK_MS 1000		       /* while lines wait */
#define LOOK_MS 10000		       /* when nothing was told */
#define SHOW_BYTES ((uint64_t)4 << 20) /* larger logs have their progress shown */

struct follower {
	const struct maillog_request *r;
	struct desk desk;
	struct policy_source src;
	struct maillog *maillog;
	struct logfile *file;
	struct logwait *wait; /* NULL: once */
	struct progress *progress;
	char *log;
	const char *state;
	int lock;
	struct logfile_place place, later; /* to be remembered now; when what waits has had its time */
	uint64_t later_number;
	bool has_later, moved;
	uint64_t size; /* once: read that far */
	uint64_t delivered, deferred, bounced, suppressed, known;
	struct buf out;
};

/* ---- what is told ---- */

static void
print_event(struct follower *w, const struct maillog_event *ev)
{
	struct arena *a = arena_new(1024);
	struct event_copy copy;
	char at[40], hex[33];
	recipient_key_hex(&ev->recipient, hex);
	if (event_copy_get(w->desk.store, ev->recipient.b, ev->copy, a, &copy, NULL) != 1)
		copy = (struct event_copy){ 0 };
	buf_reset(&w->out);
	buf_printf(&w->out,
		   "{\"event\":\"%s\",\"at\":\"%s\",\"queue_id\":\"%.*s\",\"recipient\":\"%s\",\"campaign\":",
		   event_type_name(ev->type), clock_format_rfc3339(ev->at_ms, at), STR_ARG(ev->queue_id),
		   hex);
	if (copy.campaign.n > 0)
		json_print_string(&w->out, copy.campaign);
	else
		buf_adds(&w->out, STR("null"));
	if (ev->status.n > 0)
		buf_printf(&w->out, ",\"status\":\"%.*s\"", STR_ARG(ev->status));
	if (ev->type != EVENT_DELIVERED)
		buf_printf(&w->out, ",\"hard\":%s,\"reason\":\"%s\"", ev->hard ? "true" : "false",
			   feedback_reason_name(ev->reason));
	buf_printf(&w->out, ",\"applied\":\"%s\"}\n", ev->known ? "known" : policy_outcome_name(ev->outcome));
	fwrite(w->out.p, 1, w->out.n, stdout);
	arena_free(&a);
}

static void
took(void *ctx, const struct maillog_event *ev)
{
	struct follower *w = ctx;
	char hex[33];
	w->delivered += ev->type == EVENT_DELIVERED;
	w->deferred += ev->type == EVENT_DEFERRED;
	w->bounced += ev->type == EVENT_BOUNCED;
	w->known += ev->known;
	w->suppressed += ev->type == EVENT_BOUNCED && ev->outcome == POLICY_SUPPRESSED;
	if (w->r->json)
		print_event(w, ev);
	if (w->wait && ev->type == EVENT_BOUNCED) {
		recipient_key_hex(&ev->recipient, hex);
		log_info("%.*s: bounce %s %.*s %s recipient %s: %s", STR_ARG(ev->queue_id),
			 ev->hard ? "hard" : "soft", STR_ARG(ev->status), feedback_reason_name(ev->reason),
			 hex, policy_outcome_name(ev->outcome));
	}
}

static void
print_summary(const struct follower *w)
{
	uint64_t waiting = maillog_next(w->maillog) - maillog_oldest(w->maillog);
	printf("%llu delivered, %llu deferred (%llu of these on record already), %llu bounced\n",
	       (unsigned long long)w->delivered, (unsigned long long)w->deferred,
	       (unsigned long long)w->known, (unsigned long long)w->bounced);
	if (w->suppressed > 0)
		printf("%llu of the bounces suppress%s the recipient\n", (unsigned long long)w->suppressed,
		       w->suppressed == 1 ? "es" : "");
	if (waiting > 0)
		printf(
		    "The last minute has lines about messages that may yet turn out to be copies: they are "
		    "read again next time.\n");
}

/* ---- the place ---- */

/* The configured place is the daemon's, who goes on reading there; one that --state names is the caller's. */
static bool
owner_enter(const struct follower *w)
{
	char dir[PATH_MAX];
	snprintf(dir, sizeof dir, "%s%s", w->state[0] == '/' ? "" : "./", w->state);
	char *slash = strrchr(dir, '/');
	slash[slash == dir] = '\0'; /* in / itself */
	return !w->r->state && admin_owner_enter(dir);
}

static int
place_save(struct follower *w, struct err *e)
{
	if (!w->moved)
		return 0;
	gid_t group = getegid();
	buf_reset(&w->out);
	logfile_place_write(&w->place, w->log, &w->out);
	w->moved = false;
	bool entered = owner_enter(w);
	int rc = file_replace(w->state, buf_str(&w->out), FILE_PRIVATE, e);
	if (entered)
		admin_owner_leave(group);
	return rc;
}

/* Behind everything that was read, unless a line waits. */
static void
place_take(struct follower *w)
{
	if (w->has_later && maillog_oldest(w->maillog) >= w->later_number) {
		w->place = w->later;
		w->has_later = false;
		w->moved = true;
	}
	if (w->has_later)
		return;
	logfile_place(w->file, &w->later);
	w->later_number = maillog_next(w->maillog);
	w->has_later = true;
	if (maillog_oldest(w->maillog) == w->later_number) {
		w->moved = w->moved || memcmp(&w->place, &w->later, sizeof w->place) != 0;
		w->place = w->later;
		w->has_later = false;
	}
}

static int
flush(struct follower *w, bool all, struct err *e)
{
	if (maillog_flush(w->maillog, all, e) != 0)
		return -1;
	place_take(w);
	if (w->r->json && fflush(stdout) != 0)
		return err_set(e, ERR_IO, "standard output: %s", strerror(errno));
	return place_save(w, e);
}

/* ---- reading ---- */

static void
show_progress(struct follower *w)
{
	uint64_t done, size;
	logfile_progress(w->file, &done, &size);
	if (!w->progress && size > done + SHOW_BYTES && !(w->r->json && isatty(STDOUT_FILENO)))
		w->progress = progress_start("reading the log", size);
	if (w->progress)
		progress_flow(w->progress, done, size, -1);
}

/* Once: a log that grows faster than it is read has an end all the same. */
static bool
enough(struct follower *w)
{
	uint64_t done, size;
	if (w->wait || !logfile_is_newest(w->file))
		return false;
	logfile_progress(w->file, &done, &size);
	if (w->size == 0)
		w->size = size;
	return done >= w->size;
}

/* All lines there are. 1: there may be more; 0: a signal came, or it is enough; -1. */
static int
read_lines(struct follower *w, struct err *e)
{
	struct str line;
	int64_t now_ms = clock_now_ms(), newest_ms = logfile_changed_ms(w->file);
	int r = 1;
	for (uint64_t n = 1; (r = logfile_line(w->file, &line, e)) == 1; n++) {
		if (maillog_line(w->maillog, line, newest_ms, now_ms, e) != 0)
			return -1;
		if (n % FLUSH_LINES != 0)
			continue;
		if (flush(w, false, e) != 0)
			return -1;
		show_progress(w);
		now_ms = clock_now_ms();
		newest_ms = logfile_changed_ms(w->file);
		if ((w->wait && logwait_ended(w->wait)) || enough(w))
			return 0;
	}
	progress_end(&w->progress);
	return r < 0 || flush(w, !w->wait, e) != 0 ? -1 : 1;
}

static int
read_on(struct follower *w, struct err *e)
{
	int r = read_lines(w, e);
	while (r == 1 && w->wait) {
		bool waiting = maillog_oldest(w->maillog) != maillog_next(w->maillog);
		if (!logwait_next(w->wait, PAUSE_MS, waiting ? ASK_MS : LOOK_MS))
			break;
		r = read_lines(w, e);
	}
	progress_end(&w->progress);
	return r < 0 || flush(w, true, e) != 0 ? -1 : 0;
}

/* ---- opening ---- */

static int
absolute(struct follower *w, struct err *e)
{
	char dir[PATH_MAX];
	if (w->r->log[0] == '/') {
		w->log = strdup(w->r->log);
	} else {
		if (!getcwd(dir, sizeof dir))
			return err_set(e, ERR_IO, "working directory: %s", strerror(errno));
		if (asprintf(&w->log, "%s/%s", dir, w->r->log) < 0)
			w->log = NULL;
	}
	if (!w->log)
		abort();
	return 0;
}

/* Two that read one log would each forget where the other is. */
static int
lock_state(struct follower *w, struct err *e)
{
	char path[PATH_MAX];
	if (snprintf(path, sizeof path, "%s.lock", w->state) >= (int)sizeof path)
		return err_set(e, ERR_LIMIT, "%s: the name is too long", w->state);
	w->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (w->lock < 0)
		return err_set(e, errno == EACCES ? ERR_PERM : ERR_IO, "%s: %s%s", path, strerror(errno),
			       errno == EACCES ? "; who reads the log has to own it, and its directory" : "");
	if (flock(w->lock, LOCK_EX | LOCK_NB) != 0)
		return err_set(e, ERR_TEMP, "%s: another one reads that log; end it first", path);
	return 0;
}

/* 1: *place is where it was left; 0: it is not known, so the log is read from its beginning; -1. */
static int
place_load(struct follower *w, struct err *e)
{
	struct buf text = { 0 };
	int r = 1;
	if (file_read(w->state, STATE_MAX, &text, e) != 0)
		r = e->kind == ERR_MISSING ? 0 : -1;
	else if (logfile_place_read(buf_str(&text), w->log, &w->place, e) != 0)
		r = e->kind == ERR_CORRUPT ? 0 : -1;
	if (r == 0 && e->kind == ERR_CORRUPT) /* after a power cut, say; what is read twice adds nothing */
		log_warn("state %s: %s; the log is read from its beginning", w->state, e->text);
	buf_free(&text);
	return r >= 0 ? r : err_prefix(e, "state %s", w->state);
}

static int
open_log(struct follower *w, struct err *e)
{
	int known = -1;
	gid_t group = getegid();
	if (absolute(w, e) != 0)
		return -1;
	bool entered = owner_enter(w);
	if (lock_state(w, e) == 0)
		known = place_load(w, e);
	if (entered)
		admin_owner_leave(group);
	if (known < 0)
		return -1;
	w->file = logfile_open(w->log, known ? &w->place : NULL, w->r->follow, e);
	if (w->file && !known) { /* lines may wait from the first on, and the log may be rotated meanwhile */
		logfile_place(w->file, &w->place);
		w->moved = true;
	}
	return w->file ? 0 : -1;
}

/* From here on foreign text is read. Links are resolved now: what they point to has a directory, too. */
static int
confine_reader(const struct follower *w, struct err *e)
{
	char log[PATH_MAX], real[PATH_MAX], state[PATH_MAX];
	const char *read[] = { log, real, "/proc/self", "/etc/localtime", "/usr/share/zoneinfo" };
	const char *write[] = { state, w->desk.conf->state.directory };
	if (!realpath(w->log, real))
		snprintf(real, sizeof real, "%s", w->log);
	snprintf(log, sizeof log, "%s", w->log);
	snprintf(state, sizeof state, "%s%s", w->state[0] == '/' ? "" : "./", w->state);
	char *const paths[] = { log, real, state };
	for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
		char *slash = strrchr(paths[i], '/');
		slash[slash == paths[i]] = '\0'; /* in / itself: all of it */
	}
	return confine(read, sizeof read / sizeof read[0], write, sizeof write / sizeof write[0], e);
}

static int
follow(struct follower *w)
{
	struct err e = { 0 };
	if (w->r->follow && !isatty(STDERR_FILENO))
		log_open("mailtailor-maillog", LOG_TO_SYSLOG, w->desk.conf->milter.log_level);
	w->state = w->r->state ? w->r->state : w->desk.conf->feedback.maillog_state;
	w->src = (struct policy_source){ .id = { w->desk.store, w->desk.keys, w->desk.sealer },
					 .conf = &w->desk.conf->feedback,
					 .source = "maillog" };
	if (open_log(w, &e) != 0)
		return admin_fail(&e);
	w->maillog = maillog_new(&w->src, took, w);
	if (w->r->follow)
		w->wait = logwait_new(w->log);
	if (confine_reader(w, &e) != 0)
		return admin_fail(&e);
	if (read_on(w, &e) != 0)
		return admin_fail(&e);
	if (!w->r->json)
		print_summary(w);
	return EX_OK;
}

int
feedback_maillog(const struct maillog_request *r)
{
	struct follower w = { .r = r, .lock = -1 };
	int rc = desk_open(&w.desk, r->conf_path, DESK_WRITE);
	if (rc == EX_OK)
		rc = follow(&w);
	progress_end(&w.progress);
	logwait_free(&w.wait);
	logfile_close(&w.file);
	maillog_free(&w.maillog);
	if (w.lock >= 0)
		close(w.lock);
	free(w.log);
	buf_free(&w.out);
	desk_close(&w.desk);
	return rc;
}
