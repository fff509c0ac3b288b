/* old-minor: built for ABI 1.0, where what is now flags was reserved and not looked at. */
#include <pthread.h>

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
	(void)instance, (void)thread, (void)error;
	return rq->host->set_integer(rq, "thread", (int64_t)(uintptr_t)pthread_self());
}

const struct mt_magic *
mailtailor_plugin_magic(void)
{
	static const struct mt_magic magic = {
		.magic = MT_ABI_MAGIC,
		.size = sizeof(struct mt_magic),
		.abi_major = MT_ABI_MAJOR,
		.abi_minor = 0,
		.sizeof_str = sizeof(struct mt_str),
		.sizeof_option = sizeof(struct mt_option),
		.sizeof_error = sizeof(struct mt_error),
		.sizeof_shape = sizeof(struct mt_shape),
		.sizeof_request = sizeof(struct mt_request),
		.sizeof_host = sizeof(struct mt_host),
		.sizeof_plugin = sizeof(struct mt_plugin),
	};
	return &magic;
}

const struct mt_plugin *
mailtailor_plugin(void)
{
	static const struct mt_plugin plugin = { .size = sizeof(struct mt_plugin),
						 .kind = MT_KIND_PERSONALIZER,
						 .flags = 0xffffffffu,
						 .name = "old-minor",
						 .version = "1.0",
						 .create = create,
						 .run = run };
	return &plugin;
}
