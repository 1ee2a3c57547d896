#include "api_priv.h"

static const struct field_spec health_fields[] = {
    F_BOOL("success", FIELD_REQUIRED, F_DOC("Whether the node works")),
};
static const struct field_spec health_reply =
    F_OBJ(NULL, 0, F_LABEL("Health"), F_FIELDS(health_fields));

void api_get_health(struct api_call *call)
{
    struct err why = {.code = ERR_OK};
    const struct api_health_port *port = &call->api->config.health;
    if (port->is_well != NULL && !port->is_well(port->ctx, &why)) {
        struct err unwell = {.code = ERR_OK};
        (void)err_set(&unwell, ERR_INTERNAL, "Not healthy: %s", why.msg);
        api_reply_err(call, &unwell);
        return;
    }
    json_t *body = json_object();
    json_put_bool(body, "success", true);
    api_reply_json(call, 200, body);
}

void api_get_openapi(struct api_call *call)
{
    api_reply_raw(call,
                  &(struct httpd_reply){
                      .status = 200,
                      .content_type = "application/json; charset=utf-8",
                      .body = str_from(call->api->openapi, call->api->openapi_len)});
}

static const struct api_route rows[] = {
    {.method = "GET",
     .path = "/health",
     .operation_id = "getHealth",
     .tag = "Diagnostics",
     .summary = "Whether the node works",
     .flags = API_PUBLIC,
     .response = &health_reply,
     .handler = api_get_health},
    {.method = "GET",
     .path = "/swagger.json",
     .operation_id = "getSwaggerjson",
     .tag = "Documentation",
     .summary = "This description of the API",
     .flags = API_PUBLIC,
     .handler = api_get_openapi},
    {.method = "GET",
     .path = "/v1/openapi.json",
     .operation_id = "getV1Openapijson",
     .tag = "Documentation",
     .summary = "This description of the API",
     .flags = API_PUBLIC,
     .handler = api_get_openapi},
};

const struct api_table api_builtin_table = {rows, ARRAY_LEN(rows)};
