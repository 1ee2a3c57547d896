/* Bodies that flow: the raw message, or one part with its transfer encoding taken off.
 *
 *   borrow ──► [STRUCTURE, for a part] ──► BODY (streamed) ──► end */
#include "account_call.h"

#include "postrider/mime/mime.h"

#include <stdio.h>

enum {
    PIECE_MAX = 512 * 1024
};

struct account_stream {
    struct op op;
    struct account *a;
    uint32_t box, uid;
    struct str path; /* of the part; absent = the whole message */
    const struct account_stream_events *events;
    void *ctx;
    int64_t deadline_ms; /* for a connection */
    struct account_work *work;
    struct imap_conn *conn;
    struct imap_fetch *fetch;
    bool found, broken, paused;
    bool retried; /* the connection ended before anything came */
    /* of the part */
    struct str content_type;
    char *filename;
    struct mime_decoder *decoder;
    struct buf piece;
};

static struct account_stream *stream_of(struct op *op)
{
    return container_of(op, struct account_stream, op);
}

static void stream_abort(struct op *op)
{
    struct account_stream *s = stream_of(op);
    s->broken = s->fetch != NULL;
    imap_fetch_cancel(s->fetch);
}

static void stream_done(struct op *op)
{
    struct account_stream *s = stream_of(op);
    account_work_end(&s->work, s->broken);
    s->events->on_end(s, &op->err, s->ctx);
}

static void stream_fini(struct op *op)
{
    struct account_stream *s = stream_of(op);
    mime_decoder_free(&s->decoder);
    buf_fini(&s->piece);
}

static const struct op_type stream_type = {"message stream",
                                           sizeof(struct account_stream), stream_abort,
                                           stream_done, stream_fini};

void account_stream_cancel(struct account_stream *s)
{
    if (s != NULL) {
        op_cancel(&s->op);
    }
}

void account_stream_pause(struct account_stream *s)
{
    s->paused = true;
    if (s->fetch != NULL) {
        imap_fetch_pause(s->fetch);
    }
}

void account_stream_resume(struct account_stream *s)
{
    s->paused = false;
    if (s->fetch != NULL) {
        imap_fetch_resume(s->fetch);
    }
}

/* --- another try --- */

static void borrow(struct account_stream *s);

/* Connections end while nobody uses them, which who uses them next finds out. What was
 * given to the user already cannot be taken back. */
static void fail_or_retry(struct account_stream *s, const struct err *err)
{
    if (s->found || s->retried || !account_work_is_stale(err)) {
        op_fail_err(&s->op, err);
        return;
    }
    s->retried = true;
    s->conn = NULL;
    account_work_end_stale(&s->work);
    mime_decoder_free(&s->decoder);
    borrow(s);
}

/* --- the body --- */

static bool on_body_begin(struct imap_fetch *op ATTR_UNUSED,
                          const struct imap_literal *literal, void *ctx)
{
    struct account_stream *s = ctx;
    if (s->found) {
        return true;
    }
    s->found = true;
    bool raw = s->decoder == NULL;
    struct account_stream_info info = {.content_type =
                                           raw ? "message/rfc822" : s->content_type.ptr,
                                       .filename = s->filename,
                                       .size = raw ? (int64_t)literal->size : -1};
    s->events->on_begin(s, &info, s->ctx);
    return true;
}

static void give(struct account_stream *s, struct str data)
{
    if (data.len > 0 && op_is_running(&s->op)) {
        s->events->on_data(s, data, s->ctx);
    }
}

static void on_body(struct imap_fetch *op ATTR_UNUSED, const char *data, size_t len,
                    bool end, void *ctx)
{
    struct account_stream *s = ctx;
    if (!op_is_running(&s->op)) {
        return;
    }
    op_extend(&s->op, CALL_COMMAND_MS);
    if (s->decoder == NULL) {
        give(s, str_from(data, len));
        return;
    }
    buf_clear(&s->piece);
    bool ok = mime_decoder_feed(s->decoder, data, len, &s->piece) &&
              (!end || mime_decoder_end(s->decoder, &s->piece));
    if (!ok) {
        op_fail(&s->op, ERR_LIMIT, "the part decodes to more than fits");
        return;
    }
    give(s, buf_str(&s->piece));
}

/* Small sections come as quoted strings (Yahoo) or NIL: they are in the row. */
static void on_body_row(struct imap_fetch *op, const struct imap_row *row, void *ctx)
{
    struct account_stream *s = ctx;
    if (s->found || row->uid != s->uid || row->section_count == 0) {
        return;
    }
    struct str data = row->sections[0].data;
    struct imap_literal literal = {.size = data.len};
    (void)on_body_begin(op, &literal, s);
    on_body(op, data.ptr != NULL ? data.ptr : "", data.len, true, s);
}

static void on_body_end(struct imap_fetch *op ATTR_UNUSED, const struct err *err,
                        void *ctx)
{
    struct account_stream *s = ctx;
    s->fetch = NULL;
    if (!op_is_running(&s->op)) {
        return;
    }
    if (err->code != ERR_OK) {
        fail_or_retry(s, err);
    } else if (!s->found) {
        op_fail(&s->op, ERR_NO_MESSAGE, "Requested message was not found");
    } else {
        op_complete(&s->op);
    }
}

static void fetch_body(struct account_stream *s)
{
    static const struct imap_fetch_events events = {.on_row = on_body_row,
                                                    .on_body_begin = on_body_begin,
                                                    .on_body = on_body,
                                                    .on_end = on_body_end};
    char uid[16];
    struct str section = s->path.ptr != NULL ? s->path : STR("");
    (void)snprintf(uid, sizeof uid, "%u", s->uid);
    struct imap_fetch_params params = {.by_uid = true,
                                       .set = str_of(uid),
                                       .items = IMAP_ITEM_UID,
                                       .sections = &section,
                                       .section_count = 1};
    s->fetch = imap_fetch_start(s->conn, &params, CALL_COMMAND_MS, &events, s);
    if (s->paused) {
        imap_fetch_pause(s->fetch);
    }
}

/* --- the part's description --- */

static void on_structure_row(struct imap_fetch *op ATTR_UNUSED,
                             const struct imap_row *row, void *ctx)
{
    struct account_stream *s = ctx;
    const struct imap_part *part = render_part_find(row->structure, s->path);
    if (row->uid != s->uid || part == NULL || s->decoder != NULL) {
        return;
    }
    struct arena *arena = &s->op.arena;
    s->content_type = str_of(
        arena_printf(arena, "%.*s/%.*s", STR_ARG(part->type), STR_ARG(part->subtype)));
    struct buf name = BUF_INIT(MIME_FILENAME_MAX * 2);
    if (render_part_filename(part, &name)) {
        s->filename = arena_strdup(arena, buf_c(&name));
    }
    buf_fini(&name);
    s->decoder = mime_decoder_new(part->encoding);
}

static void on_structure(struct imap_fetch *op ATTR_UNUSED, const struct err *err,
                         void *ctx)
{
    struct account_stream *s = ctx;
    s->fetch = NULL;
    if (!op_is_running(&s->op)) {
        return;
    }
    if (err->code != ERR_OK) {
        fail_or_retry(s, err);
    } else if (s->decoder == NULL) {
        op_fail(&s->op, ERR_NO_MESSAGE, "Requested attachment was not found");
    } else {
        fetch_body(s);
    }
}

static void fetch_structure(struct account_stream *s)
{
    static const struct imap_fetch_events events = {.on_row = on_structure_row,
                                                    .on_end = on_structure};
    char uid[16];
    (void)snprintf(uid, sizeof uid, "%u", s->uid);
    struct imap_fetch_params params = {.by_uid = true,
                                       .set = str_of(uid),
                                       .items = IMAP_ITEM_UID | IMAP_ITEM_BODYSTRUCTURE};
    s->fetch = imap_fetch_start(s->conn, &params, CALL_COMMAND_MS, &events, s);
}

static void on_work(struct account_work *w ATTR_UNUSED, const struct err *err,
                    struct imap_conn *conn, void *ctx)
{
    struct account_stream *s = ctx;
    if (err->code != ERR_OK) {
        op_fail_err(&s->op, err);
        return;
    }
    s->conn = conn;
    if (!op_is_running(&s->op)) {
        return;
    }
    if (s->path.ptr != NULL) {
        fetch_structure(s);
    } else {
        fetch_body(s);
    }
}

static void borrow(struct account_stream *s)
{
    s->work =
        account_work_start(s->a, ACCOUNT_LANE_BULK, s->box, s->deadline_ms, on_work, s);
}

static struct account_stream *stream_start(struct account *a, struct str id,
                                           struct str path, int64_t deadline_ms,
                                           const struct account_stream_events *events,
                                           void *ctx)
{
    struct account_stream *s = op_new(a->as->loop, &stream_type, deadline_ms);
    uint32_t number;
    struct mailbox *m = NULL;
    s->a = a;
    s->events = events;
    s->ctx = ctx;
    s->path = arena_str(&s->op.arena, path);
    buf_init(&s->piece, PIECE_MAX);
    if (message_id_parse(id, &number, &s->uid)) {
        m = mailbox_table_by_number(&a->table, number);
    }
    if (m == NULL) {
        op_fail(&s->op, ERR_NO_MESSAGE, "Requested message was not found");
        return s;
    }
    s->box = m->box;
    s->deadline_ms = deadline_ms;
    borrow(s);
    return s;
}

struct account_stream *account_source_start(struct account *a, struct str id,
                                            int64_t deadline_ms,
                                            const struct account_stream_events *events,
                                            void *ctx)
{
    return stream_start(a, id, STR_NULL, deadline_ms, events, ctx);
}

struct account_stream *
account_attachment_start(struct account *a, struct str attachment_id, int64_t deadline_ms,
                         const struct account_stream_events *events, void *ctx)
{
    struct arena arena = {0};
    struct str id = STR(""), path = STR("");
    (void)render_part_id_parse(&arena, attachment_id, &id, &path);
    struct account_stream *s = stream_start(a, id, path, deadline_ms, events, ctx);
    arena_fini(&arena);
    return s;
}
