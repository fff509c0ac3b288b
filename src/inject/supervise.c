/*
 * supervise: mailtailord's side of the injector. Its life hangs on a pipe: the injector ends when the writing
 * end is closed, be it on purpose or because mailtailord is no more.
 */
#include "inject/inject.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "inject/private.h"

#define PAUSE_MIN_MS 1000
#define PAUSE_MAX_MS 60000
/* One that ran for so long did not fail at its start. */
#define SETTLED_MS 30000

extern char **environ;

struct injector {
	const char *program;
	struct inject_options options;
	pthread_t thread;
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t changed;
	bool wanted, stopping;
	bool reloading; /* its end is asked for: no pause */
	pid_t pid;	/* 0: none */
	int pipe;	/* -1: none */
	int counts_fd;	/* -1: none; the injector's COUNT_FD */
	struct counts *counts;
	int64_t starts;
};

static int
spawn(struct injector *i)
{
	char *const argv[] = {
		(char *)"mailtailord", /* what ps shows; program is a path that says nothing */
		(char *)"--injector",  (char *)"--config", (char *)(uintptr_t)i->options.conf_file, NULL,
	};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none;
	int fd[2], rc;
	if (pipe2(fd, O_CLOEXEC) != 0)
		return errno;
	fcntl(fd[1], F_SETFL, O_NONBLOCK);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, fd[0], 0);
	if (i->counts_fd >= 0)
		posix_spawn_file_actions_adddup2(&actions, i->counts_fd, COUNT_FD);
	posix_spawnattr_init(&attr);
	sigemptyset(&none);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	rc = posix_spawn(&i->pid, i->program, &actions, &attr, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attr);
	close(fd[0]);
	if (rc != 0) {
		close(fd[1]);
		i->pid = 0;
		return rc;
	}
	i->pipe = fd[1];
	i->starts++;
	return 0;
}

void
injector_metrics(struct injector *i, struct buf *out)
{
	pthread_mutex_lock(&i->lock);
	int64_t starts = i->starts, up = i->pid > 0;
	pthread_mutex_unlock(&i->lock);
	metric_one(out, "mailtailor_injector_up", "gauge", "1: the injector runs.", up);
	metric_one(out, "mailtailor_injector_starts_total", "counter", "How often it was started.", starts);
	if (i->counts != NULL)
		count_print(i->counts, out);
}

/* Lock held. */
static void
pipe_close(struct injector *i)
{
	if (i->pipe >= 0)
		close(i->pipe);
	i->pipe = -1;
}

static void
log_end(pid_t pid, int status)
{
	if (WIFSIGNALED(status))
		log_error("injector: process %d was ended by signal %d; jobs wait on disk until it is back",
			  (int)pid, WTERMSIG(status));
	else if (WEXITSTATUS(status) != 0)
		log_error("injector: process %d ended with code %d; jobs wait on disk until it is back",
			  (int)pid, WEXITSTATUS(status));
}

/* Lock held. */
static void
pause_for(struct injector *i, int64_t ms)
{
	struct timespec until = clock_mono_timespec(clock_mono_us() + ms * 1000);
	while (!i->stopping && !i->reloading)
		if (pthread_cond_timedwait(&i->changed, &i->lock, &until) == ETIMEDOUT)
			break;
}

/* Lock held at call and return. */
static void
run_once(struct injector *i)
{
	int status = 0, rc = spawn(i);
	if (rc != 0) {
		log_error("injector: cannot start %s: %s", i->program, strerror(rc));
		return;
	}
	pid_t pid = i->pid;
	pthread_mutex_unlock(&i->lock);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	pthread_mutex_lock(&i->lock);
	i->pid = 0;
	pipe_close(i);
	pthread_cond_broadcast(&i->changed);
	log_end(pid, status);
}

static void *
supervise(void *arg)
{
	struct injector *i = arg;
	int64_t pause = PAUSE_MIN_MS;
	pthread_mutex_lock(&i->lock);
	while (!i->stopping) {
		if (!i->wanted) {
			pthread_cond_wait(&i->changed, &i->lock);
			continue;
		}
		int64_t began = clock_mono_us();
		i->reloading = false;
		run_once(i);
		if (i->stopping || i->reloading)
			continue;
		if (clock_mono_us() - began > SETTLED_MS * 1000)
			pause = PAUSE_MIN_MS;
		pause_for(i, pause);
		pause = pause * 2 < PAUSE_MAX_MS ? pause * 2 : PAUSE_MAX_MS;
	}
	pthread_mutex_unlock(&i->lock);
	return NULL;
}

struct injector *
injector_start(const char *program, const struct inject_options *o, bool wanted, struct err *e)
{
	struct injector *i = calloc(1, sizeof(*i));
	if (i == NULL)
		abort();
	i->program = program;
	i->options = *o;
	i->wanted = wanted;
	i->pipe = -1;
	i->counts_fd = count_open();
	i->counts = count_map(i->counts_fd);
	pthread_mutex_init(&i->lock, NULL);
	clock_cond_init(&i->changed);
	int rc = pthread_create(&i->thread, NULL, supervise, i);
	if (rc == 0)
		return i;
	err_set(e, ERR_TEMP, "injector: cannot start a thread: %s", strerror(rc));
	free(i);
	return NULL;
}

void
injector_wake(struct injector *i)
{
	pthread_mutex_lock(&i->lock);
	/* A full pipe has enough to wake it. */
	if (i->pipe >= 0)
		(void)!write(i->pipe, "w", 1);
	pthread_mutex_unlock(&i->lock);
}

void
injector_reload(struct injector *i, bool wanted)
{
	pthread_mutex_lock(&i->lock);
	i->wanted = wanted;
	i->reloading = true;
	pipe_close(i);
	pthread_cond_broadcast(&i->changed);
	pthread_mutex_unlock(&i->lock);
}

void
injector_stop(struct injector **ip, int64_t timeout_ms)
{
	struct injector *i = *ip;
	if (i == NULL)
		return;
	int64_t end = clock_mono_us() + timeout_ms * 1000;
	pthread_mutex_lock(&i->lock);
	i->stopping = true;
	pipe_close(i);
	pthread_cond_broadcast(&i->changed);
	while (i->pid != 0 && clock_mono_us() < end) {
		pthread_mutex_unlock(&i->lock);
		usleep(10000);
		pthread_mutex_lock(&i->lock);
	}
	if (i->pid != 0) {
		log_warn(
		    "injector: it did not end in time and is killed; copies under way may be sent twice");
		kill(i->pid, SIGKILL);
	}
	pthread_mutex_unlock(&i->lock);
	pthread_join(i->thread, NULL);
	pthread_cond_destroy(&i->changed);
	pthread_mutex_destroy(&i->lock);
	free(i);
	*ip = NULL;
}
