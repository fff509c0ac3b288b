/* admin-catalog: what the sub-verbs of `mailtailor catalog` share. */
#ifndef MT_MAIN_ADMIN_CATALOG_H
#define MT_MAIN_ADMIN_CATALOG_H

#include "main/admin.h"

/* argv[0] is the sub-verb's name; they return exit codes. */
int catalog_import(int argc, char **argv);
int catalog_show(int argc, char **argv);
int catalog_check(int argc, char **argv);
int catalog_train(int argc, char **argv);

/* Where they are if nobody says otherwise: in the state directory. */
#define CATALOG_FILE "catalog.safetensors"
#define CATALOG_MODEL_FILE "recommend.safetensors"

/* Options of show and check. */
#define CATALOG_FILES_USAGE                                                                \
	"      --catalog FILE     default: catalog.safetensors in the state directory\n"   \
	"      --model FILE       default: recommend.safetensors in the state directory\n" \
	"  -c, --config CONF      the configuration\n"

/*
 * Writes a file anew (file_replace), as the owner of the directory that it lies in, and tells the audit log
 * before. conf_path: from -c, or NULL. An exit code; the reason was printed.
 */
int catalog_write(const char *conf_path, enum audit_action action, const char *path, struct str bytes);

#endif
