/* Mailboxes that are no more. One word of a server is not believed, neither of LIST nor of
 * SELECT: it says both as a fault, too.
 *
 *   not listed, or listed as one that cannot be selected ─► the same a confirmation time
 *       later, or SELECT says that there is none ─► gone
 *   listed, and SELECT says that there is none ─► asked once more a confirmation time later,
 *       not before ─► it says so again ─► gone
 *
 * A server may list a name for ever of which the mailbox is gone (Dovecot: a parent that was
 * deleted and has children). Such a name keeps a record of phase GONE, which nobody is told
 * of. STATUS finds out when there is a mailbox again, SELECT rarely; it is a new one then. */
#include "sync_list_priv.h"
#include "sync_priv.h"

#include "postrider/base/clock.h"

static bool is_inbox(const struct mailbox *m)
{
    return str_ieq_c(str_of(m->path), "INBOX");
}

static bool can_be_selected(const struct list_row *row)
{
    const uint32_t cannot = IMAP_LIST_NOSELECT | IMAP_LIST_NONEXISTENT;
    return (row->entry.attrs & cannot) == 0;
}

/* Some names never had a mailbox. */
static bool had_messages(const struct mailbox *m)
{
    return m->uid_validity != 0 || m->phase == MAILBOX_PHASE_INITIAL ||
           m->phase == MAILBOX_PHASE_PARKED;
}

static enum sync_gone not_there(struct mailbox *m, int64_t confirm_ms)
{
    int64_t now_ms = clock_wall_ms();
    if (m->gone_since_ms == 0) {
        m->gone_since_ms = now_ms;
    }
    bool since = now_ms > m->gone_since_ms && now_ms - m->gone_since_ms >= confirm_ms;
    return m->nonexistent || since ? SYNC_GONE_YES : SYNC_GONE_PERHAPS;
}

enum sync_gone sync_gone_look(struct mailbox *m, const struct list_row *row,
                              int64_t confirm_ms)
{
    bool name_only = row != NULL && !can_be_selected(row);
    if (row == NULL || (name_only && had_messages(m) && !is_inbox(m))) {
        return not_there(m, confirm_ms);
    }
    bool refused = m->refused_since_ms != 0 && !name_only && !is_inbox(m);
    m->gone_since_ms = 0;
    m->nonexistent = false;
    if (m->phase == MAILBOX_PHASE_GONE || refused) {
        if ((row->status.has & IMAP_STATUS_MESSAGES) != 0) {
            sync_gone_not(m);
            return SYNC_GONE_LOOK;
        }
    }
    if (m->phase == MAILBOX_PHASE_GONE || !refused) {
        return SYNC_GONE_NO;
    }
    if (m->refused_ms - m->refused_since_ms >= confirm_ms) {
        return SYNC_GONE_YES;
    }
    return sync_is_parked(m) ? SYNC_GONE_PERHAPS : SYNC_GONE_LOOK;
}

struct mailbox *sync_gone_successor(const struct mailbox *m, const struct list_row *row,
                                    uint32_t number)
{
    struct mailbox *name =
        mailbox_new(number, row->entry.wire, row->entry.path, row->entry.delimiter);
    name->number = number;
    name->phase = MAILBOX_PHASE_GONE;
    name->list_attrs = m->list_attrs;
    name->special_use_source = m->special_use_source;
    memcpy(name->special_use, m->special_use, sizeof name->special_use);
    name->parked_until_ms = m->parked_until_ms;
    return name;
}
