/* probe-short-score: the scoring probe, declared short; not always truly. */
#define PROBE_DECLARE MT_SHORT_SCORER
#include "probe-score.c"
