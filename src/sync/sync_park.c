/* Mailboxes that cannot be selected: after three failures in a row one is left alone for
 * hours; the others do not wait for it. */
#include "sync_priv.h"

#include "postrider/base/clock.h"
#include "postrider/base/log.h"

#include <string.h>

enum {
    STRIKES = 3,
    INUSE_MS = 60 * 1000,
    PARK_MS = 6 * 3600 * 1000
};

/* Is it the mailbox, or the server? */
static bool concerns_mailbox(const struct err *err)
{
    return err->code == ERR_NO_MAILBOX || err->code == ERR_NO;
}

void sync_park(struct mailbox *m, const struct err *err)
{
    int64_t now_ms = clock_wall_ms();
    if (strcmp(err->peer_code, "INUSE") == 0) {
        m->parked_until_ms = now_ms + INUSE_MS;
        return;
    }
    if (!concerns_mailbox(err) || ++m->select_failures < STRIKES) {
        return;
    }
    log_at(LOG_INFO, "sync", "mailbox cannot be selected, left alone for hours",
           LOG_I("box", m->box), LOG_I("tries", m->select_failures));
    m->parked_until_ms = now_ms + PARK_MS;
    /* What is indexed stays as it is; what was never indexed keeps nobody waiting. */
    if (m->phase == MAILBOX_PHASE_NEW || m->phase == MAILBOX_PHASE_INITIAL) {
        m->phase = MAILBOX_PHASE_PARKED;
    }
}

bool sync_is_parked(const struct mailbox *m)
{
    return m->parked_until_ms > clock_wall_ms();
}
