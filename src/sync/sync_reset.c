/* UIDVALIDITY changed: what the server says of its UIDs is void, and with it the index.
 *
 *   SELECT tells another one ──► SELECT again ──┬─ the former one ─► nothing happened
 *                                               ├─ too often ──────► left alone for hours
 *                                               ├─ in the middle of telling what the last
 *                                               │  one did ► that comes to its end first
 *                                               └─ still another ──► a new epoch begins:
 *   one commit: epoch + 1, new public number, mailboxReset, the former index becomes the
 *   shadow ──► initial index, silent ──► sync_rebuild.c compares the two, the shadow goes
 *
 * Every arrow is a commit or can be taken again after a crash: the record says how far it
 * got (phase, low_uid, rebuild). */
#include "sync_priv.h"

#include "postrider/base/clock.h"
#include "postrider/base/log.h"
#include "postrider/base/mem.h"

enum {
    RESETS_A_DAY = 3, /* unless the settings say otherwise */
    DAY_MS = 24 * 3600 * 1000,
    REST_MS = 6 * 3600 * 1000
};

bool sync_reset_rests(const struct mailbox *m)
{
    return m->rest_until_ms != 0 && clock_wall_ms() < m->rest_until_ms;
}

bool sync_uids_agree(const struct mailbox *m, const struct imap_selected *selected)
{
    return m == NULL || selected == NULL || m->uid_validity == 0 ||
           selected->uid_validity == 0 || m->uid_validity == selected->uid_validity;
}

bool sync_must_select(const struct imap_conn *conn, const struct mailbox *m)
{
    const struct imap_selected *now = imap_conn_selected(conn);
    return (now == NULL || !sync_uids_agree(m, now)) && !sync_reset_rests(m);
}

static bool is_too_often(const struct sync_ctx *sc, const struct mailbox *m)
{
    uint32_t allowed = sc->resets_per_day > 0 ? sc->resets_per_day : RESETS_A_DAY;
    return m->reset_count >= allowed && clock_wall_ms() - m->reset_from_ms < DAY_MS;
}

static void on_rested(struct store_commit *op ATTR_UNUSED, const struct err *err,
                      void *ctx)
{
    struct sync_pass *p = ctx;
    p->commit = NULL;
    if (err->code != ERR_OK) {
        sync_pass_fail(p, err, "store the mailbox");
        return;
    }
    sync_pass_enter(p, PASS_STATE_END);
    sync_pass_run(p);
}

static void begin_rest(struct sync_pass *p)
{
    struct mailbox_change change = {0};
    log_at(LOG_WARN, "sync", "UIDVALIDITY changes again and again; the mailbox rests",
           LOG_S("account", p->sc.acct->name), LOG_I("box", p->m->box),
           LOG_I("hours", REST_MS / (3600 * 1000)));
    p->m->rest_until_ms = clock_wall_ms() + REST_MS;
    sync_pass_commit(p, &change, NULL, 0, 0, on_rested);
}

bool sync_reset_follow(struct sync_pass *p)
{
    struct mailbox *m = p->m;
    const struct imap_selected *now = imap_conn_selected(p->conn);
    if (is_too_often(&p->sc, m)) {
        begin_rest(p);
        return false;
    }
    if (now != NULL && now->mailbox_id.ptr != NULL) {
        mem_free(m->mailbox_id);
        m->mailbox_id = mem_strndup(now->mailbox_id.ptr, now->mailbox_id.len);
    }
    if (m->rebuild > 1 || m->rebuild_told > 0) {
        /* Part of what the change before this one did is told: the rest has to be. */
        p->outdated = true;
        p->resynced = false;
        sync_batch_clear(&p->batch);
        sync_pass_enter(p, PASS_STATE_REBUILD);
        sync_pass_run(p);
        return false;
    }
    m->phase = MAILBOX_PHASE_NEW;
    return true;
}

bool sync_reset_believe(struct sync_pass *p, const struct imap_selected *selected)
{
    struct mailbox *m = p->m;
    bool same = (selected->uid_validity == 0 || m->uid_validity == 0 ||
                 selected->uid_validity == m->uid_validity) &&
                !sync_behind_is_other(p, selected);
    bool behind = same && sync_behind_is(p, selected);
    if (same && !behind) {
        sync_behind_not(p);
        return true;
    }
    if (!p->reselected) {
        p->reselected = true; /* servers behind balancers tell a wrong one now and then */
        sync_pass_run(p);
        return false;
    }
    if (behind) {
        sync_pass_enter(p, PASS_STATE_DOUBT);
        sync_pass_run(p);
        return false;
    }
    return sync_reset_follow(p);
}

static void count_reset(struct mailbox *m)
{
    int64_t now_ms = clock_wall_ms();
    if (now_ms - m->reset_from_ms >= DAY_MS) {
        m->reset_from_ms = now_ms;
        m->reset_count = 0;
    }
    m->reset_count++;
    m->rest_until_ms = 0;
}

size_t sync_reset_begin(struct sync_pass *p, uint32_t uid_validity,
                        struct mailbox_change *change, struct event *event)
{
    struct mailbox *m = p->m;
    uint32_t prev = m->uid_validity;
    m->uid_validity = uid_validity;
    if (prev == 0) {
        /* Epoch 0 is that of a mailbox nobody knew; others had an index that is lost. */
        if (m->epoch > 0) {
            sync_event_mailbox_reset(&p->sc, m, 0, event);
        }
        return m->epoch > 0 ? 1 : 0;
    }
    m->epoch++;
    m->number = p->sc.table->next_number++;
    count_reset(m);
    mailbox_clear_rows(m);
    /* While a shadow is there it is the last index that was complete. */
    change->shadow_rows = m->rebuild == 0;
    change->drop_rows = m->rebuild != 0;
    m->rebuild = 1;
    m->rebuild_told = 0;
    sync_event_mailbox_reset(&p->sc, m, prev, event);
    return 1;
}
