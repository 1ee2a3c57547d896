/* api_flow: a reply that is written piece by piece for as long as there is something to
 * say: server-sent events, exports.
 * Shape    open ──client left, node stops, too slow, finished──► gone ──► ended
 *          Whoever writes asks api_flow_has_room first; a client that takes nothing for
 *          FLOW_STALL_MS is cut off and continues where it was.
 * Owner    embedded in the handler's object, which is freed in on_end or later
 * Calls    loop thread. A write may make the flow gone (on_gone runs inside it), but never
 *          ends it.
 * Limits   HTTPD_STREAM_MAX bytes wait for a client; a comment after FLOW_BEAT_MS
 * Spec     HTML standard, server-sent events */
#ifndef POSTRIDER_API_FLOW_H
#define POSTRIDER_API_FLOW_H

#include "api_streams.h"

enum {
    FLOW_BEAT_MS = 15 * 1000,
    FLOW_STALL_MS = 30 * 1000,
    FLOW_RETRY_MS = 2000 /* what clients are told to wait before they come back */
};

struct api_flow;
struct api_flow_kind {
    const char *content_type;            /* NULL = server-sent events, with comments */
    void (*on_room)(struct api_flow *f); /* may write again; NULL = writes anyway */
    void (*on_gone)(struct api_flow *f); /* stop: nobody reads any more */
    void (*on_end)(struct api_flow *f);  /* the call is over */
    void (*beat)(struct api_flow *f, struct buf *out); /* before the comment; or NULL */
};

struct api_flow {
    struct api_stream stream;
    const struct api_flow_kind *kind;
    struct timer timer;
    bool full;
    int64_t full_since_ms;
};

/* False after an error reply; nothing of `f` is in use then. */
bool api_flow_start(struct api_flow *f, struct api_call *call,
                    const struct api_flow_kind *kind);
bool api_flow_is_open(const struct api_flow *f);
bool api_flow_has_room(const struct api_flow *f);
void api_flow_write(struct api_flow *f, struct str text);
/* All is said; or something failed, and the client must see that it is incomplete. */
void api_flow_finish(struct api_flow *f, bool complete);

#endif
