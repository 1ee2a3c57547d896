#include "api_flow.h"

#include "postrider/loop/loop.h"
#include "postrider/store/store.h"

enum {
    BEAT_MAX = 16 * 1024,
    HELLO_MAX = 64
};

static struct loop *loop_of(struct api_flow *f)
{
    return store_loop(api_services_of(f->stream.call)->store);
}

bool api_flow_is_open(const struct api_flow *f)
{
    return f->stream.call != NULL;
}

bool api_flow_has_room(const struct api_flow *f)
{
    return api_flow_is_open(f) && !f->full;
}

static void gone(struct api_flow *f)
{
    if (api_flow_is_open(f)) {
        f->stream.call = NULL;
        timer_stop(&f->timer);
        api_stream_close(&f->stream);
        f->kind->on_gone(f);
    }
}

static void on_cancel(struct api_call *call)
{
    gone(call->user);
}

static void on_end(struct api_call *call)
{
    struct api_flow *f = call->user;
    gone(f);
    f->kind->on_end(f);
}

void api_flow_finish(struct api_flow *f, bool complete)
{
    if (!api_flow_is_open(f)) {
        return;
    }
    struct httpd_req *req = f->stream.call->req;
    gone(f);
    if (complete) {
        httpd_stream_end(req);
    } else {
        httpd_stream_abort(req);
    }
}

/* An event stream may end anywhere: its client comes back. */
static void on_stop(struct api_stream *stream)
{
    struct api_flow *f = container_of(stream, struct api_flow, stream);
    api_flow_finish(f, f->kind->content_type == NULL);
}

static void on_timer(struct timer *t);

static void watch_time(struct api_flow *f)
{
    timer_set(loop_of(f), &f->timer, FLOW_BEAT_MS, on_timer);
}

static void say_beat(struct api_flow *f)
{
    struct buf text = BUF_INIT(BEAT_MAX);
    if (f->kind->beat != NULL) {
        f->kind->beat(f, &text);
    }
    (void)buf_put_c(&text, ": still here\n\n");
    api_flow_write(f, buf_str(&text));
    buf_fini(&text);
}

static void on_timer(struct timer *t)
{
    struct api_flow *f = container_of(t, struct api_flow, timer);
    if (f->full && loop_now_ms(loop_of(f)) - f->full_since_ms >= FLOW_STALL_MS) {
        api_flow_finish(f, false);
    } else if (f->full || f->kind->content_type != NULL) {
        watch_time(f);
    } else {
        say_beat(f);
    }
}

static void on_drain(struct api_call *call)
{
    struct api_flow *f = call->user;
    if (f->full && api_flow_is_open(f)) {
        f->full = false;
        if (f->kind->on_room != NULL) {
            f->kind->on_room(f);
        }
    }
}

void api_flow_write(struct api_flow *f, struct str text)
{
    if (!api_flow_is_open(f)) {
        return;
    }
    size_t waiting = httpd_stream_write(f->stream.call->req, text);
    if (!api_flow_is_open(f)) {
        return; /* it was too much for this client */
    }
    watch_time(f);
    if (!f->full && waiting >= HTTPD_STREAM_HIGH) {
        f->full = true;
        f->full_since_ms = loop_now_ms(loop_of(f));
    }
}

static void say_hello(struct api_flow *f)
{
    struct buf text = BUF_INIT(HELLO_MAX);
    (void)buf_printf(&text, "retry: %d\n\n", FLOW_RETRY_MS);
    api_flow_write(f, buf_str(&text));
    buf_fini(&text);
}

bool api_flow_start(struct api_flow *f, struct api_call *call,
                    const struct api_flow_kind *kind)
{
    /* Proxies that gather replies would hold events back. */
    static const struct httpd_header unbuffered = {"X-Accel-Buffering", "no"};
    *f = (struct api_flow){.kind = kind};
    if (!api_stream_open(&f->stream, call, on_stop)) {
        return false;
    }
    bool events = kind->content_type == NULL;
    call->user = f;
    call->on_cancel = on_cancel;
    call->on_end = on_end;
    call->on_drain = on_drain;
    api_reply_stream(call,
                     &(struct httpd_reply){.status = 200,
                                           .content_type = events ? "text/event-stream"
                                                                  : kind->content_type,
                                           .headers = &unbuffered,
                                           .header_count = 1},
                     -1);
    watch_time(f);
    if (events) {
        say_hello(f);
    }
    return true;
}
