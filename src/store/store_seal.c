/* Names and values: what keys are called, and how values are sealed. */
#include "store_priv.h"

#include "postrider/base/check.h"
#include "postrider/base/mem.h"

#include <stdio.h>

struct str store_key(struct arena *a, const struct store *s,
                     const struct store_acct *acct, const char *kind)
{
    return str_of(arena_printf(a, "%s:{%u}:%s:%s", s->prefix, (unsigned)acct->shard, kind,
                               acct->name));
}

struct str store_key_box(struct arena *a, const struct store *s,
                         const struct store_acct *acct, const char *kind, uint32_t box)
{
    return str_of(arena_printf(a, "%s:{%u}:%s:%s:%u", s->prefix, (unsigned)acct->shard,
                               kind, acct->name, (unsigned)box));
}

struct str store_key_shard(struct arena *a, const struct store *s, uint8_t shard,
                           const char *kind)
{
    return str_of(arena_printf(a, "%s:{%u}:%s", s->prefix, (unsigned)shard, kind));
}

struct str store_key_global(struct arena *a, const struct store *s, const char *name)
{
    return str_of(arena_printf(a, "%s:%s", s->prefix, name));
}

static struct str put_aad(const struct store_place *place, struct buf *aad)
{
    CHECK(crypto_aad(aad, place->purpose, str_of(place->incarnation), place->field,
                     place->version));
    return buf_str(aad);
}

bool store_seal(struct store *s, const struct store_place *place, struct str plain,
                struct buf *out)
{
    CHECK(s->keyring != NULL && place->incarnation != NULL);
    struct buf aad = BUF_INIT(1024);
    bool ok = field_seal(s->keyring, place->purpose, put_aad(place, &aad), plain, out);
    buf_fini(&aad);
    return ok;
}

bool store_open_value(struct store *s, const struct store_place *place, struct str sealed,
                      struct buf *out, struct err *err)
{
    CHECK(s->keyring != NULL && place->incarnation != NULL);
    struct buf aad = BUF_INIT(1024);
    bool ok =
        field_open(s->keyring, place->purpose, put_aad(place, &aad), sealed, out, err);
    buf_fini(&aad);
    return ok;
}

static int put_piece(const char *text, size_t len, void *ctx)
{
    return buf_put(ctx, text, len) ? 0 : -1;
}

bool store_seal_json(struct store *s, const struct store_place *place, const json_t *json,
                     struct buf *out)
{
    struct buf plain = BUF_INIT(STORE_RECORD_MAX);
    bool ok = json_dump_callback(json, put_piece, &plain,
                                 JSON_COMPACT | JSON_ENCODE_ANY) == 0 &&
              store_seal(s, place, buf_str(&plain), out);
    if (plain.bytes != NULL) {
        mem_wipe(plain.bytes, plain.len);
    }
    buf_fini(&plain);
    return ok;
}

json_t *store_open_json(struct store *s, const struct store_place *place,
                        struct str sealed, struct err *err)
{
    struct buf plain = BUF_INIT(STORE_RECORD_MAX);
    json_t *json = NULL;
    if (store_open_value(s, place, sealed, &plain, err)) {
        json = json_loadb(buf_c(&plain), plain.len,
                          JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
        if (json == NULL) {
            err_set(err, ERR_CORRUPT, "%s: not JSON", place->field);
        }
        mem_wipe(plain.bytes, plain.len);
    }
    buf_fini(&plain);
    return json;
}
