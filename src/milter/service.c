/*
 * service: start, reload, drain.
 *
 * SIGUSR1 reloads; a thread of ours waits for it. SIGTERM, SIGHUP and SIGINT
 * stop: no transaction begins any more, those under way are waited for, then
 * libmilter is stopped. libmilter has a thread that waits for the same three
 * and stops at once, and with Debian's worker pool that means that open
 * transactions hear nothing more. Linux hands a signal to the main thread when
 * that waits for it too, so the main thread waits, and libmilter runs in
 * another; a second signal then finds libmilter's thread and stops at once.
 *
 * smfi_main returns without joining its threads, so transactions are counted
 * before the store is closed.
 */
#include "milter/private.h"

#include <errno.h>
#include <grp.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sysexits.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

struct milter_service milter_service = { .lock = PTHREAD_MUTEX_INITIALIZER };

struct epoch *
service_epoch(void)
{
	pthread_mutex_lock(&milter_service.lock);
	struct epoch *e = epoch_ref(milter_service.epoch);
	pthread_mutex_unlock(&milter_service.lock);
	return e;
}

static void
report_log(void *ctx, const char *text)
{
	(void)ctx;
	log_error("%s", text);
}

static struct epoch *
load(void)
{
	struct epoch_options o = {
		.conf_file = milter_service.options.conf_file,
		.plugin_directory = milter_service.options.plugin_directory,
	};
	return epoch_load(&o, report_log, NULL);
}

/* What only a restart can change. */
static void
warn_fixed(const struct conf *old, const struct conf *now)
{
	if (!str_eq(str_of(old->milter.socket), str_of(now->milter.socket)) ||
	    !str_eq(str_of(old->milter.metrics.text), str_of(now->milter.metrics.text)) ||
	    !str_eq(str_of(old->state.directory), str_of(now->state.directory)) ||
	    old->state.map_size != now->state.map_size || old->state.max_readers != now->state.max_readers ||
	    old->milter.log_target != now->milter.log_target ||
	    old->milter.log_level != now->milter.log_level)
		log_warn("reload: a changed milter socket, metrics, log or state setting takes effect at the "
			 "next restart");
}

static void
reload(void)
{
	sd_notify(0, "RELOADING=1");
	struct epoch *fresh = load();
	if (fresh == NULL) {
		log_error("reload: the new configuration has mistakes; the old one stays in use");
	} else {
		/* First: the injector has been told to end before anything is sealed with a key it lacks. */
		if (milter_service.options.configured != NULL)
			milter_service.options.configured(fresh->conf);
		pthread_mutex_lock(&milter_service.lock);
		struct epoch *old = milter_service.epoch;
		milter_service.epoch = fresh;
		pthread_mutex_unlock(&milter_service.lock);
		warn_fixed(old->conf, fresh->conf);
		epoch_unref(&old);
		log_info("reload: the new configuration is in use");
	}
	sd_notify(0, "READY=1");
}

static void *
reload_thread(void *arg)
{
	sigset_t set;
	int sig;
	(void)arg;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	while (sigwait(&set, &sig) == 0 && !atomic_load(&milter_service.stopping))
		reload();
	return NULL;
}

/* NULL for a TCP socket. */
static const char *
unix_path(const char *socket_name)
{
	struct str s = str_of(socket_name);
	return str_starts(s, STR("unix:"))    ? socket_name + 5
	       : str_starts(s, STR("local:")) ? socket_name + 6
					      : NULL;
}

/* Connects and hangs up: wakes who listens there. Whether somebody does. */
static bool
listener_wake(const char *socket_name)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	const char *path = unix_path(socket_name);
	if (path == NULL || strlen(path) >= sizeof(sa.sun_path))
		return false;
	strcpy(sa.sun_path, path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return false;
	bool heard = connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0 || errno == EAGAIN;
	close(fd);
	return heard;
}

/* The MTA's user must be able to connect: mode and group as configured. 0 or an exit code. */
static int
socket_open(const struct conf_milter *m)
{
	const char *path = unix_path(m->socket);
	if (listener_wake(m->socket)) { /* libmilter would take its socket away, and nobody notice */
		log_error("milter socket \"%s\": another daemon listens there; end that one first, or give "
			  "this one a "
			  "socket of its own",
			  m->socket);
		return EX_UNAVAILABLE;
	}
	mode_t old = umask(0177);
	int rc =
	    smfi_setconn((char *)(uintptr_t)m->socket) == MI_SUCCESS && smfi_opensocket(true) == MI_SUCCESS;
	umask(old);
	if (!rc) {
		log_error("milter socket \"%s\": cannot listen: %s; check the path, its directory's rights, "
			  "and that no other "
			  "daemon uses it",
			  m->socket, strerror(errno));
		return EX_UNAVAILABLE;
	}
	if (path == NULL)
		return 0;
	struct group *g = m->socket_group ? getgrnam(m->socket_group) : NULL;
	if (m->socket_group != NULL && (g == NULL || chown(path, (uid_t)-1, g->gr_gid) != 0)) {
		log_error("milter socket \"%s\": cannot give it to group \"%s\": %s", m->socket,
			  m->socket_group, g ? strerror(errno) : "no such group");
		return EX_NOUSER;
	}
	if (chmod(path, (mode_t)m->socket_mode) != 0) {
		log_error("milter socket \"%s\": chmod: %s", m->socket, strerror(errno));
		return EX_OSERR;
	}
	return 0;
}

/* Waits until no transaction runs, or the time is over. True when all are done. */
static bool
drain(int64_t timeout_ms)
{
	int64_t end = clock_mono_us() + timeout_ms * 1000;
	while (atomic_load(&milter_service.running) > 0 && !atomic_load(&milter_service.ended) &&
	       clock_mono_us() < end)
		usleep(10000);
	return atomic_load(&milter_service.running) == 0;
}

static int
state_open(const struct conf *c)
{
	struct store_options o = {
		.directory = c->state.directory,
		.map_size = c->state.map_size,
		.max_readers = c->state.max_readers,
		.create = true,
	};
	struct err e = { 0 };
	milter_service.store = store_open(&o, &e);
	if (milter_service.store == NULL || store_writer_start(milter_service.store, &e) != 0) {
		log_error("%s:%d: %s", c->state.pos.file ? c->state.pos.file : c->file, c->state.pos.line,
			  e.text);
		return err_exit_code(e.kind);
	}
	return 0;
}

/*
 * Before any thread starts: a signal goes to whichever thread does not block it, and there it would kill.
 * libmilter blocks its three only when smfi_main begins, which is too late for threads of plugins, store and
 * reload.
 */
static void
signals_block(void)
{
	static const int ours[] = { SIGUSR1, SIGTERM, SIGHUP, SIGINT };
	sigset_t set;
	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		sigaddset(&set, ours[i]);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static int
reload_start(pthread_t *thread)
{
	if (pthread_create(thread, NULL, reload_thread, NULL) != 0) {
		log_error("cannot start a thread: %s", strerror(errno));
		return EX_OSERR;
	}
	return 0;
}

/* A reload that is under way would load into a service that is taken apart: it is waited for. */
static void
reload_stop(pthread_t thread)
{
	atomic_store(&milter_service.stopping, true);
	pthread_kill(thread, SIGUSR1);
	pthread_join(thread, NULL);
}

static void *
milter_thread(void *main_thread)
{
	if (smfi_main() != MI_SUCCESS)
		log_error("libmilter stopped with an error");
	atomic_store(&milter_service.ended, true);
	/* When that was not our doing, the main thread still waits for a signal. */
	pthread_kill(*(pthread_t *)main_thread, SIGTERM);
	return NULL;
}

static void *
stop_thread(void *arg)
{
	(void)arg;
	smfi_stop();
	return NULL;
}

/*
 * libmilter looks every five seconds whether it shall stop, or when somebody connects; smfi_stop itself waits
 * for that, hence the threads. A TCP listener takes its five seconds.
 */
static void
libmilter_stop(pthread_t main_loop, const char *socket_name)
{
	pthread_t stop;
	bool started = pthread_create(&stop, NULL, stop_thread, NULL) == 0;
	if (!started)
		smfi_stop();
	while (!atomic_load(&milter_service.ended)) {
		usleep(10000);
		listener_wake(socket_name);
	}
	if (started)
		pthread_join(stop, NULL);
	pthread_join(main_loop, NULL);
}

/* 0 or an exit code. */
static int
serve(const struct conf_milter *m)
{
	pthread_t self = pthread_self(), thread;
	sigset_t stop;
	int sig;
	sigemptyset(&stop);
	sigaddset(&stop, SIGTERM);
	sigaddset(&stop, SIGHUP);
	sigaddset(&stop, SIGINT);
	if (pthread_create(&thread, NULL, milter_thread, &self) != 0) {
		log_error("cannot start a thread: %s", strerror(errno));
		return EX_OSERR;
	}
	log_info("ready on %s", m->socket);
	sd_notify(0, "READY=1");
	sigwait(&stop, &sig);
	sd_notify(0, "STOPPING=1");
	atomic_store(&milter_service.stopping, true);
	log_info("stopping: %ld transactions run", atomic_load(&milter_service.running));
	if (!drain(m->drain_timeout_ms))
		log_warn("stopping: %ld transactions did not end in time; their senders will try again",
			 atomic_load(&milter_service.running));
	libmilter_stop(thread, m->socket);
	if (unix_path(m->socket) != NULL)
		unlink(unix_path(m->socket));
	return 0;
}

int
milter_serve(const struct milter_options *o)
{
	int rc;
	signals_block();
	milter_service.options = *o;
	milter_service.epoch = load();
	if (milter_service.epoch == NULL)
		return EX_CONFIG;
	const struct conf *c = milter_service.epoch->conf;
	log_open("mailtailord", c->milter.log_target, c->milter.log_level);
	if (smfi_register(milter_callbacks) != MI_SUCCESS) {
		log_error("libmilter refused to register");
		return EX_SOFTWARE;
	}
	/* Kept: a reload may free the epoch that these settings came from. */
	struct epoch *first = epoch_ref(milter_service.epoch);
	if ((rc = state_open(c)) == 0 && (rc = socket_open(&c->milter)) == 0 && (rc = events_start()) == 0) {
		pthread_t reloader;
		if (o->configured != NULL)
			o->configured(c);
		/* Not before: configured is called once at a time, and first for this one. */
		if ((rc = reload_start(&reloader)) == 0) {
			rc = serve(&c->milter);
			reload_stop(reloader);
		}
		if (o->ending != NULL)
			o->ending();
		events_stop();
	}
	/*
	 * Threads of libmilter that outlived the drain may still hold an epoch and the store; only a quiet
	 * process is taken apart, a busy one just ends, which LMDB and the MTA both survive by design.
	 */
	if (atomic_load(&milter_service.running) == 0) {
		store_close(&milter_service.store);
		epoch_unref(&first);
		pthread_mutex_lock(&milter_service.lock);
		epoch_unref(&milter_service.epoch);
		pthread_mutex_unlock(&milter_service.lock);
	}
	return rc;
}
