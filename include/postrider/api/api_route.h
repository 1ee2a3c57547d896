/* api_route: a row of the route table, and the call that a handler receives.
 * Shape    tables of rows in several files; api_new takes them all. A call goes
 *   route found ─► token checked ─► body read ─► params, query, body valid ─► handler
 * and ends with one reply, a stream, or the client's leaving.
 * Owner    rows are static. A call lives from its request's arrival until the request has
 * ended; its arena and JSON values are freed then. A handler keeps the pointer until it
 * replied or on_cancel ran.
 * Calls    loop thread. Handlers start an operation with call->timeout_ms as its deadline
 * and return; they may also reply at once. Replying twice asserts.
 * Uploads  a row with API_STREAM_BODY runs its handler before the body; the handler sets
 * on_chunk and on_body_end and calls httpd_body_stream(call->req, max_bytes). Its deadline
 * includes the upload: give such rows API_NO_DEADLINE and bound the operation behind it.
 * Gone     when the client leaves, or the call is overdue, on_cancel runs once: cancel
 * the operation; a reply after it is ignored.
 * Limits   api_config.large_max calls at a time hold bodies or answers above 1 MiB, others
 * get 503 with Retry-After, and the client that has moved less than 64 KiB in a second for
 * longest is given up for who comes next; API_BODY_MAX where a row gives none; API_TIMEOUT_MS unless X-EE-Timeout says
 * otherwise, at most API_TIMEOUT_MAX_MS; API_GRACE_MS more and the framework answers 504
 */
#ifndef POSTRIDER_API_API_ROUTE_H
#define POSTRIDER_API_API_ROUTE_H

#include "postrider/api/api_auth.h"
#include "postrider/base/arena.h"
#include "postrider/base/err.h"
#include "postrider/httpd/httpd.h"
#include "postrider/json/spec.h"

enum {
    API_BODY_MAX = 1024 * 1024,
    API_TIMEOUT_MS = 10 * 1000,
    API_TIMEOUT_MAX_MS = 2 * 3600 * 1000,
    API_GRACE_MS = 5 * 1000,
    API_LARGE_MAX = 8
};

struct api;
struct api_call;
typedef void api_handler(struct api_call *call);

enum api_route_flag {
    API_PUBLIC = 1u << 0,       /* no token */
    API_UNDOCUMENTED = 1u << 1, /* in OpenAPI with x-undocumented */
    API_DEPRECATED = 1u << 2,
    API_STREAM_BODY =
        1u << 3, /* body not JSON: the handler runs first and calls httpd_body_stream */
    API_NO_DEADLINE = 1u << 4,  /* streams that live as long as the client */
    API_ACCOUNT_FREE = 1u << 5, /* a token bound to an account may call it although the
                                   path names none */
    API_HIDDEN = 1u << 6,       /* not in OpenAPI */
    API_ADMIN = 1u << 7         /* no narrowed token may call it, whatever its group */
};

/* What a request may look like, and the reply to it; about the account "example". JSON with
 * ' for ". A test holds both against the rows, and sends the request. */
struct api_example {
    const char *body;  /* NULL if the row takes none */
    const char *reply; /* NULL if it is no JSON */
};
/* The value of such a text. */
json_t *api_example_json(const char *text) ATTR_RETURNS_NONNULL;

struct api_route {
    const char *method;
    const char *path; /* "/v1/account/{account}/messages" */
    const char *operation_id;
    const char *tag;
    const char *summary;
    const char *scope;  /* "api", "metrics", …; NULL for public rows */
    const char *action; /* permission: read, write, send, destructive */
    const char *group;  /* permission: message, mailbox, admin, … */
    unsigned flags;
    const struct field_spec *params; /* one row per {name} of the path */
    size_t param_count;
    const struct field_spec *query;
    size_t query_count;
    const struct field_spec *body;     /* an object row; NULL: a body is ignored */
    const struct field_spec *response; /* of status 200; NULL = any */
    const char *response_type;         /* NULL = application/json */
    size_t body_max;                   /* 0 = API_BODY_MAX */
    const struct api_example *example; /* or NULL */
    api_handler *handler;
};

#define ROUTE_EXAMPLE(...)                                                               \
    .example = &(const struct api_example)                                               \
    {                                                                                    \
        __VA_ARGS__                                                                      \
    }
#define ROUTE_PARAMS(table) .params = (table), .param_count = ARRAY_LEN(table)
#define ROUTE_QUERY(table)  .query = (table), .query_count = ARRAY_LEN(table)

struct api_call {
    uint32_t magic;
    struct api *api;
    const struct api_route *route;
    struct httpd_req *req;
    struct arena *arena; /* of the request */
    json_t *params;      /* normal forms; objects, never NULL in a handler */
    json_t *query;       /* not to be changed: other calls may share it */
    json_t *body;        /* NULL if the row takes none; an absent body counts as {} */
    struct api_identity who;
    int64_t timeout_ms; /* for the operations of this call */
    void *services;     /* what api_new was given: ports of the handlers */
    /* The handler's own: */
    void *user;
    void (*on_cancel)(struct api_call *call);
    void (*on_drain)(struct api_call *call);                  /* reply streams */
    void (*on_chunk)(struct api_call *call, struct str data); /* API_STREAM_BODY */
    void (*on_body_end)(struct api_call *call);               /* API_STREAM_BODY */
    void (*on_end)(struct api_call *call); /* the very last; frees what user holds */
};

/* Replies with JSON; takes the value, or the text that it is already. */
void api_reply_json(struct api_call *call, int status, json_t *taken);
void api_reply_text(struct api_call *call, int status, struct buf *taken);
/* The error body of the compatibility contract; status and code come from err_info_get.
 */
void api_reply_err(struct api_call *call, const struct err *err);
/* Same, with more members in the body (details, ttl, requestedScope …); takes them. */
void api_reply_err_with(struct api_call *call, const struct err *err, json_t *taken);
/* The reply to fields that do not validate; for checks that need more than the table. */
void api_reply_invalid(struct api_call *call, const struct spec_errors *errs);
void api_reply_invalid_field(struct api_call *call, const char *field,
                             const char *message);
/* Any other body; security headers are added. */
void api_reply_raw(struct api_call *call, const struct httpd_reply *reply);
/* Begins a stream; go on with httpd_stream_write(call->req, …) and httpd_stream_end. The
 * call's own deadline no longer counts. */
void api_reply_stream(struct api_call *call, const struct httpd_reply *reply,
                      int64_t size);
/* The call is going to hold more than 1 MiB although its own body is small. False after an
 * error reply: too many calls do. */
bool api_call_claim_large(struct api_call *call);
/* Whether the call still waits for its reply. */
bool api_call_is_open(const struct api_call *call);

#endif
