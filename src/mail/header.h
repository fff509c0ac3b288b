/*
 * header: folding and RFC 2047 words, for unstructured fields and for display
 * names. Not for other libraries.
 */
#ifndef MT_MAIL_HEADER_H
#define MT_MAIL_HEADER_H

#include "mail/mail_private.h"

/* A field value under construction: start in out, current column (the field's name counted). */
struct mail_fold {
	struct buf *out;
	size_t start;
	size_t col;
};

/* s as well-formed UTF-8 with each run of controls as one space, without spaces at either end; appended. */
void mail_header_clean(struct buf *out, struct str s);
/* Must this stand in encoded words: 8 bits, something that looks like one, too long to be folded? */
bool mail_needs_words(struct str token);
/* Blanks and token, folded before the blanks when the line would pass 76. */
void mail_fold_token(struct mail_fold *f, struct str blanks, struct str token);
/* Blanks, and s as encoded words, a fold between each. */
void mail_fold_words(struct mail_fold *f, struct str blanks, struct str s);

#endif
