/* Bodies that flow: the raw message, or one part with its transfer encoding taken off.
 *
 *   borrow ──► [STRUCTURE or SIZE] ──► [MEASURE] ──► BODY ──► end
 *
 * All is fetched in pieces, and the connection is given back between them, so that many slow
 * clients share few connections. A piece is always taken whole, however slow the client is:
 * its buffer has room for one. The size of a raw message that is more than a piece is not
 * told: servers err in RFC822.SIZE. MEASURE reads an encoded part without giving it to anyone,
 * since a range needs to know the decoded size. */
#include "account_call.h"
#include "account_measure.h"

#include "postrider/mime/mime.h"

#include <stdio.h>

enum {
    DECODED_MAX = 512 * 1024,
    /* Larger ones are hardly faster, but make others wait longer for the server. */
    PIECE_BYTES = 256 * 1024
};

enum stream_state {
    STREAM_ASK, /* what it is, and how large */
    STREAM_MEASURE,
    STREAM_BODY
};

struct account_stream {
    struct op op;
    enum stream_state state;
    struct account *a;
    uint32_t box, number, uid;
    struct str path; /* of the part; absent = the whole message */
    bool has_range;
    struct account_range range;
    const struct account_stream_events *events;
    void *ctx;
    struct account_work *work;
    struct imap_conn *conn;
    struct imap_fetch *fetch;
    bool begun, broken, paused;
    bool found;   /* something of what was asked for last came */
    bool retried; /* a connection ended before anything of it came */
    /* of the part */
    bool known; /* the answer of STREAM_ASK came */
    struct str content_type, encoding;
    char *filename;
    uint64_t encoded; /* bytes on the server, as it says */
    struct mime_decoder *decoder;
    struct buf piece;
    struct account_measuring measuring;
    uint64_t measured;
    /* the piece on its way */
    uint64_t at, got;
    bool was_paused;
    enum account_lane lane;
    struct list waiting; /* for the consumer, without a connection: in a->streams */
    /* decoded bytes */
    uint64_t skip, left; /* left: UINT64_MAX = all there are */
};

static struct account_stream *stream_of(struct op *op)
{
    return container_of(op, struct account_stream, op);
}

static void stream_abort(struct op *op)
{
    struct account_stream *s = stream_of(op);
    s->broken = s->fetch != NULL;
    list_remove(&s->waiting);
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

/* While an answer is on its way. */
static void fail_now(struct account_stream *s, enum err_code code, const char *why)
{
    stream_abort(&s->op);
    op_fail(&s->op, code, "%s", why);
}

/* --- the pace --- */

static void stream_borrow(struct account_stream *s);

void account_stream_pause(struct account_stream *s)
{
    s->paused = s->was_paused = true;
}

void account_stream_resume(struct account_stream *s)
{
    s->paused = false;
    if (!list_is_empty(&s->waiting)) {
        list_remove(&s->waiting);
        stream_borrow(s);
    }
}

/* Those with a connection end with it. */
void account_streams_end(struct account *a, const struct err *why)
{
    struct list *node;
    while ((node = list_pop(&a->streams)) != NULL) {
        op_fail_err(&container_of(node, struct account_stream, waiting)->op, why);
    }
}

/* --- another try --- */

/* Connections end while nobody uses them, which who uses them next finds out. What was
 * given to the user already cannot be taken back. */
static void fail_or_retry(struct account_stream *s, const struct err *err)
{
    if (s->got > 0 || s->retried || s->work == NULL || !account_work_is_stale(err)) {
        op_fail_err(&s->op, err);
        return;
    }
    s->retried = true;
    account_work_end_stale(&s->work);
    stream_borrow(s);
}

/* --- what is given to the consumer --- */

static bool is_identity(struct str encoding)
{
    return encoding.len == 0 || str_ieq_c(encoding, "7bit") ||
           str_ieq_c(encoding, "8bit") || str_ieq_c(encoding, "binary");
}

static void begin(struct account_stream *s, struct account_stream_info info)
{
    bool raw = s->path.ptr == NULL;
    s->begun = true;
    info.content_type = raw ? "message/rfc822" : s->content_type.ptr;
    info.filename = s->filename;
    s->events->on_begin(s, &info, s->ctx);
}

static void give(struct account_stream *s, struct str data)
{
    if (s->skip > 0) {
        size_t n = s->skip < data.len ? (size_t)s->skip : data.len;
        s->skip -= n;
        data = str_tail(data, n);
    }
    if (data.len > s->left) {
        data.len = (size_t)s->left;
    }
    if (data.len > 0 && op_is_running(&s->op)) {
        s->left -= s->left != UINT64_MAX ? data.len : 0;
        s->events->on_data(s, data, s->ctx);
    }
}

static void take_decoded(struct account_stream *s, bool ok)
{
    if (!ok) {
        fail_now(s, ERR_LIMIT, "the part decodes to more than fits");
    } else if (s->state == STREAM_MEASURE) {
        s->measured += s->piece.len;
    } else {
        give(s, buf_str(&s->piece));
    }
}

static void take_bytes(struct account_stream *s, struct str data)
{
    if (s->path.ptr == NULL) {
        give(s, data);
        return;
    }
    buf_clear(&s->piece);
    if (s->state == STREAM_MEASURE) {
        account_measuring_feed(&s->measuring, data);
    }
    take_decoded(s, mime_decoder_feed(s->decoder, data.ptr, data.len, &s->piece));
}

static void take_end(struct account_stream *s)
{
    if (s->decoder != NULL) {
        buf_clear(&s->piece);
        take_decoded(s, mime_decoder_end(s->decoder, &s->piece));
    }
}

/* --- the pieces --- */

static bool on_body_begin(struct imap_fetch *op ATTR_UNUSED,
                          const struct imap_literal *literal, void *ctx)
{
    struct account_stream *s = ctx;
    s->found = true;
    /* Servers that do not know of partial FETCH give everything each time (RFC 9051 §7.5.2:
     * what is part of it says where it begins). */
    if (literal->size > 0 && literal->origin != s->at && op_is_running(&s->op)) {
        fail_now(s, ERR_PROTOCOL, "the server gave another piece than was asked for");
    }
    if (!s->begun && s->state == STREAM_BODY && op_is_running(&s->op)) {
        bool is_all = s->path.ptr == NULL && literal->size != PIECE_BYTES;
        begin(s,
              (struct account_stream_info){.size = is_all ? (int64_t)literal->size : -1});
    }
    return true;
}

static void on_body(struct imap_fetch *op ATTR_UNUSED, const char *data, size_t len,
                    bool end ATTR_UNUSED, void *ctx)
{
    struct account_stream *s = ctx;
    if (op_is_running(&s->op) && len > 0) {
        op_extend(&s->op, CALL_COMMAND_MS);
        s->got += len;
        take_bytes(s, str_from(data, len));
    }
}

/* Small sections come as quoted strings (Yahoo) or NIL: they are in the row. */
static void on_body_row(struct imap_fetch *op, const struct imap_row *row, void *ctx)
{
    struct account_stream *s = ctx;
    if (s->found || row->uid != s->uid || row->section_count == 0) {
        return;
    }
    struct str data = row->sections[0].data;
    struct imap_literal literal = {.size = data.len, .origin = row->sections[0].origin};
    (void)on_body_begin(op, &literal, s);
    on_body(op, data.ptr != NULL ? data.ptr : "", data.len, true, s);
}

static void measure_end(struct account_stream *s)
{
    const struct account_measure m = {.bytes = s->measured,
                                      .line = str_ieq_c(s->encoding, "base64")
                                                  ? account_measuring_line(&s->measuring)
                                                  : 0};
    account_measures_put(&s->a->measures, s->number, s->uid, s->path, &m);
    mime_decoder_free(&s->decoder);
    s->state = STREAM_ASK;
}

static void next_piece(struct account_stream *s)
{
    s->lane = s->was_paused ? ACCOUNT_LANE_SLOW : ACCOUNT_LANE_BULK;
    if (s->paused) {
        list_append(&s->a->streams, &s->waiting);
        account_work_end(&s->work, false);
    } else {
        stream_borrow(s);
    }
}

static void piece_end(struct account_stream *s)
{
    /* A server that does not know of partial FETCH gives everything. */
    bool ended = s->got != PIECE_BYTES;
    if (s->got > PIECE_BYTES && s->at > 0) {
        op_fail(&s->op, ERR_PROTOCOL,
                "the server gave more of a part than was asked for");
        return;
    }
    s->at += s->got;
    s->retried = false;
    if (ended) {
        take_end(s);
    }
    if (!op_is_running(&s->op)) {
        return;
    }
    if (ended && s->state == STREAM_MEASURE) {
        measure_end(s);
        stream_borrow(s);
        return;
    }
    if (s->left == 0 || (ended && s->left == UINT64_MAX)) {
        op_complete(&s->op);
        return;
    }
    if (ended) {
        op_fail(&s->op, ERR_PROTOCOL, "the server has less of the message than it said");
    } else {
        next_piece(s);
    }
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
        piece_end(s);
    }
}

static void fetch_piece(struct account_stream *s)
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
                                       .section_count = 1,
                                       .partial_offset = s->at,
                                       .partial_bytes = PIECE_BYTES};
    s->found = false;
    s->got = 0;
    s->was_paused = false;
    s->fetch = imap_fetch_start(s->conn, &params, CALL_COMMAND_MS, &events, s);
}

/* --- ranges --- */

/* Of so many bytes: what is wanted of them. False: nothing. */
static bool resolve(const struct account_range *range, uint64_t total, uint64_t *first,
                    uint64_t *count)
{
    uint64_t last = (uint64_t)range->last;
    if (range->first < 0) {
        *count = last < total ? last : total;
        *first = total - *count;
        return *count > 0;
    }
    *first = (uint64_t)range->first;
    if (*first >= total) {
        return false;
    }
    *count = (last < total - 1 ? last : total - 1) - *first + 1;
    return true;
}

/* m: NULL = the bytes are on the server as they are. */
static void begin_range(struct account_stream *s, uint64_t total,
                        const struct account_measure *m)
{
    uint64_t first, count;
    if (!resolve(&s->range, total, &first, &count)) {
        begin(s, (struct account_stream_info){.unsatisfiable = true,
                                              .total = (int64_t)total});
        op_complete(&s->op);
        return;
    }
    s->left = count;
    s->at = first;
    if (m != NULL) {
        s->at = m->line > 0 ? account_measure_seek(m, first, &s->skip) : 0;
        s->skip = m->line > 0 ? s->skip : first;
    }
    begin(s, (struct account_stream_info){.size = (int64_t)count,
                                          .partial = true,
                                          .first = (int64_t)first,
                                          .total = (int64_t)total});
}

/* All that is to be known before the body is known, except perhaps the decoded size. */
static void body_or_measure(struct account_stream *s)
{
    bool identity = s->path.ptr == NULL || is_identity(s->encoding);
    const struct account_measure *m =
        identity ? NULL
                 : account_measures_get(s->a->measures, s->number, s->uid, s->path);
    s->at = 0;
    if (s->path.ptr != NULL) {
        s->decoder = mime_decoder_new(s->encoding);
    }
    if (s->has_range && !identity && m == NULL) {
        s->state = STREAM_MEASURE;
        fetch_piece(s);
        return;
    }
    s->state = STREAM_BODY;
    if (s->has_range) {
        begin_range(s, m != NULL ? m->bytes : s->encoded, m);
    }
    if (op_is_running(&s->op)) {
        fetch_piece(s);
    }
}

/* --- what it is --- */

static void on_ask_row(struct imap_fetch *op ATTR_UNUSED, const struct imap_row *row,
                       void *ctx)
{
    struct account_stream *s = ctx;
    if (row->uid != s->uid || s->known) {
        return;
    }
    if (s->path.ptr == NULL) {
        s->known = (row->has & IMAP_ITEM_SIZE) != 0;
        s->encoded = row->size;
        return;
    }
    const struct imap_part *part = render_part_find(row->structure, s->path);
    if (part == NULL) {
        return;
    }
    struct arena *arena = &s->op.arena;
    s->known = true;
    s->encoded = part->size;
    s->encoding = arena_str(arena, part->encoding);
    s->content_type = str_of(
        arena_printf(arena, "%.*s/%.*s", STR_ARG(part->type), STR_ARG(part->subtype)));
    struct buf name = BUF_INIT(MIME_FILENAME_MAX * 2);
    if (render_part_filename(part, &name)) {
        s->filename = arena_strdup(arena, buf_c(&name));
    }
    buf_fini(&name);
}

static void on_asked(struct imap_fetch *op ATTR_UNUSED, const struct err *err, void *ctx)
{
    struct account_stream *s = ctx;
    s->fetch = NULL;
    if (!op_is_running(&s->op)) {
        return;
    }
    if (err->code != ERR_OK) {
        fail_or_retry(s, err);
    } else if (!s->known) {
        op_fail(&s->op, ERR_NO_MESSAGE,
                s->path.ptr != NULL ? "Requested attachment was not found"
                                    : "Requested message was not found");
    } else {
        body_or_measure(s);
    }
}

static void ask(struct account_stream *s)
{
    static const struct imap_fetch_events events = {.on_row = on_ask_row,
                                                    .on_end = on_asked};
    char uid[16];
    (void)snprintf(uid, sizeof uid, "%u", s->uid);
    struct imap_fetch_params params = {
        .by_uid = true,
        .set = str_of(uid),
        .items = IMAP_ITEM_UID |
                 (s->path.ptr != NULL ? IMAP_ITEM_BODYSTRUCTURE : IMAP_ITEM_SIZE)};
    s->fetch = imap_fetch_start(s->conn, &params, CALL_COMMAND_MS, &events, s);
}

static void stream_go(struct account_stream *s)
{
    if (s->state != STREAM_ASK) {
        fetch_piece(s);
    } else if (s->known) {
        body_or_measure(s);
    } else if (s->path.ptr == NULL && !s->has_range) {
        s->state = STREAM_BODY;
        fetch_piece(s);
    } else {
        ask(s);
    }
}

/* --- connections --- */

static void on_work(struct account_work *w ATTR_UNUSED, const struct err *err,
                    struct imap_conn *conn, void *ctx)
{
    struct account_stream *s = ctx;
    const struct mailbox *m = mailbox_table_by_box(&s->a->table, s->box);
    if (err->code != ERR_OK) {
        op_fail_err(&s->op, err);
        return;
    }
    s->conn = conn;
    if (!op_is_running(&s->op)) {
        return;
    }
    /* A mailbox gets a new number when its UIDs change their meaning. */
    if (m == NULL || m->number != s->number) {
        op_fail(&s->op, ERR_NO_MESSAGE, "Requested message was not found");
        return;
    }
    stream_go(s);
}

/* Others may have waited for the connection. */
static void stream_borrow(struct account_stream *s)
{
    account_work_end(&s->work, false);
    s->conn = NULL;
    op_extend(&s->op, CALL_COMMAND_MS);
    s->work = account_work_start(s->a, s->lane, s->box, CALL_COMMAND_MS, on_work, s);
}

static struct account_stream *
stream_start(struct account *a, struct str id, struct str path,
             const struct account_range *range, int64_t deadline_ms,
             const struct account_stream_events *events, void *ctx)
{
    struct account_stream *s = op_new(a->as->loop, &stream_type, deadline_ms);
    struct mailbox *m = NULL;
    s->a = a;
    list_init(&s->waiting);
    s->events = events;
    s->ctx = ctx;
    s->path = arena_str(&s->op.arena, path);
    s->has_range = range != NULL;
    s->range = range != NULL ? *range : (struct account_range){0};
    s->lane = ACCOUNT_LANE_BULK;
    s->left = UINT64_MAX;
    buf_init(&s->piece, DECODED_MAX);
    if (message_id_parse(id, &s->number, &s->uid)) {
        m = mailbox_table_by_number(&a->table, s->number);
    }
    if (m == NULL) {
        op_fail(&s->op, ERR_NO_MESSAGE, "Requested message was not found");
        return s;
    }
    s->box = m->box;
    s->work = account_work_start(a, s->lane, s->box, deadline_ms, on_work, s);
    return s;
}

struct account_stream *account_source_start(struct account *a, struct str id,
                                            const struct account_range *range,
                                            int64_t deadline_ms,
                                            const struct account_stream_events *events,
                                            void *ctx)
{
    return stream_start(a, id, STR_NULL, range, deadline_ms, events, ctx);
}

struct account_stream *
account_attachment_start(struct account *a, struct str attachment_id,
                         const struct account_range *range, int64_t deadline_ms,
                         const struct account_stream_events *events, void *ctx)
{
    struct arena arena = {0};
    struct str id = STR(""), path = STR("");
    (void)render_part_id_parse(&arena, attachment_id, &id, &path);
    struct account_stream *s = stream_start(a, id, path, range, deadline_ms, events, ctx);
    arena_fini(&arena);
    return s;
}
