/*
 * watch: what only several requests together show: somebody follows all links of a copy within seconds. That
 * is a mail gateway's scanner, however its requests look; a person reads.
 *
 * Fixed memory: the most recent copies that were clicked, by a hash of the copy id. Threads: safe.
 */
#ifndef MT_WEB_WATCH_H
#define MT_WEB_WATCH_H

#include <stdbool.h>
#include <stdint.h>

/* So many different links of one copy within this time are a burst. */
#define WATCH_LINKS 4
#define WATCH_MS 5000

struct watch;
struct watch *watch_new(void);
void watch_free(struct watch **w);
/* Notes a click on link `link` (>= 0) of a copy; true when it belongs to a burst, and until the copy has been
 * left alone for WATCH_MS. */
bool watch_click(struct watch *w, const uint8_t copy[8], int link, int64_t now_ms);

#endif
