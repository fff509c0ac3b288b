/*
 * scan: finds the tags of a template, one after the other, in linear time.
 * Private to src/template.
 */
#ifndef MT_TEMPLATE_SCAN_H
#define MT_TEMPLATE_SCAN_H

#include "template/program.h"

enum tag_kind {
	TAG_PRINT,
	TAG_RAW,	   /* {{{x}}} {{&x}} */
	TAG_OPEN,	   /* {{#x}} */
	TAG_INVERSE,	   /* {{^x}} */
	TAG_ELSE,	   /* {{else}} {{^}} {{else if x}}: content is what follows "else" */
	TAG_CLOSE,	   /* {{/x}} */
	TAG_PARTIAL,	   /* {{> x}} */
	TAG_PARTIAL_BLOCK, /* {{#> x}} */
	TAG_INLINE,	   /* {{#*x}} */
	TAG_COMMENT,
	TAG_DELIMITERS,
	TAG_RAW_BLOCK, /* {{{{raw}}}} and {{{{/raw}}}}, both */
	TAG_BACKSLASH  /* the one backslash of \{{ that disappears; no tag */
};

struct tag {
	uint8_t kind;
	bool strip_left, strip_right;  /* ~ */
	bool extra_brace;	       /* a third } follows {{x}} */
	uint32_t start, end;	       /* with delimiters */
	uint32_t content, content_end; /* inside, trimmed, without sigil */
};

#define SCAN_MAX_DELIMITER 16

struct scanner {
	struct str source, partial;
	size_t pos;
	struct str open, close;
	size_t ntags;
	size_t raw_end;	    /* where the close tag of an open raw block begins; 0: none */
	bool comment_plain; /* no --}} lies ahead any more */
	bool escaped;	    /* pos stands on a {{ that a backslash made text */
};

void scan_init(struct scanner *s, struct str source, struct str partial);
/* 1 with *t, 0 at the end, -1 with te. */
int scan_next(struct scanner *s, struct tag *t, struct tpl_error *te);

#endif
