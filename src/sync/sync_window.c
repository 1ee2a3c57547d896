/* Servers that show only the newest messages of a mailbox (Yahoo: ten thousand, or a hundred
 * thousand): with every arrival the oldest one leaves the view, which is no deletion, and
 * with every deletion one comes back that is no news.
 *
 *   window_floor ──► a message below the lowest one shown ──► passed: leaves the index, no
 *                    and not shown any more                   event
 *                └─► one above it that is not shown     ──► deleted
 *                └─► an unknown one below it            ──► indexed, no event
 *
 * A full window cannot be told from a mailbox that happens to have so many messages. None of
 * the servers with a window has CONDSTORE, which leaves few others to be mistaken for one. */
#include "sync_priv.h"

enum {
    WINDOW_SMALL = 10000,
    WINDOW_LARGE = 100000
};

static bool fills(const struct sync_pass *p, uint32_t exists)
{
    return (p->quirks & SYNC_QUIRK_WINDOW) != 0
               ? exists > 0 && exists % WINDOW_SMALL == 0
               : exists == WINDOW_SMALL || exists == WINDOW_LARGE;
}

/* Or it was, and is being told of more. */
static bool is_full(const struct sync_pass *p)
{
    if (imap_conn_has(p->conn, IMAP_CAP_CONDSTORE) || p->sc.fast) {
        return false;
    }
    return fills(p, sync_pass_exists(p)) || (p->selects && fills(p, p->exists)) ||
           (p->m->window_floor != 0 && !sync_live_is_empty(p->live));
}

void sync_window_row(struct sync_pass *p, uint32_t rank, const struct msg_row *row,
                     bool is_gone)
{
    struct sync_window *w = &p->window;
    if (is_gone && rank == w->leading) {
        w->leading++;
    } else if (rank == w->leading) {
        w->first_kept = row->uid;
    }
}

/* As many came back as went: the count is the same, only the lower end shows it. */
bool sync_window_looked(struct sync_pass *p, uint32_t uid)
{
    bool moved_back = uid < p->m->window_floor;
    p->must_search = p->must_search || moved_back;
    return moved_back || (p->m->window_floor != 0 && !p->full_flags);
}

/* Between what it says of the oldest message and of the newest, a window is not full: only
 * a comparison tells then whether it was one that moved. */
bool sync_window_is_open(const struct sync_pass *p)
{
    return !p->compared && !p->selects && p->m->window_floor != 0 &&
           p->window.leading > 0 && !is_full(p);
}

static size_t count_passed(const struct sync_pass *p)
{
    size_t passed = 0;
    if (!p->searched) {
        return p->window.leading;
    }
    uint32_t floor = p->server_uids.count > 0 ? p->server_uids.ranges[0].lo : 0;
    while (passed < p->window.leading && p->diff.deletes[passed].uid < floor) {
        passed++;
    }
    return passed;
}

bool sync_window_is_below(const struct mailbox *m, uint32_t uid)
{
    return uid < m->window_floor;
}

/* The lowest indexed message that stays. */
static uint32_t first_indexed(const struct sync_pass *p)
{
    const struct mailbox *m = p->m;
    uint32_t gone =
        p->window.leading > 0 ? p->diff.deletes[p->window.leading - 1].uid : 0;
    if (p->window.first_kept != 0) {
        return p->window.first_kept;
    }
    for (size_t i = 0; i < m->segment_count; i++) {
        if (m->segments[i].first_uid > gone) {
            return m->segments[i].first_uid;
        }
    }
    return UINT32_MAX;
}

void sync_window_settle(struct sync_pass *p)
{
    struct sync_window *w = &p->window;
    w->passed = w->floor = 0;
    if (!is_full(p)) {
        return;
    }
    w->passed = count_passed(p);
    w->floor = first_indexed(p);
    if (p->prior.new_count > 0 && p->prior.news[0].row.uid < w->floor) {
        w->floor = p->prior.news[0].row.uid;
    }
}
