/*
 * watch: what only several requests together show: somebody follows all links of a copy within seconds. That
 * is a mail gateway's scanner, however its requests look; a person reads.
 *
 * Fixed memory: the most recent copies that were clicked, by a hash of the copy id. Threads: safe.
 */
#ifndef MT_WEB_WATCH_H
#define MT_WEB_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* So many different links of one copy within this time are a burst. */
#define WATCH_LINKS 4
#define WATCH_MS 5000

struct watch;
struct watch *watch_new(void);
void watch_free(struct watch **w);

enum watch_kind { WATCH_OPEN, WATCH_CLICK };
struct watch_request {
	const uint8_t *copy; /* 8 bytes */
	enum watch_kind kind;
	int link;	 /* of a click, >= 0 */
	uint64_t client; /* tells one from another */
	bool human;	 /* by itself it looks like a person's */
	bool sure; /* no person makes such a request: whatever else its client asks for is no person's either
		    */
	int64_t now_ms;
};

/* What came before, looked like a person's, and was none. */
#define WATCH_KEPT 8
struct watch_earlier {
	enum watch_kind kind;
	int link;
};
struct watch_verdict {
	const char *reason; /* "burst", "scanner"; NULL: nothing speaks against it */
	struct watch_earlier earlier[WATCH_KEPT];
	size_t nearlier; /* each is told once */
};

/*
 * Notes an open or a click. A click that belongs to a burst is a machine's, and so is what a client asks for
 * that has made a `sure` request, until the copy has been left alone for WATCH_MS.
 */
void watch_look(struct watch *w, const struct watch_request *rq, struct watch_verdict *out);

#endif
