/*
 * report-private: what the files of report share. Not for other libraries.
 */
#ifndef MT_INJECT_REPORT_PRIVATE_H
#define MT_INJECT_REPORT_PRIVATE_H

#include "inject/report.h"

/* "Wed, 25 Nov 2026 21:24:26 +0000" */
void report_date(struct buf *out, int64_t ms);
/* s without controls and blanks, each of which becomes '?', as do < and >; UTF-8 only when utf8. Of a sound
 * address that is the address. At most 400 bytes. */
void report_address(struct buf *out, struct str s, bool utf8);
/* s as printable ASCII, blanks kept, everything else '?'; no more than max bytes. */
void report_ascii(struct buf *out, struct str s, size_t max);
/* "type;address" of ORCPT, its xtext decoded unless that gives more than printable ASCII. */
void report_orcpt(struct buf *out, struct str orcpt);
/* xtext decoded, or as it is when that gives more than printable ASCII. */
void report_xtext(struct buf *out, struct str s);
/* "rfc822;a@b", or "utf-8;gr\x{FC}n@b" (RFC 6533). */
void report_typed_address(struct buf *out, struct str address);
/* "5.1.1": the report's, or what stands for it. */
const char *report_status(const struct report *r);

/* The text for people, CRLF. */
void report_text(struct buf *out, const struct report *r);

#endif
