/* lock: whether an injector runs, and how its target does, for those who are none. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "inject/private.h"

/* "TRIED NEXT TEXT", then zeros; zeros alone: it works. One write in the file's one block, also on a full
 * disk. */
#define SAID 512

/* flock cannot be asked: it is taken, shared, so that those who ask are not in each other's way. An injector
 * that starts at this very moment tries again a tenth of a second later. */
int
inject_runs(const char *directory)
{
	char path[PATH_MAX];
	snprintf(path, sizeof(path), "%s/" INJECT_LOCK, directory);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : -1;
	int runs = flock(fd, LOCK_SH | LOCK_NB) == 0 ? 0 : errno == EWOULDBLOCK ? 1 : -1;
	close(fd);
	return runs;
}

void
inject_say(int lock, const struct inject_trouble *t)
{
	char said[SAID] = "";
	if (t != NULL)
		snprintf(said, sizeof(said), "%lld %lld %s", (long long)t->tried_ms, (long long)t->next_ms,
			 t->text);
	/* It is for people to look at, and the log has it too. */
	(void)!pwrite(lock, said, sizeof(said), 0);
}

int
inject_target_trouble(const char *directory, struct inject_trouble *out)
{
	char path[PATH_MAX], said[SAID + 1] = "";
	long long tried, next;
	int text = 0;
	/* What somebody said who was killed counts no more. */
	if (inject_runs(directory) != 1)
		return 0;
	snprintf(path, sizeof(path), "%s/" INJECT_LOCK, directory);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	ssize_t n = read(fd, said, SAID);
	close(fd);
	if (n <= 0 || sscanf(said, "%lld %lld %n", &tried, &next, &text) != 2 || text == 0)
		return 0;
	*out = (struct inject_trouble){ .tried_ms = tried, .next_ms = next };
	snprintf(out->text, sizeof(out->text), "%s", said + text);
	str_tame(out->text, strlen(out->text));
	return 1;
}
