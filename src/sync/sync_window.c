/* Servers that show only the newest messages of a mailbox (Yahoo: ten thousand, or a hundred
 * thousand): with every arrival the oldest one leaves the view, which is no deletion, and
 * with every deletion one comes back that is no news.
 *
 *   window_floor ──► a message below the lowest one shown ──► passed: leaves the index, no
 *                    and not shown any more                   event
 *                └─► one above it that is not shown     ──► deleted
 *                └─► an unknown one below it            ──► indexed, no event
 *
 * The floor is there from the end of the initial index on, and is given up only when SELECT
 * counts fewer messages than a window has and the index agrees: all are shown then, so none
 * can come back. Between "EXPUNGE" and the "EXISTS" that follows a window is not full, too,
 * and what comes back next is old all the same.
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

bool sync_window_may_hide(const struct sync_pass *p)
{
    return !imap_conn_has(p->conn, IMAP_CAP_CONDSTORE) && fills(p, p->exists);
}

static bool may_be_window(const struct sync_pass *p)
{
    /* Where the index begins later, what leaves the view is none of it. */
    return !imap_conn_has(p->conn, IMAP_CAP_CONDSTORE) && !p->sc.fast &&
           p->live->below == 0;
}

/* It was when the index was last brought up to it. */
static bool was_full(const struct sync_pass *p)
{
    return p->m->window_floor != 0 && (p->m->exists == 0 || fills(p, p->m->exists));
}

/* Or it was, and is being told of more. */
static bool is_full(const struct sync_pass *p)
{
    return may_be_window(p) &&
           (fills(p, sync_pass_exists(p)) || (p->selects && fills(p, p->exists)) ||
            (was_full(p) && !sync_live_is_empty(p->live)));
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

/* 0: none is. */
static uint32_t lowest_indexed(const struct mailbox *m)
{
    return m->segment_count > 0 ? m->segments[0].first_uid : 0;
}

/* As many came back as went: the count is the same, only the lower end shows it. */
bool sync_window_looked(struct sync_pass *p, uint32_t uid)
{
    bool moved_back = p->m->window_floor != 0 && uid < lowest_indexed(p->m);
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

/* What left the view leaves the index before the floor rises: the lower end of either. */
bool sync_window_is_below(const struct mailbox *m, uint32_t uid)
{
    return m->window_floor != 0 && (uid < m->window_floor || uid < lowest_indexed(m));
}

uint32_t sync_window_walked(const struct sync_pass *p)
{
    return may_be_window(p) && fills(p, sync_pass_exists(p)) ? p->m->low_uid : 0;
}

/* SELECT counted, and the index agrees: nothing is hidden. */
static bool all_are_shown(const struct sync_pass *p)
{
    return !may_be_window(p) || (p->selects && p->agrees);
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
    w->passed = 0;
    w->floor = all_are_shown(p) ? 0 : p->m->window_floor;
    if (!is_full(p)) {
        return;
    }
    w->passed = count_passed(p);
    w->floor = first_indexed(p);
    if (p->prior.new_count > 0 && p->prior.news[0].row.uid < w->floor) {
        w->floor = p->prior.news[0].row.uid;
    }
}
