/* One message: details from ENVELOPE, BODYSTRUCTURE and the header, texts from their parts. */
#include "account_call.h"
#include "account_report.h"
#include "account_row.h"
#include "account_safe.h"
#include "account_sections.h"
#include "account_texts.h"

#include <stdio.h>

enum {
    GUESS_BYTES = 32 * 1024
};

struct getting {
    bool headers; /* the answer is a whole message */
    bool mark_seen;
    bool web_safe, fold_quotes; /* the HTML is made safe to show */
    bool embed;
    struct account_images *images; /* NULL: none to put in */
    json_t *message;
    struct account_texts texts;
    /* what the id of a text says where its parts are: they come with the structure */
    struct str asked[ACCOUNT_SECTIONS_MAX + 1];
    size_t asked_count;
    size_t asked_bytes; /* of each part */
    bool guesses;   /* the structure is not known: the usual parts come along with it */
    bool unguessed; /* that was refused: asked again without */
    bool taken;
    struct account_report report;
    struct buf *flowing; /* what comes goes here */
    uint64_t own;        /* what its thread was asked by, or is kept with; 0 = not yet */
    uint64_t thread;     /* what the store knows; 0 = nothing */
};

static void getting_fini(struct account_call *c)
{
    struct getting *g = c->detail;
    account_texts_fini(&g->texts);
    account_report_fini(&g->report);
    json_decref(g->message);
    account_images_free(&g->images);
}

/* --- the answer --- */

static void answer_message(struct account_call *c)
{
    struct getting *g = c->detail;
    bool told = json_object_get(g->message, "threadId") != NULL; /* by the server */
    if (!told && g->thread != 0) {
        account_thread_put(g->message, &g->thread, 1);
    }
    call_complete(c, json_incref(g->message));
}

static void on_told(struct account_call *c, const uint64_t *threads, size_t count)
{
    struct getting *g = c->detail;
    if (count > 0) {
        g->thread = threads[0];
        account_row_keep_thread(c, c->number, c->uid, g->own, g->thread);
    }
}

static void answer(struct account_call *c, struct str made)
{
    struct getting *g = c->detail;
    if (!g->headers) {
        call_complete(c, account_texts_json(&g->texts, made, g->web_safe));
        return;
    }
    if (g->texts.part_count > 0) {
        json_t *text = json_object_get(g->message, "text");
        json_t *decoded = account_texts_json(&g->texts, made, g->web_safe);
        json_object_update(text, decoded);
        json_decref(decoded);
    }
    struct thread_query query;
    if (g->own == 0 &&
        account_thread_query_json(c->a, g->message, &c->op.arena, &query)) {
        g->own = query.own;
        (void)call_ask_thread(c, &query);
    }
    call_await_threads(c, on_told, answer_message);
}

static void getting_complete(struct account_call *c)
{
    struct getting *g = c->detail;
    if (g->texts.part_count == 0 || (!g->web_safe && g->images == NULL)) {
        answer(c, STR_NULL);
        return;
    }
    const struct account_safe_params params = {.plain = buf_str(&g->texts.plain),
                                               .html = account_texts_has(&g->texts, true)
                                                           ? str_of(buf_c(&g->texts.html))
                                                           : STR_NULL,
                                               .fold_quotes = g->fold_quotes,
                                               .only_embed = !g->web_safe,
                                               .images = g->images};
    g->images = NULL;
    account_safe_start(c, &params, answer);
}

/* --- commands --- */

static struct buf *body_of_text(struct getting *g, struct str path)
{
    return account_texts_body(&g->texts, path);
}

/* Or of the report. */
static struct buf *body_of_image(struct getting *g, struct str path)
{
    bool is_report = g->report.path.ptr != NULL && str_eq(g->report.path, path);
    if (is_report) {
        return &g->report.body;
    }
    return g->images != NULL ? account_images_body(g->images, path) : NULL;
}

typedef struct buf *body_of_fn(struct getting *g, struct str path);

/* What did not flow. */
static void take_row(struct account_call *c, const struct imap_row *row,
                     body_of_fn *body_of)
{
    for (size_t i = 0; row->uid == c->uid && i < row->section_count; i++) {
        const struct imap_section *section = &row->sections[i];
        struct buf *body = body_of(c->detail, section->name);
        if (body != NULL && section->data.ptr != NULL) {
            buf_clear(body);
            buf_put_str(body, section->data);
        }
    }
}

static bool flow_begins(struct account_call *c, struct buf *body)
{
    struct getting *g = c->detail;
    g->flowing = body;
    if (body != NULL) {
        buf_clear(body);
    }
    return true;
}

static void on_flow(struct imap_fetch *op ATTR_UNUSED, const char *data, size_t len,
                    bool end ATTR_UNUSED, void *ctx)
{
    struct account_call *c = ctx;
    struct getting *g = c->detail;
    if (g->flowing != NULL) {
        buf_put(g->flowing, data, len); /* more than was asked for goes */
    }
}

static bool on_text_begin(struct imap_fetch *op ATTR_UNUSED,
                          const struct imap_literal *literal, void *ctx)
{
    struct account_call *c = ctx;
    return flow_begins(c, body_of_text(c->detail, literal->section));
}

static void on_text_row(struct imap_fetch *op ATTR_UNUSED, const struct imap_row *row,
                        void *ctx)
{
    take_row(ctx, row, body_of_text);
}

static bool on_image_begin(struct imap_fetch *op ATTR_UNUSED,
                           const struct imap_literal *literal, void *ctx)
{
    struct account_call *c = ctx;
    return flow_begins(c, body_of_image(c->detail, literal->section));
}

static void on_image_row(struct imap_fetch *op ATTR_UNUSED, const struct imap_row *row,
                         void *ctx)
{
    take_row(ctx, row, body_of_image);
}

static void on_marked(struct imap_store *op ATTR_UNUSED,
                      const struct err *err ATTR_UNUSED, void *ctx)
{
    struct account_call *c = ctx;
    c->store = NULL;
    /* Reading succeeded; a mailbox that refuses the flag changes nothing of that. */
    if (op_is_running(&c->op)) {
        getting_complete(c);
    }
}

static void mark_or_complete(struct account_call *c)
{
    struct getting *g = c->detail;
    if (!g->mark_seen) {
        getting_complete(c);
        return;
    }
    char uid[16];
    (void)snprintf(uid, sizeof uid, "%u", c->uid);
    struct imap_store_params params = {.uid_set = str_of(uid),
                                       .mode = IMAP_STORE_ADD,
                                       .flags = {.system = IMAP_FLAG_SEEN}};
    c->store = imap_store_start(c->conn, &params, CALL_COMMAND_MS, on_marked, c);
}

static void on_images(struct imap_fetch *op ATTR_UNUSED, const struct err *err, void *ctx)
{
    struct account_call *c = ctx;
    c->fetch = NULL;
    if (op_is_running(&c->op) && call_goes_on_past_no(c, err)) {
        struct getting *g = c->detail;
        if (g->report.path.ptr != NULL) {
            account_report_put(&g->report, g->message);
        }
        mark_or_complete(c);
    }
}

/* The texts are there: their images and the report, then what is left. */
static void fetch_images(struct account_call *c)
{
    static const struct imap_fetch_events events = {.on_row = on_image_row,
                                                    .on_body_begin = on_image_begin,
                                                    .on_body = on_flow,
                                                    .on_end = on_images};
    struct getting *g = c->detail;
    struct str paths[ACCOUNT_IMAGES_MAX + 1];
    size_t count = g->images != NULL
                       ? account_images_named(g->images, buf_str(&g->texts.html), paths)
                       : 0;
    if (count == 0) {
        account_images_free(&g->images);
    }
    if (g->report.path.ptr != NULL) {
        paths[count++] = g->report.path;
    }
    if (count == 0) {
        mark_or_complete(c);
        return;
    }
    char uid[16];
    (void)snprintf(uid, sizeof uid, "%u", c->uid);
    struct imap_fetch_params params = {.by_uid = true,
                                       .set = str_of(uid),
                                       .items = IMAP_ITEM_UID,
                                       .sections = paths,
                                       .section_count = count,
                                       .partial_bytes = ACCOUNT_IMAGE_BYTES};
    c->fetch = imap_fetch_start(c->conn, &params, CALL_COMMAND_MS, &events, c);
}

static void on_texts(struct imap_fetch *op ATTR_UNUSED, const struct err *err, void *ctx)
{
    struct account_call *c = ctx;
    c->fetch = NULL;
    if (!op_is_running(&c->op)) {
        return;
    }
    if (err->code != ERR_OK) {
        call_fail_err(c, err);
        return;
    }
    account_texts_take(&((struct getting *)c->detail)->texts);
    fetch_images(c);
}

static void fetch_texts(struct account_call *c)
{
    static const struct imap_fetch_events events = {.on_row = on_text_row,
                                                    .on_body_begin = on_text_begin,
                                                    .on_body = on_flow,
                                                    .on_end = on_texts};
    const struct account_texts *texts = &((struct getting *)c->detail)->texts;
    char uid[16];
    struct str *names = ARENA_ARRAY(&c->op.arena, struct str, texts->part_count);
    for (size_t i = 0; i < texts->part_count; i++) {
        names[i] = texts->parts[i].path;
    }
    (void)snprintf(uid, sizeof uid, "%u", c->uid);
    struct imap_fetch_params params = {.by_uid = true,
                                       .set = str_of(uid),
                                       .items = IMAP_ITEM_UID,
                                       .sections = names,
                                       .section_count = texts->part_count,
                                       .partial_bytes = account_texts_bytes(texts)};
    c->fetch = imap_fetch_start(c->conn, &params, CALL_COMMAND_MS, &events, c);
}

static void on_message_row(struct imap_fetch *op ATTR_UNUSED, const struct imap_row *row,
                           void *ctx)
{
    struct account_call *c = ctx;
    struct getting *g = c->detail;
    const struct mailbox *m = mailbox_table_by_box(&c->a->table, c->box);
    if (m == NULL || row->uid != c->uid || g->message != NULL ||
        (row->has & (IMAP_ITEM_BODYSTRUCTURE | IMAP_ITEM_SIZE)) == 0) {
        return;
    }
    c->a->no_guesses = c->a->no_guesses || g->unguessed;
    g->message = g->headers ? render_message(m, row) : json_object();
    const struct imap_section *header = account_section_find(row, STR("HEADER"));
    if (g->headers && header != NULL && header->data.ptr != NULL) {
        render_headers(g->message, header->data);
    }
    const char *use = render_special_use(m);
    json_put_cstr(g->message, "specialUse", use);
    if (g->headers && row->structure != NULL) {
        account_report_find(&g->report, &c->op.arena, row->structure);
    }
    if (g->texts.type != ACCOUNT_TEXT_NONE && row->structure != NULL) {
        account_texts_find(&g->texts, &c->op.arena, row->structure);
        g->images = g->embed ? account_images_find(row->structure) : NULL;
        g->taken = g->asked_count > 0 &&
                   account_texts_take_row(&g->texts, row, g->asked_bytes, g->guesses);
    }
}

/* Servers may refuse sections that a message does not have, although they should say NIL. */
static bool is_refusal(const struct err *err)
{
    return err->code == ERR_NO || err->code == ERR_BAD;
}

static void fetch_message(struct account_call *c);

static void on_message(struct imap_fetch *op ATTR_UNUSED, const struct err *err,
                       void *ctx)
{
    struct account_call *c = ctx;
    struct getting *g = c->detail;
    c->fetch = NULL;
    if (!op_is_running(&c->op)) {
        return;
    }
    if (g->guesses && g->message == NULL && is_refusal(err)) {
        g->unguessed = true;
        fetch_message(c);
    } else if (err->code != ERR_OK && err->code != ERR_NO) {
        call_fail_err(c, err);
    } else if (g->message == NULL) {
        c->refused_no = err->code == ERR_NO;
        call_fail(c, ERR_NO_MESSAGE, "Requested message was not found");
    } else if (g->texts.part_count > 0 && !g->taken) {
        fetch_texts(c);
    } else {
        fetch_images(c);
    }
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static void fetch_message(struct account_call *c)
{
    static const struct imap_fetch_events events = {.on_row = on_message_row,
                                                    .on_end = on_message};
    struct getting *g = c->detail;
    char uid[16];
    enum account_text_type type = g->texts.type;
    if (g->headers) {
        g->guesses = type != ACCOUNT_TEXT_NONE && !c->a->no_guesses && !g->unguessed;
        g->asked[0] = STR("HEADER");
        g->asked_count =
            1 + (g->guesses ? account_sections_usual(type, g->asked + 1) : 0);
    }
    g->asked_bytes =
        least(account_texts_bytes(&g->texts), g->guesses ? GUESS_BYTES : SIZE_MAX);
    json_decref(g->message);
    g->message = NULL;
    account_report_fini(&g->report);
    account_images_free(&g->images);
    account_texts_clear(&g->texts);
    g->taken = false;
    (void)snprintf(uid, sizeof uid, "%u", c->uid);
    struct imap_fetch_params params = {
        .by_uid = true,
        .set = str_of(uid),
        .items = IMAP_ITEM_UID | IMAP_ITEM_FLAGS | IMAP_ITEM_INTERNALDATE |
                 IMAP_ITEM_SIZE | IMAP_ITEM_ENVELOPE | IMAP_ITEM_BODYSTRUCTURE |
                 IMAP_ITEM_EMAILID | IMAP_ITEM_THREADID | IMAP_ITEM_GM_MSGID |
                 IMAP_ITEM_GM_THRID | IMAP_ITEM_GM_LABELS |
                 (g->headers ? IMAP_ITEM_PREVIEW : 0),
        .sections = g->asked,
        .section_count = g->asked_count,
        .whole_sections = g->headers ? 1 : 0,
        .partial_bytes = g->asked_bytes};
    c->fetch = imap_fetch_start(c->conn, &params, CALL_COMMAND_MS, &events, c);
}

/* Who opens a message has seen it in a listing, as a rule. */
static void ask_thread_ahead(struct account_call *c)
{
    struct getting *g = c->detail;
    const struct kept_row *kept = account_row_kept(c->a, c->number, c->uid);
    if (kept == NULL || kept->query.own == 0) {
        call_expect_threads(c, 1);
        return;
    }
    g->own = kept->query.own;
    if (account_row_has_thread(c->a, kept)) {
        g->thread = kept->thread;
    } else {
        (void)call_ask_thread(c, &kept->query);
    }
}

static struct account_call *getting_start(struct account *a, struct str id,
                                          struct getting how, int64_t deadline_ms,
                                          account_call_cb *cb, void *ctx)
{
    struct account_call *c = call_new(a, "get message", deadline_ms, cb, ctx);
    struct getting *g = ARENA_NEW(&c->op.arena, struct getting);
    *g = how;
    account_texts_init(&g->texts);
    c->detail = g;
    c->fini = getting_fini;
    c->reads = true;
    if (call_find_message(c, id)) {
        if (g->headers) {
            ask_thread_ahead(c);
        }
        call_borrow(c, ACCOUNT_LANE_INTERACTIVE, fetch_message);
    }
    return c;
}

struct account_call *account_message_get_start(struct account *a,
                                               const struct account_get_params *params,
                                               int64_t deadline_ms, account_call_cb *cb,
                                               void *ctx)
{
    struct getting how = {.texts = {.type = params->text, .max_bytes = params->max_bytes},
                          .headers = true,
                          .mark_seen = params->mark_seen,
                          .web_safe = params->web_safe || params->fold_quotes,
                          .fold_quotes = params->fold_quotes,
                          .embed = params->embed_images};
    return getting_start(a, params->id, how, deadline_ms, cb, ctx);
}

struct account_call *account_text_get_start(struct account *a,
                                            const struct account_get_params *params,
                                            int64_t deadline_ms, account_call_cb *cb,
                                            void *ctx)
{
    bool all = params->text == ACCOUNT_TEXT_NONE;
    struct getting how = {.texts = {.type = all ? ACCOUNT_TEXT_ALL : params->text,
                                    .max_bytes = params->max_bytes},
                          .web_safe = params->web_safe || params->fold_quotes,
                          .fold_quotes = params->fold_quotes,
                          .embed = params->embed_images};
    struct arena arena = {0};
    struct str id = STR(""), rest = STR("");
    (void)render_part_id_parse(&arena, params->id, &id, &rest);
    struct account_call *c = getting_start(a, id, how, deadline_ms, cb, ctx);
    struct getting *g = c->detail;
    g->asked_count = account_sections_named(&c->op.arena, rest, g->texts.type, g->asked);
    arena_fini(&arena);
    return c;
}
