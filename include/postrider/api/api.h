/* api: the REST server: route tables behind an HTTP listener.
 * Shape    an index over the route tables, the listener, and the OpenAPI document
 * Owner    the app; tables, ports and services are borrowed for its lifetime
 * Calls    loop thread
 * Errors   api_new: those of httpd_new. A table that contradicts itself asserts: that is
 * a programming error and every start shows it. */
#ifndef POSTRIDER_API_API_H
#define POSTRIDER_API_API_H

#include "postrider/api/api_auth.h"
#include "postrider/api/api_route.h"
#include "postrider/httpd/httpd.h"

struct api_table {
    const struct api_route *rows;
    size_t count;
};

struct api_health_port {
    void *ctx;
    bool (*is_well)(void *ctx,
                    struct err *err); /* loop, store and leases; err: why not */
};

struct api_config {
    struct httpd_config httpd;
    struct api_auth_port auth;
    struct api_health_port health; /* is_well NULL = always well */
    bool token_in_query;           /* ?access_token= */
    int64_t timeout_ms;            /* 0 = API_TIMEOUT_MS */
    size_t body_max;               /* of rows that give none; 0 = API_BODY_MAX */
    size_t large_max;       /* calls that hold more than 1 MiB; 0 = API_LARGE_MAX */
    int64_t large_grace_ms; /* such a client may be slow for so long; 0 = 30 s */
    const struct api_table *tables; /* besides the built-in rows */
    size_t table_count;
    void *services; /* given to handlers */
};

struct api *api_new(struct loop *loop, const struct api_config *config, struct err *err);
uint16_t api_port(const struct api *api);
/* Stops listening; calls under way go on. */
void api_quiesce(struct api *api);
size_t api_active(const struct api *api);
/* Calls replied to since the start, well and with an error; and those with large bodies. */
struct api_totals {
    uint64_t well, failed;
    uint64_t large, large_refused; /* calls that hold a large body now; that might not */
};
void api_totals_get(const struct api *api, struct api_totals *out);
/* Cancels what is left and closes all. Operations of the authentication port that were
 * canceled here still call back: they find nothing to do. */
void api_free(struct api **api);

/* GET /health, /swagger.json and /v1/openapi.json, and the page /reference with what it
 * needs: part of every api. */
extern const struct api_table api_builtin_table, api_reference_table;

/* The OpenAPI 3.1 document of some tables; a new value. */
json_t *api_openapi(const struct api_table *tables, size_t count) ATTR_RETURNS_NONNULL;

#endif
