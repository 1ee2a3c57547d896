/* imap_fetch: FETCH and UID FETCH (RFC 9051 §6.4.5, RFC 7162 §3.1.4, §3.2.6).
 *
 *   start ─► one command per piece of the set, all queued ─► rows ─► last tagged reply ─►
 * end
 *
 * A row is ours if it is of a wanted message and carries something we asked for beyond
 * its number; all else is news about the mailbox and goes to the connection's events. A
 * refusal may come behind good rows: they have been given out by then. */
#include "imap_priv.h"

struct item_row {
    uint32_t item;
    const char *name;
    enum imap_cap needs; /* 0 = nothing */
};

static const struct item_row items_table[] = {
    {IMAP_ITEM_UID, "UID", 0},
    {IMAP_ITEM_FLAGS, "FLAGS", 0},
    {IMAP_ITEM_MODSEQ, "MODSEQ", IMAP_CAP_CONDSTORE},
    {IMAP_ITEM_INTERNALDATE, "INTERNALDATE", 0},
    {IMAP_ITEM_SIZE, "RFC822.SIZE", 0},
    {IMAP_ITEM_ENVELOPE, "ENVELOPE", 0},
    {IMAP_ITEM_BODYSTRUCTURE, "BODYSTRUCTURE", 0},
    {IMAP_ITEM_EMAILID, "EMAILID", IMAP_CAP_OBJECTID},
    {IMAP_ITEM_THREADID, "THREADID", IMAP_CAP_OBJECTID},
    {IMAP_ITEM_GM_MSGID, "X-GM-MSGID", IMAP_CAP_GMAIL},
    {IMAP_ITEM_GM_THRID, "X-GM-THRID", IMAP_CAP_GMAIL},
    {IMAP_ITEM_GM_LABELS, "X-GM-LABELS", IMAP_CAP_GMAIL},
    {IMAP_ITEM_PREVIEW, "PREVIEW", IMAP_CAP_PREVIEW},
    {IMAP_ITEM_REFERENCES, "BODY.PEEK[HEADER.FIELDS (REFERENCES)]", 0},
};

struct imap_fetch {
    struct imap_op base;
    struct imap_fetch_params params; /* sections in the arena */
    struct imap_set set;
    uint32_t wanted; /* items that make a row ours */
    bool paused;
    struct imap_fetch_events events;
    void *ctx;
};

#define FETCH(ptr) container_of(ptr, struct imap_fetch, base)

static void fetch_done(struct op *base)
{
    struct imap_fetch *op = FETCH(IMAP_OP(base));
    op->events.on_end(op, &base->err, op->ctx);
}

static void unpause(struct imap_fetch *op)
{
    struct imap_conn *c = op->base.conn;
    if (op->paused) {
        op->paused = false;
        imap_conn_read_resume(c);
    }
}

static void fetch_abort(struct op *base)
{
    unpause(FETCH(IMAP_OP(base)));
    imap_op_abort(base);
}

static void fetch_fini(struct op *base)
{
    const struct imap_fetch *op = FETCH(IMAP_OP(base));
    if (op->params.many) {
        imap_conn_lumps(op->base.conn, false);
    }
    imap_op_fini(base);
}

static const struct op_type fetch_type = {.name = "fetch",
                                          .size = sizeof(struct imap_fetch),
                                          .abort = fetch_abort,
                                          .done = fetch_done,
                                          .fini = fetch_fini};

/* --- what comes in --- */

/* "*" alone means the last message, whatever its number. */
static bool wants_message(const struct imap_fetch *op, uint32_t seq, uint32_t uid)
{
    uint32_t n = op->params.by_uid ? uid : seq;
    const struct imap_range *last = &op->set.ranges[op->set.count - 1];
    return n != 0 && (last->lo == UINT32_MAX || imap_set_has(&op->set, n));
}

/* A change that the server tells by itself, of a message that may be among those asked for. */
static bool lacks_uid(const struct imap_fetch *op, const struct imap_row *row)
{
    return (op->params.items & IMAP_ITEM_UID) != 0 && (row->has & IMAP_ITEM_UID) == 0;
}

static bool fetch_untagged(struct imap_op *base, struct imap_cmd *cmd,
                           const struct imap_resp *resp)
{
    struct imap_fetch *op = FETCH(base);
    (void)cmd;
    if (resp->kind == IMAP_RESP_FETCH) {
        if ((resp->row.has & op->wanted) == 0 || lacks_uid(op, &resp->row) ||
            !wants_message(op, resp->row.seq, resp->row.uid)) {
            return false;
        }
        imap_op_progress(base);
        op->events.on_row(op, &resp->row, op->ctx);
        return true;
    }
    if (resp->kind == IMAP_RESP_VANISHED && resp->earlier && op->params.vanished) {
        imap_op_progress(base);
        if (op->events.on_vanished != NULL) {
            op->events.on_vanished(op, &resp->set, op->ctx);
        }
        return true;
    }
    return false;
}

static bool fetch_literal(struct imap_op *base, struct imap_cmd *cmd,
                          const struct imap_literal *literal)
{
    struct imap_fetch *op = FETCH(base);
    (void)cmd;
    /* The UID may stand behind the literal in its row. */
    bool unknown = op->params.by_uid && literal->uid == 0;
    if (op->events.on_body_begin == NULL || op->params.section_count == 0 ||
        (!unknown && !wants_message(op, literal->seq, literal->uid))) {
        return false;
    }
    imap_op_progress(base);
    return op->events.on_body_begin(op, literal, op->ctx);
}

static void fetch_literal_data(struct imap_op *base, struct imap_cmd *cmd,
                               const char *data, size_t len, bool end)
{
    struct imap_fetch *op = FETCH(base);
    (void)cmd;
    if (!op->paused) {
        imap_op_progress(base);
    }
    op->events.on_body(op, data, len, end, op->ctx);
}

static void fetch_end(struct imap_op *base, struct imap_cmd *cmd,
                      const struct imap_resp *resp, const struct err *err)
{
    (void)cmd;
    (void)resp;
    unpause(FETCH(base));
    if (imap_op_piece_ended(base, err)) {
        imap_op_complete(base);
    }
}

static const struct imap_cmd_type uid_fetch_cmd = {.name = "UID FETCH",
                                                   .order = IMAP_ORDER_UID,
                                                   .context = IMAP_CONTEXT_OTHER,
                                                   .leads = true,
                                                   .on_untagged = fetch_untagged,
                                                   .on_literal = fetch_literal,
                                                   .on_literal_data = fetch_literal_data,
                                                   .on_end = fetch_end};

static const struct imap_cmd_type fetch_cmd = {.name = "FETCH",
                                               .order = IMAP_ORDER_SEQ,
                                               .context = IMAP_CONTEXT_OTHER,
                                               .leads = true,
                                               .on_untagged = fetch_untagged,
                                               .on_literal = fetch_literal,
                                               .on_literal_data = fetch_literal_data,
                                               .on_end = fetch_end};

/* --- what goes out --- */

static void put_sections(struct imap_cmd *cmd, const struct imap_fetch_params *params)
{
    for (size_t i = 0; i < params->section_count; i++) {
        imap_cmd_put(cmd, " BODY.PEEK[");
        imap_cmd_put_section(cmd, params->sections[i]);
        imap_cmd_put(cmd, "]");
        if (params->partial_bytes > 0 && i >= params->whole_sections) {
            imap_cmd_put(cmd, "<");
            imap_cmd_put_u64(cmd, params->partial_offset);
            imap_cmd_put(cmd, ".");
            imap_cmd_put_u64(cmd, params->partial_bytes);
            imap_cmd_put(cmd, ">");
        }
    }
}

/* "n:*" always takes in the last message, also one below n, and Cyrus hides expunges above
 * it from VANISHED: an explicit bound has neither fault. */
static void put_set(struct imap_cmd *cmd, struct str piece, bool by_uid)
{
    bool open_ended = by_uid && str_has_suffix(piece, ":*");
    imap_cmd_put_str(cmd, open_ended ? str_from(piece.ptr, piece.len - 1) : piece);
    if (open_ended) {
        imap_cmd_put_u64(cmd, UINT32_MAX);
    }
}

void imap_cmd_put_items(struct imap_cmd *cmd, uint32_t items)
{
    const char *before = "";
    for (size_t i = 0; i < ARRAY_LEN(items_table); i++) {
        if ((items & items_table[i].item) != 0) {
            imap_cmd_put(cmd, before);
            imap_cmd_put(cmd, items_table[i].name);
            before = " ";
        }
    }
}

static void put_piece(struct imap_op *base, struct imap_cmd *cmd, struct str piece)
{
    const struct imap_fetch *op = FETCH(base);
    imap_cmd_put(cmd, cmd->type->name);
    imap_cmd_put(cmd, " ");
    put_set(cmd, piece, op->params.by_uid);
    imap_cmd_put(cmd, " (");
    imap_cmd_put_items(cmd, op->params.items);
    put_sections(cmd, &op->params);
    imap_cmd_put(cmd, ")");
    if (op->params.changed_since > 0) {
        imap_cmd_put(cmd, " (CHANGEDSINCE ");
        imap_cmd_put_u64(cmd, op->params.changed_since);
        imap_cmd_put(cmd, op->params.vanished ? " VANISHED)" : ")");
    }
}

uint32_t imap_items_available(const struct imap_conn *c, uint32_t items)
{
    const struct imap_selected *selected = imap_conn_selected(c);
    uint32_t have = IMAP_ITEM_UID;
    for (size_t i = 0; i < ARRAY_LEN(items_table); i++) {
        enum imap_cap needs = items_table[i].needs;
        if (needs == 0 || imap_conn_has(c, needs)) {
            have |= items & items_table[i].item;
        }
    }
    if (selected != NULL && selected->no_modseq) {
        have &= ~(uint32_t)IMAP_ITEM_MODSEQ;
    }
    return have;
}

static const char *unsupported(const struct imap_conn *c,
                               const struct imap_fetch_params *params)
{
    const struct imap_selected *selected = imap_conn_selected(c);
    if (params->changed_since > 0 && (!imap_conn_has(c, IMAP_CAP_CONDSTORE) ||
                                      (selected != NULL && selected->no_modseq))) {
        return "the mailbox has no CONDSTORE";
    }
    if (params->vanished && ((c->enabled & IMAP_CAP_QRESYNC) == 0 || !params->by_uid)) {
        return "QRESYNC is not enabled";
    }
    return NULL;
}

static void copy_params(struct imap_fetch *op, const struct imap_fetch_params *params)
{
    struct arena *arena = &op->base.op.arena;
    op->params = *params;
    op->params.set = STR_NULL;
    op->params.items = imap_items_available(op->base.conn, params->items);
    if (params->section_count > 0) {
        struct str *sections = ARENA_ARRAY(arena, struct str, params->section_count);
        for (size_t i = 0; i < params->section_count; i++) {
            sections[i] = arena_str(arena, params->sections[i]);
        }
        op->params.sections = sections;
        op->wanted = IMAP_ITEM_SECTIONS;
    }
    op->wanted |= op->params.items & ~(uint32_t)IMAP_ITEM_UID;
    if (op->wanted == 0) {
        op->wanted = IMAP_ITEM_UID;
    }
}

struct imap_fetch *imap_fetch_start(struct imap_conn *c,
                                    const struct imap_fetch_params *params,
                                    int64_t deadline_ms,
                                    const struct imap_fetch_events *events, void *ctx)
{
    struct imap_fetch *op = imap_op_new(c, &fetch_type, deadline_ms);
    op->events = *events;
    op->ctx = ctx;
    const char *why = unsupported(c, params);
    if (why != NULL) {
        op_fail(&op->base.op, ERR_UNSUPPORTED, "fetch: %s", why);
        return op;
    }
    copy_params(op, params);
    if (params->many) {
        imap_conn_lumps(c, true);
    }
    if (imap_op_set(&op->base, params->set, &op->set)) {
        imap_op_send_pieces(&op->base, &op->set,
                            params->by_uid ? &uid_fetch_cmd : &fetch_cmd, put_piece);
    }
    return op;
}

void imap_fetch_cancel(struct imap_fetch *op)
{
    op_cancel(op != NULL ? &op->base.op : NULL);
}

void imap_fetch_pause(struct imap_fetch *op)
{
    if (op_is_running(&op->base.op) && !op->paused &&
        op->base.conn->state < IMAP_CONN_DEAD) {
        op->paused = true;
        imap_conn_read_pause(op->base.conn);
        imap_op_suspend(&op->base);
    }
}

void imap_fetch_resume(struct imap_fetch *op)
{
    if (op_is_running(&op->base.op) && op->paused) {
        unpause(op);
        imap_op_progress(&op->base);
    }
}
