/*
 * segments: who recipients are by what they do: groups of those who behave alike (k-means over behaviour,
 * kmeans.h), the main directions in which behaviour differs (pca.h), how often customers will buy (bgnbd.h),
 * and when recipients answer (hours.h). Learned from all of them (persons.h), kept as a JSON file without
 * anything about any one of them, and applied to each.
 *
 * Behaviour is SEGMENTS_COLUMNS numbers (segments_row); each is centred and divided by its standard
 * deviation.
 *
 * Threads: safe.
 */
#ifndef MT_LEARN_SEGMENTS_H
#define MT_LEARN_SEGMENTS_H

#include "base/buf.h"
#include "base/value.h"
#include "learn/bgnbd.h"
#include "learn/kmeans.h"
#include "learn/pca.h"
#include "learn/persons.h"
#include "learn/rfm.h"

#define SEGMENTS_COLUMNS 8
#define SEGMENTS_AXES 2
#define SEGMENTS_MAX 64
#define SEGMENTS_FORMAT 1
#define SEGMENTS_MAX_FILE ((size_t)4 << 20)

extern const char *const segments_columns[SEGMENTS_COLUMNS];

struct segments_options {
	size_t k; /* 2 … SEGMENTS_MAX */
	uint64_t seed;
	double hour_weight;   /* what the level above counts, in events; > 0 */
	int64_t horizon_days; /* of expected purchases; 1 … 3650 */
	int64_t now_ms;
};

/* One group; means are of its members' plain numbers. */
struct segment {
	size_t size;
	double recency_days, purchases, value, sent, opened, clicked; /* recency of its buyers */
	double hours[HOURS];					      /* a distribution */
};
struct segments {
	int64_t trained_ms, horizon_days;
	size_t persons, buyers;
	double hour_weight;
	bool has_value;	    /* bgnbd: somebody came back */
	struct bgnbd value; /* in weeks */
	struct kmeans groups;
	struct pca axes;	 /* SEGMENTS_AXES; its mean and scale are those of the groups, too */
	struct segment *segment; /* groups.k */
	double hours[HOURS];	 /* of all; a distribution */
	double answers;		 /* clicks and purchases with an hour */
};

/* Memory from a. ERR_INPUT: fewer than two persons; options. */
int segments_train(const struct person *v, size_t n, const struct segments_options *o, struct arena *a,
		   struct segments *out, struct err *e);

/* What is said of one. */
struct segments_one {
	size_t segment; /* from 0 */
	bool has_value; /* a buyer, and the model knows of such */
	double expected, alive;
	double axis[SEGMENTS_AXES];
	int hour;
	double gain; /* of that hour over one on average */
};
void
segments_apply(const struct segments *s, const struct person *v, int64_t now_ms, struct segments_one *out);
/* Of all at once: they are scored against each other. */
int segments_rfm(const struct person *v, size_t n, int64_t now_ms, struct rfm_score *out, struct err *e);

/* Behaviour at now_ms. What comes after it counts as today. */
void segments_row(const struct person *v, int64_t now_ms, double row[SEGMENTS_COLUMNS]);

/* As kept in a file. */
void segments_print(const struct segments *s, struct buf *out);
/* Memory from a. ERR_CORRUPT: no such file, or with numbers that cannot be; of a later version. */
int segments_parse(struct str text, struct arena *a, struct segments *out, struct err *e);

#endif
