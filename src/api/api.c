/* api: the way of a call from the request line to its handler.
 *
 *   headers in ─ no route ─► 404 / 405
 *        │
 *     AUTH ─ port says no ─► 401 / 403 / 429
 *        │   (public rows skip it)
 *     BODY ─ too large ─► 413; too many large ones ─► 503; not valid ─► 400
 *        │
 *     HANDLER ─ overdue ─► on_cancel, 504
 *        │
 *     REPLIED or STREAM
 *
 * From every state the client's leaving goes to GONE; on_cancel runs in HANDLER and
 * STREAM. */
#include "postrider/api/api.h"

#include "api_priv.h"
#include "postrider/base/check.h"
#include "postrider/base/mem.h"

enum {
    ALLOW_MAX = 128,
    IGNORED_BODY_MAX = 64 * 1024 /* of rows that take no body */
};

static struct api_call_frame *frame_of(const struct httpd_req *req)
{
    return httpd_req_user(req);
}

/* --- ends --- */

/* The port's callback still comes; it will find no call. */
static void drop_auth(struct api_call_frame *frame)
{
    if (frame->wait != NULL) {
        const struct api_auth_port *port = &frame->call.api->config.auth;
        frame->wait->frame = NULL;
        port->cancel(port->ctx, frame->wait->handle);
        frame->wait = NULL;
    }
}

static void cancel_handler(struct api_call_frame *frame)
{
    bool is_running = frame->state == API_CALL_HANDLER || frame->state == API_CALL_STREAM;
    frame->state = API_CALL_GONE;
    frame->large_since_ms = loop_now_ms(frame->call.api->loop);
    timer_stop(&frame->overdue);
    if (is_running && frame->call.on_cancel != NULL) {
        frame->call.on_cancel(&frame->call);
    }
}

static void on_overdue(struct timer *t)
{
    static const struct err late = {.code = ERR_TIMEOUT,
                                    .msg = "The operation did not finish in time"};
    struct api_call_frame *frame = container_of(t, struct api_call_frame, overdue);
    struct httpd_req *req = frame->call.req;
    cancel_handler(frame);
    api_reply_error_plain(req, &late, NULL, NULL);
}

static void on_closed(struct httpd_req *req, void *ctx ATTR_UNUSED)
{
    struct api_call_frame *frame = frame_of(req);
    if (frame != NULL) {
        drop_auth(frame);
        cancel_handler(frame);
    }
}

static void on_end(struct httpd_req *req, void *ctx ATTR_UNUSED)
{
    struct api_call_frame *frame = frame_of(req);
    if (frame == NULL) {
        return;
    }
    drop_auth(frame);
    timer_stop(&frame->overdue);
    if (frame->call.on_end != NULL) {
        frame->call.on_end(&frame->call);
    }
    api_large_release(frame);
    json_decref(frame->call.params);
    json_decref(frame->call.query);
    json_decref(frame->call.body);
    frame->call.magic = 0;
}

/* --- the handler's turn --- */

static void run_handler(struct api_call_frame *frame)
{
    const struct api_route *route = frame->entry->route;
    if (!api_input_read(frame)) {
        return;
    }
    frame->state = API_CALL_HANDLER;
    if ((route->flags & API_NO_DEADLINE) == 0) {
        timer_set(frame->call.api->loop, &frame->overdue,
                  frame->call.timeout_ms + API_GRACE_MS, on_overdue);
    }
    route->handler(&frame->call);
}

static void on_body(struct httpd_req *req, void *ctx ATTR_UNUSED)
{
    static const struct err too_large = {.code = ERR_TOO_LARGE,
                                         .msg = "The request body is too large"};
    struct api_call_frame *frame = frame_of(req);
    bool is_stream = (frame->entry->route->flags & API_STREAM_BODY) != 0;
    if (httpd_req_body_too_large(req)) {
        cancel_handler(frame);
        api_reply_error_plain(req, &too_large, NULL, NULL);
    } else if (frame->is_refused) {
        api_large_refuse(frame);
    } else if (!is_stream) {
        run_handler(frame);
    } else if (frame->call.on_body_end != NULL) {
        frame->call.on_body_end(&frame->call);
    }
}

static void on_chunk(struct httpd_req *req, struct str data, void *ctx ATTR_UNUSED)
{
    struct api_call_frame *frame = frame_of(req);
    if (frame->call.on_chunk != NULL) {
        frame->call.on_chunk(&frame->call, data);
    }
}

static void on_drain(struct httpd_req *req, void *ctx ATTR_UNUSED)
{
    struct api_call_frame *frame = frame_of(req);
    if (frame->call.on_drain != NULL) {
        frame->call.on_drain(&frame->call);
    }
}

static void begin_body(struct api_call_frame *frame)
{
    const struct api_route *route = frame->entry->route;
    frame->state = API_CALL_BODY;
    if ((route->flags & API_STREAM_BODY) != 0) {
        run_handler(frame);
        return;
    }
    size_t max = route->body_max > 0 ? route->body_max : frame->call.api->config.body_max;
    if (api_large_admit(frame, max)) {
        httpd_body_accept(frame->call.req, route->body != NULL ? max : IGNORED_BODY_MAX);
    }
}

/* --- who calls --- */

/* A token bound to an account reaches this account and nothing else. The answer is the
 * same whether the other account exists or not. */
static bool binding_holds(const struct api_call_frame *frame,
                          const struct api_identity *who)
{
    if (who->account[0] == '\0') {
        return true;
    }
    struct str account = api_path_value(frame, "account");
    if (account.ptr == NULL) {
        return (frame->entry->route->flags & API_ACCOUNT_FREE) != 0;
    }
    return str_eq_c(str_trim(account), who->account);
}

static void on_verdict(void *arg, const struct api_auth_answer *answer)
{
    static const struct err foreign = {
        .code = ERR_FORBIDDEN, .msg = "The token does not allow access to this resource"};
    struct api_call_frame *frame = arg;
    frame->rate = answer->rate;
    if (answer->who == NULL) {
        api_reply_err_with(&frame->call, answer->err, json_incref(answer->details));
    } else if (!binding_holds(frame, answer->who)) {
        api_reply_err(&frame->call, &foreign);
    } else {
        frame->call.who = (struct api_identity){
            .token_id = arena_strdup(frame->call.arena, answer->who->token_id),
            .account = arena_strdup(frame->call.arena, answer->who->account)};
        begin_body(frame);
    }
}

static void on_auth(void *arg, const struct api_auth_answer *answer)
{
    struct api_auth_wait *wait = arg;
    struct api_call_frame *frame = wait->frame;
    mem_free(wait);
    if (frame != NULL) {
        frame->wait = NULL;
        on_verdict(frame, answer);
    }
}

static struct str header_token(const struct httpd_req *req)
{
    static const char scheme[] = "bearer ";
    struct str value = str_of(httpd_req_header(req, "Authorization"));
    if (httpd_req_header_count(req, "Authorization") != 1 ||
        !str_has_iprefix(value, scheme)) {
        return STR_NULL;
    }
    return str_trim(str_tail(value, sizeof scheme - 1));
}

static struct str query_token(const struct httpd_req *req)
{
    struct str token = STR_NULL;
    for (size_t i = 0; i < httpd_req_arg_count(req); i++) {
        const struct httpd_arg *arg = httpd_req_arg(req, i);
        if (str_eq_c(arg->name, "access_token")) {
            /* Two tokens are none: which one counts must not be a guess. */
            token = token.ptr == NULL ? arg->value : STR("");
        }
    }
    return token;
}

static void begin_auth(struct api_call_frame *frame)
{
    static const struct err no_token = {.code = ERR_UNAUTHORIZED, .msg = "Unauthorized"};
    struct httpd_req *req = frame->call.req;
    const struct api_config *config = &frame->call.api->config;
    struct str token = header_token(req);
    if (config->token_in_query && httpd_req_header_count(req, "Authorization") == 0) {
        token = query_token(req);
    }
    if (token.ptr == NULL || token.len == 0 || token.len > API_TOKEN_MAX) {
        api_reply_err(&frame->call, &no_token);
        return;
    }
    const struct api_auth_query query = {
        .token = token,
        .route = frame->entry->route,
        .account = str_trim(api_path_value(frame, "account")),
        .remote = httpd_req_remote(req),
        .referrer = httpd_req_header(req, "Referer"),
    };
    if (config->auth.known(config->auth.ctx, &query, on_verdict, frame)) {
        return;
    }
    struct api_auth_wait *wait = MEM_NEW(struct api_auth_wait);
    wait->frame = frame;
    frame->wait = wait;
    wait->handle = config->auth.start(config->auth.ctx, &query, on_auth, wait);
}

/* --- what is called --- */

static void refuse(struct httpd_req *req, enum err_code code, const char *message,
                   const struct httpd_header *header)
{
    struct err err;
    (void)err_set(&err, code, "%s", message);
    api_reply_error_plain(req, &err, NULL, header);
}

static struct api_call_frame *new_frame(struct api *api, struct httpd_req *req,
                                        const struct api_entry *entry)
{
    struct arena *arena = httpd_req_arena(req);
    struct api_call_frame *frame = ARENA_NEW(arena, struct api_call_frame);
    frame->entry = entry;
    frame->call = (struct api_call){.magic = API_CALL_MAGIC,
                                    .api = api,
                                    .route = entry->route,
                                    .req = req,
                                    .arena = arena,
                                    .who = {.token_id = "", .account = ""},
                                    .services = api->config.services};
    httpd_req_set_user(req, frame);
    return frame;
}

static void route_request(struct api *api, struct httpd_req *req, struct buf *allow)
{
    struct str segments[HTTPD_SEGMENTS_MAX];
    const struct api_entry *entry = NULL;
    size_t count = httpd_req_segment_count(req);
    for (size_t i = 0; i < count; i++) {
        segments[i] = httpd_req_segment(req, i);
    }
    switch (api_index_find(&api->index, httpd_req_method(req), segments, count, &entry,
                           allow)) {
    case API_MATCH_NO_PATH:
        refuse(req, ERR_NOT_FOUND, "Not Found", NULL);
        return;
    case API_MATCH_NO_METHOD:
        refuse(req, ERR_METHOD, "Method Not Allowed",
               &(struct httpd_header){"Allow", buf_c(allow)});
        return;
    case API_MATCH_FOUND:
        break;
    }
    struct api_call_frame *frame = new_frame(api, req, entry);
    if ((entry->route->flags & API_PUBLIC) != 0) {
        begin_body(frame);
    } else {
        begin_auth(frame);
    }
}

static void on_headers(struct httpd_req *req, void *ctx)
{
    struct api *api = ctx;
    CHECK_MAGIC(api, API_MAGIC);
    if (httpd_req_defect(req) != NULL) {
        refuse(req, ERR_INVALID, httpd_req_defect(req), NULL);
        return;
    }
    struct buf allow = BUF_INIT(ALLOW_MAX);
    route_request(api, req, &allow);
    buf_fini(&allow);
}

/* --- start and stop --- */

static const struct httpd_handler handler = {.on_headers = on_headers,
                                             .on_body = on_body,
                                             .on_chunk = on_chunk,
                                             .on_drain = on_drain,
                                             .on_closed = on_closed,
                                             .on_end = on_end};

static void build_tables(struct api *api, const struct api_config *config)
{
    size_t count = config->table_count + 2;
    struct api_table *tables = mem_array(count, sizeof *tables);
    tables[0] = api_builtin_table;
    tables[1] = api_reference_table;
    for (size_t i = 0; i < config->table_count; i++) {
        tables[i + 2] = config->tables[i];
    }
    api_index_init(&api->index, tables, count);
    json_t *document = api_openapi(tables, count);
    struct buf text = BUF_INIT(API_REPLY_MAX);
    CHECK(json_emit(document, &text));
    json_decref(document);
    api->openapi = buf_take(&text, &api->openapi_len);
    mem_free(tables);
}

struct api *api_new(struct loop *loop, const struct api_config *config, struct err *err)
{
    struct api *api = MEM_NEW(struct api);
    api->magic = API_MAGIC;
    api->loop = loop;
    api->config = *config;
    api->config.tables = NULL; /* the index has taken them in */
    api->config.body_max = config->body_max > 0 ? config->body_max : API_BODY_MAX;
    api->config.large_max = config->large_max > 0 ? config->large_max : API_LARGE_MAX;
    list_init(&api->large);
    build_tables(api, config);
    api->httpd = httpd_new(loop, &config->httpd, &handler, api, err);
    if (api->httpd == NULL) {
        api_free(&api);
    }
    return api;
}

uint16_t api_port(const struct api *api)
{
    return httpd_port(api->httpd);
}

void api_quiesce(struct api *api)
{
    httpd_quiesce(api->httpd);
}

size_t api_active(const struct api *api)
{
    return httpd_active(api->httpd);
}

void api_totals_get(const struct api *api, struct api_totals *out)
{
    *out = api->totals;
}

void api_free(struct api **apip)
{
    struct api *api = *apip;
    if (api == NULL) {
        return;
    }
    CHECK_MAGIC(api, API_MAGIC);
    *apip = NULL;
    httpd_free(&api->httpd);
    api_index_fini(&api->index);
    mem_free(api->openapi);
    api->magic = 0;
    mem_free(api);
}
