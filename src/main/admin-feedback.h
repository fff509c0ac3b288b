/* admin-feedback: what the files of the verb feedback share. */
#ifndef MT_MAIN_ADMIN_FEEDBACK_H
#define MT_MAIN_ADMIN_FEEDBACK_H

#include <stdbool.h>

/* feedback --maillog */
struct maillog_request {
	const char *conf_path, *log;
	const char *state; /* NULL: maillog_state of the configuration */
	bool follow, json;
};
/* An exit code. */
int feedback_maillog(const struct maillog_request *r);

#endif
