/*
 * mail_private: what the files of src/mail share. Not for other libraries.
 * Threads: no state; every function works on what it is given.
 */
#ifndef MT_MAIL_MAIL_PRIVATE_H
#define MT_MAIL_MAIL_PRIVATE_H

#include <iconv.h>

#include "base/buf.h"
#include "mail/mail.h"

/* RFC 5322 2.1.1: no line is longer, its line end not counted. */
#define MAIL_LINE_MAX 998
/* RFC 2045 6.7 and 6.8. */
#define MAIL_QP_LINE 76
#define MAIL_BASE64_LINE 76

/* ---- fields.c ---- */

/*
 * The next field at *at (an offset into block), behind which *at is put:
 * name, value as in struct mail_field, whole (with its line ends). Lines that
 * are no field come out with name absent. False at the end of the block.
 */
bool mail_field_next(struct str block, size_t *at, struct mail_field *f, struct str *whole);
/* The first token of a structured value, comments skipped, up to ';' or space. */
struct str mail_value_token(struct str value);

/* ---- parse.c ---- */

/* A header block from start: up to the empty line, wherever that is (as GMime reads it). */
void mail_header_bounds(struct str s, size_t start, size_t *head_end, size_t *body_start);
/*
 * All that GMime reads of a message, into out, which has room for message.n + MAIL_VIEW_EXTRA: the header's
 * Content- fields, an empty line, the body. Returns where the body begins.
 */
#define MAIL_VIEW_EXTRA 2
size_t mail_view(struct str message, size_t head_end, size_t body_start, char *out);

/* ---- boundary.c ---- */

/* The delimiter line before p, which is not the root, without its line end: "--" and the boundary. */
struct str mail_delimiter_of(struct str message, const struct mail_part *p);

/* ---- transfer.c ---- */

/* 0 to 15, or -1. */
int mail_hex_value(char c);

/*
 * Undoes quoted-printable; at[i] is where decoded byte i begins in raw, at[n] == raw.n.
 * A soft break belongs to the byte before it, transport padding to the line end behind it.
 * out and at have room for raw.n (and one more) entries. Returns n.
 */
size_t mail_qp_decode(struct str raw, char *out, uint32_t *at);
/* Undoes base64 into out (room for raw.n bytes). -1 when data follows the padding or a lone sextet remains.
 */
int mail_base64_decode(struct str raw, char *out, size_t *n);

/* A quoted-printable line under construction. */
struct mail_qp {
	struct buf *out;
	const char *eol;
	size_t eol_n;
	size_t col;
};
void mail_qp_soft_break(struct mail_qp *q);
/* Encodes white space at the end of the line so far, because a hard line end or the end comes next. */
void mail_qp_protect(struct mail_qp *q);
/* Text in the wire's charset; "\n" and "\r\n" are hard line ends. */
void mail_qp_text(struct mail_qp *q, struct str s);

struct mail_base64 {
	struct buf *out;
	const char *eol;
	size_t eol_n;
	size_t width; /* a multiple of 4 */
	size_t col;
	unsigned char carry[2];
	unsigned ncarry;
};
void mail_base64_put(struct mail_base64 *b, struct str s);
void mail_base64_finish(struct mail_base64 *b);

/* ---- charset.c ---- */

enum charset_kind { CHARSET_ASCII, CHARSET_UTF8, CHARSET_SINGLE, CHARSET_MULTI, CHARSET_ISO2022JP };

/*
 * The name iconv knows a MIME charset label by, NUL-terminated; NULL when the label is no name that could be
 * known, or one whose text cannot be cut (UTF-7, UTF-16, ISO-2022-KR and the like).
 */
const char *mail_charset_name(struct arena *a, struct str label);
/* The kind of a canonical name, without asking iconv: ASCII, UTF8, ISO2022JP; else MULTI. */
enum charset_kind mail_charset_kind(const char *name);
/* A superset in use under that name (GBK for GB2312, …), or NULL. */
const char *mail_charset_superset(const char *name);
/*
 * bytes in charset → UTF-8 in the arena, with at[i] = offset in bytes of the character that utf8 byte i
 * belongs to and at[utf8.n] = bytes.n. 0; -1 with ERR_UNSUPPORTED or ERR_INPUT.
 */
int mail_charset_decode(struct arena *a, const char *name, struct str bytes, struct str *utf8, uint32_t **at,
			struct err *e);
/* The same for header words: no map; false when it does not decode. Appends to out. */
bool mail_charset_append(struct arena *a, struct str label, struct str bytes, struct buf *out);
/* Length of the well-formed UTF-8 sequence at the start of s, or 0. */
size_t mail_utf8_len(struct str s);
/* Appends s with every ill-formed byte as U+FFFD. */
void mail_utf8_clean(struct buf *out, struct str s);

#endif
