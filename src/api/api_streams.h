/* api_streams: calls that stay open until something happens, and their limit per token.
 * Owner    a stream is embedded in its handler's object; api_stream_close before that goes
 * Calls    loop thread
 * Limits   config http.token_streams open streams a token
 * Errors   ERR_RATE_LIMITED over the limit, ERR_UNAVAILABLE while the node stops */
#ifndef POSTRIDER_API_STREAMS_H
#define POSTRIDER_API_STREAMS_H

#include "api_handlers.h"

struct api_stream;
/* The node stops: the reply ends now. */
typedef void api_stream_end(struct api_stream *s);

struct api_stream {
    struct list node;
    struct api_streams *streams; /* NULL = not open */
    struct api_call *call;       /* NULL: the client left, or all is said */
    char *token_id;              /* its own: it may outlive the call */
    api_stream_end *end;
};

/* False after an error reply. */
bool api_stream_open(struct api_stream *s, struct api_call *call, api_stream_end *end);
void api_stream_close(struct api_stream *s);
void api_streams_free(struct api_streams **s);

#endif
