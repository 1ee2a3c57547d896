#include "account_priv.h"

#include "postrider/json/json.h"

bool account_is_unset(const json_t *record)
{
    static const char *const servers[] = {"imap", "smtp", "oauth2"};
    for (size_t i = 0; i < ARRAY_LEN(servers); i++) {
        if (json_is_object(json_object_get(record, servers[i]))) {
            return false;
        }
    }
    return true;
}

const char *account_is_off(json_t *record)
{
    json_t *imap = json_object_get(record, "imap");
    if (!json_is_object(imap)) {
        return "the account has no IMAP settings";
    }
    if (json_is_true(json_object_get(imap, "disabled"))) {
        return "IMAP is disabled for this account";
    }
    return NULL;
}

static const char *text_of(struct arena *arena, const json_t *object, const char *key)
{
    return arena_strdup(arena, json_string_value(json_object_get(object, key)));
}

const char *account_host(const struct account *a)
{
    const char *host = json_get_cstr(json_get_obj(a->record, "imap"), "host");
    return host != NULL ? host : "";
}

const char *account_user(const struct account *a)
{
    const json_t *imap = json_get_obj(a->record, "imap");
    const char *user = json_get_cstr(json_get_obj(imap, "auth"), "user");
    return user != NULL ? user : "";
}

bool account_imap_params(struct arena *arena, struct accounts *as, json_t *record,
                         struct imap_conn_params *out, struct err *err)
{
    json_t *imap = json_object_get(record, "imap");
    json_t *auth = json_object_get(imap, "auth");
    json_t *tls = json_object_get(imap, "tls");
    const char *pass = json_string_value(json_object_get(auth, "pass"));
    const char *token = json_string_value(json_object_get(auth, "accessToken"));
    *out = (struct imap_conn_params){
        .host = text_of(arena, imap, "host"),
        .port = (uint16_t)json_integer_value(json_object_get(imap, "port")),
        .user = text_of(arena, auth, "user"),
        .client_name = "Postrider",
        .client_version = POSTRIDER_VERSION,
    };
    if (out->host == NULL || out->port == 0) {
        return err_set(err, ERR_INVALID, "imap.host and imap.port are needed");
    }
    if (out->user == NULL || (pass == NULL && token == NULL)) {
        return err_set(err, ERR_AUTH, "imap.auth needs user and pass or accessToken");
    }
    out->auth = token != NULL ? IMAP_AUTH_TOKEN : IMAP_AUTH_PASSWORD;
    out->secret = arena_str(arena, str_of(token != NULL ? token : pass));
    out->security = json_is_true(json_object_get(imap, "secure"))
                        ? IMAP_SECURITY_TLS
                        : IMAP_SECURITY_OPPORTUNISTIC;
    out->tls.insecure = json_is_false(json_object_get(tls, "rejectUnauthorized"));
    /* Clear text beyond loopback needs the explicit word. */
    out->allow_plain = json_is_true(json_object_get(tls, "allowPlain"));
    out->tls.min_version = text_of(arena, tls, "minVersion");
    out->tls.ca_file = as->config.ca_file;
    return true;
}
