/* lock: whether an injector runs, for those who are none. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include "inject/inject.h"

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
