/* What lies below the index of a mailbox that begins at a date: counted, and otherwise passed
 * over.
 *
 *   UIDs       1 … │ first_uid …
 *   numbers    1 … below │ below + 1 …
 *   ranks              0 │ 1 …            a rank is a number less below, less one
 *
 * UIDs only rise (RFC 3501 §2.3.1.1), so what arrives lies above, whatever its date, and what
 * lies below can only become less: by EXPUNGE of a number up to `below`, by VANISHED of a UID
 * under first_uid. While it is being counted, nobody knows on which side a number is. */
#include "sync_priv.h"

enum {
    DAY_MS = 24 * 3600 * 1000
};

uint32_t sync_since_day(int64_t from_ms)
{
    int64_t day = from_ms / DAY_MS - 1;
    return day <= 0 ? 0 : day < UINT32_MAX ? (uint32_t)day : UINT32_MAX - 1;
}

bool sync_floor_is_due(const struct mailbox_table *t, const struct mailbox *m)
{
    bool has_index = m->phase == MAILBOX_PHASE_LIVE || m->phase == MAILBOX_PHASE_INITIAL;
    return has_index && m->since_day != t->since_day;
}

uint32_t sync_first_uid(const struct mailbox *m)
{
    return m->first_uid > 1 ? m->first_uid : 1;
}

bool sync_floor_passes_expunge(struct sync_live *l, uint32_t *seq)
{
    if (l->below_open) {
        l->below_moved = true;
        return true;
    }
    if (*seq <= l->below) {
        l->below -= *seq > 0;
        return *seq > 0;
    }
    *seq -= l->below;
    return false;
}

bool sync_floor_passes_vanished(struct sync_live *l, struct imap_range *range,
                                bool earlier)
{
    if (range->lo >= l->first_uid) {
        return false;
    }
    bool all = range->hi < l->first_uid;
    uint32_t gone = (all ? range->hi + 1 : l->first_uid) - range->lo;
    if (!earlier && l->below_open) {
        l->below_moved = true;
    } else if (!earlier) {
        l->below -= gone < l->below ? gone : l->below;
    }
    range->lo = l->first_uid;
    return all;
}

bool sync_floor_passes_row(const struct sync_live *l, const struct imap_row *row,
                           bool numbered)
{
    return numbered ? !l->below_open && row->seq > 0 && row->seq <= l->below
                    : row->uid < l->first_uid;
}

uint32_t sync_pass_last(const struct sync_pass *p)
{
    const struct imap_selected *now = imap_conn_selected(p->conn);
    return now != NULL ? now->exists : 0;
}

uint32_t sync_pass_exists(const struct sync_pass *p)
{
    uint32_t exists = sync_pass_last(p), below = p->live->below;
    return exists > below ? exists - below : 0;
}

void sync_floor_doubt(struct sync_pass *p)
{
    /* Counted by this pass already, it would be no different. */
    if (p->m->first_uid > 1 && !p->floor.begun) {
        p->live->below_open = p->live->resync = true;
    }
}

void sync_floor_note(struct sync_pass *p)
{
    p->m->exists = sync_pass_last(p);
    p->m->below = p->live->below;
}

void sync_uids_from(struct imap_set *set, uint32_t first)
{
    size_t skip = 0;
    while (skip < set->count && set->ranges[skip].hi < first) {
        skip++;
    }
    set->ranges = skip > 0 ? set->ranges + skip : set->ranges;
    set->count -= skip;
    if (set->count > 0 && set->ranges[0].lo < first) {
        set->ranges[0].lo = first;
    }
}
