/*
 * env: opening and closing the LMDB environment, the schema version, and
 * LMDB's codes as errors an admin can act on.
 */
#include "store/store-private.h"

#include "base/fd.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEFAULT_MAP_SIZE ((int64_t)16 << 30)
#define DEFAULT_MAX_READERS 1024
#define MAX_TABLES 9

int
store_err(const struct store *s, struct err *e, int rc, const char *what)
{
	const char *d = s->directory;
	switch (rc) {
	case MDB_MAP_FULL:
		return err_set(e, ERR_FULL,
			       "state %s: %s: the database is full (%lld bytes); raise state.map_size", d,
			       what, (long long)s->map_size);
	case MDB_MAP_RESIZED:
		return err_set(e, ERR_TEMP,
			       "state %s: %s: another process made the database larger than this one's "
			       "map_size; use the "
			       "same configuration for all and restart",
			       d, what);
	case MDB_READERS_FULL:
		return err_set(e, ERR_TEMP, "state %s: %s: too many readers at once; raise state.max_readers",
			       d, what);
	case MDB_TXN_FULL:
		return err_set(e, ERR_TEMP, "state %s: %s: too many changes in one transaction", d, what);
	case ENOSPC:
	case EDQUOT:
		return err_set(e, ERR_FULL, "state %s: %s: %s; free space on this disk", d, what,
			       strerror(rc));
	case EIO: /* LMDB's word for a short write, too */
		return err_set(e, ERR_IO, "state %s: %s: %s; is the disk full, or broken?", d, what,
			       strerror(rc));
	case ENOMEM:
		return err_set(e, ERR_TEMP, "state %s: %s: %s", d, what, strerror(rc));
	case MDB_CORRUPTED:
	case MDB_PAGE_NOTFOUND:
	case MDB_INVALID:
		return err_set(e, ERR_CORRUPT, "state %s: %s: %s; restore the directory from a backup", d,
			       what, mdb_strerror(rc));
	case MDB_PANIC:
		return err_set(
		    e, ERR_IO,
		    "state %s: %s: an earlier disk error made the database unusable; restart this program", d,
		    what);
	case EACCES:
	case EPERM:
	case EROFS:
		return err_set(e, ERR_PERM, "state %s: %s: %s; check its owner and mode", d, what,
			       strerror(rc));
	default:
		return err_set(e, ERR_IO, "state %s: %s: %s", d, what, mdb_strerror(rc));
	}
}

int
store_corrupt(const struct store *s, struct err *e, const char *table)
{
	return err_set(e, ERR_CORRUPT,
		       "state %s: a record of table %s is damaged; restore the directory from a backup",
		       s->directory, table);
}

/* ---- opening ---- */

static int
directory_ready(const struct store_options *o, struct err *e)
{
	struct stat st;
	char data[4096];
	bool make = o->create && !o->read_only;
	if (stat(o->directory, &st) != 0) {
		if (errno != ENOENT)
			return err_set(e, ERR_PERM, "state %s: %s", o->directory, strerror(errno));
		if (!make)
			return err_set(e, ERR_MISSING,
				       "state %s: there is no such directory; the daemon makes it at its "
				       "first start, or correct state.directory",
				       o->directory);
		if (mkdir(o->directory, 0700) != 0 && errno != EEXIST)
			return err_set(e, ERR_PERM,
				       "state %s: cannot make the directory: %s; make it by hand (mode "
				       "0700, owned by the daemon's user)",
				       o->directory, strerror(errno));
		return 0;
	}
	if (!S_ISDIR(st.st_mode))
		return err_set(e, ERR_CONFIG, "state %s: not a directory", o->directory);
	snprintf(data, sizeof data, "%s/records.mdb", o->directory);
	if (!make && stat(data, &st) != 0 && errno == ENOENT)
		return err_set(e, ERR_MISSING,
			       "state %s: holds no database yet; the daemon makes it at its first start",
			       o->directory);
	return 0;
}

static int
env_open(struct store *s, struct lane *lane, const struct store_options *o, struct err *e)
{
	char path[PATH_MAX], lock[PATH_MAX];
	int64_t readers = o->max_readers > 0 ? o->max_readers : DEFAULT_MAX_READERS;
	int dead = 0;
	pthread_mutex_init(&lane->lock, NULL);
	lane->tail = &lane->head;
	if (snprintf(path, sizeof path, "%s/%s", o->directory, lane->file) >= (int)sizeof path)
		return err_set(e, ERR_CONFIG, "state %s: too long a name", o->directory);
	int rc = snprintf(lock, sizeof lock, "%s-lock", path) < (int)sizeof lock
		     ? room_lock_file(lock, readers, !o->read_only)
		     : 0;
	if (rc != 0)
		return store_err(s, e, rc, "cannot make the lock file");
	rc = mdb_env_create(&lane->env);
	if (rc != 0)
		return store_err(s, e, rc, "cannot start LMDB");
	mdb_env_set_maxdbs(lane->env, MAX_TABLES);
	rc = mdb_env_set_mapsize(lane->env, (size_t)s->map_size);
	if (rc == 0)
		rc = mdb_env_set_maxreaders(lane->env, (unsigned)readers);
	if (rc == 0)
		rc = mdb_env_open(lane->env, path, MDB_NOSUBDIR | MDB_NOTLS | (o->read_only ? MDB_RDONLY : 0),
				  0600);
	if (rc == MDB_VERSION_MISMATCH)
		return err_set(
		    e, ERR_CONFIG,
		    "state %s: written by another LMDB version than this one (%s); export with the old one",
		    s->directory, MDB_VERSION_STRING);
	if (rc != 0)
		return store_err(s, e, rc, "cannot open the database");
	/* Slots of readers that were killed would hold old pages back for ever. */
	if (mdb_reader_check(lane->env, &dead) == 0 && dead > 0)
		log_info("state %s: cleared %d readers of processes that are gone", s->directory, dead);
	return 0;
}

static int
schema_put(const struct lane *lane, MDB_txn *txn)
{
	uint8_t rec[COUNT_RECORD_LEN];
	MDB_val k = val_of(STR("schema")), v = { sizeof rec, rec };
	count_encode(lane->schema, rec);
	return mdb_put(txn, lane->main, &k, &v, 0);
}

enum op_result
txn_raise_schema(struct store_txn *t)
{
	if (t->lane->schema_found == t->lane->schema)
		return OP_OK;
	t->dirty = true;
	return op_end(t, schema_put(t->lane, t->txn));
}

static enum op_result
schema_check(struct store *s, struct lane *lane, MDB_txn *txn, bool create, bool *fresh, struct err *e,
	     int *rc)
{
	MDB_val k = val_of(STR("schema")), v;
	int64_t version;
	*fresh = false;
	*rc = mdb_get(txn, lane->main, &k, &v);
	if (*rc == MDB_NOTFOUND) {
		*fresh = true;
		*rc = 0;
		if (create)
			return OP_OK;
		err_set(e, ERR_MISSING,
			"state %s: holds no mailtailor database yet; the daemon makes it at its first start",
			s->directory);
		return OP_FAIL;
	}
	if (*rc != 0)
		return OP_DB;
	if (count_decode(str_of_val(v), &version) != 0) {
		store_corrupt(s, e, "schema");
		return OP_FAIL;
	}
	lane->schema_found = (int)version;
	if (version < lane->schema_read || version > lane->schema) {
		err_set(e, ERR_CONFIG,
			"state %s: the schema of %s has version %lld, this program speaks version %d; run "
			"the mailtailor version that wrote it, or begin with an empty directory",
			s->directory, lane->file, (long long)version, lane->schema);
		return OP_FAIL;
	}
	return OP_OK;
}

static int
tables_open(struct store *s, struct lane *lane, MDB_txn *txn, unsigned flags)
{
	const struct {
		struct lane *lane;
		const char *name;
		MDB_dbi *dbi;
	} tables[] = {
		{ &s->records, "profile", &s->profile },
		{ &s->records, "consent", &s->consent },
		{ &s->records, "suppression", &s->suppression },
		{ &s->books, "ledger", &s->ledger },
		{ &s->spool, "message", &s->sp.message },
		{ &s->spool, "refs", &s->sp.refs },
		{ &s->spool, "job", &s->sp.job },
		{ &s->spool, "key", &s->sp.key },
		{ &s->spool, "sieve", &s->sp.sieve },
		{ &s->spool, "due", &s->sp.due },
		{ &s->spool, "campaign", &s->sp.campaign },
		{ &s->spool, "bad", &s->sp.bad },
		{ &s->events, "log", &s->ev.log },
		{ &s->events, "word", &s->ev.word },
		{ &s->events, "counter", &s->ev.counter },
		{ &s->events, "person", &s->ev.person },
		{ &s->events, "once", &s->ev.once },
		{ &s->events, "link", &s->ev.link },
		{ &s->events, "queue", &s->ev.queue },
	};
	int rc = 0;
	for (size_t i = 0; i < sizeof tables / sizeof tables[0] && rc == 0; i++) {
		unsigned sorted = tables[i].dbi == &s->sp.key ? MDB_DUPSORT | MDB_DUPFIXED : 0;
		if (tables[i].lane == lane)
			rc = mdb_dbi_open(txn, tables[i].name, flags | sorted, tables[i].dbi);
	}
	if (rc != 0 || lane == &s->records || lane == &s->events)
		return rc;
	/* Of a directory that an earlier version made. */
	rc = mdb_dbi_open(txn, "outbox", flags, &lane->outbox);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static int
directory_sync(const char *path)
{
	return fd_sync_directory(path) ? 0 : errno;
}

static int
names_sync(const char *directory)
{
	char parent[PATH_MAX];
	int rc = directory_sync(directory);
	if (snprintf(parent, sizeof parent, "%s/..", directory) >= (int)sizeof parent)
		return rc;
	/* Without the right to read the parent that is the administrator's business. */
	if (rc == 0 && (rc = directory_sync(parent)) == EACCES)
		rc = 0;
	return rc;
}

static int
schema_open(struct store *s, struct lane *lane, const struct store_options *o, struct err *e)
{
	bool write = o->create && !o->read_only, fresh;
	MDB_txn *txn = NULL;
	int rc = mdb_txn_begin(lane->env, NULL, write ? 0 : MDB_RDONLY, &txn);
	if (rc == 0)
		rc = mdb_dbi_open(txn, NULL, 0, &lane->main);
	if (rc != 0)
		goto failed;
	switch (schema_check(s, lane, txn, write, &fresh, e, &rc)) {
	case OP_OK:
		break;
	case OP_FAIL:
		mdb_txn_abort(txn);
		return -1;
	case OP_DB:
		goto failed;
	}
	rc = tables_open(s, lane, txn, write ? MDB_CREATE : 0);
	if (rc == 0 && fresh)
		rc = schema_put(lane, txn);
	if (rc != 0)
		goto failed;
	rc = mdb_txn_commit(txn);
	txn = NULL;
	if (rc == 0 && fresh)
		rc = names_sync(s->directory);
	if (rc == 0)
		return 0;
failed:
	if (txn)
		mdb_txn_abort(txn);
	if (rc == MDB_NOTFOUND)
		return store_corrupt(s, e, "schema");
	return store_err(s, e, rc, "cannot open the tables");
}

static void
lane_close(struct lane *lane)
{
	if (!lane->tail)
		return; /* not reached while opening */
	if (lane->env)
		mdb_env_close(lane->env);
	lane->env = NULL;
	pthread_mutex_destroy(&lane->lock);
}

static int
lane_open(struct store *s, struct lane *lane, const struct store_options *o, struct err *e)
{
	return env_open(s, lane, o, e) != 0 ? -1 : schema_open(s, lane, o, e);
}

/* A directory of a version without a spool or an event log: who must not create goes on without. */
static int
lane_open_later(struct store *s, struct lane *lane, const struct store_options *o, struct err *e)
{
	char path[PATH_MAX];
	struct stat st;
	struct err own = { 0 };
	bool make = o->create && !o->read_only;
	snprintf(path, sizeof path, "%s/%s", o->directory, lane->file);
	if (!make && stat(path, &st) != 0 && errno == ENOENT)
		return 0;
	if (lane_open(s, lane, o, &own) == 0)
		return 0;
	if (own.kind == ERR_MISSING) { /* killed while it was made */
		lane_close(lane);
		lane->tail = NULL;
		return 0;
	}
	if (e)
		*e = own;
	return -1;
}

struct store *
store_open(const struct store_options *o, struct err *e)
{
	struct store *s;
	if (!o->directory || !*o->directory) {
		err_set(e, ERR_CONFIG, "state.directory is not set");
		return NULL;
	}
	if (directory_ready(o, e) != 0)
		return NULL;
	s = calloc(1, sizeof *s);
	if (s)
		s->directory = strdup(o->directory);
	if (!s || !s->directory) {
		free(s);
		err_set(e, ERR_TEMP, "state %s: out of memory", o->directory);
		return NULL;
	}
	s->map_size = o->map_size > 0 ? o->map_size : DEFAULT_MAP_SIZE;
	s->read_only = o->read_only;
	s->records.file = "records.mdb";
	s->books.file = "ledger.mdb";
	s->spool.file = "spool.mdb";
	s->events.file = "events.mdb";
	s->arrivals.file = "arrivals.mdb";
	s->records.schema = RECORD_SCHEMA_VERSION;
	s->books.schema = STORE_SCHEMA_VERSION;
	s->spool.schema = SPOOL_SCHEMA_VERSION;
	s->events.schema = EVENT_SCHEMA_VERSION;
	s->arrivals.schema = ARRIVAL_SCHEMA_VERSION;
	for (int i = 0; i < STORE_LANES; i++)
		s->lanes[i].schema_read = s->lanes[i].schema_found = s->lanes[i].schema;
	s->records.schema_read = 1;
	pthread_mutex_init(&s->turn_lock, NULL);
	/* Anywhere, so that restarts do not always sweep the same stretch first. */
	if (getrandom(s->sweep_at, sizeof s->sweep_at, 0) < 0)
		memset(s->sweep_at, 0, sizeof s->sweep_at);
	if (lane_open(s, &s->records, o, e) != 0 || lane_open(s, &s->books, o, e) != 0 ||
	    lane_open_later(s, &s->spool, o, e) != 0 || lane_open_later(s, &s->events, o, e) != 0 ||
	    lane_open_later(s, &s->arrivals, o, e) != 0)
		store_close(&s);
	return s;
}

void
store_close(struct store **sp)
{
	struct store *s = *sp;
	if (!s)
		return;
	if (s->in_batch)
		store_batch_end(s, false, NULL);
	for (int i = 0; i < STORE_LANES; i++)
		lane_close(&s->lanes[i]);
	pthread_mutex_destroy(&s->turn_lock);
	free(s->directory);
	free(s);
	*sp = NULL;
}

/* ---- statistics ---- */

static int64_t
table_entries(MDB_txn *txn, MDB_dbi dbi)
{
	MDB_stat st;
	return mdb_stat(txn, dbi, &st) == 0 ? (int64_t)st.ms_entries : 0;
}

static int64_t
total_read(struct lane *lane, MDB_txn *txn, struct str name)
{
	MDB_val k = val_of(name), v;
	int64_t n;
	return mdb_get(txn, lane->main, &k, &v) == 0 && count_decode(str_of_val(v), &n) == 0 ? n : 0;
}

static void
lane_stats(struct lane *lane, struct store_stats *out)
{
	MDB_envinfo info;
	MDB_stat st;
	if (!lane->env)
		return;
	mdb_env_info(lane->env, &info);
	mdb_env_stat(lane->env, &st);
	int64_t used = (int64_t)(info.me_last_pgno + 1) * (int64_t)st.ms_psize;
	/* Of all files, the one that is nearer to its bound. */
	if (used > out->map_used)
		out->map_used = used;
	out->map_size = (int64_t)info.me_mapsize;
	pthread_mutex_lock(&lane->lock);
	out->commits += lane->commits;
	out->requests += lane->requests;
	pthread_mutex_unlock(&lane->lock);
}

int
store_stats(struct store *s, struct store_stats *out, struct err *e)
{
	MDB_txn *txn;
	*out = (struct store_stats){ 0 };
	if (read_begin(s, &s->records, &txn, e) != 0)
		return -1;
	out->profiles = table_entries(txn, s->profile);
	out->consents = table_entries(txn, s->consent);
	out->suppressions = table_entries(txn, s->suppression);
	read_end(s, &s->records, txn);
	if (read_begin(s, &s->books, &txn, e) != 0)
		return -1;
	out->places = total_read(&s->books, txn, STR("places"));
	out->decisions = total_read(&s->books, txn, STR("decisions"));
	read_end(s, &s->books, txn);
	for (int i = 0; i < STORE_LANES; i++)
		lane_stats(&s->lanes[i], out);
	return 0;
}
