/* admin-events: what the sub-verbs of `mailtailor events` share. */
#ifndef MT_MAIN_ADMIN_EVENTS_H
#define MT_MAIN_ADMIN_EVENTS_H

#include "main/admin.h"

/* argv[0] is the sub-verb's name; they return exit codes. */
int events_classify(int argc, char **argv);

#endif
