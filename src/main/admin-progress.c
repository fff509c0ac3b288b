/*
 * admin-progress: a line on the terminal that says how far a long job is.
 *
 *     importing  [##########··········]  50 %  12,345 / 24,690  8,020/s  2 s left
 *     sending    [##..................]  10 %  1,345 / 12,690  20/s  9 min 27 s left, until 14:05
 */
#include "main/admin.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

#define BAR 20

struct progress {
	const char *label;
	uint64_t total, done;
	int64_t started_us, drawn_us;
	double rate; /* a second, as the caller measured it; below 0: the average from the start */
	bool shown;  /* stderr is a terminal */
};

struct progress *
progress_start(const char *label, uint64_t total)
{
	struct progress *p = calloc(1, sizeof(*p));
	if (!p)
		abort();
	p->label = label;
	p->rate = -1;
	p->total = total;
	p->started_us = clock_mono_us();
	p->shown = isatty(STDERR_FILENO) == 1;
	return p;
}

static void
add_thousands(struct buf *b, uint64_t v)
{
	char digits[24];
	int n = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)v);
	for (int i = 0; i < n; i++) {
		if (i > 0 && (n - i) % 3 == 0)
			buf_addc(b, ',');
		buf_addc(b, digits[i]);
	}
}

/* In local time, as the clock on the wall has it. */
static void
add_end(struct buf *b, uint64_t seconds)
{
	time_t end = time(NULL) + (time_t)seconds;
	struct tm tm;
	char text[32];
	if (localtime_r(&end, &tm) &&
	    strftime(text, sizeof(text), seconds < 86400 ? ", until %H:%M" : ", until %a %d %H:%M", &tm) > 0)
		buf_adds(b, str_of(text));
}

static void
add_time_left(struct buf *b, double seconds)
{
	uint64_t s = seconds > 0 && seconds < 1e9 ? (uint64_t)(seconds + 0.5) : 0;
	if (s >= 3600)
		buf_printf(b, "  %llu h %02llu min left", (unsigned long long)(s / 3600),
			   (unsigned long long)(s / 60 % 60));
	else if (s >= 60)
		buf_printf(b, "  %llu min %02llu s left", (unsigned long long)(s / 60),
			   (unsigned long long)(s % 60));
	else
		buf_printf(b, "  %llu s left", (unsigned long long)s);
	if (s >= 60)
		add_end(b, s);
}

static void
progress_draw(struct progress *p, int64_t now_us)
{
	struct buf b = { 0 };
	double seconds = (double)(now_us - p->started_us) / 1e6;
	double rate = p->rate >= 0 ? p->rate : seconds > 0 ? (double)p->done / seconds : 0;
	buf_printf(&b, "\r\033[K%s", p->label);
	if (p->total > 0) {
		uint64_t done = p->done < p->total ? p->done : p->total;
		double part = (double)done / (double)p->total;
		buf_adds(&b, STR("  ["));
		for (int i = 0; i < BAR; i++)
			buf_addc(&b, i < (int)(part * BAR) ? '#' : '.');
		buf_printf(&b, "]  %3d %%  ", (int)(part * 100));
		add_thousands(&b, p->done);
		buf_adds(&b, STR(" / "));
		add_thousands(&b, p->total);
	} else {
		buf_adds(&b, STR("  "));
		add_thousands(&b, p->done);
	}
	buf_adds(&b, STR("  "));
	if (rate < 10)
		buf_printf(&b, "%.1f", rate);
	else
		add_thousands(&b, (uint64_t)rate);
	buf_adds(&b, STR("/s"));
	if (p->total > p->done && rate > 0)
		add_time_left(&b, (double)(p->total - p->done) / rate);
	fwrite(b.p, 1, b.n, stderr);
	fflush(stderr);
	buf_free(&b);
}

void
progress_update(struct progress *p, uint64_t done)
{
	p->done = done;
	if (!p->shown)
		return;
	int64_t now = clock_mono_us();
	if (p->drawn_us != 0 && now - p->drawn_us < 100000)
		return;
	p->drawn_us = now;
	progress_draw(p, now);
}

void
progress_flow(struct progress *p, uint64_t done, uint64_t total, double rate)
{
	p->total = total;
	p->rate = rate;
	progress_update(p, done);
}

void
progress_end(struct progress **p)
{
	if (!*p)
		return;
	if ((*p)->drawn_us != 0)
		fputs("\r\033[K", stderr);
	free(*p);
	*p = NULL;
}
