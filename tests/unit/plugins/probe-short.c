/* probe-short: the probe, declared short; not always truly. */
#define PROBE_DECLARE MT_SHORT_PERSONALIZER
#include "probe.c"
