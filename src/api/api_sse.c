#include "api_sse.h"

#include "postrider/loop/loop.h"

#include <stdio.h>

enum {
    BEAT_MAX = 16 * 1024
};

static struct loop *loop_of(struct api_call *call)
{
    return store_loop(api_services_of(call)->store);
}

bool api_sse_is_open(const struct api_sse *s)
{
    return s->stream.call != NULL;
}

bool api_sse_has_room(const struct api_sse *s)
{
    return api_sse_is_open(s) && !s->full;
}

static void gone(struct api_sse *s)
{
    if (api_sse_is_open(s)) {
        s->stream.call = NULL;
        timer_stop(&s->timer);
        api_stream_close(&s->stream);
        s->kind->on_gone(s);
    }
}

static void on_cancel(struct api_call *call)
{
    gone(call->user);
}

static void on_end(struct api_call *call)
{
    struct api_sse *s = call->user;
    gone(s);
    s->kind->on_end(s);
}

static void on_stop(struct api_stream *stream)
{
    struct api_sse *s = container_of(stream, struct api_sse, stream);
    struct httpd_req *req = stream->call->req;
    gone(s);
    httpd_stream_end(req);
}

static void on_timer(struct timer *t);

static void wait_for_silence(struct api_sse *s)
{
    timer_set(loop_of(s->stream.call), &s->timer, SSE_BEAT_MS, on_timer);
}

static void on_timer(struct timer *t)
{
    struct api_sse *s = container_of(t, struct api_sse, timer);
    struct httpd_req *req = s->stream.call->req;
    if (s->full &&
        loop_now_ms(loop_of(s->stream.call)) - s->full_since_ms >= SSE_STALL_MS) {
        gone(s);
        httpd_stream_abort(req);
        return;
    }
    if (s->full) {
        wait_for_silence(s);
        return;
    }
    struct buf text = BUF_INIT(BEAT_MAX);
    if (s->kind->beat != NULL) {
        s->kind->beat(s, &text);
    }
    (void)buf_put_c(&text, ": still here\n\n");
    api_sse_write(s, buf_str(&text));
    buf_fini(&text);
}

static void on_drain(struct api_call *call)
{
    struct api_sse *s = call->user;
    if (s->full && api_sse_is_open(s)) {
        s->full = false;
        s->kind->on_room(s);
    }
}

void api_sse_write(struct api_sse *s, struct str text)
{
    if (!api_sse_is_open(s)) {
        return;
    }
    struct loop *loop = loop_of(s->stream.call);
    size_t waiting = httpd_stream_write(s->stream.call->req, text);
    if (!api_sse_is_open(s)) {
        return; /* it was too much for this client */
    }
    wait_for_silence(s);
    if (!s->full && waiting >= HTTPD_STREAM_HIGH) {
        s->full = true;
        s->full_since_ms = loop_now_ms(loop);
    }
}

bool api_sse_start(struct api_sse *s, struct api_call *call,
                   const struct api_sse_kind *kind)
{
    /* Proxies that gather replies would hold events back. */
    static const struct httpd_header unbuffered = {"X-Accel-Buffering", "no"};
    *s = (struct api_sse){.kind = kind};
    if (!api_stream_open(&s->stream, call, on_stop)) {
        return false;
    }
    call->user = s;
    call->on_cancel = on_cancel;
    call->on_end = on_end;
    call->on_drain = on_drain;
    api_reply_stream(call,
                     &(struct httpd_reply){.status = 200,
                                           .content_type = "text/event-stream",
                                           .headers = &unbuffered,
                                           .header_count = 1},
                     -1);
    char hello[64];
    int len = snprintf(hello, sizeof hello, "retry: %d\n\n", SSE_RETRY_MS);
    api_sse_write(s, str_from(hello, (size_t)len));
    return true;
}
