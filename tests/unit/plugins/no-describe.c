/* no-describe: has the magic, lacks the description. */
#include "mailtailor_plugin.h"

const struct mt_magic *
mailtailor_plugin_magic(void)
{
	static const struct mt_magic magic = MT_MAGIC_INIT;
	return &magic;
}
