/*
 * paths: where the programs look for things, and what both must do first.
 */
#ifndef MT_MAIN_PATHS_H
#define MT_MAIN_PATHS_H

#define MT_CONF_FILE MT_SYSCONFDIR "/mailtailor/mailtailor.conf"

/* $MAILTAILOR_CONF, or the installed file. */
const char *paths_conf(void);
/* $MAILTAILOR_PLUGINS, or the plugins beside the running program (a build tree), or the installed ones. */
const char *paths_plugins(void);
/* The same for the templates of pages: $MAILTAILOR_PAGES … */
const char *paths_pages(void);

#endif
