/* admin-events: what the sub-verbs of `mailtailor events` share. */
#ifndef MT_MAIN_ADMIN_EVENTS_H
#define MT_MAIN_ADMIN_EVENTS_H

#include "main/admin-profile.h"
#include "store/event.h"

/* argv[0] is the sub-verb's name; they return exit codes. */
int events_classify(int argc, char **argv);
int events_tail(int argc, char **argv);
int events_export(int argc, char **argv);
int events_import(int argc, char **argv);
int events_verify(int argc, char **argv);

/* Which events: --since, --until, --campaign, --type (may be repeated), --recipient. */
struct events_pick {
	struct event_filter filter;
	const char *recipient; /* an address, or a key as export prints it */
	uint8_t rk[STORE_KEY_LEN];
};
#define EVENTS_PICK_OPTIONS                                                                         \
	{ "since", required_argument, NULL, 'S' }, { "until", required_argument, NULL, 'U' },       \
	    { "campaign", required_argument, NULL, 'C' }, { "type", required_argument, NULL, 'T' }, \
	{                                                                                           \
		"recipient", required_argument, NULL, 'R'                                           \
	}
#define EVENTS_PICK_USAGE                                                                             \
	"      --since TIME       from that time on: 2026-03-29, 2026-03-29T12:00:00Z, or 7d (ago)\n" \
	"      --until TIME       before that time\n"                                                 \
	"      --campaign NAME    of that campaign only\n"                                            \
	"      --type TYPE        of that type only, like clicked; may be repeated\n"                 \
	"      --recipient WHO    of that recipient only: an address, or a key as export prints it\n"
/* -1: c is another option; else EX_OK or EX_USAGE. */
int events_pick_option(struct events_pick *p, int c, const char *arg);
/* Looks up the recipient. EX_OK or an exit code. keys are asked for an address only. */
int events_pick_ready(struct events_pick *p, const struct conf *conf);
/* Is there such a campaign? EX_OK or an exit code. */
int events_pick_check(const struct events_pick *p, const struct conf *conf, struct store *s);
/* A time as above, before now_ms. 0, or -1. */
int events_time(const char *text, int64_t now_ms, int64_t *ms);

#endif
