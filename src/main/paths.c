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
	/* Beside the program: in a build tree, and where `make install` put them, whatever the prefix then
	 * was. */
	static const char *const places[] = { "/../plugins", "/../lib/mailtailor/plugins" };
	static char beside[PATH_MAX]; /* written once, before threads */
	const char *env = getenv("MAILTAILOR_PLUGINS");
	struct stat st;
	if (env != NULL && env[0] != '\0')
		return env;
	ssize_t n = readlink("/proc/self/exe", beside, sizeof(beside) - 64);
	char *slash = NULL;
	if (n > 0) {
		beside[n] = '\0';
		slash = strrchr(beside, '/');
	}
	for (size_t i = 0; slash != NULL && i < sizeof(places) / sizeof(places[0]); i++) {
		strcpy(slash, places[i]);
		if (stat(beside, &st) == 0 && S_ISDIR(st.st_mode))
			return beside;
	}
	return MT_PREFIX "/lib/mailtailor/plugins";
}
