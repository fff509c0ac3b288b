/* examples: hosts for links that nobody has, as the installed configuration names them. */
#ifndef MT_MAIN_EXAMPLES_H
#define MT_MAIN_EXAMPLES_H

#include "conf/conf.h"

/* A warning to standard error for each; good for a trial, and so no mistake. */
void examples_warn(const struct conf *c);

#endif
