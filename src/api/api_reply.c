#include "api_priv.h"
#include "postrider/base/check.h"
#include "postrider/base/log.h"

#include <stdio.h>

enum {
    HEADERS_MAX = 16
};

struct api_call_frame *api_call_frame(struct api_call *call)
{
    CHECK_MAGIC(call, API_CALL_MAGIC);
    return container_of(call, struct api_call_frame, call);
}

bool api_call_is_open(const struct api_call *call)
{
    CHECK_MAGIC(call, API_CALL_MAGIC);
    const struct api_call_frame *frame =
        (const void *)((const char *)call - offsetof(struct api_call_frame, call));
    return frame->state < API_CALL_STREAM;
}

/* --- error bodies --- */

static json_t *error_body(const struct err *err, json_t *details)
{
    const struct err_info *info = err_info_get(err->code);
    json_t *body = json_object();
    const char *text = httpd_status_text(info->http_status);
    json_put_int(body, "statusCode", info->http_status);
    json_put_cstr(body, "error", text);
    json_put_cstr(body, "message", err->msg[0] != '\0' ? err->msg : text);
    json_put_cstr(body, "code", info->api_code);
    if (details != NULL) {
        CHECK(json_object_update(body, details) == 0);
    }
    return body;
}

static bool emit(json_t *taken, struct buf *out)
{
    buf_init(out, API_REPLY_MAX);
    bool ok = json_emit(taken, out);
    json_decref(taken);
    if (!ok) {
        buf_release(out);
        log_at(LOG_ERROR, "api", "a reply is longer than allowed");
    }
    return ok;
}

/* Headers of every reply: JSON is data, never a page, and never kept by a cache. */
static size_t base_headers(struct httpd_header *into)
{
    into[0] = (struct httpd_header){"X-Content-Type-Options", "nosniff"};
    into[1] = (struct httpd_header){"Cache-Control", "no-cache"};
    return 2;
}

struct rate_text {
    char numbers[3][24];
};

/* Adds what is left of the token's limit, if it has one. */
static size_t rate_headers(const struct api_rate *rate, struct rate_text *text,
                           struct httpd_header *into)
{
    const struct {
        const char *name;
        int64_t value;
    } rows[] = {{"X-RateLimit-Limit", rate->limit},
                {"X-RateLimit-Remaining", rate->remaining},
                {"X-RateLimit-Reset", rate->reset_s}};
    for (size_t i = 0; rate->limit > 0 && i < ARRAY_LEN(rows); i++) {
        char *number = text->numbers[i];
        (void)snprintf(number, sizeof text->numbers[i], "%lld", (long long)rows[i].value);
        into[i] = (struct httpd_header){rows[i].name, number};
    }
    return rate->limit > 0 ? ARRAY_LEN(rows) : 0;
}

static void reply_error(struct httpd_req *req, const struct err *err, json_t *details,
                        const struct httpd_header *extra, const struct api_rate *rate)
{
    struct httpd_header headers[HEADERS_MAX];
    struct rate_text rate_text;
    struct buf text;
    char seconds[24];
    size_t n = base_headers(headers);
    n += rate_headers(rate, &rate_text, headers + n);
    int64_t ttl = json_get_int(details, "ttl", 0);
    if (extra != NULL) {
        headers[n++] = *extra;
    }
    if (err->code == ERR_UNAUTHORIZED) {
        headers[n++] = (struct httpd_header){"WWW-Authenticate", "Bearer"};
    }
    if (ttl > 0) {
        (void)snprintf(seconds, sizeof seconds, "%lld", (long long)ttl);
        headers[n++] = (struct httpd_header){"Retry-After", seconds};
    }
    (void)emit(error_body(err, details), &text);
    httpd_reply(req,
                &(struct httpd_reply){.status = err_info_get(err->code)->http_status,
                                      .content_type = "application/json; charset=utf-8",
                                      .take = &text,
                                      .headers = headers,
                                      .header_count = n});
}

void api_reply_error_plain(struct httpd_req *req, const struct err *err, json_t *details,
                           const struct httpd_header *extra)
{
    reply_error(req, err, details, extra, &(struct api_rate){.limit = 0});
}

/* --- replies of handlers --- */

/* False if nobody waits: the client left or the call was overdue. */
static bool begin(struct api_call_frame *frame, enum api_call_state next)
{
    if (frame->state == API_CALL_GONE) {
        return false;
    }
    CHECK(frame->state < API_CALL_STREAM);
    frame->state = next;
    frame->large_since_ms = loop_now_ms(frame->call.api->loop);
    timer_stop(&frame->overdue);
    return true;
}

static void count(struct api_call *call, int status)
{
    struct api_totals *totals = &call->api->totals;
    *(status < 400 ? &totals->well : &totals->failed) += 1;
}

struct reply_headers {
    struct httpd_header items[HEADERS_MAX];
    struct rate_text rate;
};

/* The reply with what every reply of the call has; `into` holds it. */
static struct httpd_reply with_headers(struct api_call *call,
                                       const struct httpd_reply *reply,
                                       struct reply_headers *into)
{
    struct httpd_reply full = *reply;
    struct httpd_header *headers = into->items;
    size_t n = base_headers(headers);
    n += rate_headers(&api_call_frame(call)->rate, &into->rate, headers + n);
    CHECK(reply->header_count <= HEADERS_MAX - n);
    for (size_t i = 0; i < reply->header_count; i++) {
        headers[n++] = reply->headers[i];
    }
    full.headers = headers;
    full.header_count = n;
    return full;
}

void api_reply_raw(struct api_call *call, const struct httpd_reply *reply)
{
    struct reply_headers headers;
    if (!begin(api_call_frame(call), API_CALL_REPLIED)) {
        if (reply->take != NULL) {
            buf_release(reply->take);
        }
        return;
    }
    struct httpd_reply full = with_headers(call, reply, &headers);
    count(call, full.status);
    httpd_reply(call->req, &full);
}

void api_reply_stream(struct api_call *call, const struct httpd_reply *reply,
                      int64_t size)
{
    struct reply_headers headers;
    if (!begin(api_call_frame(call), API_CALL_STREAM)) {
        return;
    }
    struct httpd_reply full = with_headers(call, reply, &headers);
    count(call, full.status);
    httpd_stream_start(call->req, &full, size);
}

void api_reply_text(struct api_call *call, int status, struct buf *taken)
{
    if (!api_large_hold(api_call_frame(call), taken->len)) {
        buf_release(taken);
        return;
    }
    api_call_frame(call)->large_reply = taken->len;
    api_reply_raw(call,
                  &(struct httpd_reply){.status = status,
                                        .content_type = "application/json; charset=utf-8",
                                        .take = taken});
}

void api_reply_json(struct api_call *call, int status, json_t *taken)
{
    static const struct err too_long = {.code = ERR_INTERNAL,
                                        .msg = "The reply is longer than allowed"};
    struct buf text;
    if (emit(taken, &text)) {
        api_reply_text(call, status, &text);
    } else {
        api_reply_err(call, &too_long);
    }
}

void api_reply_err_with(struct api_call *call, const struct err *err, json_t *taken)
{
    if (begin(api_call_frame(call), API_CALL_REPLIED)) {
        count(call, err_info_get(err->code)->http_status);
        reply_error(call->req, err, taken, NULL, &api_call_frame(call)->rate);
    }
    json_decref(taken);
}

void api_reply_busy(struct api_call *call, int retry_s)
{
    static const struct err busy = {
        .code = ERR_UNAVAILABLE,
        .msg = "Too many large messages are under way; try again in a moment"};
    char seconds[24];
    struct api_call_frame *frame = api_call_frame(call);
    (void)snprintf(seconds, sizeof seconds, "%d", retry_s);
    if (begin(frame, API_CALL_REPLIED)) {
        count(call, err_info_get(busy.code)->http_status);
        reply_error(call->req, &busy, NULL,
                    &(struct httpd_header){"Retry-After", seconds}, &frame->rate);
    }
}

void api_reply_err(struct api_call *call, const struct err *err)
{
    api_reply_err_with(call, err, NULL);
}

void api_reply_invalid(struct api_call *call, const struct spec_errors *errs)
{
    static const struct err invalid = {.code = ERR_INVALID, .msg = "Invalid input"};
    json_t *details = json_object();
    json_put(details, "fields", spec_errors_json(errs));
    api_reply_err_with(call, &invalid, details);
}

void api_reply_invalid_field(struct api_call *call, const char *field,
                             const char *message)
{
    struct spec_errors errs = {0};
    spec_errors_add(&errs, field, "%s", message);
    api_reply_invalid(call, &errs);
    spec_errors_fini(&errs);
}
