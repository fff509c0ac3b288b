/* admin-option: the options of a command line, and which was meant where there is none of that name. */
#include "main/admin.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

/* Of "--name" or "--name=…" what stands between; empty for anything else. */
static struct str
long_typed(const char *arg)
{
	struct str name = str_of(arg);
	return str_starts(name, STR("--")) ? str_sub(name, 2, str_find_char(name, '=')) : STR("");
}

static const char *
near_find(struct str typed, const struct option *options)
{
	size_t n = 0;
	while (options[n].name)
		n++;
	const char **names = calloc(n + 1, sizeof(*names));
	if (!names)
		abort();
	for (size_t i = 0; i < n; i++)
		names[i] = options[i].name;
	const char *near = conf_nearest(typed, names, n);
	free(names);
	return near;
}

/* A name that is none, or the beginning of several. */
static void
name_wrong(const char *verb, struct str typed, const struct option *options)
{
	const struct option *first = NULL, *second = NULL;
	for (const struct option *o = options; o->name; o++)
		if (str_starts(str_of(o->name), typed)) {
			second = first ? o : NULL;
			first = first ? first : o;
			if (second)
				break;
		}
	const char *near = near_find(typed, options);
	if (first && second)
		admin_misuse("%s: --%.*s may be --%s or --%s; write it out", verb, STR_ARG(typed),
			     first->name, second->name);
	else if (near)
		admin_misuse("%s has no option --%.*s; did you mean --%s?", verb, STR_ARG(typed), near);
	else
		admin_misuse("%s has no option --%.*s; --help lists what it has", verb, STR_ARG(typed));
}

/* An option that is there, but for its value; or a letter that is none. */
static void
value_wrong(const char *verb, const char *arg, const char *letters, const struct option *options)
{
	struct str typed = long_typed(arg);
	const struct option *o = options;
	while (o->name && (o->val != optopt || !str_starts(str_of(o->name), typed)))
		o++;
	if (typed.n > 0 && o->name && o->has_arg == no_argument)
		admin_misuse("%s: --%s takes no value", verb, o->name);
	else if (typed.n > 0 && o->name)
		admin_misuse("%s: --%s needs a value", verb, o->name);
	else if (optopt != ':' && strchr(letters, optopt))
		admin_misuse("%s: -%c needs a value", verb, optopt);
	else
		admin_misuse("%s has no option -%c; --help lists what it has", verb, optopt);
}

int
admin_option(int argc, char **argv, const char *letters, const struct option *options)
{
	opterr = 0; /* what it says in its own words is said here */
	int c = getopt_long(argc, argv, letters, options, NULL);
	if (c != '?')
		return c;
	if (optopt == 0)
		name_wrong(argv[0], long_typed(argv[optind - 1]), options);
	else
		value_wrong(argv[0], argv[optind - 1], letters, options);
	return c;
}
