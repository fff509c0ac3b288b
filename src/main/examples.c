/* examples: see examples.h. */
#include "main/examples.h"

#include <stdio.h>

#include "base/str.h"

/* Of what RFC 2606 keeps for examples, as the installed configuration has it until somebody writes his own.
 */
static bool
is_example(const char *url)
{
	static const char *const NAMES[] = { ".example", ".example.com", ".example.net", ".example.org" };
	struct str rest = str_of(url);
	rest = str_sub(rest, str_find(rest, STR("://")) + 3, rest.n);
	struct str host = str_sub(rest, 0, str_find_char(rest, ':'));
	for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++)
		if (str_ends(host, str_of(NAMES[i])) || str_eq(host, str_of(NAMES[i] + 1)))
			return true;
	return false;
}

/* Good for a trial, and so no mistake; in mail that leaves nobody could unsubscribe. */
static void
warn_of_example(const struct conf *c, const char *section, const char *name, const char *url)
{
	if (url != NULL && is_example(url))
		fprintf(stderr,
			"%s: warning: %s%s%s: %s is a name for examples, so links in mail would lead "
			"nowhere; write the public address of mailtailor-trackd there\n",
			c->file, section, *name ? " " : "", name, url);
}

void
examples_warn(const struct conf *c)
{
	warn_of_example(c, "track", "", c->track.host);
	for (size_t i = 0; i < c->track.ndomains; i++)
		warn_of_example(c, "track domain", c->track.domains[i].domain, c->track.domains[i].host);
	for (size_t i = 0; i < c->ncampaigns; i++)
		warn_of_example(c, "campaign", c->campaigns[i].name, c->campaigns[i].track_host);
}
