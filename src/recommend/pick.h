/*
 * recommend/pick: which items one recipient is shown: the model's scores for his history, a shop's rules, and
 * popular items where either leaves room. Never nothing.
 *
 * Threads: a struct picker is immutable; each thread picks with a struct pick_scratch of its own.
 */
#ifndef MT_RECOMMEND_PICK_H
#define MT_RECOMMEND_PICK_H

#include "recommend/catalog.h"

#define PICK_MAX 20 /* items of one recommendation */

enum pick_bought {
	PICK_EXCLUDE, /* what he bought is not shown again */
	PICK_ALLOW,   /* it may be */
	PICK_FIRST,   /* it comes first, by how often he bought it: for what is used up */
};

struct pick_rules {
	size_t count; /* 1..PICK_MAX */
	bool in_stock;
	double min_price,
	    max_price; /* items without a price pass when min_price is 0 and max_price INFINITY */
	enum pick_bought bought;
	size_t per_category; /* 0: any number; what has no category is not counted */
	bool views;	     /* what he looked at counts as his history, too */
};

struct picker;
/*
 * Memory in a; model and catalog are borrowed. model NULL: popularity is not known, and items come in the
 * order of their ids. ERR_INPUT: the catalog has nothing that the rules let through.
 */
struct picker *picker_new(struct arena *a, const struct recommend_model *model, const struct catalog *catalog,
			  const struct pick_rules *rules, struct err *e);
/* How many items the rules let through, and how many of these the model knows. */
size_t picker_items(const struct picker *p, size_t *known);

struct pick_scratch;
struct pick_scratch *pick_scratch_new(const struct picker *p); /* NULL: no memory */
void pick_scratch_free(struct pick_scratch **s);

/* What is known of a recipient: ids, newest first, with repetitions. */
struct pick_history {
	const struct str *bought, *viewed;
	size_t nbought, nviewed;
};
/*
 * Numbers of items of the catalog, best first, into out[0..count). Returns how many: at least 1; fewer than
 * count where the rules let no more through. Who has bought all there is sees it again. *personal: how many
 * of them come of his history.
 */
size_t pick(const struct picker *p, const struct pick_history *h, struct pick_scratch *s, uint32_t *out,
	    size_t *personal);

#endif
