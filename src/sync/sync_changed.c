/* CHANGED: flags since the cursor, or as many of them as a server without CONDSTORE allows. */
#include "sync_priv.h"

#include <stdio.h>

enum {
    FLAG_STEP = 2000, /* looked at by one command when it is all of them */
    LATE_WINDOW = 64  /* newest messages looked at where some show late */
};

static struct sync_pass *pass_of(struct op *op)
{
    return container_of(op, struct sync_pass, op);
}

bool sync_cursor_is_usable(const struct sync_pass *p)
{
    return p->m->highest_modseq != 0 && p->m->highest_modseq <= p->highest_modseq;
}

/* All flags have to be read: before a first cursor, and now and then without any. */
static bool flags_are_due(const struct sync_pass *p)
{
    if (p->highest_modseq != 0) {
        return !sync_cursor_is_usable(p);
    }
    return sync_flags_are_due(p->sc.table, p->m);
}

static void on_flag_row(struct imap_fetch *op ATTR_UNUSED, const struct imap_row *row,
                        void *ctx)
{
    struct sync_pass *p = ctx;
    const uint32_t need = IMAP_ITEM_UID | IMAP_ITEM_FLAGS;
    if ((row->has & need) != need || row->uid < sync_first_uid(p->m) ||
        (row->seq == 1 && sync_window_looked(p, row->uid))) {
        return;
    }
    sync_behind_row(p, row->uid);
    sync_batch_flags(&p->batch, row);
    sync_apply_flush(p);
}

static void on_vanished(struct imap_fetch *op ATTR_UNUSED, const struct imap_set *uids,
                        void *ctx)
{
    struct sync_pass *p = ctx;
    for (size_t i = 0; i < uids->count; i++) {
        if (p->batch.vanished_count >= SYNC_VANISHED_RANGES) {
            p->must_search = true;
            return;
        }
        sync_batch_vanished(&p->batch, uids->ranges[i]);
    }
}

/* The newest messages, and in a window the oldest one, which tells if it moved back. */
static void newest(const struct sync_pass *p, uint32_t count, char set[40])
{
    uint32_t last = sync_pass_last(p);
    uint32_t lo = sync_pass_exists(p) > count ? last - count + 1 : p->live->below + 1;
    const char *first = lo > 1 && p->m->window_floor != 0 ? "1," : "";
    (void)snprintf(set, 40, "%s%u:%u", first, lo, last);
}

/* From the newest to the oldest: what goes meanwhile makes two steps overlap, and leaves no
 * hole. Other commands come in between. */
static void next_flags(struct sync_pass *p, char set[40])
{
    uint32_t last = sync_pass_last(p), below = p->live->below;
    uint32_t hi = p->flags_hi != 0 && p->flags_hi < last ? p->flags_hi : last;
    uint32_t lo = hi > below + FLAG_STEP ? hi - FLAG_STEP + 1 : below + 1;
    (void)snprintf(set, 40, "%u:%u", lo, hi);
    p->flags_hi = lo - 1 > below ? lo - 1 : 0;
}

/* Flags since the cursor, or what a server without CONDSTORE allows: the newest messages
 * in every pass, all of them now and then. False: there is nothing to ask. */
static bool changed_params(struct sync_pass *p, char set[40],
                           struct imap_fetch_params *out)
{
    bool shows_late = (p->quirks & SYNC_QUIRK_LATE) != 0;
    *out = (struct imap_fetch_params){.items = IMAP_ITEM_UID | IMAP_ITEM_FLAGS};
    if (imap_conn_has(p->conn, IMAP_CAP_GMAIL)) {
        out->items |= IMAP_ITEM_GM_LABELS;
    }
    if (p->m->last_uid == 0 || p->m->count == 0) {
        return false;
    }
    if (!p->compare_all || p->resynced || p->has_flag_sets) {
        newest(p, LATE_WINDOW, set);
        out->set = str_of(set);
        return shows_late && sync_pass_exists(p) > 0;
    }
    if (sync_cursor_is_usable(p)) {
        if (p->selects && p->highest_modseq == p->m->highest_modseq) {
            return false;
        }
        (void)snprintf(set, 40, "%u:%u", sync_first_uid(p->m), p->m->last_uid);
        out->by_uid = true;
        out->items |= IMAP_ITEM_MODSEQ;
        out->changed_since = p->m->highest_modseq;
        out->vanished = sync_trusts_vanished(p);
    } else {
        p->full_flags = p->selects && flags_are_due(p);
        if (sync_pass_exists(p) == 0) {
            return false;
        }
        if (p->full_flags) {
            p->recent.uids = STR_NULL; /* they became due behind that search */
            next_flags(p, set);
        } else {
            newest(p, SYNC_RECENT_MAX, set);
            out->by_uid = p->recent.uids.len > 0;
        }
    }
    out->set = p->recent.uids.len > 0 ? p->recent.uids : str_of(set);
    return true;
}

static bool wants_recent_search(const struct sync_pass *p)
{
    return p->compare_all && !p->resynced && !p->has_flag_sets &&
           !sync_cursor_is_usable(p) && !(p->selects && flags_are_due(p)) &&
           sync_pass_exists(p) > 0 && p->m->last_uid != 0 && sync_recent_is_worth(p);
}

static bool wants_flag_search(struct sync_pass *p)
{
    return p->compare_all && p->selects && !p->has_flag_sets && !p->flags_failed &&
           !sync_cursor_is_usable(p) && flags_are_due(p) &&
           sync_flag_search_is_worth(p->conn, &p->sc, p->m);
}

enum step sync_changed_step(struct op *op)
{
    struct sync_pass *p = pass_of(op);
    static const struct imap_fetch_events events = {
        .on_row = on_flag_row, .on_vanished = on_vanished, .on_end = sync_pass_fetched};
    char set[40];
    struct imap_fetch_params params;
    if (p->fetch != NULL) {
        return STEP_WAIT;
    }
    if (wants_flag_search(p)) {
        sync_pass_enter(p, PASS_STATE_FLAGS);
        return STEP_MORE;
    }
    if (wants_recent_search(p)) {
        sync_pass_enter(p, PASS_STATE_RECENT);
        return STEP_MORE;
    }
    if (!changed_params(p, set, &params)) {
        sync_pass_enter(p, PASS_STATE_PREPARE);
        return STEP_MORE;
    }
    sync_batch_take_rows(&p->batch, p->live);
    sync_pass_command(p);
    p->fetch = imap_fetch_start(p->conn, &params, SYNC_COMMAND_MS, &events, p);
    return STEP_WAIT;
}
