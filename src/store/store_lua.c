#include "store_priv.h"

#include "embedded.h"

struct lua_row {
    const char *name;
    const unsigned char *source;
    const size_t *len;
    bool owner_only; /* behind owner.lua */
};

#define ROW(id)                                                                          \
    .name = #id, .source = embedded_##id##_lua, .len = &embedded_##id##_lua_len

static const struct lua_row rows[STORE_LUA_COUNT] = {
    [STORE_LUA_LEASE] = {ROW(lease)},
    [STORE_LUA_RELEASE] = {ROW(release)},
    [STORE_LUA_ACCOUNT_CREATE] = {ROW(account_create), .owner_only = true},
    [STORE_LUA_ACCOUNT_UPDATE] = {ROW(account_update), .owner_only = true},
    [STORE_LUA_ACCOUNT_DELETE] = {ROW(account_delete), .owner_only = true},
    [STORE_LUA_DIRECTORY_SWAP] = {ROW(directory_swap)},
    [STORE_LUA_SETTINGS_SET] = {ROW(settings_set)},
    [STORE_LUA_TOKEN_DELETE] = {ROW(token_delete)},
    [STORE_LUA_TOKEN_TOUCH] = {ROW(token_touch)},
    [STORE_LUA_TOKEN_PREPARE] = {ROW(token_prepare)},
    [STORE_LUA_COMMIT] = {ROW(commit), .owner_only = true},
    [STORE_LUA_CURSOR] = {ROW(cursor), .owner_only = true},
    [STORE_LUA_TRIM] = {ROW(trim), .owner_only = true},
    [STORE_LUA_REPLAY] = {ROW(replay)},
    [STORE_LUA_BLOCKLIST_ADD] = {ROW(blocklist_add)},
    [STORE_LUA_BLOCKLIST_DELETE] = {ROW(blocklist_delete)},
    [STORE_LUA_BLOCKLIST_READ] = {ROW(blocklist_read)},
    [STORE_LUA_BLOCKLISTS] = {ROW(blocklists)},
    [STORE_LUA_DEAD_PUT] = {ROW(dead_put), .owner_only = true},
    [STORE_LUA_DEAD_DROP] = {ROW(dead_drop)},
};

static struct str source_of(struct store *s, const struct lua_row *row)
{
    struct str own = str_from((const char *)row->source, *row->len);
    if (!row->owner_only) {
        return own;
    }
    size_t head = embedded_owner_lua_len;
    char *text = arena_alloc(&s->script_texts, head + own.len);
    memcpy(text, embedded_owner_lua, head);
    memcpy(text + head, own.ptr, own.len);
    return str_from(text, head + own.len);
}

void store_lua_init(struct store *s)
{
    for (size_t i = 0; i < STORE_LUA_COUNT; i++) {
        struct str source = source_of(s, &rows[i]);
        s->scripts[i] = (struct redis_script){
            .name = rows[i].name, .source = source.ptr, .source_len = source.len};
    }
}
