/* Mailboxes that cannot be selected: after three failures in a row one is left alone for
 * hours; the others do not wait for it. One that does not exist is not tried again before
 * that would prove it (sync_list_gone.c). */
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

/* By its code, or in words that servers use without one. */
static bool says_nonexistent(const struct err *err)
{
    static const char *const words[] = {"does not exist", "doesn't exist",
                                        "no such mailbox", "unknown mailbox"};
    bool found = strcmp(err->peer_code, "NONEXISTENT") == 0;
    for (size_t i = 0; i < ARRAY_LEN(words) && err->code == ERR_NO_MAILBOX; i++) {
        found = found || str_ifind(str_of(err->msg), words[i]) != SIZE_MAX;
    }
    return found;
}

/* What was never indexed keeps nobody waiting; what is indexed stays as it is. */
static void rest(struct mailbox *m, int64_t until_ms)
{
    m->parked_until_ms = until_ms;
    if (m->phase == MAILBOX_PHASE_NEW || m->phase == MAILBOX_PHASE_INITIAL) {
        m->phase = MAILBOX_PHASE_PARKED;
    }
}

/* Asked again when it would count, and then no more. */
static void refuse(struct mailbox *m, int64_t now_ms, int64_t confirm_ms)
{
    m->nonexistent = true;
    m->refused_ms = now_ms;
    bool first = m->refused_since_ms == 0;
    if (first) {
        m->refused_since_ms = now_ms;
    }
    bool soon =
        m->phase != MAILBOX_PHASE_GONE && now_ms - m->refused_since_ms < confirm_ms;
    rest(m, soon ? m->refused_since_ms + confirm_ms : now_ms + PARK_MS);
}

void sync_gone_not(struct mailbox *m)
{
    m->nonexistent = false;
    m->refused_since_ms = m->refused_ms = 0;
    m->select_failures = 0;
    m->parked_until_ms = 0;
}

void sync_park(struct mailbox *m, const struct err *err, int64_t confirm_ms)
{
    int64_t now_ms = clock_wall_ms();
    m->nonexistent = false;
    if (says_nonexistent(err)) {
        refuse(m, now_ms, confirm_ms);
        return;
    }
    if (strcmp(err->peer_code, "INUSE") == 0) {
        m->parked_until_ms = now_ms + INUSE_MS;
        return;
    }
    if (!concerns_mailbox(err) || ++m->select_failures < STRIKES) {
        return;
    }
    log_at(LOG_INFO, "sync", "mailbox cannot be selected, left alone for hours",
           LOG_I("box", m->box), LOG_I("tries", m->select_failures));
    rest(m, now_ms + PARK_MS);
}

bool sync_is_parked(const struct mailbox *m)
{
    return m->parked_until_ms > clock_wall_ms();
}
