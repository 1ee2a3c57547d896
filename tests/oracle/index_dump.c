/* Prints what the store holds of one account, for the oracle: every mailbox record with its
 * rows, the change log behind an entry, the readers' cursors. It reads beside the daemon
 * and writes nothing, so what it shows is what a restarted daemon would find.
 *
 *   index_dump URL KEY_FILE ACCOUNT     then, on stdin, one line a request:
 *   [ENTRY]                             the log behind that entry; empty: all of it
 *
 * The answer is one JSON object a line, the last of them of kind "end" or "error". */
#include "postrider/base/arena.h"
#include "postrider/imap/imap_value.h"
#include "postrider/loop/loop.h"
#include "postrider/store/store_account.h"
#include "postrider/store/store_log.h"
#include "postrider/store/store_mailbox.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BOXES_MAX = 10000
};

struct dump {
    struct loop *loop;
    struct store *store;
    const char *id;
    struct store_acct acct;
    struct mailbox *boxes[BOXES_MAX];
    size_t box_count;
    const struct mailbox *scanned;
    json_t *rows;                    /* of the mailbox being scanned */
    char after[STORE_ENTRY_ID_SIZE]; /* last log entry printed */
    size_t page;                     /* entries of the last page */
    bool done;
    struct err err;
};

static void finish(struct dump *d, const struct err *err)
{
    d->err = *err;
    d->done = true;
}

/* Runs the loop until the operation that was just started has called back. */
static bool wait_done(struct dump *d)
{
    while (!d->done) {
        loop_turn(d->loop, true);
    }
    d->done = false;
    return d->err.code == ERR_OK;
}

static void print(json_t *line)
{
    char *text = json_dumps(line, JSON_COMPACT);
    puts(text);
    free(text);
    json_decref(line);
}

/* --- account --- */

static void on_account(struct store_account_op *op ATTR_UNUSED, const struct err *err,
                       const struct store_acct *acct, json_t *record ATTR_UNUSED,
                       json_t *state, void *ctx)
{
    struct dump *d = ctx;
    if (err->code == ERR_OK) {
        memcpy(d->acct.incarnation, acct->incarnation, sizeof d->acct.incarnation);
        print(json_pack("{s:s, s:O}", "kind", "account", "state", state));
    }
    finish(d, err);
}

/* --- index --- */

static void on_mailboxes(struct store_mailboxes *op ATTR_UNUSED, const struct err *err,
                         struct mailbox **boxes, size_t count,
                         uint32_t next_number ATTR_UNUSED, void *ctx)
{
    struct dump *d = ctx;
    for (size_t i = 0; i < count; i++) {
        if (d->box_count < BOXES_MAX) {
            d->boxes[d->box_count++] = boxes[i];
        } else {
            mailbox_free(&boxes[i]);
        }
    }
    finish(d, err);
}

static json_t *flags_json(const struct mailbox *m, const struct msg_row *row)
{
    static const struct {
        uint8_t bit;
        const char *name;
    } flags[] = {{IMAP_FLAG_SEEN, "\\Seen"},
                 {IMAP_FLAG_ANSWERED, "\\Answered"},
                 {IMAP_FLAG_FLAGGED, "\\Flagged"},
                 {IMAP_FLAG_DELETED, "\\Deleted"},
                 {IMAP_FLAG_DRAFT, "\\Draft"}};
    json_t *list = json_array();
    for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
        if ((row->flags & flags[i].bit) != 0) {
            json_array_append_new(list, json_string(flags[i].name));
        }
    }
    for (size_t i = 0; i < row->keyword_count; i++) {
        bool known = row->keywords[i] < m->keyword_count;
        json_array_append_new(
            list, json_string(known ? m->keywords[row->keywords[i]] : "?unknown"));
    }
    return list;
}

static void on_rows(struct store_scan *op ATTR_UNUSED, const struct msg_row *rows,
                    size_t count, void *ctx)
{
    struct dump *d = ctx;
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(d->rows, json_pack("[I, o, I]", (json_int_t)rows[i].uid,
                                                 flags_json(d->scanned, &rows[i]),
                                                 (json_int_t)rows[i].modseq));
    }
}

static void on_scanned(struct store_scan *op ATTR_UNUSED, const struct err *err,
                       void *ctx)
{
    finish(ctx, err);
}

static bool dump_mailbox(struct dump *d, const struct mailbox *m)
{
    d->scanned = m;
    d->rows = json_array();
    (void)store_scan_start(d->store, &d->acct, m, 0, UINT32_MAX, on_rows, on_scanned, d);
    if (!wait_done(d)) {
        json_decref(d->rows);
        return false;
    }
    print(json_pack(
        "{s:s, s:I, s:I, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:I, "
        "s:I, "
        "s:o}",
        "kind", "mailbox", "box", (json_int_t)m->box, "number", (json_int_t)m->number,
        "path", m->path, "phase", mailbox_phase_name(m->phase), "epoch",
        (json_int_t)m->epoch, "uidValidity", (json_int_t)m->uid_validity, "lastUid",
        (json_int_t)m->last_uid, "uidNext", (json_int_t)m->srv_uid_next, "modseq",
        (json_int_t)m->highest_modseq, "exists", (json_int_t)m->exists, "count",
        (json_int_t)m->count, "version", (json_int_t)m->version, "noSelect",
        (int)((m->list_attrs & IMAP_LIST_NOSELECT) != 0), "firstUid",
        (json_int_t)m->first_uid, "sinceDay", (json_int_t)m->since_day, "rows", d->rows));
    return true;
}

static bool dump_mailboxes(struct dump *d)
{
    d->box_count = 0;
    (void)store_mailboxes_start(d->store, &d->acct, on_mailboxes, d);
    bool ok = wait_done(d);
    for (size_t i = 0; i < d->box_count; i++) {
        ok = ok && dump_mailbox(d, d->boxes[i]);
        mailbox_free(&d->boxes[i]);
    }
    return ok;
}

/* --- log --- */

static void on_entries(struct store_log_read *op ATTR_UNUSED, const struct err *err,
                       const struct log_entry *entries, size_t count, bool gap, void *ctx)
{
    struct dump *d = ctx;
    if (gap) {
        print(json_pack("{s:s}", "kind", "gap"));
    }
    for (size_t i = 0; i < count; i++) {
        const struct event *e = &entries[i].event;
        memcpy(d->after, entries[i].entry_id, sizeof d->after);
        print(json_pack("{s:s, s:s, s:b, s:s, s:s, s:I, s:I, s:s?, s:O?}", "kind",
                        "entry", "entry", entries[i].entry_id, "readable",
                        (int)entries[i].readable, "id", e->id, "type",
                        event_type_name(e->type), "box", (json_int_t)e->box, "uid",
                        (json_int_t)e->uid, "path", e->path, "data", e->data));
    }
    d->page = count;
    finish(d, err);
}

static void on_cursors(struct store_cursors *op ATTR_UNUSED, const struct err *err,
                       const struct store_cursor *cursors, size_t count, void *ctx)
{
    for (size_t i = 0; i < count; i++) {
        print(json_pack("{s:s, s:s%, s:s}", "kind", "cursor", "reader",
                        cursors[i].reader.ptr, cursors[i].reader.len, "entry",
                        cursors[i].entry_id));
    }
    finish(ctx, err);
}

static bool dump_log(struct dump *d)
{
    (void)store_cursors_start(d->store, &d->acct, on_cursors, d);
    if (!wait_done(d)) {
        return false;
    }
    do {
        (void)store_log_read_start(d->store, &d->acct, d->after, STORE_LOG_PAGE,
                                   on_entries, d);
        if (!wait_done(d)) {
            return false;
        }
    } while (d->page > 0);
    return true;
}

/* --- frame --- */

static void dump(struct dump *d, const char *after)
{
    (void)snprintf(d->after, sizeof d->after, "%.*s", (int)sizeof d->after - 1, after);
    (void)store_account_get_start(d->store, str_of(d->id), on_account, d);
    bool ok = wait_done(d) && dump_mailboxes(d) && dump_log(d);
    print(ok ? json_pack("{s:s}", "kind", "end")
             : json_pack("{s:s, s:s}", "kind", "error", "message", d->err.msg));
    (void)fflush(stdout);
}

static void on_opened(struct store_open *op ATTR_UNUSED, const struct err *err, void *ctx)
{
    finish(ctx, err);
}

static bool serve(struct dump *d)
{
    char line[256];
    (void)store_open_start(d->store, on_opened, d);
    if (!wait_done(d)) {
        return false;
    }
    store_acct_init(d->store, &d->acct, str_of(d->id));
    while (fgets(line, sizeof line, stdin) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        dump(d, line);
    }
    store_acct_fini(&d->acct);
    return true;
}

int main(int argc, char **argv)
{
    static struct dump d;
    if (argc != 4) {
        fputs("usage: index_dump URL KEY_FILE ACCOUNT\n", stderr);
        return 2;
    }
    d.loop = loop_new();
    d.id = argv[3];
    struct net *net = net_new(d.loop, &(struct net_config){.egress = EGRESS_OFF});
    struct redis *redis = redis_new(
        net, &(struct redis_config){.url = argv[1], .allow_eviction = true}, &d.err);
    bool ok = redis != NULL;
    if (ok) {
        struct store_config config = {
            .loop = d.loop, .key = {.key_file = argv[2]}, .passive = true};
        d.store = store_new(redis, &config);
        ok = serve(&d);
    }
    if (!ok) {
        fprintf(stderr, "index_dump: %s\n", d.err.msg);
    }
    store_free(&d.store);
    redis_free(&redis);
    loop_run(d.loop); /* what was canceled calls back before its home goes */
    net_free(&net);
    loop_free(&d.loop);
    return ok ? 0 : 1;
}
