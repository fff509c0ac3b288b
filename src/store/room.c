/*
 * room: the space that each database keeps for what it owes.
 *
 * A full map or a full disk must stop what is new long before it stops what has been accepted. What is new (a
 * message and its jobs, a profile) is refused while nothing of it is written yet; what ends, moves or erases
 * (spool_update, spool_set_bad, spool_sweep, release, forget, suppression, consent) asks nobody and lives on
 * the reserve. LMDB never writes over a page in use: each commit takes as many pages as it changes, and those
 * it frees can be used two commits later. So deleting needs room as well, and a reserve that is spent by one
 * commit comes back.
 *
 * Map. The reserve is an eighth of the map, or a sixteenth of the disk when that is less; at least 256 KB and
 * at most 16 MB: hundreds of commits of a few jobs. The spool's grows by what `due` takes, since every job
 * may yet move from one end of it to another and leave half-empty pages behind. Counted are the pages behind
 * the last one in use and the free ones that no reader holds any more; the list of free pages is read only
 * when the former do not suffice.
 *
 * Disk. Pages behind the file's end are only as good as the disk below them. They are allocated (fallocate,
 * the file's size stays) before anything new is written, so that nobody else can take them: who is promised
 * room has it. The file systems that cannot do that (ZFS, some network ones) are asked how much is free.
 * Copy-on-write file systems (btrfs) keep the promise for pages that are written for the first time only.
 * Besides, a sixteenth of the disk (at most 512 MB, at least two reserves) is left to others by what is new:
 * the ledger takes a decision for each copy that the spool sends, and the MTA has a queue. What is owed
 * (reservations, delivery reports) may use that, and half of the reserve. No file of LMDB's ever shrinks: a
 * database that grew up to that part and is empty again takes what is new into the pages that it has, as long
 * as others have left half of that part.
 *
 * Many readers write into the lock file through a shared map, where a full disk is a SIGBUS: room_lock_file
 * gives it its blocks beforehand.
 */
#include "store/store-private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define MAP_SHARE 8
#define RESERVE_MIN ((int64_t)256 << 10)
#define RESERVE_MAX ((int64_t)16 << 20)
#define DISK_SHARE 16
#define FLOOR_MAX ((int64_t)512 << 20)
/* Copied paths, and the list of free pages. */
#define OVERHEAD_PAGES 32
#define READER_SLOT 64 /* bytes in the lock file */

/* What there is at the moment, in pages. */
struct room {
	int64_t page; /* bytes */
	int64_t map, used;
	int64_t reserve;
	int64_t disk, disk_free; /* 0: not known */
	int64_t wanted; /* what is asked for, what was promised before in this transaction, and the reserve */
	int fd;
	int64_t floor;	/* of disk_free, the part that is left to others */
	bool low;	/* the disk has no more than what is left to others */
	int disk_error; /* why there is no more */
};

static int64_t
due_pages(const struct store_txn *t)
{
	MDB_stat st;
	if (t->lane != &t->s->spool || mdb_stat(t->txn, t->s->sp.due, &st) != 0)
		return 0;
	return (int64_t)(st.ms_branch_pages + st.ms_leaf_pages);
}

static int64_t
min64(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t
max64(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* false: there is no telling. */
static bool
room_look(const struct store_txn *t, struct room *r)
{
	MDB_envinfo info;
	MDB_stat st;
	struct statvfs vfs;
	if (mdb_env_info(t->lane->env, &info) != 0 || mdb_env_stat(t->lane->env, &st) != 0 ||
	    mdb_env_get_fd(t->lane->env, &r->fd) != 0)
		return false;
	r->page = (int64_t)st.ms_psize;
	r->map = (int64_t)info.me_mapsize / r->page;
	r->used = (int64_t)info.me_last_pgno + 1; /* before this transaction */
	r->reserve = r->map / MAP_SHARE;
	if (fstatvfs(r->fd, &vfs) == 0) {
		r->disk = (int64_t)vfs.f_blocks * (int64_t)vfs.f_frsize / r->page;
		r->disk_free = (int64_t)vfs.f_bavail * (int64_t)vfs.f_frsize / r->page;
		r->reserve = min64(r->reserve, r->disk / DISK_SHARE);
	}
	r->reserve = min64(max64(r->reserve, RESERVE_MIN / r->page), RESERVE_MAX / r->page);
	if (r->disk > 0)
		r->floor = max64(min64(r->disk / DISK_SHARE, FLOOR_MAX / r->page), 2 * r->reserve);
	r->low = r->disk_free < r->floor;
	return true;
}

/* ---- free pages ---- */

static int
reader_note(const char *line, void *ctx)
{
	size_t *oldest = ctx, id;
	int pid;
	if (sscanf(line, "%d %*x %zu", &pid, &id) == 2 && id < *oldest)
		*oldest = id;
	return 0;
}

/* Counts pages that the next transactions may use; stops at enough. */
static int64_t
free_pages(struct store_txn *t, int64_t enough)
{
	MDB_txn *txn;
	MDB_cursor *c = NULL;
	MDB_val k, v;
	int64_t sum = 0;
	/* The list can be looked at by readers only. */
	if (mdb_txn_begin(t->lane->env, NULL, MDB_RDONLY, &txn) != 0)
		return 0;
	size_t oldest = mdb_txn_id(txn), id, n;
	mdb_reader_list(t->lane->env, reader_note, &oldest);
	int rc = mdb_cursor_open(txn, 0, &c);
	if (rc == 0)
		rc = mdb_cursor_get(c, &k, &v, MDB_FIRST);
	while (rc == 0 && sum < enough) {
		if (k.mv_size != sizeof id || v.mv_size < sizeof n)
			break;
		memcpy(&id, k.mv_data, sizeof id);
		memcpy(&n, v.mv_data, sizeof n);
		if (id >= oldest)
			break;
		sum += (int64_t)n;
		rc = mdb_cursor_get(c, &k, &v, MDB_NEXT);
	}
	if (c)
		mdb_cursor_close(c);
	mdb_txn_abort(txn);
	return sum;
}

/* ---- the disk ---- */

/* Blocks for the file up to `to`; 0 or errno. */
static int
file_allocate(struct lane *lane, int fd, int64_t to)
{
	int rc;
	if (to <= lane->blocks_to)
		return 0;
	do
		rc = fallocate(fd, FALLOC_FL_KEEP_SIZE, lane->blocks_to, to - lane->blocks_to) == 0 ? 0
												    : errno;
	while (rc == EINTR);
	if (rc == 0)
		lane->blocks_to = to;
	return rc;
}

/* How many pages behind the last one in use have their blocks, or may count on them; grow: they may be had
 * now. */
static int64_t
tail_pages(struct lane *lane, struct room *r, bool grow)
{
	/* Not for each commit anew. */
	const int64_t want = min64(r->map, r->used + r->wanted),
		      more = min64(r->map, want + max64(0, min64(r->reserve, r->disk_free - r->floor)));
	if (grow && lane->blocks_to < want * r->page) {
		int rc = file_allocate(lane, r->fd, more * r->page);
		if (rc == ENOSPC || rc == EDQUOT)
			rc = file_allocate(lane, r->fd, want * r->page);
		r->disk_error = rc;
		if (rc == EOPNOTSUPP || rc == ENOSYS || rc == EINVAL) {
			r->disk_error = ENOSPC;
			return min64(want - r->used, r->disk_free);
		}
	}
	int64_t tail = min64(r->map, lane->blocks_to / r->page) - r->used;
	return tail > 0 ? tail : 0;
}

/* ---- asking ---- */

static enum op_result
refuse_map(const struct store_txn *t, const struct room *r, struct err *e)
{
	err_set(e, ERR_FULL,
		"state %s: %s is full: what is left of its %lld MB is kept for what was accepted before; "
		"nothing was written; raise state.map_size",
		t->s->directory, t->lane->file, (long long)(r->map * r->page) >> 20);
	return OP_FAIL;
}

static enum op_result
refuse_disk(const struct store_txn *t, const struct room *r, struct err *e)
{
	err_set(e, ERR_FULL,
		"state %s: the disk is full: %s cannot have %lld MB more (%s), which it keeps for what was "
		"accepted before; nothing was written; free space on this disk",
		t->s->directory, t->lane->file, (long long)(r->wanted * r->page) >> 20,
		strerror(r->disk_error));
	return OP_FAIL;
}

static enum op_result
refuse_floor(const struct store_txn *t, const struct room *r, struct err *e)
{
	err_set(e, ERR_FULL,
		"state %s: the disk is nearly full: its last %lld MB are left to what was accepted before; "
		"nothing was written to %s; free space on this disk",
		t->s->directory, (long long)(r->floor * r->page) >> 20, t->lane->file);
	return OP_FAIL;
}

static bool
enough(struct store_txn *t, struct room *r, bool grow)
{
	const int64_t missing = r->wanted - tail_pages(t->lane, r, grow);
	int dead;
	if (missing <= 0 || free_pages(t, missing) >= missing)
		return true;
	/* Somebody who was killed while he read holds pages back? */
	return mdb_reader_check(t->lane->env, &dead) == 0 && dead > 0 && free_pages(t, missing) >= missing;
}

enum op_result
room_take(struct store_txn *t, int64_t bytes, int64_t touched, enum room_for what, struct err *e)
{
	struct room r = { 0 };
	if (!room_look(t, &r))
		return OP_OK;
	t->promised_bytes += bytes;
	t->promised_pages += touched;
	const int64_t reserve = r.reserve + due_pages(t), grown = t->promised_bytes / r.page * 5 / 4;
	/* No page is copied twice in one transaction. */
	r.wanted = (what == ROOM_NEW ? reserve : reserve / 2) + OVERHEAD_PAGES + grown +
		   min64(t->promised_pages, r.used + grown);
	/* When the disk is low, what the file has comes first. */
	const bool fits = enough(t, &r, !r.low) || (r.low && what == ROOM_OWED && enough(t, &r, true));
	enum op_result res = OP_OK;
	if (what == ROOM_NEW && (r.disk_free < r.floor / 2 || (r.low && !fits)))
		res = refuse_floor(t, &r, e);
	else if (!fits)
		res = r.disk_error != 0 ? refuse_disk(t, &r, e) : refuse_map(t, &r, e);
	if (res != OP_OK) {
		t->promised_bytes -= bytes;
		t->promised_pages -= touched;
	}
	return res;
}

int
room_lock_file(const char *path, int64_t readers, bool create)
{
	struct stat st;
	int rc = 0, fd = open(path, O_RDWR | O_CLOEXEC | (create ? O_CREAT : 0), 0600);
	if (fd < 0)
		return 0; /* LMDB says better what is wrong */
	if (fstat(fd, &st) == 0) {
		int64_t n = (readers + 8) * READER_SLOT;
		n = n > st.st_size ? n : st.st_size;
		rc = fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, n) == 0 ? 0 : errno;
	}
	close(fd);
	return rc == ENOSPC || rc == EDQUOT ? rc : 0;
}
