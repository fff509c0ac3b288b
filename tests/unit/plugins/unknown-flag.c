/* unknown-flag: promises what nobody knows. */
#include "mailtailor_plugin.h"

static void *
create(const struct mt_host *host, const struct mt_option *options, size_t n, struct mt_error *error)
{
	static int state;
	(void)host, (void)options, (void)n, (void)error;
	return &state;
}

static int
run(void *instance, void *thread, const struct mt_request *rq, struct mt_error *error)
{
	(void)instance, (void)thread, (void)rq, (void)error;
	return 0;
}

MT_PLUGIN_DECLARE_FLAGS(MT_KIND_PERSONALIZER, 0x10 | MT_SHORT, "unknown-flag", "1.0", create, NULL, NULL,
			NULL, run, NULL, NULL)
