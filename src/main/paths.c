/* paths: see paths.h. */
#include "main/paths.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *
paths_conf(void)
{
	const char *env = getenv("MAILTAILOR_CONF");
	return env != NULL && env[0] != '\0' ? env : MT_CONF_FILE;
}

const char *
paths_plugins(void)
{
	static char beside[PATH_MAX]; /* written once, before threads */
	const char *env = getenv("MAILTAILOR_PLUGINS");
	struct stat st;
	if (env != NULL && env[0] != '\0')
		return env;
	ssize_t n = readlink("/proc/self/exe", beside, sizeof(beside) - 32);
	char *slash = NULL;
	if (n > 0) {
		beside[n] = '\0';
		slash = strrchr(beside, '/');
	}
	if (slash != NULL) {
		strcpy(slash, "/../plugins");
		if (stat(beside, &st) == 0 && S_ISDIR(st.st_mode))
			return beside;
	}
	return MT_PREFIX "/lib/mailtailor/plugins";
}
