/*
 * count: what the injector has done, told to mailtailord by memory that both have: descriptor COUNT_FD of the
 * injector. It is made once, so counters go on when the injector is started again. Without it nothing is
 * told.
 */
#include "inject/private.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/metric.h"

struct counts {
	atomic_llong ended[SPOOL_STATES], attempts;
};

int
count_open(void)
{
	int fd = memfd_create("mailtailor-counts", MFD_CLOEXEC);
	if (fd >= 0 && ftruncate(fd, sizeof(struct counts)) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

struct counts *
count_map(int fd)
{
	struct stat st;
	if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size != sizeof(struct counts))
		return NULL;
	void *p = mmap(NULL, sizeof(struct counts), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	return p != MAP_FAILED ? p : NULL;
}

void
count_updates(struct counts *c, const struct spool_update *v, size_t n)
{
	for (size_t i = 0; c != NULL && i < n; i++) {
		atomic_fetch_add(&c->ended[v[i].state], 1);
		if (v[i].attempted)
			atomic_fetch_add(&c->attempts, 1);
	}
}

void
count_print(const struct counts *c, struct buf *out)
{
	metric_head(out, "mailtailor_injector_copies_total", "counter",
		    "What became of jobs that were due: sent, dropped, failed, held, or queued again.");
	for (int i = 0; i < SPOOL_STATES; i++)
		buf_printf(out, "mailtailor_injector_copies_total{state=\"%s\"} %lld\n",
			   spool_state_name((enum spool_state)i), atomic_load(&c->ended[i]));
	metric_one(out, "mailtailor_injector_attempts_total", "counter", "Copies that a server was offered.",
		   atomic_load(&c->attempts));
}
