/* Calls that hold a large body, theirs or their answer's, are counted: each may need several
 * times its size, and together they must not fill the memory. */
#include "api_priv.h"
#include "postrider/base/log.h"

enum {
    RETRY_S = 2,
    GRACE_MS = 30 * 1000,
    SLOW_BYTES_PER_S = 64 * 1024
};

/* How long the call has held its place beyond what a client takes that is not slow; work of
 * our own does not count. */
static int64_t overtime_ms(const struct api_call_frame *frame)
{
    const struct api *api = frame->call.api;
    int64_t grace_ms =
        api->config.large_grace_ms > 0 ? api->config.large_grace_ms : GRACE_MS;
    uint64_t moved = frame->large_reply;
    if (frame->state == API_CALL_HANDLER || frame->state == API_CALL_STREAM) {
        return 0;
    }
    if (frame->state == API_CALL_BODY) {
        moved = httpd_req_received(frame->call.req);
    }
    int64_t may_ms = grace_ms + (int64_t)(moved * 1000 / SLOW_BYTES_PER_S);
    return loop_now_ms(api->loop) - frame->large_since_ms - may_ms;
}

/* A few clients that send or read a byte now and then must not keep all others out. The
 * place is free as soon as the connection has ended. */
static void give_up_slowest(struct api *api)
{
    struct api_call_frame *slowest = NULL;
    int64_t most_ms = 0;
    list_foreach (node, &api->large) {
        struct api_call_frame *frame = container_of(node, struct api_call_frame, large);
        int64_t over_ms = overtime_ms(frame);
        if (over_ms > most_ms) {
            most_ms = over_ms;
            slowest = frame;
        }
    }
    if (slowest != NULL) {
        log_at(LOG_INFO, "api", "a large message is too slow and others wait: it is cut",
               LOG_I("overtime_ms", most_ms));
        httpd_req_cut(slowest->call.req);
    }
}

static bool take(struct api_call_frame *frame)
{
    struct api *api = frame->call.api;
    if (frame->is_large) {
        return true;
    }
    if (api->totals.large >= api->config.large_max) {
        api->totals.large_refused++;
        give_up_slowest(api);
        return false;
    }
    api->totals.large++;
    frame->is_large = true;
    frame->large_since_ms = loop_now_ms(api->loop);
    list_init(&frame->large);
    list_append(&api->large, &frame->large);
    return true;
}

/* A length that is not announced may be any. */
static bool may_be_large(const struct api_call_frame *frame, size_t max)
{
    int64_t length = httpd_req_content_length(frame->call.req);
    return frame->entry->route->body != NULL && max > API_LARGE_BYTES &&
           (length < 0 || (length > API_LARGE_BYTES && (uint64_t)length <= max));
}

bool api_large_admit(struct api_call_frame *frame, size_t body_max)
{
    if (!may_be_large(frame, body_max) || take(frame)) {
        return true;
    }
    if (httpd_req_header(frame->call.req, "Expect") != NULL) {
        api_reply_busy(&frame->call, RETRY_S);
    } else {
        /* Read and dropped: a client that is still sending may never see an answer. */
        frame->is_refused = true;
        httpd_body_stream(frame->call.req, body_max);
    }
    return false;
}

void api_large_refuse(struct api_call_frame *frame)
{
    api_reply_busy(&frame->call, RETRY_S);
}

bool api_large_hold(struct api_call_frame *frame, size_t size)
{
    if (size <= API_LARGE_BYTES || take(frame)) {
        return true;
    }
    api_large_refuse(frame);
    return false;
}

void api_large_release(struct api_call_frame *frame)
{
    if (frame->is_large) {
        frame->is_large = false;
        list_remove(&frame->large);
        frame->call.api->totals.large--;
    }
}

bool api_call_claim_large(struct api_call *call)
{
    return api_large_hold(api_call_frame(call), SIZE_MAX);
}
