/*
 * load: one plugin's library. Everything that can be known to be wrong is
 * found here, before any mail depends on it.
 */
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plugin/set.h"

/* ---- the file ---- */

static int
check_owner(const char *what, const char *path, const struct stat *st, struct err *e)
{
	if (st->st_uid != 0 && st->st_uid != geteuid())
		return err_set(e, ERR_PERM, "the %s %s belongs to uid %ld; give it to root or to uid %ld",
			       what, path, (long)st->st_uid, (long)geteuid());
	if (st->st_mode & (S_IWGRP | S_IWOTH))
		return err_set(e, ERR_PERM, "the %s %s is writable by group or others; run chmod go-w on it",
			       what, path);
	return 0;
}

/* Fills real with the path behind all symbolic links: that file is checked, and that one is loaded. */
static int
file_check(const char *path, char real[PATH_MAX], struct err *e)
{
	struct stat st;
	char dir[PATH_MAX];
	if (!realpath(path, real))
		return err_set(e, errno == ENOENT ? ERR_MISSING : ERR_PERM,
			       "cannot find %s: %s; correct the section's name, or write path = \"FILE.so\" "
			       "in it",
			       path, strerror(errno));
	if (stat(real, &st) != 0)
		return err_set(e, ERR_PERM, "cannot look at %s: %s", real, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_CONFIG, "%s is not a regular file", real);
	if (check_owner("file", real, &st, e) != 0)
		return -1;

	memcpy(dir, real, strlen(real) + 1);
	char *slash = strrchr(dir, '/');
	slash[slash == dir] = '\0'; /* the root directory keeps its slash */
	if (stat(dir, &st) != 0)
		return err_set(e, ERR_PERM, "cannot look at %s: %s", dir, strerror(errno));
	return check_owner("directory", dir, &st, e);
}

/* ---- versions ---- */

static int
check_size(const char *what, uint32_t built, size_t ours, bool exact, struct err *e)
{
	if (exact ? built == ours : built <= ours && built > 0)
		return 0;
	return err_set(
	    e, ERR_UNSUPPORTED,
	    "was built with a struct %s of %u bytes, this mailtailor has %zu; rebuild it with this "
	    "version's mailtailor_plugin.h",
	    what, built, ours);
}

static int
check_magic(const struct mt_magic *m, struct err *e)
{
	if (!m || m->magic != MT_ABI_MAGIC)
		return err_set(e, ERR_UNSUPPORTED, "is no mailtailor plugin: wrong magic number");
	if (m->abi_major != MT_ABI_MAJOR || m->abi_minor > MT_ABI_MINOR)
		return err_set(
		    e, ERR_UNSUPPORTED,
		    "was built for plugin ABI %u.%u, this mailtailor has %u.%u; rebuild it with this "
		    "version's mailtailor_plugin.h",
		    m->abi_major, m->abi_minor, MT_ABI_MAJOR, MT_ABI_MINOR);
	bool same = m->abi_minor == MT_ABI_MINOR;
	if (check_size("mt_magic", m->size, sizeof(*m), true, e) != 0 ||
	    check_size("mt_str", m->sizeof_str, sizeof(struct mt_str), true, e) != 0 ||
	    check_size("mt_option", m->sizeof_option, sizeof(struct mt_option), true, e) != 0 ||
	    check_size("mt_error", m->sizeof_error, sizeof(struct mt_error), true, e) != 0 ||
	    check_size("mt_shape", m->sizeof_shape, sizeof(struct mt_shape), true, e) != 0 ||
	    check_size("mt_request", m->sizeof_request, sizeof(struct mt_request), same, e) != 0 ||
	    check_size("mt_host", m->sizeof_host, sizeof(struct mt_host), same, e) != 0 ||
	    check_size("mt_plugin", m->sizeof_plugin, sizeof(struct mt_plugin), same, e) != 0)
		return -1;
	return 0;
}

/* The minor version that made flags of a reserved field. */
#define FLAGS_SINCE 1u
#define HISTORY_SINCE 2u

static int
check_api(const struct mt_plugin *api, uint32_t minor, struct err *e)
{
	if (!api || api->size != sizeof(*api))
		return err_set(e, ERR_UNSUPPORTED, "describes itself by a struct mt_plugin of a wrong size");
	if (api->kind != MT_KIND_PERSONALIZER && api->kind != MT_KIND_SCORER)
		return err_set(e, ERR_UNSUPPORTED, "is of the unknown kind %u", api->kind);
	uint32_t known = minor >= HISTORY_SINCE ? MT_SHORT | MT_HISTORY : MT_SHORT;
	if (minor >= FLAGS_SINCE && (api->flags & ~known) != 0)
		return err_set(e, ERR_UNSUPPORTED, "has unknown flags (%#x)", api->flags);
	bool complete = api->kind == MT_KIND_SCORER ? api->shape && api->score : api->run != NULL;
	if (!api->create || !complete || !api->name || !api->version)
		return err_set(e, ERR_UNSUPPORTED, "leaves out a function or name that its kind needs");
	return 0;
}

/* ---- symbols and instance ---- */

/* ISO C has no cast from object to function pointer; POSIX guarantees the representation. */
static void
symbol_find(void *handle, const char *name, void *function)
{
	void *sym = dlsym(handle, name);
	memcpy(function, &sym, sizeof(sym));
}

static int
library_open(struct plugin *p, const char *real, struct err *e)
{
	const struct mt_magic *(*magic)(void) = NULL;
	const struct mt_plugin *(*describe)(void) = NULL;

	/*
	 * OpenBLAS starts its threads when it is loaded, and only this keeps it from doing so. Set at the
	 * first load, when the process still has one thread; setenv is not safe later.
	 */
	if (!getenv("OPENBLAS_NUM_THREADS"))
		setenv("OPENBLAS_NUM_THREADS", "1", 0);

	p->handle = dlopen(real, RTLD_NOW | RTLD_LOCAL);
	if (!p->handle) {
		const char *why = dlerror();
		return err_set(e, ERR_UNSUPPORTED, "cannot be loaded: %s", why ? why : real);
	}
	symbol_find(p->handle, "mailtailor_plugin_magic", &magic);
	if (!magic)
		return err_set(e, ERR_UNSUPPORTED,
			       "%s has no symbol mailtailor_plugin_magic: it is no mailtailor plugin", real);
	if (check_magic(magic(), e) != 0)
		return err_prefix(e, "%s", real);
	symbol_find(p->handle, "mailtailor_plugin", &describe);
	if (!describe)
		return err_set(
		    e, ERR_UNSUPPORTED,
		    "%s has no symbol mailtailor_plugin; declare it with MT_PERSONALIZER or MT_SCORER", real);
	p->api = describe();
	if (check_api(p->api, magic()->abi_minor, e) != 0)
		return err_prefix(e, "%s", real);
	p->history = magic()->abi_minor >= HISTORY_SINCE && (p->api->flags & MT_HISTORY);
	atomic_store(&p->here, magic()->abi_minor >= FLAGS_SINCE && (p->api->flags & MT_SHORT));
	return 0;
}

static bool
score_name_valid(const char *s)
{
	size_t n = 0;
	if (!ascii_isalpha(s[0]))
		return false;
	for (; s[n]; n++) {
		if (n >= 64 || (!ascii_isalpha(s[n]) && !ascii_isdigit(s[n]) && s[n] != '_' && s[n] != '-'))
			return false;
	}
	return true;
}

static int
check_shape(const struct mt_shape *s, struct err *e)
{
	if (s->nfeatures < 1 || s->nfeatures > PLUGIN_MAX_FEATURES || !s->features)
		return err_set(e, ERR_UNSUPPORTED, "declares %zu features; 1 to %d are possible",
			       s->nfeatures, PLUGIN_MAX_FEATURES);
	if (s->nscores < 1 || s->nscores > PLUGIN_MAX_SCORES || !s->scores)
		return err_set(e, ERR_UNSUPPORTED, "declares %zu scores; 1 to %d are possible", s->nscores,
			       PLUGIN_MAX_SCORES);
	for (size_t i = 0; i < s->nfeatures; i++) {
		const char *f = s->features[i];
		if (!f || f[0] == '\0' || strnlen(f, SCORE_COLUMN_MAX + 1) > SCORE_COLUMN_MAX ||
		    !str_is_utf8(str_of(f)))
			return err_set(e, ERR_UNSUPPORTED, "declares a bad name for feature %zu", i + 1);
	}
	for (size_t i = 0; i < s->nscores; i++) {
		if (!s->scores[i] || !score_name_valid(s->scores[i]))
			return err_set(e, ERR_UNSUPPORTED, "declares a bad name for score %zu", i + 1);
		for (size_t k = 0; k < i; k++) {
			if (strcmp(s->scores[i], s->scores[k]) == 0)
				return err_set(e, ERR_UNSUPPORTED, "declares the score %s twice",
					       s->scores[i]);
		}
	}
	return 0;
}

/* A plugin's own error text as ours: bounded, and never empty. */
static int
plugin_error(struct err *e, const char *what, struct mt_error *pe)
{
	pe->text[sizeof(pe->text) - 1] = '\0';
	return err_set(e, ERR_CONFIG, "%s: %s", what, pe->text[0] ? pe->text : "no reason given");
}

static int
instance_create(struct plugin *p, const struct conf_plugin *cp, struct err *e)
{
	struct mt_error pe = { "" };
	struct arena *a = p->set->arena;
	struct mt_option *options = ARENA_ARRAY(a, struct mt_option, cp->noptions);
	for (size_t i = 0; i < cp->noptions; i++) {
		options[i].name = arena_cstr(a, str_of(cp->option_names[i]));
		options[i].value = arena_cstr(a, str_of(cp->option_values[i]));
	}
	host_table_fill(p);
	p->instance = p->api->create(&p->host, options, cp->noptions, &pe);
	if (!p->instance)
		return plugin_error(e, "refuses to start", &pe);
	p->created = true;
	if (p->api->kind != MT_KIND_SCORER)
		return 0;
	pe.text[0] = '\0';
	if (p->api->shape(p->instance, &p->shape, &pe) != 0)
		return plugin_error(e, "has no shape", &pe);
	if (check_shape(&p->shape, e) != 0)
		return -1;
	return score_columns_compile(a, p->shape.features, p->shape.nfeatures, &p->columns, e);
}

static int
check_columns(const struct plugin *p, const struct conf_privacy *privacy, struct err *e)
{
	const char *field;
	ptrdiff_t arm = p->columns ? score_columns_find_arm(p->columns) : -1;
	if (arm >= 0)
		return err_set(
		    e, ERR_CONFIG,
		    "its feature \"%s\" reads the arm, which is decided when scores are known; train "
		    "without it",
		    score_columns_texts(p->columns)[arm]);
	ptrdiff_t k = p->columns ? score_columns_find_field(p->columns, privacy->sensitive.v,
							    privacy->sensitive.n, &field)
				 : -1;
	if (k < 0)
		return 0;
	return err_set(e, ERR_CONFIG,
		       "its feature \"%s\" reads \"%s\", which privacy marks as sensitive; train without it",
		       score_columns_texts(p->columns)[k], field);
}

int
plugin_open(struct plugin *p, const struct conf *c, const struct conf_plugin *cp, struct err *e)
{
	char path[PATH_MAX], real[PATH_MAX];
	bool absolute = cp->path[0] == '/' || !c->plugin_directory;
	int n = snprintf(path, sizeof(path), "%s%s%s", absolute ? "" : c->plugin_directory,
			 absolute ? "" : "/", cp->path);
	if (n < 0 || (size_t)n >= sizeof(path))
		return err_set(e, ERR_CONFIG, "its path is too long");
	if (file_check(path, real, e) != 0 || library_open(p, real, e) != 0)
		return -1;
	return instance_create(p, cp, e) == 0 ? check_columns(p, &c->privacy, e) : -1;
}

void
plugin_close(struct plugin *p)
{
	if (p->created && p->api->destroy)
		p->api->destroy(p->instance);
	p->created = false;
	if (p->handle)
		dlclose(p->handle);
	p->handle = NULL;
}
