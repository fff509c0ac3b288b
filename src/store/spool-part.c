/*
 * spool-part: operations on many jobs that may be done in several commits.
 *
 * In one commit while there is room for the pages that it changes. When there is not, in halves, down to one
 * job at a time: the pages that a commit frees can be used two commits later, so that many small ones find
 * room where one large one does not.
 */
#include "store/spool-private.h"

int
spool_submit_parts(struct store *s, store_op *op, struct spool_part *p, struct err *e)
{
	const size_t from = p->from, n = p->n;
	struct err own = { 0 };
	if (n == 0)
		return 0;
	if (store_submit_heavy(s, &s->spool, op, p, 1 + n / SPOOL_WEIGHT_JOBS, &own) == 0) {
		p->total += p->done;
		return 0;
	}
	if (own.kind != ERR_FULL || n == 1) {
		if (e)
			*e = own;
		return -1;
	}
	p->n = n / 2;
	int r = spool_submit_parts(s, op, p, e);
	p->from = from + n / 2;
	p->n = n - n / 2;
	return r != 0 ? r : spool_submit_parts(s, op, p, e);
}
