/* SELECT: what the mailbox is now, and with QRESYNC all that changed since the cursor. */
#include "sync_priv.h"

static struct sync_pass *pass_of(struct op *op)
{
    return container_of(op, struct sync_pass, op);
}

void sync_selected(struct sync_pass *p)
{
    if (p->proves) {
        /* Without a cursor all flags are read; the UIDs are compared in any case. */
        p->m->highest_modseq = 0;
        p->m->last_full_ms = 0;
    }
    if (p->m->phase != MAILBOX_PHASE_LIVE || !sync_cursor_is_usable(p)) {
        p->resynced = false;
    }
    if (!p->resynced) {
        sync_batch_clear(&p->batch);
    }
    if (p->m->phase == MAILBOX_PHASE_LIVE && !sync_cursor_is_usable(p)) {
        sync_batch_take_flags(&p->batch, &p->told);
    }
    sync_batch_clear(&p->told);
    sync_pass_enter(p, PASS_STATE_COMPARE);
    sync_pass_run(p);
}

static void on_selected(struct imap_select *op ATTR_UNUSED, const struct err *err,
                        const struct imap_selected *selected, void *ctx)
{
    struct sync_pass *p = ctx;
    p->select = NULL;
    if (err->code != ERR_OK) {
        sync_park(p->m, err, p->sc.delete_confirm_ms);
        p->result.doubted = err->code == ERR_NO || err->code == ERR_NO_MAILBOX;
        sync_pass_fail(p, err, "select mailbox");
        return;
    }
    sync_gone_not(p->m);
    p->exists = selected->exists;
    p->uid_next = selected->uid_next;
    p->highest_modseq = sync_modseq_of(p->conn, selected);
    if (p->live->arrival_count > 0) {
        /* Perhaps of the mailbox that was selected before: these are asked for. */
        p->live->arrival_count = 0;
        p->live->exists_changed = true;
    } else if (p->live->row_count + p->live->vanished_count + p->live->expunged_count ==
                   0 &&
               sync_pass_exists(p) == selected->exists) {
        /* The answer itself was told as a change, too; it is in what we compare now. */
        p->live->exists_changed = false;
    }
    if (!sync_reset_believe(p, selected)) {
        return;
    }
    sync_selected(p);
}

/* Past a bound the answer is given up, and asked for again in a way that can wait. */
static bool resync_fits(struct sync_pass *p, size_t more)
{
    if (p->batch.flag_count >= SYNC_SELECT_ROWS ||
        p->batch.vanished_count + more > SYNC_VANISHED_RANGES ||
        p->batch.arena.used_bytes >= SYNC_BATCH_BYTES) {
        p->resynced = false;
    }
    return p->resynced;
}

static void on_select_row(void *ctx, const struct imap_row *row)
{
    struct sync_pass *p = ctx;
    const uint32_t need = IMAP_ITEM_UID | IMAP_ITEM_FLAGS;
    if ((row->has & need) == need && row->uid <= p->m->last_uid &&
        row->uid >= sync_first_uid(p->m) && resync_fits(p, 0)) {
        sync_batch_flags(&p->batch, row);
    }
}

static void on_select_vanished(void *ctx, const struct imap_set *uids)
{
    struct sync_pass *p = ctx;
    for (size_t i = 0; i < uids->count && resync_fits(p, 1); i++) {
        sync_batch_vanished(&p->batch, uids->ranges[i]);
    }
}

/* A server without MODSEQ tells of a flag once, and only of the newest messages the flags are
 * asked for. Where it told no more than numbers, all are looked at. */
static void keep_told(struct sync_pass *p)
{
    struct mailbox *m = p->m;
    struct sync_live *live = p->live;
    if (live->box != m->box || m->phase != MAILBOX_PHASE_LIVE || m->highest_modseq != 0) {
        return;
    }
    if (live->numbered_count > 0) {
        m->last_full_ms = 0;
    }
    sync_batch_take_rows(&p->told, live);
}

enum step sync_select_step(struct op *op)
{
    struct sync_pass *p = pass_of(op);
    struct mailbox *m = p->m;
    p->proves = p->must_search = m->suspect;
    p->resynced = !m->suspect && m->phase == MAILBOX_PHASE_LIVE &&
                  m->highest_modseq != 0 && m->uid_validity != 0 && m->last_uid != 0 &&
                  m->count > 0 && sync_trusts_vanished(p);
    struct imap_select_params params = {.mailbox = str_from(m->wire, m->wire_len),
                                        .condstore = true,
                                        .qresync = p->resynced,
                                        .uid_validity = m->uid_validity,
                                        .modseq = m->highest_modseq,
                                        .first_uid = m->first_uid,
                                        .last_uid = m->last_uid,
                                        .on_row = on_select_row,
                                        .on_vanished = on_select_vanished};
    keep_told(p);
    sync_live_reset(p->live);
    p->live->box = m->box;
    p->live->modseq = 0;
    p->live->changes = 0;
    sync_floor_forget(p);
    sync_pass_command(p);
    p->select = imap_select_start(p->conn, &params, SYNC_SELECT_MS, on_selected, p);
    return STEP_WAIT;
}
