/*
 * mail: where things are in a message. Parts and headers are byte ranges of
 * the caller's buffer, as GMime (3.2) locates them; nothing here rewrites mail.
 * Sources: RFC 5322, 2045-2047, 2231, 1847, 3156, 8551.
 *
 * The message must outlive everything that points into it. Line ends in the
 * body may be CRLF or LF. Threads: safe, one message per thread.
 */
#ifndef MT_MAIL_MAIL_H
#define MT_MAIL_MAIL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

/* Once per process, before threads. */
void mail_init(void);

/* One header field of the message or of a part, in order of appearance. */
struct mail_field {
	struct str name;  /* as written */
	struct str value; /* as written, folds included, without the final line end; leading space kept */
	int index;	  /* 1-based among fields of that name (case-insensitive), as smfi_chgheader counts */
};

struct mail_fields {
	struct mail_field *v;
	size_t n;
};

/* Splits a header block (up to and without the empty line). Lines that are no field are skipped. */
void mail_fields_split(struct arena *a, struct str block, struct mail_fields *out);
/* First field of that name, or NULL. */
const struct mail_field *mail_fields_find(const struct mail_fields *f, struct str name);

enum mail_cte { MAIL_CTE_7BIT, MAIL_CTE_8BIT, MAIL_CTE_BINARY, MAIL_CTE_QP, MAIL_CTE_BASE64, MAIL_CTE_OTHER };

enum mail_role {
	MAIL_ROLE_MULTIPART, /* a container; its children hold the content */
	MAIL_ROLE_TEXT,	     /* text/plain, editable */
	MAIL_ROLE_HTML,	     /* text/html, editable */
	MAIL_ROLE_AMP,	     /* text/x-amp-html: editable only when the campaign says so */
	MAIL_ROLE_DATA, /* anything else: attachments, images, calendars, message/rfc822 and all below it */
	MAIL_ROLE_PROTECTED, /* signed or encrypted, and all below: never touched */
};

/*
 * Offsets are into the whole message. head: the part's own header block
 * (for the root: the message header), body: its content, without the line end
 * that belongs to the following boundary.
 */
struct mail_part {
	struct mail_part *parent, *child, *next;
	enum mail_role role;
	struct str type, subtype; /* lower case, "text" "html" */
	struct str charset;	  /* lower case; "us-ascii" when absent */
	enum mail_cte cte;
	bool attachment; /* Content-Disposition: attachment, or a file name on a non-inline part */
	bool typeless;	 /* a Content-Type without type/subtype: readers take it for text (RFC 2045, 5.2) */
	bool format_flowed, delsp; /* RFC 3676 */
	bool lf; /* the message's lines end in LF alone: what a body without a line end goes by */
	size_t head_start, head_end; /* head_end: behind the last field's line end, before the empty line */
	size_t body_start, body_end;
	struct mail_fields fields;
	char path[32]; /* "1", "1.2", "2.1.3": IMAP part numbers, for error texts; "0": a multipart root */
};

struct mail_limits {
	int max_depth;	  /* default 30 */
	size_t max_parts; /* default 1000 */
};

struct mail {
	struct str bytes;
	struct mail_part *root;
	size_t nparts;
};

/*
 * Parses a whole message (header block, empty line, body). -1 on ERR_LIMIT
 * (too deep, too many parts); odd structure is not an error: what GMime cannot
 * make sense of becomes MAIL_ROLE_DATA. lim may be NULL.
 * A structure that cannot be followed to the byte, or that GMime would take
 * seconds over (guard.h), is one MAIL_ROLE_DATA part. message/... has no children.
 */
int mail_parse(struct arena *a, struct str message, const struct mail_limits *lim, struct mail *out,
	       struct err *e);

/* ---- text of a part: transfer encoding and charset undone, with the way back ---- */

/*
 * The part's text as UTF-8, and for every UTF-8 offset at a character boundary
 * the offset of the byte it came from in the raw (encoded) body. Line ends in
 * utf8 are as in the decoded text (CRLF stays CRLF). A quoted-printable soft
 * break belongs to the character before it, transport padding to the line end
 * behind it; an escape back to ASCII (ISO-2022-JP) to the character before it.
 */
struct mail_text {
	struct str utf8;
	struct str raw; /* the encoded body that was given */
	enum mail_cte cte;
	const char *charset; /* canonical name for iconv, NUL-terminated */
	uint32_t
	    *raw_at; /* utf8.n + 1 entries; raw_at[utf8.n] == raw.n; for base64: offset into `wire` below */
	struct str
	    wire; /* what chunks are cut from: raw for 7bit, 8bit, QP; the decoded charset bytes for base64 */
	unsigned line_width; /* base64: source's line length in characters (76 when unknown); QP: 76 */
	const char *eol;     /* "\r\n" or "\n": the raw body's own line end */
};

/*
 * 0; or -1 with ERR_UNSUPPORTED (unknown charset or transfer encoding, stateful charset that cannot be cut,
 * too large: 64 MB) or ERR_INPUT (bytes that are not text in that charset): such a part is left alone.
 * Ill-formed UTF-8 in a part labelled UTF-8 or US-ASCII: bytes pass through unchanged (they are opaque in
 * literals).
 */
int mail_text_decode(struct arena *a, const struct mail_part *p, struct str raw_body, struct mail_text *out,
		     struct err *e);
/*
 * True when ASCII text stands in a body that mail_text_decode cannot read, as far as can be told: the
 * transfer encoding is undone, and the zero bytes of UTF-16 and UTF-32 are stepped over.
 */
bool mail_text_holds(struct arena *a, const struct mail_part *p, struct str raw_body, struct str ascii);

/* A literal stretch [start, end) of mail_text.utf8, ready to be copied to the output as it stood. */
struct mail_chunk {
	struct str wire;       /* bytes of mail_text.wire */
	struct str utf8;       /* the same stretch decoded (for the fallback) */
	uint32_t first_line;   /* bytes up to the first line end, or wire.n */
	uint32_t last_line;    /* bytes behind the last line end, or wire.n */
	uint32_t longest_line; /* longest whole line inside, without line ends */
	bool has_eol;
};
void mail_chunk_cut(const struct mail_text *t, size_t start, size_t end, struct mail_chunk *out);

/*
 * The transfer-encoding writer: literals pass through as they stood, new text
 * is encoded for where it lands. Owned by the caller, reused with writer_begin.
 */
struct mail_writer;
struct mail_writer *mail_writer_new(void);
void mail_writer_free(struct mail_writer **w);

enum mail_status {
	MAIL_OK = 0,
	MAIL_MISFIT =
	    1, /* the text does not fit: a character outside the charset, 8 bits in 7bit, a line over 998 */
};

/* Output goes to out (appended). t tells cte, charset, eol, width. t must stay valid until writer_end. */
void mail_writer_begin(struct mail_writer *w, struct buf *out, const struct mail_text *t);
/* After MAIL_MISFIT the writer only needs another begin: the part is rendered again with mail_encode_whole.
 */
enum mail_status mail_writer_chunk(struct mail_writer *w, const struct mail_chunk *c);
enum mail_status mail_writer_text(struct mail_writer *w, struct str utf8); /* may end inside no character */
enum mail_status mail_writer_end(struct mail_writer *w);

/*
 * The fallback: a whole UTF-8 text as quoted-printable or base64 (whichever is
 * shorter), eol line ends. *cte says which. The part's Content-Type charset
 * becomes utf-8 and its Content-Transfer-Encoding *cte (see fields below).
 */
void mail_encode_whole(struct buf *out, struct str utf8, const char *eol, enum mail_cte *cte);
/* The same as base64 whatever its length: no line of it can be taken for a boundary. */
void mail_encode_base64(struct buf *out, struct str utf8, const char *eol);
/* True when a line of body, which is to be p's, would be read as a boundary of a multipart around p. */
bool mail_part_delimits(const struct mail *m, const struct mail_part *p, struct str body);
/*
 * The part's header block with charset and transfer encoding replaced (other bytes, order and folding
 * unchanged; the fields added when absent), eol line ends.
 */
void mail_part_header_recode(struct buf *out, struct str head, const char *charset, enum mail_cte cte,
			     const char *eol);

/* ---- content that is no text ---- */

/*
 * A body with its transfer encoding undone, appended to out; like all readers it overlooks characters that
 * have no place in base64. -1: ERR_INPUT with "its base64 …; what to do".
 */
int mail_body_decode(const struct mail_part *p, struct str raw_body, struct buf *out, struct err *e);
/* True when s begins as gzip or zstd does; no text does. */
bool mail_is_packed(struct str s);
/*
 * Unpacks such bytes, all members or frames, appended to out. -1: ERR_INPUT (damaged, cut, or a zstd window
 * over 64 MB), ERR_LIMIT (over max bytes come out), ERR_TEMP (no memory). Out may hold a part of it then.
 */
int mail_unpack(struct str packed, size_t max, struct buf *out, struct err *e);

/* ---- header values ---- */

/*
 * RFC 2047 unstructured field value → UTF-8, unfolded. Ill-formed words stay as they are; 8-bit bytes that
 * are no UTF-8 become U+FFFD. Leading space is dropped.
 */
struct str mail_header_decode(struct arena *a, struct str value);
/*
 * UTF-8 → unstructured field value: RFC 2047 words only where needed, folded with "\n " (LF, as smfi wants)
 * below 76, no control characters: CR, LF, NUL and other controls become one space. name_len: bytes of "Name:
 * " before it.
 */
void mail_header_encode(struct buf *out, struct str utf8, size_t name_len);

/* A Date field's value as milliseconds since the epoch; 0 when it is none. */
int64_t mail_date(struct str value);

struct mail_address {
	struct str display; /* UTF-8, decoded; n == 0 when absent */
	struct str addr;    /* local@domain as written, without <> */
};
/* All mailboxes of a field value (groups flattened), at most max. Returns how many. */
size_t mail_addresses(struct arena *a, struct str value, struct mail_address *out, size_t max);
/* A "display <addr>" field value, display quoted or encoded as needed, folded as above. */
void mail_address_format(struct buf *out, struct str display, struct str addr, size_t name_len);
/* The domain of addr in lower-case A-label form; absent when there is none. */
struct str mail_address_domain(struct arena *a, struct str addr);

#endif
