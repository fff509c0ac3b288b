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

/*
 * The first of two places beside the program that is a directory: in a build tree, and where `make install`
 * put it, whatever the prefix then was. at: PATH_MAX bytes, written once, before threads. NULL: neither.
 */
static const char *
beside_program(char *at, const char *built, const char *installed)
{
	const char *places[] = { built, installed };
	struct stat st;
	ssize_t n = readlink("/proc/self/exe", at, PATH_MAX - 64);
	char *slash = NULL;
	if (n > 0) {
		at[n] = '\0';
		slash = strrchr(at, '/');
	}
	for (size_t i = 0; slash != NULL && i < sizeof(places) / sizeof(places[0]); i++) {
		strcpy(slash, places[i]);
		if (stat(at, &st) == 0 && S_ISDIR(st.st_mode))
			return at;
	}
	return NULL;
}

static const char *
from_environment(const char *name)
{
	const char *env = getenv(name);
	return env != NULL && env[0] != '\0' ? env : NULL;
}

const char *
paths_plugins(void)
{
	static char at[PATH_MAX];
	const char *p = from_environment("MAILTAILOR_PLUGINS");
	if (p == NULL)
		p = beside_program(at, "/../plugins", "/../lib/mailtailor/plugins");
	return p != NULL ? p : MT_PREFIX "/lib/mailtailor/plugins";
}

const char *
paths_pages(void)
{
	static char at[PATH_MAX];
	const char *p = from_environment("MAILTAILOR_PAGES");
	if (p == NULL)
		p = beside_program(at, "/../pages", "/../share/mailtailor/pages");
	return p != NULL ? p : MT_PREFIX "/share/mailtailor/pages";
}
