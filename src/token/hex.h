/* hex: bytes as hexadecimal digits. Threads: safe. */
#ifndef MT_TOKEN_HEX_H
#define MT_TOKEN_HEX_H

#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

/* Appends 2 * n digits, lower case. */
void hex_print(struct buf *out, const uint8_t *p, size_t n);
/* 0, or -1: not exactly 2 * n digits of either case; out is then undefined. */
int hex_parse(struct str text, uint8_t *out, size_t n);

#endif
