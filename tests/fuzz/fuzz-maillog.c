/*
 * Postfix's log. The first byte chooses:
 *   l  the rest as one line: what is taken of it lies in it, and says the same once more
 *   t  the rest as a time
 *   f  the rest as a log that grows in pieces, is rotated, cut and compressed; the first bytes say when. Each
 *      whole line comes once and in order, whoever goes away and comes back in between
 *   p  the rest as what is remembered of a log
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "feedback/logfile.h"
#include "feedback/logline.h"
#include "store/event.h"

#define NOW INT64_C(1795000000000)

static void
check(bool ok)
{
	if (!ok)
		abort();
}

static bool
within(struct str part, struct str whole)
{
	return part.p == NULL || (part.p >= whole.p && part.p + part.n <= whole.p + whole.n);
}

static void
fuzz_line(struct str line)
{
	struct logline l, again;
	if (!logline_parse(line, &l))
		return;
	check(within(l.queue_id, line) && within(l.to, line) && within(l.orig_to, line) &&
	      within(l.from, line));
	check(within(l.relay, line) && within(l.dsn, line) && within(l.text, line) && within(l.agent, line));
	check(l.queue_id.n > 0 && l.queue_id.n <= EVENT_MAX_QUEUE_ID);
	check(l.kind == LOGLINE_EXPIRED ? l.to.n == 0 : l.to.n > 0);
	int64_t ms = logtime_ms(&l.at, NOW, 0);
	check(ms >= -1 && (l.at.absolute || l.at.year != 0 || ms <= NOW + INT64_C(86400000)));
	check(logline_parse(line, &again) && memcmp(&l, &again, sizeof l) == 0);
	logline_relay_is(l.relay, STR("127.0.0.1"));
}

static void
fuzz_time(struct str s)
{
	struct logtime t;
	struct str rest = s;
	if (!logtime_read(&rest, &t)) {
		check(rest.p == s.p && rest.n == s.n);
		return;
	}
	check(within(rest, s) && rest.n < s.n);
	check(logtime_ms(&t, NOW, 0) >= -1 && logtime_ms(&t, NOW, NOW) >= -1);
}

static void
fuzz_place(struct str s)
{
	struct logfile_place p, q;
	struct buf b = { 0 };
	struct err e = { 0 };
	if (logfile_place_read(s, "/log", &p, &e) == 0) {
		logfile_place_write(&p, "/log", &b);
		check(logfile_place_read(buf_str(&b), "/log", &q, &e) == 0 && memcmp(&p, &q, sizeof p) == 0);
	}
	buf_free(&b);
}

/* ---- a log that is rotated ---- */

struct world {
	char dir[64], log[96], old[96];
	struct str expected, rest; /* all of it; what is not written yet */
	struct logfile *f;
	struct logfile_place place;
	struct buf got;
	time_t clock;
};

static void
append(struct world *w, const char *path, struct str s)
{
	const struct timespec t[2] = { { .tv_sec = ++w->clock }, { .tv_sec = w->clock } };
	FILE *f = fopen(path, "ab");
	check(f != NULL && fwrite(s.p, 1, s.n, f) == s.n && fclose(f) == 0);
	check(utimensat(AT_FDCWD, path, t, 0) == 0);
}

static void
read_all(struct world *w)
{
	struct str line;
	struct err e = { 0 };
	int r = 0;
	for (int i = 0; i < 100000 && (r = logfile_line(w->f, &line, &e)) == 1; i++) {
		buf_adds(&w->got, line);
		buf_addc(&w->got, '\n');
	}
	check(r == 0);
	logfile_place(w->f, &w->place);
}

/* To the end of a line: daemons write whole ones. */
static struct str
piece(struct world *w, size_t n)
{
	while (n < w->rest.n && n > 0 && w->rest.p[n - 1] != '\n')
		n++;
	struct str s = str_sub(w->rest, 0, n);
	w->rest = str_sub(w->rest, s.n, w->rest.n);
	return s;
}

static void
act(struct world *w, unsigned char what)
{
	struct err e = { 0 };
	struct stat st;
	append(w, w->log, piece(w, (what >> 3) * 8U));
	switch (what & 7) {
	case 0: /* renamed */
	case 1: /* copied and cut off: a new file is as good */
		if (stat(w->log, &st) == 0 && st.st_size > 0) {
			read_all(w); /* two old ones in one place would be one */
			check(rename(w->log, w->old) == 0);
			append(w, w->log, piece(w, 40));
		}
		break;
	case 2:
		logfile_close(&w->f);
		check((w->f = logfile_open(w->log, &w->place, true, &e)) != NULL);
		break;
	default:
		read_all(w);
	}
}

static void
fuzz_file(struct str s)
{
	struct world w = { .clock = 1700000000 };
	struct err e = { 0 };
	size_t acts = s.n < 24 ? s.n / 2 : 12;
	const char *tmp = getenv("TMPDIR");
	struct buf text = { 0 };
	/* Numbered lines: two files that begin alike would be one and the same. */
	for (size_t i = acts; i < s.n; i += 30)
		buf_printf(&text, "%zu %.*s", i, STR_ARG(str_sub(s, i, i + 30)));
	buf_addc(&text, '\n');
	w.expected = w.rest = buf_str(&text);
	snprintf(w.dir, sizeof w.dir, "%s/fuzz-log-XXXXXX", tmp && strlen(tmp) < 40 ? tmp : "/tmp");
	check(mkdtemp(w.dir) != NULL);
	snprintf(w.log, sizeof w.log, "%s/log", w.dir);
	snprintf(w.old, sizeof w.old, "%s/log.1", w.dir);
	append(&w, w.log, piece(&w, 1));
	check((w.f = logfile_open(w.log, NULL, true, &e)) != NULL);
	logfile_place(w.f, &w.place);
	read_all(&w);
	for (size_t i = 0; i < acts; i++)
		act(&w, (unsigned char)s.p[i]);
	append(&w, w.log, w.rest);
	read_all(&w);
	check(str_eq(buf_str(&w.got), w.expected));
	logfile_close(&w.f);
	unlink(w.log);
	unlink(w.old);
	rmdir(w.dir);
	buf_free(&w.got);
	buf_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct str rest;
	if (n == 0 || n > 4096)
		return 0;
	rest = str_make((const char *)data + 1, n - 1);
	switch (data[0]) {
	case 'l':
		fuzz_line(rest);
		break;
	case 't':
		fuzz_time(rest);
		break;
	case 'f':
		fuzz_file(rest);
		break;
	case 'p':
		fuzz_place(rest);
		break;
	}
	return 0;
}
