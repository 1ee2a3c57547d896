/* redis_supervisor: the process that keeps a private redis-server running.
 * Shape    runs in a forked child and never returns:
 *
 *              ┌────────────── ended: backoff ◄──────────────┐
 *              ▼                                              │
 *            START ── a server of this directory lives ──► ADOPTED
 *              └───── none ──────────────────────────────► RUNNING
 *          end of the control socket in any state: SIGTERM, SIGKILL after a while, exit
 *
 * Safety   two servers on one append-only file would destroy it: a new one starts only
 *          when no process with this working directory is left */
#ifndef POSTRIDER_REDIS_REDIS_SUPERVISOR_H
#define POSTRIDER_REDIS_REDIS_SUPERVISOR_H

#include "postrider/base/attr.h"

#include <limits.h>

struct redis_server_place {
    char program[PATH_MAX];
    char dir[PATH_MAX]; /* of its files, absolute and resolved */
    char socket_path[108];
    char pid_file[PATH_MAX];
};

/* control: one end of a socket pair whose other end only the daemon holds. A byte is sent
 * there once every other descriptor of the daemon is closed here. */
void redis_supervisor_run(const struct redis_server_place *place,
                          int control) ATTR_NORETURN;

#endif
