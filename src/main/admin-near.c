/* admin-near: what was typed and is not there, and what was probably meant. */
#include "main/admin.h"

const char *
admin_nearest(const char *typed, const char *const *names, size_t n)
{
	return conf_nearest(str_of(typed), names, n);
}

int
admin_no_sub(const char *verb, const char *typed, const char *const *names, size_t n)
{
	const char *near = admin_nearest(typed, names, n);
	if (near)
		return admin_misuse("%s has no \"%s\"; did you mean \"%s\"?", verb, typed, near);
	return admin_misuse("%s has no \"%s\"; `mailtailor %s --help` lists what it has", verb, typed, verb);
}

int
admin_category(const struct conf *conf, struct str name, struct err *e)
{
	const char *near;
	if (conf_category_known(conf, name, &near))
		return 0;
	if (near)
		return err_set(e, ERR_USAGE,
			       "no campaign and no cap has the category \"%.*s\"; did you mean \"%s\"?",
			       STR_ARG(str_cut(name, 64)), near);
	return err_set(e, ERR_USAGE,
		       "no campaign and no cap has the category \"%.*s\"; `mailtailor campaign list` shows "
		       "those there are",
		       STR_ARG(str_cut(name, 64)));
}
