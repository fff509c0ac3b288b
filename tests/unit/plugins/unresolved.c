/* unresolved: needs a symbol that nobody has. */
#include "mailtailor_plugin.h"

int mailtailor_test_symbol_that_is_nowhere(void);

static void *
create(const struct mt_host *host, const struct mt_option *options, size_t n, struct mt_error *error)
{
	static int state;
	(void)host, (void)options, (void)n, (void)error;
	state = mailtailor_test_symbol_that_is_nowhere();
	return &state;
}

static int
run(void *instance, void *thread, const struct mt_request *rq, struct mt_error *error)
{
	(void)instance, (void)thread, (void)rq, (void)error;
	return 0;
}

MT_PERSONALIZER("unresolved", "1.0", create, NULL, NULL, NULL, run)
