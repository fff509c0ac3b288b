/*
 * zone: local time by GLib's GTimeZone, which answers NULL for zones that do
 * not exist. A GTimeZone is immutable, so one per name is shared by all threads.
 */
#include <glib.h>
#include <pthread.h>

#include "base/clock.h"
#include "score/score.h"

/* The IANA base has about 600 names; hostile profiles must not grow the cache beyond that order. */
#define ZONE_CACHE_MAX 1024
#define ZONE_NAME_MAX 64

/*
 * The process-wide cache: parsing a zone file costs tens of microseconds and
 * zones are the same for every epoch. NULL marks a name that is no zone. When it
 * is full it starts afresh: profiles can name any number of zones that are none
 * (or that GLib makes up, "ABC+7"), and must not keep out those of others.
 */
static pthread_mutex_t cache_lock = PTHREAD_MUTEX_INITIALIZER;
static GHashTable *cache;

/* GLib joins the name to the zoneinfo directory and opens it: let nothing but zone names through. */
static bool
zone_name_valid(const char *name)
{
	size_t n = 0;
	if (!name || name[0] == '\0' || name[0] == '/')
		return false;
	for (; name[n]; n++) {
		char c = name[n];
		if (n >= ZONE_NAME_MAX)
			return false;
		if (!ascii_isalpha(c) && !ascii_isdigit(c) && c != '_' && c != '+' && c != '-' && c != '/')
			return false;
	}
	return true;
}

static void
zone_drop(gpointer zone)
{
	if (zone)
		g_time_zone_unref(zone);
}

/* A reference, the caller's; NULL: no zone. */
static GTimeZone *
zone_find(const char *name)
{
	gpointer zone = NULL;
	pthread_mutex_lock(&cache_lock);
	if (!cache)
		cache = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, zone_drop);
	if (!g_hash_table_lookup_extended(cache, name, NULL, &zone)) {
		if (g_hash_table_size(cache) >= ZONE_CACHE_MAX)
			g_hash_table_remove_all(cache);
		zone = g_time_zone_new_identifier(name);
		g_hash_table_insert(cache, g_strdup(name), zone);
	}
	if (zone)
		g_time_zone_ref(zone);
	pthread_mutex_unlock(&cache_lock);
	return zone;
}

bool
score_local_time(int64_t now_ms, const char *zone, struct score_time *out)
{
	/* Year 9999 is far enough for mail, and keeps every sum below in range. */
	const int64_t max_s = INT64_C(253402300799);
	int64_t s = now_ms / 1000 - (now_ms % 1000 < 0);
	s = s > max_s ? max_s : s < -max_s ? -max_s : s;

	GTimeZone *tz = zone_name_valid(zone) ? zone_find(zone) : NULL;
	bool known = tz != NULL;
	*out = (struct score_time){ 0 };
	if (known) {
		gint interval = g_time_zone_find_interval(tz, G_TIME_TYPE_UNIVERSAL, s);
		out->offset_s = g_time_zone_get_offset(tz, interval < 0 ? 0 : interval);
		g_time_zone_unref(tz);
	}
	s += out->offset_s;

	struct clock_date d;
	clock_date_of(s, &d);
	out->year = (int)d.year;
	out->month = d.month;
	out->day = d.day;
	out->hour = d.hour;
	out->minute = d.minute;
	out->weekday = d.weekday;
	return known;
}
