/* wrong-magic: the magic number is another program's. */
#include "mailtailor_plugin.h"

const struct mt_magic *
mailtailor_plugin_magic(void)
{
	static const struct mt_magic magic = {
		.magic = 0x12345678u,
		.size = sizeof(struct mt_magic),
		.abi_major = MT_ABI_MAJOR,
		.abi_minor = MT_ABI_MINOR,
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
	return NULL;
}
