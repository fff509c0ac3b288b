/*
 * shape: part trees of messages that GMime has already taken apart, for the next ones that differ from them
 * in nothing but their header and their boundaries. A campaign is the same body many times, and client
 * libraries draw new boundaries for each message.
 *
 * When a tree is taken over. What GMime makes of a message is a function of its Content- fields and its body
 * (parse.c gives it nothing else). They must be the same bytes, but for the boundaries. Every place where a
 * boundary of the known message stands is at the beginning of a line behind "--" or is the value of a
 * boundary parameter, and the part's only Content-Type says it so, once; the new one must have another
 * boundary of the same length at just these places and nowhere else, and it may differ in letters and digits
 * only. So every line that ended a part ends the same one, no other line does, and no field reads
 * differently. What does not fit is parsed: foreign bytes can make a miss, never a wrong hit. Messages with
 * message/... inside, whose boundaries the tree does not tell, are never kept.
 *
 * Bounds: SHAPES trees, each of at most SHAPE_BYTES and SHAPE_PARTS; a message is kept when one of its length
 * came not long before. Threads: all may use one at once.
 */
#ifndef MT_MAIL_SHAPE_H
#define MT_MAIL_SHAPE_H

#include "mail/mail.h"

#define SHAPES 16
#define SHAPE_BYTES ((size_t)128 * 1024)
#define SHAPE_PARTS 50
#define SHAPE_BOUNDARIES 8

struct mail_shapes;
struct mail_shapes *mail_shapes_new(void);
/* Takes NULL; leaves NULL. */
void mail_shapes_free(struct mail_shapes **s);
/* As mail_parse with the default limits, and with the same result. */
int mail_shapes_parse(struct mail_shapes *s, struct arena *a, struct str message, struct mail *out,
		      struct err *e);
/* How many messages needed no parser. */
long mail_shapes_hits(const struct mail_shapes *s);

#endif
