/* GET /v1/account/{account}/server-signatures: IMAP servers keep none. */
#include "api_handlers.h"
#include "api_rows.h"
#include "postrider/store/store_account.h"

static const struct field_spec item_fields[] = {
    F_STR("address", FIELD_REQUIRED, F_FORMAT(EMAIL), F_DOC("Address it belongs to")),
    F_STR("signature", FIELD_REQUIRED, F_DOC("HTML")),
};

static const struct field_spec response_fields[] = {
    F_ARR(
        "signatures", 0, F_LABEL("SignatureEntries"),
        F_ITEM(F_OBJ(NULL, 0, F_LABEL("SignatureResponseItem"), F_FIELDS(item_fields)))),
    F_BOOL("signaturesSupported", 0, F_DOC("Whether the server keeps signatures")),
};

static const struct field_spec response =
    F_OBJ(NULL, 0, F_LABEL("AccountSignaturesResponse"), F_FIELDS(response_fields));

void api_signatures_list(struct api_call *call)
{
    struct store *store = api_services_of(call)->store;
    if (store_directory_get(store, api_account_id(call)) == NULL) {
        api_reply_no_account(call);
        return;
    }
    json_t *out = json_object();
    json_put(out, "signatures", json_array());
    json_put_bool(out, "signaturesSupported", false);
    api_reply_json(call, 200, out);
}

const struct api_route api_signature_routes[API_SIGNATURE_ROUTES] = {
    {.method = "GET",
     .path = "/v1/account/{account}/server-signatures",
     .operation_id = "getV1AccountAccountServersignatures",
     .tag = "Account",
     .summary = "List the signatures that the mail server keeps",
     .scope = "api",
     .action = "read",
     .group = "account",
     ROUTE_PARAMS(api_row_account),
     .response = &response,
     ROUTE_EXAMPLE(.reply = "{'signatures': [], 'signaturesSupported': false}"),
     .handler = api_signatures_list},
};
