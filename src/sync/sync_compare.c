/* What is really there? The parts of a pass that ask for flags, deletions and missing
 * messages of the mailbox as a whole, when what the server told by itself does not do. */
#include "sync_priv.h"

#include "postrider/base/clock.h"
#include "postrider/base/log.h"

#include <stdio.h>

enum {
    FALSE_VANISHED_MAX = 2,
    PROVE_BYTES = 1000, /* of a set of UIDs; past it all are asked for */
    LATCH_MS = 24 * 3600 * 1000,
    FRESH_MS = 3600 * 1000
};

static struct sync_pass *pass_of(struct op *op)
{
    return container_of(op, struct sync_pass, op);
}

static int64_t now_ms(const struct sync_pass *p)
{
    return loop_now_ms(p->op.loop); /* the connection may be gone */
}

/* --- VANISHED --- */

bool sync_trusts_vanished(const struct sync_pass *p)
{
    const struct sync_learned *learned = p->sc.learned;
    return (imap_conn_enabled(p->conn) & IMAP_CAP_QRESYNC) != 0 &&
           (sync_quirks(p->conn) & SYNC_QUIRK_FALSE_VANISHED) == 0 &&
           (learned == NULL || now_ms(p) >= learned->qresync_off_until_ms);
}

void sync_vanished_was_false(struct sync_pass *p)
{
    struct sync_learned *learned = p->sc.learned;
    p->claimed = 0;
    if (learned != NULL && ++learned->false_vanished >= FALSE_VANISHED_MAX) {
        learned->false_vanished = 0;
        learned->qresync_off_until_ms = now_ms(p) + LATCH_MS;
        log_at(LOG_INFO, "sync", "the server tells deletions that were none",
               LOG_S("account", p->sc.acct->name), LOG_S("qresync", "off for a day"));
    }
}

/* --- FLAGS --- */

static void on_flag_sets(struct sync_flag_search *op ATTR_UNUSED, const struct err *err,
                         const struct sync_flag_sets *sets, void *ctx)
{
    struct sync_pass *p = ctx;
    p->flag_search = NULL;
    if (!op_is_running(&p->op)) {
        return;
    }
    if (err->code == ERR_OK) {
        p->flag_sets = sync_flag_sets_dup(&p->op.arena, sets);
        p->has_flag_sets = p->full_flags = true;
    } else if (err->code == ERR_CONFLICT && !p->flags_again) {
        p->flags_again = true;
    } else {
        p->flags_failed = true;
        if (err->code != ERR_CONFLICT && p->sc.learned != NULL) {
            p->sc.learned->flag_search_off_until_ms = now_ms(p) + LATCH_MS;
        }
        if (err->code != ERR_CONFLICT && err->code != ERR_NO && err->code != ERR_BAD) {
            sync_pass_fail(p, err, "search for flags");
            return;
        }
    }
    sync_pass_enter(p, PASS_STATE_CHANGED);
    sync_pass_run(p);
}

enum step sync_compare_flags(struct op *op)
{
    struct sync_pass *p = pass_of(op);
    if (p->flag_search == NULL) {
        sync_batch_take_rows(&p->batch, p->live);
        sync_batch_searched(&p->batch);
        sync_pass_command(p);
        p->flag_search = sync_flag_search_start(p->conn, p->m, on_flag_sets, p);
    }
    return STEP_WAIT;
}

/* --- PROVE --- */

/* VANISHED lowers the count that it would have to be held against (RFC 7162 §3.2.10), so
 * one that lies is seen only when the server counts again, and by then all of it was told.
 * Whoever is not known to tell the truth is asked for those messages. */
bool sync_compare_must_prove(const struct sync_pass *p)
{
    return p->live_alone && p->prior.vanished_count > 0 && p->diff.delete_count > 0 &&
           (p->quirks & SYNC_QUIRK_TRUE_VANISHED) == 0;
}

static void on_proved(struct imap_search *op ATTR_UNUSED, const struct err *err,
                      const struct imap_search_result *result, void *ctx)
{
    struct sync_pass *p = ctx;
    p->search = NULL;
    if (err->code != ERR_OK) {
        sync_pass_fail(p, err, "look for deleted messages");
        return;
    }
    p->proved = true;
    p->claimed = result->set.count > 0 ? p->diff.delete_count : 0;
    sync_pass_enter(p, result->set.count == 0 ? PASS_STATE_CHECK : PASS_STATE_SEARCH);
    sync_pass_run(p);
}

enum step sync_compare_prove(struct op *op)
{
    struct sync_pass *p = pass_of(op);
    if (p->search != NULL) {
        return STEP_WAIT;
    }
    struct imap_set gone = {.ranges = p->prior.vanished,
                            .count = p->prior.vanished_count};
    struct buf criteria = BUF_INIT(PROVE_BYTES + sizeof "UID ");
    (void)buf_put_str(&criteria, STR("UID "));
    if (imap_set_print(&criteria, &gone, 0, PROVE_BYTES) < gone.count) {
        buf_fini(&criteria);
        sync_pass_enter(p, PASS_STATE_SEARCH);
        return STEP_MORE;
    }
    struct imap_search_params params = {.criteria = buf_str(&criteria), .by_uid = true};
    sync_pass_command(p);
    p->search = imap_search_start(p->conn, &params, SYNC_SEARCH_MS, on_proved, p);
    buf_fini(&criteria);
    return STEP_WAIT;
}

/* --- PROBE --- */

/* Deletions that came by number until now are in what is asked for next, unless they are of
 * messages that this pass brings: those are asked for by the next one. */
static void forget_live_deletes(struct sync_pass *p)
{
    if (p->live->expunged_count + p->live->vanished_count > 0 &&
        p->prior.new_count + p->batch.new_count > 0) {
        p->live->resync = true;
    }
    p->live->expunged_count = 0;
    p->live->vanished_count = 0;
    sync_numbers_forget(p);
}

static uint32_t indexed_on_server(const struct sync_pass *p)
{
    uint32_t exists = sync_pass_exists(p), news = (uint32_t)p->prior.new_count;
    return exists > news ? exists - news : 0;
}

enum pass_state sync_compare_state(const struct sync_pass *p)
{
    bool certain = !p->must_search && !p->refused && !sync_window_is_open(p) &&
                   p->live->row_count == 0 && !p->live->exists_changed &&
                   !p->live->resync;
    return certain && !p->probed &&
                   sync_probe_budget(p->conn, p->m, indexed_on_server(p)) > 0
               ? PASS_STATE_PROBE
               : PASS_STATE_SEARCH;
}

static void on_probed(struct sync_probe *op ATTR_UNUSED, const struct err *err,
                      const uint32_t *ranks, size_t count, void *ctx)
{
    struct sync_pass *p = ctx;
    p->probe = NULL;
    if (!op_is_running(&p->op)) {
        return;
    }
    if (err->code == ERR_CONFLICT || err->code == ERR_LIMIT) {
        sync_pass_enter(p, PASS_STATE_SEARCH);
        sync_pass_run(p);
        return;
    }
    if (err->code != ERR_OK) {
        sync_pass_fail(p, err, "look for deleted messages");
        return;
    }
    p->compared = true;
    p->prior.vanished_count = 0;
    p->expunged_count = count;
    p->expunged = arena_memdup(&p->op.arena, ranks, count * sizeof *ranks);
    sync_pass_enter(p, PASS_STATE_PREPARE);
    sync_pass_run(p);
}

enum step sync_compare_probe(struct op *op)
{
    struct sync_pass *p = pass_of(op);
    if (p->probe != NULL) {
        return STEP_WAIT;
    }
    uint32_t left = indexed_on_server(p);
    struct sync_probe_params params = {.conn = p->conn,
                                       .sc = &p->sc,
                                       .m = p->m,
                                       .server_count = left,
                                       .max_rows = sync_probe_budget(p->conn, p->m, left),
                                       .live = p->live};
    p->probed = true;
    forget_live_deletes(p);
    sync_pass_command(p);
    p->probe = sync_probe_start(&params, on_probed, p);
    return STEP_WAIT;
}

/* --- SEARCH --- */

uint32_t sync_compare_top(const struct sync_pass *p)
{
    return p->refused ? UINT32_MAX : p->m->last_uid;
}

static void on_searched(struct imap_search *op ATTR_UNUSED, const struct err *err,
                        const struct imap_search_result *result, void *ctx)
{
    struct sync_pass *p = ctx;
    p->search = NULL;
    if (err->code != ERR_OK) {
        sync_pass_fail(p, err, "search UIDs");
        return;
    }
    /* From here the list of UIDs is the truth, whatever was said to have gone. */
    p->searched = p->compared = true;
    p->prior.vanished_count = 0;
    p->expunged_count = 0;
    p->server_uids.count = result->set.count;
    p->server_uids.ranges = arena_memdup(&p->op.arena, result->set.ranges,
                                         result->set.count * sizeof(struct imap_range));
    sync_pass_enter(p, PASS_STATE_PREPARE);
    sync_pass_run(p);
}

enum step sync_compare_search(struct op *op)
{
    struct sync_pass *p = pass_of(op);
    if (p->search != NULL) {
        return STEP_WAIT;
    }
    char criteria[32];
    uint32_t top = sync_compare_top(p);
    uint32_t first = sync_first_uid(p->m);
    (void)snprintf(criteria, sizeof criteria, "UID %u:%u", first,
                   top > first ? top : first);
    struct imap_search_params params = {.criteria = str_of(criteria), .by_uid = true};
    forget_live_deletes(p);
    sync_pass_command(p);
    p->search = imap_search_start(p->conn, &params, SYNC_SEARCH_MS, on_searched, p);
    return STEP_WAIT;
}

/* --- LATE --- */

/* Below last_uid, and not there before: visible late if it is young, else mail that was
 * restored, which nobody wants to hear of as new; unless it was us who missed it. */
static bool announces_late(const struct sync_pass *p, const struct imap_row *row)
{
    return sync_announces(&p->sc, row) && !sync_window_is_below(p->m, row->uid) &&
           (p->proves || row->internaldate_ms >= clock_wall_ms() - FRESH_MS);
}

static void on_late_row(void *ctx, const struct imap_row *row)
{
    struct sync_pass *p = ctx;
    bool announce = row->uid >= p->first_new_uid ? sync_new_content(&p->sc, p->m, row)
                                                 : announces_late(p, row);
    sync_batch_new(&p->batch, p->m, row, announce);
    sync_batch_thread(&p->batch, &p->sc, p->m, row);
}

static void on_late_end(struct sync_rescue *op ATTR_UNUSED, const struct err *err,
                        void *ctx)
{
    struct sync_pass *p = ctx;
    if (!sync_pass_rescued(p, err)) {
        return;
    }
    p->late_more = p->late_more && err->code == ERR_OK;
    sync_pass_enter(p, PASS_STATE_CHECK);
    sync_pass_run(p);
}

enum step sync_compare_late(struct op *op)
{
    struct sync_pass *p = pass_of(op);
    if (p->rescue == NULL) {
        uint32_t items = sync_row_items(p->conn) | (p->refused ? p->sc.new_items : 0) |
                         (p->sc.threads ? IMAP_ITEM_ENVELOPE | IMAP_ITEM_REFERENCES : 0);
        sync_pass_command(p);
        p->rescue = sync_rescue_start(p->conn, p->diff.late, p->diff.late_count, items,
                                      on_late_row, on_late_end, p);
    }
    return STEP_WAIT;
}
