/*
 * inject: the injector's process: lock, threads, end. It ends when mailtailord wants it to, or is no more:
 * then what is under way gets a little time, and the process ends whatever it is doing; all that matters is
 * on disk.
 */
#include "inject/private.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

/*
 * What is under way may take drain_timeout: to break it off is to send it twice. It has so long when
 * mailtailord is gone, whose successor's injector may be waiting for the lock.
 */
#define END_GRACE_S 10

/* For the handler of SIGALRM. */
static struct {
	pid_t parent;
	volatile sig_atomic_t rounds; /* of END_GRACE_S */
} ending;

static void
report_log(void *ctx, const char *text)
{
	(void)ctx;
	log_error("injector: %s", text);
}

#define LOCK_ENDED (-2)

/* Held until the process ends. LOCK_ENDED when it is told to end while it waits, -1 when there is no lock to
 * be had. */
static int
lock_take(const char *directory)
{
	char path[PATH_MAX];
	bool said = false;
	snprintf(path, sizeof(path), "%s/" INJECT_LOCK, directory);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0) {
		log_error("injector: %s: %s", path, strerror(errno));
		return -1;
	}
	while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		struct pollfd in = { .fd = 0, .events = POLLIN };
		char bytes[64];
		if (errno != EWOULDBLOCK && errno != EINTR) {
			log_error("injector: %s: %s", path, strerror(errno));
			close(fd);
			return -1;
		}
		if (!said)
			log_info("injector: another one is ending; waiting for it");
		said = true;
		if (poll(&in, 1, 100) > 0 && read(0, bytes, sizeof(bytes)) <= 0) {
			close(fd);
			return LOCK_ENDED;
		}
	}
	return fd;
}

static struct store *
state_open(const struct conf *c, struct err *e)
{
	const struct store_options o = {
		.directory = c->state.directory,
		.map_size = c->state.map_size,
		.max_readers = c->state.max_readers,
		.create = true,
	};
	struct store *s = store_open(&o, e);
	if (s != NULL && store_writer_start(s, e) != 0)
		store_close(&s);
	return s;
}

static void
signals_block(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static void
thread_start(pthread_t *t, void *(*fn)(void *), struct inject *in)
{
	if (pthread_create(t, NULL, fn, in) == 0)
		return;
	log_error("injector: cannot start a thread");
	_exit(EX_OSERR);
}

static void
threads_start(struct inject *in)
{
	in->nsenders = (size_t)in->conf->connections;
	in->nsenders = in->nsenders < MAX_CONNECTIONS ? in->nsenders : MAX_CONNECTIONS;
	in->pipe = pipeline_new(in->nsenders, (double)in->conf->rate);
	thread_start(&in->recorder, recorder_main, in);
	for (size_t i = 0; i < in->nsenders; i++)
		thread_start(&in->senders[i], sender_main, in);
	thread_start(&in->cutter, cutter_main, in);
}

bool
inject_ending(void)
{
	struct pollfd fd = { .fd = 0 };
	return poll(&fd, 1, 0) > 0;
}

/* Until the other end of descriptor 0 is closed, or a signal says so. */
static void
control(struct inject *in)
{
	static const int ours[] = { SIGTERM, SIGHUP, SIGINT };
	char bytes[256];
	for (;;) {
		struct pollfd fd = { .fd = 0, .events = POLLIN };
		int n = poll(&fd, 1, 200);
		sigset_t pending;
		sigpending(&pending);
		for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
			if (sigismember(&pending, ours[i]))
				return;
		if (n <= 0)
			continue;
		ssize_t got = read(0, bytes, sizeof(bytes));
		if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN))
			return;
		pipeline_wake(in->pipe);
	}
}

static void
ended_late(int sig)
{
	static const char text[] = "injector: a copy under way did not end in time; it may be sent twice\n";
	(void)sig;
	if (getppid() == ending.parent && --ending.rounds > 0) {
		alarm(END_GRACE_S);
		return;
	}
	(void)!write(2, text, sizeof(text) - 1);
	_exit(EX_TEMPFAIL);
}

static void
threads_end(struct inject *in)
{
	ending.rounds = (int)(in->epoch->conf->milter.drain_timeout_ms / (END_GRACE_S * 1000));
	signal(SIGALRM, ended_late);
	alarm(END_GRACE_S);
	pipeline_stop(in->pipe);
	pthread_join(in->cutter, NULL);
	for (size_t i = 0; i < in->nsenders; i++)
		pthread_join(in->senders[i], NULL);
	pipeline_senders_ended(in->pipe);
	pthread_join(in->recorder, NULL);
	alarm(0);
	pipeline_free(&in->pipe);
}

static int
serve(struct inject *in)
{
	struct err e = { 0 };
	in->store = state_open(in->epoch->conf, &e);
	if (in->store == NULL) {
		log_error("injector: %s", e.text);
		return err_exit_code(e.kind);
	}
	threads_start(in);
	log_info("injector: ready, %zu connections to %s", in->nsenders, in->conf->target);
	control(in);
	threads_end(in);
	store_close(&in->store);
	log_info("injector: ended");
	return 0;
}

int
inject_serve(const struct inject_options *o)
{
	struct inject in = { .counts = count_map(COUNT_FD), .said = PTHREAD_MUTEX_INITIALIZER };
	const struct epoch_options eo = { .conf_file = o->conf_file,
					  .plugin_directory = o->plugin_directory };
	ending.parent = getppid();
	signals_block();
	if (gethostname(in.host, sizeof(in.host) - 1) != 0 || in.host[0] == '\0')
		strcpy(in.host, "localhost");
	in.epoch = epoch_load(&eo, report_log, NULL);
	if (in.epoch == NULL)
		return EX_CONFIG;
	in.conf = &in.epoch->conf->inject;
	log_open("mailtailord", in.epoch->conf->milter.log_target, in.epoch->conf->milter.log_level);
	/* Without a target there is nothing to do: mailtailord has read the same, or will. */
	int lock = in.conf->target != NULL ? lock_take(in.epoch->conf->state.directory) : LOCK_ENDED;
	in.lock = lock;
	if (lock >= 0)
		inject_say(lock, NULL);
	int rc = lock >= 0 ? serve(&in) : lock == LOCK_ENDED ? EX_OK : EX_CANTCREAT;
	epoch_unref(&in.epoch);
	if (lock >= 0)
		close(lock);
	return rc;
}
