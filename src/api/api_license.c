/* The license: the software is free, so there always is one, and none can be lost. */
#include "api_handlers.h"

static const struct field_spec details_fields[] = {
    F_STR("application", 0, F_DOC("Name of the program")),
    F_STR("key", 0, F_FORMAT(HEX)),
    F_STR("licensedTo", 0, F_DOC("Who may use it")),
    F_STR("hostname", 0),
    F_STR("created", 0, F_FORMAT(DATE_TIME)),
    F_BOOL("trial", 0),
    F_BOOL("lt", 0, F_DOC("Whether it never ends")),
    F_STR("expires", 0, F_FORMAT(DATE_TIME)),
};

static const struct field_spec response_fields[] = {
    F_BOOL("active", 0, F_DOC("Always true")),
    F_STR("type", 0, F_DOC("Kind of license")),
    F_OBJ("details", FIELD_FALSE_OK, F_LABEL("LicenseDetails"), F_FIELDS(details_fields)),
    F_BOOL("suspended", 0, F_DOC("Always false")),
};

static const struct field_spec response =
    F_OBJ(NULL, 0, F_LABEL("LicenseResponse"), F_FIELDS(response_fields));

static const struct field_spec deleted_fields[] = {
    F_BOOL("active", 0, F_DOC("Always true")),
    F_BOOL("details", 0),
    F_STR("type", 0, F_DOC("Kind of license")),
};

static const struct field_spec deleted_response =
    F_OBJ(NULL, 0, F_LABEL("EmptyLicenseResponse"), F_FIELDS(deleted_fields));

static const struct field_spec register_fields[] = {
    F_STR("license", FIELD_REQUIRED, F_MAX_LEN(10240),
          F_DOC("Key of a license; none is needed, so any will do")),
};

static const struct field_spec register_body =
    F_OBJ(NULL, 0, F_LABEL("RegisterLicense"), F_FIELDS(register_fields));

static void put_license(json_t *out)
{
    json_put_bool(out, "active", true);
    json_put_cstr(out, "type", "Free software");
}

void api_license_get(struct api_call *call)
{
    json_t *out = json_object();
    json_t *details = json_object();
    json_put_cstr(details, "application", "postrider");
    json_put_cstr(details, "licensedTo", "Everybody");
    json_put_bool(details, "trial", false);
    json_put_bool(details, "lt", true);
    put_license(out);
    json_put(out, "details", details);
    json_put_bool(out, "suspended", false);
    api_reply_json(call, 200, out);
}

void api_license_delete(struct api_call *call)
{
    json_t *out = json_object();
    put_license(out);
    json_put_bool(out, "details", false);
    api_reply_json(call, 200, out);
}

const struct api_route api_license_routes[API_LICENSE_ROUTES] = {
    {.method = "GET",
     .path = "/v1/license",
     .operation_id = "getV1License",
     .tag = "License",
     .summary = "Show the license",
     .scope = "api",
     .action = "read",
     .group = "admin",
     .response = &response,
     ROUTE_EXAMPLE(.reply = "{'active': true, 'type': 'Free software', 'details': "
                            "{'application': 'postrider', 'licensedTo': 'Everybody', "
                            "'trial': false, 'lt': true}, 'suspended': false}"),
     .handler = api_license_get},
    {.method = "POST",
     .path = "/v1/license",
     .operation_id = "postV1License",
     .tag = "License",
     .summary = "Register a license: none is needed",
     .scope = "api",
     .action = "write",
     .group = "admin",
     .body = &register_body,
     .response = &response,
     ROUTE_EXAMPLE(.body = "{'license': 'none is needed'}",
                   .reply = "{'active': true, 'type': 'Free software', 'details': "
                            "{'application': 'postrider', 'licensedTo': 'Everybody', "
                            "'trial': false, 'lt': true}, 'suspended': false}"),
     .handler = api_license_get},
    {.method = "DELETE",
     .path = "/v1/license",
     .operation_id = "deleteV1License",
     .tag = "License",
     .summary = "Remove the license: the software stays free",
     .scope = "api",
     .action = "destructive",
     .group = "admin",
     .response = &deleted_response,
     ROUTE_EXAMPLE(.reply = "{'active': true, 'type': 'Free software', 'details': "
                            "false}"),
     .handler = api_license_delete},
};
