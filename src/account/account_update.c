/* Changes of an account's record, and what of the index has to go with them.
 *
 *   refresh: read the record ─┬─ same servers, same indexer ─► take it, stay connected
 *                             └─ else ─► reload
 *   reload ─► LOADING ─► forget (a flush, or another indexer) ─► connect */
#include "account_priv.h"

#include "postrider/base/log.h"

enum {
    FORGET_SLICE = 200
};

/* --- refresh --- */

/* Equal, but for how often the account is looked at. */
static bool is_same_server(json_t *a, json_t *b)
{
    json_t *x = json_copy(a), *y = json_copy(b);
    if (json_is_object(x) && json_is_object(y)) {
        (void)json_object_del(x, "resyncDelay");
        (void)json_object_del(y, "resyncDelay");
    }
    bool same = (x == NULL && y == NULL) || json_equal(x, y);
    json_decref(x);
    json_decref(y);
    return same;
}

bool account_is_elsewhere(const json_t *before, const json_t *after)
{
    static const char *const members[] = {"auth", "provider"};
    const json_t *was = json_object_get(before, "oauth2");
    const json_t *is = json_object_get(after, "oauth2");
    bool same =
        is_same_server(json_object_get(before, "imap"), json_object_get(after, "imap"));
    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        same = same && is_same_server(json_object_get(was, members[i]),
                                      json_object_get(is, members[i]));
    }
    return !same;
}

static bool must_reconnect(const struct account *a, const json_t *record)
{
    static const char *const members[] = {"imap", "oauth2", "proxy"};
    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        if (!is_same_server(json_object_get(a->record, members[i]),
                            json_object_get(record, members[i]))) {
            return true;
        }
    }
    return account_is_fast(a->as, record) != a->fast;
}

static void on_refreshed(struct store_account_op *op ATTR_UNUSED, const struct err *err,
                         const struct store_acct *acct ATTR_UNUSED, json_t *record,
                         json_t *state ATTR_UNUSED, void *ctx)
{
    struct account *a = ctx;
    a->refresh = NULL;
    if (a->phase == ACCOUNT_PHASE_STOPPING) {
        loop_defer(a->as->loop, &a->next, a->next.fn);
    } else if (a->refresh_again) {
        a->refresh_again = false;
        account_refresh(a);
    } else if (err->code == ERR_NO_ACCOUNT) {
        return; /* deleted meanwhile; the registry will hear of it */
    } else if (err->code != ERR_OK || must_reconnect(a, record)) {
        account_reload(a);
    } else {
        account_take_record(a, record);
        account_scope_changed(a);
    }
}

void account_refresh(struct account *a)
{
    if (a->phase == ACCOUNT_PHASE_STOPPING || a->phase == ACCOUNT_PHASE_STOPPED) {
        return;
    }
    if (a->record == NULL || a->reload) {
        account_reload(a); /* what is being read may be the old one */
    } else if (a->refresh != NULL) {
        a->refresh_again = true;
    } else {
        a->refresh =
            store_account_get_start(a->as->store, str_of(a->acct.id), on_refreshed, a);
    }
}

/* --- flush --- */

void account_flush(struct account *a, accounts_flush_cb *cb, void *ctx)
{
    struct err err = {0};
    if (a->phase == ACCOUNT_PHASE_STOPPING || a->phase == ACCOUNT_PHASE_STOPPED ||
        a->on_flushed != NULL) {
        (void)err_set(&err, ERR_UNAVAILABLE, "the account is being closed or flushed");
        cb(&err, ctx);
        return;
    }
    a->on_flushed = cb;
    a->flush_ctx = ctx;
    account_reload(a);
}

static void flush_end(struct account *a, const struct err *err)
{
    accounts_flush_cb *cb = a->on_flushed;
    a->on_flushed = NULL;
    if (cb != NULL) {
        cb(err, a->flush_ctx);
    }
}

void account_flush_fail(struct account *a, const struct err *err)
{
    flush_end(a, err);
}

/* --- forgetting --- */

/* The index is not what the record asks for: of another indexer, or to be flushed. */
static bool is_stale(const struct account *a, const struct mailbox *m)
{
    if (m->phase == MAILBOX_PHASE_GONE) {
        return false;
    }
    if (a->on_flushed != NULL) {
        return m->phase != MAILBOX_PHASE_NEW || m->count > 0;
    }
    bool partial = m->phase == MAILBOX_PHASE_LIVE && m->low_uid > 1;
    return a->fast ? m->count > 0 : partial;
}

static void forget_slice(struct account *a);

static void on_forgotten(struct store_commit *op ATTR_UNUSED, const struct err *err,
                         void *ctx)
{
    struct account *a = ctx;
    a->forget = NULL;
    if (a->phase != ACCOUNT_PHASE_LOADING) {
        loop_defer(a->as->loop, &a->next, a->next.fn);
    } else if (err->code != ERR_OK) {
        account_fail(a, err);
    } else {
        forget_slice(a);
    }
}

/* Its messages were told of already, unless a flush is to tell of them again: a mailbox
 * of a later epoch is indexed silently. Ids of messages stay. */
static void forget(const struct account *a, struct mailbox *m)
{
    m->phase = MAILBOX_PHASE_NEW;
    m->uid_validity = 0;
    m->last_uid = m->srv_uid_next = m->exists = 0;
    m->highest_modseq = 0;
    m->first_uid = m->below = m->since_day = 0;
    m->epoch += a->on_flushed == NULL;
    mailbox_clear_rows(m);
}

/* The mailboxes from forget_at on, FORGET_SLICE at a time, then go on. */
static void forget_slice(struct account *a)
{
    struct mailbox_change changes[FORGET_SLICE];
    size_t count = 0;
    while (a->forget_at < a->table.count && count < FORGET_SLICE) {
        struct mailbox *m = a->table.items[a->forget_at++];
        if (is_stale(a, m)) {
            forget(a, m);
            changes[count++] = (struct mailbox_change){.m = m, .drop_rows = true};
        }
    }
    if (count == 0) {
        struct err ok = {.code = ERR_OK};
        account_forgot(a);
        flush_end(a, &ok);
        return;
    }
    if (a->on_flushed != NULL) {
        a->initialized = false; /* told of again when it is indexed */
    }
    json_t *info = json_pack("{s:b}", "initialized", (int)a->initialized);
    struct store_commit_params params = {
        .acct = &a->acct, .changes = changes, .change_count = count, .state_info = info};
    a->forget = store_commit_start(a->as->store, &params, on_forgotten, a);
    json_decref(info);
}

bool account_forget_start(struct account *a)
{
    bool any = a->on_flushed != NULL;
    for (size_t i = 0; i < a->table.count && !any; i++) {
        any = is_stale(a, a->table.items[i]);
    }
    a->forget_at = 0;
    if (any) {
        account_rows_forget(a); /* their ids stay, whatever UIDVALIDITY comes next */
        forget_slice(a);
    }
    return any;
}
