/* Calls that hold a large body, theirs or their answer's, are counted: each may need several
 * times its size, and together they must not fill the memory. */
#include "api_priv.h"

enum {
    RETRY_S = 2
};

static bool take(struct api_call_frame *frame)
{
    struct api *api = frame->call.api;
    if (frame->is_large) {
        return true;
    }
    if (api->totals.large >= api->config.large_max) {
        api->totals.large_refused++;
        return false;
    }
    api->totals.large++;
    frame->is_large = true;
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
        frame->call.api->totals.large--;
    }
}

bool api_call_claim_large(struct api_call *call)
{
    return api_large_hold(api_call_frame(call), SIZE_MAX);
}
