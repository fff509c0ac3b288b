/* admin-segments: what the sub-verbs of `mailtailor segments` share. */
#ifndef MT_MAIN_ADMIN_SEGMENTS_H
#define MT_MAIN_ADMIN_SEGMENTS_H

#include "learn/segments.h"
#include "main/admin-profile.h"

#define SEGMENTS_FILE "segments.json" /* in the state directory */

/* Of all sub-verbs; each looks at what it knows of. */
struct segments_request {
	const char *conf_path, *file, *csv, *time_zone;
	const char *customer_column, *time_column, *value_column;
	struct segments_options train;
	double min_gain;
	bool until; /* train.now_ms was asked for */
	bool json;
};
int segments_do_train(struct desk *d, const struct segments_request *rq);
int segments_do_assign(struct desk *d, const struct segments_request *rq);
int segments_do_show(struct desk *d, const struct segments_request *rq);

/* ---- admin-segments-read.c: exit codes; the reason was printed ---- */

/* The keys of all profiles, 16 bytes each. */
int segments_keys(struct desk *d, struct buf *keys);
/* Of the event log, each in the time zone of his profile. */
int
segments_events(struct desk *d, const struct segments_request *rq, const struct buf *keys, struct persons *p);
/* Of a table of purchases, those before train.now_ms where it was asked for. *until_ms: the last of them. */
int segments_table(const struct segments_request *rq, struct persons *p, int64_t *until_ms);

/* The file as it was asked for, or where it is if nobody says. */
const char *segments_path(struct desk *d, const struct segments_request *rq);
int segments_load(struct desk *d, const struct segments_request *rq, struct segments *out);

#endif
