/* wrong-size: built with another layout of a shared struct. */
#include "mailtailor_plugin.h"

const struct mt_magic *
mailtailor_plugin_magic(void)
{
	static const struct mt_magic magic = {
		.magic = MT_ABI_MAGIC,
		.size = sizeof(struct mt_magic),
		.abi_major = MT_ABI_MAJOR,
		.abi_minor = MT_ABI_MINOR,
		.sizeof_str = sizeof(struct mt_str) + 8,
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
	return NULL;
}
