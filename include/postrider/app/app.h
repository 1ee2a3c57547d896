/* app: the daemon: makes the parts, wires them, runs the loop, takes it all down again.
 * Shape    starting ─► serving ─► draining ─► stopped
 *          The API listens from the first moment; /health fails until the store is open.
 * Errors   the exit status: 0 after SIGTERM or SIGINT, 1 when something permanent is wrong
 * Limits   draining ends after APP_DRAIN_MS, whatever is left */
#ifndef POSTRIDER_APP_APP_H
#define POSTRIDER_APP_APP_H

#include "postrider/config/config.h"

enum {
    APP_DRAIN_MS = 9000
};

/* argv: the flags the configuration was read from, for SIGHUP. */
int app_serve(int argc, char *const *argv, const struct config *config,
              const char *config_path);

#endif
