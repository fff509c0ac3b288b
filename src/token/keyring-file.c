/* The key ring on disk: checked before it is believed, replaced atomically, one writer at a time. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "token/keyring.h"

/* Write for the group, anything for others. */
#define FORBIDDEN_MODE 0027
#define KEPT_MODE 0640

/* ---- reading ---- */

static int
open_failed(const char *file, struct err *e)
{
	switch (errno) {
	case ENOENT:
		return err_set(e, ERR_MISSING,
			       "%s: no such key ring; make one with: mailtailor key generate --file %s", file,
			       file);
	case ELOOP:
		return err_set(e, ERR_PERM, "%s: is a symbolic link; name the key ring itself", file);
	case EACCES:
	case EPERM:
		return err_set(e, ERR_PERM,
			       "%s: may not be read by uid %u; let its group read it (chgrp, chmod 640)",
			       file, (unsigned)geteuid());
	default:
		return err_set(e, ERR_IO, "%s: %s", file, strerror(errno));
	}
}

static int
check_file(int fd, const char *file, struct stat *st, struct err *e)
{
	if (fstat(fd, st) < 0)
		return err_set(e, ERR_IO, "%s: %s", file, strerror(errno));
	if (!S_ISREG(st->st_mode))
		return err_set(e, ERR_PERM, "%s: is not a regular file", file);
	if (st->st_uid != 0 && st->st_uid != geteuid())
		return err_set(e, ERR_PERM, "%s: belongs to uid %u, who could replace it; run: chown root %s",
			       file, (unsigned)st->st_uid, file);
	if (st->st_mode & FORBIDDEN_MODE)
		return err_set(e, ERR_PERM, "%s: mode %04o gives others too much; run: chmod %s %s", file,
			       (unsigned)st->st_mode & 07777, st->st_mode & S_IRGRP ? "640" : "600", file);
	return 0;
}

/* dir is the descriptor that name is relative to; file is for messages. */
static struct keyring *
read_ring(int dir, const char *name, const char *file, struct stat *st, struct err *e)
{
	/* O_NONBLOCK: a FIFO must be refused, not waited for. */
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct keyring *k = NULL;
	struct buf text = { 0 };
	ssize_t got;

	if (fd < 0) {
		open_failed(file, e);
		return NULL;
	}
	if (check_file(fd, file, st, e) < 0)
		goto out;
	buf_reserve(&text, KEYRING_MAX_FILE + 1);
	while (text.n <= KEYRING_MAX_FILE) {
		got = read(fd, text.p + text.n, KEYRING_MAX_FILE + 1 - text.n);
		if (got == 0)
			break;
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			err_set(e, ERR_IO, "%s: %s", file, strerror(errno));
			goto out;
		}
		text.n += (size_t)got;
	}
	k = keyring_parse(buf_str(&text), file, e);
out:
	buf_wipe(&text);
	close(fd);
	return k;
}

struct keyring *
keyring_load(const char *file, struct err *e)
{
	struct stat st;

	return read_ring(AT_FDCWD, file, file, &st, e);
}

/* ---- writing ---- */

/* The directory of the ring, locked: with it held, no other mailtailor changes a ring there. */
struct place {
	const char *file; /* as the admin wrote it */
	const char *name; /* its last component */
	char *tmp;	  /* the temporary file beside it */
	int dir;
};

static int
place_lock(struct place *p, const char *file, struct err *e)
{
	const char *slash = strrchr(file, '/');
	char *dir;

	*p = (struct place){ .file = file, .name = slash ? slash + 1 : file, .dir = -1 };
	if (*p->name == '\0')
		return err_set(e, ERR_USAGE, "%s: names a directory; name the key ring", file);
	dir = slash ? strndup(file, slash == file ? 1 : (size_t)(slash - file)) : strdup(".");
	if (!dir || asprintf(&p->tmp, ".%s.new", p->name) < 0)
		abort();
	p->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (p->dir < 0)
		err_set(e,
			errno == ENOENT	  ? ERR_MISSING
			: errno == EACCES ? ERR_PERM
					  : ERR_IO,
			"%s: %s", dir, strerror(errno));
	else if (flock(p->dir, LOCK_EX | LOCK_NB) < 0)
		err_set(e, errno == EWOULDBLOCK ? ERR_TEMP : ERR_IO, "%s: %s", dir,
			errno == EWOULDBLOCK
			    ? "another key command is at work there; try again when it is done"
			    : strerror(errno));
	else {
		free(dir);
		return 0;
	}
	free(dir);
	return -1;
}

static void
place_unlock(struct place *p)
{
	if (p->dir >= 0)
		close(p->dir);
	free(p->tmp);
}

/* Writes the temporary file, durable. old: whose owner, group and mode to keep, or NULL. */
static int
write_temporary(const struct place *p, const struct keyring *k, const struct stat *old, struct err *e)
{
	struct buf text = { 0 };
	int fd, rc = -1;

	if (unlinkat(p->dir, p->tmp, 0) < 0 && errno != ENOENT)
		return err_set(e, ERR_IO, "%s (%s beside it): %s", p->file, p->tmp, strerror(errno));
	fd = openat(p->dir, p->tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_set(e, errno == EACCES || errno == EROFS ? ERR_PERM : ERR_IO,
			       "%s (%s beside it): %s", p->file, p->tmp, strerror(errno));
	keyring_print(k, &text);
	if (old && fchown(fd, old->st_uid, old->st_gid) < 0)
		err_set(e, ERR_PERM, "%s: its owner cannot be kept (%s); run this as root", p->file,
			strerror(errno));
	else if (fchmod(fd, old ? old->st_mode & KEPT_MODE : 0600) < 0 || !fd_write(fd, buf_str(&text)) ||
		 fsync(fd) < 0)
		err_set(e, ERR_IO, "%s (%s beside it): %s", p->file, p->tmp, strerror(errno));
	else
		rc = 0;
	buf_wipe(&text);
	if (close(fd) < 0 && rc == 0)
		rc = err_set(e, ERR_IO, "%s (%s beside it): %s", p->file, p->tmp, strerror(errno));
	if (rc < 0)
		unlinkat(p->dir, p->tmp, 0);
	return rc;
}

static int
place_sync(const struct place *p, struct err *e)
{
	if (fsync(p->dir) < 0)
		return err_set(e, ERR_IO, "%s: written, but its directory cannot be synced: %s", p->file,
			       strerror(errno));
	return 0;
}

static int
replace(const struct place *p, const struct keyring *k, const struct stat *old, struct err *e)
{
	if (write_temporary(p, k, old, e) < 0)
		return -1;
	if (renameat(p->dir, p->tmp, p->dir, p->name) < 0) {
		err_set(e, ERR_IO, "%s: %s", p->file, strerror(errno));
		unlinkat(p->dir, p->tmp, 0);
		return -1;
	}
	return place_sync(p, e);
}

/* ---- the verbs ---- */

static int
add_key(struct keyring *k, uint32_t id, int64_t now_ms, struct err *e)
{
	struct ring_key *r = &k->keys[k->nkeys];

	r->info = (struct key_info){ .id = id, .state = KEY_SEALING, .created_ms = now_ms };
	if (RAND_priv_bytes(r->secret, sizeof(r->secret)) != 1)
		return err_set(e, ERR_BUG, "OpenSSL gives no random bytes");
	k->nkeys++;
	return 0;
}

int
keyring_generate(const char *file, int64_t now_ms, struct err *e)
{
	struct keyring *k = keyring_new();
	struct place p;
	int rc = -1;

	if (place_lock(&p, file, e) < 0)
		goto out;
	k->site_created_ms = now_ms;
	if (RAND_priv_bytes(k->site, sizeof(k->site)) != 1) {
		err_set(e, ERR_BUG, "OpenSSL gives no random bytes");
		goto out;
	}
	if (add_key(k, 1, now_ms, e) < 0 || write_temporary(&p, k, NULL, e) < 0)
		goto out;
	/* link(2), unlike rename(2), never overwrites. */
	if (linkat(p.dir, p.tmp, p.dir, p.name, 0) < 0) {
		if (errno == EEXIST)
			err_set(e, ERR_USAGE,
				"%s: exists, and overwriting it would make every link already mailed "
				"useless; to replace the sealing key run: mailtailor key rotate",
				file);
		else
			err_set(e, ERR_IO, "%s: %s", file, strerror(errno));
	} else {
		rc = 0;
	}
	unlinkat(p.dir, p.tmp, 0);
	if (rc == 0)
		rc = place_sync(&p, e);
out:
	place_unlock(&p);
	keyring_free(&k);
	return rc;
}

int
keyring_rotate(const char *file, int64_t now_ms, uint32_t *new_id, struct err *e)
{
	struct keyring *k = NULL;
	struct place p;
	struct stat st;
	uint32_t max = 0;
	int rc = -1;

	if (place_lock(&p, file, e) < 0 || !(k = read_ring(p.dir, p.name, file, &st, e)))
		goto out;
	if (k->nkeys == KEYRING_MAX_KEYS) {
		err_set(e, ERR_LIMIT,
			"%s: holds %d keys already; delete the lines of the oldest retired keys", file,
			KEYRING_MAX_KEYS);
		goto out;
	}
	for (size_t i = 0; i < k->nkeys; i++) {
		struct key_info *in = &k->keys[i].info;

		if (in->state == KEY_SEALING)
			in->state = KEY_OPENING;
		if (in->id > max)
			max = in->id;
	}
	if (max == UINT32_MAX) {
		err_set(e, ERR_LIMIT, "%s: key ids are used up", file);
		goto out;
	}
	if (add_key(k, max + 1, now_ms, e) < 0 || replace(&p, k, &st, e) < 0)
		goto out;
	*new_id = max + 1;
	rc = 0;
out:
	place_unlock(&p);
	keyring_free(&k);
	return rc;
}

int
keyring_retire(const char *file, uint32_t id, int64_t now_ms, struct err *e)
{
	struct keyring *k = NULL;
	struct key_info *in = NULL;
	struct place p;
	struct stat st;
	int rc = -1;

	if (place_lock(&p, file, e) < 0 || !(k = read_ring(p.dir, p.name, file, &st, e)))
		goto out;
	for (size_t i = 0; i < k->nkeys; i++)
		if (k->keys[i].info.id == id)
			in = &k->keys[i].info;
	if (!in) {
		err_set(e, ERR_MISSING, "%s: has no key %u; see: mailtailor key list", file, id);
	} else if (in->state == KEY_SEALING) {
		err_set(e, ERR_USAGE, "key %u seals new links; first run: mailtailor key rotate", id);
	} else if (in->state == KEY_RETIRED) {
		err_set(e, ERR_USAGE, "key %u is retired already", id);
	} else {
		in->state = KEY_RETIRED;
		in->retired_ms = now_ms;
		rc = replace(&p, k, &st, e);
	}
out:
	place_unlock(&p);
	keyring_free(&k);
	return rc;
}
