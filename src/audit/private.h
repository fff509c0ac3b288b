/* private: what the files of src/audit share. */
#ifndef MT_AUDIT_PRIVATE_H
#define MT_AUDIT_PRIVATE_H

#include "audit/audit.h"
#include "base/buf.h"

struct audit_line {
	uint64_t seq;
	struct str prev, hash; /* within the line */
	struct str body;       /* what hash is of */
};

/* False: the line has not the form of a record. */
bool audit_line_read(struct str line, struct audit_line *l);
/* Does its hash fit? */
bool audit_line_sound(const struct audit_line *l);
/* The next record and its newline; moves *h on. */
void audit_line_add(struct buf *b, const struct audit_entry *en, struct audit_head *h);
/* Before the first record. */
void audit_head_begin(struct audit_head *h);
void audit_head_move(struct audit_head *h, const struct audit_line *l);

#endif
