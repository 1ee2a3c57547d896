/* api_auth: the port through which the API asks who a token belongs to.
 * Shape    a token is looked up, and scope, permission, restrictions and rate limits are
 * checked for a row; the answer is an identity or an error. Most tokens are known: then `known`
 * answers without a wait, else `start` asks
 * Owner    the query is borrowed during the call only; `arg` is the caller's
 * Calls    loop thread; after `start` the callback comes exactly once, later, also after
 * `cancel`
 * Errors   ERR_UNAUTHORIZED: no such token; ERR_FORBIDDEN: it does not allow this;
 * ERR_RATE_LIMITED; ERR_STORE_DOWN. Extra members of the body go into `details`. */
#ifndef POSTRIDER_API_API_AUTH_H
#define POSTRIDER_API_API_AUTH_H

#include "postrider/base/err.h"
#include "postrider/base/str.h"
#include "postrider/json/json.h"

struct api_route;

enum {
    API_TOKEN_MAX = 256
};

/* Never NULL. */
struct api_identity {
    const char *token_id; /* for audit; "" = nobody (public rows) */
    const char *account;  /* the account the token is bound to, or "" */
};

/* How much of a token's limit is left; limit 0 = it has none. */
struct api_rate {
    int64_t limit, remaining;
    int64_t reset_s; /* until the window ends */
};

struct api_auth_query {
    struct str token; /* never empty */
    const struct api_route *route;
    struct str account;   /* the {account} of the path, absent if it has none */
    const char *remote;   /* address */
    const char *referrer; /* header, may be NULL */
};

struct api_auth_answer {
    const struct api_identity *who; /* NULL on failure */
    const struct err *err;          /* NULL on success */
    json_t *details;                /* more members of the error body, or NULL */
    struct api_rate rate;
};

/* All of the answer is borrowed. */
typedef void api_auth_cb(void *arg, const struct api_auth_answer *answer);

struct api_auth_port {
    void *ctx;
    /* Calls back before it returns; false without a call where the answer must be
     * fetched. */
    bool (*known)(void *ctx, const struct api_auth_query *query, api_auth_cb *cb,
                  void *arg);
    /* Returns a handle for cancel. */
    void *(*start)(void *ctx, const struct api_auth_query *query, api_auth_cb *cb,
                   void *arg);
    void (*cancel)(void *ctx, void *handle);
};

#endif
