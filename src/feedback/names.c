/* names: the words that kinds and reasons have in JSON and in events. */
#include "feedback/private.h"

static const char *const kinds[] = {
	[FEEDBACK_NONE] = "none",
	[FEEDBACK_BOUNCE] = "bounce",
	[FEEDBACK_COMPLAINT] = "complaint",
	[FEEDBACK_AUTO_REPLY] = "auto-reply",
};
static const char *const reasons[] = {
	[FEEDBACK_UNKNOWN_USER] = "unknown-user",
	[FEEDBACK_UNKNOWN_HOST] = "unknown-host",
	[FEEDBACK_MOVED] = "moved",
	[FEEDBACK_NO_MAIL] = "no-mail",
	[FEEDBACK_FULL] = "mailbox-full",
	[FEEDBACK_DISABLED] = "disabled",
	[FEEDBACK_DELAYED] = "delayed",
	[FEEDBACK_OTHER] = "other",
};

const char *
feedback_kind_name(enum feedback_kind k)
{
	return kinds[k];
}

const char *
feedback_reason_name(enum feedback_reason r)
{
	return reasons[r];
}

int
feedback_kind_parse(struct str word, enum feedback_kind *out)
{
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		if (str_eq(word, str_of(kinds[i]))) {
			*out = (enum feedback_kind)i;
			return 0;
		}
	return -1;
}

int
feedback_reason_parse(struct str word, enum feedback_reason *out)
{
	for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
		if (str_eq(word, str_of(reasons[i]))) {
			*out = (enum feedback_reason)i;
			return 0;
		}
	return -1;
}
