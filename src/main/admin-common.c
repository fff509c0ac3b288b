/*
 * admin-common: errors, the configuration, the store and the key ring, as every verb opens them.
 */
#include "main/admin.h"

#include <getopt.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "main/paths.h"
#include "store/store.h"
#include "token/token.h"

#define DAEMON_USER "mailtailor"

int
admin_usage(FILE *out, const char *text)
{
	fputs(text, out);
	return out == stderr ? EX_USAGE : EX_OK;
}

int
admin_fail(const struct err *e)
{
	int code = err_exit_code(e->kind);
	fprintf(stderr, "mailtailor: %s\n", e->text);
	return code ? code : EX_SOFTWARE;
}

__attribute__((format(printf, 1, 0))) static void
vsay(const char *fmt, va_list ap)
{
	struct buf b = { 0 };
	buf_vprintf(&b, fmt, ap);
	str_tame(b.p, b.n);
	fprintf(stderr, "mailtailor: %s\n", b.p);
	buf_free(&b);
}

void
admin_say(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsay(fmt, ap);
	va_end(ap);
}

int
admin_misuse(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsay(fmt, ap);
	va_end(ap);
	return EX_USAGE;
}

const char *
admin_conf_path(const char *path_or_null)
{
	return path_or_null ? path_or_null : paths_conf();
}

static void
print_mistake(void *ctx, const char *text)
{
	(void)ctx;
	fprintf(stderr, "%s\n", text);
}

struct conf *
admin_conf(const char *path_or_null)
{
	return conf_load(admin_conf_path(path_or_null), paths_plugins(), print_mistake, NULL);
}

static void
say_and_set(const struct err *e, int *exit_code)
{
	int code = admin_fail(e);
	if (exit_code)
		*exit_code = code;
}

bool
admin_owner_enter(const char *directory)
{
	struct stat st;
	if (geteuid() != 0 || stat(directory, &st) != 0 || st.st_uid == 0)
		return false;
	if (setegid(st.st_gid) != 0 || seteuid(st.st_uid) != 0)
		abort(); /* root may */
	return true;
}

void
admin_owner_leave(gid_t group)
{
	if (seteuid(0) != 0 || setegid(group) != 0)
		abort(); /* the saved user is root */
}

/*
 * Before the daemon's first start root makes the state directory for the user whom the units name
 * (contrib/systemd), so that the daemon can open what is in it. Where there is no such user, or where he
 * cannot get at the directory and so is not the daemon's, it is root's.
 */
static void
directory_make(const char *directory)
{
	const struct passwd *pw;
	if (geteuid() != 0 || access(directory, F_OK) == 0 || !(pw = getpwnam(DAEMON_USER)))
		return;
	gid_t group = getegid();
	if (mkdir(directory, 0700) != 0 || lchown(directory, pw->pw_uid, pw->pw_gid) != 0 ||
	    !admin_owner_enter(directory))
		return;
	bool reached = eaccess(directory, W_OK | X_OK) == 0;
	admin_owner_leave(group);
	if (!reached && lchown(directory, 0, 0) != 0)
		abort(); /* root may */
}

struct store *
admin_store(const struct conf *conf, bool read_only, bool create, int *exit_code)
{
	struct err e = { 0 };
	struct store_options o = {
		.directory = conf->state.directory,
		.map_size = conf->state.map_size,
		.max_readers = conf->state.max_readers,
		.read_only = read_only,
		.create = create,
	};
	gid_t group = getegid();
	if (create)
		directory_make(o.directory);
	bool entered = admin_owner_enter(o.directory);
	struct store *s = store_open(&o, &e);
	if (entered)
		admin_owner_leave(group);
	if (!s) {
		if (conf->state.pos.line > 0)
			err_prefix(&e, "%s:%d", conf->state.pos.file, conf->state.pos.line);
		say_and_set(&e, exit_code);
	}
	return s;
}

struct keyring *
admin_keys(const struct conf *conf, int *exit_code)
{
	struct err e = { 0 };
	struct keyring *k = keyring_load(conf->keys.file, &e);
	if (!k) {
		if (conf->keys.pos.line > 0)
			err_prefix(&e, "%s:%d: keys", conf->keys.pos.file, conf->keys.pos.line);
		else
			err_prefix(&e, "keys");
		say_and_set(&e, exit_code);
	}
	return k;
}

int
admin_ring_options(struct ring_options *o, int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "file", required_argument, NULL, 'f' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c;
	optind = 0;
	while ((c = admin_option(argc, argv, "c:f:h", options)) != -1) {
		switch (c) {
		case 'c':
			o->conf_path = optarg;
			break;
		case 'f':
			o->file = optarg;
			break;
		case 'j':
			o->json = true;
			break;
		case 'h':
			o->help = true;
			return EX_OK;
		default:
			return EX_USAGE;
		}
	}
	return EX_OK;
}

int
admin_moment(struct str s, int64_t *ms, struct err *e)
{
	char text[64];
	bool local;
	s = str_trim(s);
	if (s.n == 10)
		snprintf(text, sizeof(text), "%.10sT00:00:00Z", s.p);
	else
		snprintf(text, sizeof(text), "%.*s", STR_ARG(s));
	if (s.n > 11 && s.n < sizeof(text) && text[10] == ' ')
		text[10] = 'T';
	return s.n < sizeof(text) && clock_parse_moment(str_of(text), ms, &local, NULL) == 0
		   ? 0
		   : err_set(e, ERR_INPUT, "\"%.*s\" is no time", STR_ARG(str_sub(s, 0, 40)));
}
