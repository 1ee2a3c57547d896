/* api_sse: an answer of server-sent events that lives as long as its client.
 * Shape    open ──client left, node stops, too slow──► gone ──► ended
 *          Whoever writes asks api_sse_has_room first; a client that takes nothing for
 *          SSE_STALL_MS is cut off and continues with its last event id.
 * Owner    embedded first in the handler's object, which is freed in on_end or later
 * Calls    loop thread. A write may make the stream gone (on_gone runs inside it), but
 *          never ends it.
 * Limits   HTTPD_STREAM_MAX bytes wait for a client; a comment after SSE_BEAT_MS
 * Spec     HTML standard, server-sent events */
#ifndef POSTRIDER_API_SSE_H
#define POSTRIDER_API_SSE_H

#include "api_streams.h"

enum {
    SSE_BEAT_MS = 15 * 1000,
    SSE_STALL_MS = 30 * 1000,
    SSE_RETRY_MS = 2000 /* what clients are told to wait before they come back */
};

struct api_sse;
struct api_sse_kind {
    void (*on_room)(struct api_sse *s);               /* may write again */
    void (*on_gone)(struct api_sse *s);               /* stop: nobody reads any more */
    void (*on_end)(struct api_sse *s);                /* the call is over */
    void (*beat)(struct api_sse *s, struct buf *out); /* before the comment; or NULL */
};

struct api_sse {
    struct api_stream stream;
    const struct api_sse_kind *kind;
    struct timer timer;
    bool full;
    int64_t full_since_ms;
};

/* False after an error reply; nothing of `s` is in use then. */
bool api_sse_start(struct api_sse *s, struct api_call *call,
                   const struct api_sse_kind *kind);
bool api_sse_is_open(const struct api_sse *s);
bool api_sse_has_room(const struct api_sse *s);
void api_sse_write(struct api_sse *s, struct str text);

#endif
