/* imap_list: the mailboxes, with all that the server can tell about them (RFC 9051
 * §6.3.9, RFC 5258, 5819, 6154).
 *
 *   LIST-EXTENDED       LIST … RETURN (SUBSCRIBED CHILDREN SPECIAL-USE STATUS (…))
 *                         └ BAD: once more without STATUS, then without SPECIAL-USE;
 *                           the connection remembers
 *                         └ BAD to all of it, or OK and nothing: as below
 *   otherwise           SUBSCRIPTIONS (LSUB) ──► LIST, or XLIST where only that knows
 * roles
 *
 * Entries are kept until the end and given out only if the listing is whole: their STATUS
 * may follow at any distance, and half a listing looks like deleted mailboxes. */
#include "imap_priv.h"

#include "postrider/base/map.h"

enum {
    LIST_BYTES_MAX = 8 * 1024 * 1024
};

enum list_state {
    LIST_EXTENDED,
    LIST_SUBSCRIPTIONS,
    LIST_PLAIN
};

/* Bits of imap_conn.list_refused. */
enum list_part {
    LIST_PART_STATUS = 1,
    LIST_PART_SPECIAL_USE = 2,
    LIST_PART_RETURN = 4
};

struct list_row {
    struct list node;
    struct imap_list_entry entry;
    struct imap_status status;
};

struct imap_list {
    struct imap_op base;
    enum list_state state;
    struct str reference, pattern;
    uint32_t status_items;
    uint32_t parts; /* of RETURN, as sent */
    struct list rows;
    struct map *by_name;       /* wire name → struct list_row; of the current try */
    struct map *subscriptions; /* NULL: unknown, which counts as subscribed */
    imap_list_entry_cb *on_entry;
    imap_list_cb *cb;
    void *ctx;
};

#define LIST_OP(ptr) container_of(ptr, struct imap_list, base)

static void send(struct imap_list *op, enum list_state state);

/* --- ends --- */

static void list_done(struct op *base)
{
    struct imap_list *op = LIST_OP(IMAP_OP(base));
    op->cb(op, &base->err, op->ctx);
}

static void list_fini(struct op *base)
{
    struct imap_list *op = LIST_OP(IMAP_OP(base));
    imap_op_fini(base);
    map_free(&op->by_name);
    map_free(&op->subscriptions);
}

static const struct op_type list_type = {.name = "list",
                                         .size = sizeof(struct imap_list),
                                         .abort = imap_op_abort,
                                         .done = list_done,
                                         .fini = list_fini};

static bool is_subscribed(const struct imap_list *op, struct str wire)
{
    return op->subscriptions == NULL || map_get(op->subscriptions, wire) != NULL;
}

/* Gives out what was collected; a callback may cancel. */
static void deliver(struct imap_list *op)
{
    for (struct list *node; (node = list_pop(&op->rows)) != NULL;) {
        struct list_row *row = container_of(node, struct list_row, node);
        if (op->state == LIST_PLAIN && is_subscribed(op, row->entry.wire)) {
            row->entry.attrs |= IMAP_LIST_SUBSCRIBED;
        }
        if (row->status.has != 0) {
            row->entry.status = &row->status;
        }
        op->on_entry(op, &row->entry, op->ctx);
        if (!op_is_running(&op->base.op)) {
            return;
        }
    }
    imap_op_complete(&op->base);
}

/* --- what comes in --- */

static bool within_budget(struct imap_list *op)
{
    if (op->base.op.arena.used_bytes <= LIST_BYTES_MAX) {
        return true;
    }
    struct err err;
    err_clear(&err);
    err_set(&err, ERR_LIMIT, "list: the mailboxes need more than %d bytes",
            LIST_BYTES_MAX);
    imap_op_fail(&op->base, &err);
    return false;
}

static void keep(struct imap_list *op, const struct imap_list_entry *entry)
{
    struct arena *arena = &op->base.op.arena;
    struct list_row *row = map_get(op->by_name, entry->wire);
    if (row != NULL) {
        /* Zoho lists mailboxes twice. */
        row->entry.attrs |= entry->attrs;
        return;
    }
    row = ARENA_NEW(arena, struct list_row);
    row->entry = *entry;
    row->entry.wire = arena_str(arena, entry->wire);
    row->entry.path = arena_str(arena, entry->path);
    row->entry.special_use = arena_str(arena, entry->special_use);
    row->entry.status = NULL;
    list_init(&row->node);
    list_append(&op->rows, &row->node);
    map_put(op->by_name, row->entry.wire, row);
}

static bool keep_status(struct imap_list *op, const struct imap_status *status)
{
    struct list_row *row = map_get(op->by_name, status->mailbox);
    if (row == NULL) {
        return false;
    }
    row->status = *status;
    row->status.mailbox = row->entry.wire;
    row->status.mailbox_id = arena_str(&op->base.op.arena, status->mailbox_id);
    return true;
}

static bool list_untagged(struct imap_op *base, struct imap_cmd *cmd,
                          const struct imap_resp *resp)
{
    struct imap_list *op = LIST_OP(base);
    (void)cmd;
    if (resp->kind == IMAP_RESP_MAILBOX_STATUS) {
        return op->state == LIST_EXTENDED && keep_status(op, &resp->status);
    }
    if (resp->kind != IMAP_RESP_LIST) {
        return false;
    }
    imap_op_progress(base);
    if (op->state == LIST_SUBSCRIPTIONS) {
        if (op->subscriptions != NULL &&
            map_count(op->subscriptions) < LIST_BYTES_MAX / 256) {
            map_put(op->subscriptions, resp->list.wire, op);
        }
        return true;
    }
    if (resp->list.wire.len > 0 && within_budget(op)) {
        keep(op, &resp->list);
    }
    return true;
}

static void extended_end(struct imap_list *op, const struct err *err)
{
    struct imap_conn *c = op->base.conn;
    if (err->code == ERR_BAD) {
        /* The lowest part that was sent goes first. */
        c->list_refused |= op->parts & -op->parts;
        bool plain = (c->list_refused & LIST_PART_RETURN) != 0;
        send(op, plain ? LIST_SUBSCRIPTIONS : LIST_EXTENDED);
    } else if (err->code != ERR_OK) {
        imap_op_fail(&op->base, err);
    } else if (list_is_empty(&op->rows)) {
        /* strato, Zoho: RETURN makes the mailboxes disappear. */
        send(op, LIST_SUBSCRIPTIONS);
    } else {
        deliver(op);
    }
}

static void list_end(struct imap_op *base, struct imap_cmd *cmd,
                     const struct imap_resp *resp, const struct err *err)
{
    struct imap_list *op = LIST_OP(base);
    (void)cmd;
    (void)resp;
    switch (op->state) {
    case LIST_EXTENDED:
        extended_end(op, err);
        return;
    case LIST_SUBSCRIPTIONS:
        if (err->code != ERR_OK) {
            map_free(&op->subscriptions);
        }
        send(op, LIST_PLAIN);
        return;
    case LIST_PLAIN:
        if (err->code == ERR_OK) {
            deliver(op);
        } else {
            imap_op_fail(base, err);
        }
        return;
    }
}

static const struct imap_cmd_type list_cmd = {.name = "LIST",
                                              .order = IMAP_ORDER_LIST,
                                              .context = IMAP_CONTEXT_OTHER,
                                              .on_untagged = list_untagged,
                                              .on_end = list_end};

/* --- what goes out --- */

static uint32_t usable_parts(const struct imap_list *op)
{
    const struct imap_conn *c = op->base.conn;
    uint32_t parts = LIST_PART_RETURN;
    if (op->status_items != 0 && imap_conn_has(c, IMAP_CAP_LIST_STATUS)) {
        parts |= LIST_PART_STATUS;
    }
    if (imap_conn_has(c, IMAP_CAP_SPECIAL_USE)) {
        parts |= LIST_PART_SPECIAL_USE;
    }
    return parts & ~c->list_refused;
}

static void put_return(struct imap_list *op, struct imap_cmd *cmd)
{
    imap_cmd_put(cmd, " RETURN (SUBSCRIBED CHILDREN");
    if ((op->parts & LIST_PART_SPECIAL_USE) != 0) {
        imap_cmd_put(cmd, " SPECIAL-USE");
    }
    if ((op->parts & LIST_PART_STATUS) != 0) {
        imap_cmd_put(cmd, " STATUS ");
        imap_cmd_put_status_items(cmd, op->status_items);
    }
    imap_cmd_put(cmd, ")");
}

static const char *verb(const struct imap_list *op)
{
    const struct imap_conn *c = op->base.conn;
    if (op->state == LIST_SUBSCRIPTIONS) {
        return "LSUB ";
    }
    bool xlist = op->state == LIST_PLAIN && imap_conn_has(c, IMAP_CAP_XLIST) &&
                 !imap_conn_has(c, IMAP_CAP_SPECIAL_USE);
    return xlist ? "XLIST " : "LIST ";
}

/* Every try begins from nothing: a refused one may have listed half of the mailboxes. */
static void forget(struct imap_list *op)
{
    list_init(&op->rows);
    map_free(&op->by_name);
    op->by_name = map_new(NULL);
    if (op->state == LIST_SUBSCRIPTIONS) {
        op->subscriptions = map_new(NULL);
    }
}

static void send(struct imap_list *op, enum list_state state)
{
    op->state = state;
    op->parts = usable_parts(op);
    forget(op);
    struct imap_cmd *cmd = imap_cmd_new(&op->base, &list_cmd);
    imap_cmd_put(cmd, verb(op));
    imap_cmd_put_astring(cmd, op->reference);
    imap_cmd_put(cmd, " ");
    imap_cmd_put_astring(cmd, op->pattern);
    if (state == LIST_EXTENDED) {
        put_return(op, cmd);
    }
    imap_cmd_send(cmd);
}

struct imap_list *imap_list_start(struct imap_conn *c,
                                  const struct imap_list_params *params,
                                  int64_t deadline_ms, imap_list_entry_cb *on_entry,
                                  imap_list_cb *cb, void *ctx)
{
    struct imap_list *op = imap_op_new(c, &list_type, deadline_ms);
    struct arena *arena = &op->base.op.arena;
    list_init(&op->rows);
    op->reference =
        params->reference.ptr != NULL ? arena_str(arena, params->reference) : STR("");
    op->pattern =
        params->pattern.ptr != NULL ? arena_str(arena, params->pattern) : STR("*");
    op->status_items = params->status_items;
    op->on_entry = on_entry;
    op->cb = cb;
    op->ctx = ctx;
    bool extended = imap_conn_has(c, IMAP_CAP_LIST_EXTENDED) &&
                    (c->list_refused & LIST_PART_RETURN) == 0;
    send(op, extended ? LIST_EXTENDED : LIST_SUBSCRIPTIONS);
    return op;
}

void imap_list_cancel(struct imap_list *op)
{
    op_cancel(op != NULL ? &op->base.op : NULL);
}
