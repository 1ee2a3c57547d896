/* STATUS of a mailbox against its record. */
#include "sync_priv.h"

static bool differs(uint32_t has, uint32_t item, uint64_t told, uint64_t known)
{
    return (has & item) != 0 && told != known;
}

/* Without UIDNEXT (163.com) one that came and one that went look like nothing at all. */
static bool tells_too_little(const struct imap_status *s)
{
    return (s->has & IMAP_STATUS_MESSAGES) != 0 && s->messages > 0 &&
           (s->has & (IMAP_STATUS_UIDNEXT | IMAP_STATUS_HIGHESTMODSEQ)) == 0;
}

bool sync_status_differs(const struct mailbox *m, const struct imap_status *s)
{
    if (sync_reset_rests(m)) {
        return false;
    }
    return m->phase != MAILBOX_PHASE_LIVE || m->rebuild != 0 || tells_too_little(s) ||
           differs(s->has, IMAP_STATUS_MESSAGES, s->messages, m->exists) ||
           differs(s->has, IMAP_STATUS_UIDNEXT, s->uid_next, m->srv_uid_next) ||
           differs(s->has, IMAP_STATUS_UIDVALIDITY, s->uid_validity, m->uid_validity) ||
           differs(s->has, IMAP_STATUS_HIGHESTMODSEQ, s->highest_modseq,
                   m->highest_modseq);
}
