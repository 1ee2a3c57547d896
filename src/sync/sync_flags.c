/* sync_flags: all flags of a mailbox by SEARCH, for servers without MODSEQ.
 *
 *   UNSEEN ──► FLAGGED ──► ANSWERED ──► DRAFT ──► DELETED ──► KEYWORD … ──► callback
 *
 * The few that have a flag are listed in much less than FETCH needs for all. The sets are
 * of one moment only if the mailbox did not change between the first and the last. */
#include "sync_match.h"
#include "sync_priv.h"

#include "postrider/base/clock.h"

#include <stdio.h>

enum {
    FLAG_SEARCH_MS = 20000, /* one that takes longer costs the server too much */
    SMALL_MAILBOX = 2000,
    REFRESH_MS = 30 * 60 * 1000, /* of INBOX; of the others … */
    OTHERS_TIMES = 12            /* … so many times that */
};

struct flag_row {
    const char *criteria;
    uint8_t flag;
    size_t at; /* in struct sync_flag_sets */
};

static const struct flag_row flag_table[] = {
    {"UNSEEN", 0, offsetof(struct sync_flag_sets, unseen)},
    {"FLAGGED", IMAP_FLAG_FLAGGED, offsetof(struct sync_flag_sets, flagged)},
    {"ANSWERED", IMAP_FLAG_ANSWERED, offsetof(struct sync_flag_sets, answered)},
    {"DRAFT", IMAP_FLAG_DRAFT, offsetof(struct sync_flag_sets, draft)},
    {"DELETED", IMAP_FLAG_DELETED, offsetof(struct sync_flag_sets, deleted)},
};

struct sync_flag_search {
    struct op op;
    struct imap_conn *conn;
    struct sync_flag_sets sets;
    struct str names[SYNC_FLAG_KEYWORDS]; /* in op.arena */
    size_t at;                            /* searches done */
    uint32_t exists, uid_next;
    uint32_t first_uid; /* what lies below is of no interest */
    struct imap_search *search;
    sync_flag_search_cb *cb;
    void *ctx;
};

static struct sync_flag_search *search_of(struct op *op)
{
    return container_of(op, struct sync_flag_search, op);
}

static void search_abort(struct op *op)
{
    imap_search_cancel(search_of(op)->search);
}

static void search_done(struct op *op)
{
    struct sync_flag_search *f = search_of(op);
    f->cb(f, &op->err, op->err.code == ERR_OK ? &f->sets : NULL, f->ctx);
}

static const struct op_type search_type = {"flag search", sizeof(struct sync_flag_search),
                                           search_abort, search_done, NULL};

void sync_flag_search_cancel(struct sync_flag_search *f)
{
    op_cancel(f != NULL ? &f->op : NULL);
}

static struct imap_set *set_at(struct sync_flag_sets *sets, size_t i)
{
    return i < ARRAY_LEN(flag_table) ? (void *)((char *)sets + flag_table[i].at)
                                     : &sets->keywords[i - ARRAY_LEN(flag_table)];
}

static size_t set_count(const struct sync_flag_sets *sets)
{
    return ARRAY_LEN(flag_table) + sets->keyword_count;
}

static struct imap_set set_dup(struct arena *arena, const struct imap_set *set)
{
    struct imap_set copy = {.count = set->count};
    if (set->count > 0) {
        copy.ranges = arena_memdup(arena, set->ranges, set->count * sizeof *set->ranges);
    }
    return copy;
}

struct sync_flag_sets sync_flag_sets_dup(struct arena *arena,
                                         const struct sync_flag_sets *sets)
{
    struct sync_flag_sets copy = *sets;
    for (size_t i = 0; i < set_count(sets); i++) {
        *set_at(&copy, i) = set_dup(arena, set_at(&copy, i));
    }
    return copy;
}

/* -1: it was not searched for */
static int keyword_set(const struct sync_flag_sets *sets, uint8_t id)
{
    for (size_t i = 0; i < sets->keyword_count; i++) {
        if (sets->keyword_ids[i] == id) {
            return (int)i;
        }
    }
    return -1;
}

/* --- the searches --- */

static void next_search(struct sync_flag_search *f);

static void on_found(struct imap_search *op ATTR_UNUSED, const struct err *err,
                     const struct imap_search_result *result, void *ctx)
{
    struct sync_flag_search *f = ctx;
    f->search = NULL;
    if (!op_is_running(&f->op)) {
        return;
    }
    if (err->code != ERR_OK) {
        op_fail_err(&f->op, err);
        return;
    }
    *set_at(&f->sets, f->at++) = set_dup(&f->op.arena, &result->set);
    next_search(f);
}

static bool is_as_before(const struct sync_flag_search *f)
{
    const struct imap_selected *now = imap_conn_selected(f->conn);
    return now != NULL && now->exists == f->exists && now->uid_next == f->uid_next;
}

static void next_search(struct sync_flag_search *f)
{
    if (!is_as_before(f)) {
        op_fail(&f->op, ERR_CONFLICT, "the mailbox changed meanwhile");
        return;
    }
    if (f->at == set_count(&f->sets)) {
        op_complete(&f->op);
        return;
    }
    char criteria[MAILBOX_KEYWORDS_MAX + 64], from[40] = "";
    if (f->first_uid > 1) {
        (void)snprintf(from, sizeof from, "UID %u:4294967295 ", f->first_uid);
    }
    if (f->at < ARRAY_LEN(flag_table)) {
        (void)snprintf(criteria, sizeof criteria, "%s%s", from,
                       flag_table[f->at].criteria);
    } else {
        (void)snprintf(criteria, sizeof criteria, "%sKEYWORD %.*s", from,
                       STR_ARG(f->names[f->at - ARRAY_LEN(flag_table)]));
    }
    struct imap_search_params params = {.criteria = str_of(criteria), .by_uid = true};
    f->search = imap_search_start(f->conn, &params, FLAG_SEARCH_MS, on_found, f);
}

/* Names that the dictionary does not have yet; false: one of them cannot be searched for. */
static bool add_keywords(struct mailbox *m, const struct imap_flags *flags,
                         uint8_t ids[SYNC_FLAG_KEYWORDS], size_t *count)
{
    for (size_t i = 0; i < flags->keyword_count; i++) {
        struct str name = flags->keywords[i];
        if (mailbox_keyword_id(m, name, false) >= 0) {
            continue;
        }
        if (!imap_is_atom(name) || *count == SYNC_FLAG_KEYWORDS) {
            return false;
        }
        int id = mailbox_keyword_id(m, name, true);
        if (id >= 0) {
            ids[(*count)++] = (uint8_t)id;
        }
    }
    return true;
}

size_t sync_flag_keywords(const struct imap_selected *now, struct mailbox *m,
                          uint8_t ids[SYNC_FLAG_KEYWORDS])
{
    const size_t too_many = SYNC_FLAG_KEYWORDS + 1;
    size_t count = 0;
    for (size_t i = 0; i < m->keyword_count; i++) {
        if (sync_is_label(m, (uint8_t)i)) {
            continue;
        }
        if (!imap_is_atom(str_of(m->keywords[i])) || count == SYNC_FLAG_KEYWORDS) {
            return too_many;
        }
        ids[count++] = (uint8_t)i;
    }
    return add_keywords(m, &now->permanent_flags, ids, &count) &&
                   add_keywords(m, &now->flags, ids, &count)
               ? count
               : too_many;
}

struct sync_flag_search *sync_flag_search_start(struct imap_conn *conn, struct mailbox *m,
                                                sync_flag_search_cb *cb, void *ctx)
{
    struct sync_flag_search *f =
        op_new(imap_conn_loop(conn), &search_type, SYNC_SEARCH_MS);
    const struct imap_selected *now = imap_conn_selected(conn);
    f->conn = conn;
    f->cb = cb;
    f->ctx = ctx;
    f->exists = now != NULL ? now->exists : 0;
    f->uid_next = now != NULL ? now->uid_next : 0;
    f->first_uid = m->first_uid;
    size_t count = now != NULL ? sync_flag_keywords(now, m, f->sets.keyword_ids) : 0;
    f->sets.keyword_count = count <= SYNC_FLAG_KEYWORDS ? count : 0;
    for (size_t i = 0; i < f->sets.keyword_count; i++) {
        f->names[i] =
            arena_str(&f->op.arena, str_of(m->keywords[f->sets.keyword_ids[i]]));
    }
    next_search(f);
    return f;
}

bool sync_flag_search_is_worth(struct imap_conn *conn, const struct sync_ctx *sc,
                               struct mailbox *m)
{
    uint8_t ids[SYNC_FLAG_KEYWORDS];
    const struct imap_selected *now = imap_conn_selected(conn);
    if (now == NULL || sync_flag_keywords(now, m, ids) > SYNC_FLAG_KEYWORDS ||
        (sc->learned != NULL &&
         loop_now_ms(imap_conn_loop(conn)) < sc->learned->flag_search_off_until_ms)) {
        return false;
    }
    return m->count > 0 &&
           (imap_conn_has(conn, IMAP_CAP_ESEARCH) || m->count <= SMALL_MAILBOX);
}

bool sync_flags_are_due(const struct mailbox_table *t, const struct mailbox *m)
{
    int64_t interval_ms = t->flags_refresh_ms > 0 ? t->flags_refresh_ms : REFRESH_MS;
    interval_ms *= m == mailbox_table_inbox(t) ? 1 : OTHERS_TIMES;
    return m->phase == MAILBOX_PHASE_LIVE && m->highest_modseq == 0 && m->count > 0 &&
           clock_wall_ms() - m->last_full_ms >= interval_ms;
}

/* --- what they mean for a row --- */

static uint8_t flags_of(struct sync_flag_sets sets, uint32_t uid)
{
    uint8_t flags = imap_set_has(&sets.unseen, uid) ? 0 : IMAP_FLAG_SEEN;
    for (size_t i = 0; i < ARRAY_LEN(flag_table); i++) {
        if (imap_set_has(set_at(&sets, i), uid)) {
            flags |= flag_table[i].flag;
        }
    }
    return flags;
}

static void put_keywords(const struct sync_flag_sets *sets, struct arena *arena,
                         const struct msg_row *stored, struct msg_row *out)
{
    uint8_t ids[MAILBOX_KEYWORDS_MAX + SYNC_FLAG_KEYWORDS];
    size_t count = 0;
    for (size_t i = 0; i < stored->keyword_count; i++) {
        if (keyword_set(sets, stored->keywords[i]) < 0) {
            ids[count++] = stored->keywords[i];
        }
    }
    for (size_t i = 0; i < sets->keyword_count; i++) {
        if (imap_set_has(&sets->keywords[i], stored->uid)) {
            ids[count++] = sets->keyword_ids[i];
        }
    }
    sync_keywords_sort(ids, count);
    bool same = count == stored->keyword_count &&
                (count == 0 || memcmp(ids, stored->keywords, count) == 0);
    out->keyword_count = (uint8_t)count;
    if (!same) {
        out->keywords = count > 0 ? arena_memdup(arena, ids, count) : NULL;
    }
}

bool sync_flag_sets_apply(const struct sync_flag_sets *sets, struct arena *arena,
                          const struct msg_row *stored, struct msg_row *out)
{
    *out = *stored;
    out->flags = flags_of(*sets, stored->uid);
    put_keywords(sets, arena, stored, out);
    return out->flags != stored->flags || out->keyword_count != stored->keyword_count ||
           out->keywords != stored->keywords;
}

/* Was this told when flags were searched for, or after that? */
static bool is_newer_than_search(const struct sync_batch *b, const struct sync_diff *d,
                                 uint32_t uid)
{
    const struct sync_flag_row *last =
        d->flags_seen > 0 ? &b->flags[d->flags_seen - 1] : NULL;
    return last != NULL && last->uid == uid && last->order >= b->searched;
}

/* Flags found by search hold for all rows of which nothing was said since. What was told
 * before tells of the keywords that were not searched for. */
void sync_flags_compare(struct sync_pass *p, const struct msg_row *row)
{
    const struct sync_batch *b = &p->prior;
    struct sync_diff *d = &p->diff;
    size_t deletes = d->delete_count, changes = d->change_count;
    sync_diff_stored(d, b, p->m, row);
    if (!p->has_flag_sets || p->flushing || deletes != d->delete_count ||
        is_newer_than_search(b, d, row->uid)) {
        return;
    }
    struct msg_row told = changes < d->change_count ? d->changes[changes].after : *row;
    struct msg_row after;
    if (sync_flag_sets_apply(&p->flag_sets, &d->arena, &told, &after)) {
        d->change_count = changes;
        if (!sync_same_flags(row, &after)) {
            sync_diff_change(d, row, &after);
        }
    }
}
