/* One listing of the mailboxes against the table: new ones are added, missing ones marked
 * and, when a later listing misses them too, deleted; STATUS tells which need a pass.
 *
 *   LIST (+ STATUS) ──► COMPARE ──► COMMIT (slices) ──► callback
 *
 * The first listing of an account asks for STATUS by itself, of all but INBOX: what STATUS
 * of a large mailbox costs a server, the SELECT that follows at once costs it again.
 *
 * A listing without INBOX or without any selectable mailbox is a fault of the server and
 * changes nothing. Which mailboxes are no more: sync_list_gone.c. */
#include "sync_list_priv.h"
#include "sync_priv.h"

#include "postrider/base/clock.h"
#include "postrider/base/map.h"
#include "postrider/base/mem.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    LIST_SLICE = 200,
    FIRST_STATUS_MAX = 100 /* of more new mailboxes SELECT tells what STATUS would tell */
};

/* A record to store, and what is told of it. */
struct list_dirty {
    struct mailbox *m;
    bool fresh;           /* new */
    const char *old_path; /* renamed; in the op's arena */
    const char *old_use;
};

/* A record to drop; where its name is still listed, another one to keep the name. */
struct list_removed {
    struct mailbox *m;
    const struct list_row *row; /* NULL: not listed */
    struct mailbox *successor;  /* while the commit is on its way */
};

struct sync_list {
    struct op op;
    struct imap_conn *conn;
    struct sync_ctx sc;
    sync_list_cb *cb;
    void *ctx;
    struct imap_list *list;
    struct imap_mailbox_status *status[FIRST_STATUS_MAX];
    size_t status_count, status_missing;
    struct store_commit *commit;
    bool canceled, first; /* first: nothing was known, so nothing is news */
    struct list_row *rows;
    size_t row_count, row_cap;
    struct map *listed; /* names on the wire: a server decides how many there are */
    bool has_inbox;
    struct sync_rename *rename;
    bool asked; /* for STATUS of mailboxes that may have been renamed */
    struct list_dirty *dirty;
    size_t dirty_count, dirty_at, slice_count;
    struct list_removed *removed;
    size_t removed_count, removed_at, slice_removed;
    struct mailbox **changed, **untold;
    struct sync_list_result result;
};

static struct sync_list *list_of(struct op *op)
{
    return container_of(op, struct sync_list, op);
}

static void cancel_status(struct sync_list *l)
{
    for (size_t i = 0; i < l->status_count; i++) {
        imap_status_cancel(l->status[i]);
    }
}

static void list_abort(struct op *op)
{
    struct sync_list *l = list_of(op);
    imap_list_cancel(l->list);
    cancel_status(l);
    sync_rename_cancel(l->rename);
}

static void list_done(struct op *op)
{
    struct sync_list *l = list_of(op);
    l->cb(l, &op->err, &l->result, l->ctx);
}

static void list_fini(struct op *op)
{
    mem_free(list_of(op)->rows);
    map_free(&list_of(op)->listed);
}

static const struct op_type list_type = {"list mailboxes", sizeof(struct sync_list),
                                         list_abort, list_done, list_fini};

void sync_list_cancel(struct sync_list *l)
{
    if (l != NULL) {
        l->canceled = true;
        if (l->commit == NULL) {
            op_cancel(&l->op);
        }
    }
}

/* --- the listing --- */

static uint32_t status_items(const struct imap_conn *conn)
{
    uint32_t items = IMAP_STATUS_MESSAGES | IMAP_STATUS_UIDNEXT |
                     IMAP_STATUS_UIDVALIDITY | IMAP_STATUS_HIGHESTMODSEQ;
    bool has_ids = imap_conn_has(conn, IMAP_CAP_OBJECTID) &&
                   (sync_quirks(conn) & SYNC_QUIRK_WRONG_IDS) == 0;
    return has_ids ? items | IMAP_STATUS_MAILBOXID : items;
}

static bool is_inbox(struct str path)
{
    return str_ieq_c(path, "INBOX");
}

/* A row of the answer says whether there are children: it was asked to (RFC 5258 §3.4). */
static bool tells_children(const struct list_row *row)
{
    const uint32_t children =
        IMAP_LIST_HAS_CHILDREN | IMAP_LIST_NO_CHILDREN | IMAP_LIST_NOINFERIORS;
    return (row->entry.attrs & children) != 0;
}

/* Where it goes; NULL: it was listed before. */
static struct list_row *place_of(struct sync_list *l, const struct list_row *row)
{
    uintptr_t at = (uintptr_t)map_get(l->listed, row->entry.wire);
    if (at != 0) {
        struct list_row *old = &l->rows[at - 1];
        return !tells_children(old) && tells_children(row) ? old : NULL;
    }
    if (l->row_count == l->row_cap) {
        l->row_cap = l->row_cap > 0 ? l->row_cap * 2 : 16;
        l->rows = mem_realloc(l->rows, l->row_cap * sizeof *l->rows);
    }
    map_put(l->listed, row->entry.wire, (void *)(uintptr_t)(++l->row_count));
    return &l->rows[l->row_count - 1];
}

static void on_entry(struct imap_list *op ATTR_UNUSED,
                     const struct imap_list_entry *entry, void *ctx)
{
    struct sync_list *l = ctx;
    if (l->row_count >= SYNC_MAILBOXES_MAX) {
        return;
    }
    bool inbox = is_inbox(entry->path);
    struct list_row row = {.entry = *entry};
    bool second_inbox = inbox && l->has_inbox && map_get(l->listed, entry->wire) == NULL;
    struct list_row *place = second_inbox ? NULL : place_of(l, &row);
    if (place == NULL) {
        return;
    }
    struct arena *arena = &l->op.arena;
    l->has_inbox = l->has_inbox || inbox;
    row.entry.wire = arena_str(arena, entry->wire);
    row.entry.path = inbox ? STR("INBOX") : arena_str(arena, entry->path);
    row.entry.special_use = arena_str(arena, entry->special_use);
    row.entry.status = NULL;
    if (entry->status != NULL) {
        row.status = *entry->status;
        row.status.mailbox_id = arena_str(arena, entry->status->mailbox_id);
    }
    row.status.mailbox = STR_NULL;
    *place = row;
}

/* NOTIFY tells of names while the listing is on its way, also of those that are no more.
 * They do not belong to the answer. */
static void drop_pushed(struct sync_list *l)
{
    size_t telling = 0, kept = 0;
    for (size_t i = 0; i < l->row_count; i++) {
        telling += tells_children(&l->rows[i]);
    }
    bool mixed = telling > 0 && imap_conn_has(l->conn, IMAP_CAP_NOTIFY);
    map_free(&l->listed);
    l->listed = map_new(NULL);
    for (size_t i = 0; i < l->row_count; i++) {
        struct list_row row = l->rows[i];
        if (!mixed || tells_children(&row)) {
            row.entry.attrs &= ~(uint32_t)IMAP_LIST_NO_CHILDREN;
            l->rows[kept++] = row;
            map_put(l->listed, row.entry.wire, l);
        }
    }
    l->row_count = kept;
}

static bool listing_is_sane(const struct sync_list *l)
{
    bool selectable = false;
    for (size_t i = 0; i < l->row_count; i++) {
        selectable = selectable || (l->rows[i].entry.attrs & IMAP_LIST_NOSELECT) == 0;
    }
    return selectable && l->has_inbox;
}

/* --- compare --- */

/* Copies what the listing says; true if the stored record is out of date. */
static bool take_listing(struct mailbox *m, const struct list_row *row)
{
    const struct imap_list_entry *e = &row->entry;
    char use[sizeof m->special_use] = "";
    (void)snprintf(use, sizeof use, "%.*s", STR_ARG(e->special_use));
    enum special_use_source source = use[0] == '\0' ? SPECIAL_USE_NONE
                                     : row->guessed ? SPECIAL_USE_NAME
                                                    : SPECIAL_USE_EXTENSION;
    bool differs = m->list_attrs != e->attrs || m->delimiter != e->delimiter ||
                   m->special_use_source != source || strcmp(m->special_use, use) != 0;
    m->list_attrs = e->attrs;
    m->delimiter = e->delimiter;
    m->special_use_source = source;
    memcpy(m->special_use, use, sizeof use);
    struct str mailbox_id = row->status.mailbox_id;
    if (mailbox_id.ptr != NULL && !str_eq(str_of(m->mailbox_id), mailbox_id)) {
        mem_free(m->mailbox_id);
        m->mailbox_id = mem_strndup(mailbox_id.ptr, mailbox_id.len);
        differs = true;
    }
    return differs || m->version == 0;
}

static bool is_busy(const struct sync_list *l, const struct mailbox *m)
{
    return l->sc.is_busy != NULL && l->sc.is_busy(l->sc.ctx, m->box);
}

/* An empty mailbox needs no SELECT to be indexed: STATUS said everything there is. */
static bool take_empty(const struct mailbox_table *t, struct mailbox *m,
                       const struct imap_status *s)
{
    const uint32_t need =
        IMAP_STATUS_MESSAGES | IMAP_STATUS_UIDNEXT | IMAP_STATUS_UIDVALIDITY;
    if (m->phase != MAILBOX_PHASE_NEW || m->uid_validity != 0 ||
        (s->has & need) != need || s->messages != 0 || s->uid_next == 0 ||
        s->uid_validity == 0) {
        return false;
    }
    m->phase = MAILBOX_PHASE_LIVE;
    m->uid_validity = s->uid_validity;
    m->start_uid = m->srv_uid_next = s->uid_next;
    m->last_uid = s->uid_next - 1;
    m->low_uid = 1;
    m->since_day = t->since_day; /* whatever it is: nothing lies below */
    m->highest_modseq = (s->has & IMAP_STATUS_HIGHESTMODSEQ) != 0 ? s->highest_modseq : 0;
    return true;
}

static struct mailbox *add_mailbox(struct sync_list *l, const struct list_row *row)
{
    struct mailbox_table *table = l->sc.table;
    uint32_t box = table->next_number++;
    struct mailbox *m =
        mailbox_new(box, row->entry.wire, row->entry.path, row->entry.delimiter);
    m->number = box;
    m->epoch = l->sc.lost ? 1 : 0;
    mailbox_table_add(table, m);
    return m;
}

static void take_name(struct mailbox *m, const struct imap_list_entry *e)
{
    mailbox_set_names(m, e->wire, e->path);
}

/* Notes m for removal if it is; row NULL: it is not listed. */
static enum sync_gone look_if_gone(struct sync_list *l, struct mailbox *m,
                                   const struct list_row *row)
{
    enum sync_gone gone = sync_gone_look(m, row, l->sc.delete_confirm_ms);
    l->result.missing += gone == SYNC_GONE_PERHAPS || gone == SYNC_GONE_YES;
    if (gone == SYNC_GONE_YES && !is_busy(l, m)) {
        l->removed[l->removed_count++] = (struct list_removed){.m = m, .row = row};
    }
    return gone;
}

static void compare_row(struct sync_list *l, const struct list_row *row)
{
    struct mailbox *m = row->known;
    struct list_dirty dirty = {.fresh = m == NULL && !l->first};
    if (row->postponed) {
        return;
    }
    if (m == NULL) {
        m = add_mailbox(l, row);
    } else if (row->renamed) {
        dirty.old_path = arena_strdup(&l->op.arena, m->path);
        dirty.old_use =
            m->special_use[0] != '\0' ? arena_strdup(&l->op.arena, m->special_use) : NULL;
        take_name(m, &row->entry);
        m->unheard = true;
        m->nonexistent = false;
    }
    dirty.m = m;
    /* A pass that works on it stores the record itself, or the next listing does. */
    bool busy = is_busy(l, m);
    m->listed_anew = take_listing(m, row) || m->listed_anew;
    bool differs = m->listed_anew && !busy;
    enum sync_gone gone = look_if_gone(l, m, row);
    if (gone == SYNC_GONE_YES && !busy) {
        return;
    }
    bool now_live =
        !busy && mailbox_is_synced(m) && take_empty(l->sc.table, m, &row->status);
    if (differs || now_live || row->renamed) {
        m->listed_anew = false;
        l->dirty[l->dirty_count++] = dirty;
    }
    const uint32_t need = IMAP_STATUS_MESSAGES | IMAP_STATUS_UIDNEXT;
    if (!mailbox_is_synced(m)) {
        return;
    }
    if (gone == SYNC_GONE_LOOK || sync_status_differs(m, &row->status) ||
        sync_flags_are_due(l->sc.table, m) || sync_floor_is_due(l->sc.table, m)) {
        l->changed[l->result.changed_count++] = m;
    } else if ((row->status.has & need) != need) {
        l->untold[l->result.untold_count++] = m;
    }
}

static void find_missing(struct sync_list *l)
{
    const struct mailbox_table *table = l->sc.table;
    for (size_t i = 0; i < table->count; i++) {
        struct mailbox *m = table->items[i];
        if (map_get(l->listed, str_from(m->wire, m->wire_len)) == NULL) {
            (void)look_if_gone(l, m, NULL);
        }
    }
}

/* --- commit --- */

static void commit_slice(struct sync_list *l);

static void drop_successors(struct sync_list *l)
{
    for (size_t i = 0; i < l->slice_removed; i++) {
        mailbox_free(&l->removed[l->removed_at + i].successor);
    }
}

static void take_removed(struct sync_list *l)
{
    for (size_t i = 0; i < l->slice_removed; i++) {
        struct list_removed *r = &l->removed[l->removed_at + i];
        mailbox_table_remove(l->sc.table, r->m);
        if (r->successor != NULL) {
            mailbox_table_add(l->sc.table, r->successor);
            r->successor = NULL;
        }
        l->result.missing--;
    }
}

/* Fills `changes` with what this one takes; gives the number of them. */
static size_t remove_one(struct sync_list *l, struct list_removed *r,
                         struct mailbox_change *changes)
{
    changes[0] = (struct mailbox_change){.m = r->m, .remove = true};
    if (r->row == NULL) {
        return 1;
    }
    r->successor = sync_gone_successor(r->m, r->row, l->sc.table->next_number++);
    changes[1] = (struct mailbox_change){.m = r->successor};
    return 2;
}

static void on_committed(struct store_commit *op ATTR_UNUSED, const struct err *err,
                         void *ctx)
{
    struct sync_list *l = ctx;
    l->commit = NULL;
    if (err->code != ERR_OK) {
        drop_successors(l);
        op_fail_err(&l->op, err);
        return;
    }
    take_removed(l);
    l->dirty_at += l->slice_count;
    l->removed_at += l->slice_removed;
    commit_slice(l);
}

static void commit_slice(struct sync_list *l)
{
    size_t dirty = l->dirty_count - l->dirty_at,
           removed = l->removed_count - l->removed_at;
    if (l->canceled) {
        op_cancel(&l->op);
        return;
    }
    if (dirty + removed == 0) {
        l->result.changed = l->changed;
        l->result.untold = l->untold;
        op_complete(&l->op);
        return;
    }
    l->slice_count = dirty < LIST_SLICE ? dirty : LIST_SLICE;
    l->slice_removed = l->slice_count > 0     ? 0
                       : removed < LIST_SLICE ? removed
                                              : LIST_SLICE;
    size_t n = l->slice_count, event_count = 0;
    struct mailbox_change *changes = mem_array(n + 2 * l->slice_removed, sizeof *changes);
    struct event *events = mem_array(n + l->slice_removed, sizeof *events);
    for (size_t i = 0; i < l->slice_count; i++) {
        const struct list_dirty *d = &l->dirty[l->dirty_at + i];
        changes[i].m = d->m;
        if (d->fresh) {
            sync_event_mailbox_new(&l->sc, d->m, &events[event_count++]);
        } else if (d->old_path != NULL) {
            sync_event_mailbox_renamed(&l->sc, d->m, d->old_path, d->old_use,
                                       &events[event_count++]);
        }
    }
    for (size_t i = 0; i < l->slice_removed; i++) {
        struct list_removed *r = &l->removed[l->removed_at + i];
        n += remove_one(l, r, &changes[n]);
        if (r->m->phase != MAILBOX_PHASE_GONE) { /* of these it was told */
            sync_event_mailbox_deleted(&l->sc, r->m, &events[event_count++]);
        }
    }
    struct store_commit_params params = {.acct = l->sc.acct,
                                         .changes = changes,
                                         .change_count = n,
                                         .events = events,
                                         .event_count = event_count,
                                         .next_number = l->sc.table->next_number};
    op_extend(&l->op, SYNC_PASS_MS); /* the commit must not answer one who is gone */
    l->commit = store_commit_start(l->sc.store, &params, on_committed, l);
    mem_free(changes);
    mem_free(events);
}

/* Every row knows its mailbox, or is a new one. */
static void compare_all(struct sync_list *l)
{
    struct arena *arena = &l->op.arena;
    size_t known = l->sc.table->count;
    l->result.listed = l->row_count;
    if (l->first && l->sc.lost) {
        /* The counter went with the rest. Seconds are ahead of whatever it was: old ids of
         * messages must find nothing. */
        l->sc.table->next_number = (uint32_t)(clock_wall_ms() / 1000);
    }
    l->dirty = ARENA_ARRAY(arena, struct list_dirty, l->row_count);
    l->changed = ARENA_ARRAY(arena, struct mailbox *, l->row_count);
    l->untold = ARENA_ARRAY(arena, struct mailbox *, l->row_count);
    l->removed = ARENA_ARRAY(arena, struct list_removed, known);
    sync_list_guess_uses(l->rows, l->row_count);
    sync_label_listing(l->conn, &l->sc, l->rows, l->row_count);
    /* Names become free before others take them. */
    for (size_t i = 0; i < 2 * l->row_count; i++) {
        struct list_row *row = &l->rows[i % l->row_count];
        if (row->renamed == (i < l->row_count)) {
            compare_row(l, row);
        }
    }
    find_missing(l);
    commit_slice(l);
}

static void on_renames(struct sync_rename *op ATTR_UNUSED, const struct err *err,
                       void *ctx)
{
    struct sync_list *l = ctx;
    l->rename = NULL;
    if (!op_is_running(&l->op)) {
        return;
    }
    if (err->code != ERR_OK) {
        op_fail_err(&l->op, err);
        return;
    }
    compare_all(l);
}

/* Finds the mailbox of every row; true if some row has none while some mailbox is missing.
 */
static bool find_known(struct sync_list *l)
{
    const struct mailbox_table *table = l->sc.table;
    struct map *by_wire = map_new(NULL);
    size_t found = 0;
    for (size_t i = 0; i < table->count; i++) {
        struct mailbox *m = table->items[i];
        map_put(by_wire, str_from(m->wire, m->wire_len), m);
    }
    for (size_t i = 0; i < l->row_count; i++) {
        l->rows[i].known = map_get(by_wire, l->rows[i].entry.wire);
        found += l->rows[i].known != NULL;
    }
    map_free(&by_wire);
    return found < l->row_count && found < table->count;
}

static bool ask_status(struct sync_list *l);

/* Whether a new mailbox is a missing one under another name, only its STATUS tells. */
static void compare(struct sync_list *l)
{
    bool perhaps_renamed = find_known(l);
    if (perhaps_renamed && !l->asked) {
        l->asked = true;
        if (ask_status(l)) {
            return;
        }
    }
    if (perhaps_renamed) {
        l->rename =
            sync_rename_start(l->conn, &l->sc, l->rows, l->row_count, on_renames, l);
    } else {
        compare_all(l);
    }
}

/* --- STATUS of new mailboxes --- */

static void take_status(struct sync_list *l, const struct imap_status *status)
{
    for (size_t i = 0; i < l->row_count; i++) {
        struct list_row *row = &l->rows[i];
        if (str_eq(row->entry.wire, status->mailbox)) {
            row->status = *status;
            row->status.mailbox = STR_NULL;
            row->status.mailbox_id = arena_str(&l->op.arena, status->mailbox_id);
        }
    }
}

static void on_status(struct imap_mailbox_status *op, const struct err *err,
                      const struct imap_status *status, void *ctx)
{
    struct sync_list *l = ctx;
    for (size_t i = 0; i < l->status_count; i++) {
        if (l->status[i] == op) {
            l->status[i] = NULL;
        }
    }
    l->status_missing--;
    if (!op_is_running(&l->op)) {
        return;
    }
    if (err->code == ERR_OK) {
        take_status(l, status);
    } else if (err->code != ERR_NO_MAILBOX && err->code != ERR_BAD) {
        cancel_status(l); /* they would answer one who is gone */
        op_fail_err(&l->op, err);
        return;
    }
    /* One that is refused is found out about by SELECT. */
    if (l->status_missing == 0) {
        compare(l);
    }
}

static bool wants_status(const struct list_row *row)
{
    const struct imap_list_entry *e = &row->entry;
    return row->known == NULL && row->status.has == 0 &&
           (e->attrs & IMAP_LIST_NOSELECT) == 0 && !is_inbox(e->path);
}

/* Of new mailboxes. True if there is something to wait for. */
static bool ask_status(struct sync_list *l)
{
    size_t count = 0;
    for (size_t i = 0; i < l->row_count; i++) {
        count += wants_status(&l->rows[i]);
    }
    l->status_count = 0;
    for (size_t i = 0; i < l->row_count && count <= FIRST_STATUS_MAX; i++) {
        if (wants_status(&l->rows[i])) {
            l->status_missing++;
            l->status[l->status_count++] =
                imap_status_start(l->conn, l->rows[i].entry.wire, status_items(l->conn),
                                  SYNC_SELECT_MS, on_status, l);
        }
    }
    return l->status_missing > 0;
}

static void on_listed(struct imap_list *op ATTR_UNUSED, const struct err *err, void *ctx)
{
    struct sync_list *l = ctx;
    l->list = NULL;
    if (!op_is_running(&l->op)) {
        return;
    }
    if (err->code != ERR_OK) {
        op_fail_err(&l->op, err);
        return;
    }
    drop_pushed(l);
    if (!listing_is_sane(l)) {
        op_complete(&l->op);
        return;
    }
    if (!l->first || !ask_status(l)) {
        compare(l);
    }
}

struct sync_list *sync_list_start(struct imap_conn *conn, const struct sync_ctx *sc,
                                  sync_list_cb *cb, void *ctx)
{
    struct sync_list *l = op_new(imap_conn_loop(conn), &list_type, SYNC_PASS_MS);
    l->conn = conn;
    l->sc = *sc;
    l->cb = cb;
    l->ctx = ctx;
    l->listed = map_new(NULL);
    l->first = sc->table->count == 0;
    struct imap_list_params params = {.status_items = l->first ? 0 : status_items(conn)};
    l->list = imap_list_start(conn, &params, SYNC_SELECT_MS, on_entry, on_listed, l);
    return l;
}
