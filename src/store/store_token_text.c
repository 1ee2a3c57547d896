/* Tokens as text that one installation gives to another: the record as base64url JSON. The
 * token itself is not in it, only its SHA-256. */
#include "store_parts.h"

#include "postrider/base/codec.h"
#include "postrider/json/json.h"

enum {
    TEXT_MAX = 512 * 1024
};

bool store_token_to_text(const json_t *record, struct buf *out)
{
    struct buf plain = BUF_INIT(STORE_RECORD_MAX);
    bool ok =
        json_emit(record, &plain) && base64url_encode(out, buf_c(&plain), plain.len);
    buf_fini(&plain);
    return ok;
}

static json_t *record_of_token(const char *id)
{
    json_t *record = json_object();
    json_t *scopes = json_array();
    json_push(scopes, json_str_repaired(STR("*")));
    json_put_cstr(record, "id", id);
    json_put_cstr(record, "description", "Prepared token");
    json_put(record, "scopes", scopes);
    return record;
}

static bool is_record(const json_t *record)
{
    uint8_t raw[CRYPTO_DIGEST_SIZE];
    struct str id = json_get_str(record, "id");
    return id.ptr != NULL && id.len == TOKEN_ID_SIZE - 1 &&
           hex_decode(id, raw, sizeof raw) &&
           json_array_size(json_get_arr(record, "scopes")) > 0;
}

json_t *store_token_from_text(struct str text, struct err *err)
{
    char id[TOKEN_ID_SIZE];
    if (store_token_id(text, id)) {
        return record_of_token(id);
    }
    struct buf plain = BUF_INIT(STORE_RECORD_MAX);
    json_t *record = NULL;
    bool ok = text.len <= TEXT_MAX && base64url_decode(&plain, text) &&
              json_parse_strict(buf_str(&plain), STORE_RECORD_MAX, &record, NULL) &&
              is_record(record);
    buf_fini(&plain);
    if (!ok) {
        json_decref(record);
        (void)err_set(err, ERR_INVALID,
                      "neither 64 hexadecimal digits nor what `token export` prints");
        return NULL;
    }
    return record;
}
