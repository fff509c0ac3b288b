/* admin-audit-write: what an admin does is written into the audit log before he does it. */
#include <pwd.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "base/clock.h"
#include "main/admin.h"

/* "admin:root", "admin:anna as root" when sudo says so. */
static struct str
actor(struct buf *b)
{
	const struct passwd *pw = getpwuid(getuid());
	const char *sudo = getenv("SUDO_USER");
	buf_adds(b, STR("admin:"));
	if (sudo && *sudo && getuid() == 0)
		buf_printf(b, "%s as ", sudo);
	if (pw)
		buf_printf(b, "%s", pw->pw_name);
	else
		buf_printf(b, "uid %u", (unsigned)getuid());
	return buf_str(b);
}

/* One line outside the file, so that its end cannot be cut off unseen. */
static void
tell_syslog(const struct audit_entry *en, const struct audit_head *h)
{
	openlog("mailtailor", LOG_PID, LOG_AUTHPRIV);
	syslog(LOG_NOTICE, "audit %llu:%s %s by %.*s", (unsigned long long)h->seq, h->hash,
	       audit_action_name(en->action), STR_ARG(en->actor));
	closelog();
}

static int
write_one(const struct conf *conf, const struct audit_entry *en)
{
	struct err e = { 0 };
	struct audit_head head;
	struct stat st;
	const char *directory = conf->state.directory;
	if (stat(directory, &st) != 0)
		return EX_OK;
	gid_t group = getegid();
	bool entered = admin_owner_enter(directory);
	int rc = audit_append(directory, en, 1, &head, &e);
	if (entered)
		admin_owner_leave(group);
	if (rc == 0) {
		tell_syslog(en, &head);
		return EX_OK;
	}
	err_prefix(&e, "not done, since the audit log cannot tell of it");
	return admin_fail(&e);
}

int
admin_audit(const struct conf *conf, enum audit_action action, const uint8_t *subject, const char *campaign,
	    const char *fmt, ...)
{
	struct buf who = { 0 }, text = { 0 };
	struct audit_entry en = { .action = action,
				  .at_ms = clock_now_ms(),
				  .actor = actor(&who),
				  .subject = subject,
				  .campaign = str_of(campaign ? campaign : "") };
	va_list ap;
	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	en.details = buf_str(&text);
	int rc = write_one(conf, &en);
	buf_free(&who);
	buf_free(&text);
	return rc;
}

int
admin_audit_file(const char *conf_path, enum audit_action action, const char *file)
{
	if (!conf_path && access(admin_conf_path(NULL), F_OK) != 0)
		return EX_OK;
	struct conf *conf = admin_conf(conf_path);
	if (!conf)
		return EX_CONFIG;
	int code = admin_audit(conf, action, NULL, NULL, "%.300s", file);
	conf_free(&conf);
	return code;
}

int
admin_audit_end(const struct conf *conf, enum audit_action action, const uint8_t *subject, int rc)
{
	if (rc != EX_OK)
		admin_audit(conf, action, subject, NULL, "failed: exit code %d", rc);
	return rc;
}
