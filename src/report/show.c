/* show: numbers for people. */
#include "report/report-private.h"

#include <math.h>
#include <stdio.h>

#include "base/clock.h"

const char *
show_count(int64_t n, char out[FORMAT_MAX])
{
	char digits[24];
	uint64_t u = n < 0 ? -(uint64_t)n : (uint64_t)n;
	int len = snprintf(digits, sizeof digits, "%llu", (unsigned long long)u), at = 0;
	if (n < 0)
		out[at++] = '-';
	for (int i = 0; i < len; i++) {
		if (i > 0 && (len - i) % 3 == 0)
			out[at++] = ',';
		out[at++] = digits[i];
	}
	out[at] = '\0';
	return out;
}

const char *
show_percent(double share, char out[FORMAT_MAX])
{
	double percent = share * 100;
	if (share < 0)
		snprintf(out, FORMAT_MAX, "-");
	else if (share > 0 && percent < 0.01)
		snprintf(out, FORMAT_MAX, "%.4f%%", percent);
	else
		snprintf(out, FORMAT_MAX, "%.*f%%", share > 0 && percent < 1 ? 2 : 1, percent);
	return out;
}

const char *
show_points(double difference, char out[FORMAT_MAX])
{
	double points = difference * 100;
	int digits = fabs(points) < 1 ? 2 : 1;
	/* No minus before what is shown as zero. */
	if (fabs(points) < 0.005)
		points = 0;
	snprintf(out, FORMAT_MAX, "%+.*f", digits, points);
	return out;
}

const char *
show_p(double p, char out[FORMAT_MAX])
{
	if (p < 0.0001)
		snprintf(out, FORMAT_MAX, "<0.0001");
	else
		snprintf(out, FORMAT_MAX, "%.*f", p < 0.01 ? 4 : p < 0.1 ? 3 : 2, p);
	return out;
}

/* Two decimals, rounded half away from zero. */
const char *
show_money(int64_t micros, bool group, char out[FORMAT_MAX])
{
	char whole[FORMAT_MAX];
	uint64_t u = micros < 0 ? -(uint64_t)micros : (uint64_t)micros, cents = (u + 5000) / 10000;
	if (group)
		show_count((int64_t)(cents / 100), whole);
	else
		snprintf(whole, sizeof whole, "%llu", (unsigned long long)(cents / 100));
	snprintf(out, FORMAT_MAX, "%s%.*s.%02u", micros < 0 && cents > 0 ? "-" : "", FORMAT_MAX - 8, whole,
		 (unsigned)(cents % 100));
	return out;
}

const char *
show_time(int64_t ms, char out[FORMAT_MAX])
{
	struct clock_date d;
	clock_date_of(ms / 1000, &d);
	snprintf(out, FORMAT_MAX, "%04d-%02d-%02d %02d:%02d", (int)d.year, d.month, d.day, d.hour, d.minute);
	return out;
}

const char *
show_micros(int64_t micros, char out[FORMAT_MAX])
{
	uint64_t u = micros < 0 ? -(uint64_t)micros : (uint64_t)micros;
	int n = snprintf(out, FORMAT_MAX, "%s%llu.%06llu", micros < 0 ? "-" : "",
			 (unsigned long long)(u / 1000000), (unsigned long long)(u % 1000000));
	while (out[n - 1] == '0')
		n--;
	out[out[n - 1] == '.' ? n - 1 : n] = '\0';
	return out;
}
