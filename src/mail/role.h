/*
 * role: what a part is and whether it may be edited, from GMime's object and
 * the part's own fields. Not for other libraries.
 */
#ifndef MT_MAIL_ROLE_H
#define MT_MAIL_ROLE_H

#include <gmime/gmime.h>

#include "mail/mail.h"

/* Fills type to delsp of p, whose offsets, fields and parent are set already. */
void mail_role_set(struct arena *a, GMimeObject *o, struct str bytes, struct mail_part *p);

#endif
