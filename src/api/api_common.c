#include "api_handlers.h"
#include "postrider/base/ip.h"

struct api_services *api_services_of(struct api_call *call)
{
    return call->services;
}

struct str api_account_id(const struct api_call *call)
{
    return json_get_str(call->params, "account");
}

const struct err api_no_account = {
    .code = ERR_NO_ACCOUNT, .msg = "Account record was not found for requested ID"};

void api_reply_no_account(struct api_call *call)
{
    api_reply_err(call, &api_no_account);
}

struct account *api_account_here(struct api_services *services, struct str id)
{
    struct account *a = accounts_get(services->accounts, id);
    bool here = a != NULL && store_owns(services->store, account_store_acct(a)->shard);
    return here ? a : NULL;
}

struct account *api_account_find(struct api_call *call)
{
    static const struct err idle = {
        .code = ERR_UNAVAILABLE,
        .msg = "The account is not handled by this node now; try again in a moment"};
    struct api_services *services = api_services_of(call);
    struct str id = api_account_id(call);
    struct account *a = accounts_get(services->accounts, id);
    if (a == NULL && store_directory_get(services->store, id) == NULL) {
        api_reply_no_account(call);
    } else if (a == NULL) {
        api_reply_err(call, &idle);
    }
    return a;
}

/* --- pages --- */

json_t *api_page_new(const struct api_call *call, size_t total)
{
    int64_t size = json_get_int(call->query, "pageSize", 20);
    json_t *out = json_object();
    json_put_int(out, "total", (int64_t)total);
    json_put_int(out, "page", json_get_int(call->query, "page", 0));
    json_put_int(out, "pages", ((int64_t)total + size - 1) / size);
    return out;
}

size_t api_page_first(const struct api_call *call, size_t *count_out)
{
    size_t size = (size_t)json_get_int(call->query, "pageSize", 20);
    *count_out = size;
    return (size_t)json_get_int(call->query, "page", 0) * size;
}

/* --- checks of fields --- */

bool api_check_json_text(const json_t *value, struct err *err)
{
    json_t *parsed ATTR_CLEANUP(json_cleanup) = NULL;
    struct str text = str_from(json_string_value(value), json_string_length(value));
    if (!json_parse_strict(text, text.len, &parsed, NULL)) {
        return err_set(err, ERR_INVALID, "must be a string that holds JSON");
    }
    return true;
}

bool api_check_network(const json_t *value, struct err *err)
{
    struct str text = str_from(json_string_value(value), json_string_length(value));
    return ip_is_network(text) ||
           err_set(err, ERR_INVALID, "must be a valid ip address or network");
}
