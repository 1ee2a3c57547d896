/* What a token allows, and how often. */
#include "api_handlers.h"
#include "postrider/base/clock.h"
#include "postrider/base/ip.h"
#include "postrider/base/map.h"
#include "postrider/base/mem.h"
#include "postrider/base/num.h"

enum {
    RATE_TOKENS_MAX = 10000,
    MS_PER_S = 1000
};

/* --- the rules: one that refuses may make the details --- */

static bool list_has(const json_t *list, const char *text)
{
    size_t i;
    json_t *item;
    json_array_foreach(list, i, item)
    {
        const char *value = json_string_value(item);
        if (value != NULL && strcmp(value, text) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_valid_now(const json_t *record, const struct api_token_use *use,
                         json_t **details ATTR_UNUSED, struct err *err)
{
    int64_t expires_ms = 0;
    if (!json_has(record, "expires") ||
        (json_get_time(record, "expires", &expires_ms) && use->now_ms < expires_ms)) {
        return true;
    }
    return err_set(err, ERR_UNAUTHORIZED, "Unauthorized");
}

static bool has_scope(const json_t *record, const struct api_token_use *use,
                      json_t **details, struct err *err)
{
    const char *scope = use->route->scope;
    const json_t *scopes = json_get_arr(record, "scopes");
    if (scope == NULL || list_has(scopes, scope) || list_has(scopes, "*")) {
        return true;
    }
    *details = json_object();
    json_put_cstr(*details, "requestedScope", scope);
    return err_set(err, ERR_FORBIDDEN, "The token does not have the needed scope");
}

/* A narrowed token never reaches the group admin, even if it names no groups; nor what else
 * would give it more than it has. */
static bool has_permission(const json_t *record, const struct api_token_use *use,
                           json_t **details, struct err *err)
{
    const struct api_route *route = use->route;
    const json_t *permissions = json_get_obj(record, "permissions");
    const json_t *actions = json_get_arr(permissions, "actions");
    const json_t *groups = json_get_arr(permissions, "groups");
    if (permissions == NULL || route->action == NULL || route->group == NULL) {
        return true;
    }
    if (strcmp(route->group, "admin") != 0 && (route->flags & API_ADMIN) == 0 &&
        (actions == NULL || list_has(actions, route->action)) &&
        (groups == NULL || list_has(groups, route->group))) {
        return true;
    }
    json_t *needed = json_object();
    json_put_cstr(needed, "action", route->action);
    json_put_cstr(needed, "group", route->group);
    *details = json_object();
    json_put(*details, "requiredPermission", needed);
    return err_set(err, ERR_FORBIDDEN, "The token does not permit this operation");
}

static bool address_fits(const json_t *record, const struct api_token_use *use,
                         json_t **details, struct err *err)
{
    const json_t *restrictions = json_get_obj(record, "restrictions");
    const json_t *list = json_get_arr(restrictions, "addresses");
    size_t i;
    json_t *item;
    if (json_array_size(list) == 0) {
        return true;
    }
    json_array_foreach(list, i, item)
    {
        const char *network = json_string_value(item);
        if (network != NULL && use->remote != NULL &&
            ip_network_has(str_of(network), str_of(use->remote))) {
            return true;
        }
    }
    *details = json_object();
    json_put_cstr(*details, "remoteAddress", use->remote);
    return err_set(err, ERR_FORBIDDEN, "The token may not be used from this address");
}

static bool referrer_fits(const json_t *record, const struct api_token_use *use,
                          json_t **details ATTR_UNUSED, struct err *err)
{
    const json_t *restrictions = json_get_obj(record, "restrictions");
    const json_t *list = json_get_arr(restrictions, "referrers");
    struct str referrer = str_of(use->referrer != NULL ? use->referrer : "");
    size_t i;
    json_t *item;
    if (json_array_size(list) == 0) {
        return true;
    }
    json_array_foreach(list, i, item)
    {
        if (str_matches(str_of(json_string_value(item)), referrer)) {
            return true;
        }
    }
    return err_set(err, ERR_FORBIDDEN, "The token may not be used from this page");
}

bool api_token_allows(const json_t *record, const struct api_token_use *use,
                      json_t **details_out, struct err *err)
{
    typedef bool rule(const json_t *record, const struct api_token_use *use,
                      json_t **details, struct err *err);
    static rule *const rules[] = {is_valid_now, has_scope, has_permission, address_fits,
                                  referrer_fits};
    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        if (!rules[i](record, use, details_out, err)) {
            return false;
        }
    }
    return true;
}

/* --- rate limits --- */

struct window {
    int64_t ends_ms;
    int64_t used;
};

struct api_token_rate {
    struct map *windows; /* by token id */
};

struct api_token_rate *api_token_rate_new(void)
{
    struct api_token_rate *r = MEM_NEW(struct api_token_rate);
    r->windows = map_new(mem_free);
    return r;
}

void api_token_rate_free(struct api_token_rate **r)
{
    if (*r != NULL) {
        map_free(&(*r)->windows);
        mem_free(*r);
        *r = NULL;
    }
}

static struct window *window_of(struct api_token_rate *r, struct str id)
{
    struct window *w = map_get(r->windows, id);
    if (w != NULL) {
        return w;
    }
    if (map_count(r->windows) >= RATE_TOKENS_MAX) {
        map_free(&r->windows);
        r->windows = map_new(mem_free);
    }
    w = MEM_NEW(struct window);
    map_put(r->windows, id, w);
    return w;
}

bool api_token_rate_take(struct api_token_rate *r, const json_t *record, int64_t now_ms,
                         struct api_rate *rate_out)
{
    const json_t *restrictions = json_get_obj(record, "restrictions");
    const json_t *limit = json_get_obj(restrictions, "rateLimit");
    int64_t most = json_get_int(limit, "maxRequests", 0);
    int64_t window_s = json_get_int(limit, "timeWindow", 0);
    if (most <= 0 || window_s <= 0 || window_s > INT32_MAX) {
        return true;
    }
    struct window *w = window_of(r, json_get_str(record, "id"));
    if (now_ms >= w->ends_ms) {
        *w = (struct window){.ends_ms = now_ms + window_s * MS_PER_S};
    }
    bool ok = w->used < most;
    w->used += ok ? 1 : 0;
    *rate_out =
        (struct api_rate){.limit = most,
                          .remaining = most - w->used,
                          .reset_s = (w->ends_ms - now_ms + MS_PER_S - 1) / MS_PER_S};
    return ok;
}
