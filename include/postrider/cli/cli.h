/* cli: the command line: one table of commands, help from its rows.
 * Calls    before any loop runs; every command makes and frees what it needs
 * Errors   exit status 0 = done, 1 = failed, 2 = wrong usage; messages on stderr, results on
 *          stdout */
#ifndef POSTRIDER_CLI_CLI_H
#define POSTRIDER_CLI_CLI_H

#include "postrider/config/config.h"

enum {
    CLI_DONE = 0,
    CLI_FAILED = 1,
    CLI_USAGE = 2
};

/* Runs the daemon; given by the app, which lies above. */
typedef int cli_serve_fn(int argc, char *const *argv, const struct config *config,
                         const char *config_path);

int cli_main(int argc, char *const *argv, cli_serve_fn *serve);

#endif
