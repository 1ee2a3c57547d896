/* Which new mailboxes of a listing are missing ones under another name. For each missing one,
 * parents before children:
 *
 *   MAILBOXID equal ───────────────────────────────────► renamed
 *   UIDVALIDITY equal, counts fit ─┬─ both empty, and
 *                                  │  nobody else has it ► renamed
 *                                  └─► sample agrees ────► renamed
 *   its parent was renamed, and its name follows ───────► renamed
 *   else: deleted and created, in the time that takes
 *
 * UIDVALIDITY alone proves nothing: servers give all mailboxes the same, or 1. */
#include "sync_list_priv.h"
#include "sync_priv.h"

#include "postrider/base/map.h"

#include <stdlib.h>

enum {
    RENAME_SAMPLES_MAX = 50,    /* in one listing: each is a SELECT */
    RENAME_PAIRS_MAX = 4000000, /* missing times new ones that are looked at */
    COUNT_SLACK = 10,           /* messages, or … */
    COUNT_SLACK_PERCENT = 10
};

struct sync_rename {
    struct op op;
    struct imap_conn *conn;
    struct sync_ctx sc;
    struct list_row *rows;
    size_t row_count;
    struct map *listed;       /* name on the wire: its row */
    struct mailbox **missing; /* shorter names first; NULL once it is found */
    size_t missing_count, at;
    struct list_row *candidate;
    size_t candidate_at; /* of the next row to look at for missing[at] */
    unsigned samples;
    struct sync_sample *sample;
    sync_rename_cb *cb;
    void *ctx;
};

static struct sync_rename *rename_of(struct op *op)
{
    return container_of(op, struct sync_rename, op);
}

static void rename_abort(struct op *op)
{
    sync_sample_cancel(rename_of(op)->sample);
}

static void rename_done(struct op *op)
{
    struct sync_rename *r = rename_of(op);
    r->cb(r, &op->err, r->ctx);
}

static void rename_fini(struct op *op)
{
    map_free(&rename_of(op)->listed);
}

static const struct op_type rename_type = {"find renamed mailboxes",
                                           sizeof(struct sync_rename), rename_abort,
                                           rename_done, rename_fini};

/* --- facts --- */

static bool is_new(const struct list_row *row)
{
    return row->known == NULL && !row->postponed;
}

static bool has_same_id(const struct mailbox *m, const struct list_row *row)
{
    struct str id = row->status.mailbox_id;
    return m->mailbox_id != NULL && id.ptr != NULL && str_eq_c(id, m->mailbox_id);
}

static bool has_other_id(const struct mailbox *m, const struct list_row *row)
{
    return m->mailbox_id != NULL && row->status.mailbox_id.ptr != NULL &&
           !has_same_id(m, row);
}

static bool has_same_validity(const struct mailbox *m, const struct list_row *row)
{
    return (row->status.has & IMAP_STATUS_UIDVALIDITY) != 0 && m->uid_validity > 1 &&
           row->status.uid_validity == m->uid_validity;
}

static bool counts_fit(const struct mailbox *m, const struct imap_status *s)
{
    const uint32_t need = IMAP_STATUS_MESSAGES | IMAP_STATUS_UIDNEXT;
    uint64_t count = (uint64_t)m->count + m->below;
    uint64_t slack = count / 100 * COUNT_SLACK_PERCENT;
    slack = slack > COUNT_SLACK ? slack : COUNT_SLACK;
    return (s->has & need) == need && s->uid_next > m->last_uid &&
           s->messages + slack >= count && s->messages <= count + slack;
}

static bool may_be(const struct mailbox *m, const struct list_row *row)
{
    return is_new(row) && !has_other_id(m, row) && has_same_validity(m, row) &&
           counts_fit(m, &row->status);
}

/* Neither another known mailbox nor another listed one has this UIDVALIDITY. */
static bool validity_is_unique(const struct sync_rename *r, const struct mailbox *m)
{
    size_t same = 0;
    for (size_t i = 0; i < r->sc.table->count; i++) {
        same += r->sc.table->items[i]->uid_validity == m->uid_validity;
    }
    for (size_t i = 0; i < r->row_count; i++) {
        same += has_same_validity(m, &r->rows[i]);
    }
    return same == 2; /* m, and the row */
}

/* Nothing to take a sample of, and nothing to lose. */
static bool is_empty_twin(const struct sync_rename *r, const struct mailbox *m,
                          const struct list_row *row)
{
    return m->phase == MAILBOX_PHASE_LIVE && m->count == 0 &&
           row->status.messages == m->below && row->status.uid_next == m->srv_uid_next &&
           validity_is_unique(r, m);
}

/* --- finding --- */

/* The row that has the child's name with old_name replaced by new_name, or NULL. */
static struct list_row *row_of_child(const struct sync_rename *r,
                                     const struct mailbox *child, struct str old_name,
                                     struct str new_name, char delimiter)
{
    struct str name = str_from(child->wire, child->wire_len);
    if (delimiter == 0 || name.len <= old_name.len ||
        memcmp(name.ptr, old_name.ptr, old_name.len) != 0 ||
        name.ptr[old_name.len] != delimiter) {
        return NULL;
    }
    struct buf text = BUF_INIT(new_name.len + name.len + 1);
    (void)buf_put_str(&text, new_name);
    (void)buf_put_str(&text, str_tail(name, old_name.len));
    struct list_row *row = map_get(r->listed, buf_str(&text));
    buf_fini(&text);
    return row;
}

static bool child_fits(const struct mailbox *child, const struct list_row *row)
{
    bool holds_none = (row->entry.attrs & IMAP_LIST_NOSELECT) != 0;
    if (!is_new(row) || has_other_id(child, row)) {
        return false;
    }
    return holds_none ? child->uid_validity == 0
                      : (row->status.has & IMAP_STATUS_UIDVALIDITY) != 0 &&
                            row->status.uid_validity == child->uid_validity;
}

static void found(struct sync_rename *r, size_t at, struct list_row *row)
{
    struct mailbox *m = r->missing[at];
    struct str old_name = str_from(m->wire, m->wire_len);
    row->known = m;
    row->renamed = true;
    r->missing[at] = NULL;
    for (size_t i = 0; i < r->missing_count; i++) {
        struct mailbox *child = r->missing[i];
        struct list_row *its =
            child == NULL
                ? NULL
                : row_of_child(r, child, old_name, row->entry.wire, row->entry.delimiter);
        if (its != NULL && child_fits(child, its)) {
            its->known = child;
            its->renamed = true;
            r->missing[i] = NULL;
        }
    }
}

/* A pass works on it: neither may its record be stored now, nor may the new name count as a
 * new mailbox. */
static void postpone(struct sync_rename *r, const struct mailbox *m)
{
    for (size_t i = 0; i < r->row_count; i++) {
        if (is_new(&r->rows[i]) &&
            (has_same_id(m, &r->rows[i]) || may_be(m, &r->rows[i]))) {
            r->rows[i].postponed = true;
        }
    }
}

static bool find_by_id(struct sync_rename *r)
{
    for (size_t i = 0; i < r->row_count; i++) {
        if (is_new(&r->rows[i]) && has_same_id(r->missing[r->at], &r->rows[i])) {
            found(r, r->at, &r->rows[i]);
            return true;
        }
    }
    return false;
}

static void look(struct sync_rename *r);

static void on_sample(struct sync_sample *op ATTR_UNUSED, const struct err *err,
                      bool same, void *ctx)
{
    struct sync_rename *r = ctx;
    r->sample = NULL;
    if (!op_is_running(&r->op)) {
        return;
    }
    if (err->code != ERR_OK) {
        op_fail_err(&r->op, err);
        return;
    }
    if (same) {
        found(r, r->at, r->candidate);
    }
    look(r);
}

/* True: a sample is being taken. */
static bool find_by_sample(struct sync_rename *r)
{
    const struct mailbox *m = r->missing[r->at];
    while (r->candidate_at < r->row_count) {
        struct list_row *row = &r->rows[r->candidate_at++];
        if (!may_be(m, row)) {
            continue;
        }
        if (is_empty_twin(r, m, row)) {
            found(r, r->at, row);
            return false;
        }
        if (m->count > 0 && r->samples < RENAME_SAMPLES_MAX) {
            r->samples++;
            r->candidate = row;
            r->sample =
                sync_sample_start(r->conn, &r->sc, m, row->entry.wire, on_sample, r);
            return true;
        }
    }
    return false;
}

static void look(struct sync_rename *r)
{
    for (; r->at < r->missing_count; r->at++, r->candidate_at = 0) {
        const struct mailbox *m = r->missing[r->at];
        if (m == NULL) {
            continue;
        }
        if (r->sc.is_busy != NULL && r->sc.is_busy(r->sc.ctx, m->box)) {
            postpone(r, m);
        } else if (!find_by_id(r) && find_by_sample(r)) {
            return;
        }
    }
    op_complete(&r->op);
}

static int by_length(const void *a, const void *b)
{
    const struct mailbox *const *x = a;
    const struct mailbox *const *y = b;
    return ((*x)->wire_len > (*y)->wire_len) - ((*x)->wire_len < (*y)->wire_len);
}

static void find_missing(struct sync_rename *r)
{
    const struct mailbox_table *table = r->sc.table;
    size_t fresh = 0;
    r->missing = ARENA_ARRAY(&r->op.arena, struct mailbox *, table->count);
    r->listed = map_new(NULL);
    for (size_t i = 0; i < r->row_count; i++) {
        map_put(r->listed, r->rows[i].entry.wire, &r->rows[i]);
        fresh += is_new(&r->rows[i]);
    }
    for (size_t i = 0; i < table->count; i++) {
        struct mailbox *m = table->items[i];
        if (map_get(r->listed, str_from(m->wire, m->wire_len)) == NULL) {
            r->missing[r->missing_count++] = m;
        }
    }
    if (r->missing_count * fresh > RENAME_PAIRS_MAX) {
        r->missing_count = 0; /* such a server gets no favours */
    }
    if (r->missing_count > 1) {
        qsort(r->missing, r->missing_count, sizeof *r->missing, by_length);
    }
}

struct sync_rename *sync_rename_start(struct imap_conn *conn, const struct sync_ctx *sc,
                                      struct list_row *rows, size_t row_count,
                                      sync_rename_cb *cb, void *ctx)
{
    struct sync_rename *r = op_new(imap_conn_loop(conn), &rename_type, SYNC_PASS_MS);
    r->conn = conn;
    r->sc = *sc;
    r->rows = rows;
    r->row_count = row_count;
    r->cb = cb;
    r->ctx = ctx;
    find_missing(r);
    look(r);
    return r;
}

void sync_rename_cancel(struct sync_rename *r)
{
    if (r != NULL) {
        op_cancel(&r->op);
    }
}
