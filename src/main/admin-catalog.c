/* admin-catalog: `mailtailor catalog`: items, and what is learnt of who takes them. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "main/admin-catalog.h"
#include "base/file.h"
#include "recommend/model.h"

static const char usage[] =
    "usage: mailtailor catalog import FILE [OPTION…]\n"
    "       mailtailor catalog show [ID…] [OPTION…]\n"
    "       mailtailor catalog check [OPTION…]\n"
    "       mailtailor catalog train [OPTION…]\n"
    "\n"
    "Items that mail can recommend, and models of who takes what. Each sub-verb has --help.\n";

int
catalog_write(const char *conf_path, enum audit_action action, const char *path, struct str bytes)
{
	struct err e = { 0 };
	char directory[PATH_MAX];
	const char *slash = strrchr(path, '/');
	snprintf(directory, sizeof(directory), "%.*s", slash ? (int)(slash - path) + 1 : 1,
		 slash ? path : ".");
	if (access(directory, F_OK) != 0 && errno == ENOENT) {
		admin_say(
		    "%s: there is no directory %s; mailtailord makes its state directory at its first start, "
		    "and --output FILE writes elsewhere",
		    path, directory);
		return EX_CANTCREAT;
	}
	int code = admin_audit_file(conf_path, action, path);
	if (code != EX_OK)
		return code;
	gid_t group = getegid();
	bool entered = admin_owner_enter(directory);
	int rc = file_replace(path, bytes, FILE_PUBLIC, &e);
	if (entered)
		admin_owner_leave(group);
	return rc == 0 ? EX_OK : admin_fail(&e);
}

static int
run(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(int argc, char **argv);
	} SUBS[] = {
		{ "import", catalog_import },
		{ "show", catalog_show },
		{ "check", catalog_check },
		{ "train", catalog_train },
	};
	for (size_t i = 0; argc > 1 && i < sizeof(SUBS) / sizeof(SUBS[0]); i++)
		if (strcmp(argv[1], SUBS[i].name) == 0)
			return SUBS[i].run(argc - 1, argv + 1);
	if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0))
		return admin_usage(stdout, usage);
	return argc > 1 ? ADMIN_NO_SUB("catalog", argv[1], SUBS) : admin_usage(stderr, usage);
}

const struct admin_verb admin_catalog_verb = {
	"catalog",
	"items to recommend: import, show, check; train models of who takes what",
	run,
};
